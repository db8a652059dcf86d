"""A model of any element types goes the whole way: run, accuracy, labels, bench under every strategy, package."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import STRATEGIES
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh
from test_inputs import node

Run = Callable[..., subprocess.CompletedProcess[str]]


def half_network(path: Path, kind: int) -> Path:
    """Two convolutions and a classifier, all of 16-bit floats."""
    rng = np.random.default_rng(5)
    weights = {"w1": (4, 1, 3, 3), "b1": (4,), "w2": (4, 4, 3, 3), "b2": (4,), "fc": (10, 256), "fcb": (10,)}
    nodes = [
        node("Conv", ["x", "w1", "b1"], "c1", pads=[1, 1, 1, 1]),
        node("Relu", ["c1"], "r1"),
        node("Conv", ["r1", "w2", "b2"], "c2", pads=[1, 1, 1, 1]),
        node("Relu", ["c2"], "r2"),
        node("Flatten", ["r2"], "f"),
        node("Gemm", ["f", "fc", "fcb"], "y", transB=1),
    ]
    graph = h.make_graph(
        nodes,
        "half",
        [h.make_tensor_value_info("x", kind, ["N", 1, 8, 8])],
        [h.make_tensor_value_info("y", kind, ["N", 10])],
        [h.make_tensor(name, kind, shape, (rng.standard_normal(shape) / 4).ravel()) for name, shape in weights.items()],
    )
    path.write_bytes(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8).SerializeToString())
    return path


def feed(path: Path, kind: int) -> Path:
    x = np.random.default_rng(6).standard_normal((8, 1, 8, 8)).astype(np.float32)
    if kind == T.FLOAT16:
        np.save(path, x.astype(np.float16))
    else:
        np.save(path, (x.view(np.uint32) >> 16).astype(np.uint16).view("V2"))
    return path


def floats(path: Path, kind: int) -> np.ndarray:
    y = np.load(path)
    return y.astype(np.float32) if kind == T.FLOAT16 else (y.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


@pytest.mark.parametrize("kind", [T.FLOAT16, T.BFLOAT16])
def test_a_network_of_halves(run: Run, tmp_path: Path, kind: int) -> None:
    path, x, y = half_network(tmp_path / "m.onnx", kind), feed(tmp_path / "x.npy", kind), tmp_path / "y.npy"
    result = run("run", path, "-i", x, "-o", y, "-s", "none")
    assert result.returncode == 0, result.stderr
    want = floats(y, kind)
    best = want.argmax(axis=1)
    np.save(tmp_path / "labels.npy", best)
    result = run("run", path, "-i", x, "-s", "deep:k=2", "--labels", tmp_path / "labels.npy")
    assert result.returncode == 0, result.stderr
    assert "(8 of 8)" in result.stdout, result.stdout
    result = run("run", path, "-i", x, "-o", y, "-s", "full", "--answer", "label")
    assert result.returncode == 0, result.stderr
    assert np.load(y).tolist() == best.tolist()
    assert run("seal", path, "-s", "full", "-o", tmp_path / "m.tao", "--batch", 8).returncode == 0
    result = run("run", tmp_path / "m.tao", "-i", x, "-o", y)
    assert result.returncode == 0, result.stderr
    np.testing.assert_array_equal(floats(y, kind), want)


@pytest.mark.parametrize("kind", [T.INT32, T.UINT8, T.INT64, T.FLOAT16, T.FLOAT, T.BOOL])
def test_what_is_made_for_every_row_has_its_type(run: Run, tmp_path: Path, kind: int) -> None:
    dtype = h.tensor_dtype_to_np_dtype(kind)
    nodes = [
        node("Shape", ["x"], "s", end=1),
        node("ConstantOfShape", ["s"], "c", value=nh.from_array(np.array([1], dtype))),
        node("Cast", ["x"], "z", to=kind),
        node("Where", ["x", "c", "z"], "y"),
    ]
    inputs = [h.make_tensor_value_info("x", T.BOOL, ["N"])]
    graph = h.make_graph(nodes, "g", inputs, [h.make_tensor_value_info("y", kind, ["N"])])
    path = tmp_path / "m.onnx"
    path.write_bytes(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8).SerializeToString())
    for x in ([True], [True, False, True]):
        np.save(tmp_path / "x.npy", np.array(x))
        result = run("run", path, "-i", tmp_path / "x.npy", "-o", tmp_path / "y.npy", "-s", "full")
        assert result.returncode == 0, result.stderr
        np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), np.array(x).astype(dtype), strict=True)


@pytest.mark.parametrize("kind", [T.FLOAT16, T.BFLOAT16])
def test_every_strategy_answers_alike(run: Run, tmp_path: Path, kind: int) -> None:
    path = half_network(tmp_path / "m.onnx", kind)
    result = run("bench", path, "--strategies", "all", "--min-iterations", 1, "--min-seconds", 0, "--json", tmp_path / "b.json")
    assert result.returncode == 0, result.stderr
    runs = json.loads((tmp_path / "b.json").read_text())["runs"]
    assert sorted(r["strategy"].split(":")[0] for r in runs) == sorted(STRATEGIES)
    assert all(r["valid"] for r in runs), [(r["strategy"], r["max_abs_error"]) for r in runs]


def test_what_can_be_asked_for_of_halves_is_exposed(run: Run, tmp_path: Path) -> None:
    """Rounding to 16 bits hides no weight."""
    path = half_network(tmp_path / "m.onnx", T.FLOAT16)
    refused = run("seal", path, "-s", "deep:k=1", "-o", tmp_path / "m.tao")
    assert refused.returncode == 4, refused.stderr
    assert not (tmp_path / "m.tao").exists()
