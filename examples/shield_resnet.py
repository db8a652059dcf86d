#!/usr/bin/env python3
"""Shield a trained ResNet, beside the same network in plain PyTorch.

A notebook as a script: run it from top to bottom, or cell by cell where the editor knows `# %%`.

    make python
    PYTHONPATH=build/release/python .venv/bin/python examples/shield_resnet.py

It takes about a minute on two cores, and ends with an error where an answer differs from PyTorch's.
"""

# %% The network, untouched: PyTorch alone
# `train_fashion.py` defines and trains it; its weights are read from the ONNX file that it wrote.
from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper

import taoism
from side_by_side import check_same, difference, median_ms
from train_fashion import DEBIAN_DATA, DEFAULT_OUTPUT, FashionResNet, load_split

weights = {
    tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
    for tensor in onnx.load(DEFAULT_OUTPUT).graph.initializer
}
# The exporter writes equal tensors once. The biases of the two batch-norms that meet in a sum have
# had the same gradients all along.
for stage in (2, 4):
    weights[f"stages.{stage}.shortcut.1.bias"] = weights[f"stages.{stage}.bn2.bias"]

net = FashionResNet(widths=[16, 32, 64], blocks=2)
unknown = net.load_state_dict(weights, strict=False)
assert all(name.endswith("num_batches_tracked") for name in unknown.missing_keys), unknown
net.eval()

images, labels = load_split(DEBIAN_DATA, "t10k")  # [10000, 1, 28, 28] and [10000]
one = images[:1]


def classify(model: torch.nn.Module) -> torch.Tensor:
    """Logits of all images, in batches of 500."""
    with torch.no_grad():
        return torch.cat([model(batch) for batch in images.split(500)])


def accuracy(logits: torch.Tensor) -> float:
    return (logits.argmax(1) == labels).float().mean().item()


def plain() -> torch.Tensor:
    with torch.no_grad():
        return net(one)


want = classify(net)
print(f"PyTorch: {accuracy(want):.2%} of {len(images)} images")

# %% Shielded: one call
# An example input says what goes in; its batch is free. The last two layers with weights run in the
# TEE, all before them on the device. `net` stays as it is.
shielded = taoism.shield(net, one, strategy="deep:k=2")
got = classify(shielded)
check_same("deep:k=2", got, want)
print(f"shielded: {accuracy(got):.2%}, differs by {difference(got, want):.1g} of the range")

# %% What runs where, and what the device sees
print()
print(shielded.explain())
shielded.close()

# %% Strategies beside each other
# All of them, on the same images. Those that warn are here to be measured, not to be relied on.
# In 8 MiB of trusted memory one image fits with all weights; batches of 500 are run in parts.
print(f"\nLatency of one image, {torch.get_num_threads()} threads; the TEE is simulated.")
print(f"{'':13}  {'accuracy':>8}  {'ms':>6}  MACs in TEE  weights exposed  crossings  differs by")
ways = {
    str(strategy.name): taoism.shield(net, one, strategy, tee_memory="8MiB")
    for strategy in taoism.strategies.all_strategies()
}
times = median_ms({"PyTorch": plain} | {name: (lambda m=m: m(one)) for name, m in ways.items()})
print(f"{'PyTorch':13}  {accuracy(want):8.2%}  {times['PyTorch']:6.3f}")
for name, way in ways.items():
    got = classify(way)
    check_same(name, got, want)
    plan = way.plan
    print(
        f"{name:13}  {accuracy(got):8.2%}  {times[name]:6.3f}  {plan.tee_macs_share:11.1%}"
        f"  {plan.private_params_exposed_share:15.1%}  {plan.crossings:9}"
        f"  {difference(got, want):10.1g}"
    )
for way in ways.values():
    for warning in way.plan.warnings:
        print(f"warning: {warning}")
    way.close()

# %% Placement by module
# The owner knows best: say that the last stage and the classifier were trained on data of his own,
# and that the rest is published. The longest name counts. What `forward` itself computes belongs to
# "": here it flattens the pooled features on the device, for which they cross twice more.
OWN = ["stages.4", "stages.5", "classifier"]
with taoism.shield(
    net, one, placement={name: "tee" for name in OWN} | {"": "device"}, private=OWN
) as placed:
    check_same("placement", classify(placed), want)
    print("\nplacement:", {name: placed.placement[name] for name in ("stem", "stages.3", *OWN)})
    print(repr(placed.plan))

# %% Measured as the command line does
# Strategies take turns in random order, every answer is checked, medians come with their intervals.
result = taoism.bench(net, one, ["none", taoism.Deep(k=2), "full"], batches=[1, 8], min_seconds=0.5)
print()
if importlib.util.find_spec("pandas"):
    columns = ["strategy", "batch", "latency_ms.median", "tee_macs_share", "valid"]
    print(result.to_pandas()[columns].to_string(index=False))
else:
    print(result)
if not all(run["valid"] for run in result.runs):
    raise SystemExit("bench: an answer differs from that of the unpartitioned run")

# %% A package for somebody else
# Whoever runs the package has neither the weights of the TEE's part nor, here, the logits: the
# label alone leaves. The key is for the TEE.
with tempfile.TemporaryDirectory() as folder:
    package = taoism.seal(
        net, Path(folder) / "fashion.tao", one, "deep:k=2", answer="label", batches=[500]
    )
    print(f"\n{package.path.name}: {package.file_bytes} bytes")
    print(f"weights: {package.sealed_weight_bytes} bytes sealed, {package.public_weight_bytes} not")
    with taoism.load(package.path) as loaded:
        found = classify(loaded)
if not torch.equal(found.flatten(), want.argmax(1)):
    raise SystemExit("the package gives other labels than PyTorch")
print(f"the package gives PyTorch's label for each of {len(images)} images")
