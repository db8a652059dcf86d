"""From an `nn.Module` to an ONNX file: torch.export first, the TorchScript exporter where that
fails or is too old. The module runs before, watched (`_watch`), and stays as it was."""

from __future__ import annotations

import contextlib
import inspect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from taoism import _causes, _exporters
from taoism._call import CallForm, OutputForm, form_of, outputs_form
from taoism._compare import difference, other_values
from taoism._exporters import FollowsTheBatch
from taoism._places import shown_module
from taoism._state import Kept
from taoism._watch import Watch, unchanged, watched
from taoism.errors import (
    Error,
    ExportError,
    InvalidArgumentError,
    StatefulError,
    TrainingModeError,
    UnsupportedError,
)

_MOST_TRIED = 3  # of so many tensors every choice of those that have the batch is tried
_FEW_ROWS = 2


@dataclass(frozen=True)
class Example:
    """Inputs, and what PyTorch answered."""

    inputs: list[torch.Tensor]
    outputs: list[torch.Tensor]
    batch: int


@dataclass(frozen=True)
class Exported:
    """An ONNX file, and how the module in it is called."""

    path: Path
    call: CallForm
    feeds: tuple[int, ...]  # the tensors of a call that are the file's inputs, in its order
    outputs: OutputForm
    batch: int  # of the example; 0 where no input has one
    exporter: str  # "dynamo" or "torchscript"
    example: Example  # to compare the file's answers with; at another batch, if that is open
    single: Example | None = None  # and at a batch of one, which exporters take for none, if open
    warnings: tuple[str, ...] = ()  # what the export holds as it is now

    @property
    def is_open(self) -> bool:
        """Whether it takes another batch."""
        return any(None in spec.shape for spec in self.call.tensors)

    @property
    def together(self) -> str:
        """Why rows may not be run apart that the file takes as a batch; "": its graph says."""
        return "" if self.is_open else self.call.fixed_batch or "it was exported for one batch"


def check_inference_mode(module: nn.Module) -> None:
    """Errors: TrainingModeError naming the first module that is in training mode, or autocast."""
    for name, part in module.named_modules():
        if part.training:
            where = f"module '{name}'" if name else "the module"
            raise TrainingModeError(
                f"{where} is in training mode: call .eval() on the whole module first, so that "
                "dropout and batch-norm do what they do at inference"
            )
    for kind in ("cpu", "cuda"):
        if torch.is_autocast_enabled(kind):
            raise TrainingModeError(
                f"autocast is on for {kind}: what it casts would be frozen into the export; leave "
                "the torch.autocast block to shield a module, or convert the module itself"
            )


def export(
    module: nn.Module, example_inputs: Any, path: Path, dynamic_batch: bool = True
) -> Exported:
    """Writes the ONNX file and its external data. `example_inputs`: a tensor, a tuple of
    positional arguments, or a mapping of named ones; `module` runs on copies of them a few times
    and stays as it was. Where the batch cannot be left open, the file has that of the example.
    Errors: TrainingModeError, InvalidArgumentError, DtypeError, DeviceError, StatefulError,
    ControlFlowError, ExportError, UnsupportedError."""
    if not isinstance(module, nn.Module):
        raise InvalidArgumentError(f"{type(module).__name__} is no torch.nn.Module")
    check_inference_mode(module)
    _check_modules(module)
    _check_tensors(module)
    signature = inspect.signature(module.forward)
    call, tensors = form_of(signature, example_inputs, dynamic_batch)
    names = {id(part): name for name, part in module.named_modules()}
    with (
        torch.inference_mode(False),
        torch.no_grad(),
        unchanged(module),
        _without_inference_tensors(module),
    ):
        trial = _Trial(module, call, tensors, names)
        trial.run()
        call = trial.call
        job = _exporters.Job(module, call, trial.form, tensors, path, trial.is_open)
        exporter, fixed_batch = _run_job(job, trial, names)
    graph = _exporters.graph_of(path)
    if not graph.node:
        raise UnsupportedError("the module computes nothing: it returns its inputs as they are")
    if fixed_batch:
        call = replace(call.with_batch_of((), tensors), fixed_batch=fixed_batch)
    elif trial.is_open and trial.single is None:
        call = replace(call, least_batch=2)
    drawing = _exporters.drawing_nodes(graph)
    if drawing:
        raise StatefulError(
            f"{(trial.watch.draws or ['the module draws random numbers'])[0]}, and the answer "
            f"depends on them ({drawing[0]}): give them as an input"
        )
    batch = next((tensor.shape[0] for tensor in tensors if tensor.dim() > 0), 0)
    example = trial.larger if trial.larger is not None and not fixed_batch else trial.whole()
    single = None if fixed_batch else trial.single
    feeds = job.feeds(exporter, graph)
    return Exported(path, call, feeds, trial.form, batch, exporter, example, single, trial.warnings)


