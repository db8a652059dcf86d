"""What modules hold, now and later: attributes, and the containers, objects and closures that these
lead to. It is compared with what they hold later, and put back."""

from __future__ import annotations

import collections
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

# Of an object graph no more is looked at: what is larger is a data set, and no state of a forward.
_MOST_OBJECTS = 20000
_MOST_BUFFER_BYTES = 64 << 20
_MAPPINGS = (dict, collections.OrderedDict, collections.defaultdict)
_LISTS = (list, collections.deque)
_CONTAINERS = (*_MAPPINGS, *_LISTS, set)
_SIMPLE = (bool, int, float, complex, str, bytes, torch.dtype, torch.device)
_NO_STATE = (torch.Tensor, type, types.ModuleType, *_SIMPLE)
_REGISTRIES = ("_buffers", "_parameters", "_modules")


class Kept:
    """What a module holds, to be put back."""

    def __init__(self, module: nn.Module) -> None:
        self._state = State(module)
        self._tensors = _Tensors(module)

    def restore(self) -> None:
        """Puts back what is no longer as it was: tensors whose memory was exchanged, and buffers
        that were written to, too."""
        self._state.restore()
        self._tensors.restore()


class _Held:
    """A container or an object, and what was in it."""

    __slots__ = ("items", "kept", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.kept = _inside(value)
        # Of `kept`, each a leaf or held; None: not known.
        self.items: dict[Any, Any] | None = None if self.kept else {}

    def restore(self) -> None:
        if isinstance(self.value, tuple | types.FunctionType | types.MethodType):
            return
        now = _inside(self.value)
        if now.keys() == self.kept.keys() and all(now[k] is self.kept[k] for k in now):
            return
        if isinstance(self.value, types.CellType):
            if self.kept:
                self.value.cell_contents = self.kept[""]
            else:
                del self.value.cell_contents
        elif type(self.value) in _LISTS:
            self.value.clear()
            self.value.extend(self.kept.values())
        elif not isinstance(self.value, functools.partial):
            of_object = type(self.value) not in _CONTAINERS
            inside = self.value.__dict__ if of_object else self.value
            inside.clear()
            inside.update(self.kept)


def _inside(value: Any) -> dict[Any, Any]:
    """What is in a value that `_has_state`."""
    kind = type(value)
    if kind in _MAPPINGS:
        return dict(value)
    if kind in _LISTS or isinstance(value, tuple):
        return dict(enumerate(value))
    if kind is set:
        return dict.fromkeys(value)
    if isinstance(value, types.FunctionType):
        return dict(zip(value.__code__.co_freevars, value.__closure__ or (), strict=True))
    if isinstance(value, types.CellType):
        try:
            return {"": value.cell_contents}
        except ValueError:  # it is empty
            return {}
    if isinstance(value, types.MethodType):
        return {"": value.__self__}
    if isinstance(value, functools.partial):
        return {"func": value.func, "args": value.args, "keywords": value.keywords}
    return dict(value.__dict__)


def _has_state(value: Any) -> bool:
    kind = type(value)
    if value is None or kind in _SIMPLE:
        return False
    if kind in _CONTAINERS:
        return True
    if isinstance(value, _NO_STATE):
        return False
    if isinstance(value, types.FunctionType):
        return value.__closure__ is not None
    inner = (tuple, types.CellType, types.MethodType, functools.partial)
    return isinstance(value, inner) or _is_object(value)


class State:
    """What the modules hold, and what that holds."""

    def __init__(self, module: nn.Module) -> None:
        named = list(module.named_modules())
        # Each is looked at by itself, wherever else it is.
        self._seen: dict[int, Any] = {id(part): part for _, part in named}
        self._held: list[_Held] = []
        # First what every module holds itself, however many there are; then deeper, within a bound.
        self._parts = [(name, self._hold(part.__dict__)) for name, part in named]
        for _, held in self._parts:
            self._fill(held)

    def restore(self) -> None:
        """Puts back what is no longer as it was."""
        for held in self._held:
            held.restore()

    def changes(self, after: State) -> tuple[list[str], list[str]]:
        """The attributes that hold something else then, and those that hold the same in another
        tensor."""
        changed: list[str] = []
        remade: list[str] = []
        now, then = self._attributes(), after._attributes()
        for name, key in dict.fromkeys([*now, *then]):
            missing = ((name, key) in now) != ((name, key) in then)
            if not missing and _same(now[name, key], then[name, key], _shared):
                continue
            is_equal = not missing and _same(now[name, key], then[name, key], _equal)
            (remade if is_equal else changed).append(
                f"attribute '{key}' of {f'module {name!r}' if name else 'the module'}"
            )
        return changed, remade

    def _attributes(self) -> dict[tuple[str, str], Any]:
        """By module and name: attributes, buffers and parameters."""
        found = {}
        for name, part in self._parts:
            items = part.items or {}
            inner = [items.get(registry) for registry in ("_buffers", "_parameters")]
            held = [items, *((one.items or {}) for one in inner if isinstance(one, _Held))]
            for key, value in ((key, value) for one in held for key, value in one.items()):
                if key not in _REGISTRIES and not key.endswith("_hooks"):
                    found[name, key] = value
        return found

    def _hold(self, value: Any) -> _Held:
        held = _Held(value)
        self._seen[id(value)] = held
        self._held.append(held)
        return held

    def _fill(self, root: _Held) -> None:
        room = _MOST_OBJECTS
        todo = collections.deque([root])
        while todo and room > 0:
            held = todo.popleft()
            room -= len(held.kept)
            held.items = {}
            for key, value in held.kept.items():
                if not _has_state(value):
                    held.items[key] = _leaf(value)
                    continue
                found = self._seen.get(id(value))
                if found is None:
                    found = self._hold(value)
                    if found.items is None:
                        todo.append(found)
                held.items[key] = found


def _leaf(value: Any) -> Any:
    """A tensor with the memory that it has now."""
    return value.detach() if isinstance(value, torch.Tensor) and storage(value) else value


def _same(one: Any, other: Any, alike: Callable[[torch.Tensor, torch.Tensor], bool]) -> bool:
    """Whether an attribute still holds what it did, tensors being as `alike` says; of containers
    and objects, what is in them."""
    todo = [(one, other)]
    done = set()
    while todo:
        a, b = todo.pop()
        if a is b or (id(a), id(b)) in done:
            continue
        if isinstance(a, _Held) and isinstance(b, _Held):
            done.add((id(a), id(b)))
            if type(a.value) is not type(b.value):
                return False
            if a.items is None or b.items is None:
                continue
            if a.items.keys() != b.items.keys():
                return False
            todo += [(a.items[key], b.items[key]) for key in a.items]
        elif type(a) is not type(b):
            return False
        elif isinstance(a, torch.Tensor):
            if not alike(a, b):
                return False
        elif not (isinstance(a, _SIMPLE) and (a == b or (a != a and b != b))):
            return False
    return True


def _shared(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether they are the same memory."""
    return bool(storage(one)) and storage(one) == storage(other) and one.shape == other.shape


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether they hold the same."""
    if not (storage(one) and storage(other)):
        return False
    alike = one.shape == other.shape and one.dtype == other.dtype and one.device == other.device
    return alike and torch.equal(one, other)


def storage(tensor: torch.Tensor) -> int:
    """Its address; 0 where it has none."""
    try:
        return tensor.untyped_storage().data_ptr()
    except RuntimeError:
        return 0


def state_tensors(module: nn.Module) -> dict[int, tuple[torch.Tensor, str]]:
    """By storage, the tensors that the module holds, and what each is called."""
    found: dict[int, tuple[torch.Tensor, str]] = {}
    for tensor, what in _held_tensors(module):
        if storage(tensor):
            found.setdefault(storage(tensor), (tensor, what))
    return found


def _held_tensors(module: nn.Module) -> Iterator[tuple[torch.Tensor, str]]:
    """Parameters, buffers and the tensors in attributes, each with what it is called."""
    for name, part in module.named_modules():
        prefix = f"{name}." if name else ""
        for key, parameter in part._parameters.items():
            if parameter is not None:
                yield parameter, f"the parameter '{prefix}{key}'"
        for key, buffer in part._buffers.items():
            if buffer is not None:
                yield buffer, f"the buffer '{prefix}{key}'"
        for key, value in part.__dict__.items():
            for tensor in _tensors_in(value):
                yield tensor, f"the attribute '{prefix}{key}'"


def _tensors_in(value: Any, depth: int = 4) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif depth and isinstance(value, list | tuple | set | collections.deque) and len(value) < 10000:
        for item in value:
            yield from _tensors_in(item, depth - 1)
    elif depth and isinstance(value, dict) and not _is_registry(value) and len(value) < 10000:
        for item in value.values():
            yield from _tensors_in(item, depth - 1)
    elif depth and _is_object(value):
        yield from _tensors_in(value.__dict__, depth - 1)


def _is_object(value: Any) -> bool:
    """Of somebody's class."""
    no_object = (*_NO_STATE, types.FunctionType, types.MethodType)
    return not isinstance(value, no_object) and type(getattr(value, "__dict__", None)) is dict


def _is_registry(value: dict[Any, Any]) -> bool:
    """The dict of a module's submodules, parameters or hooks."""
    first = next(iter(value.values()), None)
    return isinstance(first, nn.Module | nn.Parameter)


class _Tensors:
    """The memory of a module's tensors, and what the smaller ones that are no weights hold."""

    def __init__(self, module: nn.Module) -> None:
        self._kept: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]] = []
        room = _MOST_BUFFER_BYTES
        seen: set[int] = set()
        for tensor, _ in _held_tensors(module):
            if not storage(tensor) or id(tensor) in seen:
                continue
            seen.add(id(tensor))
            copy = None
            size = tensor.numel() * tensor.element_size()
            if not isinstance(tensor, nn.Parameter) and size <= room:
                copy = tensor.detach().clone()
                room -= size
            self._kept.append((tensor, tensor.detach(), copy))

    def restore(self) -> None:
        """Puts back what is no longer as it was."""
        for tensor, alias, copy in self._kept:
            if storage(tensor) != storage(alias) or tensor.shape != alias.shape:
                tensor.data = alias
            if copy is not None and not torch.equal(alias, copy):
                with torch.inference_mode(alias.is_inference()), torch.no_grad():
                    alias.copy_(copy)
