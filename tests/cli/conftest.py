"""Fixtures of the CLI tests: the program, models made once, and a check that nothing is left behind."""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("TAOISM_BIN", ROOT / "build" / "release" / "bin")).resolve()
FASHION_MODEL = ROOT / "models" / "fashion_resnet.onnx"
FASHION_DATA = Path("/usr/share/datasets/fashion-mnist")
STRATEGIES = ["none", "full", "deep", "shallow", "magnitude", "intermediate", "nonlinear"]
ZOO = ["alexnet", "vgg16_bn", "vgg19_bn", "resnet18", "resnet34", "resnet50", "mobilenet_v2"]
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER

Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_configure(config: pytest.Config) -> None:
    # Owners' keys that tests make are not the user's.
    os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="taoism-test-settings-")
    atexit.register(shutil.rmtree, os.environ["XDG_CONFIG_HOME"], ignore_errors=True)
    config.addinivalue_line("markers", "slow: takes minutes; runs in `make test-slow`")
    # A worker whose parent died becomes a child of this process, where `left_behind` finds it.
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def children(pid: int) -> list[int]:
    """All living descendants of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            pids = [int(p) for p in task.read_text().split()]
        except OSError:
            continue
        for child in pids:
            found += [child, *children(child)]
    return found


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        pass


def left_behind(patience_s: float = 3.0) -> list[int]:
    """Processes that outlived the test, after a moment's patience."""
    end = time.monotonic() + patience_s
    while True:
        reap()
        alive = [pid for pid in children(os.getpid()) if not is_zombie(pid)]
        if not alive or time.monotonic() > end:
            return alive
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    shm_before = set(os.listdir("/dev/shm"))
    yield
    alive = left_behind()
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    assert not alive, f"processes left behind: {alive}"
    assert not [f for f in set(os.listdir("/dev/shm")) - shm_before if "taoism" in f]


@pytest.fixture(scope="session")
def program() -> Path:
    path = BIN / "taoism"
    if not path.exists():
        pytest.fail(f"{path} is not built; run `make build` or set TAOISM_BIN")
    return path


@pytest.fixture(scope="session")
def run(program: Path) -> Run:
    def run_program(*args: object, timeout: float = 300, **kwargs: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(program), *map(str, args)], capture_output=True, text=True, timeout=timeout, **kwargs
        )

    return run_program


@pytest.fixture(scope="session")
def ok(run: Run) -> Callable[..., str]:
    """Runs the program, which must succeed; its standard output."""

    def run_ok(*args: object, **kwargs: object) -> str:
        result = run(*args, **kwargs)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run_ok


@pytest.fixture(scope="session")
def zoo(ok: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """zoo(name, image=32, classes=100): the path of a model, made once."""
    folder = tmp_path_factory.mktemp("zoo")

    def make(name: str, image: int = 32, classes: int = 100) -> Path:
        path = folder / f"{name}-{image}-{classes}.onnx"
        if not path.exists():
            ok("zoo", name, "-o", path, "--image", image, "--classes", classes)
        return path

    yield make
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def small(zoo: Callable[..., Path]) -> Path:
    return zoo("resnet18", 32, 10)


@pytest.fixture(scope="session")
def small_input(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("input") / "x.npy"
    np.save(path, np.random.default_rng(1).standard_normal((2, 3, 32, 32), dtype=np.float32))
    return path


@pytest.fixture(scope="session")
def preload(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """An environment in which tests/cli/NAME.c stands between a program and the C library."""
    folder = tmp_path_factory.mktemp("preload")

    def environment(name: str) -> dict[str, str]:
        library = folder / f"{name}.so"
        if not library.exists():
            compiler = os.environ.get("CC", "cc")
            source = ROOT / "tests" / "cli" / f"{name}.c"
            subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        return {**os.environ, "LD_PRELOAD": str(library)}

    return environment


def assert_one_line_error(result: subprocess.CompletedProcess[str], code: int, *says: str) -> None:
    """The contract of every failure: exit code, one line that names what, where and the mend."""
    assert result.returncode == code, (result.returncode, result.stderr)
    errors = [line for line in result.stderr.splitlines() if not line.startswith("taoism: warning: ")]
    assert len(errors) == 1, result.stderr
    assert errors[0].startswith("taoism: error: ")
    assert all(c >= " " for c in errors[0])
    for text in says:
        assert text in errors[0], errors[0]
