"""The sweeps reproduce the published accounting exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

DEEP_MACS = [0, 51300, 75581540, 134350948, 209913956, 268732516, 344361060, 403277924, 479037540,
             554797156, 556697700]  # fmt: skip
DEEP_PARAMS = [0, 51300, 4771940, 8445028, 9625700, 10544740, 10840164, 11070308, 11144292, 11218276,
               11220004]  # fmt: skip
SHALLOW_MACS = [0, 1900544, 77660160, 153419776, 212336640, 287965184, 346783744, 422346752,
                481116160, 556646400, 556697700]  # fmt: skip
SHALLOW_MACS_224 = [119619584, 351633408, 583647232, 764080128, 995692544, 1175824384, 1407236096,
                    1587217408, 1818528768, 1818533898]  # fmt: skip

Ok = Callable[..., str]
Zoo = Callable[..., Path]


def sweep(ok: Ok, model: Path, strategy: str) -> list[dict]:
    return json.loads(ok("plan", model, "-s", strategy, "--sweep", "--json"))["points"]


def test_resnet18_deep(ok: Ok, zoo: Zoo) -> None:
    points = sweep(ok, zoo("resnet18", 32, 100), "deep")
    assert [p["macs_tee"] for p in points] == DEEP_MACS
    assert [p["params_tee_published"] for p in points] == DEEP_PARAMS


def test_resnet18_shallow(ok: Ok, zoo: Zoo) -> None:
    points = sweep(ok, zoo("resnet18", 32, 100), "shallow")
    assert [p["macs_tee"] for p in points] == SHALLOW_MACS


def test_resnet18_shallow_224(ok: Ok, zoo: Zoo) -> None:
    points = sweep(ok, zoo("resnet18", 224, 10), "shallow")
    assert [p["macs_tee"] for p in points][1:] == SHALLOW_MACS_224


def test_bounds_are_bounds(ok: Ok, zoo: Zoo) -> None:
    model = zoo("resnet18", 32, 100)
    none = json.loads(ok("plan", model, "-s", "none", "--json"))
    full = json.loads(ok("plan", model, "-s", "full", "--json"))
    assert (none["macs_tee"], none["crossings"], none["private_params_exposed_share"]) == (0, 0, 1)
    assert full["macs_tee"] == full["macs_total"] == DEEP_MACS[-1]
    assert full["private_params_exposed"] == 0
    assert full["params_tee"] == full["params_total"] == DEEP_PARAMS[-1] + 128
    assert full["tee_memory_peak"] > 4 * full["params_total"]


def test_the_predicted_peak_is_what_a_run_needs(ok: Ok, run: Callable, zoo: Zoo, tmp_path: Path) -> None:
    model = zoo("resnet18", 32, 100)
    peak = json.loads(ok("plan", model, "-s", "deep:k=2", "--json"))["tee_memory_peak"]
    bench = ("bench", model, "--strategies", "deep:k=2", "--min-iterations", 1, "--min-seconds", 0)
    ok(*bench, "--json", tmp_path / "b.json")
    record = json.loads((tmp_path / "b.json").read_text())["runs"][0]
    assert record["tee_memory_peak"] <= record["tee_memory_budget"]
    assert run(*bench, "--tee-memory", "4KiB").returncode == 2
    ok(*bench, "--tee-memory", 2 * peak)
