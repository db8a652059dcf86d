"""From what a caller names, a module or a file, to a model and a plan for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from taoism import _core
from taoism._export import Exported, export
from taoism._modules import label_nodes, module_names
from taoism._placement import Placement, place, place_as, privacy_of, sides_of
from taoism._plan import Plan, plan_of_report
from taoism._runner import ShieldedModule
from taoism._scratch import scratch_folder
from taoism.errors import InvalidArgumentError, PlacementError
from taoism.strategies import Strategy, strategy_text

DEFAULT_STRATEGY = "deep:k=2"


@dataclass(frozen=True)
class Prepared:
    """A model that was loaded, with what is known of the modules that it comes from."""

    path: Path  # exists as long as the `with` block that made this
    model: _core.Model
    batch: int  # of the example; 0: what the file declares
    exported: Exported | None = None  # of a module
    module_of: dict[str, str] = field(default_factory=dict)
    modules: dict[str, nn.Module] = field(default_factory=dict)

    def plan_json(
        self,
        strategy: Strategy | str | None,
        placement: Placement | None,
        answer: str = "logits",
    ) -> str:
        """Errors: InvalidArgumentError, PlacementError."""
        if isinstance(placement, Plan | Path):
            if strategy is not None:
                raise PlacementError("placement is a plan, which says everything: give no strategy")
            fresh = self.model.make_plan("none", self.batch, answer)
            return place_as(placement, fresh, is_of_module=self.exported is not None)
        sides = None
        if placement is not None:
            if self.exported is None:
                raise PlacementError(
                    "a placement by module needs the module: give it, or the Path of a plan.json"
                )
            sides = sides_of(placement, self.modules)
        # Where a placement says everything, the strategy underneath does not matter.
        base = strategy_text(strategy or ("none" if sides is not None else DEFAULT_STRATEGY))
        plan = self.model.make_plan(base, self.batch, answer)
        if sides is not None:
            plan = place(plan, sides, self.module_of, keep_rest=strategy is not None)
        return plan

    def plan(self, plan_json: str, machine: _core.Machine) -> Plan:
        """What the plan does on `machine` at the example's batch."""
        report = self.model.report(plan_json, machine, self.batch)
        return plan_of_report(report, plan_json, self.module_of, tuple(self.modules) or ("",))


@contextlib.contextmanager
def prepared(
    model: nn.Module | str | Path,
    example_inputs: Any = None,
    *,
    private: Iterable[str] | None = None,
    public: Iterable[str] | None = None,
    dynamic_batch: bool = True,
    batch: int = 0,
) -> Iterator[Prepared]:
    """The model of an ONNX file, or of a module, which is exported into a folder that goes away at
    the end of the block. Errors: those of `export`, PlacementError, and of the import
    InvalidArgumentError, UnsupportedError, NotFoundError."""
    if not isinstance(model, nn.Module):
        if not isinstance(model, str | Path):
            raise InvalidArgumentError(
                f"{type(model).__name__} is neither a torch.nn.Module nor the path of a model"
            )
        if private is not None or public is not None or example_inputs is not None:
            raise InvalidArgumentError(
                "example_inputs, private and public go with a module; a file has its own"
            )
        loaded = _core.Model.load(str(model), {})
        yield Prepared(Path(model), loaded, batch or (1 if loaded.batch_is_dynamic else 0))
        return
    if any(isinstance(part, ShieldedModule) for part in model.modules()):
        raise InvalidArgumentError("the module is shielded already: give the original")
    if example_inputs is None:
        raise InvalidArgumentError("give example_inputs: a tensor, a tuple or a dict of arguments")
    modules = module_names(model)
    privacy = privacy_of(private, public, modules)
    with scratch_folder() as folder:
        path = folder / f"{type(model).__name__}.onnx"
        exported = export(model, example_inputs, path, dynamic_batch)
        module_of = label_nodes(path, modules, privacy)
        yield Prepared(
            path,
            _core.Model.load(str(path), {}),
            0 if exported.call.fixed_batch else exported.batch,
            exported,
            module_of,
            modules,
        )
