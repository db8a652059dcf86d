"""Every operator that import knows, alone, at every opset where its definition changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

OPSETS = [11, 13, 17, 18, 21]
IMAGE = (2, 4, 9, 10)


@dataclasses.dataclass
class Case:
    """Nodes from `x` to `y`, and the constants they read."""

    nodes: list
    constants: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    shape: tuple[int, ...] = IMAGE


def random(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def node(op: str, *inputs: str, outputs: tuple[str, ...] = ("y",), **attributes):
    return helper.make_node(op, ["x", *inputs], list(outputs), **attributes)


def one(op: str, shape: tuple[int, ...] = IMAGE, constants: dict | None = None, **attributes):
    """A single node that reads x and all constants."""
    constants = constants or {}
    return lambda opset: Case([node(op, *constants, **attributes)], constants, shape)


def conv(out: int = 6, kernel: tuple[int, ...] = (3, 3), group: int = 1, bias: bool = True,
         shape: tuple[int, ...] = IMAGE, **attributes):  # fmt: skip
    constants = {"w": random(out, shape[1] // group, *kernel)}
    if bias:
        constants["b"] = random(out, seed=2)
    return one("Conv", shape, constants, group=group, **attributes)


def with_axes(op: str, axes: list[int], shape: tuple[int, ...], input_from: int, **attributes):
    """An operator whose axes moved from an attribute to an input."""

    def build(opset: int) -> Case:
        if opset >= input_from:
            return Case([node(op, "axes", **attributes)], {"axes": ints(*axes)}, shape)
        return Case([node(op, axes=axes, **attributes)], {}, shape)

    return build


def split(opset: int) -> Case:
    parts = ("a", "b")
    join = helper.make_node("Concat", ["b", "a"], ["y"], axis=1)
    if opset >= 13:
        return Case([node("Split", "split", outputs=parts, axis=1), join], {"split": ints(1, 3)})
    return Case([node("Split", outputs=parts, axis=1, split=[1, 3]), join])


def split_equal(opset: int) -> Case:
    extra = {"num_outputs": 2} if opset >= 18 else {}
    parts = node("Split", outputs=("a", "b"), axis=-1, **extra)
    return Case([parts, helper.make_node("Sub", ["a", "b"], ["y"])])


def dropout(opset: int) -> Case:
    return Case([node("Dropout", outputs=("d",)), helper.make_node("Relu", ["d"], ["y"])])


def resize(by: str, **attributes):
    def build(opset: int) -> Case:
        none = "none" if opset < 13 else ""  # roi and scales could not be left out then
        constants = {"none": np.zeros(0, np.float32)} if none else {}
        if by == "scales":
            constants["scales"] = np.array([1, 1, 2, 1.5], dtype=np.float32)
            return Case([node("Resize", none, "scales", **attributes)], constants)
        constants["sizes"] = ints(2, 4, 5, 17)
        return Case([node("Resize", none, none, "sizes", **attributes)], constants)

    return build


def pad_axes(opset: int) -> Case | None:
    if opset < 18:
        return None
    constants = {"pads": ints(1, 2), "value": np.array(0.5, np.float32), "axes": ints(-1)}
    return Case([node("Pad", *constants)], constants)


def hard_swish(opset: int) -> Case:
    if opset >= 14:
        return Case([node("HardSwish")])
    constants = {"three": np.float32(3), "zero": np.float32(0), "six": np.float32(6)}
    nodes = [
        node("Add", "three", outputs=("a",)),
        helper.make_node("Clip", ["a", "zero", "six"], ["c"]),
        node("Mul", "c", outputs=("m",)),
        helper.make_node("Div", ["m", "six"], ["y"]),
    ]
    return Case(nodes, constants)


def swish(opset: int) -> Case:
    return Case([node("Sigmoid", outputs=("s",)), node("Mul", "s")])


def flatten_by_shape(opset: int) -> Case:
    """What exporters make of x.view(x.size(0), -1)."""
    axes = {"axes": [0]} if opset < 13 else {}
    nodes = [
        node("Shape", outputs=("shape",)),
        helper.make_node("Gather", ["shape", "zero"], ["n"], axis=0),
        helper.make_node("Unsqueeze", ["n"] if opset < 13 else ["n", "zeros"], ["n1"], **axes),
        helper.make_node("Concat", ["n1", "rest"], ["target"], axis=0),
        node("Reshape", "target"),
    ]
    zero = np.array(0, np.int64)
    return Case(nodes, {"zero": zero, "zeros": ints(0), "rest": ints(-1)})


def upsample_by_shape(opset: int) -> Case:
    """What exporters make of interpolate(x, scale_factor=2) with a dynamic shape."""
    none = "none" if opset < 13 else ""
    nodes = [
        node("Shape", outputs=("shape",)),
        helper.make_node("Slice", ["shape", "two", "four", "zeros"], ["hw"]),
        helper.make_node("Cast", ["hw"], ["hwf"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["hwf", "factor"], ["scaled"]),
        helper.make_node("Floor", ["scaled"], ["floored"]),
        helper.make_node("Cast", ["floored"], ["size"], to=TensorProto.INT64),
        helper.make_node("Slice", ["shape", "zeros", "two", "zeros"], ["nc"]),
        helper.make_node("Concat", ["nc", "size"], ["sizes"], axis=0),
        node("Resize", none, none, "sizes", mode="nearest",
             coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    ]  # fmt: skip
    constants = {
        "zeros": ints(0), "two": ints(2), "four": ints(4),
        "factor": np.array(2, np.float32), "none": np.zeros(0, np.float32),
    }  # fmt: skip
    return Case(nodes, constants)


def linear_3d(opset: int) -> Case:
    nodes = [node("MatMul", "w", outputs=("m",)), helper.make_node("Add", ["b", "m"], ["y"])]
    return Case(nodes, {"w": random(10, 7), "b": random(7, seed=2)}, (2, 5, 10))


def mat_mul(opset: int) -> Case:
    transpose = node("Transpose", outputs=("t",), perm=[0, 2, 1])
    return Case([transpose, node("MatMul", "t")], {}, (2, 5, 6))


def gemm(**attributes):
    w = random(7, 10) if attributes.get("transB") else random(10, 7)
    return one("Gemm", (2, 10), {"w": w, "c": random(7, seed=2)}, **attributes)


def gemm_of_two(opset: int) -> Case:
    """y = 0.5 * x * x' + 2 * c, with nothing constant but c."""
    return Case([node("Gemm", "x", "c", transB=1, alpha=0.5, beta=2.0)],
                {"c": np.array([0.25], np.float32)}, (3, 10))  # fmt: skip


