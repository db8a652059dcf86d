"""`--device torch:cpu`: ONNX Runtime's answer, and one clear line where there is no such device."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from conftest import BIN, Run, assert_one_line_error

MODULE = BIN / "libtaoism-torch.so"
TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def module() -> Path:
    if not MODULE.exists():
        pytest.fail(f"{MODULE} is not built; run `make torch-device`")
    return MODULE


@pytest.mark.parametrize("strategy", ["none", "shallow", "magnitude"])
def test_answers_as_onnx_runtime(
    strategy: str, ok: Callable[..., str], zoo: Callable[..., Path], tmp_path: Path
) -> None:
    model = zoo("mobilenet_v2", 32, 10)
    x = np.random.default_rng(3).standard_normal((5, 3, 32, 32), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    ok("run", model, "-s", strategy, "--device", "torch:cpu", "--batch", 2,
       "-i", tmp_path / "x.npy", "-o", tmp_path / "y.npy")  # fmt: skip
    got = np.load(tmp_path / "y.npy")
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    want = session.run(None, {session.get_inputs()[0].name: x})[0]
    assert np.abs(got - want).max() <= TOLERANCE * np.ptp(want)


def test_bench_says_which_device(ok: Callable[..., str], small: Path, tmp_path: Path) -> None:
    ok("bench", small, "--device", "torch:cpu", "--device-threads", 1, "--strategies", "none,full",
       "--min-seconds", 0, "--json", tmp_path / "b.json")  # fmt: skip
    runs = json.loads((tmp_path / "b.json").read_text())["runs"]
    assert [run["device"] for run in runs] == ["torch:cpu", "torch:cpu"]
    assert all(run["valid"] and run["device_threads"] == 1 for run in runs)


def test_a_package_runs_on_it(ok: Callable[..., str], small: Path, small_input: Path, tmp_path: Path) -> None:
    ok("seal", small, "-s", "shallow", "-o", tmp_path / "m.tao", "--allow-exposed")
    answers = {}
    for device in ["cpu", "torch:cpu"]:
        ok("run", tmp_path / "m.tao", "--device", device, "-i", small_input, "-o", tmp_path / "y.npy")
        answers[device] = np.load(tmp_path / "y.npy")
    want = answers["cpu"]
    assert np.abs(answers["torch:cpu"] - want).max() <= TOLERANCE * np.ptp(want)


def test_doctor_says_what_there_is(ok: Callable[..., str]) -> None:
    findings = {f["name"]: f for f in json.loads(ok("doctor", "--json"))["findings"]}
    assert findings["torch:cpu"]["available"] and "PyTorch 2." in findings["torch:cpu"]["reason"]
    cuda = findings["torch:cuda"]
    assert cuda["reason"] and (cuda["available"] or cuda["mend"])


@pytest.mark.parametrize("verb", ["run", "plan", "bench"])
def test_no_module_is_one_clear_line(verb: str, run: Run, small: Path, small_input: Path, tmp_path: Path) -> None:
    missing = tmp_path / "no-such-module.so"
    arguments = ["-i", small_input, "-o", tmp_path / "y.npy"] if verb == "run" else []
    strategy = ["--strategies" if verb == "bench" else "-s", "none"]
    result = run(verb, small, *strategy, *arguments, "--device", "torch:cpu",
                 env={**os.environ, "TAOISM_TORCH_DEVICE": str(missing)})  # fmt: skip
    assert_one_line_error(result, 5, "torch device", str(missing), "tools/build torch-device")


def test_no_gpu_is_one_clear_line(run: Run, ok: Callable[..., str], small: Path) -> None:
    findings = {f["name"]: f for f in json.loads(ok("doctor", "--json"))["findings"]}
    if findings["torch:cuda"]["available"]:
        pytest.skip("this machine has a GPU")
    result = run("plan", small, "-s", "none", "--device", "torch:cuda:0")
    assert_one_line_error(result, 5, "torch:cuda:0", findings["torch:cuda"]["reason"], "torch:cpu")