def _run_job(job: _exporters.Job, trial: _Trial, names: dict[int, str]) -> tuple[str, str]:
    """Which exporter wrote the file, and why the batch is fixed in it, or "". Errors: what the
    exporter that was asked first said first."""
    fixed = trial.fixed if job.is_open else ""
    first: BaseException | None = None
    for exporter in _exporters.exporters():
        for is_open in (True, False):
            if is_open and (fixed or not job.wants_open):
                continue
            if not is_open and not fixed and job.wants_open:
                continue
            try:
                if not is_open:
                    trial.whole()
                    job.form = trial.form
                job.write(exporter, is_open)
                return exporter, fixed
            except Exception as error:
                if is_open and isinstance(error, FollowsTheBatch):
                    fixed = "a number in its outputs follows it"
                    continue
                if isinstance(error, Error):
                    raise
                if is_open and exporter == "dynamo" and _causes.fixes_the_batch(error):
                    fixed = "the module's code, as PyTorch exports it, fixes it"
                    continue
                flow = _causes.control_flow(error, names)
                if flow is not None and first is None:
                    raise flow from error
                first = first or error
    assert first is not None
    for draw in trial.watch.draws:
        operator = draw.rpartition("(")[2].rstrip(")").replace(".", "::")
        if f"{operator}(" in str(first):
            raise StatefulError(f"{draw}: give them as an input") from first
    raise _causes.export_error(first, names) from first


