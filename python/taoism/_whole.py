"""A module that holds a shielded part changes as a whole or not at all: PyTorch's `.to()` and its
like go child by child and would stop half-way. Where a module holds such a part, it is asked
before the first tensor changes."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

_inside = threading.local()  # an outer module asked for all that are in it


def moved_to(fn: Any, device: torch.device) -> bool:
    """Whether `fn`, which PyTorch applies to every tensor of a module, would move a float32 one
    that is on `device`, or convert it."""
    probe: torch.Tensor = torch.empty(0, device=device)
    try:
        result = fn(probe)
    except Exception:  # to what this PyTorch has not
        return True
    return bool(result.device != probe.device or result.dtype != probe.dtype)


def _asks_first(apply: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    @functools.wraps(apply)
    def checked(self: nn.Module, fn: Any, *args: Any, **kwargs: Any) -> nn.Module:
        if getattr(_inside, "asked", False):
            return apply(self, fn, *args, **kwargs)
        for part in self.modules():
            ask: Any = getattr(part, "check_apply", None)  # of a shielded one
            if part is not self and ask is not None:
                ask(fn)
        _inside.asked = True
        try:
            return apply(self, fn, *args, **kwargs)
        finally:
            _inside.asked = False

    checked.__dict__["taoism"] = True
    return checked


def ask_before_changes() -> None:
    """From now on every module does. May be called again."""
    if not getattr(nn.Module._apply, "taoism", False):
        nn.Module._apply = _asks_first(nn.Module._apply)  # type: ignore[method-assign]
