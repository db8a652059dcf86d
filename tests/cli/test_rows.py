"""`run` cuts rows into batches where that is proven, and runs them at once where it is not: what mixes rows
gives what all of them give, from a file and from a package; what cannot be done is refused and named."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_one_line_error
from test_inputs import Feed, Given, model, node

Run = Callable[..., subprocess.CompletedProcess[str]]
TALL = np.arange(100 * 64, dtype=np.float32).reshape(100, 64) / 6400
ONES = np.ones((100, 4), np.float32)
WAVE = np.sin(np.arange(200, dtype=np.float32))


@pytest.fixture
def given(run: Run, tmp_path: Path) -> Given:
    return Given(run, tmp_path)


def mean(path: Path) -> Path:
    return model(path, [node("ReduceMean", ["x"], "y", axes=[0], keepdims=0)], {"x": ["N", 64]}, {"y": None}, opset=13)


MIXING = [
    ("mean", [node("ReduceMean", ["x"], "y", axes=[0], keepdims=0)], {}, TALL, TALL.mean(0)),
    ("cumulative", [node("CumSum", ["x", "a"], "y")], {"a": np.array(0)}, ONES, np.cumsum(ONES, 0)),
    ("softmax", [node("Softmax", ["x"], "y", axis=0)], {}, ONES, np.full((100, 4), 0.01)),
    (
        "filter",
        [node("Unsqueeze", ["x", "a"], "u"), node("Conv", ["u", "w"], "c", pads=[1, 1]), node("Squeeze", ["c", "a"], "y")],
        {"a": np.array([0, 1]), "w": np.array([[[1, 2, 1]]], np.float32)},
        WAVE,
        np.convolve(WAVE, [1, 2, 1], "same"),
    ),
    (
        "attention",
        [node("Transpose", ["x"], "t", perm=[1, 0]), node("MatMul", ["x", "t"], "s"), node("MatMul", ["s", "x"], "y")],
        {},
        TALL,
        TALL @ TALL.T @ TALL,
    ),
    (
        "share",
        [node("Shape", ["x"], "s"), node("Gather", ["s", "a"], "n"), node("Cast", ["n"], "f", to=1), node("Div", ["x", "f"], "y")],
        {"a": np.array([0])},
        ONES,
        ONES / 100,
    ),
]


@pytest.mark.parametrize(("name", "nodes", "weights", "x", "want"), MIXING, ids=[case[0] for case in MIXING])
@pytest.mark.parametrize("strategy", ["none", "full"])
def test_rows_that_belong_together_are_run_at_once(
    given: Given, tmp_path: Path, name: str, nodes: list, weights: Feed, x: np.ndarray, want: np.ndarray, strategy: str
) -> None:
    path = model(tmp_path / "m.onnx", nodes, {"x": ["N", *x.shape[1:]]}, {"y": None}, weights, opset=14)
    answer = given.run("run", path, "--input", save(tmp_path, x), "--output", tmp_path / "y.npy", "-s", strategy)
    assert answer.returncode == 0, answer.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), want, rtol=1e-4, atol=1e-5)
    refused = given(path, {"x": x}, "--batch", 16)
    assert_one_line_error(refused, 2)
    assert "--batch 16" in refused.stderr
    assert "node '" in refused.stderr


def save(folder: Path, x: np.ndarray) -> Path:
    np.save(folder / "x.npy", x)
    return folder / "x.npy"


def test_an_output_as_long_as_a_batch_is_not_taken_for_rows(given: Given, tmp_path: Path) -> None:
    nodes = [
        node("ReduceMean", ["x"], "r", axes=[0], keepdims=0),
        node("Unsqueeze", ["r", "one"], "u"),
        node("Expand", ["u", "s"], "y"),
    ]
    weights = {"one": np.array([1]), "s": np.array([64, 20000])}
    path = model(tmp_path / "m.onnx", nodes, {"x": ["N", 64]}, {"y": None}, weights, opset=13)
    np.testing.assert_allclose(given.answer(path, {"x": TALL}), np.repeat(TALL.mean(0)[:, None], 20000, 1), rtol=1e-4)


def test_a_package_runs_at_once_what_belongs_together(given: Given, tmp_path: Path) -> None:
    path = mean(tmp_path / "m.onnx")
    sealed = given.run("seal", path, "-o", tmp_path / "m.tao", "--strategy", "full", "--batch", "1,100")
    assert sealed.returncode == 0, sealed.stderr
    x = save(tmp_path, TALL)
    answer = given.run("run", tmp_path / "m.tao", "--input", x, "--output", tmp_path / "y.npy")
    assert answer.returncode == 0, answer.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), TALL.mean(0), rtol=1e-4)
    np.save(x, TALL[:50])
    refused = given.run("run", tmp_path / "m.tao", "--input", x)
    assert_one_line_error(refused, 2)
    assert "seal it with --batch 50 too" in refused.stderr


def test_rows_of_another_dimension_are_put_together(given: Given, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", [node("Transpose", ["x"], "y", perm=[1, 0])], {"x": ["N", 64]}, {"y": None})
    np.testing.assert_array_equal(given.answer(path, {"x": TALL}, "--batch", 16), TALL.T)
