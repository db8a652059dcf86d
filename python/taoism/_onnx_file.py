"""ONNX files as modules: what `load` makes of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from taoism import _core
from taoism._call import TensorSpec, argument_names, package_form, tensors_form
from taoism._machine import count, listed
from taoism._placement import Placement
from taoism._plan import warn_of
from taoism._prepare import Prepared, request_of
from taoism._runner import ShieldedModule
from taoism.errors import ArgumentTypeError, InvalidArgumentError
from taoism.strategies import Strategy

_MOST_SIZE = 1 << 40
Shapes = Mapping[str, Sequence[int | None]]


def shapes_of(shapes: Shapes | None) -> dict[str, list[int]]:
    """By input, -1 standing for the batch. Errors: ArgumentTypeError, InvalidArgumentError."""
    if not isinstance(shapes, Mapping | None):
        raise ArgumentTypeError(
            f"shapes: {shapes!r} is no mapping; give {{'x': (None, 3, 224, 224)}}"
        )
    found = {}
    for name, dims in (shapes or {}).items():
        if not isinstance(name, str):
            raise ArgumentTypeError(f"shapes: {name!r} is no input's name")
        found[name] = [
            -1 if d is None else count(f"shapes[{name!r}]", d, _MOST_SIZE, 1)
            for d in listed(f"shapes[{name!r}]", dims)
        ]
    return found


def load_onnx(
    path: str,
    strategy: Strategy | str | None,
    placement: Placement | None,
    shapes: Shapes | None,
    where: _core.Machine,
) -> ShieldedModule:
    """The model of an ONNX file under a plan; each batch has a session. `shapes`: as `load` has it.
    Errors: those of `load`."""
    given = shapes_of(shapes)
    model = _core.Model.load(path, given)
    if model.open_inputs:
        name = model.open_inputs[0].split("'")[1]
        raise InvalidArgumentError(
            f"{path}: {'; '.join(model.open_inputs)}: give numbers, "
            f"shapes={{'{name}': (None, 3, 224, 224)}}, None being the batch"
        )
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
