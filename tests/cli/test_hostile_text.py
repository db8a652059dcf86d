"""Text of files that a terminal would obey reaches none; memory that is not there is an error."""

from __future__ import annotations

import json
import resource
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from conftest import BIN
from onnx import TensorProto, helper, numpy_helper

Run = Callable[..., subprocess.CompletedProcess[str]]
# Colours, C1's CSI, DEL, override and isolate of direction, no width, a separator of lines, a mark.
EVIL = "\x1b[31m\x07\x9b2J\x7f\u202e\u2066\u200b\u2028\ufeff"
NO_UTF8 = "@BAD"  # written as bytes that are none
FORBIDDEN = [*range(0x20), *range(0x7F, 0xA0), 0x200B, 0x2028, 0x202E, 0x2066, 0xFEFF]


def evil(name: str) -> str:
    return name + EVIL + NO_UTF8


def save(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString().replace(b"@BAD", b"\xff\xfe\xc3\x28"))
    return path


def evil_model(path: Path, op: str = "Relu", domain: str = "") -> Path:
    nodes = [
        helper.make_node("Gemm", [evil("x"), evil("w")], [evil("a")], name=evil("first")),
        helper.make_node(op, [evil("a")], [evil("b")], name=evil("second"), domain=domain),
        helper.make_node("Gemm", [evil("b"), evil("w")], [evil("y")], name=evil("third")),
    ]
    weight = numpy_helper.from_array(np.eye(8, dtype=np.float32), evil("w"))
    graph = helper.make_graph(
        nodes,
        evil("graph"),
        [helper.make_tensor_value_info(evil("x"), TensorProto.FLOAT, [evil("N"), 8])],
        [helper.make_tensor_value_info(evil("y"), TensorProto.FLOAT, [evil("N"), 8])],
        [weight],
        doc_string=evil("doc"),
    )
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    model.producer_name, model.producer_version = evil("producer"), evil("1.0")
    model.domain = evil("domain")
    helper.set_model_props(model, {evil("key"): evil("value")})
    return save(model, path)


