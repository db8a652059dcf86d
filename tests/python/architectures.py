"""Small networks of each of torchvision's classification families, a BERT encoder and generators.

Each has the blocks that its publication describes, at widths and depths that run in milliseconds.
(torchvision's own cannot be imported beside the CPU build of torch.) What matters here is the graph
that PyTorch exports, not what the network has learnt: weights are seeded noise.
"""

from __future__ import annotations

import torch
from minilm import SentenceEncoder
from torch import nn
from torch.nn import functional as F


def conv(inputs: int, outputs: int, kernel=3, stride=1, groups=1, act=nn.ReLU, padding=None):
    """Convolution, batch normalisation, activation."""
    if padding is None:
        padding = kernel // 2
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, act()) if act else nn.Sequential(*layers)


class Residual(nn.Module):
    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None, act=None):
        super().__init__()
        self.body, self.shortcut, self.act = body, shortcut or nn.Identity(), act or nn.Identity()

    def forward(self, x):
        return self.act(self.body(x) + self.shortcut(x))


class Branches(nn.Module):
    """Every branch of the same input, joined along channels."""

    def __init__(self, *branches: nn.Module):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def head(channels: int, classes: int = 7) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(channels, classes)]


def alexnet():
    return nn.Sequential(
        nn.Conv2d(3, 8, 11, 4, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        nn.Conv2d(8, 12, 5, padding=2), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((3, 3)),
        nn.Flatten(), nn.Dropout(), nn.Linear(108, 20), nn.ReLU(inplace=True), nn.Linear(20, 7),
    )  # fmt: skip


def vgg():
    return nn.Sequential(
        conv(3, 8), conv(8, 8), nn.MaxPool2d(2), conv(8, 16), nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d((4, 4)), nn.Flatten(), nn.Linear(256, 7),
    )  # fmt: skip


def bottleneck(inputs: int, width: int, outputs: int, stride=1, groups=1):
    body = nn.Sequential(
        conv(inputs, width, 1), conv(width, width, 3, stride, groups), conv(width, outputs, 1, act=None)
    )
    return Residual(body, conv(inputs, outputs, 1, stride, act=None), nn.ReLU())


def resnet():
    return nn.Sequential(
        conv(3, 8, 7, 2), nn.MaxPool2d(3, 2, 1), bottleneck(8, 8, 16),
        bottleneck(16, 8, 24, 2), *head(24),
    )  # fmt: skip


def resnext():
    return nn.Sequential(
        conv(3, 8, 7, 2), nn.MaxPool2d(3, 2, 1), bottleneck(8, 16, 16, groups=4),
        bottleneck(16, 32, 24, 2, groups=8), *head(24),
    )  # fmt: skip


def densenet():
    def layer(channels: int):
        body = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, 16, 1, bias=False),
            nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 4, 3, padding=1, bias=False),
        )  # fmt: skip
        return Branches(nn.Identity(), body)

    transition = [nn.BatchNorm2d(20), nn.ReLU(), nn.Conv2d(20, 10, 1, bias=False), nn.AvgPool2d(2)]
    return nn.Sequential(
        conv(3, 8, 7, 2), *[layer(8 + 4 * i) for i in range(3)], *transition, layer(10),
        nn.BatchNorm2d(14), nn.ReLU(), *head(14),
    )  # fmt: skip


def googlenet():
    def inception(channels: int):
        pool = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), conv(channels, 4, 1))
        return Branches(
            conv(channels, 4, 1), nn.Sequential(conv(channels, 6, 1), conv(6, 8)),
            nn.Sequential(conv(channels, 2, 1), conv(2, 4)), pool,
        )  # fmt: skip

    return nn.Sequential(
        conv(3, 8, 7, 2), nn.MaxPool2d(3, 2, ceil_mode=True), inception(8), inception(20), *head(20)
    )


