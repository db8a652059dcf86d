"""A module, its inputs at any batch, and what has to come of it: PyTorch's answers or a refusal."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from package_checks import difference, state_of
from torch import nn

import taoism
from taoism import errors

BATCHES = (3, 2, 1)  # others than the example's
STRATEGY = "full"


@dataclasses.dataclass(frozen=True)
class Case:
    """`inputs`: the arguments at a batch, a tuple or a mapping. `refused`: the error's class and
    words of its message; None: it answers as PyTorch does. `fixed`: other batches are refused, and
    why; `not_one`: so is a batch of one. `example`: the batch of the example. `as_it_is`: not put
    into evaluation mode."""

    make: Callable[[], nn.Module]
    inputs: Callable[[int], Any]
    refused: tuple[type[errors.Error], str] | None = None
    fixed: str = ""
    not_one: bool = False
    example: int = 2
    as_it_is: bool = False
    warns: str = ""
    fast: bool = False


class Through(nn.Module):
    """A forward that is given, with parts that it may use."""

    def __init__(self, forward: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self._given = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: torch.Tensor) -> Any:
        return self._given(self, x)


def through(forward: Callable[..., Any], **parts: Any) -> Callable[[], nn.Module]:
    """Makes such a module."""
    return lambda: Through(forward, **parts)


def floats(*shape: int) -> Callable[[int], tuple[torch.Tensor]]:
    return lambda batch: (torch.randn(batch, *shape),)


def numbers(most: int, *shape: int) -> Callable[[int], tuple[torch.Tensor]]:
    return lambda batch: (torch.randint(most, (batch, *shape)),)


def call(module: nn.Module, inputs: Any) -> Any:
    """Its answer to copies of the inputs."""
    given = copied(inputs)
    return module(**given) if isinstance(given, Mapping) else module(*given)


def copied(value: Any) -> Any:
    """A tensor that is there twice is so in the copy."""
    copies: dict[int, torch.Tensor] = {}

    def copy(tensor: torch.Tensor) -> torch.Tensor:
        return copies.setdefault(id(tensor), tensor.clone())

    return torch.utils._pytree.tree_map_only(torch.Tensor, copy, value)


def judge(case: Case) -> None:
    """Fails where the case does not come out as it has to."""
    torch.manual_seed(11)
    net = case.make()
    if not case.as_it_is:
        net.eval()
    example = case.inputs(case.example)
    before = state_of(net)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        if case.refused is not None:
            kind, words = case.refused
            with pytest.raises(kind, match=words) as caught:
                taoism.shield(net, copied(example), STRATEGY)
            assert caught.type is kind
            text = str(*caught.value.args)
            assert text.isprintable() and len(text) < 600, text
            shielded = None
        else:
            shielded = taoism.shield(net, copied(example), STRATEGY)
    said = [str(w.message) for w in warned if issubclass(w.category, taoism.ExportWarning)]
    assert bool(said) == bool(case.warns), said
    assert all(case.warns in text for text in said), said
    after = state_of(net)
    changed = [name for name in {**before, **after} if after.get(name) != before.get(name)]
    assert not changed, f"shielding changed {changed}"
    if shielded is not None:
        with shielded, torch.no_grad():
            compare(case, shielded, net, example)


def compare(case: Case, shielded: nn.Module, net: nn.Module, example: Any) -> None:
    found = difference(call(shielded, example), call(net, example))
    assert not found, f"at the example: {found}"
    for batch in BATCHES:
        given = case.inputs(batch)
        refused = case.fixed if batch != case.example else ""
        if case.not_one and batch == 1:
            refused = "something else for a batch of one"
        if refused:
            with pytest.raises(errors.ShapeError, match=refused):
                call(shielded, given)
            continue
        found = difference(call(shielded, given), call(net, given))
        assert not found, f"at a batch of {batch}: {found}"
