"""Where a model runs: the arguments that name TEE, device and memory, checked and put together."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from taoism import _core
from taoism.errors import ArgumentTypeError, InvalidArgumentError, file_error

_MOST_THREADS = 256
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def memory_bytes(size: str | int | None) -> int:
    """Bytes of "64MiB", "64M" or a number; 0, which stands for what the plan needs, of None."""
    if size is None:
        return 0
    if isinstance(size, bool) or not isinstance(size, int | str):
        raise ArgumentTypeError(f"tee_memory: {size!r} is no size; write 64MiB, or bytes")
    if isinstance(size, int):
        if not 0 < size < 1 << 63:
            raise InvalidArgumentError(f"tee_memory: {size} bytes; give a positive number")
        return size
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?", size.strip())
    result = int(float(match[1]) * _UNITS[match[2]]) if match else 0
    if not 0 < result < 1 << 63:
        raise InvalidArgumentError(f"tee_memory: '{size}' is no size; write 64MiB or 1.5GiB")
    return result


def device_name(device: str | torch.device | None) -> str:
    """taoism's name of a device: "cpu" is its own kernels, "torch:cpu" and "torch:cuda:0" are
    PyTorch; "cuda:0" is short for the latter."""
    if device is not None and not isinstance(device, str | torch.device):
        raise ArgumentTypeError(f"device: {device!r} is no device; write cpu, torch:cpu or cuda:0")
    name = "cpu" if device is None else str(device)
    return f"torch:{name}" if name.startswith("cuda") else name


def owner_text(owner: str | Path | None) -> str:
    return "" if owner is None else path_text("owner", owner)


def refuse_choices(*choices: object) -> None:
    """Of a package, what it was sealed with. Errors: InvalidArgumentError."""
    if any(choice is not None for choice in choices):
        raise InvalidArgumentError(
            "a package has its plan and its shapes sealed in it: give no strategy, placement or "
            "shapes"
        )


def machine(
    device: str | torch.device | None,
    tee: str,
    tee_memory: str | int | None,
    tee_threads: int,
    device_threads: int,
) -> _core.Machine:
    """Threads 0: one a core, or PyTorch's own on its devices. Errors: InvalidArgumentError,
    UnsupportedError, UnavailableError (a device that is not here)."""
    if not isinstance(tee, str):
        raise ArgumentTypeError(f"tee: {tee!r} is no TEE; write process or inline")
    result = _core.Machine()
    result.tee = tee
    result.device = device_name(device)
    result.tee_memory_bytes = memory_bytes(tee_memory)
    result.tee_threads = count("tee_threads", tee_threads, _MOST_THREADS)
    device_threads = count("device_threads", device_threads, _MOST_THREADS)
    # PyTorch's threads are the whole process's: they stay as they are unless a number is given.
    keeps_threads = device_threads == 0 and result.device.startswith("torch:")
    result.device_threads = torch.get_num_threads() if keeps_threads else device_threads
    # The image of this very build, and not one that happens to lie beside the interpreter.
    image = "libtaoism-inline.so" if tee == "inline" else "taoism-enclave"
    beside = Path(_core.__file__).parent / image
    result.worker_path = str(beside) if beside.exists() else ""
    _core.check_machine(result)
    return result


def count(name: str, value: Any, most: int, least: int = 0) -> int:
    """An argument that is a whole number. Errors: InvalidArgumentError."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise ArgumentTypeError(f"{name}: {value!r} is no whole number") from None
    if not least <= number <= most:
        raise InvalidArgumentError(f"{name}: {number}; give a number from {least} to {most}")
    return number


def flag(name: str, value: Any) -> bool:
    """An argument that is True or False. Errors: ArgumentTypeError."""
    if not isinstance(value, bool):
        raise ArgumentTypeError(f"{name}: {value!r}; give True or False")
    return value


def path_text(name: str, value: Any) -> str:
    """An argument that is a path. Errors: ArgumentTypeError."""
    try:
        return os.fsdecode(value)
    except TypeError:
        raise ArgumentTypeError(f"{name}: {value!r} is no path") from None


def refuse_for_no_package(model: Any, *secrets: object) -> None:
    """A file in a package's place is nobody's: who names an owner or a key means a package. Errors:
    NotFoundError, InvalidArgumentError."""
    if all(secret is None for secret in secrets):
        return
    text = "the model" if isinstance(model, torch.nn.Module) else path_text("model", model)
    if not isinstance(model, torch.nn.Module):
        try:
            os.stat(text)
        except OSError as error:
            raise file_error(text, error) from None
    raise InvalidArgumentError(f"{text} is no package: give no key and no owner")


def listed(name: str, values: Any) -> list[Any]:
    """An argument that is several values. Errors: ArgumentTypeError."""
    if isinstance(values, str | bytes | torch.Tensor) or not isinstance(values, Iterable):
        raise ArgumentTypeError(f"{name}: {values!r} is no list; give [{values!r}]")
    return list(values)
