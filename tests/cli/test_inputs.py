"""`run` takes shape, batch and type from the files that it is given, whatever they are; what it cannot
take is refused with the truth and the flag."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import assert_one_line_error
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

Run = Callable[..., subprocess.CompletedProcess[str]]
Feed = dict[str, np.ndarray]


def node(op: str, inputs: list[str], output: str, **attributes: object) -> onnx.NodeProto:
    return h.make_node(op, inputs, [output], **attributes)


def model(path: Path, nodes: list, inputs: dict, outputs: dict, weights: Feed | None = None, opset: int = 17) -> Path:
    """`inputs`: a shape of float32, or (type, shape)."""

    def info(name: str, given: object) -> onnx.ValueInfoProto:
        return h.make_tensor_value_info(name, *(given if isinstance(given, tuple) else (T.FLOAT, given)))

    graph = h.make_graph(
        nodes,
        "g",
        [info(name, shape) for name, shape in inputs.items()],
        [info(name, shape) for name, shape in outputs.items()],
        [nh.from_array(np.asarray(array), name) for name, array in (weights or {}).items()],
    )
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8), path)
    return path


class Given:
    """The program on one model, fed from files."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.run, self.folder = run, folder

    def __call__(self, path: Path, feed: Feed, *flags: object) -> subprocess.CompletedProcess[str]:
        arguments: list[object] = []
        for name, array in feed.items():
            np.save(self.folder / f"{name}.npy", array)
            arguments += ["--input", f"{name}={self.folder / name}.npy"]
        return self.run("run", path, *arguments, "--output", self.folder / "y.npy", "-s", "none", *flags)

    def answer(self, path: Path, feed: Feed, *flags: object) -> np.ndarray:
        result = self(path, feed, *flags)
        assert result.returncode == 0, result.stderr
        return np.load(self.folder / "y.npy")


@pytest.fixture()
def given(run: Run, tmp_path: Path) -> Given:
    return Given(run, tmp_path)


RELU = [node("Relu", ["x"], "y")]
ONES = np.ones((1, 3), np.float32)


