"""What the tests of the Python package share: where it is, and comparisons."""

from __future__ import annotations

import collections
import dataclasses
import inspect
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("TAOISM_BIN", ROOT / "build/release/bin"))
PACKAGE = BIN.parent / "python"

# PyTorch 2.6 and newer: before, the package exports through TorchScript alone.
HAS_DYNAMO = "optimize" in inspect.signature(torch.onnx.export).parameters

# What the equality of every strategy is judged by: relative to the range of PyTorch's own output.
# 16-bit floats are rounded at other places.
TOLERANCE = 1e-4
TOLERANCES = {torch.float16: 2e-2, torch.bfloat16: 6e-2, torch.float64: 1e-9}


def assert_same(got: object, want: object) -> None:
    """Same nesting, shapes, types; floats within the tolerance of the range, others the same."""
    found = difference(got, want)
    assert not found, found


def difference(got: Any, want: Any, where: str = "the answer") -> str:
    """ "" or the first place where two answers differ."""
    if isinstance(want, torch.Tensor):
        return _difference_of_tensors(got, want.detach(), where)
    if type(got) is not type(want):
        return f"{where} is a {type(got).__name__} and not a {type(want).__name__}"
    if isinstance(want, Mapping):
        if list(got) != list(want):
            return f"{where} has the keys {list(got)} and not {list(want)}"
        parts = [(f"{where}[{key!r}]", got[key], want[key]) for key in want]
    elif isinstance(want, tuple | list):
        if len(got) != len(want):
            return f"{where} has {len(got)} values and not {len(want)}"
        parts = [(f"{where}[{i}]", *pair) for i, pair in enumerate(zip(got, want, strict=True))]
    elif dataclasses.is_dataclass(want):
        fields = [field.name for field in dataclasses.fields(want)]
        parts = [(f"{where}.{f}", getattr(got, f), getattr(want, f)) for f in fields]
    else:
        return "" if got == want else f"{where} is {got!r} and not {want!r}"
    return next((found for part in parts if (found := difference(part[1], part[2], part[0]))), "")


def _difference_of_tensors(got: Any, want: torch.Tensor, where: str) -> str:
    if not isinstance(got, torch.Tensor):
        return f"{where} is a {type(got).__name__} and no tensor"
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{where} is {got.dtype} {list(got.shape)} and not {want.dtype} {list(want.shape)}"
    if got.requires_grad:
        return f"{where} asks for gradients"
    if not want.is_floating_point():
        return "" if torch.equal(got, want) else f"{where} differs"
    a, b = got.double(), want.double()
    finite = a.isfinite() & b.isfinite()
    same = (a == b) | (a.isnan() & b.isnan())
    if not bool((finite | same).all()):
        return f"{where} differs in what is not finite"
    a, b = a[finite], b[finite]
    if b.numel() == 0:
        return ""
    spread = (b.max() - b.min()).item() or b.abs().max().item() or 1.0
    deviation = (a - b).abs().max().item() / spread
    limit = TOLERANCES.get(want.dtype, TOLERANCE)
    return "" if deviation <= limit else f"{where} differs by {deviation:.2g} of its range"


def state_of(module: torch.nn.Module) -> dict[str, object]:
    """Everything that its modules hold, to be compared: tensors by identity and by their bits,
    containers by what is in them."""
    return {
        f"{name}.{key}": _seen(value)
        for name, part in module.named_modules()
        for key, value in part.__dict__.items()
    }


def _seen(value: Any) -> object:
    if isinstance(value, torch.Tensor):
        return id(value), value.dtype, _bits(value)
    if isinstance(value, Mapping):
        return type(value), [(repr(key), _seen(item)) for key, item in value.items()]
    if isinstance(value, list | tuple | collections.deque):
        return type(value), [_seen(item) for item in value]
    if isinstance(value, bool | int | float | complex | str | bytes | set):
        return repr(value)
    return type(value), id(value)


def _bits(tensor: torch.Tensor) -> object:
    if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta or tensor.is_quantized:
        return None
    if tensor.is_sparse:
        return tensor.shape, _bits(tensor.coalesce().values())
    tensor = tensor.detach()
    return tensor.shape, tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()


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
