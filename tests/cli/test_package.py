"""Packages: sealed by an owner, run by anybody who has the key file, the same answers to the bit."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import STRATEGIES, assert_one_line_error
from onnx import TensorProto, helper, numpy_helper

Ok = Callable[..., str]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture()
def images(tmp_path: Path) -> Path:
    """Eleven rows: a batch of 8 and three of 1."""
    path = tmp_path / "x.npy"
    np.save(path, np.random.default_rng(5).standard_normal((11, 3, 32, 32), dtype=np.float32))
    return path


@pytest.fixture()
def sealed(ok: Ok, small: Path, tmp_path: Path) -> Path:
    path = tmp_path / "m.tao"
    ok("seal", small, "-s", "deep:k=2", "-o", path, "--batch", "1,8")
    return path


def answer(ok: Ok, model: Path, images: Path, *flags: object) -> np.ndarray:
    output = images.parent / "y.npy"
    ok("run", model, "-i", images, "-o", output, *flags)
    return np.load(output)


@pytest.mark.parametrize("strategy", [s for s in STRATEGIES if s != "none"])
def test_same_bits_as_the_model(
    ok: Ok, small: Path, images: Path, tmp_path: Path, strategy: str
) -> None:
    package = tmp_path / "m.tao"
    plan = tmp_path / "plan.json"  # one plan, whose secrets are drawn once
    ok("plan", small, "-s", strategy, "-o", plan)
    ok("seal", small, "--plan", plan, "-o", package, "--batch", "1,8", "--allow-exposed")
    want = answer(ok, small, images, "--plan", plan, "--batch", "8")
    for tee in ("process", "inline"):
        assert answer(ok, package, images, "--tee", tee).tobytes() == want.tobytes(), tee
    assert answer(ok, package, images, "--tee-memory", "3MiB").tobytes() == want.tobytes()


def test_label(ok: Ok, small: Path, images: Path, tmp_path: Path) -> None:
    package = tmp_path / "m.tao"
    ok("seal", small, "-s", "full", "--answer", "label", "-o", package)
    want = answer(ok, small, images, "-s", "full").argmax(axis=1)
    got = answer(ok, package, images)
    assert got.dtype == np.int64
    assert got.tolist() == want.tolist()


def test_a_machine_without_the_widest_kernels(
    ok: Ok, small: Path, images: Path, tmp_path: Path
) -> None:
    package = tmp_path / "m.tao"
    ok("seal", small, "-o", package, "--target", "portable", "--batch", "1")
    want = answer(ok, small, images, "-s", "full")
    np.testing.assert_allclose(
        answer(ok, package, images), want, rtol=1e-4, atol=1e-4 * np.abs(want).max()
    )


def test_plan_shows_what_is_public_and_with_the_key_the_plan(
    ok: Ok, small: Path, sealed: Path, tmp_path: Path
) -> None:
    shown = ok("plan", sealed)
    assert "package of resnet18, version 1, for batches of 1, 8" in shown
    assert "device sees" in shown
    assert "linear block" not in shown
    report = json.loads(ok("plan", sealed, "--json", "--batch", "8"))
    assert report["strategy"] == "deep:k=2"
    assert report["package"]["batches"] == [1, 8]
    assert report["package"]["batch"] == 8
    warnings = [line.removeprefix("warning: ") for line in shown.splitlines() if "warning: " in line]
    assert warnings == report["warnings"] and max(map(len, warnings)) > 200
    ok("plan", sealed, "--key", sealed.with_suffix(".key"), "-o", tmp_path / "plan.json")
    again = json.loads(ok("plan", small, "--plan", tmp_path / "plan.json", "--json"))
    assert again["tee_macs_share"] == report["tee_macs_share"]


def test_a_batch_that_it_was_not_sealed_for_has_no_plan(run: Run, sealed: Path) -> None:
    for batch in (2, 9):
        result = run("plan", sealed, "--batch", batch)
        assert_one_line_error(result, 2, "--batch: ", "for batches of 1, 8, not")


def test_bench(ok: Ok, small: Path, sealed: Path, tmp_path: Path) -> None:
    flags = [
        "--batch",
        "1,8",
        "--min-iterations",
        "2",
        "--min-seconds",
        "0",
        "--json",
        tmp_path / "b.json",
    ]
    ok("bench", sealed, *flags)
    runs = json.loads((tmp_path / "b.json").read_text())["runs"]
    assert [r["batch"] for r in runs] == [1, 8]
    assert all(r["max_abs_error"] is None and r["strategy"] == "deep" and r["valid"] for r in runs)
    ok("bench", small, sealed, "--strategies", "deep:k=2", "--reference", small, *flags)
    runs = json.loads((tmp_path / "b.json").read_text())["runs"]
    assert [r["model"] for r in runs] == [small.name, small.name, "m.tao", "m.tao"]
    model, package = runs[0], runs[2]
    for field in ("max_abs_error", "parameters", "crossings", "bytes_to_tee"):
        assert model[field] == package[field], field
    assert package["max_abs_error"] < 1e-4


def test_an_older_version_is_retired(
    ok: Ok, run: Run, small: Path, images: Path, tmp_path: Path
) -> None:
    old, new, key = tmp_path / "old.tao", tmp_path / "new.tao", tmp_path / "owner.key"
    ok("seal", small, "-o", old, "--key", key, "--batch", "1")
    answer(ok, old, images, "--key", key)
    ok("seal", small, "-o", new, "--key", key, "--batch", "1", "--version", "2", "--retire-older")
    answer(ok, new, images, "--key", key)
    refused = run("run", old, "-i", images, "-o", tmp_path / "z.npy", "--key", key)
    assert_one_line_error(refused, 4, "older than its key accepts")
    assert not (tmp_path / "z.npy").exists()
    assert_one_line_error(
        run("seal", small, "-o", tmp_path / "x.tao", "--key", key, "--version", "1"),
        2,
        "give --version 3",
    )
    assert not (tmp_path / "x.tao").exists()


def test_wrong_use(
    ok: Ok, run: Run, small: Path, sealed: Path, images: Path, tmp_path: Path
) -> None:
    key = sealed.with_suffix(".key")
    output = tmp_path / "z.npy"

    def refused(code: int, text: str, *args: object) -> None:
        assert_one_line_error(run("run", sealed, "-i", images, "-o", output, *args), code, text)
        assert not output.exists()

    refused(2, "--strategy: a package runs under the plan", "-s", "full")
    refused(2, "none.key", "--key", tmp_path / "none.key")
    refused(2, "--input-shape", "--input-shape", "input=1x3x32x32")
    assert_one_line_error(run("inspect", sealed), 2, "taoism plan")
    key.chmod(0o644)
    refused(2, "chmod 600")
    key.chmod(0o600)
    secret = key.read_bytes()
    key.write_bytes(b"taoism key 2\nnothing\n")
    refused(2, "not a key file")
    ok("seal", small, "-o", tmp_path / "other.tao", "--batch", "1")
    key.write_bytes((tmp_path / "other.key").read_bytes())
    refused(4, "not authentic")
    key.write_bytes(secret)
    whole = sealed.read_bytes()
    sealed.write_bytes(whole[:-1])
    refused(4, "copy it anew")
    sealed.write_bytes(whole[:-200] + bytes([whole[-200] ^ 1]) + whole[-199:])
    refused(4, "not what was sealed")
    sealed.write_bytes(whole)
    answer(ok, sealed, images)

    assert_one_line_error(
        run("seal", small, "-s", "none", "-o", tmp_path / "n.tao"), 2, "nothing to seal"
    )
    assert_one_line_error(
        run("seal", small, "-o", tmp_path / "n.tao", "--target", "neon"), 2, "no such target"
    )
    assert not (tmp_path / "n.tao").exists()
    assert not (tmp_path / "n.key").exists()


def test_rows_that_no_sealed_batch_makes_up(
    ok: Ok, run: Run, small: Path, images: Path, tmp_path: Path
) -> None:
    package = tmp_path / "m.tao"
    ok("seal", small, "-o", package, "--batch", "4")
    assert_one_line_error(
        run("run", package, "-i", images, "-o", tmp_path / "z.npy"), 2, "batches of 4"
    )


def test_a_batch_beyond_the_first_dimension_is_sealed_for_one(
    ok: Ok, run: Run, tmp_path: Path
) -> None:
    """A state of [2, batch, 4]: a package says one shape of it."""
    model, package = tmp_path / "m.onnx", tmp_path / "m.tao"
    weight = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    shapes = {"x": ["B", 4], "state": [2, "B", 4], "y": [2, "B", 4]}
    values = {n: helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["t"]),
        helper.make_node("Add", ["t", "state"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [values["x"], values["state"]], [values["y"]], [weight])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), model)
    refused = run("seal", model, "-s", "full", "-o", package, "--allow-exposed")
    assert_one_line_error(refused, 3, "input 'state' has the batch in dimension 1", "--batch 8")
    assert not package.exists()
    ok("seal", model, "-s", "full", "-o", package, "--allow-exposed", "--batch", "8")
    np.save(tmp_path / "x.npy", np.ones((8, 4), np.float32))
    np.save(tmp_path / "s.npy", np.ones((2, 8, 4), np.float32))
    inputs = ["-i", f"x={tmp_path / 'x.npy'}", "-i", f"state={tmp_path / 's.npy'}"]
    ok("run", package, *inputs, "-o", tmp_path / "y.npy")
    assert (np.load(tmp_path / "y.npy") == 5).all()
