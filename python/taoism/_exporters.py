"""PyTorch's two exporters, each quiet, given tensors and giving tensors alone."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import torch
from torch import nn
from torch.jit._trace import TracerWarning

from taoism._call import CallForm, OutputForm
from taoism._interrupt import interruptible
from taoism._structure import flatten
from taoism.errors import ExportError

if TYPE_CHECKING:
    import onnx

# The exporters keep what they are doing in globals, and so do the loggers and warnings of _quiet.
_one_at_a_time = threading.RLock()
# Before 2.6 the exporter behind dynamo=True was another one, without what is needed here.
_HAS_DYNAMO = "optimize" in inspect.signature(torch.onnx.export).parameters
_NOISY = ("torch.onnx", "torch.export", "torch.fx.experimental.symbolic_shapes", "onnxscript")
_LATE = (
    "torch._dynamo",
    "torch.export._trace",
    "torch.onnx._internal.exporter",
    "onnxscript.function_libs.torch_lib.ops",
    "onnxscript.optimizer",
    "onnx",
)
_DRAWING = frozenset(
    ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli")
) | {"Multinomial"}


class FollowsTheBatch(ExportError):
    """A number in the outputs is none of the example's when the batch is open."""


def exporters() -> tuple[str, ...]:
    """Those that there are, in the order in which they are asked."""
    return ("dynamo", "torchscript") if _HAS_DYNAMO else ("torchscript",)


class Job:
    """One module on its way through the exporters."""

    def __init__(
        self,
        module: nn.Module,
        call: CallForm,
        form: OutputForm,
        tensors: list[torch.Tensor],
        path: Path,
        is_open: bool,
    ) -> None:
        """`tensors`: of the example; `is_open`: whether the module takes another batch."""
        self._module = module
        self._call = call
        self.form = form  # of what the module returns
        self._tensors = tensors
        self._path = path
        self.is_open = any(None in spec.shape for spec in call.tensors)
        self.wants_open = self.is_open and is_open

    def write(self, exporter: str, is_open: bool) -> None:
        """The file, with an open batch or the example's. Raises what the exporter does."""
        interruptible(_import_what_exporters_need)
        with _one_at_a_time:
            if exporter == "dynamo":
                self._dynamo(is_open)
                return
            if not _HAS_DYNAMO:
                self._ask_export()
            self._torchscript(is_open)

    def feeds(self, exporter: str, graph: onnx.GraphProto) -> tuple[int, ...]:
        """Which tensors of a call the inputs are of the graph that was written. Errors:
        ExportError."""
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

    def _example(self, is_open: bool) -> tuple[torch.Tensor, ...]:
        """Copies of the tensors, for a module that writes to its inputs; with a batch of 1
        doubled, because exporters take a 1 for a constant."""
        return tuple(
            torch.cat([tensor, tensor])
            if is_open and None in spec.shape and tensor.shape[0] == 1
            else tensor.clone()
            for tensor, spec in zip(self._tensors, self._call.tensors, strict=True)
        )

    def _traced(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The module's call with its tensors alone, while an exporter looks on."""
        args, kwargs = self._call.arguments(tensors)
        found, structure = flatten(self._module(*args, **kwargs), "outputs")
        if structure != self.form.structure:
            raise ExportError("the module returns other containers when it is exported")
        outputs = []
        for (path, leaf), constant in zip(found, self.form.leaves, strict=True):
            if constant is None:
                if not isinstance(leaf, torch.Tensor):
                    raise ExportError(f"{path} is no tensor when the module is exported")
                outputs.append(leaf)
            elif not constant.equals(leaf):
                raise FollowsTheBatch(
                    f"the module returns a number that is computed from its input ({path}): return "
                    "the tensor that it is computed from"
                )
        return tuple(outputs)

    def _flat(self) -> _Flat:
        return _Flat(self._module, self._traced, [spec.name for spec in self._call.tensors])

    def _dynamo(self, is_open: bool) -> None:
        shapes = None
        if is_open:
            batch = torch.export.Dim("batch")
            shapes = tuple(
                {0: batch} if None in spec.shape else None for spec in self._call.tensors
            )
        flat = self._flat()
        flat.training = False
        with _quiet():
            with _stderr_of_others():  # it prints what it had when it failed
                program = torch.export.export(
                    flat, self._example(is_open), dynamic_shapes=shapes, strict=False
                )
            onnx_program = torch.onnx.export(
                program, (), dynamo=True, optimize=False, verbose=False
            )
            assert onnx_program is not None
            # Constants alone: a plan counts convolutions and batch-norms as the author wrote them.
            from onnxscript import optimizer

            # What draws is no constant, though it has no inputs.
            draws = any(node.op_type in _DRAWING for node in onnx_program.model.graph)
            if not draws:
                optimizer.fold_constants(onnx_program.model)
            onnx_program.save(str(self._path), external_data=True)

    def _torchscript(self, is_open: bool) -> None:
        names = [spec.name for spec in self._call.tensors]
        axes = {s.name: {0: "batch"} for s in self._call.tensors if is_open and None in s.shape}
        with _quiet(), _without_log(), warnings.catch_warnings():
            # A trace that took one branch, or one size, for all.
            warnings.simplefilter("error", TracerWarning)
            torch.onnx.export(
                self._flat(),
                self._example(is_open),
                str(self._path),
                dynamo=False,
                input_names=names,
                dynamic_axes=axes,
                training=torch.onnx.TrainingMode.PRESERVE,
                do_constant_folding=False,
            )

    def _ask_export(self) -> None:
        """Raises what torch.export says of values of the input: it knows better than a trace does,
        in versions too that cannot make ONNX of it."""
        try:
            with _quiet(), _stderr_of_others():
                torch.export.export(self._flat(), self._example(is_open=False), strict=False)
        except Exception as error:
            if "data-dependent" in str(error) or "DataDependent" in type(error).__name__:
                raise


def _import_what_exporters_need() -> None:
    """What PyTorch imports at the first export, for a thread that no Ctrl-C ends, so that none
    waits for it; what else is imported is imported whole."""
    for name in _LATE:
        with contextlib.suppress(ImportError):  # versions differ in what they have
            importlib.import_module(name)


class _Flat(nn.Module):
    """The module as the exporters want it: tensors alone go in, one after the other. Its parts bear
    the names that they have in the module. It stays in training mode, which the module does not
    see: in the other, the TorchScript exporter makes one tensor of all that are equal."""

    def __init__(self, module: nn.Module, call: Callable[..., Any], names: list[str]) -> None:
        super().__init__()
        self._modules = module._modules
        self._parameters = module._parameters
        self._buffers = module._buffers

        def forward(*tensors: torch.Tensor) -> Any:
            return call(*tensors)

        # The file's inputs bear these names.
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])
        forward.__signature__ = signature  # type: ignore[attr-defined]
        self.forward = forward


