"""What shielded modules and loaded packages share: sessions by batch, and running them."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Literal, NoReturn, Self

import torch

from taoism import _core
from taoism._call import Batch, CallForm, OutputForm
from taoism._interrupt import interruptible
from taoism._plan import Plan
from taoism._whole import StaysInPlace
from taoism.errors import (
    ClosedError,
    ForkedError,
    IntegrityError,
    ModeWarning,
    NotCopyableError,
    PolicyError,
    TrainingModeError,
    UnavailableError,
)

# Every session is a TEE with memory of its own; the one that was used longest ago goes first.
MOST_SESSIONS = 4
# A call that is shorter ends by itself before anybody misses Ctrl-C.
_LONG_NS = 300_000_000

_open: weakref.WeakSet[ShieldedModule] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for module in list(_open):
        module.close()


class ShieldedModule(StaysInPlace):
    """A module that runs split between a TEE and an untrusted device. It takes and gives what the
    original does, on the CPU's memory without a copy, and has no parameters of its own. From
    several threads: calls take turns. Ctrl-C ends a call; the next one starts what it needs anew,
    and so it does after a TEE that died. Close it, or leave it to the end of a `with` block, the
    garbage collector or the interpreter; each ends its TEE.

    Attributes: `plan` explains the split; `warnings` must be shown to whoever relies on it;
    `last_times` has nanoseconds of the last call by phase."""

    def __init__(
        self,
        call: CallForm,
        feeds: tuple[int, ...],
        outputs: OutputForm,
        open_session: Callable[[Batch], _core.Session],
        part_of: Callable[[int], int],
        plan: Plan,
        machine: _core.Machine,
        model: _core.Model | None,
        output_rows: tuple[int, ...] = (),
    ) -> None:
        """`open_session`: at a batch; `part_of`: the largest batch there is of at most so many;
        `model`: None of a package; `output_rows`: where there are parts, the dimension of each
        output that counts the batch, -1: none does."""
        super().__init__()
        self.training = False
        self.last_times: dict[str, int] = {}
        self._call = call
        self.place = call.device
        self._feeds = feeds
        self._outputs = outputs
        self._batched = tuple(None in call.tensors[i].shape for i in feeds)
        self._open_session = open_session
        self._part_of = part_of
        self._plan = plan
        self._machine = machine
        self._model = model
        self._output_rows = output_rows
        self._sessions: OrderedDict[Batch, _core.Session] = OrderedDict()
        self._run_ns: dict[Batch, int] = {}  # of the last run, by batch
        self._lock = threading.RLock()
        self._closed = False
        self._pid = os.getpid()
        _open.add(self)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """One inference. Errors: ClosedError, ForkedError, TrainingModeError (an input that wants a
        gradient), DtypeError, DeviceError, ShapeError, InvalidArgumentError; UnavailableError,
        after which it may be called again; IntegrityError and PolicyError, after which it is
        closed."""
        tensors, batch = self._call.flatten(args, kwargs)
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            raise TrainingModeError(
                "an input requires a gradient, and none flows through a shielded module: call it "
                "under torch.no_grad(), or give the input's .detach()"
            )
        given = [tensors[i].detach().cpu().contiguous() for i in self._feeds]
        with self._lock:
            self._check_usable()
            if isinstance(batch, tuple) or batch == 0 or self._part_of(batch) == batch:
                outputs = self._run(batch, given)
            else:
                outputs = self._run_parts(batch, given)
        device = self._call.device
        if device.type != "cpu":
            outputs = [output.to(device) for output in outputs]
        return self._outputs.build(outputs)

    def close(self) -> None:
        """Ends its TEEs. Every call after it raises ClosedError. May be called again."""
        if os.getpid() != self._pid:  # what a fork holds is not its own to end
            self._sessions.clear()
            return
        with self._lock:
            self._closed = True
            while self._sessions:
                self._sessions.popitem()[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def worker_pids(self) -> list[int]:
        """The processes of its open TEEs."""
        with self._lock:
            return [s.worker_pid for s in self._sessions.values() if s.worker_pid]

    @property
    def plan(self) -> Plan:
        """What runs where, what that costs and what the device gets to see."""
        return self._plan

    @property
    def placement(self) -> dict[str, Literal["tee", "device", "both"]]:
        """Where every module of the original runs, "" being the whole."""
        return self._plan.placement

    def explain(self) -> str:
        """The plan by module, as text."""
        return self._plan.explain()

    @property
    def warnings(self) -> list[str]:
        """What must be shown to whoever relies on it; more may be known after the first call."""
        warnings = list(self._plan.warnings)
        if self._plan.tee_macs_share > 0 or self._plan.crossings:
            warnings.append(f"simulated TEE: {self._machine.tee} is not a hardware TEE")
        with self._lock:
            for session in self._sessions.values():
                warnings.extend(w for w in session.warnings if w not in warnings)
        return warnings

    def extra_repr(self) -> str:
        inputs = ", ".join(f"{spec.name}: {spec}" for spec in self._call.tensors)
        return f"{inputs}{', closed' if self._closed else ''}"

    def _check_usable(self) -> None:
        if os.getpid() != self._pid:
            raise ForkedError(
                "this shielded module was made by another process, and a fork has neither its "
                "threads nor its TEE: shield the module in the process that runs it, or start "
                "workers with the 'spawn' method and shield there"
            )
        if self._closed:
            raise ClosedError("this shielded module is closed: shield the module again")

    def _session(self, batch: Batch) -> _core.Session:
        session = self._sessions.get(batch)
        if session is None:
            while len(self._sessions) >= MOST_SESSIONS:
                self._sessions.popitem(last=False)[1].close()
            session = interruptible(
                lambda: self._open_session(batch), leave=lambda opened: opened.close()
            )
            self._sessions[batch] = session
            self._run_ns.pop(batch, None)
        self._sessions.move_to_end(batch)
        return session

    def _run(self, batch: Batch, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        session = self._session(batch)
        outputs = [
            torch.empty(shape, dtype=getattr(torch, dtype)) for _, dtype, shape in session.outputs
        ]
        try:
            if self._run_ns.get(batch, _LONG_NS) < _LONG_NS:
                self.last_times = session.run(inputs, outputs)
            else:
                self.last_times = interruptible(
                    lambda: session.run(inputs, outputs),
                    lambda: self._abandon(batch, session),
                    lambda _: session.close(),
                )
        except UnavailableError:
            self._forget(batch)
            session.close()
            raise
        except (IntegrityError, PolicyError):
            self.close()
            raise
        self._run_ns[batch] = self.last_times["end_to_end_ns"]
        return outputs

    def _abandon(self, batch: Batch, session: _core.Session) -> None:
        """Leaves a session to the call that runs in it; without its worker that ends soon."""
        self._forget(batch)
        worker = session.worker_pid
        if worker:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)

    def _forget(self, batch: Batch) -> None:
        self._sessions.pop(batch, None)
        self._run_ns.pop(batch, None)

    def _run_parts(self, batch: int, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        """A batch that there is no program for, in the largest parts that there are."""
        parts: list[list[torch.Tensor]] = []
        start = 0
        while start < batch:
            size = self._part_of(batch - start)
            if size == 0:
                self._open_session(batch - start)  # says which batches there are
            parts.append(
                self._run(
                    size,
                    [
                        tensor[start : start + size].contiguous() if is_batched else tensor
                        for tensor, is_batched in zip(inputs, self._batched, strict=True)
                    ],
                )
            )
            start += size
        return [
            torch.cat(output, dim=axis) if axis >= 0 else output[0]
            for output, axis in zip(zip(*parts, strict=True), self._output_rows, strict=True)
        ]

    # What a module can do and this one cannot, each with the reason and the mend.

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode, so that a module that holds it may be trained, and warns."""
        if mode:
            warnings.warn(
                "a shielded module stays in evaluation mode: it runs inference alone; to train it, "
                "train the original and shield it again",
                ModeWarning,
                stacklevel=2,
            )
        return super().train(False)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise NotCopyableError(
            "a shielded module, alone or as a part, is a running TEE and cannot be pickled or "
            "copied: taoism.seal(...) writes a package, which taoism.load() opens anywhere"
        )

    def __deepcopy__(self, memo: Any) -> NoReturn:
        self.__reduce_ex__(4)
