"""What asks for more memory than this process may have ends with one line, nothing taken."""

import pathlib
import resource
import subprocess
import zipfile

import numpy as np
import onnx
import pytest
from conftest import BIN
from onnx import TensorProto, helper

LIMIT = 3 << 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A model whose outputs are 65,536 times its inputs, and inputs of all kinds."""
    folder = tmp_path_factory.mktemp("memory")
    wide = np.ones((1, 65536), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 65536])],
        [onnx.numpy_helper.from_array(wide, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "wide.onnx")
    np.save(folder / "rows.npy", np.ones((20000, 1), np.float32))
    count = 1 << 30
    with open(folder / "sparse.npy", "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (count, 1)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 4 * count)
    with open(folder / "sparse.bin", "wb") as file:
        file.truncate(4 * count)
    # Zeroes are packed more than two hundred to one: an entry as large as the limit.
    header = {"descr": "<f4", "fortran_order": False, "shape": (LIMIT >> 2, 1)}
    with (
        zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("x.npy", "w", force_zip64=True) as entry,
    ):
        np.lib.format.write_array_header_1_0(entry, header)
        for _ in range(LIMIT >> 24):
            entry.write(bytes(1 << 24))
    return folder


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["run", "wide.onnx", "--input", "sparse.npy"], "sparse.npy"),
        (["run", "wide.onnx", "--input", "sparse.bin", "--input-shape", "x=Nx1"], "sparse.bin"),
        (["run", "wide.onnx", "--input", "bomb.npz"], "bomb.npz"),
        (["run", "wide.onnx", "--input", "rows.npy"], "output 'y'"),
        (["run", "wide.onnx", "--input", "rows.npy", "-s", "full"], "output 'y'"),
        (["bench", "wide.onnx", "--batch", "20000", "--strategies", "none"], "the device's part"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_one_line(folder: pathlib.Path, words: list[str], names: str) -> None:
    result = subprocess.run(
        [str(BIN / "taoism"), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT)),
    )
    errors = [line for line in result.stderr.splitlines() if line.startswith("taoism: error")]
    assert result.returncode == 2, (result.returncode, result.stderr)
    assert len(errors) == 1 and names in errors[0] and "bytes of memory" in errors[0], errors
