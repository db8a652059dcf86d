"""A module runs before it is exported, watched: what an export would freeze is found and named, and
the module is left as it was."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from taoism._places import module_of_frame
from taoism._state import Kept, State, state_tensors, storage
from taoism.errors import StatefulError


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
    before = State(module)
    generators = _generators()
    try:
        with _Writes(watch, names, state_tensors(module)):
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
    watch.changed, watch.remade = before.changes(State(module))
    return result, watch


@contextlib.contextmanager
def unchanged(module: nn.Module) -> Iterator[None]:
    """At the end of the block the module's attributes, and the lists, dicts, objects and closures
    in them, hold what they did at its beginning, and so do the random generators of Python, numpy
    and PyTorch's CPU. So do tensors whose memory was exchanged, and buffers that numpy wrote to;
    who writes to a tensor by PyTorch is refused by `watched`."""
    kept = Kept(module)
    python = random.getstate()
    numpy = sys.modules.get("numpy")
    numpy_state = numpy.random.get_state() if numpy is not None else None
    cpu = torch.get_rng_state()
    try:
        yield
    finally:
        kept.restore()
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
            found = self._state.get(storage(tensor))
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
