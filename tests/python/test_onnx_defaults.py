"""An attribute that is written out with its default means what its absence means: for every operator
that the import knows, in every version of it from opset 7 on, as ONNX's own schemas have them."""

from __future__ import annotations

import pathlib
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, defs, helper, numpy_helper

onnxruntime = pytest.importorskip("onnxruntime")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "conformance/onnx"))
from model_runner import run_models, write_model  # noqa: E402

OLDEST, NEWEST = 7, 28
RNG = np.random.default_rng(0)


def real(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def whole(*shape: int) -> np.ndarray:
    return RNG.integers(-4, 5, shape)


X = real(2, 3, 4, 4)
CHANNELS = [np.abs(real(3)) + 0.5 for _ in range(4)]
INTS = np.array
YES = RNG.integers(0, 2, (2, 3)).astype(bool)


class Case:
    """The inputs of a node, the first of which the model is given, and the attributes it must have."""

    def __init__(self, *inputs: np.ndarray, given: int = 1, **attributes: object) -> None:
        self.inputs, self.given, self.attributes = inputs, given, attributes


# Where one tensor of float32 is not what an operator takes. By version: the last that is not newer.
TWO = Case(X, real(2, 3, 4, 4), given=2)
TWO_INTS = Case(whole(2, 3), np.abs(whole(2, 3)) + 1, given=2)
TWO_BOOLS = Case(YES, ~YES, given=2)
POOL = Case(X, kernel_shape=[2, 2])
NORMALISED = Case(X, *CHANNELS)
GEMM = Case(real(3, 4), real(4, 5), real(5))
LIST = INTS([0])
CASES: dict[str, dict[int, Case]] = {
    **{op: {7: TWO} for op in ("Add", "Sub", "Mul", "Div", "PRelu", "Max", "Min", "Sum", "Mean", "Equal", "Greater",
                               "Less", "GreaterOrEqual", "LessOrEqual")},  # fmt: skip
    "Pow": {7: Case(np.abs(X), np.float32(2))},
    "Mod": {7: TWO_INTS},
    "BitShift": {7: TWO_INTS},
    **{op: {7: TWO_BOOLS} for op in ("And", "Or", "Xor")},
    **{op: {7: TWO_INTS} for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")},
    "BitwiseNot": {7: Case(whole(2, 3))},
    "Not": {7: Case(YES)},
    "Where": {7: Case(YES, real(2, 3), real(2, 3), given=3)},
    **{op: {7: Case(np.abs(X) / 8 + 1)} for op in ("Acosh", "Log", "Sqrt", "Reciprocal")},
    **{op: {7: Case(np.clip(X / 8, -0.9, 0.9))} for op in ("Acos", "Asin", "Atanh")},
    "BatchNormalization": {7: NORMALISED},
    "Conv": {7: Case(X, real(4, 3, 3, 3), real(4))},
    "ConvTranspose": {7: Case(X, real(3, 4, 3, 3), real(4))},
    **{op: {7: POOL} for op in ("MaxPool", "AveragePool", "LpPool")},
    "LRN": {7: Case(X, size=3)},
    "Gemm": {7: GEMM},
    "MatMul": {7: Case(real(3, 4), real(4, 5))},
    "Concat": {7: Case(X, X, given=2, axis=1)},
    "Cast": {7: Case(X, to=TensorProto.INT64)},
    "CastLike": {7: Case(X, whole(1))},
    "Clip": {7: Case(X), 11: Case(X, np.float32(-1), np.float32(1))},
    "Dropout": {7: Case(X)},
    "CumSum": {7: Case(X, np.array(1))},
    "DepthToSpace": {7: Case(real(1, 8, 2, 3), blocksize=2)},
    "SpaceToDepth": {7: Case(real(1, 2, 4, 6), blocksize=2)},
    "Einsum": {7: Case(real(2, 3), real(3, 4), equation="ij,jk->ik")},
    "Expand": {7: Case(real(2, 1), INTS([2, 3]))},
    "Gather": {7: Case(X, INTS([0, 1]))},
    "GatherElements": {7: Case(real(2, 3), INTS([[0, 1, 1], [1, 0, 0]]))},
    "GatherND": {7: Case(real(2, 3), INTS([[0, 1], [1, 0]]))},
    **{op: {7: Case(real(2, 3), INTS([[0, 1, 1]]), real(1, 3))} for op in ("ScatterElements", "Scatter")},
    "ScatterND": {7: Case(real(4, 3), INTS([[0], [2]]), real(2, 3))},
    "GroupNormalization": {7: Case(real(2, 4, 3), np.ones(2, np.float32), np.zeros(2, np.float32), num_groups=2),
                           21: Case(real(2, 4, 3), np.ones(4, np.float32), np.zeros(4, np.float32), num_groups=2)},
    "InstanceNormalization": {7: Case(X, *CHANNELS[:2])},
    "LayerNormalization": {7: Case(X, np.ones(4, np.float32), np.zeros(4, np.float32))},
    "RMSNormalization": {7: Case(X, np.ones(4, np.float32))},
    "OneHot": {7: Case(INTS([0, 2]), np.array(4), np.array([0, 1], np.float32))},
    "Pad": {7: Case(X, pads=[0, 0, 1, 1, 0, 0, 1, 1]), 11: Case(X, INTS([0, 0, 1, 1, 0, 0, 1, 1]))},
    "Reshape": {7: Case(X, INTS([6, -1]))},
    "Resize": {10: Case(X, np.array([1, 1, 2, 2], np.float32)),
               11: Case(X, np.empty(0, np.float32), np.array([1, 1, 2, 2], np.float32))},
    "Upsample": {7: Case(X, scales=[1.0, 1.0, 2.0, 2.0]), 9: Case(X, np.array([1, 1, 2, 2], np.float32))},
    "Slice": {7: Case(X, starts=[0, 1], ends=[1, 3]), 10: Case(X, INTS([0, 1]), INTS([1, 3]))},
    "Split": {7: Case(real(2, 4)), 18: Case(real(2, 4), num_outputs=1)},
    "Squeeze": {7: Case(real(2, 1, 3))},
    "Unsqueeze": {7: Case(real(2, 3), axes=[1]), 13: Case(real(2, 3), INTS([1]))},
    "Tile": {7: Case(real(2, 3), INTS([2, 1]))},
    "TopK": {7: Case(real(2, 5), k=2), 10: Case(real(2, 5), INTS([2]))},
    "Trilu": {7: Case(real(2, 3, 3))},
    "ConstantOfShape": {7: Case(INTS([2, 3]), given=0)},
    "Range": {7: Case(np.array(0), np.array(5), np.array(2), given=0)},
    "IsInf": {7: Case(X)},
}  # fmt: skip


def case_of(op: str, version: int) -> Case:
    cases = CASES.get(op, {OLDEST: Case(X)})
    found = [cases[first] for first in sorted(cases) if first <= version]
    return found[-1] if found else Case(X)


def model_of(schema: defs.OpSchema, opset: int, case: Case, attributes: dict[str, object]) -> bytes:
    names = [f"i{n}" for n in range(len(case.inputs))]
    node = helper.make_node(schema.name, [n if case.inputs[i].size else "" for i, n in enumerate(names)], ["y"],
                            **case.attributes, **attributes)  # fmt: skip
    arrays = dict(zip(names, case.inputs, strict=True))
    given = names[: case.given]
    graph = helper.make_graph(
        [node],
        "g",
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(arrays[n].dtype), arrays[n].shape)
            for n in given
        ],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(np.asarray(arrays[n]), n) for n in names if n not in given and arrays[n].size],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()


