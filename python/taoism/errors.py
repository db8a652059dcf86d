"""Every exception that this package raises: a subclass of `Error`, with one line of message that
says what is wrong, where, and how to mend it. Each also derives from the built-in exception that
fits, so that code which knows nothing of taoism catches it as usual."""

from __future__ import annotations

import re


class Error(Exception):
    """The root of the tree."""


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


class ExportError(Error, RuntimeError):
    """The module cannot be exported to ONNX. The message has what every exporter said."""


class ControlFlowError(ExportError):
    """The module's Python code branches on values of its input: one export cannot hold both
    branches."""


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
    """`.to()`, `.cuda()`, `.half()` and the like: a shielded module has no parameters to move."""


class NotCopyableError(Error, TypeError):
    """Pickling and deepcopy: a shielded module is a running TEE."""


class IntegrityError(Error, RuntimeError):
    """Authentication failed: something that was sealed is not what its owner sealed."""


class PolicyError(Error, RuntimeError):
    """The verified plan, or the key, forbids it."""


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


def _from_status(code: str, message: str) -> Error:
    """The exception for an error of the C++ libraries, whose messages name the command line's
    flags: here these are arguments."""
    message = re.sub(
        r"--([a-z]+(?:-[a-z]+)*)", lambda match: match.group(1).replace("-", "_"), message
    )
    return _BY_CODE.get(code, InternalError)(message)
