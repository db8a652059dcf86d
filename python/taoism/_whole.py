"""What moves and converts a module, for one that has no tensors here. Called on it, that is an
error. A module that holds it changes without it, as a whole and with a warning: PyTorch goes child
by child, and an error there would leave half of it moved."""

from __future__ import annotations

import functools
import warnings
from typing import Any, Self

import torch
from torch import nn

from taoism.errors import ModeWarning, NotMovableError

_WHY = (
    ".to(), .cuda(), .half() and the like: a shielded module's weights are in its TEE and its "
    "device, not here; say where it runs when it is made: "
    "taoism.shield(module, inputs, device='cuda:0')"
)


class StaysInPlace(nn.Module):
    """`place`: where its inputs and outputs are."""

    place = torch.device("cpu")

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """What a module that holds it does to every part of itself. Warns: ModeWarning."""
        probe = nn.Module()
        probe.register_buffer("value", torch.empty(0, device=self.place))
        if _changes(probe, lambda: probe._apply(fn)):  # type: ignore[no-untyped-call]
            warnings.warn("stays as it is: " + _WHY, ModeWarning, stacklevel=2)
        return self


def _changes(probe: nn.Module, change: Any) -> bool:
    """Whether `change` gives the probe's value another place or element type."""
    before = probe.get_buffer("value")
    try:
        change()
    except Exception:  # to what this PyTorch has not
        return True
    after = probe.get_buffer("value")
    return bool(after.device != before.device or after.dtype != before.dtype)


def _refused(name: str) -> Any:
    of_all = getattr(nn.Module, name)

    @functools.wraps(of_all)
    def move(self: StaysInPlace, *args: Any, **kwargs: Any) -> StaysInPlace:
        probe = nn.Module()
        probe.register_buffer("value", torch.empty(0, device=self.place))
        if _changes(probe, lambda: of_all(probe, *args, **kwargs)):
            raise NotMovableError(_WHY)
        return self

    return move


for _name in (
    *("to", "to_empty", "cpu", "cuda", "xpu", "ipu", "mtia"),
    *("half", "bfloat16", "float", "double", "type"),
):
    if hasattr(nn.Module, _name):
        setattr(StaysInPlace, _name, _refused(_name))
