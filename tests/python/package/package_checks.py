"""What the tests of the Python package share: where it is, and comparisons."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("TAOISM_BIN", ROOT / "build/release/bin"))
PACKAGE = BIN.parent / "python"

# PyTorch 2.6 and newer: before, the package exports through TorchScript alone.
HAS_DYNAMO = "optimize" in inspect.signature(torch.onnx.export).parameters

# What the equality of every strategy is judged by: relative to the range of PyTorch's own output.
TOLERANCE = 1e-4


def assert_same(got: object, want: object) -> None:
    """Same nesting, shapes, types; floats within TOLERANCE of the range, others the same."""
    if isinstance(want, torch.Tensor):
        assert isinstance(got, torch.Tensor)
        assert got.shape == want.shape and got.dtype == want.dtype
        assert not got.requires_grad
        if not want.is_floating_point():
            assert torch.equal(got, want)
            return
        spread = (want.max() - want.min()).item() or want.abs().max().item() or 1.0
        assert (got - want).abs().max().item() <= TOLERANCE * spread
    elif isinstance(want, dict):
        assert isinstance(got, dict) and list(got) == list(want)
        for key in want:
            assert_same(got[key], want[key])
    else:
        assert type(got) is type(want)
        assert len(got) == len(want)  # type: ignore[arg-type]
        for a, b in zip(got, want, strict=True):  # type: ignore[call-overload]
            assert_same(a, b)


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether it becomes true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def is_running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
