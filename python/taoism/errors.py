"""Every exception that this package raises: a subclass of `Error`, with one line of message that
says what is wrong, where, and how to mend it. Each also derives from the built-in exception that
fits, so that code which knows nothing of taoism catches it as usual. At the end: the warnings."""

from __future__ import annotations

import errno
import re
import unicodedata


class Error(Exception):
    """The root of the tree. What names of modules and files bring along, and a terminal would obey,
    is a ? in the message, which is one line."""

    def __str__(self) -> str:
        return "".join(_shown(c) for c in super().__str__())


def _shown(c: str) -> str:
    if c == "\n":
        return " "
    return "?" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c


class InvalidArgumentError(Error, ValueError):
    """Bad input: a value, an option, a file that is not what it should be."""


class ShapeError(InvalidArgumentError):
    """An input whose shape the model was not exported for."""


class DtypeError(Error, TypeError):
    """An input whose element type the model was not exported for, or that is no tensor."""


class DeviceError(InvalidArgumentError):
    """An input on another device than the example inputs were on."""


class PlacementError(InvalidArgumentError):
    """A placement, or a list of private or public modules, that does not fit the module."""


class UnsupportedError(Error, NotImplementedError):
    """A valid model that uses something that taoism cannot run yet."""


class ArgumentTypeError(InvalidArgumentError, TypeError):
    """An argument of another type than it can have."""


class ExportError(Error, RuntimeError):
    """The module cannot be exported to ONNX: the message names the module of it that cannot, and
    what the exporter said first. `__cause__` is the exporter's own exception."""


class ControlFlowError(ExportError):
    """The module's Python code branches on values of its input: one export cannot hold both
    branches."""


class StatefulError(ExportError):
    """The module keeps something from call to call, or draws random numbers: an export would hold
    one value for ever."""


class ExportMismatchError(ExportError):
    """The exported module answers otherwise than PyTorch does on the example inputs."""


class TrainingModeError(Error, RuntimeError):
    """The module is in training mode, or gradients are asked for: taoism runs inference."""


class NotFoundError(Error, FileNotFoundError):
    """A file or a name that is not there."""


class ResourceExhaustedError(Error, MemoryError):
    """The trusted memory, the machine's memory or the disk is too small; names what would do."""


class UnavailableError(Error, RuntimeError):
    """The TEE or a device died, or cannot be had on this machine."""


class ClosedError(UnavailableError):
    """The shielded module was closed."""


class ForkedError(UnavailableError):
    """The shielded module was opened by another process than the one that uses it."""


class NotMovableError(Error, RuntimeError):
    """`.to()`, `.cuda()`, `.half()` and the like of a shielded module, to where it is not: it has
    no parameters to move. (A module that holds one moves without it, with a ModeWarning.)"""


class NotCopyableError(Error, TypeError):
    """Pickling and deepcopy: a shielded module is a running TEE."""


class IntegrityError(Error, RuntimeError):
    """Authentication failed: something that was sealed is not what its owner sealed."""


class PolicyError(Error, RuntimeError):
    """The verified plan, or the key, forbids it."""


class MissingPackageError(Error, ImportError):
    """A Python package that this function needs is not installed."""


class InternalError(Error, RuntimeError):
    """A defect of taoism."""


_BY_CODE: dict[str, type[Error]] = {
    "invalid_argument": InvalidArgumentError,
    "unsupported": UnsupportedError,
    "not_found": NotFoundError,
    "resource_exhausted": ResourceExhaustedError,
    "unavailable": UnavailableError,
    "integrity": IntegrityError,
    "policy": PolicyError,
    "internal": InternalError,
}


# The command line's flags, which its messages name, and what they are called here.
_ARGUMENTS = {
    "allow-exposed": "allow_exposed=True",
    "answer": "answer",
    "batch": "batches",
    "device": "device",
    "device-threads": "device_threads",
    "key": "key",
    "input-shape": "shapes",
    "min-iterations": "min_iterations",
    "min-seconds": "min_seconds",
    "owner": "owner",
    "plan": "placement",
    "retire-older": "retire_older",
    "strategies": "strategies",
    "strategy": "strategy",
    "tee": "tee",
    "tee-memory": "tee_memory",
    "tee-threads": "tee_threads",
    "version": "version",
}
# Commands that only who has a checkout can give, and what gives the same to who has the package.
_COMMANDS = {
    "'tools/build torch-device --torch PYTHON'": (
        "'pip install --no-build-isolation -C cmake.define.TAOISM_TORCH=$(command -v python) .' in "
        "a checkout"
    ),
    "rebuild the target 'programs'": "install the package again",
    "seal it with --target": "seal it again, with the command taoism seal --target",
    "build the target 'programs', or reinstall": "install the package again",
    "build the target 'programs' or give": "install the package again, or give",
}


def in_python(message: str) -> str:
    """A message of the C++ libraries, with what it names as it is called here."""
    for command, here in _COMMANDS.items():
        message = message.replace(command, here)
    return re.sub(
        r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)",
        lambda found: _ARGUMENTS.get(found[1], found[0]),
        message,
    )


def _from_status(code: str, message: str) -> Error:
    """The exception for an error of the C++ libraries."""
    return _BY_CODE.get(code, InternalError)(in_python(message))


def file_error(path: str, error: OSError) -> Error:
    """The error for a file that could not be read or written."""
    said = error.strerror or str(error)
    if isinstance(error, FileNotFoundError):
        return NotFoundError(f"{path}: {said}")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ResourceExhaustedError(f"{path}: {said}: make room, or write elsewhere")
    return InvalidArgumentError(f"{path}: {said}")


class TaoismWarning(UserWarning):
    """The root of the warnings."""


class ExposureWarning(TaoismWarning):
    """The strategy, or the plan, gives the device what it was not meant to have."""


class ExportWarning(TaoismWarning):
    """The export holds something as it is now that changes in the original."""


class ModeWarning(TaoismWarning):
    """A shielded module was asked for what it leaves undone: it stays in evaluation mode, and where
    it is when the module that holds it is moved or converted."""