def run_bytes(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    words = [str(BIN / "taoism"), *map(str, arguments)]
    result = subprocess.run(words, capture_output=True, timeout=300)
    for stream in (result.stdout, result.stderr):
        text = stream.decode()  # is UTF-8
        seen = sorted({ord(c) for c in text if ord(c) in FORBIDDEN and c != "\n"})
        assert not seen, (arguments[0], [hex(c) for c in seen], text)
    return result


def test_nothing_unseen_leaves() -> None:
    """Whatever Unicode has that is not seen, in names of files that are not there."""
    # Format characters that stand before digits and are drawn.
    drawn = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
    kinds = ("Cc", "Cf", "Zl", "Zp")
    points = [p for p in range(1, 0x110000) if unicodedata.category(chr(p)) in kinds]
    points = [p for p in points if p not in drawn] + [0x2800, 0x3164, 0xFFA0, 0xFE0F]
    for first in range(0, len(points), 32):
        name = "".join(f"a{chr(p)}" for p in points[first : first + 32])
        result = subprocess.run([BIN / "taoism", "inspect", name], capture_output=True, check=False)
        assert result.returncode == 2
        text = result.stderr.decode().removesuffix("\n")
        seen = [hex(p) for p in points if chr(p) in text]
        assert "a?" in text and not seen, seen


def test_no_control_character_leaves(tmp_path: Path) -> None:
    model = evil_model(tmp_path / "m.onnx")
    data, package = tmp_path / "x.npy", tmp_path / "m.tao"
    np.save(data, np.ones((2, 8), np.float32))
    verbs: list[list[object]] = [
        ["inspect", model],
        ["inspect", model, "--json"],
        ["plan", model, "-s", "deep:k=1"],
        ["plan", model, "-s", "deep:k=1", "--json"],
        ["run", model, "-s", "full", "-i", data],
        ["run", model, "-s", "deep:k=1", "-i", data, "-o", tmp_path / "y.npy"],
        ["bench", model, "--strategies", "full", "--min-iterations", 1, "--min-seconds", 0],
        ["seal", model, "-s", "full", "-o", package, "--key", tmp_path / "key", "--batch", 1],
        ["plan", package],
        ["run", package, "--key", tmp_path / "key", "-i", data],
    ]
    for arguments in verbs:
        result = run_bytes(*arguments)
        assert result.returncode == 0, (arguments, result.stderr)
        if "--json" in arguments:
            json.loads(result.stdout)


def test_no_name_makes_a_line_of_its_own(tmp_path: Path) -> None:
    """Neither a graph's nor a file's: a line of the program's is the program's."""
    forged = "\ntaoism: FORGED"
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"], name="relu" + forged)],
        "g" + forged,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 8])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.producer_name = "producer" + forged
    path = save(model, tmp_path / f"m{forged}.onnx")
    package, key, owner = (tmp_path / f"m{forged}.{end}" for end in ("tao", "key", "owner"))
    data = tmp_path / f"x{forged}.npy"
    np.save(data, np.ones((2, 8), np.float32))
    bench = ["--min-iterations", 1, "--min-seconds", 0]
    seal = ["-o", package, "--key", key, "--owner", owner, "--batch", 1]
    for arguments in [
        ["inspect", path],
        ["plan", path, "-s", "full"],
        ["run", path, "-s", "full", "-i", data, "-o", tmp_path / f"y{forged}.npy"],
        ["bench", path, "--strategies", "full,none", *bench],
        ["seal", path, "-s", "full", *seal],
        ["verify", package, "--owner", f"{owner}.pub"],
        ["key", key],
        ["plan", package],
        ["run", package, "--key", key, "-i", data],
    ]:
        result = run_bytes(*arguments)
        lines = (result.stdout + result.stderr).decode().splitlines()
        assert not [line for line in lines if line.startswith("taoism: FORGED")], arguments


def test_nor_with_an_error(tmp_path: Path) -> None:
    data = tmp_path / f"x{EVIL}.npy"
    np.save(data, np.ones((2, 7), np.float32))
    good = evil_model(tmp_path / "m.onnx")
    cases: list[list[object]] = [
        ["plan", evil_model(tmp_path / "op.onnx", op=evil("Op")), "-s", "full"],
        ["inspect", evil_model(tmp_path / "op.onnx", op=evil("Op"))],
        ["plan", evil_model(tmp_path / "domain.onnx", domain=evil("org")), "-s", "full"],
        ["run", good, "-s", "full", "-i", data],
        ["run", good, "-s", "full", "-i", f"{EVIL}={data}"],
        ["run", tmp_path / f"{EVIL}.onnx", "-s", "full"],
        ["plan", good, "-s", EVIL],
        [EVIL],
        ["run", data, "-s", "full"],
    ]
    for arguments in cases:
        result = run_bytes(*arguments)
        assert result.returncode in (2, 3), (arguments, result.returncode)
        assert result.stderr.count(b"\n") <= 1


def test_memory_that_cannot_be_had_is_an_error(tmp_path: Path) -> None:
    """400 weights over one sparse file of 256 MiB ask for 100 GB."""
    with (tmp_path / "w.bin").open("wb") as file:
        file.truncate(256 << 20)
    weights = []
    for i in range(400):
        weight = TensorProto(name=f"w{i}", data_type=TensorProto.FLOAT, dims=[1 << 26])
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value="w.bin")
        weights.append(weight)
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        weights,
    )
    path = save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        tmp_path / "m.onnx",
    )
    limit = 3 << 30
    result = subprocess.run(
        [str(BIN / "taoism"), "inspect", str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert result.returncode == 2, (result.returncode, result.stderr)
    assert result.stderr.count("\n") == 1
    assert "bytes of memory" in result.stderr and "tensor 'w" in result.stderr
