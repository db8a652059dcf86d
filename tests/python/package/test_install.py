"""`pip install .` in a fresh environment gives a package that works, worker, command and all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from package_checks import PACKAGE, ROOT, eventually, is_running

import taoism

PROGRAM = """
import numpy, taoism, torch
assert taoism.__file__.startswith({prefix!r}), taoism.__file__
net = torch.nn.Linear(4, 2).eval()
x = torch.randn(3, 4)
for tee in ("process", "inline"):
    shielded = taoism.shield(net, x, "full", tee=tee)
    torch.testing.assert_close(shielded(x), net(x).detach())
    print(*shielded.worker_pids)
torch.onnx.export(net, (x,), "m.onnx", dynamo=False)
numpy.save("x.npy", x.numpy())
"""


def test_the_command_does_not_wait_for_pytorch() -> None:
    program = "import sys, taoism, taoism.__main__; print('torch' in sys.modules, taoism.Full())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False full\n"


def test_all_names_are_there() -> None:
    assert all(getattr(taoism, name) is not None for name in taoism.__all__)
    assert set(taoism.__all__) <= set(dir(taoism))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        taoism.nothing  # noqa: B018


@pytest.mark.slow
def test_pip_install_into_a_fresh_environment(tmp_path: Path) -> None:
    """torch and the build tools come from this environment, so that nothing is downloaded."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    # A .pth line that adds the other environment's .pth files too.
    others = [p for p in sys.path if p.endswith("site-packages")]
    (site / "others.pth").write_text("\n".join([*others, sysconfig.get_path("purelib")]) + "\n")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["CMAKE_BUILD_PARALLEL_LEVEL"] = "2"
    if shutil.which("ccache"):
        environment["CMAKE_CXX_COMPILER_LAUNCHER"] = "ccache"
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run(
        [python, "-m", "pip", "install", *options, "-C", "build-dir=build/wheel", ROOT],
        env=environment,
        check=True,
    )

    def run(*command: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*map(str, command)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run(python, "-c", PROGRAM.format(prefix=str(site)))
    assert done.returncode == 0, done.stderr
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 1 and eventually(lambda: not is_running(pids[0]))
    for program in ([tmp_path / "venv" / "bin" / "taoism"], [python, "-m", "taoism"]):
        done = run(*program, "run", "m.onnx", "--input", "x.npy", "--strategy", "full")
        assert done.returncode == 0, done.stderr
        assert run(*program, "plan", "none.onnx").returncode == 2
        done = run(*program, "demo", "--data", tmp_path)
        assert "t10k-images" in done.stderr, done.stderr  # the model is there, and no data is
