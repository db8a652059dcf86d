"""From an `nn.Module` to an ONNX file: torch.export first, the TorchScript exporter where that
fails or is too old."""

from __future__ import annotations

import contextlib
import inspect
import logging
import re
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO, cast

import torch
from torch import nn
from torch.jit._trace import TracerWarning
from torch.utils import _pytree as pytree

from taoism._call import CallForm, TensorSpec, example_arguments, form_of
from taoism.errors import ControlFlowError, ExportError, InvalidArgumentError, TrainingModeError

# What torch.export says, whatever the version, where a value of the input decides what runs.
_DATA_DEPENDENT = re.compile(r"data[- ]dependent|dynamic control flow", re.IGNORECASE)
_BATCH_IS_FIXED = re.compile(r"constraints? violated|specializ", re.IGNORECASE)
# The exporters keep what they are doing in globals, and so do the loggers and warnings of _quiet.
_one_at_a_time = threading.RLock()
# Before 2.6 the exporter behind dynamo=True was another one, without what is needed here.
_HAS_DYNAMO = "optimize" in inspect.signature(torch.onnx.export).parameters
_NOISY = ("torch.onnx", "torch.export", "torch.fx.experimental.symbolic_shapes", "onnxscript")


@dataclass(frozen=True)
class Exported:
    """An ONNX file, and how the module in it is called."""

    path: Path
    call: CallForm
    feeds: tuple[int, ...]  # the tensors of a call that are the file's inputs, in its order
    output_tree: pytree.TreeSpec
    batch: int  # of the example; 0 where no input has one
    exporter: str  # "dynamo" or "torchscript"


def check_inference_mode(module: nn.Module) -> None:
    """Errors: TrainingModeError naming the first module that is in training mode."""
    for name, part in module.named_modules():
        if part.training:
            where = f"module '{name}'" if name else "the module"
            raise TrainingModeError(
                f"{where} is in training mode: call .eval() on the whole module first, so that "
                "dropout and batch-norm do what they do at inference"
            )


def export(
    module: nn.Module, example_inputs: Any, path: Path, dynamic_batch: bool = True
) -> Exported:
    """Writes the ONNX file and its external data. `example_inputs`: a tensor, a tuple of
    positional arguments, or a dict of named ones; `module` runs on them once. Where the batch
    cannot be left open, the file has that of the example. Errors: TrainingModeError,
    InvalidArgumentError, DtypeError, DeviceError, ControlFlowError, ExportError."""
    if not isinstance(module, nn.Module):
        raise InvalidArgumentError(f"{type(module).__name__} is no torch.nn.Module")
    check_inference_mode(module)
    signature = inspect.signature(module.forward)
    args, kwargs = example_arguments(signature, example_inputs)
    call = form_of(signature, args, kwargs, dynamic_batch)
    with torch.no_grad():
        outputs, output_tree = pytree.tree_flatten(_run_on_copies(module, args, kwargs))
    for output in outputs:
        if not isinstance(output, torch.Tensor):
            raise ExportError(
                f"the module returns a {type(output).__name__} beside or instead of tensors: "
                "return tensors, or tuples, lists and dicts of them"
            )
    tensors, batch = call.flatten(args, kwargs)
    job = _Job(module, args, kwargs, call, path)
    with _one_at_a_time:
        exporter, fixed_batch = job.run()
    if fixed_batch:
        leaves = form_of(signature, args, kwargs, dynamic_batch=False).leaves
        call = replace(call, leaves=leaves, fixed_batch=fixed_batch)
        batch = 0
    if batch == 0:
        batch = next((tensor.shape[0] for tensor in tensors if tensor.dim() > 0), 0)
    return Exported(path, call, job.feeds(exporter), output_tree, batch, exporter)


