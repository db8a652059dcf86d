"""What the examples share: comparing what a shielded module answers, and how long it takes."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping

from torch import Tensor

TOLERANCE = 1e-3  # of the range of PyTorch's answer


def difference(got: Tensor, want: Tensor) -> float:
    """The largest one, over the range of `want`."""
    return (got - want).abs().max().item() / (want.max() - want.min()).item()


def check_same(name: str, got: Tensor, want: Tensor) -> None:
    """Ends the program with an error where they differ by more than TOLERANCE; a NaN differs."""
    apart = difference(got, want) if got.shape == want.shape else float("nan")
    if not apart <= TOLERANCE:
        raise SystemExit(f"{name}: differs from PyTorch by {apart:.2g} of the answer's range")


def median_ms(runs: Mapping[str, Callable[[], object]], rounds: int = 30) -> dict[str, float]:
    """Milliseconds of each. They take turns in random order, so that what slows the machine down
    for a while slows them all."""
    samples: dict[str, list[float]] = {name: [] for name in runs}
    order = list(runs)
    shuffle = random.Random(1).shuffle
    for round_ in range(-3, rounds):  # the first three warm up
        shuffle(order)
        for name in order:
            begin = time.perf_counter()
            runs[name]()
            if round_ >= 0:
                samples[name].append(1e3 * (time.perf_counter() - begin))
    return {name: statistics.median(taken) for name, taken in samples.items()}
