"""Where in the user's code something happened: his module and his line."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

_LIBRARY = str(Path(torch.__file__).parent)
_HERE = str(Path(__file__).parent)


def is_users(filename: str) -> bool:
    """Whether a file is neither PyTorch's nor ours."""
    return not filename.startswith((_LIBRARY, _HERE, "<"))


def shown_module(name: str, kind: type) -> str:
    """ "module 'layer1.0' (Block)"."""
    return f"module '{name}' ({kind.__name__})" if name else "the module"


def module_of_frame(frame: FrameType | None, names: Mapping[int, str]) -> str:
    """The innermost module whose code a frame is in, with its line. `names`: by id of a module."""
    line = ""
    while frame is not None:
        if not line and is_users(frame.f_code.co_filename):
            line = f" ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"
        owner = frame.f_locals.get("self")
        if isinstance(owner, nn.Module) and id(owner) in names:
            return shown_module(names[id(owner)], type(owner)) + line
        frame = frame.f_back
    return "the module" + line


def chain_of(error: BaseException) -> list[BaseException]:
    """An exception and what it came from, the first cause last."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and len(chain) < 10:
        chain.append(cause)
    return chain


def frames_of(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    """The frames of a traceback, the deepest first."""
    return reversed(list(traceback.walk_tb(error.__traceback__)))


def place_of_error(error: BaseException, names: Mapping[int, str]) -> str:
    """ "module 'fc' (Linear) (net.py:12)": where in the module an exception was raised; "" where
    none of its code ran."""
    module = line = ""
    for one in chain_of(error):
        for frame, number in frames_of(one):
            if not line and is_users(frame.f_code.co_filename):
                line = f" ({Path(frame.f_code.co_filename).name}:{number})"
            owner: Any = frame.f_locals.get("self")
            if not module and isinstance(owner, nn.Module) and id(owner) in names:
                module = shown_module(names[id(owner)], type(owner))
    return (module or "the module") + line if module or line else ""
