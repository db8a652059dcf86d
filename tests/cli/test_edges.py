"""NaN, infinities, zeros of both signs, subnormal and the largest numbers through every function,
against ONNX Runtime, wherever the nodes run and whether an activation is fused or not."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

onnxruntime = pytest.importorskip("onnxruntime")

Run = Callable[..., subprocess.CompletedProcess[str]]
INF, NAN = np.inf, np.nan
SMALL = [0.5, 1, 1.5, 2.5, 3, 6, 20, 87, 88, 100, 1e-40, 1.2e-38]
LARGE = [1e30, 1e37]
EDGES = np.array(
    [0.0, -0.0, NAN, INF, -INF] + [s * v for v in SMALL + LARGE for s in (1, -1)], np.float32
)
BIGGEST = np.array([1e38, -1e38, 3.4e38, -3.4e38], np.float32)

ACTIVATIONS = {
    "Celu": {"alpha": 0.7},
    "Clip": {},
    "Elu": {"alpha": 1.2},
    "Erf": {},
    "Gelu": {},
    "GeluTanh": {"approximate": "tanh"},
    "HardSigmoid": {},
    "HardSwish": {},
    "LeakyRelu": {"alpha": 0.1},
    "Mish": {},
    "Relu": {},
    "Selu": {},
    "Sigmoid": {},
    "Tanh": {},
}
FUNCTIONS = [
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cosh", "Exp",
    "Floor", "IsInf", "IsNaN", "Log", "Neg", "Reciprocal", "Round", "Shrink", "Sign",
    "Sinh", "Softplus", "Softsign", "Sqrt", "ThresholdedRelu",
]  # fmt: skip
PAIRS = [
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Max",
    "Min",
    "PRelu",
    "Less",
    "Greater",
    "Equal",
    "LessOrEqual",
    "Pow",
]
REDUCTIONS = [
    "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMean", "ReduceSum", "ReduceSumSquare",
    "Softmax", "LogSoftmax", "ArgMax", "ArgMin",
]  # fmt: skip


def bounds() -> list[TensorProto]:
    return [
        helper.make_tensor("low", TensorProto.FLOAT, [], [-1.5]),
        helper.make_tensor("high", TensorProto.FLOAT, [], [2.0]),
    ]


def activation_node(name: str, source: str) -> onnx.NodeProto:
    op = "Gelu" if name == "GeluTanh" else name
    inputs = [source, "low", "high"] if name == "Clip" else [source]
    return helper.make_node(op, inputs, [name], name=name, **ACTIVATIONS[name])


def make(
    path: Path, nodes: list, outputs: list[str], feeds: dict[str, np.ndarray], weights: list
) -> None:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v.shape) for k, v in feeds.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(onnx.shape_inference.infer_shapes(model), str(path))


def functions(path: Path) -> dict[str, np.ndarray]:
    feeds = {"x": np.concatenate([EDGES, BIGGEST])}
    nodes = [activation_node(name, "x") for name in ACTIVATIONS]
    nodes += [helper.make_node(op, ["x"], [op], name=op) for op in FUNCTIONS]
    make(path, nodes, [*ACTIVATIONS, *FUNCTIONS], feeds, bounds())
    return feeds


def fused(path: Path) -> dict[str, np.ndarray]:
    """Each activation after a convolution, a linear layer and an addition, which take it in."""
    x = EDGES.reshape(-1, 1, 1, 1)
    feeds = {"x": np.tile(x, (1, 1, 3, 5)), "row": EDGES.reshape(-1, 1)}
    nodes, outputs = [], []
    for name in ACTIVATIONS:
        made = {
            "conv": helper.make_node(
                "Conv", ["x", "one"], [f"conv_{name}_in"], name=f"conv_{name}", kernel_shape=[1, 1]
            ),
            "linear": helper.make_node(
                "Gemm", ["row", "square"], [f"linear_{name}_in"], name=f"linear_{name}"
            ),
            "sum": helper.make_node(
                "Add", ["x", "nothing"], [f"sum_{name}_in"], name=f"sum_{name}"
            ),
        }
        for kind, node in made.items():
            last = activation_node(name, node.output[0])
            last.name = last.output[0] = f"{kind}_{name}_out"
            nodes += [node, last]
            outputs.append(last.output[0])
    weights = bounds()
    weights.append(numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "one"))
    weights.append(numpy_helper.from_array(np.ones((1, 1), np.float32), "square"))
    weights.append(numpy_helper.from_array(np.zeros(1, np.float32), "nothing"))
    make(path, nodes, outputs, feeds, weights)
    return feeds


def pairs(path: Path) -> dict[str, np.ndarray]:
    a, b = (v.ravel().copy() for v in np.meshgrid(EDGES, EDGES))
    nodes = [helper.make_node(op, ["a", "b"], [op], name=op) for op in PAIRS]
    nodes.append(helper.make_node("Mod", ["a", "b"], ["Mod"], name="Mod", fmod=1))
    make(path, nodes, [*PAIRS, "Mod"], {"a": a, "b": b}, [])
    return {"a": a, "b": b}


def reductions(path: Path) -> dict[str, np.ndarray]:
    """Along the last and the middle dimension. NaN alone in a row or with infinities."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((96, 12)).astype(np.float32)
    for row in rows:
        row[random.integers(12, size=2)] = random.choice([INF, -INF, 88, -88], 2)
    rows[:4] = [[INF] * 12, [-INF] * 12, [0] * 11 + [NAN], [NAN] * 12]
    feeds = {"x": rows.reshape(8, 12, 12)}
    nodes, outputs, weights = [], [], []
    for axis in (2, 1):
        weights.append(helper.make_tensor(f"axis{axis}", TensorProto.INT64, [1], [axis]))
        for op in REDUCTIONS:
            if axis == 1 and op in ("ArgMax", "ArgMin"):
                continue
            takes_input = op.startswith("Reduce")
            outputs.append(f"{op}_{axis}")
            nodes.append(
                helper.make_node(
                    op,
                    ["x", f"axis{axis}"] if takes_input else ["x"],
                    [outputs[-1]],
                    name=outputs[-1],
                    **({} if takes_input else {"axis": axis}),
                )
            )
    for op in ("ArgMax", "ArgMin"):
        outputs.append(f"{op}_last")
        nodes.append(
            helper.make_node(
                op, ["x"], [f"{op}_last"], name=f"{op}_last", axis=2, select_last_index=1
            )
        )
    make(path, nodes, outputs, feeds, weights)
    return feeds


