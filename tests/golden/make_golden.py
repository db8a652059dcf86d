"""Writes small.onnx, small.tao, small.key and small.pub, the public half of who signed: run when the format changes, with a new number.

usage: make_golden.py TAOISM
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parent
random = np.random.default_rng(2026)


def weight(name: str, *shape: int) -> TensorProto:
    return numpy_helper.from_array(random.standard_normal(shape, dtype=np.float32), name)


graph = helper.make_graph(
    [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("GlobalAveragePool", ["b"], ["c"], name="pool"),
        helper.make_node("Flatten", ["c"], ["d"], name="flatten"),
        helper.make_node("Gemm", ["d", "w2", "b2"], ["y"], name="fc", transB=1),
    ],
    "small",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, 6, 6])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
    [weight("w1", 4, 2, 3, 3), weight("w2", 3, 4), weight("b2", 3)],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.save(model, FOLDER / "small.onnx")
for name in ("small.tao", "small.key"):
    (FOLDER / name).unlink(missing_ok=True)
with tempfile.TemporaryDirectory() as folder:
    subprocess.run(
        [sys.argv[1], "seal", FOLDER / "small.onnx", "-s", "deep:k=1", "-o", FOLDER / "small.tao", "--batch", "1,2",
         "--target", "portable", "--version", "7", "--allow-exposed", "--owner", Path(folder) / "owner.key"],  # fmt: skip
        check=True,
    )
    shutil.copy(Path(folder) / "owner.pub", FOLDER / "small.pub")
