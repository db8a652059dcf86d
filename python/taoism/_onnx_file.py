"""ONNX files as modules: what `load` makes of one."""

from __future__ import annotations

from pathlib import Path

import torch

from taoism import _core
from taoism._call import TensorSpec, argument_names, package_form, tensors_form
from taoism._file import Shapes, open_file, shapes_of
from taoism._placement import Placement
from taoism._plan import warn_of
from taoism._prepare import Prepared, request_of
from taoism._runner import ShieldedModule
from taoism.strategies import Strategy


def load_onnx(
    path: str,
    strategy: Strategy | str | None,
    placement: Placement | None,
    shapes: Shapes | None,
    where: _core.Machine,
) -> ShieldedModule:
    """The model of an ONNX file under a plan; each batch has a session. `shapes`: as `load` has it.
    Errors: those of `load`."""
    model = open_file(path, shapes)
    given = shapes_of(shapes)
    ready = Prepared(Path(path), model, 0, request_of(strategy, placement, None))
    plan_json = ready.plan_json()
    plan = ready.plan(plan_json, where)
    ready.check_memory(plan, where)
    warn_of(plan, 2)
    inputs, outputs = model.bound(0)
    is_open = [not dims or dims[0] < 0 for _, _, dims in model.inputs]
    said = [given.get(name, [-1])[:1] == [-1] for name, _, _ in model.inputs]
    names = argument_names([name for name, _, _ in inputs])
    specs = []
    for i, (_, dtype, dims) in enumerate(inputs):
        shape: list[int | None] = list(dims)
        if shape and is_open[i] and said[i]:
            shape[0] = None
        specs.append(TensorSpec(names[i], getattr(torch, dtype), tuple(shape)))
    return ShieldedModule(
        package_form(specs),
        tuple(range(len(specs))),
        tensors_form(len(outputs)),
        lambda batch: _core.open_model(model, plan_json, batch, where),
        lambda batch: batch,
        plan,
        where,
        model,
    )
