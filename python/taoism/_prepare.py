"""From what a caller names, a module or a file, to a model and a plan for it. What can be refused
is refused before the module is exported."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from taoism import _core
from taoism._compare import difference
from taoism._export import Example, Exported, export
from taoism._file import Shapes, open_file
from taoism._interrupt import importing_whole, interruptible
from taoism._machine import flag, path_text
from taoism._modules import label_nodes, module_names
from taoism._placement import Placement, Side, place, place_as, privacy_of, sides_of
from taoism._plan import Plan, plan_of_report
from taoism._progress import stage
from taoism._runner import ShieldedModule
from taoism._scratch import disk_named, scratch_folder
from taoism.errors import (
    ExportError,
    ExportMismatchError,
    ExportWarning,
    InvalidArgumentError,
    PlacementError,
    ResourceExhaustedError,
    UnsupportedError,
)
from taoism.strategies import Strategy, strategy_text

# Of a module with fewer blocks, as many as there are.
DEFAULT_STRATEGIES = ("deep:k=2", "deep:k=1", "full")


@dataclass(frozen=True)
class Request:
    """How a model is to be split; checked as far as it can be without the model."""

    strategy: str = ""  # in full; "" where none was given
    plan: Plan | Path | None = None  # node by node
    sides: Mapping[str, Side] | None = None  # by module


def request_of(
    strategy: Strategy | str | None,
    placement: Placement | None,
    modules: Mapping[str, nn.Module] | None,
) -> Request:
    """`modules`: None of a file. Errors: InvalidArgumentError, PlacementError."""
    text = strategy_text(strategy) if strategy is not None else ""
    if isinstance(placement, Plan | Path):
        if strategy is not None:
            raise PlacementError("placement is a plan, which says everything: give no strategy")
        return Request(plan=placement)
    if placement is None:
        return Request(text)
    if modules is None:
        raise PlacementError(
            "a placement by module needs the module: give it, or the Path of a plan.json"
        )
    return Request(text, sides=sides_of(placement, modules))


@dataclass(frozen=True)
class Prepared:
    """A model that was loaded, with what is known of the modules that it comes from."""

    path: Path  # exists as long as the `with` block that made this
    model: _core.Model
    batch: int  # of the example; 0: what the file declares
    request: Request = Request()
    exported: Exported | None = None  # of a module
    module_of: dict[str, str] = field(default_factory=dict)
    modules: dict[str, nn.Module] = field(default_factory=dict)

    @property
    def least_batch(self) -> int:
        """The smallest batch at which the model is the module."""
        return self.exported.call.least_batch if self.exported is not None else 1

    def plan_json(self, answer: str = "logits") -> str:
        """Errors: InvalidArgumentError, PlacementError."""
        return interruptible(lambda: self._plan_json(answer))

    def _plan_json(self, answer: str) -> str:
        request = self.request
        if request.plan is not None:
            fresh = self.model.make_plan("none", self.batch, answer)
            return place_as(request.plan, fresh, is_of_module=self.exported is not None)
        # Where a placement says everything, the strategy underneath does not matter.
        base = request.strategy or ("none" if request.sides is not None else "")
        plan = self.model.make_plan(base, self.batch, answer) if base else self._default(answer)
        if request.sides is not None:
            plan = place(plan, request.sides, self.module_of, keep_rest=request.strategy != "")
        return plan

    def _default(self, answer: str) -> str:
        for strategy in DEFAULT_STRATEGIES[:-1]:
            with contextlib.suppress(InvalidArgumentError):  # it has not so many blocks
                return self.model.make_plan(strategy, self.batch, answer)
        return self.model.make_plan(DEFAULT_STRATEGIES[-1], self.batch, answer)

    def plan(self, plan_json: str, machine: _core.Machine) -> Plan:
        """What the plan does on `machine` at the example's batch."""
        report = interruptible(lambda: self.model.report(plan_json, machine, self.batch))
        return plan_of_report(report, plan_json, self.module_of, tuple(self.modules) or ("",))

    def check_memory(self, plan: Plan, machine: _core.Machine) -> None:
        """Errors: ResourceExhaustedError naming the tee_memory that would do."""
        if 0 < machine.tee_memory_bytes < plan.tee_memory_peak:
            said = [warning for warning in plan.warnings if "too small" in warning]
            raise ResourceExhaustedError((said or ["tee_memory is too small for this plan"])[0])


