"""Whoever is killed, and whenever: no process, no shared memory and no file is left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_one_line_error, children

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def workers(pid: int) -> list[int]:
    def is_worker(child: int) -> bool:
        try:
            return Path(f"/proc/{child}/comm").read_text().startswith("taoism-enc")
        except OSError:
            return False

    return [child for child in children(pid) if is_worker(child)]


@pytest.fixture(scope="module")
def long_input(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "x.npy"
    np.save(path, np.ones((6000, 3, 32, 32), np.float32))
    return path


def heed_all_signals() -> None:
    """Whoever runs the tests may ignore some, as `nohup` does, and children inherit that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture()
def running(program: Path, small: Path, long_input: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A long inference in the TEE, in its middle."""
    folder = tmp_path / "out"
    folder.mkdir()
    process = subprocess.Popen(
        [program, "run", small, "-s", "full", "-i", long_input, "-o", folder / "y.npy", "--batch", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_all_signals,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not any(cpu_seconds(w) > 0.5 for w in workers(process.pid)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait()
    assert not list(folder.iterdir())


def test_worker_killed(running: subprocess.Popen[str]) -> None:
    for worker in workers(running.pid):
        os.kill(worker, signal.SIGKILL)
    out, err = running.communicate(timeout=20)
    assert_one_line_error(subprocess.CompletedProcess([], running.returncode, out, err), 5)
    assert out == ""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_host_killed(running: subprocess.Popen[str], number: signal.Signals) -> None:
    left = workers(running.pid)
    assert left
    running.send_signal(number)
    running.communicate(timeout=20)
    assert running.returncode == -number
    end = time.monotonic() + 5
    while any(Path(f"/proc/{w}").exists() and cpu_seconds(w) >= 0 for w in left):
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass
        assert time.monotonic() < end, "the worker outlives its host"
        time.sleep(0.01)


def test_killed_at_any_moment(program: Path, small: Path, small_input: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    start = time.monotonic()
    args = [program, "run", small, "-s", "full", "-i", small_input, "-o", folder / "y.npy"]
    subprocess.run(args, check=True, capture_output=True)
    whole_s = time.monotonic() - start
    (folder / "y.npy").unlink()
    for i in range(20):
        process = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(whole_s * i / 20)
        process.kill()
        process.wait()
        names = [path.name for path in folder.iterdir()]
        assert names in ([], ["y.npy"])
        if names:
            assert np.load(folder / "y.npy").shape == (2, 10)
            (folder / "y.npy").unlink()
