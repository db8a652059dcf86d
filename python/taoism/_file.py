"""Files as a caller names them: ONNX files, with shapes where they leave them open, and what is not
to be written over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from taoism import _core
from taoism._machine import count, listed
from taoism.errors import ArgumentTypeError, InvalidArgumentError, file_error

_MOST_SIZE = 1 << 40
_KEYS = (b"taoism key ", b"-----BEGIN ")  # how key files begin
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
    """Whoever writes a file at `path` would lose a package, a key or a model. Errors:
    InvalidArgumentError; those of a file that cannot be read."""
    file = Path(path)
    try:
        if not file.is_file():
            return
        with file.open("rb") as stream:
            begin = stream.read(16)
    except OSError as error:
        raise file_error(path, error) from error
    what = "a package" if _core.is_package(path) else ""
    what = what or ("a key file" if begin.startswith(_KEYS) else "")
    what = what or ("a model" if file.suffix.lower() == ".onnx" else "")
    if what:
        raise InvalidArgumentError(
            f"{path}: is {what}, which would be lost; write elsewhere, or move it away"
        )