def graph_of(path: Path) -> onnx.GraphProto:
    """That of an ONNX file, without the weights that lie beside it."""
    import onnx

    return onnx.load(str(path), load_external_data=False).graph


def drawing_nodes(graph: onnx.GraphProto) -> list[str]:
    """The operators that draw random numbers which reach its outputs."""
    maker = {output: node for node in graph.node for output in node.output}
    todo = [value.name for value in graph.output]
    seen: set[str] = set()
    found = []
    while todo:
        name = todo.pop()
        if name in seen or name not in maker:
            continue
        seen.add(name)
        node = maker[name]
        if any(_draws(inner) for inner in (node, *_inside(node))):
            found.append(node.op_type)
        todo += node.input
        todo += [value for inner in _inside(node) for value in inner.input]
    return found


def _inside(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """The nodes of its bodies."""
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield inner
            yield from _inside(inner)


def _draws(node: onnx.NodeProto) -> bool:
    return node.op_type in _DRAWING


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


@contextlib.contextmanager
def _without_log() -> Iterator[None]:
    """Without the graphs that the TorchScript exporter writes to stdout when it fails: it switches
    its log on, whether somebody asked for it or not."""
    name = "_jit_set_onnx_log_enabled"
    switch = getattr(torch._C, name, None)
    if switch is None:
        yield
        return
    switch(False)
    setattr(torch._C, name, lambda is_on: None)
    try:
        yield
    finally:
        setattr(torch._C, name, switch)


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
