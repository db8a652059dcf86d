"""Files as a caller names them: ONNX files, with shapes where they leave them open, and what is not
to be written over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taoism import _core
from taoism._machine import count, listed
from taoism.errors import ArgumentTypeError, InvalidArgumentError

_MOST_SIZE = 1 << 40
Shapes = Mapping[str, Sequence[int | None]]


def shapes_of(shapes: Shapes | None) -> dict[str, list[int]]:
    """By input, -1 standing for the batch. Errors: ArgumentTypeError, InvalidArgumentError."""
    if not isinstance(shapes, Mapping | None):
        raise ArgumentTypeError(f"shapes: {shapes!r}; give a dict, {{'x': (None, 3, 224, 224)}}")
    found = {}
    for name, dims in (shapes or {}).items():
        if not isinstance(name, str):
            raise ArgumentTypeError(f"shapes: {name!r} is no input's name")
        found[name] = [
            -1 if d is None else count(f"shapes[{name!r}]", d, _MOST_SIZE, 1)
            for d in listed(f"shapes[{name!r}]", dims)
        ]
    return found


def open_file(path: str, shapes: Shapes | None) -> _core.Model:
    """Errors: those of the import; InvalidArgumentError where more than the batch is open."""
    model = _core.Model.load(path, shapes_of(shapes))
    if model.open_inputs:
        name = model.open_inputs[0].split("'")[1]
        raise InvalidArgumentError(
            f"{path}: {'; '.join(model.open_inputs)}: give numbers, "
            f"shapes={{'{name}': (None, 3, 224, 224)}}, None being the batch"
        )
    return model


def refuse_to_lose(path: str) -> None:
    """Errors: InvalidArgumentError where a file written at `path` would take the place of a
    package, a key or a model."""
    what = _core.irreplaceable(path)
    if what:
        raise InvalidArgumentError(
            f"{path}: is {what}, which would be lost; write elsewhere, or move it away"
        )
