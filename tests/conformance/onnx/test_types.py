"""Every element type is what it is: random graphs over all of ONNX's numbers, as constants and as inputs, on both
devices and in a TEE, against numpy (random_types.py). A model is answered right or refused by a type's name."""

from __future__ import annotations

import collections
import pathlib
import re

import numpy as np
import pytest

pytest.importorskip("onnx")
from element_types import elem_type
from model_runner import run_models, write_model
from random_types import Case, judge, random_case

WAYS = ["none@inline", "full@inline", "none@inline@torch:cpu"]
AT_ONCE = 1000
# Why a model may be refused; the operators' own lists of types name what they take.
REFUSALS = re.compile(
    r"(float64|uint64) is computed with in constants alone"
    r"|Pow '[^']*': attribute exponent: of integers must be an integer, or a constant that is whole"
    r"|MatMul '[^']*': (Linear '[^']*': )?input 0 must be float32, got int64"
    r"|Reduce(Max|Min) '[^']*': input 0 must be float32 or int64, got bool"
)


def search(folder: pathlib.Path, seeds: range) -> collections.Counter[str]:
    """How many models were right and refused. Fails at what is neither."""
    count: collections.Counter[str] = collections.Counter()
    for first in range(seeds.start, seeds.stop, AT_ONCE):
        cases: dict[pathlib.Path, Case] = {}
        for seed in range(first, min(first + AT_ONCE, seeds.stop)):
            case = random_case(seed)
            cases[folder / str(seed)] = case
            write_model(folder / str(seed), case.model.SerializeToString(), case.inputs)
        answers = run_models(list(cases), WAYS, timeout=3000)
        for path, case in cases.items():
            for way, answer in zip(WAYS, answers[path], strict=True):
                where = f"seed {path.name}, {way}: {case.text}"
                if answer.status == "unsupported" and REFUSALS.search(answer.message):
                    count["refused"] += 1
                    continue
                assert answer.status == "ok", f"{answer.message}; {where}"
                fault = judge(case, answer.outputs)
                assert not fault, f"{fault}; {where}"
                count["right"] += 1
    return count


def test_random_graphs(tmp_path: pathlib.Path) -> None:
    count = search(tmp_path, range(400))
    assert count["right"] > 600, count


@pytest.mark.slow
def test_many_random_graphs(tmp_path: pathlib.Path) -> None:
    count = search(tmp_path, range(1_000_000, 1_030_000))
    print(dict(count))
    assert count["right"] > 45_000, count


UNTOLD = np.array(
    [np.nan, np.inf, -np.inf, -1, -129, 300, 40000, 70000, 3e9, -3e9, 2.0**32, 2.0**33 + 1024, -1e12, 2.0**63, 1e30, -1e30],
    np.float32,
)  # fmt: skip


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4"])
def test_floats_that_no_integer_is(tmp_path: pathlib.Path, dtype: str) -> None:
    """ONNX leaves open what they become: what x86 makes of them, which is what ONNX Runtime does there, on every
    device and in constants."""
    onnx = pytest.importorskip("onnx")
    ort = pytest.importorskip("onnxruntime")
    to = elem_type(np.dtype(dtype))
    node = onnx.helper.make_node("Cast", ["x"], ["y"], to=to)
    info = onnx.helper.make_tensor_value_info
    shape = UNTOLD.shape
    given = onnx.helper.make_graph([node], "g", [info("x", 1, shape)], [info("y", to, shape)])
    fixed = onnx.helper.make_graph([node], "g", [], [info("y", to, shape)], [onnx.numpy_helper.from_array(UNTOLD, "x")])
    models = [
        onnx.helper.make_model(g, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
        for g in (given, fixed)
    ]
    write_model(tmp_path / "given", models[0], [UNTOLD])
    write_model(tmp_path / "fixed", models[1], [])
    (want,) = ort.InferenceSession(models[0]).run(None, {"x": UNTOLD})
    for path, answers in run_models([tmp_path / "given", tmp_path / "fixed"], WAYS).items():
        for way, answer in zip(WAYS, answers, strict=True):
            assert answer.status == "ok", answer.message
            np.testing.assert_array_equal(answer.outputs[0], want, f"{path.name} {way}", strict=True)