def schemas() -> list[tuple[defs.OpSchema, int]]:
    """Every version of every operator that some opset from OLDEST to NEWEST has, with such an opset."""
    history: dict[str, list[defs.OpSchema]] = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "" and not schema.deprecated:
            history.setdefault(schema.name, []).append(schema)
    found = []
    for versions in history.values():
        versions.sort(key=lambda s: s.since_version)
        for i, schema in enumerate(versions):
            gone = versions[i + 1].since_version if i + 1 < len(versions) else NEWEST + 1
            if gone > OLDEST and schema.since_version <= min(NEWEST, defs.onnx_opset_version()):
                found.append((schema, max(schema.since_version, OLDEST)))
    return found


def defaults_of(schema: defs.OpSchema, case: Case) -> dict[str, object]:
    return {
        name: helper.get_attribute_value(attribute.default_value)
        for name, attribute in schema.attributes.items()
        if attribute.default_value.name and name not in case.attributes
    }


def others_answer(folder: pathlib.Path, case: Case) -> list[np.ndarray] | None:
    """ONNX Runtime's; None where it has no such operator."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
        return session.run(None, {f"i{n}": case.inputs[n] for n in range(case.given)})
    except Exception:  # noqa: BLE001: its errors have no type of their own
        return None


def test_defaults_written_out(tmp_path: pathlib.Path) -> None:
    pairs = []
    for schema, opset in schemas():
        case = case_of(schema.name, opset)
        if case.inputs and schema.name != "Constant":  # a constant is one of its attributes
            folders = [tmp_path / f"{schema.name}-{opset}-{kind}" for kind in ("implied", "written")]
            for folder, attributes in zip(folders, ({}, defaults_of(schema, case)), strict=True):
                write_model(folder, model_of(schema, opset, case, attributes), case.inputs[: case.given])
            pairs.append((*folders, case))
    answers = run_models([folder for pair in pairs for folder in pair[:2]], ["none@inline"])
    compared, peers, wrong = 0, 0, []
    for implied, written, case in pairs:
        a, b = answers[implied][0], answers[written][0]
        if "operator is not supported" in a.message:
            continue
        compared += 1
        if a.status != "ok" or b.status != "ok":
            wrong.append(f"{written.name}: {a.message} {b.message}")
            continue
        if any(not np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in zip(a.outputs, b.outputs, strict=True)):
            wrong.append(f"{written.name}: another answer than implied")
        want = others_answer(written, case)
        if want is not None:
            peers += 1
            if any(not np.allclose(x, y, 1e-4, 1e-5, equal_nan=True) for x, y in zip(want, b.outputs, strict=True)):
                wrong.append(f"{written.name}: another answer than ONNX Runtime's")
    print(f"{compared} versions of operators, {peers} of which ONNX Runtime has")
    assert not wrong, "\n".join(wrong)
    assert compared > 300 and peers > 200
