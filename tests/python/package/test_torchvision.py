"""torchvision's own classification networks at their own sizes, however they are split, against
PyTorch. It wants the torchvision that belongs to the installed PyTorch, which .venv has not:

    pip install torch torchvision -r requirements-test.txt     # in an environment of its own
    tools/build --torch ITS_PYTHON torch-device python
    ITS_PYTHON -m pytest tests/python/package/test_torchvision.py --junitxml deviations.xml
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import taoism
from taoism import _export, _prepare

pytestmark = pytest.mark.slow

TOLERANCE = 1e-3  # of the range of PyTorch's answer
BATCH = 2
MODELS = {  # the side of the images that each is published for
    "alexnet": 224, "vgg11_bn": 224, "resnet18": 224, "resnext50_32x4d": 224,
    "wide_resnet50_2": 224, "densenet121": 224, "googlenet": 224, "inception_v3": 299,
    "squeezenet1_1": 224, "shufflenet_v2_x1_0": 224, "mnasnet1_0": 224, "mobilenet_v2": 224,
    "mobilenet_v3_large": 224, "efficientnet_b0": 224, "efficientnet_v2_s": 384,
    "regnet_y_400mf": 224, "convnext_tiny": 224, "vit_b_16": 224, "swin_t": 224,
    "swin_v2_t": 256, "maxvit_t": 224,
}  # fmt: skip
STRATEGIES = ["none", "full", "deep:k=2", "shallow:k=2", "random"]


def wake(module: nn.Module, x: torch.Tensor) -> nn.Module:
    """Seeded noise where a fresh network is constant or nearly blind, so that no part of it could
    be left out without being seen; then batch norms take the statistics of their inputs."""
    for name, parameter in module.named_parameters():
        with torch.no_grad():
            if "relative_position" in name:
                parameter.normal_()
            elif "layer_scale" in name:
                parameter.uniform_(0.1, 0.3)
            elif parameter.dim() == 2:  # linear layers, whatever holds them
                parameter.normal_(std=parameter.shape[1] ** -0.5)
            elif (parameter == 1).all():
                parameter.uniform_(0.5, 1.5)
            elif (parameter == 0).all():
                parameter.normal_(std=0.1)
    module.eval()
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    with torch.no_grad():
        module(x)
    return module.eval()


@pytest.fixture(scope="module", params=MODELS)
def network(request: pytest.FixtureRequest) -> tuple[nn.Module, torch.Tensor]:
    """A model and a batch of images."""
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:  # of another PyTorch: an operator is missing
        pytest.skip(f"no torchvision for torch {torch.__version__}: {error}")
    torch.manual_seed(7)
    net = models.get_model(request.param, weights=None)
    side = MODELS[request.param]
    return wake(net, torch.randn(4, 3, side, side)), torch.randn(BATCH, 3, side, side)


@pytest.fixture(scope="module")
def exported_once(
    network: object, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., _export.Exported]:
    """`export`, which for the second and further times copies what it wrote the first time."""
    folder = tmp_path_factory.mktemp("exported")
    done: list[_export.Exported] = []

    def export(
        module: nn.Module, inputs: object, path: Path, dynamic_batch: bool = True
    ) -> _export.Exported:
        if not done:
            done.append(_export.export(module, inputs, folder / path.name, dynamic_batch))
        shutil.copytree(folder, path.parent, dirs_exist_ok=True)
        return done[0]

    return export


def scatter(plan_json: str, *_: object, **__: object) -> str:
    """A side for every node, by the toss of a seeded coin."""
    toss = random.Random(5)
    plan = json.loads(plan_json)
    plan["strategy"] = "custom"
    for node in plan["nodes"]:
        node["placement"] = toss.choice(["tee", "device"])
        node["why"] = "tossed"
    return json.dumps(plan)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("device", ["cpu", "torch:cpu"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_equals_pytorch(
    network: tuple[nn.Module, torch.Tensor],
    exported_once: Callable[..., _export.Exported],
    strategy: str,
    device: str,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    net, x = network
    monkeypatch.setattr(_prepare, "export", exported_once)
    how: dict[str, object] = {"strategy": strategy}
    if strategy == "random":
        monkeypatch.setattr(_prepare, "place", scatter)
        how = {"placement": {"": "device"}}
    with torch.no_grad():
        want = net(x)
    with taoism.shield(net, x, device=device, **how) as shielded:
        got = shielded(x)
        sides = {"none": "device", "full": "tee"}
        assert shielded.placement[""] == sides.get(strategy, "both")
    spread = want.max() - want.min()
    assert (want[0] - want[1]).abs().max() > 0.01 * spread, "the answer is that of any image"
    assert got.shape == want.shape and got.dtype == want.dtype
    deviation = ((got - want).abs().max() / spread).item()
    record_property("deviation", deviation)
    assert deviation <= TOLERANCE
