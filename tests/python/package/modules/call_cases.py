"""What a call may take and give, and what code between modules may do."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, NamedTuple

import torch
from module_case import Case, floats, through
from torch import nn
from torch.nn.utils import prune

from taoism import errors


def linear() -> nn.Module:
    return nn.Linear(5, 5)


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


@dataclasses.dataclass
class Found:
    scores: torch.Tensor
    boxes: list[torch.Tensor]
    note: str = "none"
    extra: dict[str, Any] | None = None


class Named(nn.Module):
    """Keyword-only, optional and variadic parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = linear()

    def forward(self, x, *more, mask=None, scale: float = 1.0, mode: str = "plain", **rest):
        y = self.fc(x) * scale
        for other in more:
            y = y + other
        if mask is not None:
            y = y.masked_fill(mask, 0.0)
        for name in sorted(rest):
            y = y * rest[name]
        return y if mode == "plain" else -y


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = linear()

    def forward(self, data: dict[str, Any]) -> dict[str, Any]:
        x, (a, b) = data["x"], data["pair"]
        return {
            "y": self.fc(x),
            "both": [a + b, {"c": a - b}],
            "none": None,
            "n": 7,
            "t": ("a", True),
        }


class Optional(nn.Module):
    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return x + 1 if mask is None else x * mask


class First(nn.Module):
    def forward(self, x: torch.Tensor, unread: torch.Tensor) -> torch.Tensor:
        return x + 1


