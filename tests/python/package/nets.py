"""Small modules with what real ones have: residuals, several inputs and outputs, nesting."""

from __future__ import annotations

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(x + self.bn1(self.conv1(x)))


class SmallCnn(nn.Module):
    """[n, 3, 8, 8] -> [n, 5]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.layer1 = nn.Sequential(Block(8), Block(8))
        self.layer2 = nn.Sequential(Block(8))
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer2(self.layer1(torch.relu(self.stem(x))))
        return self.fc(self.dropout(x.mean((2, 3))))


class Mlp(nn.Module):
    """[n, 6] -> [n, 4]."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh())
        self.head = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


class TwoTowers(nn.Module):
    """Named inputs in containers; outputs in a dict with a list in it."""

    def __init__(self) -> None:
        super().__init__()
        self.left = Mlp()
        self.right = Mlp()

    def forward(self, pair, *, weight, bias=None):
        a, b = self.left(pair[0]), self.right(pair[1])
        return {"sum": a * weight + b, "each": [a, b]}


class Tagger(nn.Module):
    """ids [n, 7] int64, keep [n, 7] bool -> scores [n, 7, 3], tags int64, is_sure bool."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(
        self, ids: torch.Tensor, keep: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x = torch.where(keep.unsqueeze(2), self.norm(self.embed(ids)), 0.0)
        scores = self.head(x)
        return scores, scores.argmax(2), scores.amax(2) > 0.5


class Twice(nn.Module):
    """One module, used at two places."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(6, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.shared(torch.relu(self.shared(x)))))


def randomise(module: nn.Module) -> nn.Module:
    """In evaluation mode, with running statistics that are not those of a fresh module."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 2)
    return module.eval()
