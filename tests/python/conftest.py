"""What the Python tests share: where the programs are, and how to run them on a model."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))  # whose networks are tested too


@pytest.fixture(scope="session")
def taoism_cli() -> pathlib.Path:
    """The `taoism` program: TAOISM_BIN (the program, or its folder) or the release build's."""
    path = pathlib.Path(os.environ.get("TAOISM_BIN", ROOT / "build/release/bin/taoism"))
    if path.is_dir():
        path = path / "taoism"
    if not path.exists():
        pytest.fail(f"{path} is not there: run `make build` or set TAOISM_BIN")
    return path


@pytest.fixture(scope="session")
def run_cli(taoism_cli: pathlib.Path) -> Callable[..., subprocess.CompletedProcess]:
    """Runs the program; gives its exit status, stdout and stderr."""

    def run(*arguments: object, timeout: float = 120) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(taoism_cli), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def run_model(run_cli, tmp_path: pathlib.Path) -> Callable[..., np.ndarray]:
    """One unpartitioned inference through the program."""

    def run(model: pathlib.Path, x: np.ndarray) -> np.ndarray:
        np.save(tmp_path / "x.npy", x)
        done = run_cli(
            "run", model, "--strategy", "none",
            "--batch", len(x), "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return np.load(tmp_path / "y.npy")

    return run


@pytest.fixture
def agrees_with_onnxruntime(run_model) -> Callable[..., None]:
    """Asserts that the program and ONNX Runtime give the same, at a relative 1e-4."""
    onnxruntime = pytest.importorskip("onnxruntime")

    def check(model: pathlib.Path, x: np.ndarray) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(model), options)
        expected = session.run(None, {session.get_inputs()[0].name: x})[0]
        got = run_model(model, x)
        assert got.shape == expected.shape and got.dtype == expected.dtype
        assert np.isfinite(expected).all()
        scale = max(float(np.abs(expected).max()), 1e-6)
        assert float(np.abs(got - expected).max()) <= 1e-4 * scale

    return check
