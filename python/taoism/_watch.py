"""A module runs before it is exported, watched: what an export would freeze is found and named, and
the module is left as it was."""

from __future__ import annotations

import collections
import contextlib
import random
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from taoism._places import module_of_frame
from taoism.errors import StatefulError

# Of an object graph no more is looked at: what is larger is a data set, and no state of a forward.
_MOST_OBJECTS = 20000
_MOST_BUFFER_BYTES = 64 << 20
_CONTAINERS = (list, dict, set, collections.OrderedDict, collections.deque, collections.defaultdict)
_SIMPLE = (bool, int, float, complex, str, bytes, torch.dtype, torch.device)
_NO_STATE = (torch.Tensor, type, types.ModuleType, types.FunctionType, types.MethodType, *_SIMPLE)


class _Refused(Exception):
    """Ends a forward before it writes; what it was is in `Watch.refusal`."""


@dataclass
class Watch:
    """What was seen of a module's forward."""

    draws: list[str] = field(default_factory=list)  # "module 'drop' (Dropout) calls aten.bernoulli"
    python_draws: list[str] = field(default_factory=list)  # "Python's random", "numpy.random"
    changed: list[str] = field(default_factory=list)  # "attribute 'calls' of module 'a'"
    has_branches: bool = False  # torch.cond and its like
    remade: list[str] = field(default_factory=list)  # so named: other tensors of the same values
    refusal: str = ""


def watched(module: nn.Module, run: Callable[[], Any]) -> tuple[Any, Watch]:
    """What `run` returns, which calls `module`, and what it did beside. A tensor of the module's is
    not written to: Errors: StatefulError naming module, buffer and operator. Attributes stay as
    `run` leaves them: see `unchanged`. Exceptions of the module's come as they are."""
    names = {id(part): name for name, part in module.named_modules()}
    watch = Watch()
    before = _attributes(module)
    generators = _generators()
    try:
        with _Writes(watch, names, _state_tensors(module)):
            result = run()
    except Exception:
        if not watch.refusal:
            raise
    finally:
        if watch.has_branches:
            # PyTorch notes for good that the code of torch.cond, which ran under a mode, is not to
            # be compiled, and cannot export it after that.
            torch._dynamo.reset()
    if watch.refusal:  # the module may have caught it
        raise StatefulError(watch.refusal)
    watch.python_draws = [name for name, state in generators if state() is False]
    watch.changed, watch.remade = _changes(before, _attributes(module))
    return result, watch


@contextlib.contextmanager
def unchanged(module: nn.Module) -> Iterator[None]:
    """At the end of the block the module's attributes, lists, dicts and objects in them hold what
    they did at its beginning, and so do the random generators of Python, numpy and PyTorch's CPU.
    So do tensors whose memory was exchanged, and buffers that numpy wrote to; who writes to a
    tensor by PyTorch is refused by `watched`."""
    snapshot = _Snapshot(module)
    tensors = _Tensors(module)
    python = random.getstate()
    numpy = sys.modules.get("numpy")
    numpy_state = numpy.random.get_state() if numpy is not None else None
    cpu = torch.get_rng_state()
    try:
        yield
    finally:
        snapshot.restore()
        tensors.restore()
        random.setstate(python)
        if numpy is not None:
            numpy.random.set_state(numpy_state)
        torch.set_rng_state(cpu)


