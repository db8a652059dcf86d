"""A module, its inputs at any batch, and what has to come of it: PyTorch's answers or a refusal."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import nn

import taoism
from taoism import errors

# Of the range of PyTorch's answer. 16-bit floats are rounded at other places.
TOLERANCES = {torch.float16: 2e-2, torch.bfloat16: 6e-2, torch.float64: 1e-9}
TOLERANCE = 1e-4
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
    if isinstance(inputs, Mapping):
        return module(**{name: copied(value) for name, value in inputs.items()})
    return module(*(copied(value) for value in inputs))


def copied(value: Any) -> Any:
    return torch.utils._pytree.tree_map_only(torch.Tensor, torch.clone, value)


def same(got: Any, want: Any, where: str = "the answer") -> str:
    """ "" or the first place where two answers differ."""
    if isinstance(want, torch.Tensor):
        return same_tensor(got, want, where)
    if type(got) is not type(want):
        return f"{where} is a {type(got).__name__} and not a {type(want).__name__}"
    if isinstance(want, Mapping):
        parts = [(f"{where}[{k!r}]", got.get(k), v) for k, v in want.items()]
        if list(got) != list(want):
            return f"{where} has the keys {list(got)} and not {list(want)}"
    elif isinstance(want, tuple | list):
        if len(got) != len(want):
            return f"{where} has {len(got)} values and not {len(want)}"
        parts = [(f"{where}[{i}]", *pair) for i, pair in enumerate(zip(got, want, strict=True))]
    elif dataclasses.is_dataclass(want):
        fields = [field.name for field in dataclasses.fields(want)]
        parts = [(f"{where}.{f}", getattr(got, f), getattr(want, f)) for f in fields]
    else:
        return "" if got == want else f"{where} is {got!r} and not {want!r}"
    return next((found for part in parts if (found := same(part[1], part[2], part[0]))), "")


def same_tensor(got: Any, want: torch.Tensor, where: str) -> str:
    if not isinstance(got, torch.Tensor):
        return f"{where} is a {type(got).__name__} and no tensor"
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{where} is {got.dtype} {list(got.shape)} and not {want.dtype} {list(want.shape)}"
    want = want.detach()
    if not want.is_floating_point():
        return "" if torch.equal(got, want) else f"{where} differs"
    a, b = got.double(), want.double()
    is_finite = b.isfinite()
    if not torch.equal(a[~is_finite].nan_to_num(), b[~is_finite].nan_to_num()):
        return f"{where} differs in what is not finite"
    a, b = a[is_finite], b[is_finite]
    if b.numel() == 0:
        return ""
    spread = (b.max() - b.min()).item() or b.abs().max().item() or 1.0
    deviation = (a - b).abs().max().item() / spread
    limit = TOLERANCES.get(want.dtype, TOLERANCE)
    return "" if deviation <= limit else f"{where} differs by {deviation:.2g} of its range"


def state_of(module: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: tensor.clone()
        for name, tensor in (*module.named_parameters(), *module.named_buffers())
        if not nn.parameter.is_lazy(tensor) and not tensor.is_meta and not tensor.is_sparse
    }


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
            text = str(caught.value)
            assert text.isprintable() and len(text) < 600, text
            shielded = None
        else:
            shielded = taoism.shield(net, copied(example), STRATEGY)
    said = [str(w.message) for w in warned if issubclass(w.category, taoism.ExportWarning)]
    assert bool(said) == bool(case.warns), said
    assert all(case.warns in text for text in said), said
    for name, tensor in state_of(net).items():
        assert not same(tensor, before[name]), f"shielding changed {name}"
    if shielded is not None:
        with shielded, torch.no_grad():
            compare(case, shielded, net, example)


def compare(case: Case, shielded: nn.Module, net: nn.Module, example: Any) -> None:
    found = same(call(shielded, example), call(net, example))
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
        found = same(call(shielded, given), call(net, given))
        assert not found, f"at a batch of {batch}: {found}"