class Last(nn.Module):
    def forward(self, unread: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return x + 1


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = linear()
        self.b = self.a
        self.c = linear()
        self.c.weight = self.a.weight
        self.all = nn.ModuleDict({"one": self.a, "two": nn.Sequential(self.c, self.a)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.all["two"](self.b(x)) + self.all["one"](x)


class Held(nn.Module):
    """Parameters in lists and dictionaries, and plain tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.many = nn.ParameterList(torch.randn(5) for _ in range(3))
        self.named = nn.ParameterDict({"a": torch.randn(5)})
        self.plain = torch.randn(5)
        self.register_buffer("offset", torch.randn(5), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for weight in self.many:
            x = x * weight
        return x + self.named["a"] + self.plain + self.offset


class Squares(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x + 1

    @staticmethod
    def backward(ctx, grad):
        return 2 * ctx.saved_tensors[0] * grad


def in_place(_: nn.Module, x: torch.Tensor) -> torch.Tensor:
    x.mul_(2)
    x[:, 1:3] += 1
    y = x.view(-1)
    y.clamp_(-1, 1)
    return x


def checkpointed(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return torch.utils.checkpoint.checkpoint(net.fc, x, use_reentrant=False)


def under(context: Any) -> Any:
    def forward(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
        with context():
            return net.fc(x)

    return forward


def loops(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    for i in range(x.shape[1]):
        x = x + net.fc(x[:, i])[:, None]
    return x


def many(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] < 2:
        raise ValueError("give more than one")
    return net.fc(x)


def hooked(kind: str) -> nn.Module:
    net = nn.Sequential(linear(), nn.ReLU(), linear())
    if kind == "forward":
        net[0].register_forward_hook(lambda module, given, y: y * 2)
    elif kind == "before":
        net[2].register_forward_pre_hook(lambda module, given: (given[0] + 1,))
    elif kind == "backward":
        net[0].register_full_backward_hook(lambda module, into, out: None)
    else:
        seen: list[torch.Tensor] = []
        net[0].register_forward_hook(lambda module, given, y: seen.append(y))
    return net


def scripted() -> nn.Module:
    return torch.jit.script(nn.Sequential(linear(), nn.ReLU()).eval())


def traced() -> nn.Module:
    return torch.jit.trace(nn.Sequential(linear(), nn.ReLU()).eval(), torch.zeros(2, 5))


def averaged() -> nn.Module:
    return torch.optim.swa_utils.AveragedModel(linear())


def quantised() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(linear()), {nn.Linear}, torch.qint8)


def pruned() -> nn.Module:
    net = linear()
    prune.l1_unstructured(net, "weight", 0.4)
    return net


def sparse() -> nn.Module:
    net = linear()
    net.weight = nn.Parameter(net.weight.detach().to_sparse(), False)
    return net


def lazy(is_run: bool) -> nn.Module:
    net = nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d())
    if is_run:
        net(torch.randn(3, 5))
    return net


def inference_made() -> nn.Module:
    with torch.inference_mode():
        return nn.Sequential(linear(), nn.BatchNorm1d(5))


def frozen() -> nn.Module:
    return linear().requires_grad_(False)


def pair(batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(batch, 5), torch.randn(batch, 5)


CALLS = {
    "keywords": Case(Named, lambda b: {"x": torch.randn(b, 5), "scale": 2.0, "mode": "other", "mask": torch.rand(b, 5) > 0.5}, fast=True),
    "several more": Case(Named, lambda b: (torch.randn(b, 5), torch.randn(b, 5), torch.randn(b, 1))),
    "names of the caller": Case(Named, lambda b: {"x": torch.randn(b, 5), "gain": torch.randn(b, 5), "self_": torch.randn(5)}),
    "nested mappings": Case(Nested, lambda b: ({"x": torch.randn(b, 5), "pair": pair(b)},), fast=True),
    "a mapping of another class": Case(Nested, lambda b: (collections.OrderedDict(x=torch.randn(b, 5), pair=pair(b)),)),
    "an optional one left out": Case(Optional, floats(5)),
    "an optional one given": Case(Optional, pair),
    "a named tuple": Case(through(lambda net, x: Pair(net.fc(x), x[:, :2]), fc=linear()), floats(5)),
    "a dataclass": Case(through(lambda net, x: Found(net.fc(x), [x, x * 2], "two", {"n": None, "k": 3}), fc=linear()), floats(5), fast=True),
    "an ordered dictionary": Case(through(lambda net, x: collections.OrderedDict(a=net.fc(x), b=x), fc=linear()), floats(5)),
    "keys that are numbers": Case(through(lambda net, x: {0: net.fc(x), 1: {2: x + 1}}, fc=linear()), floats(5)),
    "a tensor twice": Case(through(lambda net, x: (y := net.fc(x), y, x, x), fc=linear()), floats(5)),
    "the input itself": Case(through(lambda _, x: x), floats(5), refused=(errors.UnsupportedError, "the module computes nothing")),
    "a weight": Case(through(lambda net, x: (net.fc(x), net.fc.weight), fc=linear()), floats(5)),
    "no input in it": Case(through(lambda net, x: (net.fc(x), torch.arange(4), torch.tensor(2.5)), fc=linear()), floats(5)),
    "views": Case(through(lambda _, x: (x.view(-1, 5)[:, ::2], x.t().t(), x.detach(), x.narrow(1, 1, 2))), floats(5)),
    "in place": Case(through(in_place), floats(5), fast=True),
    "one tensor given twice": Case(
        lambda: nn.Bilinear(5, 5, 2), lambda b: (torch.randn(b, 5),) * 2 if b == 2 else pair(b)),  # then two
    "an input that nobody reads": Case(First, pair),
    "two inputs, the first of them not read": Case(Last, lambda b: dict(zip(("unread", "x"), pair(b), strict=True))),
    "a number for each row": Case(Optional, lambda b: (torch.randn(b, 5), torch.randn(b, 1))),
    "a scalar": Case(Optional, lambda b: (torch.randn(b, 5), torch.tensor(2.5))),
    "scalars alone": Case(Optional, lambda b: (torch.tensor(1.5), torch.tensor(2.5))),
    "words and a mask": Case(
        through(lambda net, d: (net.e(d["ids"]) * d["mask"][..., None]).sum(1) / d["mask"].sum(1, keepdim=True), e=nn.Embedding(9, 4)),
        lambda b: ({"ids": torch.randint(9, (b, 5)), "mask": (torch.arange(5) < 3).expand(b, 5).long()},)),
    "as long as the batch by chance": Case(Optional, lambda b: (torch.randn(b, 2), torch.randn(2)), fast=True),
    "as long as the batch by chance, by columns": Case(
        through(lambda _, p: p[0] @ p[1]), lambda b: ((torch.randn(b, 2), torch.randn(2, 2)),)),
    "batch second": Case(through(lambda _, x: x.softmax(0)), lambda b: (torch.randn(4, b, 5),), fixed=r"exported for float32 \[batch, 2, 5\]"),
    "not contiguous": Case(through(lambda _, x: x * 2), lambda b: (torch.randn(5, b).t(),)),
    "a loop over a size": Case(through(loops, fc=nn.Linear(3, 3)), floats(4, 3)),
}  # fmt: skip

CODE = {
    "shared weights": Case(Shared, floats(5), fast=True),
    "parameters in containers": Case(Held, floats(5)),
    "weight norm": Case(lambda: nn.utils.parametrizations.weight_norm(linear()), floats(5)),
    "weight norm, the old one": Case(lambda: nn.utils.weight_norm(linear()), floats(5)),
    "orthogonal": Case(lambda: nn.utils.parametrizations.orthogonal(linear()), floats(5), refused=(errors.ExportError, r"'parametrizations\.weight\.0' \(_Orthogonal\).*aten\.linalg_matrix_exp")),
    "spectral norm": Case(lambda: nn.utils.parametrizations.spectral_norm(linear()), floats(5)),
    "spectral norm, the old one": Case(lambda: nn.utils.spectral_norm(linear()), floats(5), warns="'weight'"),
    "pruned": Case(pruned, floats(5)),
    "lazy, run once": Case(lambda: lazy(True), floats(5)),
    "lazy": Case(lambda: lazy(False), floats(5), (errors.ExportError, "not initialised yet: run the lazy module once"), fast=True),
    "frozen": Case(frozen, floats(5)),
    "made in inference mode": Case(inference_made, floats(5)),
    "a forward hook": Case(lambda: hooked("forward"), floats(5)),
    "a hook before": Case(lambda: hooked("before"), floats(5)),
    "a backward hook": Case(lambda: hooked("backward"), floats(5)),
    "a hook that keeps": Case(lambda: hooked("keeps"), floats(5)),
    "custom autograd": Case(through(lambda net, x: Squares.apply(net.fc(x)), fc=linear()), floats(5)),
    "gradient in forward": Case(
        through(lambda net, x: torch.autograd.grad(net.fc(x.requires_grad_()).sum(), x)[0], fc=linear()), floats(5), refused=(errors.UnsupportedError, "computes gradients in its forward, and an export holds none")),
    "gradient switched on in forward": Case(through(under(torch.enable_grad), fc=linear()), floats(5)),
    "no gradient in forward": Case(through(under(torch.no_grad), fc=linear()), floats(5)),
    "inference mode in forward": Case(through(under(torch.inference_mode), fc=linear()), floats(5)),
    "autocast in forward": Case(through(under(lambda: torch.autocast("cpu", torch.bfloat16)), fc=linear()), floats(5)),
    "checkpointed": Case(through(checkpointed, fc=linear()), floats(5)),
    "mapped over rows": Case(through(lambda net, x: torch.vmap(net.fc)(x), fc=linear()), floats(5)),
    "scripted": Case(scripted, floats(5), refused=(errors.UnsupportedError, "compiled by TorchScript")),
    "traced": Case(traced, floats(5), refused=(errors.UnsupportedError, "compiled by TorchScript")),
    "compiled": Case(lambda: torch.compile(nn.Sequential(linear(), nn.ReLU()), backend="eager"), floats(5)),
    "compiled part": Case(lambda: nn.Sequential(torch.compile(linear(), backend="eager"), nn.ReLU()), floats(5)),
    "symbolic graph": Case(lambda: torch.fx.symbolic_trace(nn.Sequential(linear(), nn.ReLU())), floats(5)),
    "data parallel": Case(lambda: nn.DataParallel(linear()), floats(5)),
    "averaged": Case(averaged, floats(5)),
    "quantised": Case(quantised, floats(5), refused=(errors.UnsupportedError, "module '0.*packed, as quantised")),
    "sparse weights": Case(sparse, floats(5), refused=(errors.UnsupportedError, "'weight' is sparse")),
    "weights on no device": Case(lambda: nn.Linear(5, 5, device="meta"), floats(5), refused=(errors.UnsupportedError, "'weight' is on no device")),
    "sparse on the way": Case(through(lambda net, x: torch.sparse.mm(x.to_sparse(), net.fc.weight), fc=linear()), floats(5), refused=(errors.ExportError, r"aten\._to_sparse")),
    "complex weights": Case(through(lambda net, x: (x * net.w).abs(), w=nn.Parameter(torch.randn(5, dtype=torch.complex64))), floats(5)),
    "numpy in forward": Case(through(lambda net, x: net.fc(torch.from_numpy(x.numpy() * 2)), fc=linear()), floats(5), refused=(errors.ExportError, r"\.numpy\(\) is not supported")),
    "a number taken out": Case(through(lambda net, x: net.fc(x) * x.max().item(), fc=linear()), floats(5)),
    "a list taken out": Case(through(lambda net, x: net.fc(x) + torch.tensor(x[0].tolist()), fc=linear()), floats(5)),
    "a branch on values": Case(through(lambda net, x: net.fc(x) if x.sum() > 0 else x, fc=linear()), floats(5), refused=(errors.ControlFlowError, "depends on values of its input")),
    "an assertion on values": Case(through(lambda net, x: net.fc(x) if bool((x == x).all()) else None, fc=linear()), floats(5), refused=(errors.ControlFlowError, "depends on values of its input")),
    "a branch on sizes": Case(through(lambda net, x: net.fc(x) if x.shape[1] > 3 else x, fc=linear()), floats(5)),
    "a branch on the batch": Case(through(lambda net, x: net.fc(x) if x.shape[0] > 1 else x, fc=linear()), floats(5), not_one=True, fast=True),
    "a branch on the batch, of one": Case(
        through(lambda net, x: net.fc(x) if x.shape[0] > 1 else x * 2, fc=linear()), floats(5), example=1,
        fixed="something else for a batch of one", fast=True),
    "whatever is one squeezed out": Case(through(lambda _, x: x.squeeze() + 1), floats(5)),
    "whatever is one squeezed out, of one": Case(through(lambda _, x: x.squeeze() + 1), floats(5), example=1),
    "a second row": Case(through(lambda _, x: x + x[1] if x.shape[0] > 1 else x), floats(5), not_one=True),
    "fails for one": Case(through(many, fc=linear()), floats(5), not_one=True),
    "a loop on values": Case(through(lambda net, x: [x := net.fc(x) for _ in range(int(x.abs().max()) + 1)][-1], fc=linear()), floats(5), refused=(errors.ControlFlowError, "depends on values of its input")),
    "torch.cond": Case(through(lambda _, x: torch.cond(x.sum() > 0, lambda y: y + 1, lambda y: y - 1, (x,))), floats(5), refused=(errors.UnsupportedError, r"If 'If': operator is not supported")),
    "torch.cond beside what has no form": Case(
        through(lambda _, x: torch.cond(x.sum() > 0, lambda y: y + 1, lambda y: y - 1, (x,)) + torch.lgamma(x)), floats(5),
        refused=(errors.ExportError, r"aten\.lgamma,")),
    "a loop of torch's": Case(
        through(lambda _, x: torch._higher_order_ops.while_loop(lambda n, y: n < 3, lambda n, y: (n + 1, y * 2), (torch.tensor(0), x))[1]), floats(5),
        refused=(errors.UnsupportedError, "Loop 'Loop': operator is not supported")),
    "an output by size": Case(through(lambda net, x: (net.fc(x), x.shape[1]), fc=linear()), floats(5)),
    "an output by batch": Case(through(lambda net, x: (net.fc(x), x.shape[0]), fc=linear()), floats(5), fixed="a number in its outputs follows it"),
    "an output by batch, of many": Case(
        through(lambda net, x: (net.fc(x), x.shape[0]), fc=linear()), floats(5), example=7, fixed="a number in its outputs follows it", fast=True),
    "without its only row": Case(through(lambda net, x: net.fc(x).squeeze(0), fc=linear()), floats(5), example=1, fixed="something else for a batch of one"),
    "by pairs of rows": Case(through(lambda net, x: net.fc(x.view(-1, 4, 5)), fc=linear()), floats(5), example=4, fixed="the module fails at one of 5"),
    "as long as a larger batch by chance": Case(Optional, lambda b: (torch.randn(b, 4), torch.randn(4)), example=4, fast=True),
    "an output that is a number of it": Case(through(lambda net, x: (net.fc(x), float(x.sum())), fc=linear()), floats(5), refused=(errors.ControlFlowError, "depends on values of its input")),
    "no tensor out": Case(through(lambda net, x: x.shape[1]), floats(5), refused=(errors.ExportError, r"returns no tensor")),
    "an object out": Case(through(lambda net, x: (net.fc(x), object()), fc=linear()), floats(5), refused=(errors.ExportError, r"returns an object \(outputs\[1\]\)")),
    "a generator out": Case(through(lambda net, x: (net.fc(x) for _ in range(2)), fc=linear()), floats(5), refused=(errors.ExportError, r"returns a generator")),
    "a set in": Case(through(lambda net, d: net.fc(d["x"]), fc=linear()), lambda b: ({"x": torch.randn(b, 5), "s": {1, 2}},), refused=(errors.DtypeError, "is a set; give tensors")),
    "fails": Case(through(lambda net, x: net.fc(x[:, :3]), fc=linear()), floats(5), refused=(errors.ExportError, r"module 'fc' \(Linear\).*fails on the example inputs.*mat1 and mat2")),
    "fails at any other batch": Case(through(lambda net, x: net.fc(x.view(2, 5)), fc=linear()), floats(5), fixed="the module fails at one of 3"),
    "words as inputs": Case(lambda: nn.Embedding(9, 4), lambda b: (torch.randint(9, (b, 5)).int(),)),
}  # fmt: skip
