"""The answers that row_search holds for right, all rows at once, beside ONNX Runtime's."""

from __future__ import annotations

import os
import pathlib
import subprocess

import numpy as np
import onnx
import pytest

ort = pytest.importorskip("onnxruntime")
STATE = ort.capi.onnxruntime_pybind11_state
NOT_RUN = (
    STATE.Fail,
    STATE.InvalidArgument,
    STATE.InvalidGraph,
    STATE.NotImplemented,
    STATE.RuntimeException,
)

ROOT = pathlib.Path(__file__).parents[2]
BIN = pathlib.Path(os.environ.get("TAOISM_BIN", ROOT / "build/release/bin"))
SEARCH = (BIN if BIN.is_dir() else BIN.parent) / "../tests/row_search"
SEED = 2_000_000  # none of the seeds that the search runs alone
MOST_AT_ONCE = 2_000  # models whose files lie in the folder at one time
TOLERANCE = 2e-4  # of the largest value, as in row_search


def difference(want: np.ndarray, got: np.ndarray) -> str:
    """Empty where both are the same."""
    if want.shape != got.shape or want.dtype != got.dtype:
        return f"{got.dtype}{got.shape}, not {want.dtype}{want.shape}"
    if want.dtype.kind != "f":
        return "" if np.array_equal(want, got) else "differs"
    finite = np.abs(want[np.isfinite(want)])
    scale = max(1.0, float(finite.max(initial=0)))
    # As row_search has it, infinity is no number that is near to another.
    same = np.isclose(got, want, rtol=0, atol=TOLERANCE * scale, equal_nan=True)
    return "" if same.all() else f"{got[~same][0]}, not {want[~same][0]}"


def in_double(path: pathlib.Path) -> onnx.ModelProto:
    """The model with float64 in the place of float32."""
    model = onnx.load(path)
    one, two = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE
    for value in model.graph.input:
        if value.type.tensor_type.elem_type == one:
            value.type.tensor_type.elem_type = two
    for tensor in model.graph.initializer:
        if tensor.data_type == one:
            array = onnx.numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == one:
                attribute.i = two
    return model


def is_as_near(
    path: pathlib.Path, feed: dict, name: str, want: np.ndarray, got: np.ndarray
) -> bool:
    """Whether `got` is as near to the answer in float64 as ONNX Runtime's own, within four times: a
    softmax over large sums has few right digits, whoever computes it."""
    feed = {key: value.astype(np.float64) for key, value in feed.items()}
    try:
        (true,) = ort.InferenceSession(
            in_double(path).SerializeToString(), providers=["CPUExecutionProvider"]
        ).run([name], feed)
    except NOT_RUN:
        return False
    return bool(np.abs(got - true).max() <= 4 * np.abs(want - true).max())


def run_beside(model: pathlib.Path) -> str | None:
    """What differs, empty if nothing; None for a model that ONNX Runtime does not run."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        names = [one.name for one in session.get_outputs()]
        feed = {
            one.name: np.load(model.with_name(f"{model.stem}.{one.name}.npy"))
            for one in session.get_inputs()
        }
        wanted = session.run(names, feed)
    except NOT_RUN:
        return None
    for name, want in zip(names, wanted, strict=True):
        got = np.load(model.with_name(f"{model.stem}.out.{name}.npy"))
        found = difference(want, got)
        if found and not (want.shape == got.shape and is_as_near(model, feed, name, want, got)):
            return f"{name}: {found}"
    return ""


def compare(runs: int, folder: pathlib.Path) -> None:
    compared = passed_over = 0
    for first in range(0, runs, MOST_AT_ONCE):
        part = folder / str(first)
        part.mkdir()
        count = min(MOST_AT_ONCE, runs - first)
        # Each seed gives one model, or none that runs: seeds of two parts must not meet.
        seed = str(SEED + 10 * first)
        searched = subprocess.run(
            [SEARCH, str(count), seed, part], capture_output=True, text=True, check=False
        )
        assert searched.returncode == 0, searched.stdout
        for model in sorted(part.glob("*.onnx")):
            found = run_beside(model)
            assert not found, f"seed {seed}, {model}: {found}"
            compared += found is not None
            passed_over += found is None
        for file in part.iterdir():
            file.unlink()
    print(f"{compared} models as ONNX Runtime has them, {passed_over} passed over")
    assert compared + passed_over == runs
    assert compared > 0.999 * runs


def test_answers_over_rows_are_those_of_onnx_runtime(tmp_path: pathlib.Path) -> None:
    compare(1_000, tmp_path)


@pytest.mark.slow
def test_100000_answers_over_rows_are_those_of_onnx_runtime(tmp_path: pathlib.Path) -> None:
    compare(100_000, tmp_path)