class _Writes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operator before it runs: refuses one that writes to the module's tensors, and
    notes one that draws."""

    supports_higher_order_operators = True

    def __init__(
        self, watch: Watch, names: dict[int, str], state: dict[int, tuple[torch.Tensor, str]]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._watch = watch
        self._names = names
        self._state = state

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if not isinstance(func, torch._ops.OpOverload):  # they write nothing
            self._watch.has_branches = True
            return func(*args, **kwargs)
        for tensor in _written(func, args, kwargs):
            found = self._state.get(_storage(tensor))
            if found is not None:
                self._watch.refusal = (
                    f"{self._caller()} changes {found[1]} ({_operator(func)}): an export would "
                    "hold the value of now for ever; give the value as an input and return the new "
                    "one, or do not change it in evaluation mode"
                )
                raise _Refused
        if torch.Tag.nondeterministic_seeded in func.tags and not _is_idle(func, args):
            self._watch.draws.append(f"{self._caller()} draws random numbers ({_operator(func)})")
        return func(*args, **kwargs)

    def _caller(self) -> str:
        return module_of_frame(sys._getframe(2), self._names)


def _operator(func: Any) -> str:
    return f"aten.{func._schema.name.rpartition('::')[2]}"


def _is_idle(func: Any, args: tuple[Any, ...]) -> bool:
    """Dropout that drops nothing."""
    name = func._schema.name
    return name in ("aten::dropout", "aten::native_dropout") and not (len(args) > 2 and args[2])


def _written(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[torch.Tensor]:
    """The tensors that an operator writes to. Batch norms of old schemas do not say so."""
    schema = func._schema
    values = list(zip(schema.arguments, args, strict=False))
    values += [(a, kwargs[a.name]) for a in schema.arguments if a.name in kwargs]
    if "batch_norm" in schema.name:
        given = {argument.name: value for argument, value in values}
        if given.get("training", given.get("train", False)):
            for name in ("running_mean", "running_var"):
                if isinstance(given.get(name), torch.Tensor):
                    yield given[name]
    if not schema.is_mutable:
        return
    for argument, value in values:
        if argument.alias_info is not None and argument.alias_info.is_write:
            for tensor in value if isinstance(value, list | tuple) else [value]:
                if isinstance(tensor, torch.Tensor):
                    yield tensor


def _storage(tensor: torch.Tensor) -> int:
    """Its address; 0 where it has none."""
    try:
        return tensor.untyped_storage().data_ptr()
    except RuntimeError:
        return 0


def _state_tensors(module: nn.Module) -> dict[int, tuple[torch.Tensor, str]]:
    """By storage, the tensors that the module holds, and what each is called."""
    found: dict[int, tuple[torch.Tensor, str]] = {}
    for tensor, what in _held_tensors(module):
        if _storage(tensor):
            found.setdefault(_storage(tensor), (tensor, what))
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


def _is_registry(value: dict[Any, Any]) -> bool:
    """The dict of a module's submodules, parameters or hooks."""
    first = next(iter(value.values()), None)
    return isinstance(first, nn.Module | nn.Parameter)


class _Tensors:
    """The memory of a module's tensors, and what the smaller ones that are no weights hold."""

    def __init__(self, module: nn.Module) -> None:
        self._kept: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]] = []
        room = _MOST_BUFFER_BYTES
        for tensor, _ in _held_tensors(module):
            if not _storage(tensor):
                continue
            copy = None
            size = tensor.numel() * tensor.element_size()
            if not isinstance(tensor, nn.Parameter) and size <= room:
                copy = tensor.detach().clone()
                room -= size
            self._kept.append((tensor, tensor.detach(), copy))

    def restore(self) -> None:
        """Puts back what is no longer as it was."""
        for tensor, alias, copy in self._kept:
            if _storage(tensor) != _storage(alias) or tensor.shape != alias.shape:
                tensor.data = alias
            if copy is not None and not torch.equal(alias, copy):
                with torch.inference_mode(alias.is_inference()), torch.no_grad():
                    alias.copy_(copy)


