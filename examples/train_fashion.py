#!/usr/bin/env python3
"""Train the small residual network of `models/fashion_resnet.onnx` on Fashion-MNIST.

Usage, from the repository root (about a quarter of an hour on two CPU cores):

    tools/setup --python
    .venv/bin/python examples/train_fashion.py

The data comes from Debian's package `dataset-fashion-mnist`; nothing is downloaded.
The network takes `input`, float32 [batch, 1, 28, 28], the pixels divided by 255, and
gives `logits`, float32 [batch, 10]; there is no other preprocessing. Convolutions and
batch normalisations stay separate nodes in the ONNX file: a partition is accounted for
on the graph as its author wrote it.
"""

from __future__ import annotations

import argparse
import gzip
import struct
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

DEBIAN_DATA = Path("/usr/share/datasets/fashion-mnist")
DEFAULT_OUTPUT = Path(__file__).resolve().parent.parent / "models" / "fashion_resnet.onnx"
CLASSES = 10
SIDE = 28
MAX_SHIFT = 2


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class FashionResNet(nn.Module):
    """A ResNet for 28x28 grey images: 3x3 stem, `blocks` residual blocks per width, linear."""

    def __init__(self, widths: list[int], blocks: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, widths[0], 3, 1, 1, bias=False)
        self.stem_bn = nn.BatchNorm2d(widths[0])
        stages: list[nn.Module] = []
        in_channels = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                stages.append(ResidualBlock(in_channels, width, stride))
                in_channels = width
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(in_channels, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem_bn(self.stem(x)))
        return self.classifier(torch.flatten(self.pool(self.stages(x)), 1))


def read_idx(path: Path) -> np.ndarray:
    """Reads a gzipped IDX file of unsigned bytes."""
    raw = gzip.decompress(path.read_bytes())
    zero, kind, rank = struct.unpack_from(">HBB", raw)
    if zero != 0 or kind != 8:
        raise SystemExit(f"{path}: not an IDX file of unsigned bytes")
    shape = struct.unpack_from(f">{rank}I", raw, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def load_split(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """Returns images as float32 [n, 1, 28, 28] in 0..1 and labels as int64 [n]."""
    if not folder.is_dir():
        raise SystemExit(f"{folder}: no such folder; install Debian's dataset-fashion-mnist")
    images = read_idx(folder / f"{split}-images-idx3-ubyte.gz").astype(np.float32) / 255.0
    labels = read_idx(folder / f"{split}-labels-idx1-ubyte.gz").astype(np.int64)
    return torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirrors half of the batch and shifts each image by up to MAX_SHIFT pixels each way."""
    n = images.shape[0]
    padded = functional.pad(images, [MAX_SHIFT] * 4).squeeze(1)
    span = torch.arange(SIDE)
    rows = torch.randint(0, 2 * MAX_SHIFT + 1, (n, 1), generator=generator) + span
    columns = torch.randint(0, 2 * MAX_SHIFT + 1, (n, 1), generator=generator) + span
    mirrored = torch.rand(n, 1, generator=generator) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    return padded[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]][:, None]


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    model.eval()
    hits = sum(
        int((model(x).argmax(1) == y).sum())
        for x, y in zip(images.split(500), labels.split(500), strict=True)
    )
    return hits / len(labels)


def train(model: nn.Module, images: Tensor, labels: Tensor, options: argparse.Namespace) -> None:
    generator = torch.Generator().manual_seed(options.seed)
    steps = len(images) // options.batch
    optimizer = torch.optim.SGD(
        model.parameters(), lr=options.rate, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.rate, total_steps=steps * options.epochs, pct_start=0.25
    )
    start = time.monotonic()
    for epoch in range(1, options.epochs + 1):
        model.train()
        total = 0.0
        order = torch.randperm(len(images), generator=generator)
        for chosen in order[: steps * options.batch].view(steps, options.batch):
            batch = augment(images[chosen], generator).contiguous(memory_format=torch.channels_last)
            loss = functional.cross_entropy(model(batch), labels[chosen], label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        seconds = time.monotonic() - start
        done = f"epoch {epoch:2}/{options.epochs}"
        print(f"{done}  loss {total / steps:.4f}  {seconds:5.0f} s", flush=True)


def export(model: nn.Module, path: Path) -> None:
    """Writes one self-contained ONNX file, batch normalisations unfolded, any batch size."""
    model.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    # PyTorch calls this exporter legacy and warns; its newer one folds batch normalisations.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    torch.onnx.export(
        model.to(memory_format=torch.contiguous_format),
        (torch.zeros(1, 1, SIDE, SIDE),),
        str(path),
        dynamo=False,
        opset_version=17,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
    )


def onnx_accuracy(path: Path, images: Tensor, labels: Tensor) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    hits = 0
    for x, y in zip(images.split(500), labels.split(500), strict=True):
        (logits,) = session.run(None, {"input": x.numpy()})
        hits += int((logits.argmax(1) == y.numpy()).sum())
    return hits / len(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DEBIAN_DATA)
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.1, help="peak learning rate")
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--blocks", type=int, default=2, help="residual blocks per width")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(options.threads)
    images, labels = load_split(options.data, "train")
    test_images, test_labels = load_split(options.data, "t10k")

    model = FashionResNet(options.widths, options.blocks)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters} parameters, {len(images)} training images", flush=True)
    train(model.to(memory_format=torch.channels_last), images, labels, options)
    share = accuracy(model, test_images, test_labels)
    print(f"test accuracy, PyTorch:      {share:.2%}")

    export(model, options.output)
    share = onnx_accuracy(options.output, test_images, test_labels)
    print(f"test accuracy, ONNX Runtime: {share:.2%}")
    print(f"{options.output}: {options.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
