"""Bad input ends in one line, the right exit code, nothing written and no process left."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import BIN, assert_one_line_error
from onnx import TensorProto, helper, numpy_helper

Run = Callable[..., subprocess.CompletedProcess[str]]


def make_model(path: Path, nodes: list, weights: list, **kwargs: object) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path), **kwargs)
    return path


def weight(name: str, array: np.ndarray) -> TensorProto:
    return numpy_helper.from_array(array.astype(np.float32), name)


@pytest.fixture()
def linear(tmp_path: Path) -> Path:
    """y = x w, with 4 inputs and 3 outputs."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")
    return make_model(tmp_path / "linear.onnx", [node], [weight("w", np.arange(12).reshape(4, 3))])


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    """Where nothing may appear."""
    path = tmp_path / "out"
    path.mkdir()
    return path


def save(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


X = np.ones((2, 4), np.float32)


def test_damaged_onnx(run: Run, linear: Path, folder: Path, tmp_path: Path) -> None:
    good = linear.read_bytes()
    x = save(tmp_path / "x.npy", X)
    random.seed(1)
    bad = {
        "empty": b"",
        "truncated": good[: len(good) // 2],
        "random": random.randbytes(4096),
        "text": b"not a model\n" * 10,
    }
    for name, data in bad.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(data)
        for verb in ("inspect", "plan", "run", "bench"):
            extra = ["-i", x, "-o", folder / "y.npy"] if verb == "run" else []
            assert_one_line_error(run(verb, path, *extra), 2, f"{name}.onnx")
    assert not list(folder.iterdir())


def test_index_out_of_range(run: Run, folder: Path, tmp_path: Path) -> None:
    """Ends the run with one line, wherever the node is; of what is inside no more is told than that."""
    table = weight("table", np.arange(12).reshape(4, 3))
    node = helper.make_node("Gather", ["table", "x"], ["y"], name="embed")
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.INT64, ["N"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        [table],
    )
    path = tmp_path / "gather.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    good = save(tmp_path / "good.npy", np.array([0, 3, -4, -1]))
    bad = save(tmp_path / "bad.npy", np.array([0, 3, -5, 4]))
    for strategy, says in {
        "none": "Gather 'embed': index -5 is not in [-4, 3]",
        "full": "an index is out of range of what it indexes: check the model's input (one of Gather 'embed')",
    }.items():
        output = folder / f"{strategy}.npy"
        result = run("run", path, "--strategy", strategy, "-i", good, "-o", output)
        assert result.returncode == 0, result.stderr
        assert np.load(output)[:, 0].tolist() == [0, 9, 0, 9]
        output.unlink()
        assert_one_line_error(
            run("run", path, "--strategy", strategy, "-i", bad, "-o", output), 2, says
        )
    assert not list(folder.iterdir())


def test_no_such_file(run: Run, folder: Path) -> None:
    for verb in ("inspect", "plan", "bench"):
        assert_one_line_error(run(verb, folder / "none.onnx"), 2, "none.onnx")
    assert_one_line_error(run("inspect", folder), 2)


def test_cyclic_graph(run: Run, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="second"),
        helper.make_node("MatMul", ["b", "w"], ["y"], name="third"),
    ]
    model = make_model(tmp_path / "cycle.onnx", nodes, [weight("w", np.ones((4, 3)))])
    assert_one_line_error(run("inspect", model), 2)


def test_missing_external_data(run: Run, tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")
    model = make_model(
        tmp_path / "external.onnx", [node], [weight("w", np.ones((4, 3)))],
        save_as_external_data=True, location="weights.bin", size_threshold=0,
    )  # fmt: skip
    assert run("inspect", model).returncode == 0
    (tmp_path / "weights.bin").unlink()
    assert_one_line_error(run("inspect", model), 2, "weights.bin")


def test_unsupported_operators_are_listed_at_once(run: Run, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Bernoulli", ["x"], ["s"], name="coin"),
        helper.make_node("Det", ["s"], ["d"], name="det"),
        helper.make_node("MatMul", ["d", "w"], ["y"], name="mm"),
    ]
    model = make_model(tmp_path / "odd.onnx", nodes, [weight("w", np.ones((4, 3)))])
    listed = run("inspect", model)
    assert listed.returncode == 3
    assert "coin" in listed.stdout and "det" in listed.stdout
    found = json.loads(run("inspect", model, "--json").stdout)["unsupported"]
    assert {item["node"] for item in found} >= {"coin", "det"}
    assert_one_line_error(run("plan", model), 3, "Bernoulli")


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.ones((2, 5), np.float32), "Nx4"),
        (np.ones((4,), np.float32), "Nx4"),
        (np.ones((0, 4), np.float32), "no rows"),
        (np.ones((2, 4), np.float64), "astype('float32')"),
        (np.ones((2, 4), np.int64), "astype('float32')"),
        (np.ones((2, 4), np.float16), "astype('float32')"),
        (np.asfortranarray(np.ones((2, 4), np.float32)), "ascontiguousarray"),
        (np.ones((2, 4), ">f4"), "big-endian"),
    ],
)
def test_wrong_input(run: Run, linear: Path, folder: Path, tmp_path: Path, array: np.ndarray, says: str) -> None:
    x = save(tmp_path / "x.npy", array)
    assert_one_line_error(run("run", linear, "-i", x, "-o", folder / "y.npy"), 2, says)
    assert not list(folder.iterdir())