@pytest.mark.parametrize("place", ["cpu", "tee", "torch:cpu"])
@pytest.mark.parametrize("family", [functions, fused, pairs, reductions])
def test_edges_are_onnx_s(
    family: Callable[[Path], dict[str, np.ndarray]], place: str, run: Run, tmp_path: Path
) -> None:
    model = tmp_path / "edges.onnx"
    feeds = family(model)
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    want = dict(zip(names, session.run(None, feeds), strict=True))
    arguments: list[object] = (
        ["--strategy", "full"] if place == "tee" else ["--strategy", "none", "--device", place]
    )
    for name, value in feeds.items():
        np.save(tmp_path / f"{name}.npy", value)
        arguments += ["-i", f"{name}={tmp_path / name}.npy"]
    for name in names:
        arguments += ["-o", f"{name}={tmp_path / 'out_'}{name}.npy"]
    result = run("run", model, *arguments)
    assert result.returncode == 0, result.stderr
    for name in names:
        got, expected = (
            np.load(tmp_path / f"out_{name}.npy").astype(np.float64),
            want[name].astype(np.float64),
        )
        # ONNX Runtime adds up in float32.
        np.testing.assert_allclose(
            got, expected, rtol=2e-5, atol=3e-5 if family is reductions else 4e-6, err_msg=name
        )


@pytest.mark.parametrize("bad", [INF, NAN])
@pytest.mark.parametrize("place", ["cpu", "tee", "torch:cpu"])
def test_a_bad_pixel_stays_near(bad: float, place: str, run: Run, tmp_path: Path) -> None:
    """What reads it is not finite. A convolution that goes by tiles may lose the rest of a tile,
    as docs/operators.md says, and nothing beyond."""
    random = np.random.default_rng(0)
    x = random.standard_normal((2, 16, 28, 28)).astype(np.float32)
    x[1, 3, 13, 14] = bad
    weight = random.standard_normal((16, 16, 3, 3)).astype(np.float32)
    model = tmp_path / "conv.onnx"
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv", pads=[1, 1, 1, 1])
    make(model, [node], ["y"], {"x": x}, [numpy_helper.from_array(weight, "w")])
    np.save(tmp_path / "x.npy", x)
    places = ["--strategy", "full"] if place == "tee" else ["--strategy", "none", "--device", place]
    result = run(
        "run", model, *places, "-i", f"x={tmp_path / 'x.npy'}", "-o", f"y={tmp_path / 'y.npy'}"
    )
    assert result.returncode == 0, result.stderr
    got = np.load(tmp_path / "y.npy")
    (want,) = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"]).run(
        None, {"x": x}
    )
    assert not np.isfinite(got[~np.isfinite(want)]).any()
    near = np.zeros(want.shape, bool)
    near[1, :, 13 - 6 : 13 + 7, 14 - 6 : 14 + 7] = True
    assert np.isfinite(got[~near]).all()
    both = np.isfinite(got) & np.isfinite(want)
    np.testing.assert_allclose(got[both], want[both], rtol=1e-4, atol=2e-4)


def test_celu_of_a_negative_alpha_is_refused(run: Run, tmp_path: Path) -> None:
    model = tmp_path / "celu.onnx"
    make(
        model,
        [helper.make_node("Celu", ["x"], ["y"], name="c", alpha=-0.5)],
        ["y"],
        {"x": EDGES},
        [],
    )
    result = run("plan", model, "--strategy", "full")
    assert result.returncode == 3
    assert "'c'" in result.stderr and "alpha must be positive" in result.stderr