class Inception(nn.Module):
    """Factorised convolutions, and the input's mean and range changed as torchvision does."""

    def __init__(self):
        super().__init__()
        act = nn.ReLU
        tall = conv(6, 6, (7, 1), act=act, padding=(3, 0))
        wide = conv(8, 6, (1, 7), act=act, padding=(0, 3))
        split = Branches(
            conv(6, 4, (1, 3), padding=(0, 1)), conv(6, 4, (3, 1), padding=(1, 0))
        )
        self.body = nn.Sequential(
            conv(3, 8, 3, 2, padding=0),
            Branches(nn.Sequential(wide, tall, split), nn.Sequential(nn.AvgPool2d(3, 1, 1), conv(8, 4, 1))),
            Branches(conv(12, 8, 3, 2, padding=0), nn.MaxPool2d(3, 2)),
            *head(20),
        )  # fmt: skip

    def forward(self, x):
        r = torch.unsqueeze(x[:, 0], 1) * (0.229 / 0.5) + (0.485 - 0.5) / 0.5
        g = torch.unsqueeze(x[:, 1], 1) * (0.224 / 0.5) + (0.456 - 0.5) / 0.5
        b = torch.unsqueeze(x[:, 2], 1) * (0.225 / 0.5) + (0.406 - 0.5) / 0.5
        return self.body(torch.cat((r, g, b), 1))


def squeezenet():
    def fire(inputs: int):
        expand = Branches(
            nn.Sequential(nn.Conv2d(4, 8, 1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU()),
        )
        return nn.Sequential(nn.Conv2d(inputs, 4, 1), nn.ReLU(), expand)

    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), fire(8), fire(16),
        nn.Conv2d(16, 7, 1), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(1),
    )  # fmt: skip