class _Snapshot:
    """What the modules, and the containers and objects in their attributes, hold."""

    def __init__(self, module: nn.Module) -> None:
        self._kept: list[tuple[Any, Any]] = []
        self._seen: set[int] = set()
        parts = list(module.modules())
        # First what every module holds itself, however many there are; then deeper, within a bound.
        self._seen.update(map(id, parts))
        for part in parts:
            self._kept.append((part.__dict__, part.__dict__.copy()))
        for part in parts:
            self._keep(part.__dict__.values())

    def _keep(self, values: Iterable[Any]) -> None:
        todo = list(values)
        for _ in range(_MOST_OBJECTS):
            if not todo:
                return
            value = todo.pop()
            if value is None or isinstance(value, _NO_STATE) or id(value) in self._seen:
                continue
            self._seen.add(id(value))
            if type(value) in _CONTAINERS:
                self._kept.append((value, value.copy()))
                todo += value.values() if isinstance(value, dict) else value
            elif isinstance(value, tuple):
                todo += value
            elif type(getattr(value, "__dict__", None)) is dict:
                self._kept.append((value.__dict__, value.__dict__.copy()))
                todo += value.__dict__.values()

    def restore(self) -> None:
        """Puts back what is no longer as it was."""
        for value, copy in self._kept:
            if isinstance(value, dict):
                same = len(value) == len(copy) and all(
                    key in value and value[key] is copy[key] for key in copy
                )
            else:
                same = len(value) == len(copy) and all(
                    a is b for a, b in zip(value, copy, strict=True)
                )
            if same:
                continue
            value.clear()
            if isinstance(value, dict | set):
                value.update(copy)
            else:
                value.extend(copy)


def _attributes(module: nn.Module) -> dict[tuple[str, str], Any]:
    """By module and name: attributes, buffers and parameters."""
    found = {}
    for name, part in module.named_modules():
        held = (part.__dict__, part._buffers, part._parameters)
        for key, value in ((key, value) for kept in held for key, value in kept.items()):
            if key not in ("_buffers", "_parameters", "_modules") and not key.endswith("_hooks"):
                if isinstance(value, torch.Tensor) and _storage(value):
                    value = value.detach()  # keeps the memory that it has now
                found[name, key] = value.copy() if type(value) in _CONTAINERS else value
    return found


def _changes(
    before: dict[tuple[str, str], Any], after: dict[tuple[str, str], Any]
) -> tuple[list[str], list[str]]:
    """The attributes that hold something else, and those that hold the same in another tensor."""
    changed: list[str] = []
    remade: list[str] = []
    for name, key in dict.fromkeys([*before, *after]):
        missing = ((name, key) in before) != ((name, key) in after)
        if not missing and _same(before[name, key], after[name, key]):
            continue
        is_equal = not missing and _same(before[name, key], after[name, key], _equal)
        (remade if is_equal else changed).append(
            f"attribute '{key}' of {f'module {name!r}' if name else 'the module'}"
        )
    return changed, remade


def _shared(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether they are the same memory."""
    return bool(_storage(one)) and _storage(one) == _storage(other) and one.shape == other.shape


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether they hold the same."""
    if not (_storage(one) and _storage(other)):
        return False
    alike = one.shape == other.shape and one.dtype == other.dtype and one.device == other.device
    return alike and torch.equal(one, other)


def _same(a: Any, b: Any, alike: Callable[[torch.Tensor, torch.Tensor], bool] = _shared) -> bool:
    """Whether an attribute still holds what it did, tensors being as `alike` says; of containers,
    their items."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return alike(a, b)
    if isinstance(a, _SIMPLE):
        return bool(a == b) or a != a
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key], alike) for key in a)
    if isinstance(a, list | tuple | collections.deque):
        return len(a) == len(b) and all(_same(x, y, alike) for x, y in zip(a, b, strict=True))
    return isinstance(a, set) and a == b


def _generators() -> list[tuple[str, Callable[[], bool]]]:
    """Python's own random generators, each with a question: is it as it was now?"""
    python = random.getstate()
    found: list[tuple[str, Callable[[], bool]]] = [
        ("Python's random", lambda: random.getstate() == python)
    ]
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        state = _numpy_state(numpy)
        found.append(("numpy.random", lambda: _numpy_state(numpy) == state))
    return found


def _numpy_state(numpy: Any) -> tuple[Any, ...]:
    kind, keys, *rest = numpy.random.get_state()
    return (kind, keys.tobytes(), *rest)
