"""The untrusted runtime of a package asks its TEE what it may: `ask_segments`, which has no key.

What it finds is what the account of the plan counts as exposed "by asking": the owner's weights.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import BIN, FASHION_MODEL
from onnx import numpy_helper

ASK = BIN.parent / "tests" / "ask_segments"
Ok = Callable[..., str]


def weights() -> dict[str, np.ndarray]:
    graph = onnx.load(FASHION_MODEL).graph
    return {one.name: numpy_helper.to_array(one).astype(np.float64) for one in graph.initializer}


def sealed(ok: Ok, folder: Path, strategy: str) -> Path:
    package = folder / "m.tao"
    files = ["-o", package, "--key", folder / "m.key"]
    ok("seal", FASHION_MODEL, "-s", strategy, *files, "--batch", 64, "--allow-exposed")
    return package


def ask(package: Path, *more: object) -> list[dict]:
    done = subprocess.run(
        [ASK, package, "--key", package.with_suffix(".key"), "--json", *map(str, more)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_classifier_of_deep_1(ok: Ok, tmp_path: Path) -> None:
    (found,) = ask(sealed(ok, tmp_path, "deep:k=1"), "--save", tmp_path)
    assert found["found"] and found["form"] == "affine" and found["calls"] <= 3, found
    owners = weights()
    for what in ("weight", "bias"):
        name = {"weight": "input-0.weight", "bias": "bias"}[what]
        got = np.load(tmp_path / f"segment-0.output-0.{name}.npy")
        assert np.abs(got - owners[f"classifier.{what}"]).max() < 1e-5


def test_the_stem_of_shallow_1(ok: Ok, tmp_path: Path) -> None:
    (found,) = ask(sealed(ok, tmp_path, "shallow:k=1"), "--save", tmp_path)
    assert found["found"] and found["form"] == "relu" and found["rows"] <= 32, found
    owners = weights()
    scale = owners["stem_bn.weight"] / np.sqrt(owners["stem_bn.running_var"] + 1e-5)
    stem = owners["stem.weight"] * scale[:, None, None, None]
    got = np.load(tmp_path / "segment-0.output-0.input-0.weight.npy")
    assert got.shape == stem.shape and np.abs(got - stem).max() < 1e-3 * np.abs(stem).max()


@pytest.mark.parametrize("strategy", ["magnitude", "intermediate"])
def test_what_the_account_counts_is_found(ok: Ok, strategy: str, tmp_path: Path) -> None:
    plan = ok("plan", FASHION_MODEL, "-s", strategy)
    counted = int(re.search(r"(\d+) of its segments are affine", plan).group(1))
    findings = ask(sealed(ok, tmp_path, strategy))
    assert len(findings) == counted and all(one["found"] for one in findings), findings


@pytest.mark.parametrize("strategy", ["deep:k=2", "full"])
def test_what_is_not_affine_is_not_counted_nor_found(ok: Ok, strategy: str, tmp_path: Path) -> None:
    assert "by asking" not in ok("plan", FASHION_MODEL, "-s", strategy)
    findings = ask(sealed(ok, tmp_path, strategy))
    assert len(findings) == 1 and not findings[0]["found"], findings