class ShuffleUnit(nn.Module):
    def __init__(self, channels: int, stride: int):
        super().__init__()
        self.stride = stride
        side = channels if stride == 2 else channels // 2
        self.near = nn.Sequential(
            conv(side, side, 3, 2, side, act=None), conv(side, channels // 2, 1)
        )
        self.far = nn.Sequential(
            conv(side, channels // 2, 1),
            conv(channels // 2, channels // 2, 3, stride, channels // 2, act=None),
            conv(channels // 2, channels // 2, 1),
        )

    def forward(self, x):
        if self.stride == 1:
            near, far = x.chunk(2, dim=1)
            out = torch.cat((near, self.far(far)), dim=1)
        else:
            out = torch.cat((self.near(x), self.far(x)), dim=1)
        n, c, h, w = out.size()
        return out.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


def shufflenet():
    units = [ShuffleUnit(8, 2), ShuffleUnit(8, 1), ShuffleUnit(8, 1)]
    mean = [conv(8, 16, 1)]

    class Mean(nn.Module):
        def forward(self, x):
            return x.mean([2, 3])

    return nn.Sequential(conv(3, 8, 3, 2), nn.MaxPool2d(3, 2, 1), *units, *mean, Mean(), nn.Linear(16, 7))


class SqueezeExcitation(nn.Module):
    def __init__(self, channels: int, act, gate):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.down, self.up = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)
        self.act, self.gate = act(), gate()

    def forward(self, x):
        return self.gate(self.up(self.act(self.down(self.pool(x))))) * x


def inverted(inputs: int, outputs: int, stride: int, act, squeeze=None, gate=nn.Sigmoid):
    """MobileNet's block, and EfficientNet's."""
    wide = 3 * inputs
    layers = [conv(inputs, wide, 1, act=act), conv(wide, wide, 3, stride, wide, act=act)]
    if squeeze:
        layers.append(SqueezeExcitation(wide, squeeze, gate))
    body = nn.Sequential(*layers, conv(wide, outputs, 1, act=None))
    return Residual(body) if stride == 1 and inputs == outputs else body


def mobilenet_like(act, squeeze=None, gate=nn.Sigmoid):
    return nn.Sequential(
        conv(3, 8, 3, 2, act=act), inverted(8, 8, 1, act, squeeze, gate),
        inverted(8, 12, 2, act, squeeze, gate), conv(12, 24, 1, act=act), *head(24),
    )  # fmt: skip


def regnet():
    def block(inputs: int, outputs: int, stride: int):
        body = nn.Sequential(
            conv(inputs, outputs, 1), conv(outputs, outputs, 3, stride, outputs // 8),
            SqueezeExcitation(outputs, nn.ReLU, nn.Sigmoid), conv(outputs, outputs, 1, act=None),
        )  # fmt: skip
        return Residual(body, conv(inputs, outputs, 1, stride, act=None), nn.ReLU())

    return nn.Sequential(conv(3, 8, 3, 2), block(8, 16, 2), block(16, 24, 2), *head(24))


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class Permute(nn.Module):
    def __init__(self, *dims: int):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return torch.permute(x, self.dims)


class ConvNextBlock(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels), Permute(0, 2, 3, 1),
            nn.LayerNorm(channels, eps=1e-6), nn.Linear(channels, 4 * channels), nn.GELU(),
            nn.Linear(4 * channels, channels), Permute(0, 3, 1, 2),
        )  # fmt: skip
        self.layer_scale = nn.Parameter(torch.full((channels, 1, 1), 0.3))

    def forward(self, x):
        return x + self.layer_scale * self.block(x)


def convnext():
    return nn.Sequential(
        nn.Conv2d(3, 8, 4, 4), LayerNorm2d(8, eps=1e-6), ConvNextBlock(8), LayerNorm2d(8, eps=1e-6),
        nn.Conv2d(8, 16, 2, 2), ConvNextBlock(16), nn.AdaptiveAvgPool2d(1),
        LayerNorm2d(16, eps=1e-6), nn.Flatten(1), nn.Linear(16, 7),
    )  # fmt: skip


class VisionTransformer(nn.Module):
    def __init__(self, width: int = 24, heads: int = 3, layers: int = 2):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.class_token = nn.Parameter(torch.randn(1, 1, width) * 0.1)
        self.position = nn.Parameter(torch.randn(1, 17, width) * 0.1)
        self.blocks = nn.ModuleList()
        for _ in range(layers):
            block = nn.ModuleDict({
                "norm1": nn.LayerNorm(width, eps=1e-6),
                "attention": nn.MultiheadAttention(width, heads, batch_first=True),
                "norm2": nn.LayerNorm(width, eps=1e-6),
                "mlp": nn.Sequential(
                    nn.Linear(width, 48), nn.GELU(), nn.Dropout(), nn.Linear(48, width)
                ),
            })  # fmt: skip
            self.blocks.append(block)
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, 7)

    def forward(self, x):
        n = x.shape[0]
        x = self.patches(x).reshape(n, -1, 16).permute(0, 2, 1)
        x = torch.cat([self.class_token.expand(n, -1, -1), x], dim=1) + self.position
        for block in self.blocks:
            y = block["norm1"](x)
            x = x + block["attention"](y, y, y, need_weights=False)[0]
            x = x + block["mlp"](block["norm2"](x))
        return self.head(self.norm(x)[:, 0])


def relative_bias(table: torch.Tensor, index: torch.Tensor, tokens: int) -> torch.Tensor:
    """[1, heads, tokens, tokens] from a table of one row a relative position."""
    return table[index].view(tokens, tokens, -1).permute(2, 0, 1).contiguous().unsqueeze(0)


def relative_index(size: int) -> torch.Tensor:
    grid = torch.stack(torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij"))
    flat = torch.flatten(grid, 1)
    apart = (flat[:, :, None] - flat[:, None, :]).permute(1, 2, 0) + size - 1
    return (apart[:, :, 0] * (2 * size - 1) + apart[:, :, 1]).flatten()


class WindowAttention(nn.Module):
    """Swin's attention within windows of 4x4, shifted by half of one; x is [N, H, W, C]."""

    def __init__(self, channels: int, heads: int, shift: int):
        super().__init__()
        self.heads, self.shift, self.window = heads, shift, 4
        self.qkv, self.proj = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.table = nn.Parameter(torch.randn(49, heads) * 0.1)
        self.register_buffer("index", relative_index(4))

    def forward(self, x):
        n, h, w, c = x.shape
        size, shift = self.window, self.shift
        x = F.pad(x, (0, 0, 0, -w % size, 0, -h % size))
        _, ph, pw, _ = x.shape
        if shift:
            x = torch.roll(x, shifts=(-shift, -shift), dims=(1, 2))
        count = (ph // size) * (pw // size)
        x = x.view(n, ph // size, size, pw // size, size, c).permute(0, 1, 3, 2, 4, 5)
        x = x.reshape(n * count, size * size, c)
        qkv = self.qkv(x).reshape(x.size(0), x.size(1), 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        weights = (q * (c // self.heads) ** -0.5).matmul(k.transpose(-2, -1))
        weights = weights + relative_bias(self.table, self.index, size * size)
        if shift:
            mask = x.new_zeros((ph, pw))
            bands = ((0, -size), (-size, -shift), (-shift, None))
            region = 0
            for rows in bands:
                for columns in bands:
                    mask[rows[0] : rows[1], columns[0] : columns[1]] = region
                    region += 1
            mask = mask.view(ph // size, size, pw // size, size).permute(0, 2, 1, 3)
            mask = mask.reshape(count, size * size)
            mask = mask.unsqueeze(1) - mask.unsqueeze(2)
            mask = mask.masked_fill(mask != 0, -100.0).masked_fill(mask == 0, 0.0)
            weights = weights.view(n, count, self.heads, size * size, size * size)
            weights = weights + mask.unsqueeze(1).unsqueeze(0)
            weights = weights.view(-1, self.heads, size * size, size * size)
        x = weights.softmax(dim=-1).matmul(v).transpose(1, 2).reshape(n * count, size * size, c)
        x = self.proj(x).view(n, ph // size, pw // size, size, size, c).permute(0, 1, 3, 2, 4, 5)
        x = x.reshape(n, ph, pw, c)
        if shift:
            x = torch.roll(x, shifts=(shift, shift), dims=(1, 2))
        return x[:, :h, :w, :].contiguous()


class PatchMerging(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x):
        h, w = x.shape[-3:-1]
        x = F.pad(x, (0, 0, 0, w % 2, 0, h % 2))
        corners = [x[..., i::2, j::2, :] for j in (0, 1) for i in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, -1)))


def swin():
    def block(channels: int, shift: int):
        attention = nn.Sequential(nn.LayerNorm(channels), WindowAttention(channels, 2, shift))
        mlp = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, 32), nn.GELU(), nn.Linear(32, channels)
        )
        return nn.Sequential(Residual(attention), Residual(mlp))

    return nn.Sequential(
        nn.Conv2d(3, 8, 4, 4), Permute(0, 2, 3, 1), nn.LayerNorm(8), block(8, 0), block(8, 2),
        PatchMerging(8), block(16, 2), nn.LayerNorm(16), Permute(0, 3, 1, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Linear(16, 7),
    )  # fmt: skip


class PartitionAttention(nn.Module):
    """MaxViT's attention: within blocks of 4x4 pixels, or over a grid of 4x4."""

    def __init__(self, channels: int, grid: bool):
        super().__init__()
        self.grid, self.heads = grid, 2
        self.norm, self.qkv = nn.LayerNorm(channels), nn.Linear(channels, 3 * channels)
        self.merge = nn.Linear(channels, channels)
        self.table = nn.Parameter(torch.randn(49, 2) * 0.1)
        self.register_buffer("index", relative_index(4))
        self.mlp = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, 24), nn.GELU(), nn.Linear(24, channels)
        )

    def forward(self, x):
        n, c, h, w = x.shape
        p = h // 4 if self.grid else 4
        x = x.reshape(n, c, h // p, p, w // p, p).permute(0, 2, 4, 3, 5, 1)
        x = x.reshape(n, (h // p) * (w // p), p * p, c)
        if self.grid:
            x = torch.swapaxes(x, -2, -3)
        b, g, t, _ = x.shape
        qkv = torch.chunk(self.qkv(self.norm(x)), 3, dim=-1)
        q, k, v = (y.reshape(b, g, t, self.heads, -1).permute(0, 1, 3, 2, 4) for y in qkv)
        dots = torch.einsum("B G H I D, B G H J D -> B G H I J", q, k * (c // 2) ** -0.5)
        weights = F.softmax(dots + relative_bias(self.table, self.index, t), dim=-1)
        out = torch.einsum("B G H I J, B G H J D -> B G H I D", weights, v)
        x = x + self.merge(out.permute(0, 1, 3, 2, 4).reshape(b, g, t, c))
        x = x + self.mlp(x)
        if self.grid:
            x = torch.swapaxes(x, -2, -3)
        x = x.reshape(n, h // p, w // p, p, p, c).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(n, c, h, w)


def maxvit():
    return nn.Sequential(
        conv(3, 8, 3, 2, act=nn.GELU), inverted(8, 8, 1, nn.GELU, nn.SiLU),
        PartitionAttention(8, False), PartitionAttention(8, True),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(8), nn.Linear(8, 8), nn.Tanh(),
        nn.Linear(8, 7, bias=False),
    )  # fmt: skip


class Encoder(nn.Module):
    """torch's own transformer layer, with a padding mask of bool."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x, padding):
        return self.body(x, src_key_padding_mask=padding)


class Decoder(nn.Module):
    """Causal attention with rotary positions, RMS normalisation and a gated layer: int64 in."""

    def __init__(self, width: int = 16):
        super().__init__()
        self.words = nn.Embedding(30, width)
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gate, self.up = nn.Linear(width, 32), nn.Linear(width, 32)
        self.down, self.head = nn.Linear(32, width), nn.Linear(width, 30)

    @staticmethod
    def rotated(x):
        size, half = x.shape[-2], x.shape[-1] // 2
        angle = torch.arange(size)[:, None] * 10.0 ** -torch.arange(half).float()[None, :]
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)

    def forward(self, ids):
        x = self.words(ids)
        n, size, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(n, size, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        y = F.scaled_dot_product_attention(self.rotated(q), self.rotated(k), v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(n, size, width))
        y = self.norm2(x)
        x = x + self.down(F.silu(self.gate(y)) * self.up(y))
        return self.head(x).log_softmax(-1)


def generator():
    """Transposed convolutions and the normalisations of generators."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.GroupNorm(2, 8), nn.ELU(), nn.Conv2d(8, 8, 3, padding=1),
        nn.InstanceNorm2d(8, affine=True), nn.PReLU(8), nn.ConvTranspose2d(8, 12, 4, 2, 1),
        nn.BatchNorm2d(12), nn.Mish(), nn.PixelShuffle(2), nn.Upsample(scale_factor=2),
        nn.ConvTranspose2d(3, 3, 3, 3, groups=3, output_padding=1), nn.Softplus(),
    )  # fmt: skip


IMAGE = (3, 32, 32)


def image(batch: int, seed: int):
    return (torch.randn(batch, *IMAGE, generator=torch.manual_seed(seed)),)


def tokens(batch: int, seed: int):
    generator = torch.manual_seed(seed)
    ids = torch.randint(0, 30, (batch, 9), generator=generator)
    mask = (torch.arange(9)[None, :] < torch.randint(3, 10, (batch, 1), generator=generator)).long()
    return ids, mask


def padded(batch: int, seed: int):
    ids, mask = tokens(batch, seed)
    return torch.randn(batch, 9, 16, generator=torch.manual_seed(seed)), mask == 0


# Name: the module and what makes its inputs for a batch.
ARCHITECTURES = {
    "alexnet": (alexnet, image),
    "vgg": (vgg, image),
    "resnet": (resnet, image),
    "resnext": (resnext, image),
    "densenet": (densenet, image),
    "googlenet": (googlenet, image),
    "inception": (Inception, image),
    "squeezenet": (squeezenet, image),
    "shufflenet": (shufflenet, image),
    "mnasnet": (lambda: mobilenet_like(nn.ReLU), image),
    "mobilenet_v2": (lambda: mobilenet_like(nn.ReLU6), image),
    "mobilenet_v3": (lambda: mobilenet_like(nn.Hardswish, nn.ReLU, nn.Hardsigmoid), image),
    "efficientnet": (lambda: mobilenet_like(nn.SiLU, nn.SiLU), image),
    "regnet": (regnet, image),
    "convnext": (convnext, image),
    "vit": (VisionTransformer, image),
    "swin": (swin, image),
    "maxvit": (maxvit, image),
    "bert": (lambda: SentenceEncoder(50, 24, 3, 2, 48, 32), tokens),
    "encoder": (Encoder, padded),
    "decoder": (Decoder, lambda batch, seed: tokens(batch, seed)[:1]),
    "generator": (generator, image),
}


def make(name: str) -> nn.Module:
    """The network in evaluation mode, the same every time, with statistics other than 0 and 1."""
    torch.manual_seed(0)
    model = ARCHITECTURES[name][0]()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    return model.eval()


def inputs(name: str, batch: int, seed: int = 1):
    return ARCHITECTURES[name][1](batch, seed)
