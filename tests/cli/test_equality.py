"""Every strategy gives the unpartitioned answer and ONNX Runtime's, whatever the batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from conftest import FASHION_DATA, FASHION_MODEL, STRATEGIES, ZOO

TOLERANCE = 1e-4


def relative_error(got: np.ndarray, want: np.ndarray) -> float:
    assert got.shape == want.shape and got.dtype == want.dtype
    return float(np.abs(got - want).max() / np.ptp(want))


def reference(model: Path, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def check(ok: Callable[..., str], model: Path, x: np.ndarray, batches: list[int], folder: Path) -> None:
    want = reference(model, x)
    assert np.isfinite(want).all() and np.ptp(want) > 1e-3
    np.save(folder / "x.npy", x)
    for batch in batches:
        answers = {}
        for strategy in STRATEGIES:
            ok("run", model, "-s", strategy, "-i", folder / "x.npy", "-o", folder / "y.npy", "--batch", batch)
            answers[strategy] = np.load(folder / "y.npy")
            assert relative_error(answers[strategy], answers["none"]) <= TOLERANCE, (strategy, batch)
            assert relative_error(answers[strategy], want) <= TOLERANCE, (strategy, batch)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("name", ZOO)
def test_zoo_32(name: str, ok: Callable[..., str], zoo: Callable[..., Path], tmp_path: Path) -> None:
    model = zoo(name, 32, 100)
    check(ok, model, normal(8, 3, 32, 32), [8], tmp_path)
    check(ok, model, normal(1, 3, 32, 32), [1], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_zoo_224(name: str, ok: Callable[..., str], zoo: Callable[..., Path], tmp_path: Path) -> None:
    model = zoo(name, 224, 1000)
    check(ok, model, normal(8, 3, 224, 224), [8], tmp_path)
    check(ok, model, normal(1, 3, 224, 224), [1], tmp_path)
    model.unlink()


def test_rows_do_not_depend_on_the_batch(
    ok: Callable[..., str], small: Path, tmp_path: Path
) -> None:
    x = normal(5, 3, 32, 32)
    check(ok, small, x, [1, 2, 3, 5, 64], tmp_path)


def test_trained_model(ok: Callable[..., str], tmp_path: Path) -> None:
    x = normal(8, 1, 28, 28)
    check(ok, FASHION_MODEL, x, [1, 8], tmp_path)


def test_accuracy_is_the_same_under_each(ok: Callable[..., str]) -> None:
    images = FASHION_DATA / "t10k-images-idx3-ubyte.gz"
    labels = FASHION_DATA / "t10k-labels-idx1-ubyte.gz"
    lines = set()
    for strategy in STRATEGIES:
        out = ok("run", FASHION_MODEL, "-s", strategy, "-i", images, "--labels", labels, "--batch", 100)
        lines.add(next(line for line in out.splitlines() if line.startswith("accuracy ")))
    assert len(lines) == 1
    assert float(lines.pop().split()[1]) >= 92


def test_a_label_is_all_that_leaves(ok: Callable[..., str], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", normal(9, 1, 28, 28))
    args = ("-i", tmp_path / "x.npy", "-o", tmp_path / "y.npy", "--batch", 4)
    ok("run", FASHION_MODEL, "-s", "none", *args)
    logits = np.load(tmp_path / "y.npy")
    for strategy in STRATEGIES:
        ok("run", FASHION_MODEL, "-s", strategy, "--answer", "label", *args)
        labels = np.load(tmp_path / "y.npy")
        assert labels.dtype == np.int64 and (labels == logits.argmax(axis=1)).all(), strategy
    # It is found inside, and nothing but it is handed out.
    plan = json.loads(ok("plan", FASHION_MODEL, "-s", "full", "--answer", "label", "--batch", 4, "--json"))
    assert plan["crossings"] == 2 and plan["bytes_to_device"] == 4 * 8
    plan = json.loads(ok("plan", FASHION_MODEL, "-s", "full", "--batch", 4, "--json"))
    assert plan["bytes_to_device"] == 4 * 10 * 4
    # The plan remembers it.
    ok("plan", FASHION_MODEL, "-s", "full", "--answer", "label", "-o", tmp_path / "plan.json")
    ok("run", FASHION_MODEL, "--plan", tmp_path / "plan.json", *args)
    assert np.load(tmp_path / "y.npy").dtype == np.int64


def test_inline_tee_is_the_same(ok: Callable[..., str], small: Path, small_input: Path, tmp_path: Path) -> None:
    for tee in ("process", "inline"):
        ok("run", small, "-s", "deep:k=3", "--tee", tee, "-i", small_input, "-o", tmp_path / f"{tee}.npy")
    assert (np.load(tmp_path / "process.npy") == np.load(tmp_path / "inline.npy")).all()


def test_an_edited_plan_is_carried_out(
    ok: Callable[..., str], small: Path, small_input: Path, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.json"
    ok("plan", small, "-s", "none", "-o", plan)
    text = plan.read_text()
    plan.write_text(text.replace('"placement": "device"', '"placement": "tee"', 3))
    ok("run", small, "--plan", plan, "-i", small_input, "-o", tmp_path / "planned.npy")
    ok("run", small, "-s", "none", "-i", small_input, "-o", tmp_path / "none.npy")
    planned, none = np.load(tmp_path / "planned.npy"), np.load(tmp_path / "none.npy")
    assert relative_error(planned, none) <= TOLERANCE