def clip(low: float | None, high: float | None):
    bounds = {"low": low, "high": high}
    constants = {k: np.array(v, np.float32) for k, v in bounds.items() if v is not None}
    return lambda opset: Case([node("Clip", *(k if k in constants else "" for k in bounds))],
                              constants)  # fmt: skip


def batch_norm(shape: tuple[int, ...]):
    c = shape[1]
    constants = {
        "scale": random(c), "bias": random(c, seed=2), "mean": random(c, seed=3),
        "var": np.abs(random(c, seed=4)) + 0.5,
    }  # fmt: skip
    return one("BatchNormalization", shape, constants, epsilon=1e-3)


SLICE = {"starts": ints(-1, 1), "ends": ints(-100, 2**62), "axes": ints(-1, 2), "steps": ints(-2, 3)}
PAD = {"pads": ints(0, 0, 1, 2, 0, 0, 3, 0), "value": np.array(-1.5, np.float32)}
REFLECT = {"pads": ints(0, 0, 1, 2, 0, 0, 3, 4)}
CASES: dict[str, Callable[[int], Case | None]] = {
    "conv": conv(),
    "conv_1x1_no_bias": conv(kernel=(1, 1), bias=False),
    "conv_strided": conv(kernel=(5, 3), strides=[2, 3], pads=[1, 0, 2, 1]),
    "conv_dilated": conv(dilations=[2, 3], pads=[2, 2, 2, 2]),
    "conv_grouped": conv(out=8, group=2),
    "conv_depthwise": conv(out=4, group=4, pads=[1, 1, 1, 1]),
    "conv_same_upper": conv(kernel=(4, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
    "conv_same_lower": conv(kernel=(4, 3), strides=[2, 2], auto_pad="SAME_LOWER"),
    "conv_valid": conv(auto_pad="VALID"),
    "conv_1d": conv(kernel=(3,), shape=(2, 4, 20), pads=[1, 1]),
    "batch_norm": batch_norm(IMAGE),
    "batch_norm_1d": batch_norm((3, 10)),
    "gemm": gemm(),
    "gemm_transposed": gemm(transB=1),
    "gemm_scaled": gemm(transB=1, alpha=0.5, beta=2.0),
    "gemm_scalar_c": one("Gemm", (2, 10), {"w": random(10, 7), "c": random(1)}),
    "gemm_no_c": one("Gemm", (2, 10), {"w": random(10, 7)}),
    "gemm_of_two": gemm_of_two,
    "linear_3d": linear_3d,
    "mat_mul": mat_mul,
    "mat_mul_left": lambda opset: Case(
        [helper.make_node("MatMul", ["w", "x"], ["y"])], {"w": random(3, 5)}, (2, 5, 6)
    ),
    "relu": one("Relu"),
    "leaky_relu": one("LeakyRelu", alpha=0.2),
    "leaky_relu_default": one("LeakyRelu"),
    "sigmoid": one("Sigmoid"),
    "tanh": one("Tanh"),
    "hard_sigmoid": one("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_swish": hard_swish,
    "swish": swish,
    "clip": clip(-0.5, 1.0),
    "clip_low": clip(0.0, None),
    "clip_high": clip(None, 0.5),
    "max_with_number": one("Max", constants={"low": np.array(0.1, np.float32)}),
    "min_with_number": one("Min", constants={"high": np.array(0.1, np.float32)}),
    "add": one("Add", constants={"c": random(4, 1, 1)}),
    "sub": lambda opset: Case([helper.make_node("Sub", ["c", "x"], ["y"])], {"c": random(10)}),
    "mul": one("Mul", constants={"c": random(1, 4, 1, 10)}),
    "div": one("Div", constants={"c": np.array(3, np.float32)}),
    "add_itself": lambda opset: Case([node("Add", "x")]),
    "max_pool": one("MaxPool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
    "max_pool_ceil": one("MaxPool", kernel_shape=[2, 2], strides=[2, 3], ceil_mode=1),
    "max_pool_dilated": one("MaxPool", kernel_shape=[2, 2], dilations=[2, 3]),
    "max_pool_same": one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    "average_pool": one("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "average_pool_padded": one("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1],
                               count_include_pad=1),
    "global_average_pool": one("GlobalAveragePool"),
    "global_max_pool": one("GlobalMaxPool"),
    "reduce_mean": with_axes("ReduceMean", [2, -1], IMAGE, 18, keepdims=0),
    "reduce_mean_kept": with_axes("ReduceMean", [1], IMAGE, 18, keepdims=1),
    "reduce_mean_all": one("ReduceMean", keepdims=1),
    "arg_max": one("ArgMax", axis=1, keepdims=0),
    "arg_max_kept": one("ArgMax", axis=-1),
    "arg_max_first": one("ArgMax"),
    "softmax": one("Softmax", axis=-1),
    "softmax_axis_1": one("Softmax", axis=1),
    "softmax_default": one("Softmax"),
    "concat": lambda opset: Case(
        [node("Relu", outputs=("r",)), node("Concat", "r", "x", axis=2)]
    ),
    "pad": one("Pad", constants=PAD),
    "pad_negative": one("Pad", constants={"pads": ints(0, 0, -1, 2, 0, 0, 3, -2)}),
    "pad_reflect": one("Pad", constants=REFLECT, mode="reflect"),
    "pad_edge": one("Pad", constants=REFLECT, mode="edge"),
    "pad_axes": pad_axes,
    "transpose": one("Transpose", perm=[0, 2, 3, 1]),
    "transpose_default": one("Transpose"),
    "reshape": one("Reshape", constants={"shape": ints(0, -1, 5)}),
    "flatten": one("Flatten", axis=1),
    "flatten_negative": one("Flatten", axis=-1),
    "squeeze": with_axes("Squeeze", [1, -1], (2, 1, 5, 1), 13),
    "squeeze_all": one("Squeeze", (2, 1, 5, 1)),
    "unsqueeze": with_axes("Unsqueeze", [1, -1], (2, 5), 13),
    "slice": one("Slice", constants=SLICE),
    "slice_no_axes": one("Slice", constants={"starts": ints(0, 1), "ends": ints(2, 3)}),
    "split": split,
    "split_equal": split_equal,
    "resize_nearest": resize("scales", mode="nearest"),
    "resize_nearest_floor": resize("scales", mode="nearest", nearest_mode="floor",
                                   coordinate_transformation_mode="asymmetric"),
    "resize_linear": resize("scales", mode="linear"),
    "resize_sizes": resize("sizes", mode="linear",
                           coordinate_transformation_mode="pytorch_half_pixel"),
    "resize_align": resize("sizes", mode="linear",
                           coordinate_transformation_mode="align_corners"),
    "dropout": dropout,
    "identity": one("Identity"),
    "flatten_by_shape": flatten_by_shape,
    "upsample_by_shape": upsample_by_shape,
}  # fmt: skip

# They mix the images of a batch or hold its size, so that only this one is right.
FIXED_BATCH = {
    "arg_max_first", "flatten_negative", "gemm_of_two", "reduce_mean_all", "resize_align", "resize_sizes",
    "slice_no_axes", "squeeze_all", "transpose_default",
}  # fmt: skip


def output_type(case: Case) -> int:
    return TensorProto.INT64 if case.nodes[-1].op_type == "ArgMax" else TensorProto.FLOAT


def save_case(case: Case, opset: int, path, fixed_batch: bool = False) -> None:
    shape = [case.shape[0] if fixed_batch else "N", *case.shape[1:]]
    constants = [
        numpy_helper.from_array(np.asarray(value), name) for name, value in case.constants.items()
    ]
    graph = helper.make_graph(
        case.nodes,
        "case",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", output_type(case), None)],
        constants,
    )
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=imports)
    model.ir_version = helper.find_min_ir_version_for(imports)
    onnx.save(model, path)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("name", CASES)
def test_operator(name: str, opset: int, agrees_with_onnxruntime, tmp_path):
    case = CASES[name](opset)
    if case is None:
        return
    save_case(case, opset, tmp_path / "m.onnx", name in FIXED_BATCH)
    agrees_with_onnxruntime(tmp_path / "m.onnx", random(*case.shape, seed=9))


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE])
def test_weights_of_other_types_are_converted(dtype: int, run_model, tmp_path):
    w = random(10, 7)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["w"], ["wf"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["x", "wf"], ["y"]),
        ],
        "case",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 10])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [helper.make_tensor("w", dtype, w.shape, w.ravel().tolist())],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        tmp_path / "m.onnx",
    )
    x = random(2, 10, seed=9)
    expected = x @ numpy_helper.to_array(graph.initializer[0]).astype(np.float32)
    assert np.allclose(run_model(tmp_path / "m.onnx", x), expected, rtol=1e-4, atol=1e-5)
