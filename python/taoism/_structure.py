"""Nested values: tensors and plain values in tuples, lists, mappings, dataclasses and whatever
PyTorch's pytree knows; each leaf has a path that a person reads, "outputs['a'][2]"."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree

from taoism.errors import InvalidArgumentError


@dataclasses.dataclass(frozen=True)
class Structure:
    """What holds the leaves of a value. A leaf has no kind and no children."""

    kind: type | None = None
    keys: tuple[str, ...] = ()  # of the children, as they are written behind the value: "[0]", ".x"
    children: tuple[Structure, ...] = ()
    rebuild: Callable[[list[Any]], Any] | None = dataclasses.field(default=None, compare=False)

    def build(self, leaves: Iterator[Any]) -> Any:
        """The value with these leaves, in the order in which `flatten` gave them."""
        if self.rebuild is None:
            return next(leaves)
        return self.rebuild([child.build(leaves) for child in self.children])


LEAF = Structure()


def flatten(value: Any, path: str) -> tuple[list[tuple[str, Any]], Structure]:
    """The leaves of a value, each with its path, and what holds them."""
    opened = _open(value)
    if opened is None:
        return [(path, value)], LEAF
    keys, values, rebuild = opened
    leaves: list[tuple[str, Any]] = []
    children = []
    for key, child in zip(keys, values, strict=True):
        found, structure = flatten(child, path + key)
        leaves += found
        children.append(structure)
    return leaves, Structure(type(value), tuple(keys), tuple(children), rebuild)


def flatten_like(value: Any, like: Structure, path: str, example: str) -> list[Any]:
    """The leaves of a value that is nested as `like` is; one mapping is as good as another, and the
    order of its keys does not matter. `example`: what `like` is of, for messages. Errors:
    InvalidArgumentError naming the first place that differs."""
    opened = _open(value)
    if like.kind is None:
        if opened is not None:
            raise _differs(path, value, f"{example} had one value there")
        return [value]
    is_mapping = issubclass(like.kind, Mapping) and isinstance(value, Mapping)
    if opened is None or not (is_mapping or type(value) is like.kind):
        raise _differs(path, value, f"{example} had a {like.kind.__name__} there")
    by_key = dict(zip(opened[0], opened[1], strict=True))
    for key in by_key:
        if key not in like.keys:
            raise InvalidArgumentError(f"{path}{key} is given, and {example} had none")
    leaves = []
    for key, child in zip(like.keys, like.children, strict=True):
        if key not in by_key:
            raise InvalidArgumentError(f"{path}{key} is missing, and {example} had it")
        leaves += flatten_like(by_key[key], child, path + key, example)
    return leaves


def _differs(path: str, value: Any, had: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{path} is a {type(value).__name__}; {had}: give what the example had, or shield the "
        "module again with this one"
    )


_Opened = tuple[Sequence[str], Sequence[Any], Callable[[list[Any]], Any]]


def _open(value: Any) -> _Opened | None:
    """Keys, children and the way back; None of a leaf."""
    kind = type(value)
    if isinstance(value, torch.Tensor | str | int | float | None):
        return None
    if kind is dict:  # pytree would give the keys as they are
        return _mapping(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):

        def named(made: list[Any]) -> Any:
            return kind(*made)

        return [f".{name}" for name in value._fields], list(value), named
    known = pytree.SUPPORTED_NODES.get(kind)
    if known is not None:
        children, context = known.flatten_fn(value)
        keys = [f"[{i}]" for i in range(len(children))]
        if known.flatten_with_keys_fn is not None:
            keys = [pytree.keystr((key,)) for key, _ in known.flatten_with_keys_fn(value)[0]]
        return keys, children, lambda made: known.unflatten_fn(made, context)
    if isinstance(value, Mapping):
        return _mapping(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return (
            [f".{name}" for name in names],
            [getattr(value, name) for name in names],
            lambda made: _dataclass(kind, names, made),
        )
    return None


def _mapping(value: Mapping[Any, Any]) -> _Opened:
    kind = type(value)
    names = list(value)

    def rebuild(made: list[Any]) -> Any:
        items = dict(zip(names, made, strict=True))
        return items if kind is dict else kind(items)  # type: ignore[call-arg]

    return [f"[{name!r}]" for name in names], [value[name] for name in names], rebuild


def _dataclass(kind: type, names: list[str], values: list[Any]) -> Any:
    """Frozen ones too, and those whose __init__ takes something else than their fields."""
    made: Any = object.__new__(kind)
    for name, value in zip(names, values, strict=True):
        object.__setattr__(made, name, value)
    return made
