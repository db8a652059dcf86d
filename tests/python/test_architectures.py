"""Every family of networks as PyTorch exports it, against PyTorch, however it is split."""

from __future__ import annotations

import pathlib
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "conformance/onnx"))
from architectures import ARCHITECTURES, inputs, make  # noqa: E402
from model_runner import run_models, write_model  # noqa: E402

SPLITS = ["none@inline", "full@inline", "deep@inline", "shallow@inline", "random:5@process"]
WAYS = [f"{split}@{device}" for device in ("cpu", "torch:cpu") for split in SPLITS]
BATCH = 3


def export(model, arguments, path: pathlib.Path, dynamo: bool) -> None:
    """With a dynamic batch; the program reads it at the batch of its inputs."""
    names = [f"x{i}" for i in range(len(arguments))]
    if dynamo:
        batch = torch.export.Dim("batch")
        more = {"dynamic_shapes": tuple({0: batch} for _ in arguments), "optimize": True}
    else:
        more = {"dynamic_axes": {name: {0: "batch"} for name in names}, "opset_version": 17}
    torch.onnx.export(
        model, arguments, str(path), dynamo=dynamo, input_names=names, output_names=["y"],
        verbose=False, external_data=False, **more,
    )  # fmt: skip


def close(want: np.ndarray, got: np.ndarray) -> bool:
    """Within 1e-3 of the range of what is wanted."""
    assert want.shape == got.shape and want.dtype == got.dtype
    return float(np.abs(want - got).max()) <= 1e-3 * float(want.max() - want.min())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_answers_as_pytorch(name, dynamo, tmp_path):
    if not dynamo and name in ("decoder", "encoder"):
        pytest.skip("the old exporter has no form for what this model does")
    model = make(name)
    arguments = inputs(name, BATCH)
    export(model, inputs(name, 2), tmp_path / "m.onnx", dynamo)
    write_model(
        tmp_path / "case", (tmp_path / "m.onnx").read_bytes(), [a.numpy() for a in arguments]
    )
    with torch.no_grad():
        want = model(*arguments).numpy()
    for way, answer in zip(WAYS, run_models([tmp_path / "case"], WAYS)[tmp_path / "case"], strict=True):
        assert answer.status == "ok", f"{way}: {answer.message}"
        assert close(want, answer.outputs[0]), way
