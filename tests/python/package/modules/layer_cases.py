"""Layers of torch.nn and functions of tensors, as networks use them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from module_case import Case, floats, numbers, through
from torch import nn

from taoism import errors


class Recurrent(nn.Module):
    """A cell in a loop over time."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = c = x.new_zeros(x.shape[0], 5)
        for step in x.unbind(1):
            h, c = self.cell(step, (h, c))
        return h


def masked_encoder(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
    return net.body(x, mask=mask, is_causal=True)


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


ACTIVATIONS = nn.ModuleList(
    [nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Mish(), nn.Hardswish(), nn.Hardsigmoid(), nn.Softplus(2.0, 1.0),
     nn.ELU(0.5), nn.SELU(), nn.CELU(0.7), nn.LeakyReLU(0.2), nn.LogSigmoid(), nn.Softsign(), nn.Tanhshrink(),
     nn.Hardtanh(-0.5, 0.7), nn.ReLU6(), nn.Threshold(0.1, 2.0), nn.Softshrink(0.3), nn.Hardshrink(0.3),
     nn.PReLU(5), nn.Softmin(-1), nn.LogSoftmax(-1), nn.Sigmoid(), nn.Tanh()]
)  # fmt: skip

LAYERS = {
    "convolution 1-D": Case(lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), floats(4, 11)),
    "convolution 2-D, dilated": Case(lambda: nn.Conv2d(3, 4, 3, dilation=2, padding="same", padding_mode="reflect"), floats(3, 9, 9)),
    "convolution 3-D": Case(lambda: nn.Sequential(nn.Conv3d(2, 3, 2), nn.BatchNorm3d(3), nn.MaxPool3d(2)), floats(2, 5, 6, 7), refused=(errors.UnsupportedError, "Conv '0/Conv': x must have rank 3 to 4")),
    "transposed convolution": Case(lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1, groups=2), floats(4, 5, 6)),
    "pools": Case(
        through(lambda _, x: (F.max_pool2d(x, 3, 2, 1, ceil_mode=True), F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
                              F.adaptive_avg_pool2d(x, 3), F.adaptive_max_pool2d(x, 1), F.lp_pool2d(x, 2, 2))), floats(3, 9, 9)),
    "max pool with indices": Case(lambda: nn.MaxPool2d(2, return_indices=True), floats(3, 8, 8), refused=(errors.UnsupportedError, "MaxPool.*output 1 is read")),
    "norms": Case(
        lambda: nn.Sequential(nn.InstanceNorm2d(4, affine=True), nn.GroupNorm(2, 4), nn.LayerNorm((6, 6)),
                              nn.BatchNorm2d(4)), floats(4, 6, 6)),
    "local response norm": Case(lambda: nn.LocalResponseNorm(3), floats(4, 6, 6), refused=(errors.UnsupportedError, "AveragePool.*rank 3 to 4")),
    "root mean square norm": Case(lambda: nn.RMSNorm(7), floats(5, 7)),
    "activations": Case(through(lambda net, x: [f(x) for f in net.all], all=ACTIVATIONS), floats(5, 6)),
    "random leaks": Case(lambda: nn.RReLU(), floats(5)),
    "gated linear unit": Case(lambda: nn.GLU(1), floats(6, 4)),
    "embedding": Case(lambda: nn.Embedding(20, 6, padding_idx=0, max_norm=None), numbers(20, 5), fast=True),
    "embedding bag": Case(lambda: nn.EmbeddingBag(20, 6, mode="mean"), numbers(20, 5), refused=(errors.UnsupportedError, "Loop.*is not supported")),
    "embedding with a norm": Case(lambda: nn.Embedding(20, 6, max_norm=1.0), numbers(20, 5), refused=(errors.StatefulError, r"the parameter 'weight' \(aten\.embedding_renorm_")),
    "pixel shuffle": Case(lambda: nn.Sequential(nn.PixelShuffle(2), nn.PixelUnshuffle(3)), floats(8, 6, 6)),
    "upsampling": Case(
        through(lambda _, x: [F.interpolate(x, scale_factor=2, mode="nearest"), F.interpolate(x, (7, 9), mode="bilinear"),
                              F.interpolate(x, scale_factor=1.5, mode="bilinear", align_corners=True)]), floats(2, 5, 6)),
    "upsampling, bicubic": Case(through(lambda _, x: F.interpolate(x, (9, 9), mode="bicubic")), floats(2, 5, 6), refused=(errors.UnsupportedError, "'cubic' is not supported")),
    "grid sample": Case(
        through(lambda _, x: F.grid_sample(x, F.affine_grid(torch.tensor([[[0.8, 0.1, 0.0], [0.0, 0.9, 0.1]]]).expand(x.shape[0], 2, 3),
                                                            list(x.shape), align_corners=False), align_corners=False)), floats(2, 6, 6), refused=(errors.UnsupportedError, "GridSample.*is not supported")),
    "unfold and fold": Case(through(lambda _, x: F.fold(F.unfold(x, 2), (6, 6), 2)), floats(3, 6, 6), refused=(errors.UnsupportedError, "Col2Im.*is not supported")),
    "pads": Case(
        through(lambda _, x: [F.pad(x, (1, 2, 0, 1)), F.pad(x, (1, 2, 2, 1), "reflect"), F.pad(x, (1, 1, 0, 2), "replicate"),
                              F.pad(x, (2, 1, 1, 2), "circular"), F.pad(x, (-1, 0, 1, -1), value=3.0)]), floats(3, 5, 6)),
    "LSTM": Case(lambda: nn.LSTM(6, 5, 2, batch_first=True), floats(4, 6), refused=(errors.UnsupportedError, "LSTM.*is not supported")),
    "LSTM, both ways": Case(lambda: nn.LSTM(6, 5, batch_first=True, bidirectional=True, proj_size=3), floats(4, 6), refused=(errors.ExportError, "exporter wrote a file that is wrong: Concat")),
    "LSTM, both ways, plain": Case(lambda: nn.LSTM(6, 5, batch_first=True, bidirectional=True), floats(4, 6), refused=(errors.UnsupportedError, "LSTM.*is not supported")),
    "GRU": Case(lambda: nn.GRU(6, 5, batch_first=True, bidirectional=True), floats(4, 6), refused=(errors.UnsupportedError, "GRU.*is not supported")),
    "GRU over time first": Case(lambda: nn.GRU(6, 5), floats(4, 6), refused=(errors.UnsupportedError, "GRU.*is not supported")),
    "RNN": Case(lambda: nn.RNN(6, 5, nonlinearity="relu", batch_first=True), floats(4, 6)),
    "LSTM cell in a loop": Case(Recurrent, floats(4, 6), fast=True),
    "packed sequence": Case(
        through(lambda net, x: nn.utils.rnn.pad_packed_sequence(
            net.rnn(nn.utils.rnn.pack_padded_sequence(x, torch.full((x.shape[0],), 3), batch_first=True))[0], batch_first=True)[0],
            rnn=nn.GRU(6, 5, batch_first=True)), floats(4, 6), refused=(errors.ExportError, r"module 'rnn' \(GRU\).*: zeros\(\): argument 'size'.*tuple of ints")),
    "attention": Case(lambda: nn.MultiheadAttention(8, 2, batch_first=True), lambda b: (torch.randn(b, 5, 8),) * 3),
    "attention with masks": Case(
        lambda: nn.MultiheadAttention(8, 2, batch_first=True, add_bias_kv=True),
        lambda b: {"query": torch.randn(b, 5, 8), "key": torch.randn(b, 4, 8), "value": torch.randn(b, 4, 8),
                   "key_padding_mask": torch.arange(4).expand(b, 4) > 2, "need_weights": False}),
    "encoder": Case(encoder, floats(5, 8), fast=True),
    "encoder of many rows": Case(encoder, floats(5, 8), example=7),
    "encoder with a causal mask": Case(through(masked_encoder, body=encoder()), floats(5, 8)),
    "encoder and decoder": Case(
        lambda: nn.Transformer(8, 2, 1, 1, 16, batch_first=True), lambda b: (torch.randn(b, 5, 8), torch.randn(b, 4, 8))),
    "encoder over time first": Case(lambda: nn.TransformerEncoderLayer(8, 2, 16), floats(5, 8)),
    "attention, causal": Case(through(lambda _, x: F.scaled_dot_product_attention(x, x, x, is_causal=True)), floats(2, 5, 4)),
    "attention of five dimensions": Case(through(lambda _, x: F.scaled_dot_product_attention(x, x, x)), floats(3, 2, 5, 4)),
    "attention of three dimensions": Case(through(lambda _, x: F.scaled_dot_product_attention(x, x, x)), floats(5, 4)),
    "attention with fewer keys": Case(
        through(lambda _, x: F.scaled_dot_product_attention(x, x[:, :2], x[:, :2], enable_gqa=True)), floats(4, 5, 4)),
    "bilinear": Case(lambda: nn.Bilinear(4, 5, 3), lambda b: (torch.randn(b, 4), torch.randn(b, 5))),
    "similarities": Case(
        through(lambda _, x: [F.cosine_similarity(x, x.flip(1), 2), F.pairwise_distance(x[:, 0], x[:, 1]),
                              torch.cdist(x, x + 1), F.normalize(x, dim=2)]), floats(4, 6)),
    "einsum": Case(through(lambda _, x: torch.einsum("bij,bkj->bik", x, x)), floats(4, 6)),
}  # fmt: skip