def _run_on_copies(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What it returns; a module that writes to its inputs leaves the caller's alone."""
    own_args, own_kwargs = pytree.tree_map_only(torch.Tensor, torch.clone, (args, kwargs))
    return module(*own_args, **own_kwargs)


class _Job:
    """One module on its way through the exporters."""

    def __init__(
        self,
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        call: CallForm,
        path: Path,
    ) -> None:
        self._module = module
        self._arguments = (args, kwargs)
        self._call = call
        self._path = path

    def run(self) -> tuple[str, str]:
        """The exporter that could, and why the batch is fixed, or "". Errors: ControlFlowError,
        ExportError."""
        is_open = any(None in spec.shape for spec in self._call.tensors)
        failures: list[str] = []
        fixed = "" if is_open else "no input has a batch that may change"
        if not _HAS_DYNAMO:
            failures.append(f"dynamo: needs torch 2.6 or newer, this is {torch.__version__}")
        elif is_open:
            try:
                self._dynamo(is_open=True)
                return "dynamo", ""
            except Exception as error:
                self._refuse_control_flow(error)
                failures.append(f"dynamo: {_one_line(error)}")
                if _BATCH_IS_FIXED.search(str(error)):
                    fixed = "the module's code fixes it"
        if fixed and _HAS_DYNAMO:
            try:
                self._dynamo(is_open=False)
                return "dynamo", fixed
            except Exception as error:
                self._refuse_control_flow(error)
                failures.append(f"dynamo: {_one_line(error)}")
        if is_open and not fixed and not self._takes_another_batch():
            fixed = "the module's code fixes it"
        try:
            self._torchscript(is_open=not fixed)
            return "torchscript", fixed
        except Exception as error:
            self._refuse_control_flow(error)
            if not _HAS_DYNAMO:
                self._refuse_what_export_would()
            failures.append(f"torchscript: {_one_line(error)}")
        raise ExportError("the module cannot be exported to ONNX: " + "; ".join(failures))

    def feeds(self, exporter: str) -> tuple[int, ...]:
        """Which tensors of a call the written file's inputs are. Errors: ExportError."""
        import onnx

        graph = onnx.load(str(self._path), load_external_data=False).graph
        constants = {tensor.name for tensor in graph.initializer}
        given = [value.name for value in graph.input if value.name not in constants]
        names = [spec.name for spec in self._call.tensors]
        if exporter == "torchscript":  # it drops inputs that nothing reads
            return tuple(names.index(name) for name in given)
        if len(given) != len(names):
            raise ExportError(
                f"the module takes {len(names)} tensors, the exported file {len(given)}"
            )
        return tuple(range(len(names)))

    def _example(self, is_open: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Copies of the arguments, for a module that writes to its inputs; with a batch of 1
        doubled, because exporters take a 1 for a constant."""
        leaves, tree = pytree.tree_flatten(self._arguments)
        for i, (leaf, spec) in enumerate(zip(leaves, self._call.leaves, strict=True)):
            if isinstance(spec, TensorSpec):
                has_batch = bool(spec.shape) and spec.shape[0] is None
                is_one = is_open and has_batch and leaf.shape[0] == 1
                leaves[i] = torch.cat([leaf, leaf]) if is_one else leaf.clone()
        args, kwargs = pytree.tree_unflatten(leaves, tree)
        return args, kwargs

    def _takes_another_batch(self) -> bool:
        """Whether the module itself does; a trace would not say."""
        leaves, tree = pytree.tree_flatten(self._arguments)
        for i, (leaf, spec) in enumerate(zip(leaves, self._call.leaves, strict=True)):
            if isinstance(spec, TensorSpec) and None in spec.shape:
                leaves[i] = torch.cat([leaf, leaf[:1]])
        args, kwargs = pytree.tree_unflatten(leaves, tree)
        try:
            with torch.no_grad():
                _run_on_copies(self._module, args, kwargs)
        except Exception:
            return False
        return True

    def _dynamo(self, is_open: bool) -> None:
        args, kwargs = self._example(is_open)
        shapes = None
        if is_open:
            batch = torch.export.Dim("batch")
            leaves = [
                {0: batch} if isinstance(spec, TensorSpec) and None in spec.shape else None
                for spec in self._call.leaves
            ]
            positional, named = pytree.tree_unflatten(leaves, self._call.tree)
            shapes = dict(self._call.signature.bind(*positional, **named).arguments)
        with _quiet(), torch.no_grad():
            with _stderr_of_others():  # it prints what it had when it failed
                program = torch.export.export(
                    self._module, args, kwargs, dynamic_shapes=shapes, strict=False
                )
            onnx_program = torch.onnx.export(
                program, (), dynamo=True, optimize=False, verbose=False
            )
            assert onnx_program is not None
            # Constants alone: a plan counts convolutions and batch-norms as the author wrote them.
            from onnxscript import optimizer

            optimizer.fold_constants(onnx_program.model)
            onnx_program.save(str(self._path), external_data=True)

    def _torchscript(self, is_open: bool) -> None:
        leaves, tree = pytree.tree_flatten(self._example(is_open))
        places = [i for i, s in enumerate(self._call.leaves) if isinstance(s, TensorSpec)]

        def call(*tensors: torch.Tensor) -> Any:
            for place, tensor in zip(places, tensors, strict=True):
                leaves[place] = tensor
            args, kwargs = pytree.tree_unflatten(leaves, tree)
            return self._module(*args, **kwargs)

        names = [spec.name for spec in self._call.tensors]
        axes = {s.name: {0: "batch"} for s in self._call.tensors if is_open and None in s.shape}
        with _quiet(), warnings.catch_warnings(), torch.no_grad():
            # A trace that took one branch, or one size, for all.
            warnings.simplefilter("error", TracerWarning)
            torch.onnx.export(
                _Flat(self._module, call),
                tuple(leaves[place] for place in places),
                str(self._path),
                dynamo=False,
                input_names=names,
                dynamic_axes=axes,
                training=torch.onnx.TrainingMode.PRESERVE,
                do_constant_folding=False,
            )

    def _refuse_what_export_would(self) -> None:
        """Errors: ControlFlowError. torch.export knows better what a value of the input decides
        than a trace does, in versions too that cannot make ONNX of it."""
        args, kwargs = self._example(is_open=False)
        try:
            with _quiet(), _stderr_of_others(), torch.no_grad():
                torch.export.export(self._module, args, kwargs, strict=False)
        except Exception as error:
            self._refuse_control_flow(error)

    def _refuse_control_flow(self, error: Exception) -> None:
        # A warning that became an error inside C++ is the cause of another one.
        chain: list[BaseException] = [error]
        while (cause := chain[-1].__cause__ or chain[-1].__context__) and len(chain) < 10:
            chain.append(cause)
        is_trace = any(isinstance(e, TracerWarning) and "boolean" in str(e) for e in chain)
        if not is_trace and not _DATA_DEPENDENT.search(f"{type(error).__name__} {error}"):
            return
        where = _users_line(chain)
        raise ControlFlowError(
            f"the module's Python code depends on values of its input{where}: write it with "
            "torch.where, torch.cond or masks, or shield the parts before and after it"
        ) from error


class _OthersOnly:
    """A text stream; what the thread writes that made this is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._dropped = threading.get_ident()

    def write(self, text: str) -> int:
        is_dropped = threading.get_ident() == self._dropped
        return len(text) if is_dropped else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def _stderr_of_others() -> Iterator[None]:
    """Drops what this thread prints to stderr, and nothing else."""
    stream = sys.stderr  # None where a process has none
    if stream is not None:
        sys.stderr = cast(TextIO, _OthersOnly(stream))
    try:
        yield
    finally:
        sys.stderr = stream


class _Flat(nn.Module):
    """The module as the TorchScript exporter wants it: tensors alone go in, one after the other.
    Its parts bear the names that they have in the module. It stays in training mode, which the
    module does not see: in the other, the exporter makes one tensor of all that are equal."""

    def __init__(self, module: nn.Module, call: Callable[..., Any]) -> None:
        super().__init__()
        self._modules = module._modules
        self._parameters = module._parameters
        self._buffers = module._buffers
        self._call = call

    def forward(self, *tensors: torch.Tensor) -> Any:
        return self._call(*tensors)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' running commentary; errors come as exceptions."""
    loggers = [logging.getLogger(name) for name in _NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _users_line(chain: list[BaseException]) -> str:
    """ " (net.py:12)": the deepest line that is not PyTorch's, or ""."""
    library = str(Path(torch.__file__).parent)
    for error in chain:
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            own = frame.filename.startswith((library, "<")) or frame.filename == __file__
            if not own:
                return f" ({frame.filename}:{frame.lineno})"
    return ""


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {_shortened(lines[0] if lines else '')}"


def _shortened(text: str) -> str:
    return text if len(text) <= 300 else text[:300] + "..."