def test_damaged_npy(run: Run, linear: Path, folder: Path, tmp_path: Path) -> None:
    good = save(tmp_path / "x.npy", X).read_bytes()
    bad = tmp_path / "bad.npy"
    for data in (b"", good[:20], good[:-1], good + b"x", b"\0" * 64, b"\x1f\x8b" + b"\0" * 64):
        bad.write_bytes(data)
        assert_one_line_error(run("run", linear, "-i", bad, "-o", folder / "y.npy"), 2, "bad.npy")
    assert not list(folder.iterdir())


def test_inputs_and_outputs_by_name(run: Run, linear: Path, tmp_path: Path) -> None:
    x = save(tmp_path / "x.npy", X)
    assert run("run", linear, "-i", f"x={x}", "-o", f"y={tmp_path / 'y.npy'}").returncode == 0
    assert np.load(tmp_path / "y.npy").tolist() == (X @ np.arange(12).reshape(4, 3)).tolist()
    assert_one_line_error(run("run", linear, "-i", x, "-i", x), 2, "twice")
    assert_one_line_error(run("run", linear, "-i", tmp_path / "none.npy"), 2, "none.npy")


def test_labels_of_another_length(run: Run, linear: Path, tmp_path: Path) -> None:
    x = save(tmp_path / "x.npy", X)
    for labels, says in ((np.zeros(3, np.int64), "3 labels"), (np.zeros((2, 2), np.int64), "labels of shape"),
                         (np.zeros(2, np.float32), "int64")):  # fmt: skip
        assert_one_line_error(run("run", linear, "-i", x, "--labels", save(tmp_path / "l.npy", labels)), 2, says)
    right = save(tmp_path / "l.npy", np.array([2, 0]))
    assert "accuracy 50.00 % (1 of 2)" in run("run", linear, "-i", x, "--labels", right).stdout


def test_nan_weights_are_accepted_and_reported(run: Run, tmp_path: Path) -> None:
    values = np.ones((4, 3))
    values[1, 2] = np.nan
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")
    model = make_model(tmp_path / "nan.onnx", [node], [weight("w", values)])
    x = save(tmp_path / "x.npy", X)
    for args in (("inspect", model), ("run", model, "-i", x, "-o", tmp_path / "y.npy")):
        result = run(*args)
        assert result.returncode == 0
        assert "taoism: warning: " in result.stderr and "NaN" in result.stderr
    assert np.isnan(np.load(tmp_path / "y.npy")).tolist() == [[False, False, True]] * 2


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["-s", "depe"], 2, "deep"),
        (["-s", ""], 2, ""),
        (["-s", "deep:"], 2, ""),
        (["-s", "deep:x=1"], 2, "k"),
        (["-s", "deep:k=1,k=2"], 2, "k"),
        (["-s", "deep:k=99"], 2, "k"),
        (["-s", "deep:k=-1"], 2, "k"),
        (["-s", "deep:k=many"], 2, "k"),
        (["-s", "magnitude:p=1.5"], 2, "p"),
        (["-s", "intermediate:theta=nan"], 2, "theta"),
        (["-s", "teeslice"], 3, "not yet available"),
        (["--tee", "sgx"], 3, "not yet available"),
        (["--tee", "box"], 2, "process"),
        (["--device", "torch:cuda:"], 2, "torch:cuda:0"),
        (["--device", "torch:cuda:x"], 2, "torch:cuda:0"),
        (["--device", "torch:tpu"], 2, "torch:cpu"),
        (["--device", "abacus"], 2, "cpu"),
        (["--tee-memory", "lots"], 2, "64MiB"),
        (["--tee-memory", "0"], 2, "64MiB"),
        (["--tee-threads", "100000"], 2, "threads"),
        (["--tee-threads", "-1"], 2, ""),
        (["--batch", "0"], 2, "batch"),
        (["--strategy", "deep", "--plan", "p.json"], 2, ""),
        (["--plan", "/no/such/plan.json"], 2, "plan.json"),
        (["--input-shape", "x=1x-1"], 2, "input-shape"),
        (["--surprise"], 2, "surprise"),
    ],
)
def test_bad_flags(run: Run, linear: Path, folder: Path, tmp_path: Path, flags: list[str], code: int, says: str) -> None:
    x = save(tmp_path / "x.npy", X)
    assert_one_line_error(run("plan", linear, "-o", folder / "p.json", *flags), code, says)
    assert_one_line_error(run("run", linear, "-i", x, "-o", folder / "y.npy", *flags), code, says)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("words", [[], ["surprise"], ["plan"], ["run"], ["bench"], ["zoo"], ["bench", "compare"]])
def test_bad_words(run: Run, words: list[str]) -> None:
    assert_one_line_error(run(*words), 2)