FUNCTIONS = {
    "softmax over the batch": Case(through(lambda _, x: x.softmax(0)), floats(5), fast=True),
    "sum along the batch": Case(through(lambda _, x: x.cumsum(0)), floats(5)),
    "mean of the batch": Case(through(lambda _, x: x - x.mean(0)), floats(5)),
    "the batch reversed": Case(through(lambda _, x: x.flip(0)), floats(5)),
    "products of rows": Case(through(lambda _, x: x @ x.T), floats(5)),
    "batch into the columns": Case(through(lambda _, x: x.T * 2), floats(5)),
    "batch times time": Case(through(lambda net, x: net.fc(x.reshape(-1, 6)).view(x.shape[0], 4, 3), fc=nn.Linear(6, 3)), floats(4, 6)),
    "repeated by the batch": Case(through(lambda _, x: x + torch.arange(5.0).repeat(x.shape[0], 1)), floats(5)),
    "divided by the batch": Case(through(lambda _, x: x / x.shape[0]), floats(5)),
    "as many as the batch": Case(through(lambda _, x: torch.cat([x, x.new_ones(x.shape[0], 2)], 1)), floats(5)),
    "positions of the batch": Case(through(lambda _, x: x + torch.arange(x.shape[0])[:, None]), floats(5)),
    "sort": Case(through(lambda _, x: x.sort(1)[0]), floats(7), refused=(errors.UnsupportedError, "TopK.*is not supported")),
    "largest": Case(through(lambda _, x: x.topk(3, 1)[0]), floats(7), refused=(errors.UnsupportedError, "TopK.*is not supported")),
    "order": Case(through(lambda _, x: x.argsort(1, descending=True)), floats(7), refused=(errors.UnsupportedError, "TopK.*is not supported")),
    "gather and scatter": Case(
        through(lambda _, x: (x.gather(1, x.argmax(1, keepdim=True)), torch.zeros_like(x).scatter(1, x.argmin(1, keepdim=True), 2.0),
                              x.scatter_add(1, x.argmin(1, keepdim=True), x[:, :1]))), floats(7)),
    "index": Case(through(lambda _, x: (x[:, [0, 2, -1]], x[..., ::2], x[:, None], x[:, 1:-1])), floats(7)),
    "index of one row": Case(through(lambda _, x: x.take_along_dim(torch.zeros(1, 1).long(), 1)), floats(7), fixed="the module's code, as PyTorch exports it, fixes it"),
    "where and masks": Case(
        through(lambda _, x: (torch.where(x > 0, x, -1.0), x.masked_fill(x < 0, float("-inf")), x.clamp(-0.5, 0.5), (x > 0).any(1))), floats(7)),
    "triangles": Case(through(lambda _, x: (x.tril(), x.triu(1), torch.eye(5) * x)), floats(5, 5)),
    "moved about": Case(
        through(lambda _, x: (x.roll(2, 1), x.flip(1), x.repeat(1, 2, 1), x.repeat_interleave(2, 1), x.movedim(1, 2), x.unflatten(1, (2, 2)),
                              *x.chunk(3, 2), *x.split([1, 3], 1), torch.stack(x.unbind(1), 2), x.expand(2, *x.shape)[1])), floats(4, 5)),
    "one hot": Case(through(lambda _, x: F.one_hot(x, 6)), numbers(6, 3)),
    "reductions": Case(
        through(lambda _, x: (x.std(1), x.var(1, unbiased=False), x.norm(dim=1), x.logsumexp(1), x.prod(1), x.amax((1, 2)), x.mean((-1,), keepdim=True))), floats(4, 5)),
    "medians": Case(through(lambda _, x: x.median(1).values), floats(5), refused=(errors.ExportError, r"aten\.median,")),
    "sums on the way": Case(through(lambda _, x: x.cumsum(1)), floats(5)),
    "sums of exponentials on the way": Case(through(lambda _, x: x.logcumsumexp(1)), floats(5)),
    "products on the way": Case(through(lambda _, x: x.cumprod(1)), floats(5), refused=(errors.ExportError, r"aten\.cumprod,")),
    "most on the way": Case(through(lambda _, x: x.cummax(1).values), floats(5), refused=(errors.ExportError, r"aten\.cummax,")),
    "buckets": Case(through(lambda _, x: torch.bucketize(x, torch.tensor([-1.0, 0.0, 1.0]))), floats(5)),
    "special functions": Case(through(lambda _, x: (x.erf(), x.abs().log1p(), x.expm1(), x.sinh(), x.atan(), x.abs().rsqrt(), torch.atan2(x, x + 2))), floats(5)),
    "log gamma": Case(through(lambda _, x: torch.lgamma(x.abs() + 1)), floats(5), refused=(errors.ExportError, r"aten\.lgamma,")),
    "whole numbers": Case(through(lambda _, x: (x // 3, x % 3, -x // 2, (x * x).float().mean(1))), lambda b: (torch.randint(-9, 9, (b, 5)),)),
    "bits of whole numbers": Case(through(lambda _, x: x & 5), numbers(9, 5), refused=(errors.UnsupportedError, "BitwiseAnd.*is not supported")),
    "shifted bits": Case(through(lambda _, x: x << 2), numbers(9, 5), refused=(errors.UnsupportedError, "BitShift 'BitShift': operator is not supported")),
    "bytes": Case(through(lambda _, x: (x + 200, x.float() / 255, x * x)), lambda b: (torch.randint(0, 255, (b, 5)).byte(),)),
    "small whole numbers": Case(through(lambda _, x: (x + 100, -x, x.abs())), lambda b: (torch.randint(-128, 127, (b, 5)).to(torch.int8),)),
    "whole numbers of 32 bits": Case(through(lambda _, x: x * 70000 + 1), lambda b: (torch.randint(-99999, 99999, (b, 5)).int(),)),
    "whole numbers of 64 bits": Case(through(lambda _, x: (x + 1, x * 3)), lambda b: (torch.full((b, 5), 2**53 + 1),), fast=True),
    "truths": Case(through(lambda _, x: (~x, x & x.flip(1), x.sum(1))), lambda b: (torch.rand(b, 5) > 0.5,)),
    "double precision": Case(lambda: nn.Linear(5, 3).double(), lambda b: (torch.randn(b, 5).double() * 1e8,), fast=True, refused=(errors.UnsupportedError, "float64 is computed with in constants alone")),
    "half precision": Case(lambda: nn.Sequential(nn.Linear(5, 3), nn.GELU()).half(), lambda b: (torch.randn(b, 5).half(),)),
    "brain floats": Case(lambda: nn.Sequential(nn.Linear(5, 3), nn.Tanh()).bfloat16(), lambda b: (torch.randn(b, 5).bfloat16(),)),
    "not numbers": Case(through(lambda _, x: (x / 0, x.log(), torch.relu(x / 0 * 0), x.clamp(0, 1), torch.nan_to_num(x / 0))), floats(5)),
    "a long product": Case(through(lambda _, x: torch.kron(torch.eye(2), x[0]).sum() + x), floats(5, 5)),
    "transform": Case(through(lambda _, x: torch.fft.rfft(x).abs()), floats(8), refused=(errors.UnsupportedError, "DFT.*is not supported")),
    "short transforms": Case(through(lambda _, x: torch.stft(x, 8, 4, window=torch.ones(8), return_complex=True).abs()), floats(32), refused=(errors.UnsupportedError, "STFT.*is not supported")),
    "complex numbers": Case(through(lambda _, x: torch.view_as_real(torch.view_as_complex(x) * (1 + 2j))), floats(5, 2)),
    "inverse": Case(through(lambda _, x: torch.linalg.inv(x + 9 * torch.eye(3))), floats(3, 3), refused=(errors.ExportError, r"aten\.linalg_inv_ex,")),
    "determinant": Case(through(lambda _, x: torch.linalg.det(x)), floats(3, 3), refused=(errors.UnsupportedError, "Det.*is not supported")),
    "what is not zero": Case(through(lambda _, x: x.nonzero()), floats(5), refused=(errors.UnsupportedError, "NonZero.*is not supported")),
    "unlike ones": Case(through(lambda _, x: x.unique()), numbers(5, 5), refused=(errors.UnsupportedError, "Unique.*is not supported")),
    "masked choice": Case(through(lambda _, x: x[x > 0]), floats(5), refused=(errors.UnsupportedError, "NonZero.*is not supported")),
    "histogram": Case(through(lambda _, x: torch.histc(x, 5, -2, 2) + x.sum()), floats(5)),
    "rows of a table by row": Case(through(lambda net, x: net.table[torch.arange(x.shape[0]) % 4] + x, table=nn.Parameter(torch.randn(4, 5))), floats(5)),
    "windows": Case(through(lambda _, x: x.unfold(1, 3, 2).mean(-1)), floats(9)),
    "strides": Case(through(lambda _, x: x.transpose(1, 2).contiguous().view(x.shape[0], -1)), floats(3, 4)),
}  # fmt: skip
