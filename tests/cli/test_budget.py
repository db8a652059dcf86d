"""Any budget of trusted memory gives the same bits, within what was predicted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import STRATEGIES, ZOO

Ok = Callable[..., str]
Zoo = Callable[..., Path]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(shape, dtype=np.float32)


def answer(ok: Ok, model: Path, folder: Path, batch: int, *flags: object) -> np.ndarray:
    ok("run", model, "--plan", folder / "plan.json", "-i", folder / "x.npy", "-o", folder / "y.npy", "--batch", batch,
       *flags)  # fmt: skip
    return np.load(folder / "y.npy")


def memory(ok: Ok, model: Path, strategy: str, batch: int, budget: str) -> dict:
    plan = json.loads(ok("plan", model, "-s", strategy, "--batch", batch, "--tee-memory", budget, "--json"))
    assert not [w for w in plan["warnings"] if "too small" in w]
    return {**plan["tee_memory"], "peak": plan["tee_memory_peak"]}


def check(ok: Ok, model: Path, folder: Path, batch: int, budgets: list[str], strategy: str = "full") -> None:
    # One plan for all runs: what a strategy draws in secret differs from plan to plan.
    ok("plan", model, "-s", strategy, "-o", folder / "plan.json")
    want = answer(ok, model, folder, batch)
    for budget in budgets:
        assert memory(ok, model, strategy, batch, budget)["peak"] <= int(budget[:-3]) << 20
        got = answer(ok, model, folder, batch, "--tee-memory", budget)
        assert got.tobytes() == want.tobytes(), (budget, batch)


@pytest.mark.parametrize("name", ZOO)
def test_zoo_32(name: str, ok: Ok, zoo: Zoo, tmp_path: Path) -> None:
    model = zoo(name, 32, 100)
    for batch in (1, 5):
        np.save(tmp_path / "x.npy", normal(batch, 3, 32, 32))
        check(ok, model, tmp_path, batch, ["8MiB", "12MiB"])


@pytest.mark.parametrize("strategy", [s for s in STRATEGIES if s != "none"])
def test_every_strategy_in_8_mib(strategy: str, ok: Ok, zoo: Zoo, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", normal(3, 3, 224, 224))
    check(ok, zoo("resnet18", 224, 100), tmp_path, 3, ["8MiB"], strategy)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_zoo_224(name: str, ok: Ok, zoo: Zoo, tmp_path: Path) -> None:
    model = zoo(name, 224, 1000)
    for batch in (1, 8, 64):
        np.save(tmp_path / "x.npy", normal(batch, 3, 224, 224))
        check(ok, model, tmp_path, batch, ["8MiB", "32MiB"] if batch != 64 else ["8MiB"])
    np.save(tmp_path / "x.npy", normal(1, 3, 224, 224))
    check(ok, model, tmp_path, 1, ["1024MiB", "64MiB", "16MiB"])
    model.unlink()


def test_the_measured_peak_is_the_predicted_one(ok: Ok, zoo: Zoo, tmp_path: Path) -> None:
    model = zoo("resnet18", 224, 100)
    budgets = ["8MiB", "24MiB", "128MiB"]
    ok("bench", model, "--strategies", "full", "--tee-memory", ",".join(budgets), "--batch", "1,3",
       "--min-iterations", 1, "--min-seconds", 0, "--json", tmp_path / "b.json")  # fmt: skip
    runs = json.loads((tmp_path / "b.json").read_text())["runs"]
    assert [(r["batch"], r["tee_memory_budget"] >> 20) for r in runs] == [
        (batch, int(budget[:-3])) for batch in (1, 3) for budget in budgets
    ]
    for run in runs:
        predicted = memory(ok, model, "full", run["batch"], f"{run['tee_memory_budget'] >> 20}MiB")
        assert run["valid"]
        assert run["tee_memory_peak"] == predicted["peak"] <= run["tee_memory_budget"]
        assert run["tee_sealed_bytes"] == predicted["streamed_bytes"] + predicted["spilled_bytes"]
    # What does not fit is streamed, split and spilled; what fits is not.
    assert runs[0]["tee_sealed_bytes"] > runs[1]["tee_sealed_bytes"] > runs[2]["tee_sealed_bytes"] == 0
    tight = memory(ok, model, "full", 3, "8MiB")
    assert tight["streamed_weights"] > 0 and tight["spilled_bytes"] > 0 and tight["least_images"] == 1