class _Trial:
    """The module, run on the example and at another batch before anything is exported."""

    def __init__(
        self,
        module: nn.Module,
        call: CallForm,
        tensors: list[torch.Tensor],
        names: dict[int, str],
    ) -> None:
        self._module = module
        self._tensors = tensors
        self._names = names
        self.call = call
        self.form: OutputForm
        self.watch = Watch()
        self.is_open = False  # whether it takes another batch
        self.fixed = ""  # why not
        self.larger: Example | None = None  # at one row more, if it is
        self.single: Example | None = None  # at a batch of one
        self.warnings: tuple[str, ...] = ()
        self._batch = next((tensor.shape[0] for tensor in tensors if tensor.dim() > 0), 0)
        self._whole: Example | None = None
        self._fresh = Kept(module)
        self._kept: dict[str, None] = {}  # what some call changed, as `Watch.changed` names it

    def run(self) -> None:
        """Of a large example few rows run, but for once. Errors: StatefulError, ExportError."""
        self._run()
        if self._kept:
            self._ask_what_is_kept()

    def _run(self) -> None:
        agree = [i for i, spec in enumerate(self.call.tensors) if None in spec.shape]
        found = self._one_more(agree) if self._batch > _FEW_ROWS else None
        if found is None or not self._few_twice(found[0]):
            self._twice(self._tensors)
        if self._batch <= _FEW_ROWS:
            found = self._one_more(agree)
        if found is None or found[2].structure != self.form.structure:
            does = "fails" if found is None else "returns something else"
            self.fixed = f"the module {does} at one of {self._batch + 1}"
            self.whole()
            return
        batched, self.larger, _ = found
        self.is_open = True
        self.call = self.call.with_batch_of(batched, self._tensors)
        if self._batch == 1:
            self.single = self.whole()
        else:
            alone = self._at_batch(1, batched)
            if alone is not None and alone[1].structure == self.form.structure:
                self.single = alone[0]

    def whole(self) -> Example:
        """At the batch of the example; `form` then is that of its answer."""
        if self._whole is None:
            outputs, self.form = outputs_form(self._watched(self._tensors)[0])
            self._whole = Example(self._tensors, outputs, self._batch)
        return self._whole

    def _one_more(self, agree: list[int]) -> tuple[tuple[int, ...], Example, OutputForm] | None:
        """Which tensors have the batch, and what it answers at one row more."""
        for batched in _which_first(agree):
            found = self._at_batch(self._batch + 1, batched)
            if found is not None:
                return batched, *found
        return None

    def _few_twice(self, batched: Sequence[int]) -> bool:
        """Whether it takes few rows. Errors: StatefulError."""
        try:
            self._twice(self._rows(_FEW_ROWS, batched))
        except StatefulError:
            raise
        except ExportError:
            return False
        return True

    def _twice(self, tensors: list[torch.Tensor]) -> None:
        """Errors: StatefulError, ExportError."""
        first, self.watch = self._watched(tensors)
        outputs, self.form = outputs_form(first)
        again, second = self._watched(tensors)
        self._compare(outputs, again, second)
        if tensors is self._tensors:
            self._whole = Example(tensors, outputs, self._batch)

    def _watched(self, tensors: Sequence[torch.Tensor]) -> tuple[Any, Watch]:
        args, kwargs = self.call.arguments([tensor.clone() for tensor in tensors])
        try:
            result, watch = watched(self._module, lambda: self._module(*args, **kwargs))
        except Error:
            raise
        except Exception as error:
            raise _causes.forward_error(error, self._names) from error
        self._kept.update(dict.fromkeys(watch.changed))
        return result, watch

    def _compare(self, outputs: list[torch.Tensor], again: Any, second: Watch) -> None:
        """Whether the module said the same twice; what it changes though it does."""
        repeated, form = outputs_form(again)
        found = difference(repeated, outputs, self.form.paths)
        if found or not form.equals(self.form):
            reasons = [*second.draws, *(f"it draws from {n}" for n in second.python_draws)]
            changes = (*second.changed, *self._again_made(second), *self._kept)
            reasons += [f"it changes {what}" for what in changes]
            reason = (reasons or ["where is not known"])[0]
            raise StatefulError(
                f"the module answers the same input otherwise when it is called again ({reason}): "
                "an export holds one answer's state for ever; give what changes as an input"
            )
        changes = (*second.changed, *self._again_made(second))
        notes = [f"forward changes {what}" for what in changes]
        self._warn([*notes, *(f"forward draws from {name}" for name in second.python_draws)])

    def _again_made(self, second: Watch) -> list[str]:
        """What the second call made of other values than the first found."""
        return [what for what in second.remade if what not in self.watch.remade]

    def _warn(self, notes: Sequence[str]) -> None:
        new = [f"{note}: the shielded module has it as it is now" for note in notes]
        self.warnings = tuple(dict.fromkeys([*self.warnings, *new]))

    def _ask_what_is_kept(self) -> None:
        """Whether what the example left in the module decides what it answers to other values: a
        table of positions does not. What cannot be asked is warned of. Errors: StatefulError."""
        batched = [i for i, spec in enumerate(self.call.tensors) if None in spec.shape]
        few = min(self._batch, _FEW_ROWS)
        others = other_values(self._rows(few, batched) if self.is_open else self._tensors)
        found: str | None = None
        if others is not None:
            try:
                found = self._after_the_example(others)
            except StatefulError:
                raise
            except ExportError:  # it does not take these
                pass
        if found is None:
            self._warn([f"forward changes {what}" for what in self._kept])
        elif found:
            raise StatefulError(
                "the module answers otherwise once it has seen another input (it changes "
                f"{', '.join(list(self._kept)[:3])}): an export holds the example's for ever; give "
                "what changes as an input"
            )

    def _after_the_example(self, tensors: list[torch.Tensor]) -> str:
        """In what its answer differs from what it said as it was before any call; "" if nothing.
        Errors: ExportError."""
        late, form = outputs_form(self._watched(tensors)[0])
        now = Kept(self._module)
        self._fresh.restore()
        try:
            fresh, other = outputs_form(self._watched(tensors)[0])
        finally:
            now.restore()
        same = form.equals(other)
        return difference(late, fresh, form.paths) if same else "what is no tensor in it"

    def _at_batch(self, batch: int, batched: Sequence[int]) -> tuple[Example, OutputForm] | None:
        """What it answers there; None where it does not. Errors: StatefulError."""
        tensors = self._rows(batch, batched)
        try:
            outputs, form = outputs_form(self._watched(tensors)[0])
        except StatefulError:
            raise
        except Exception:
            return None
        return Example(tensors, outputs, batch), form

    def _rows(self, batch: int, batched: Sequence[int]) -> list[torch.Tensor]:
        """The example with so many rows, one more at most, in these tensors."""
        return [
            torch.cat([tensor, tensor[:1]])[:batch] if i in batched else tensor
            for i, tensor in enumerate(self._tensors)
        ]


