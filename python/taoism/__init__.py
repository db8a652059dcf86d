"""taoism: PyTorch models split between a trusted execution environment and an untrusted device.

    shielded = taoism.shield(module, example_inputs, strategy="deep:k=2")
    y = shielded(x)            # as module(x); print(shielded.plan) says what runs where

`plan`, `bench`, `seal` and `load` do what the command line's verbs do; `taoism.errors` is the tree
of exceptions, and `taoism.TaoismWarning` the root of warnings. Long work says on a terminal what it
does; `show_progress(False)` silences that."""

from taoism import errors
from taoism._core import version as __version__
from taoism._plan import Plan
from taoism._progress import show_progress
from taoism._runner import ShieldedModule
from taoism._shield import load, shield
from taoism._tools import BenchResult, SealedPackage, bench, plan, seal
from taoism.errors import Error, ExportWarning, ExposureWarning, TaoismWarning
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
]
