"""The strategies as typed objects. `str(Deep(k=2))` is what the command line calls it, "deep:k=2";
everything here that takes a strategy takes either form."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from taoism import _core
from taoism.errors import InvalidArgumentError


@dataclass(frozen=True)
class Strategy:
    """How a model is split. Use one of the subclasses."""

    name: ClassVar[str] = ""

    def __str__(self) -> str:
        values = ",".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))
        return f"{self.name}:{values}" if values else self.name


@dataclass(frozen=True)
class Unshielded(Strategy):
    """`none`: everything on the untrusted device, in clear. A bound to measure against."""

    name: ClassVar[str] = "none"


@dataclass(frozen=True)
class Full(Strategy):
    """`full`: everything in the TEE."""

    name: ClassVar[str] = "full"


@dataclass(frozen=True)
class Deep(Strategy):
    """`deep`: the last `k` blocks in the TEE (k=1: the classifier alone)."""

    name: ClassVar[str] = "deep"
    k: int = 1


@dataclass(frozen=True)
class Shallow(Strategy):
    """`shallow`: the first `k` blocks in the TEE."""

    name: ClassVar[str] = "shallow"
    k: int = 1


@dataclass(frozen=True)
class Magnitude(Strategy):
    """`magnitude`: the share `p` of every layer's weights of largest magnitude in the TEE. The
    others are offloaded unprotected: for measurement alone."""

    name: ClassVar[str] = "magnitude"
    p: float = 0.01


@dataclass(frozen=True)
class Intermediate(Strategy):
    """`intermediate`: the share `theta` of the layers outside, their weights behind one static
    scale, which is known to be recoverable: for measurement alone. `seed` draws the layers."""

    name: ClassVar[str] = "intermediate"
    theta: float = 0.9
    seed: int = 1


@dataclass(frozen=True)
class Nonlinear(Strategy):
    """`nonlinear`: every non-linear operator in the TEE, linear layers outside and unprotected: for
    measurement alone. `first` 1: the first layer stays in the TEE too."""

    name: ClassVar[str] = "nonlinear"
    first: int = 1


def all_strategies() -> list[Strategy]:
    """Every strategy with its defaults, `none` first and `full` last."""
    return [Unshielded(), Deep(), Shallow(), Intermediate(), Magnitude(), Nonlinear(), Full()]


def strategy_text(strategy: Strategy | str) -> str:
    """The strategy as text with every parameter written out. Errors: InvalidArgumentError for a
    name or a parameter that does not exist, naming those that do."""
    if not isinstance(strategy, Strategy | str):
        raise InvalidArgumentError(
            f"strategy: {strategy!r} is neither a text such as 'deep:k=2' nor a taoism.Strategy"
        )
    return _core.canonical_strategy(str(strategy))
