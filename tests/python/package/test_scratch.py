"""The exported file, which has all weights: who can read it, and that it does not stay behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import torch
from nets import Mlp
from package_checks import PACKAGE

import taoism
from taoism._scratch import scratch_folder

KILLED = """
import os, sys
sys.path[:0] = {path!r}
import taoism._prepare, torch
from nets import Mlp
taoism._prepare.label_nodes = lambda path, *_: os.kill(os.getpid(), 9)
taoism.plan(Mlp().eval(), torch.randn(2, 6))
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_a_killed_process_leaves_goes_away_at_the_next_use(temporary: Path) -> None:
    path = [str(PACKAGE), str(Path(__file__).parent)]
    for _ in range(2):  # the second removes what the first has left, and leaves its own
        done = subprocess.run(
            [sys.executable, "-c", KILLED.format(path=path)],
            env={**os.environ, "TMPDIR": str(temporary)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == -9, done.stderr
        (left,) = temporary.glob(".taoism-scratch-*")
        assert stat.S_IMODE(left.stat().st_mode) == 0o700
        assert sum(file.stat().st_size for file in left.iterdir()) > 4 * (6 * 16 + 16 * 16)
    assert taoism.plan(Mlp().eval(), torch.randn(2, 6)).crossings
    assert not list(temporary.glob(".taoism-*"))


def test_a_folder_in_use_stays() -> None:
    with scratch_folder() as one:
        (one / "weights").write_bytes(b"w")
        with scratch_folder() as other:
            assert other != one and (one / "weights").exists()
        assert not other.exists() and (one / "weights").exists()
    assert not one.exists()


def test_nothing_else_is_removed(temporary: Path) -> None:
    with scratch_folder() as mine:
        name = mine.name
    (temporary / "elsewhere").mkdir()
    (temporary / "elsewhere" / "file").touch()
    (temporary / name[:-1]).mkdir()
    (temporary / (name + "x")).mkdir()
    (temporary / name[1:]).mkdir()
    link = temporary / f"{name[:-1]}{'a' if name[-1] != 'a' else 'b'}"
    link.symlink_to("elsewhere")
    (temporary / f"{name[:-2]}{'aa' if name[-2:] != 'aa' else 'bb'}").touch()
    before = sorted(temporary.rglob("*"))
    with scratch_folder():
        pass
    assert sorted(temporary.rglob("*")) == before and len(before) == 7


class Talkative(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        print("from the exporting thread", file=sys.stderr)
        other = threading.Thread(target=lambda: print("from another thread", file=sys.stderr))
        other.start()
        other.join()
        return torch.relu(x)


def test_other_threads_keep_their_stderr_during_an_export(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = sys.stderr
    taoism.plan(Talkative().eval(), torch.randn(2, 6), "full")
    assert sys.stderr is stream
    lines = capsys.readouterr().err.splitlines()
    # When the module runs, twice, at a larger batch and at one; from there on the exporter alone.
    assert lines.count("from the exporting thread") == 4
    assert lines.count("from another thread") >= 2


def test_exports_of_several_threads_take_turns() -> None:
    nets = [Mlp().eval() for _ in range(4)]
    x = torch.randn(2, 6)
    want = [taoism.plan(net, x, "full").report for net in nets]
    plans: dict[int, object] = {}

    def run(i: int) -> None:
        plans[i] = taoism.plan(nets[i], x, "full").report

    stream = sys.stderr
    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [plans.get(i) for i in range(4)] == want
    assert sys.stderr is stream
