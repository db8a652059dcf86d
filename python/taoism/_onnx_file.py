"""ONNX files as modules: what `load` makes of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from taoism import _core
from taoism._call import Batch, TensorSpec, argument_names, package_form, tensors_form
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
    batches = _batches(model, given)
    names = argument_names([name for name, _, _ in inputs])
    specs = []
    for i, (_, dtype, dims) in enumerate(inputs):
        shape: list[int | None] = list(dims)
        if batches[i] is not None:
            shape[0] = None
        rows = batches[i] or 0
        specs.append(TensorSpec(names[i], getattr(torch, dtype), tuple(shape), rows=rows))

    def open_session(batch: Batch) -> _core.Session:
        sizes = batch if isinstance(batch, tuple) else (batch,)
        bound = {
            model.inputs[i][0]: [sizes[spec.rows], *inputs[i][2][1:]]
            for i, spec in enumerate(specs)
            if None in spec.shape
        }
        return _core.open_shapes(model, plan_json, bound, where)

    return ShieldedModule(
        package_form(specs),
        tuple(range(len(specs))),
        tensors_form(len(outputs)),
        open_session,
        lambda batch: batch,
        plan,
        where,
        model,
    )


def _batches(model: _core.Model, given: Mapping[str, Sequence[int]]) -> list[int | None]:
    """By input, which batch its first dimension is, counted as they come: the file gives one name
    to what is one size. None: it has none, or it is said in `given`."""
    known: dict[str, int] = {}
    found: list[int | None] = []
    for i, ((name, _, dims), row_name) in enumerate(
        zip(model.inputs, model.row_names, strict=True)
    ):
        is_open = not dims or dims[0] < 0
        has_rows = len(given.get(name, dims)) > 0
        if is_open and has_rows and list(given.get(name, [-1]))[:1] == [-1]:
            found.append(known.setdefault(row_name or f"?{i}", len(known)))
        else:
            found.append(None)
    return found
