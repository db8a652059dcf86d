"""bench --json follows its schema; compare decides by intervals; every rendering is written."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from conftest import ROOT, STRATEGIES, assert_one_line_error

Ok = Callable[..., str]
SCHEMAS = ROOT / "docs" / "formats"


def schema(name: str) -> dict:
    document = json.loads((SCHEMAS / name).read_text())
    jsonschema.Draft202012Validator.check_schema(document)
    return document


@pytest.fixture(scope="module")
def results(ok: Ok, small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    outputs = [arg for kind in ("json", "jsonl", "csv", "md") for arg in (f"--{kind}", folder / f"b.{kind}")]
    text = ok("bench", small, "--strategies", "all", "--batch", "1,3", "--min-iterations", 8,
              "--min-seconds", 0.05, "--seed", 5, *outputs)  # fmt: skip
    (folder / "b.txt").write_text(text)
    return folder


def test_json_validates(results: Path) -> None:
    report = json.loads((results / "b.json").read_text())
    jsonschema.validate(report, schema("bench.schema.json"))
    runs = report["runs"]
    assert {(r["strategy"], r["batch"]) for r in runs} == {(s, b) for s in STRATEGIES for b in (1, 3)}
    assert report["environment"]["settings"]["seed"] == 5
    for r in runs:
        latency = r["latency_ms"]
        assert abs(sum(r["time_share"].values()) - 1) < 1e-9
        assert latency["n"] == len(latency["samples"]) >= 8
        assert latency["min"] <= latency["ci95"][0] <= latency["median"] <= latency["ci95"][1] <= latency["max"]
        assert r["valid"] and r["simulated"]
        assert latency["p99"] is None or latency["n"] >= 100
        assert abs(r["throughput"] - 1e3 * r["batch"] / latency["median"]) < 1e-6 * r["throughput"]
        assert (r["tee_memory_peak"] == 0) == (r["strategy"] == "none")


def test_schema_refuses_what_breaks_the_contract(results: Path) -> None:
    for edit in (
        lambda r: r.pop("crossings"),
        lambda r: r.update(batch=0),
        lambda r: r.update(surprise=1),
        lambda r: r["latency_ms"].update(samples=[]),
        lambda r: r["time_share"].pop("residual"),
    ):
        report = json.loads((results / "b.json").read_text())
        edit(report["runs"][0])
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(report, schema("bench.schema.json"))


def test_other_renderings(results: Path) -> None:
    lines = [json.loads(line) for line in (results / "b.jsonl").read_text().splitlines()]
    rows = list(csv.DictReader((results / "b.csv").open()))
    assert len(lines) == len(rows) == 2 * len(STRATEGIES)
    assert [line["run"]["strategy"] for line in lines] == [row["strategy"].split(":")[0] for row in rows]
    assert all(None not in row and None not in row.values() for row in rows)
    for name in ("b.md", "b.txt"):
        text = (results / name).read_text()
        assert "simulated TEE" in text and "INVALID" not in text
        assert all(strategy in text for strategy in STRATEGIES)


def test_plan_json_validates(ok: Ok, small: Path, tmp_path: Path) -> None:
    for strategy in STRATEGIES:
        ok("plan", small, "-s", strategy, "-o", tmp_path / "plan.json")
        jsonschema.validate(json.loads((tmp_path / "plan.json").read_text()), schema("plan.schema.json"))


def test_compare(run: Callable, results: Path, tmp_path: Path) -> None:
    before = results / "b.json"
    assert run("bench", "compare", before, before).returncode == 0
    report = json.loads(before.read_text())
    for r in report["runs"]:
        if r["strategy"] == "deep":
            r["latency_ms"]["samples"] = [10 * s for s in r["latency_ms"]["samples"]]
    (tmp_path / "slow.json").write_text(json.dumps(report))
    slower = run("bench", "compare", before, tmp_path / "slow.json")
    assert slower.returncode == 1
    assert slower.stdout.count("SLOWER") == 2
    assert run("bench", "compare", tmp_path / "slow.json", before).returncode == 0
    (tmp_path / "bad.json").write_text("{}")
    assert_one_line_error(run("bench", "compare", before, tmp_path / "bad.json"), 2, "schema 1")


def test_plans_are_measured_too(ok: Ok, small: Path, tmp_path: Path) -> None:
    ok("plan", small, "-s", "deep", "-o", tmp_path / "mine.json")
    ok("bench", small, "--strategies", "none", "--plan", tmp_path / "mine.json", "--min-iterations", 1,
       "--min-seconds", 0, "--json", tmp_path / "b.json")  # fmt: skip
    runs = json.loads((tmp_path / "b.json").read_text())["runs"]
    assert [r["strategy"] for r in runs] == ["none", "plan mine.json"]