def _which_first(agree: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Which of the tensors whose first dimensions agree may have the batch, the likely first: all
    of them; but one may be as long by chance."""
    if not agree:
        return
    first, *others = agree
    sizes = range(len(others), -1, -1) if len(others) <= _MOST_TRIED else (len(others), 0)
    for size in sizes:
        for some in itertools.combinations(others, size):
            yield (first, *some)


def _check_modules(module: nn.Module) -> None:
    """Errors: UnsupportedError for modules whose code or weights PyTorch holds itself."""
    for name, part in module.named_modules():
        where = shown_module(name, type(part))
        if isinstance(part, torch.jit.ScriptModule):
            raise UnsupportedError(
                f"{where} is compiled by TorchScript, which hides its code: give the module that "
                "it was made of"
            )
        if any(isinstance(value, torch.ScriptObject) for value in part.__dict__.values()):
            raise UnsupportedError(
                f"{where} holds its weights packed, as quantised ones are: an export takes dense "
                "tensors in memory; give the module that it was made of"
            )


def _check_tensors(module: nn.Module) -> None:
    """Errors: UnsupportedError for parameters and buffers that no exporter takes."""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if nn.parameter.is_lazy(tensor):
            raise ExportError(
                f"'{name}' is not initialised yet: run the lazy module once before it is shielded"
            )
        kind = "sparse" if tensor.layout != torch.strided else ""
        kind = kind or ("on no device (meta)" if tensor.is_meta else "")
        if kind or tensor.is_quantized:
            raise UnsupportedError(
                f"'{name}' is {kind or 'quantized'}: an export takes dense tensors in memory; "
                "convert it first"
            )


@contextlib.contextmanager
def _without_inference_tensors(module: nn.Module) -> Iterator[None]:
    """In the block, parameters and buffers that were made under torch.inference_mode() are
    clones: the exporters fail on such ones."""
    swapped = []
    for part in module.modules():
        for kept in (part._parameters, part._buffers):
            for name, tensor in kept.items():
                if tensor is not None and tensor.is_inference():
                    swapped.append((kept, name, tensor))
    clones: dict[int, torch.Tensor] = {}
    try:
        for kept, name, tensor in swapped:
            if id(tensor) not in clones:
                clone = tensor.clone()
                is_parameter = isinstance(tensor, nn.Parameter)
                clones[id(tensor)] = nn.Parameter(clone, False) if is_parameter else clone
            kept[name] = clones[id(tensor)]  # type: ignore[assignment]
        yield
    finally:
        for kept, name, tensor in swapped:
            kept[name] = tensor  # type: ignore[assignment]
