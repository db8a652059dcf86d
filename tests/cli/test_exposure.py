"""What the account counts as exposed: parameters once, of any type, and what follows from some."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

Ok = Callable[..., str]
node = helper.make_node


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: dict[str, np.ndarray],
    inputs: dict[str, tuple[int, list]],
    output: int = TensorProto.FLOAT,
) -> Path:
    graph = helper.make_graph(
        nodes,
        "m",
        [helper.make_tensor_value_info(name, *what) for name, what in inputs.items()],
        [helper.make_tensor_value_info("y", output, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def language_model(path: Path, head: list[onnx.NodeProto], extra: dict[str, np.ndarray]) -> Path:
    """A table that is looked up, three residual blocks, and a head on the `w` that `head` makes."""
    nodes = [node("Gather", ["table", "ids"], ["e0"])]
    weights = {"table": floats(50, 16), **extra}
    for i in range(3):
        weights[f"A{i}"], weights[f"B{i}"] = floats(16, 64, seed=i + 1), floats(64, 16, seed=i + 9)
        nodes += [
            node("MatMul", [f"e{i}", f"A{i}"], [f"p{i}"]),
            node("Relu", [f"p{i}"], [f"q{i}"]),
            node("MatMul", [f"q{i}", f"B{i}"], [f"r{i}"]),
            node("Add", [f"e{i}", f"r{i}"], [f"e{i + 1}"]),
        ]
    nodes += [*head, node("MatMul", ["e3", "w"], ["y"], name="head")]
    return save(path, nodes, weights, {"ids": (TensorProto.INT64, ["N"])})


HALF = np.float32(0.5)
TABLE = floats(50, 16)
TIED = {
    "transposed": ([node("Transpose", ["table"], ["w"])], {}, 800),
    # One number is not known.
    "scaled": (
        [node("Transpose", ["table"], ["t"]), node("Mul", ["t", "half"], ["w"])],
        {"half": HALF},
        799,
    ),
    "reshaped": (
        [
            node("Neg", ["table"], ["n"]),
            node("Reshape", ["n", "shape"], ["w"]),
        ],
        {"shape": np.array([16, 50])},
        800,
    ),
    "written twice": ([node("Transpose", ["again"], ["w"])], {"again": TABLE}, 800),
    "twice, in other shapes": ([node("Identity", ["a"], ["w"])], {"a": TABLE.reshape(16, 50)}, 0),
    # As exporters do that fold constants.
    "written transposed": ([node("Identity", ["a"], ["w"])], {"a": TABLE.T.copy()}, 800),
    "another": ([node("Transpose", ["a"], ["w"])], {"a": floats(50, 16, seed=99)}, None),
    "masked": (
        [node("Transpose", ["table"], ["t"]), node("Add", ["t", "a"], ["w"])],
        {"a": floats(16, 50, seed=99)},
        None,
    ),
}


@pytest.mark.parametrize("kind", TIED)
def test_tied_weights(kind: str, ok: Ok, run: Callable, tmp_path: Path) -> None:
    head, extra, followed = TIED[kind]
    model = language_model(tmp_path / "m.onnx", head, extra)
    report = json.loads(ok("plan", model, "-s", "deep:k=2", "--json"))
    outside = 800 + 4 * 16 * 64
    own = 0 if kind == "twice, in other shapes" else 800
    assert report["private_params_total"] == 6 * 16 * 64 + 800 + own
    assert report["private_params_exposed"] == outside + (followed or 0)
    rows = {row["name"]: row for row in report["exposed_weights"]}
    assert ("follows from what the device has" in {r["note"] for r in rows.values()}) == bool(
        followed
    )
    package = ["-o", tmp_path / "m.tao", "--key", tmp_path / "m.key"]
    done = run("seal", model, "-s", "deep:k=2", *package)
    if followed is None:
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 4 and "--allow-exposed" in done.stderr, done.stderr
    assert "follows from what the device has" in done.stderr
    assert not (tmp_path / "m.tao").exists()
    ok("seal", model, "-s", "deep:k=2", *package, "--allow-exposed")
    assert TABLE.tobytes() in (tmp_path / "m.tao").read_bytes()
    summary = json.loads(ok("plan", tmp_path / "m.tao", "--json"))
    assert summary["private_params_exposed"] == report["private_params_exposed"]


def test_a_weight_with_two_readers_counts_once(ok: Ok, tmp_path: Path) -> None:
    weights = {f"w{i}": floats(16, 16, seed=i) for i in range(3)}
    order = ["w0", "w1", "w2", "w0"]
    nodes = []
    for i, name in enumerate(order):
        nodes += [
            node("MatMul", [f"v{i}", name], [f"m{i}"]),
            node("Relu", [f"m{i}"], [f"v{i + 1}" if i < 3 else "y"]),
        ]
    inputs = {"v0": (TensorProto.FLOAT, ["N", 16])}
    model = save(tmp_path / "m.onnx", nodes, weights, inputs)
    strategies = ["none", "magnitude", "magnitude:p=0.5", "intermediate", "nonlinear", "deep:k=1"]
    for strategy in strategies:
        report = json.loads(ok("plan", model, "-s", strategy, "--json"))
        assert report["private_params_total"] == 3 * 256, strategy
        assert report["private_params_exposed"] == 3 * 256, strategy
        assert report["private_params_exposed_share"] == 1, strategy


INTEGERS = {
    "a table of int64": (
        [node("Gather", ["table", "ids"], ["y"])],
        {"table": np.random.default_rng(0).integers(0, 2**60, (20, 4))},
        {"ids": (TensorProto.INT64, ["N"])},
        TensorProto.INT64,
        80,
    ),
    "a table of bool": (
        [node("Gather", ["table", "ids"], ["y"])],
        {"table": np.random.default_rng(0).integers(0, 2, (20, 4)).astype(bool)},
        {"ids": (TensorProto.INT64, ["N"])},
        TensorProto.BOOL,
        80,
    ),
    "a table of int8": (
        [node("Gather", ["table", "ids"], ["y"])],
        {"table": np.random.default_rng(0).integers(-99, 99, (20, 4)).astype(np.int8)},
        {"ids": (TensorProto.INT64, ["N"])},
        TensorProto.INT8,
        80,
    ),
    "factors and terms of int64": (
        [node("Mul", ["x", "w"], ["z"]), node("Add", ["z", "b"], ["y"])],
        {"w": np.arange(6) * 1234567 + 3, "b": np.arange(6) * 7654321 + 3},
        {"x": (TensorProto.INT64, ["N", 6])},
        TensorProto.INT64,
        12,
    ),
    "factors of int32": (
        [node("Mul", ["x", "w"], ["y"])],
        {"w": (np.arange(6) * 1234567 + 3).astype(np.int32)},
        {"x": (TensorProto.INT32, ["N", 6])},
        TensorProto.INT32,
        6,
    ),
    "a table of float16": (
        [node("Gather", ["table", "ids"], ["y"])],
        {"table": floats(20, 4).astype(np.float16)},
        {"ids": (TensorProto.INT64, ["N"])},
        TensorProto.FLOAT16,
        80,
    ),
    # What says where is no parameter.
    "constant indices": (
        [node("Gather", ["x", "order"], ["z"], axis=1), node("MatMul", ["z", "w"], ["y"])],
        {"order": np.array([2, 0, 1]), "w": floats(3, 5)},
        {"x": (TensorProto.FLOAT, ["N", 3])},
        TensorProto.FLOAT,
        15,
    ),
}


@pytest.mark.parametrize("kind", INTEGERS)
def test_parameters_of_any_type(kind: str, ok: Ok, run: Callable, tmp_path: Path) -> None:
    nodes, weights, inputs, output, params = INTEGERS[kind]
    model = save(tmp_path / "m.onnx", nodes, weights, inputs, output)
    report = json.loads(ok("plan", model, "-s", "full", "--json"))
    assert report["private_params_total"] == params
    assert report["private_params_exposed"] == report["private_params_asked"] == params
    files = ["-o", tmp_path / "m.tao", "--key", tmp_path / "m.key"]
    done = run("seal", model, "-s", "full", *files)
    assert done.returncode == 4 and "can be had by asking" in done.stderr, done.stderr
    outside = json.loads(ok("plan", model, "-s", "none", "--json"))
    assert outside["private_params_exposed"] == params
