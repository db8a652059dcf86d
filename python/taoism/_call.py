"""The form of a call: which tensors go in and come out, whatever containers hold them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch.utils import _pytree as pytree

from taoism.errors import DeviceError, DtypeError, InvalidArgumentError, ShapeError

_PLAIN = (bool, int, float, str, type(None))


def dtype_name(dtype: torch.dtype) -> str:
    """ "float32" of torch.float32."""
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True)
class TensorSpec:
    """A tensor that goes in. `shape[0]` is None where it is the batch, of any size."""

    name: str
    dtype: torch.dtype
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sizes = ", ".join("batch" if size is None else str(size) for size in self.shape)
        return f"{dtype_name(self.dtype)} [{sizes}]"


@dataclass(frozen=True)
class Constant:
    """A leaf of the arguments that is no tensor: the export holds its value."""

    value: Any


@dataclass(frozen=True)
class CallForm:
    """How a module is called. `leaves`: of (args, kwargs), each a tensor's spec or a constant."""

    signature: inspect.Signature
    tree: pytree.TreeSpec
    leaves: tuple[TensorSpec | Constant, ...]
    device: torch.device
    fixed_batch: str = ""  # why the batch cannot change, for an error message

    @cached_property
    def is_plain(self) -> bool:
        """Whether the call is nothing but tensors, one after the other."""
        flat = pytree.tree_flatten(((0,) * len(self.leaves), {}))[1]
        return self.tree == flat and len(self.tensors) == len(self.leaves)

    @cached_property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """The tensors among the leaves."""
        return tuple(leaf for leaf in self.leaves if isinstance(leaf, TensorSpec))

    def flatten(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[torch.Tensor], int]:
        """The tensors of a call, and its batch (0 where no input has one). Errors:
        InvalidArgumentError (other arguments), DtypeError, DeviceError, ShapeError."""
        given: Sequence[Any] = args
        if kwargs or not self.is_plain or len(args) != len(self.leaves):
            args, kwargs = bind_arguments(self.signature, args, kwargs)
            given, tree = pytree.tree_flatten((args, kwargs))
            if tree != self.tree:
                raise InvalidArgumentError(
                    f"the arguments are nested as {_shown(tree)}; the example inputs were "
                    f"{_shown(self.tree)}"
                )
        tensors = []
        batch = 0
        for leaf, value in zip(self.leaves, given, strict=True):
            if isinstance(leaf, Constant):
                if isinstance(value, torch.Tensor) or value != leaf.value:
                    raise InvalidArgumentError(
                        f"an argument is {value!r}; the export holds the example's, "
                        f"{leaf.value!r}: shield the module again for another value"
                    )
                continue
            batch = self._check(leaf, value, batch)
            tensors.append(value)
        return tensors, batch

    def _check(self, spec: TensorSpec, value: Any, batch: int) -> int:
        if not isinstance(value, torch.Tensor):
            raise DtypeError(f"input '{spec.name}' is a {type(value).__name__}; give a tensor")
        if value.device != self.device:
            raise DeviceError(
                f"input '{spec.name}' is on {value.device}; the example inputs were on "
                f"{self.device}: give {spec.name}.to('{self.device}')"
            )
        if value.dtype != spec.dtype:
            raise DtypeError(
                f"input '{spec.name}' is {dtype_name(value.dtype)}; the module was exported for "
                f"{spec}: give {spec.name}.to({spec.dtype})"
            )
        if value.layout != torch.strided:
            raise DtypeError(f"input '{spec.name}' is sparse; give {spec.name}.to_dense()")
        shape = tuple(value.shape)
        fits = len(shape) == len(spec.shape) and all(
            want is None or got == want for got, want in zip(shape, spec.shape, strict=True)
        )
        if not fits:
            why = ""
            if self.fixed_batch and shape[1:] == spec.shape[1:]:
                why = f" (the batch is fixed: {self.fixed_batch})"
            raise ShapeError(
                f"input '{spec.name}' is {list(shape)}; the module was exported for {spec}{why}: "
                "shield it again with example inputs of this shape"
            )
        if spec.shape and spec.shape[0] is None:
            if shape[0] == 0:
                raise ShapeError(f"input '{spec.name}' is {list(shape)}: the batch is empty")
            if batch not in (0, shape[0]):
                raise ShapeError(
                    f"input '{spec.name}' has a batch of {shape[0]}, another input of {batch}: "
                    "give all inputs the same"
                )
            return shape[0]
        return batch


def _shown(tree: pytree.TreeSpec) -> str:
    """On one line, with `tensor` for a leaf."""
    return repr(pytree.tree_unflatten([_Tensor()] * tree.num_leaves, tree)[0])


class _Tensor:
    def __repr__(self) -> str:
        return "tensor"


def bind_arguments(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A call's arguments in one form, however they were spelled. Errors: InvalidArgumentError."""
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise InvalidArgumentError(f"forward{signature}: {error}") from None
    return bound.args, bound.kwargs


def example_arguments(
    signature: inspect.Signature, example: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """`example`: a tensor, a tuple or list of positional arguments, or a dict of named ones."""
    if isinstance(example, dict):
        return bind_arguments(signature, (), example)
    if isinstance(example, tuple | list):
        return bind_arguments(signature, tuple(example), {})
    return bind_arguments(signature, (example,), {})


def form_of(
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    dynamic_batch: bool,
) -> CallForm:
    """The form of an example call. The batch is the first dimension of the first tensor, and of
    every other tensor that agrees. Errors: DtypeError, DeviceError."""
    paths, tree = pytree.tree_flatten_with_path((args, kwargs))
    values = [value for _, value in paths if isinstance(value, torch.Tensor)]
    if not values:
        raise InvalidArgumentError("example_inputs holds no tensor")
    device = values[0].device
    batch = next((value.shape[0] for value in values if value.dim() > 0), 0)
    names = _names(signature, [path for path, _ in paths])
    leaves: list[TensorSpec | Constant] = []
    for name, (_, value) in zip(names, paths, strict=True):
        if isinstance(value, torch.Tensor):
            if value.device != device:
                raise DeviceError(
                    f"example input '{name}' is on {value.device}, another one on {device}: put "
                    "all of them on one device"
                )
            shape: list[int | None] = list(value.shape)
            if dynamic_batch and shape and shape[0] == batch > 0:
                shape[0] = None
            leaves.append(TensorSpec(name, value.dtype, tuple(shape)))
        elif isinstance(value, _PLAIN):
            leaves.append(Constant(value))
        else:
            raise DtypeError(f"example input '{name}' is a {type(value).__name__}; give tensors")
    return CallForm(signature, tree, tuple(leaves), device)


def _names(signature: inspect.Signature, paths: Sequence[Sequence[Any]]) -> list[str]:
    """A name for every leaf of (args, kwargs): its parameter, numbered where that holds several."""
    parameters = list(signature.parameters.values())
    positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    owners = []
    for path in paths:
        side, key = path[0].idx, path[1]
        if side == 0:
            owners.append(positional[min(key.idx, len(positional) - 1)])
        else:
            owners.append(str(key.key))
    counts: dict[str, int] = {}
    names = []
    for owner in owners:
        index = counts.get(owner, 0)
        counts[owner] = index + 1
        names.append(f"{owner}_{index}" if owners.count(owner) > 1 else owner)
    return names