def test_fixed_batch(given: Given, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", RELU, {"x": [1, 3]}, {"y": None})
    assert given.answer(path, {"x": ONES}).tolist() == ONES.tolist()
    # Several times the batch: one inference each.
    rows = np.arange(15, dtype=np.float32).reshape(5, 3) - 7
    assert given.answer(path, {"x": rows}).tolist() == np.maximum(rows, 0).tolist()


def test_open_dimensions(given: Given, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", RELU, {"x": ["N", "M"]}, {"y": None})
    for shape in ((1, 3), (200, 2), (3, 1)):
        x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        assert given.answer(path, {"x": x}).tolist() == np.maximum(x, 0).tolist()


def test_an_input_without_a_shape(given: Given, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", RELU, {"x": None}, {"y": None})
    x = np.ones((2, 1, 3), np.float32)
    assert given.answer(path, {"x": x}).tolist() == x.tolist()


@pytest.mark.parametrize("ids", [np.array([[0, 8, 3]]), np.array([[1, 2, 0], [8, 8, 8]])])
def test_integers(given: Given, tmp_path: Path, ids: np.ndarray) -> None:
    table = np.arange(18, dtype=np.float32).reshape(9, 2)
    path = model(tmp_path / "m.onnx", [node("Gather", ["w", "x"], "y")], {"x": (T.INT64, ["N", 3])}, {"y": None},
                 {"w": table})  # fmt: skip
    assert given.answer(path, {"x": ids}).tolist() == table[ids].tolist()
    wrong = given(path, {"x": ids.astype(np.float32)})
    assert_one_line_error(wrong, 2, "x.npy: float32", "the model's input 'x' is int64 Nx3", "astype('int64')")


@pytest.mark.parametrize(
    ("kind", "array"),
    [
        (T.FLOAT, np.array([[-1.5, 2.5]], np.float32)),
        (T.INT64, np.array([[-(2**62), 3]], np.int64)),
        (T.INT32, np.array([[-(2**31), 2**31 - 1]], np.int32)),
        (T.BOOL, np.array([[True, False]])),
        (T.INT8, np.array([[-128, 127]], np.int8)),
        (T.INT16, np.array([[-(2**15), 2**15 - 1]], np.int16)),
        (T.UINT8, np.array([[0, 255]], np.uint8)),
        (T.UINT16, np.array([[1, 2**16 - 1]], np.uint16)),
        (T.UINT32, np.array([[1, 2**32 - 1]], np.uint32)),
        (T.FLOAT16, np.array([[-65504, 6e-8]], np.float16)),
    ],
)
def test_types_are_the_models(given: Given, tmp_path: Path, kind: int, array: np.ndarray) -> None:
    path = model(tmp_path / "m.onnx", [node("Identity", ["x"], "y")], {"x": (kind, ["N", 2])}, {"y": (kind, None)})
    answer = given.answer(path, {"x": array})
    assert answer.dtype == array.dtype and answer.tolist() == array.tolist()


def test_results_are_of_the_models_types(given: Given, tmp_path: Path) -> None:
    for kind, dtype in [(T.INT8, np.int8), (T.UINT8, np.uint8), (T.INT32, np.int32), (T.UINT32, np.uint32)]:
        path = model(tmp_path / "m.onnx", [node("Add", ["x", "x"], "y")], {"x": (kind, ["N", 2])}, {"y": (kind, None)})
        x = np.array([[np.iinfo(dtype).max, 3]], dtype)
        assert given.answer(path, {"x": x}).tolist() == (x + x).tolist()
    path = model(tmp_path / "m.onnx", [node("Add", ["x", "x"], "y")], {"x": (T.FLOAT16, ["N", 2])}, {"y": (T.FLOAT16, None)})
    assert given.answer(path, {"x": np.array([[40000, 2048 + 2]], np.float16)}).tolist() == [[np.inf, 4100]]


def test_bfloat16(run: Run, tmp_path: Path) -> None:
    """numpy has no format for it: its bits in a `.npy` of two bytes each, as ml_dtypes writes it, or raw."""
    path = model(tmp_path / "m.onnx", [node("Add", ["x", "x"], "y")], {"x": (T.BFLOAT16, ["N", 2])}, {"y": (T.BFLOAT16, None)})
    bits = np.array([[0x3F80, 0xC049]], np.uint16)  # 1 and -3.140625
    np.save(tmp_path / "x.npy", bits.view("V2"))
    bits.tofile(tmp_path / "x.bin")
    for name in ("x.npy", "x.bin"):
        result = run("run", path, "-i", tmp_path / name, "-o", tmp_path / "y.npy", "-s", "none")
        assert result.returncode == 0, result.stderr
        assert np.load(tmp_path / "y.npy").view(np.uint16).tolist() == [[0x4000, 0xC0C9]]
    (tmp_path / "floats").write_bytes(np.array([[1.0, -3.140625]], np.float32).tobytes())
    flags = ("-i", tmp_path / "floats", "--input-type", "float32", "-o", tmp_path / "y.npy", "-s", "none")
    assert_one_line_error(run("run", path, *flags), 2, "float32", "bfloat16", "--convert")
    assert run("run", path, *flags, "--convert").returncode == 0
    assert np.load(tmp_path / "y.npy").view(np.uint16).tolist() == [[0x4000, 0xC0C9]]


@pytest.mark.parametrize("dtype", ["int16", "uint16", "uint32", "uint64", "float16", "float64"])
def test_raw_files_of_any_type(run: Run, tmp_path: Path, dtype: str) -> None:
    path = model(tmp_path / "m.onnx", RELU, {"x": ["N", 3]}, {"y": None})
    np.array([[1, 2, 300]], dtype).tofile(tmp_path / "x.bin")
    raw = ("-i", tmp_path / "x.bin", "-o", tmp_path / "y.npy", "-s", "none", "--input-type", dtype, "--convert")
    result = run("run", path, *raw)
    assert result.returncode == 0, result.stderr
    assert np.load(tmp_path / "y.npy").tolist() == [[1, 2, 300]]


@pytest.mark.parametrize(("kind", "name"), [(T.DOUBLE, "float64"), (T.UINT64, "uint64"), (T.STRING, "string")])
def test_types_that_nothing_computes_with_are_named(given: Given, tmp_path: Path, kind: int, name: str) -> None:
    path = model(tmp_path / "m.onnx", [node("Identity", ["x"], "y")], {"x": (kind, ["N", 2])}, {"y": (kind, None)})
    assert_one_line_error(given(path, {"x": np.ones((1, 2), np.float32)}), 3, "'x'", name)


def test_conversion_is_asked_for_and_exact(given: Given, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", RELU, {"x": ["N", 3]}, {"y": None})
    assert_one_line_error(given(path, {"x": ONES.astype(float)}), 2, "float64", "astype('float32')", "--convert")
    assert given.answer(path, {"x": ONES.astype(float)}, "--convert").tolist() == ONES.tolist()
    assert given.answer(path, {"x": ONES.astype(np.int64)}, "--convert").tolist() == ONES.tolist()
    lossy = np.array([[1, 2, 0.1]])
    assert_one_line_error(given(path, {"x": lossy}, "--convert"), 2, "element [0, 2] is 0.1", "float32")


def test_inputs_with_different_first_dimensions(given: Given, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", [node("Add", ["x", "m"], "y")], {"x": [1, 4], "m": [2, 4]}, {"y": None})
    feed = {"x": np.ones((1, 4), np.float32), "m": np.arange(8, dtype=np.float32).reshape(2, 4)}
    assert given.answer(path, feed).tolist() == (feed["x"] + feed["m"]).tolist()
    path = model(tmp_path / "open.onnx", [node("Add", ["x", "m"], "y")], {"x": ["A", 4], "m": ["B", 4]}, {"y": None})
    assert given.answer(path, feed).tolist() == (feed["x"] + feed["m"]).tolist()
    turned = {"x": feed["m"], "m": feed["x"]}
    assert given.answer(path, turned).tolist() == (feed["x"] + feed["m"]).tolist()
    # A state of [layers, batch, width] beside inputs of [batch, width].
    path = model(
        tmp_path / "state.onnx",
        [node("Add", ["state", "x"], "z"), node("Cast", ["mask"], "f", to=T.FLOAT), node("Mul", ["z", "f"], "y")],
        {"state": [2, "N", 4], "x": ["N", 4], "mask": (T.BOOL, ["N", 1])},
        {"y": None},
    )
    rng = np.random.default_rng(1)
    feed = {
        "state": rng.standard_normal((2, 3, 4)).astype(np.float32),
        "x": rng.standard_normal((3, 4)).astype(np.float32),
        "mask": np.array([[True], [False], [True]]),
    }
    assert given.answer(path, feed).tolist() == ((feed["state"] + feed["x"]) * feed["mask"]).tolist()
    wrong = given(path, {**feed, "x": feed["x"][:2]})
    assert_one_line_error(wrong, 2, "dimension 'N' is 3 in input 'state' (dimension 1) and 2 in input 'x'")


def test_names_that_no_flag_can_hold(run: Run, tmp_path: Path) -> None:
    """With "=", and what no terminal shows: these are written as messages have them."""
    names = {"in=put": "in=put", "in": "in", "b\x1b[m": "b?[m"}
    nodes = [node("Add", ["in=put", "in"], "sum=of=all"), node("Neg", ["b\x1b[m"], "c\u202e")]
    path = model(tmp_path / "m.onnx", nodes, {name: [2] for name in names}, {"sum=of=all": [2], "c\u202e": [2]})
    flags: list[object] = []
    for i, written in enumerate(names.values()):
        np.save(tmp_path / f"{i}.npy", np.full(2, i + 1, np.float32))
        flags += ["-i", f"{written}={tmp_path}/{i}.npy"]
    flags += ["-o", f"sum=of=all={tmp_path}/sum.npy", "-o", f"c?={tmp_path}/c.npy"]
    result = run("run", path, *flags, "-s", "none")
    assert result.returncode == 0, result.stderr
    assert np.load(tmp_path / "sum.npy").tolist() == [3, 3]
    assert np.load(tmp_path / "c.npy").tolist() == [-3, -3]


def test_scalars(given: Given, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", RELU, {"x": []}, {"y": None})
    answer = given.answer(path, {"x": np.float32(1.5)})
    assert answer.shape == () and answer == 1.5
    path = model(tmp_path / "two.onnx", [node("Mul", ["x", "s"], "y")], {"x": ["N", 3], "s": []}, {"y": None})
    assert given.answer(path, {"x": ONES, "s": np.float32(2)}).tolist() == [[2, 2, 2]]


def test_an_empty_input(given: Given, tmp_path: Path) -> None:
    """A cache that begins empty."""
    path = model(tmp_path / "m.onnx", [node("Concat", ["past", "x"], "y", axis=2)],
                 {"past": [1, 8, 0, 4], "x": [1, 8, 3, 4]}, {"y": None})  # fmt: skip
    x = np.ones((1, 8, 3, 4), np.float32)
    assert given.answer(path, {"past": x[:, :, :0], "x": x}).tolist() == x.tolist()
    path = model(tmp_path / "open.onnx", [node("Concat", ["past", "x"], "y", axis=2)],
                 {"past": [1, 8, "P", 4], "x": [1, 8, 3, 4]}, {"y": None})  # fmt: skip
    assert given.answer(path, {"past": x[:, :, :0], "x": x}).tolist() == x.tolist()
    assert given.answer(path, {"past": x[:, :, :2], "x": x}).shape == (1, 8, 5, 4)


def test_raw_files(run: Run, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", RELU, {"x": ["N", 3]}, {"y": None})
    x = np.arange(12, dtype=np.float32).reshape(4, 3) - 5
    x.tofile(tmp_path / "x.bin")
    raw = ("-i", tmp_path / "x.bin", "-o", tmp_path / "y.npy", "-s", "none")
    assert run("run", path, *raw).returncode == 0
    assert np.load(tmp_path / "y.npy").tolist() == np.maximum(x, 0).tolist()
    assert_one_line_error(run("run", path, *raw, "--input-shape", "x=5x3"), 2, "48 bytes are not float32 5x3")
    x.astype(np.int8).tofile(tmp_path / "bytes")
    raw = ("-i", tmp_path / "bytes", "-o", tmp_path / "y.npy", "-s", "none", "--input-type", "int8")
    assert_one_line_error(run("run", path, *raw), 2, "int8 4x3", "--convert")
    assert run("run", path, *raw, "--convert").returncode == 0
    assert np.load(tmp_path / "y.npy").tolist() == np.maximum(x, 0).tolist()
    assert_one_line_error(run("run", path, *raw[:-1], "int9"), 2, "int9", "float32")


def test_archives(run: Run, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", [node("Add", ["a", "b"], "y")], {"a": ["N", 2], "b": [2]}, {"y": None})
    a, b = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([1, 2], np.float32)
    out = ("-o", tmp_path / "y.npy", "-s", "none")
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "all.npz", b=b, a=a, other=np.arange(3))
        for inputs in (["-i", tmp_path / "all.npz"],
                       ["-i", f"a={tmp_path / 'all.npz'}", "-i", f"b={tmp_path / 'all.npz'}"]):  # fmt: skip
            result = run("run", path, *inputs, *out)
            assert result.returncode == 0, result.stderr
            assert np.load(tmp_path / "y.npy").tolist() == (a + b).tolist()
    twice = run("run", path, "-i", tmp_path / "all.npz", "-i", f"a={tmp_path / 'all.npz'}", *out)
    assert_one_line_error(twice, 2, "'a' twice")
    np.savez(tmp_path / "odd.npz", p=a, q=b)
    assert_one_line_error(run("run", path, "-i", tmp_path / "odd.npz", *out), 2, "p, q", "NAME=")
    assert_one_line_error(run("run", path, "-i", f"a={tmp_path / 'odd.npz'}", *out), 2, "odd.npz", "2 arrays")
    # The only array for the only input, whatever it is called.
    path = model(tmp_path / "one.onnx", RELU, {"x": ["N", 2]}, {"y": None})
    np.savez(tmp_path / "one.npz", a - 2)
    assert run("run", path, "-i", tmp_path / "one.npz", *out).returncode == 0
    assert np.load(tmp_path / "y.npy").tolist() == np.maximum(a - 2, 0).tolist()


def ppm(path: Path, pixels: np.ndarray) -> Path:
    height, width, _ = pixels.shape
    path.write_bytes(b"P6 %d %d 255\n" % (width, height) + pixels.tobytes())
    return path


def test_pictures(run: Run, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    picture = ppm(tmp_path / "p.ppm", pixels)
    first, last = pixels.transpose(2, 0, 1)[None], pixels[None]
    grey = (pixels @ np.array([19595, 38470, 7471]) + 0x8000 >> 16)[None, None]
    mean, deviation = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).reshape(2, 1, 3, 1, 1)

    def answer(shape: list, *flags: str) -> np.ndarray:
        path = model(tmp_path / "m.onnx", [node("Identity", ["x"], "y")], {"x": shape}, {"y": None})
        result = run("run", path, "-i", picture, "-o", tmp_path / "y.npy", "-s", "none", *flags)
        assert result.returncode == 0, result.stderr
        assert "7x5 pixels" in result.stdout and "(--pixels)" in result.stdout
        return np.load(tmp_path / "y.npy")

    for shape in (["N", 3, "H", "W"], [1, 3, 5, 7], ["N", "C", "H", "W"], [3, 5, 7]):
        assert np.allclose(answer(shape), first.reshape(-1, *first.shape[-3:])[: 4 - len(shape) or None] / 255)
    assert np.allclose(answer([1, 5, 7, 3]), last / 255)
    assert np.allclose(answer(["N", 1, "H", "W"], "--pixels", "0..255"), grey)
    assert np.allclose(answer(["N", 3, 5, 7], "--pixels", "-1..1"), first / 127.5 - 1, atol=1e-6)
    assert np.allclose(answer(["N", 3, 5, 7], "--pixels", "bgr,0..255"), first[:, ::-1])
    assert np.allclose(answer(["N", 3, 5, 7], "--pixels", "imagenet"), (first / 255 - mean) / deviation, atol=1e-6)
    path = model(tmp_path / "m.onnx", RELU, {"x": [1, 3, 224, 224]}, {"y": None})
    assert_one_line_error(run("run", path, "-i", picture), 2, "7x5 pixels", "1x3x224x224", "resize the picture")
    assert_one_line_error(run("run", path, "-i", picture, "--pixels", "0..2"), 2, "--pixels", "0..2", "imagenet")
    path = model(tmp_path / "m.onnx", RELU, {"x": ["N", 10]}, {"y": None})
    assert_one_line_error(run("run", path, "-i", picture), 2, "no picture")
    path.with_suffix(".png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    assert_one_line_error(run("run", path, "-i", path.with_suffix(".png")), 2, "damaged PNG")


def test_what_is_no_tensor(given: Given, run: Run, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", RELU, {"x": ["N", 3]}, {"y": None})
    (tmp_path / "x.txt").write_text("1 2 3")
    assert_one_line_error(run("run", path, "-i", tmp_path / "x.txt"), 2, "x.txt", ".npz", "--input-type")


def chain(path: Path, count: int) -> Path:
    nodes = [node("Add", [f"t{i}" if i else "x", "w"], f"t{i + 1}") for i in range(count)]
    return model(path, nodes, {"x": ["N", 4]}, {f"t{count}": None}, {"w": np.ones(4, np.float32)})


def test_a_long_model(run: Run, tmp_path: Path) -> None:
    """What a TEE cannot take is the plan's to know, before anything starts."""
    path = chain(tmp_path / "m.onnx", 32000)
    np.save(tmp_path / "x.npy", np.zeros((1, 4), np.float32))
    result = run("run", path, "-i", tmp_path / "x.npy", "-o", tmp_path / "y.npy", "-s", "full")
    assert result.returncode == 0, result.stderr
    assert np.load(tmp_path / "y.npy").tolist() == [[32000] * 4]
    path = chain(tmp_path / "longer.onnx", 150000)
    for verb in (("plan", path), ("run", path, "-i", tmp_path / "x.npy")):
        assert_one_line_error(run(*verb, "-s", "full"), 3, "150000 nodes", "16 MiB", "--strategy")


def test_limits_are_said_where_they_are_met(given: Given, run: Run, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", [node("MatMul", ["x", "w"], "y")], {"x": ["N", 3]}, {"y": None},
                 {"w": np.ones((3, 2), np.float32)})  # fmt: skip
    batches = ",".join(map(str, range(1, 71)))
    assert_one_line_error(run("seal", path, "-o", tmp_path / "m.tao", "--batch", batches), 2, "70 batch sizes", "64")
    assert not (tmp_path / "m.tao").exists() and not (tmp_path / "m.key").exists()
    deep = np.ones([1] * 9, np.float32)
    assert_one_line_error(given(path, {"x": deep}), 2, "more than 8 dimensions")
    path = model(tmp_path / "deep.onnx", RELU, {"x": [1] * 9}, {"y": None})
    for verb in ("inspect", "plan"):
        assert_one_line_error(run(verb, path), 3, "9 dimensions, at most 8")
    # Not a limit: what many inputs are joined from.
    wide = model(tmp_path / "wide.onnx", [node("Concat", ["x"] * 600, "y", axis=1)], {"x": ["N", 3]}, {"y": None})
    assert given.answer(wide, {"x": ONES}).tolist() == [[1.0] * 1800]


def test_a_shape_beside_a_file_that_says_another(given: Given, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", RELU, {"x": ["N", 3]}, {"y": None})
    assert_one_line_error(given(path, {"x": ONES}, "--input-shape", "x=2x3"), 2, "1x3", "--input-shape says 2x3")
    assert given.answer(path, {"x": ONES}, "--input-shape", "x=Nx3").shape == (1, 3)


def test_what_has_no_file_is_named(run: Run, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", [node("Add", ["a", "b"], "y")], {"a": [1], "b": [1]}, {"y": None})
    np.save(tmp_path / "x.npy", np.ones(1, np.float32))
    assert_one_line_error(run("run", path, "-i", f"a={tmp_path / 'x.npy'}"), 2, "'b'", "--input b=x.npy")
    assert_one_line_error(run("run", path, "-i", tmp_path / "x.npy"), 2, "NAME=", "a, b")
    assert_one_line_error(run("run", path), 2, "--input a=x.npy")


def test_a_sequence_is_refused_as_one(given: Given, tmp_path: Path) -> None:
    graph = h.make_graph(
        [node("SequenceAt", ["s", "i"], "y")],
        "g",
        [h.make_tensor_sequence_value_info("s", T.FLOAT, None)],
        [h.make_tensor_value_info("y", T.FLOAT, None)],
        [nh.from_array(np.array(0), "i")],
    )
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    for result in (given(tmp_path / "m.onnx", {"s": ONES}), given.run("plan", tmp_path / "m.onnx")):
        assert_one_line_error(result, 3, "'s'", "a sequence")


OPEN = {"x": ["N", 3, "H", "W"]}


def test_shapes_from_files_in_every_verb(run: Run, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", RELU, OPEN, {"y": None})
    np.save(tmp_path / "x.npy", np.ones((2, 3, 5, 4), np.float32))
    for verb in ("plan", "bench"):
        open_still = run(verb, path)
        assert_one_line_error(open_still, 2, "'x' is Nx3xHxW, whose dimensions 2 and 3 are open", "--input x.npy",
                              "--input-shape x=Nx3xHxW")  # fmt: skip
    quick = ("--strategies", "none", "--min-iterations", 1, "--min-seconds", 0)
    for flags in (["--input", tmp_path / "x.npy"], ["--input-shape", "x=2x3x5x4"],
                  ["--input-shape", "x=Nx3x5x4", "--batch", 2]):  # fmt: skip
        for verb, more in (("plan", ()), ("inspect", ()), ("bench", quick)):
            result = run(verb, path, *flags, *more)
            assert result.returncode == 0, result.stderr
        assert "float32 2x3x5x4" in run("inspect", path, *flags).stdout
        done = run("bench", path, *flags, *quick, "--json", tmp_path / "b.json")
        assert done.returncode == 0
        assert json.loads((tmp_path / "b.json").read_text())["runs"][0]["batch"] == 2
    both = run("plan", path, "--input", tmp_path / "x.npy", "--batch", 8)
    assert_one_line_error(both, 2, "2x3x5x4", "the batch as 8", "give one of them")


def test_inspect_lists_the_operators_of_an_open_model(run: Run, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", [node("Relu", ["x"], "a"), node("Relu", ["a"], "y")], OPEN, {"y": None})
    result = run("inspect", path)
    assert result.returncode == 0, result.stderr
    assert "Relu" in result.stdout and "2" in result.stdout
    assert "dimensions 2 and 3 are open" in result.stdout and "--input-shape x=Nx3xHxW" in result.stdout
    listed = json.loads(run("inspect", path, "--json").stdout)
    assert listed["operators"] == {"Relu": {"count": 2}} and listed["unsupported"] == []
    path = model(tmp_path / "n.onnx", [node("Relu", ["x"], "a"), node("Det", ["a"], "y")], OPEN, {"y": None})
    result = run("inspect", path)
    assert result.returncode == 3 and "unsupported" in result.stdout and "Det" in result.stdout
    assert json.loads(run("inspect", path, "--json").stdout)["unsupported"][0]["op"] == "Det"


def test_a_fixed_batch_needs_no_flag_in_any_verb(run: Run, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", [node("MatMul", ["x", "w"], "y")], {"x": [4, 3]}, {"y": None},
                 {"w": np.ones((3, 2), np.float32)})  # fmt: skip
    np.save(tmp_path / "x.npy", np.ones((4, 3), np.float32))
    for args in (
        ("run", path, "-i", tmp_path / "x.npy"),
        ("plan", path),
        ("inspect", path),
        ("bench", path, "--strategies", "none,full", "--min-iterations", 1, "--min-seconds", 0),
        ("seal", path, "--allow-exposed", "-o", tmp_path / "m.tao"),
        ("run", tmp_path / "m.tao", "-i", tmp_path / "x.npy"),
        ("plan", tmp_path / "m.tao"),
        ("bench", tmp_path / "m.tao", "--min-iterations", 1, "--min-seconds", 0),
    ):
        result = run(*args)
        assert result.returncode == 0, (args, result.stderr)
    assert_one_line_error(run("plan", path, "--batch", 3), 2, "fixed batch of 4")


def test_a_reader_that_goes_away_is_no_error(program: Path, small: Path, tmp_path: Path) -> None:
    """`taoism VERB | head -1`."""
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 32, 32), np.float32))
    for args in (
        ("plan", small), ("plan", small, "--json"), ("plan", small, "--sweep"), ("inspect", small),
        ("inspect", small, "--json"), ("doctor",), ("doctor", "--json"), ("--help",), ("plan", "--help"),
        ("run", small, "-s", "none", "-i", tmp_path / "x.npy"),
        ("bench", small, "--strategies", "none", "--min-iterations", "1", "--min-seconds", "0"),
    ):  # fmt: skip
        process = subprocess.Popen([program, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()  # before anything is printed
        errors = process.stderr.read()
        assert process.wait() == 0, (args, errors)
        assert "error" not in errors, (args, errors)
