"""From an `nn.Module` to an ONNX file: torch.export first, the TorchScript exporter where that
fails or is too old. The module runs before, watched (`_watch`), and stays as it was."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from taoism import _causes, _exporters
from taoism._call import CallForm, OutputForm, example_arguments, form_of, outputs_form
from taoism._compare import difference
from taoism._exporters import FollowsTheBatch
from taoism._watch import Watch, unchanged, watched
from taoism.errors import (
    Error,
    ExportError,
    InvalidArgumentError,
    StatefulError,
    TrainingModeError,
    UnsupportedError,
)


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
    warnings: tuple[str, ...] = ()  # what the export holds as it is now


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
    signature = inspect.signature(module.forward)
    arguments = example_arguments(signature, example_inputs)
    call, tensors = form_of(signature, arguments, dynamic_batch)
    names = {id(part): name for name, part in module.named_modules()}
    _check_tensors(module)
    with (
        torch.inference_mode(False),
        torch.no_grad(),
        unchanged(module),
        _without_inference_tensors(module),
    ):
        trial = _Trial(module, call, tensors, names)
        trial.run()
        job = _exporters.Job(module, call, trial.form, tensors, path, trial.is_open)
        exporter, fixed_batch = _run_job(job, trial, names)
    if fixed_batch:
        call = form_of(signature, arguments, dynamic_batch=False)[0]
        call = replace(call, fixed_batch=fixed_batch)
    drawing = _exporters.drawing_nodes(path)
    if drawing:
        raise StatefulError(
            f"{(trial.watch.draws or ['the module draws random numbers'])[0]}, and the answer "
            f"depends on them ({drawing[0]}): give them as an input"
        )
    batch = next((tensor.shape[0] for tensor in tensors if tensor.dim() > 0), 0)
    example = trial.examples[0 if fixed_batch else -1]
    return Exported(
        path, call, job.feeds(exporter), trial.form, batch, exporter, example, trial.warnings
    )


def _run_job(job: _exporters.Job, trial: _Trial, names: dict[int, str]) -> tuple[str, str]:
    """Which exporter wrote the file, and why the batch is fixed in it, or "". Errors: what the
    exporter that was asked first said first."""
    fixed = "" if trial.is_open or not job.is_open else "the module does not take another one"
    first: BaseException | None = None
    for exporter in _exporters.exporters():
        for is_open in (True, False):
            if is_open and (fixed or not job.wants_open):
                continue
            if not is_open and not fixed and job.wants_open:
                continue
            try:
                job.write(exporter, is_open)
                return exporter, fixed
            except Exception as error:
                if is_open and isinstance(error, FollowsTheBatch):
                    fixed = "a number in its outputs follows it"
                    continue
                if isinstance(error, Error):
                    raise
                if is_open and exporter == "dynamo" and _causes.fixes_the_batch(error):
                    fixed = "the module's code fixes it"
                    continue
                flow = _causes.control_flow(error, names)
                if flow is not None and first is None:
                    raise flow from error
                first = first or error
    assert first is not None
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
        self._call = call
        self._tensors = tensors
        self._names = names
        self.form: OutputForm
        self.watch = Watch()
        self.examples: list[Example] = []
        self.is_open = False  # whether it takes another batch
        self.warnings: tuple[str, ...] = ()

    def run(self) -> None:
        """Errors: StatefulError, ExportError."""
        batch = next((tensor.shape[0] for tensor in self._tensors if tensor.dim() > 0), 0)
        first, self.watch = self._watched(self._tensors)
        outputs, self.form = outputs_form(first)
        self.examples.append(Example(self._tensors, outputs, batch))
        again, second = self._watched(self._tensors)
        self._compare(outputs, again, second)
        if any(None in spec.shape for spec in self._call.tensors):
            self._try_another_batch(batch + 1)

    def _watched(self, tensors: list[torch.Tensor]) -> tuple[Any, Watch]:
        bound = self._call.arguments([tensor.clone() for tensor in tensors])
        try:
            return watched(self._module, lambda: self._module(*bound.args, **bound.kwargs))
        except Error:
            raise
        except Exception as error:
            raise _causes.forward_error(error, self._names) from error

    def _compare(self, outputs: list[torch.Tensor], again: Any, second: Watch) -> None:
        """Whether the module said the same twice; what it changes though it does."""
        repeated, form = outputs_form(again)
        found = difference(repeated, outputs, self.form.paths)
        if found or form.structure != self.form.structure:
            reasons = [*second.draws, *(f"it draws from {n}" for n in second.python_draws)]
            reasons += [f"it changes {what}" for what in second.changed]
            reason = (reasons or ["where is not known"])[0]
            raise StatefulError(
                f"the module answers the same input otherwise when it is called again ({reason}): "
                "an export holds one answer's state for ever; give what changes as an input"
            )
        notes = [f"forward changes {what}" for what in second.changed]
        notes += [f"forward draws from {name}" for name in second.python_draws]
        self.warnings = tuple(f"{note}: the shielded module has it as it is now" for note in notes)

    def _try_another_batch(self, batch: int) -> None:
        """Errors: StatefulError."""
        tensors = [
            torch.cat([tensor, tensor[:1]]) if None in spec.shape else tensor
            for tensor, spec in zip(self._tensors, self._call.tensors, strict=True)
        ]
        try:
            outputs, form = outputs_form(self._watched(tensors)[0])
        except StatefulError:
            raise
        except Exception:
            return
        if form.structure == self.form.structure:
            self.is_open = True
            self.examples.append(Example(tensors, outputs, batch))


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
