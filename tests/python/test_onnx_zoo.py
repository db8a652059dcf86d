"""The zoo's files: valid, the same each time, the published counts, and sane outputs."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

NAMES = ["alexnet", "vgg16_bn", "vgg19_bn", "resnet18", "resnet34", "resnet50", "mobilenet_v2"]
# torchvision's parameter counts at 1000 classes.
TORCHVISION = {
    "alexnet": 61_100_840,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "mobilenet_v2": 3_504_872,
}
STATISTICS = ("running_mean", "running_var", "relu6.min", "relu6.max")


def parameters(model) -> int:
    return sum(
        int(np.prod(tensor.dims))
        for tensor in model.graph.initializer
        if not tensor.name.endswith(STATISTICS)
    )


@pytest.mark.parametrize("image", [32, 224])
@pytest.mark.parametrize("name", NAMES)
def test_zoo_model(name: str, image: int, run_cli, tmp_path):
    path = tmp_path / "m.onnx"
    done = run_cli("zoo", name, "-o", path, "--image", image)
    assert done.returncode == 0, done.stderr
    model = onnx.load(path)
    onnx.checker.check_model(model)
    if image == 224:
        assert parameters(model) == TORCHVISION[name]
    x = np.random.default_rng(0).standard_normal((2, 3, image, image), dtype=np.float32)
    session = onnxruntime.InferenceSession(str(path))
    logits = session.run(None, {"input": x})[0]
    assert logits.shape == (2, 1000)
    assert 0.1 < logits.std() < 100


def test_zoo_is_repeatable_and_seeded(run_cli, tmp_path):
    for file, seed in (("a", 1), ("b", 1), ("c", 2)):
        done = run_cli("zoo", "resnet18", "-o", tmp_path / file, "--image", 32, "--seed", seed)
        assert done.returncode == 0, done.stderr
    a, b, c = ((tmp_path / file).read_bytes() for file in "abc")
    assert a == b and a != c


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "mobilenet_v2"])
def test_zoo_model_agrees_with_onnxruntime(name, run_cli, agrees_with_onnxruntime, tmp_path):
    path = tmp_path / "m.onnx"
    assert run_cli("zoo", name, "-o", path, "--image", 32, "--classes", 10).returncode == 0
    x = np.random.default_rng(0).standard_normal((2, 3, 32, 32), dtype=np.float32)
    agrees_with_onnxruntime(path, x)


@pytest.mark.parametrize(
    "arguments", [("resnet9",), ("resnet18", "--image", 64), ("resnet18", "--classes", 0)]
)
def test_zoo_refuses(arguments, run_cli, tmp_path):
    done = run_cli("zoo", *arguments, "-o", tmp_path / "m.onnx")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "m.onnx").exists()
