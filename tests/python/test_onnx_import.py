"""Models as PyTorch's two exporters write them, with a dynamic batch, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
onnx = pytest.importorskip("onnx")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1):
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class Residual(nn.Module):
    def __init__(self, channels: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            *conv_bn(channels, 2 * channels, stride=stride),
            nn.ReLU(),
            *conv_bn(2 * channels, 2 * channels),
        )
        self.shortcut = nn.Sequential(*conv_bn(channels, 2 * channels, 1, stride))

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)

    def forward(self, x):
        gate = F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))
        return x * F.hardsigmoid(self.up(gate))


class Views(nn.Module):
    """Shapes computed from the input's."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(192, 10)

    def forward(self, x):
        n, c, h, w = x.shape
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        x = F.avg_pool2d(x, 2).view(n, c, h * w).permute(0, 2, 1)
        x = x.reshape(n, -1, 4, c).mean(dim=2).transpose(1, 2).contiguous()
        return self.fc(torch.flatten(x, 1)).softmax(dim=-1)


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x):
        a, b = torch.chunk(self.conv(F.pad(x, (1, 2, 0, 1))), 2, dim=1)
        c = torch.cat([a * torch.sigmoid(a), F.leaky_relu(b, 0.1), torch.tanh(a) - b], dim=1)
        c = F.interpolate(c[:, 1::2, 2:, :-3], size=(11, 9), mode="bilinear", align_corners=False)
        return F.hardtanh(c / 2, -1.0, 1.0).unsqueeze(1).squeeze(1)


class Tokens(nn.Module):
    """Linear layers on three dimensions, and a product of two activations."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(24, 24) for _ in range(3))

    def forward(self, x):
        tokens = x.flatten(2)
        q, k, v = self.q(tokens), self.k(tokens), self.v(tokens)
        weights = (q @ k.transpose(1, 2) / 24**0.5).softmax(dim=-1)
        return (weights @ v).mean(dim=1)


MODELS = {
    "residual": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 7, 2, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.MaxPool2d(3, 2, 1), Residual(4, 1), Residual(8, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(16, 10),
    ),
    "mobile": lambda: nn.Sequential(
        *conv_bn(3, 8, stride=2), nn.ReLU6(), *conv_bn(8, 8, groups=8), nn.Hardswish(),
        SqueezeExcite(8), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    ),
    "plain": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 5, 2, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(128, 32), nn.BatchNorm1d(32), nn.Sigmoid(), nn.Linear(32, 10),
    ),
    "views": Views,
    "branches": Branches,
    "tokens": Tokens,
}  # fmt: skip
SHAPES = {"views": (3, 16, 16), "tokens": (6, 4, 6)}


def make_model(name: str) -> nn.Module:
    torch.manual_seed(0)
    model = MODELS[name]()
    for module in model.modules():  # statistics other than 0 and 1
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    return model.eval()


def make_input(name: str, batch: int) -> torch.Tensor:
    return torch.randn(batch, *SHAPES.get(name, (3, 16, 16)), generator=torch.manual_seed(1))


def export(name: str, path, opset: int, dynamo: bool, **more) -> None:
    model, x = make_model(name), make_input(name, 2)
    if dynamo:
        dynamic = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}
    else:
        dynamic = {"dynamic_axes": {"x": {0: "batch"}, "y": {0: "batch"}}}
    torch.onnx.export(
        model, (x,), str(path), opset_version=opset, dynamo=dynamo,
        input_names=["x"], output_names=["y"], **dynamic, **more,
    )  # fmt: skip


EXPORTS = [(11, False), (13, False), (17, False), (18, True), (21, True)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("opset", "dynamo"), EXPORTS)
@pytest.mark.parametrize("name", MODELS)
def test_exported_model(name, opset, dynamo, agrees_with_onnxruntime, tmp_path):
    path = tmp_path / "m.onnx"
    if name == "mobile" and opset == 11:
        opset = 12  # the exporter's hardswish needs it
    export(name, path, opset, dynamo)
    for batch in (1, 3):
        agrees_with_onnxruntime(path, make_input(name, batch).numpy())


@pytest.mark.filterwarnings("ignore")
def test_external_data_is_read(agrees_with_onnxruntime, tmp_path):
    path = tmp_path / "m.onnx"
    export("residual", path, 17, False)
    model = onnx.load(path)
    onnx.save(
        model, path, save_as_external_data=True, location="weights.bin",
        size_threshold=0, convert_attribute=False,
    )  # fmt: skip
    assert (tmp_path / "weights.bin").stat().st_size > 0
    agrees_with_onnxruntime(path, make_input("residual", 2).numpy())


@pytest.mark.filterwarnings("ignore")
def test_missing_external_data_is_one_line(run_cli, tmp_path):
    path = tmp_path / "m.onnx"
    export("plain", path, 17, False)
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    (tmp_path / "weights.bin").unlink()
    done = run_cli("inspect", path)
    assert done.returncode == 2
    assert "weights.bin" in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_everything_unsupported_is_listed(run_cli, tmp_path):
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Hardmax", ["x"], ["a"], name="first"),
        helper.make_node("NonZero", ["a"], ["b"], name="second"),
        helper.make_node("Relu", ["b"], ["c"], name="fine"),
        helper.make_node("Resize", ["x", "", "s"], ["d"], name="third", mode="cubic"),
        helper.make_node("Add", ["c", "d"], ["y"], name="sum"),
    ]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [helper.make_tensor("s", TensorProto.FLOAT, [4], [1, 1, 1, 1])],
    )  # fmt: skip
    imports = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 8, 8), np.float32))
    refused = run_cli("run", tmp_path / "m.onnx", "--strategy", "none",
                      "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")  # fmt: skip
    assert refused.returncode == 3
    assert not (tmp_path / "y.npy").exists()
    listed = run_cli("inspect", tmp_path / "m.onnx")
    text = listed.stdout + listed.stderr
    assert all(name in text for name in ("first", "second", "third", "mode"))
    assert "'fine'" not in text and "'sum'" not in text