@contextlib.contextmanager
def prepared(
    model: nn.Module | str | Path,
    example_inputs: Any = None,
    *,
    strategy: Strategy | str | None = None,
    placement: Placement | None = None,
    private: Iterable[str] | None = None,
    public: Iterable[str] | None = None,
    dynamic_batch: bool = True,
    batch: int = 0,
    check: bool = True,
    shapes: Shapes | None = None,
) -> Iterator[Prepared]:
    """The model of an ONNX file, or of a module, which is exported into a folder that goes away at
    the end of the block. `check`: its answers are compared with PyTorch's; `shapes`: of a file, as
    `load` has them. Errors: those of
    `export`, ExportMismatchError, PlacementError, ResourceExhaustedError (the disk is full), and of
    the import InvalidArgumentError, UnsupportedError, NotFoundError."""
    flag("dynamic_batch", dynamic_batch)
    flag("check", check)
    if not isinstance(model, nn.Module):
        if private is not None or public is not None or example_inputs is not None:
            raise InvalidArgumentError(
                "example_inputs, private and public go with a module; a file has its own"
            )
        request = request_of(strategy, placement, None)
        text = path_text("model", model)
        with stage(f"reading {text}"):
            loaded = interruptible(lambda: open_file(text, shapes))
        yield Prepared(Path(text), loaded, batch or (1 if loaded.batch_is_dynamic else 0), request)
        return
    if shapes is not None:
        raise InvalidArgumentError("shapes go with a file; a module has those of example_inputs")
    model = _uncompiled(model)
    if any(isinstance(part, ShieldedModule) for part in model.modules()):
        raise InvalidArgumentError("the module is shielded already: give the original")
    if example_inputs is None:
        raise InvalidArgumentError("give example_inputs: a tensor, a tuple or a dict of arguments")
    modules = module_names(model)
    privacy = privacy_of(private, public, modules)
    request = request_of(strategy, placement, modules)
    name = type(model).__name__
    with scratch_folder() as folder:

        def read(path: Path, is_open: bool) -> tuple[Exported, dict[str, str], _core.Model | None]:
            with stage(f"exporting {name}"), disk_named(folder):
                exported = export(model, example_inputs, path, is_open)
                module_of = label_nodes(path, modules, privacy, exported.together)
            loaded, is_same_alone = None, False
            with stage(f"reading {name}"):
                try:
                    with _of_the_exporter(path):
                        loaded = interruptible(lambda: _core.Model.load(str(path), {}))
                        if check:
                            _check(exported, loaded, name)
                    asks = check or exported.batch == 1
                    is_same_alone = not asks or _is_same_alone(exported, loaded)
                except ExportError as error:  # of two rows, which are exported for one
                    is_wrong = isinstance(error, ExportMismatchError)
                    if is_wrong or exported.batch != 1 or not exported.is_open:
                        raise
            if not is_same_alone:
                exported = replace(exported, call=replace(exported.call, least_batch=2))
            return exported, module_of, loaded

        path = folder / f"{name}.onnx"
        exported, module_of, found = importing_whole(lambda: read(path, dynamic_batch))
        if exported.batch == 1 and exported.call.least_batch > 1:
            path = folder / f"{name}_1.onnx"
            exported, module_of, found = importing_whole(lambda: read(path, False))
            reason = "the module does something else for a batch of one"
            exported = replace(exported, call=replace(exported.call, fixed_batch=reason))
        assert found is not None
        for warning in exported.warnings:
            warnings.warn(warning, ExportWarning, stacklevel=4)
        open_batch = 0 if exported.call.fixed_batch else exported.batch
        yield Prepared(path, found, open_batch, request, exported, module_of, modules)


def _uncompiled(module: nn.Module) -> nn.Module:
    """What torch.compile was given."""
    original = getattr(module, "_orig_mod", None)
    is_compiled = type(module).__name__ == "OptimizedModule" and isinstance(original, nn.Module)
    return original if is_compiled and original is not None else module


@contextlib.contextmanager
def _of_the_exporter(path: Path) -> Iterator[None]:
    """What is wrong in this file is no argument of the caller's: nobody but the exporter wrote it.
    Errors: ExportError."""
    try:
        yield
    except InvalidArgumentError as error:
        said = str(error).replace(f"'{path}'", "it")
        raise ExportError(
            f"PyTorch's exporter wrote a file that is wrong: {said}; replace what is named by "
            "other operators, or shield the parts before and after it"
        ) from error


def _check(exported: Exported, model: _core.Model, name: str) -> None:
    """Compares the file's answers with PyTorch's. Errors: ExportMismatchError."""
    found = _difference(exported, exported.example, model)
    if found:
        raise ExportMismatchError(
            f"{name}: the exported module answers otherwise than PyTorch at a batch of "
            f"{exported.example.batch}: {found}; check=False takes it as it is"
        )


def _is_same_alone(exported: Exported, model: _core.Model) -> bool:
    """Whether the file answers as PyTorch at a batch of one too, if that can be asked."""
    if exported.single is None:
        return True
    try:
        return not _difference(exported, exported.single, model)
    except (InvalidArgumentError, UnsupportedError):  # it is of more rows alone
        return False


def _difference(exported: Exported, example: Example, model: _core.Model) -> str:
    """What differs first between PyTorch's answers to an example and the file's; "" if nothing."""
    machine = _core.Machine()
    inputs = [example.inputs[i].detach().cpu().contiguous() for i in exported.feeds]

    def run() -> list[torch.Tensor]:
        batch = example.batch if exported.is_open else 0
        session = _core.open_model(model, model.make_plan("none", batch, "logits"), batch, machine)
        outputs = [
            torch.empty(shape, dtype=getattr(torch, dtype)) for _, dtype, shape in session.outputs
        ]
        session.run(inputs, outputs)
        session.close()
        return outputs

    return difference(interruptible(run), example.outputs, exported.outputs.paths)
