"""taoism: PyTorch models split between a trusted execution environment and an untrusted device.

    shielded = taoism.shield(module, example_inputs, strategy="deep:k=2")
    y = shielded(x)            # as module(x); print(shielded.plan) says what runs where

`plan`, `bench`, `seal` and `load` do what the command line's verbs do; `taoism.errors` is the tree
of exceptions, and `taoism.TaoismWarning` the root of warnings. Long work says on a terminal what it
does; `show_progress(False)` silences that.

PyTorch is imported when something of this is used first: the command `taoism` does without."""

from typing import TYPE_CHECKING, Any

from taoism import errors
from taoism.errors import Error, ExportWarning, ExposureWarning, TaoismWarning

if TYPE_CHECKING:
    from taoism import strategies
    from taoism._core import version as __version__
    from taoism._plan import Plan
    from taoism._progress import show_progress
    from taoism._runner import ShieldedModule
    from taoism._shield import load, shield
    from taoism._tools import BenchResult, SealedPackage, bench, plan, seal
    from taoism.strategies import (
        Deep,
        Full,
        Intermediate,
        Magnitude,
        Nonlinear,
        Shallow,
        Strategy,
        Unshielded,
    )

__all__ = [
    "BenchResult",
    "Deep",
    "Error",
    "ExportWarning",
    "ExposureWarning",
    "Full",
    "Intermediate",
    "Magnitude",
    "Nonlinear",
    "Plan",
    "SealedPackage",
    "Shallow",
    "ShieldedModule",
    "Strategy",
    "TaoismWarning",
    "Unshielded",
    "__version__",
    "bench",
    "errors",
    "load",
    "plan",
    "seal",
    "shield",
    "show_progress",
    "strategies",
]

_HOMES = {
    "_plan": ("Plan",),
    "_progress": ("show_progress",),
    "_runner": ("ShieldedModule",),
    "_shield": ("load", "shield"),
    "_tools": ("BenchResult", "SealedPackage", "bench", "plan", "seal"),
    "strategies": (
        *("Deep", "Full", "Intermediate", "Magnitude", "Nonlinear", "Shallow"),
        *("Strategy", "Unshielded"),
    ),
}


def __getattr__(name: str) -> Any:
    """What nobody has used yet."""
    import importlib

    from taoism._interrupt import importing_whole

    if name == "__version__":
        value = importlib.import_module("taoism._core").version
    elif name == "strategies":
        return importing_whole(lambda: importlib.import_module("taoism.strategies"))
    else:
        home = next((home for home, names in _HOMES.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module 'taoism' has no attribute '{name}'")
        module = importing_whole(lambda: importlib.import_module(f"taoism.{home}"))
        value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
