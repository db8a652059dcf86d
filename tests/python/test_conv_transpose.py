"""Transposed convolutions of every geometry, with and without what follows them, against PyTorch."""

from __future__ import annotations

import io
import pathlib
import random
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "conformance/onnx"))
from model_runner import run_models, write_model  # noqa: E402

WAYS = ["none@inline", "full@inline"]


def random_layer(pick: random.Random) -> tuple[torch.nn.Module, torch.Tensor]:
    """A layer, often with a norm and an activation, and an input of batch 1 to 3."""
    plane = pick.random() < 0.7
    groups = pick.choice([1, 1, 2, 3])
    inputs, outputs = groups * pick.randint(1, 5), groups * pick.randint(1, 5)
    axes = 2 if plane else 1
    kernel = [pick.randint(1, 6) for _ in range(axes)]
    stride = [pick.randint(1, 4) for _ in range(axes)]
    dilation = [pick.choice([1, 1, 1, 2]) for _ in range(axes)]
    extra = [pick.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation, strict=True)]
    padding = [pick.randint(0, (k - 1) * d) for k, d in zip(kernel, dilation, strict=True)]
    size = [pick.randint(3, 9) for _ in range(axes)]
    make = torch.nn.ConvTranspose2d if plane else torch.nn.ConvTranspose1d
    layers: list[torch.nn.Module] = [
        make(inputs, outputs, kernel, stride, padding, extra, groups, pick.random() < 0.7, dilation)
    ]
    if pick.random() < 0.5:
        norm = (torch.nn.BatchNorm2d if plane else torch.nn.BatchNorm1d)(outputs)
        torch.nn.init.normal_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)
        torch.nn.init.normal_(norm.weight)
        layers.append(norm)
    if pick.random() < 0.5:
        layers.append(pick.choice([torch.nn.ReLU(), torch.nn.SiLU()]))
    return torch.nn.Sequential(*layers).eval(), torch.randn(pick.randint(1, 3), inputs, *size)


@pytest.mark.filterwarnings("ignore")
def test_answers_as_pytorch(tmp_path):
    pick = random.Random(4)
    torch.manual_seed(4)
    wanted, made = {}, {}
    while len(wanted) < 60:
        model, x = random_layer(pick)
        try:
            with torch.no_grad():
                y = model(x)
        except RuntimeError:  # an output of less than nothing
            continue
        if y.numel() == 0:
            continue
        file = io.BytesIO()
        torch.onnx.export(model, (x,), file, dynamo=False, opset_version=17)
        folder = tmp_path / str(len(wanted))
        write_model(folder, file.getvalue(), [x.numpy()])
        wanted[folder], made[folder] = y.numpy(), model
    for folder, answers in run_models(list(wanted), WAYS).items():
        for way, answer in zip(WAYS, answers, strict=True):
            assert answer.status == "ok", f"{made[folder]} {way}: {answer.message}"
            np.testing.assert_allclose(
                answer.outputs[0], wanted[folder], rtol=1e-4, atol=1e-4, err_msg=str(made[folder])
            )
