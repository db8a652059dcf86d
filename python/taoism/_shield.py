"""`shield` and `load`: modules that run split between a TEE and an untrusted device."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from taoism import _core
from taoism._call import Batch, CallForm, TensorSpec, argument_names, package_form, tensors_form
from taoism._file import Shapes
from taoism._machine import (
    machine,
    owner_text,
    path_text,
    refuse_choices,
    refuse_for_no_package,
)
from taoism._onnx_file import load_onnx
from taoism._placement import Placement
from taoism._plan import Plan, plan_of_report, warn_of
from taoism._prepare import prepared
from taoism._progress import stage
from taoism._runner import ShieldedModule
from taoism.errors import ArgumentTypeError, InvalidArgumentError
from taoism.strategies import Strategy


def shield(
    module: nn.Module,
    example_inputs: Any,
    strategy: Strategy | str | None = None,
    device: str | torch.device | None = None,
    tee: Literal["process", "inline"] = "process",
    tee_memory: str | int | None = None,
    *,
    placement: Placement | None = None,
    private: Iterable[str] | None = None,
    public: Iterable[str] | None = None,
    dynamic_batch: bool = True,
    check: bool = True,
    tee_threads: int = 0,
    device_threads: int = 0,
) -> ShieldedModule:
    """A new module that computes what `module` does, split between a TEE and an untrusted device.
    `module` stays as it is, though it runs on the example a few times; later changes to it do not
    matter.

    `example_inputs`: a tensor, a tuple of positional arguments or a mapping of named ones (a
    tokenizer's BatchEncoding too), in the shapes and element types that the result will take; the
    first dimension of the first tensor is the batch, which may then be any, unless `dynamic_batch`
    is false or the module's code fixes it. What is no tensor in it is part of the export.
    `strategy`: "deep:k=2" (the default, or as many blocks as there are), `taoism.Deep(k=2)`, ...
    `placement`: by module, {"layer4": "tee", "": "device"}; keys may be compiled regular
    expressions; or a function of (name, module) that returns "tee", "device" or None. The longest
    name counts. With a strategy beside it, what it leaves out is the strategy's. Or node by node: a
    plan that `taoism.plan` made of such a module, or the Path to which it was saved and edited.
    `private`, `public`: modules whose weights are (all are, if neither is given): they count in
    what `plan` says the device sees.
    `tee_memory`: the budget of trusted memory, "64MiB" or bytes; None: what the plan needs.
    `device`: None or "cpu" for taoism's kernels; "torch:cpu" or "cuda:0" for PyTorch's. Threads 0:
    one a core, or as many as PyTorch uses on its devices.

    This process has the module, and so its weights: what is shielded here is measured, not
    protected. `taoism.seal` makes a package that keeps them from whoever runs it. No TEE is started
    before the first call. `check`: the export's answers are compared with PyTorch's at once. Long
    work says so on a terminal: `taoism.show_progress(False)`.

    Errors: TrainingModeError (autocast too), StatefulError (a forward that keeps something or
    draws), ControlFlowError, ExportError, ExportMismatchError, PlacementError,
    InvalidArgumentError, DtypeError, DeviceError, ResourceExhaustedError (a budget that cannot do,
    a full disk), UnavailableError (a device that is not here), UnsupportedError (what taoism cannot
    run, with the module's name). Warns: ExposureWarning of what a strategy gives away,
    ExportWarning of attributes that forward changes."""
    if not isinstance(module, nn.Module):
        raise ArgumentTypeError(f"{type(module).__name__} is no torch.nn.Module to shield")
    where = machine(device, tee, tee_memory, tee_threads, device_threads)
    with prepared(
        module,
        example_inputs,
        strategy=strategy,
        placement=placement,
        private=private,
        public=public,
        dynamic_batch=dynamic_batch,
        check=check,
    ) as ready:
        with stage("planning"):
            plan_json = ready.plan_json()
            plan = ready.plan(plan_json, where)
        ready.check_memory(plan, where)
        exported = ready.exported
        model = ready.model
    assert exported is not None
    warn_of(plan)

    def open_session(batch: Batch) -> _core.Session:
        assert isinstance(batch, int)
        return _core.open_model(model, plan_json, batch, where)

    return ShieldedModule(
        exported.call,
        exported.feeds,
        exported.outputs,
        open_session,
        lambda batch: batch,
        plan,
        where,
        model,
    )


def load(
    path: str | Path,
    key: str | Path | None = None,
    strategy: Strategy | str | None = None,
    *,
    placement: Plan | Path | None = None,
    shapes: Shapes | None = None,
    device: str | torch.device | None = None,
    tee: Literal["process", "inline"] = "process",
    tee_memory: str | int | None = None,
    tee_threads: int = 0,
    device_threads: int = 0,
    owner: str | Path | None = None,
) -> ShieldedModule:
    """The model of a package (.tao), which runs under the plan that it was sealed with, or of an
    ONNX file. It takes its inputs in the model's order, or by name, and gives one tensor, or a
    tuple.

    Of a package: `key`, its owner's key file, which the TEE alone reads; None: m.key beside m.tao.
    `owner`: the public half of its owner's key, owner.pub: another's package is refused here
    already; None: the TEE alone checks who signed it, by the key file. A batch that the package has
    no program for is run in parts.
    Of an ONNX file: its open first dimensions are what a call gives, those of one name the same.
    `strategy`, "deep:k=2" (the default) or an object, or `placement`, a plan or the Path of one.
    `shapes`, by input, where more than its first dimension is open: (None, 3, 224, 224), None being
    the batch. Its weights are known to this process: that is measurement.

    Errors: NotFoundError, InvalidArgumentError, UnsupportedError (of an ONNX file), IntegrityError
    (not what its owner signed); at the first call also PolicyError (older than the key accepts)."""
    where = machine(device, tee, tee_memory, tee_threads, device_threads)
    text = path_text("path", path)
    if not _core.is_package(text):
        refuse_for_no_package(text, owner, key)
        return load_onnx(text, strategy, placement, shapes, where)
    refuse_choices(strategy, placement, shapes)
    with stage(f"opening {text}"):
        package = _core.Package.open(text, owner_text(owner))
    where.key_file = path_text("key", key) if key is not None else _core.default_key_path(text)
    batches = package.batches
    largest = max(batches)

    def open_session(batch: Batch) -> _core.Session:
        assert isinstance(batch, int)
        return _core.open_package(package, batch, where)

    def part_of(batch: int) -> int:
        size = max((size for size in batches if size <= batch), default=0)
        if package.rows_mixed and size != batch:
            raise InvalidArgumentError(
                f"a batch of {batch} cannot be run in parts: {package.rows_mixed}; "
                f"{package.no_batch_for(batch)}"
            )
        return size

    plan = plan_of_report(package.summary(largest))
    warn_of(plan)
    return ShieldedModule(
        _package_call(package),
        tuple(range(len(package.inputs))),
        tensors_form(len(package.outputs)),
        open_session,
        part_of,
        plan,
        where,
        None,
        tuple(package.output_rows),
    )


def _package_call(package: _core.Package) -> CallForm:
    """The call of a package's model, whose inputs are known at one of its batches."""
    names = argument_names([name for name, _, _ in package.inputs])
    specs = []
    for i, ((_, dtype, dims), axis) in enumerate(
        zip(package.inputs, package.input_rows, strict=True)
    ):
        shape: list[int | None] = list(dims)
        if axis == 0:
            shape[0] = None
        specs.append(TensorSpec(names[i], getattr(torch, dtype), tuple(shape)))
    return package_form(specs)