def test_bench_flags(run: Run, linear: Path, folder: Path) -> None:
    for flags in (["--strategies", "none,,full"], ["--strategies", "depe"], ["--batch", "1,x"], ["--batch", "0"],
                  ["--min-iterations", "0"], ["--min-seconds", "-1"], ["--plan", "/no/such"]):  # fmt: skip
        assert_one_line_error(run("bench", linear, "--json", folder / "b.json", *flags), 2)
    assert not list(folder.iterdir())


def test_plan_for_another_model(run: Run, linear: Path, folder: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    assert run("plan", linear, "-o", plan).returncode == 0
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")
    other = make_model(tmp_path / "other.onnx", [node], [weight("w", np.ones((4, 3)))])
    x = save(tmp_path / "x.npy", X)
    result = run("run", other, "--plan", plan, "-i", x, "-o", folder / "y.npy")
    assert_one_line_error(result, 2, "plan.json", "another model")
    text = plan.read_text()
    for old, new in (('"schema": 1', '"schema": 2'), ('"tee"', '"tea"'), ('"mm"', '"nn"'), ("{", "["), ("}", "")):
        plan.write_text(text.replace(old, new))
        assert_one_line_error(run("plan", linear, "--plan", plan, "-o", folder / "p.json"), 2, "plan.json")
    assert not list(folder.iterdir())


def test_budget_too_small_names_one_that_would_do(run: Run, small: Path, small_input: Path, folder: Path) -> None:
    args = ("run", small, "-s", "full", "-i", small_input, "-o", folder / "y.npy")
    result = run(*args, "--tee-memory", "64KiB")
    assert_one_line_error(result, 2, "--tee-memory")
    assert not list(folder.iterdir())
    mend = result.stderr.split("give --tee-memory ")[1].split()[0].rstrip(",;.")
    assert run(*args, "--tee-memory", mend).returncode == 0


def test_worker_missing(run: Run, linear: Path, folder: Path, tmp_path: Path) -> None:
    x = save(tmp_path / "x.npy", X)
    args = ("run", linear, "-s", "full", "-i", x, "-o", folder / "y.npy")
    assert_one_line_error(run(*args, "--worker", tmp_path / "none"), 5, "none")
    # As installed without it.
    alone = tmp_path / "bin"
    alone.mkdir()
    shutil.copy2(BIN / "taoism", alone / "taoism")
    result = subprocess.run([alone / "taoism", *map(str, args)], capture_output=True, text=True, timeout=60)
    assert_one_line_error(result, 5, "taoism-enclave")
    # Something that is no worker.
    assert_one_line_error(run(*args, "--worker", "/bin/true"), 5)
    assert not list(folder.iterdir())


def test_output_that_cannot_be_written(run: Run, linear: Path, folder: Path, tmp_path: Path) -> None:
    x = save(tmp_path / "x.npy", X)
    bench = ("bench", linear, "--strategies", "none", "--min-iterations", 1, "--min-seconds", 0)
    for args in (
        ("run", linear, "-i", x, "-o"),
        ("plan", linear, "-o"),
        ("zoo", "mobilenet_v2", "--image", 32, "-o"),
        *((*bench, flag) for flag in ("--json", "--jsonl", "--csv", "--md")),
    ):
        for path in ("/dev/full", folder / "no" / "such", folder):
            assert_one_line_error(run(*args, path), 2, str(path))
    with Path("/dev/full").open("w") as full:
        for words in (["plan", linear], ["--help"], ["plan", "--help"], ["--version"]):
            result = subprocess.run([BIN / "taoism", *words], stdout=full, stderr=subprocess.PIPE, text=True)
            assert_one_line_error(result, 2, "standard output")
    assert not list(folder.iterdir())


def test_full_disk(folder: Path, tmp_path: Path) -> None:
    """A file system of 64 KiB: the output does not fit, and nothing of it stays."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")
    model = make_model(tmp_path / "wide.onnx", [node], [weight("w", np.ones((4, 3)))])
    x = save(tmp_path / "x.npy", np.ones((16000, 4), np.float32))
    script = f"mount -t tmpfs -o size=64k none {folder} && {BIN}/taoism run {model} -s none -i {x} " \
             f"-o {folder}/y.npy --batch 16000; code=$?; ls -A {folder}; exit $code"  # fmt: skip
    result = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, timeout=60)
    if "unshare" in result.stderr or "mount" in result.stderr:
        pytest.skip("no mount namespaces here: " + result.stderr.strip())
    assert_one_line_error(result, 2, "y.npy", "space")
    assert result.stdout == ""


def test_file_size_limit(linear: Path, folder: Path, tmp_path: Path) -> None:
    x = save(tmp_path / "x.npy", np.ones((4000, 4), np.float32))
    script = f"ulimit -f 8; exec {BIN}/taoism run {linear} -s none -i {x} -o {folder}/y.npy"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert_one_line_error(result, 2, "y.npy")
    assert not list(folder.iterdir())


def test_names_cannot_break_the_line(run: Run, tmp_path: Path) -> None:
    assert_one_line_error(run("inspect", tmp_path / "a\nb\x1b[31m.onnx"), 2)
