"""Where a model runs: the arguments that name TEE, device and memory, checked and put together."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from taoism import _core
from taoism.errors import InvalidArgumentError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def memory_bytes(size: str | int | None) -> int:
    """Bytes of "64MiB", "64M" or a number; 0, which stands for what the plan needs, of None."""
    if size is None:
        return 0
    if isinstance(size, int):
        if size <= 0:
            raise InvalidArgumentError(f"tee_memory: {size} bytes; give a positive number")
        return size
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?", size.strip())
    if match is None or not (result := int(float(match[1]) * _UNITS[match[2]])):
        raise InvalidArgumentError(f"tee_memory: '{size}' is no size; write 64MiB or 1.5GiB")
    return result


def device_name(device: str | torch.device | None) -> str:
    """taoism's name of a device: "cpu" is its own kernels, "torch:cpu" and "torch:cuda:0" are
    PyTorch; "cuda:0" is short for the latter."""
    name = "cpu" if device is None else str(device)
    return f"torch:{name}" if name.startswith("cuda") else name


def owner_text(owner: str | Path | None) -> str:
    return "" if owner is None else str(owner)


def machine(
    device: str | torch.device | None,
    tee: str,
    tee_memory: str | int | None,
    tee_threads: int,
    device_threads: int,
) -> _core.Machine:
    """Threads 0: one a core, or PyTorch's own on its devices. Names that do not exist are
    refused when the machine is first used."""
    for name, threads in (("tee_threads", tee_threads), ("device_threads", device_threads)):
        if not isinstance(threads, int) or threads < 0:
            raise InvalidArgumentError(f"{name}: {threads!r}; give a number, or 0 for one a core")
    result = _core.Machine()
    result.tee = tee
    result.device = device_name(device)
    result.tee_memory_bytes = memory_bytes(tee_memory)
    result.tee_threads = tee_threads
    # PyTorch's threads are the whole process's: they stay as they are unless a number is given.
    keeps_threads = device_threads == 0 and result.device.startswith("torch:")
    result.device_threads = torch.get_num_threads() if keeps_threads else device_threads
    # The image of this very build, and not one that happens to lie beside the interpreter.
    image = "libtaoism-inline.so" if tee == "inline" else "taoism-enclave"
    beside = Path(_core.__file__).parent / image
    result.worker_path = str(beside) if beside.exists() else ""
    return result
