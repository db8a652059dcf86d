"""Whether two answers are the same, and inputs that should not give the same."""

from __future__ import annotations

from collections.abc import Sequence

import torch

# Relative to the range of what is expected: what another order of additions does stays far below,
# and what an export froze or got wrong lies far above.
TOLERANCE = 1e-3


def difference(
    got: Sequence[torch.Tensor], want: Sequence[torch.Tensor], paths: Sequence[str]
) -> str:
    """ "" where all are the same, or what differs first: "outputs['a'] by 0.2, of a range of 3"."""
    if len(got) != len(want):
        return f"there are {len(got)} tensors instead of {len(want)}"
    for one, other, path in zip(got, want, paths, strict=True):
        found = _difference(one.detach().cpu(), other.detach().cpu())
        if found:
            return f"{path} {found}"
    return ""


def _difference(got: torch.Tensor, want: torch.Tensor) -> str:
    if got.shape != want.shape:
        return f"is {list(got.shape)} instead of {list(want.shape)}"
    if got.dtype != want.dtype:
        return f"is {got.dtype} instead of {want.dtype}"
    if want.numel() == 0:
        return ""
    if not (want.is_floating_point() or want.is_complex()):
        count = int((got != want).sum())
        return f"differs in {count} of {want.numel()} elements" if count else ""
    same = (got == want) | (got.isnan() & want.isnan())
    if bool(same.all()):
        return ""
    a, b = got[~same].double(), want[~same].double()
    if not bool(a.isfinite().all() and b.isfinite().all()):
        return "is not finite where it should be, or the other way round"
    finite = want[want.isfinite()].double()
    spread = max(float(finite.max() - finite.min()), float(finite.abs().max()))
    largest = float((a - b).abs().max())
    # Of a float16 or bfloat16 the last digit is coarse.
    coarse = max(TOLERANCE, 8 * torch.finfo(want.dtype).eps)
    if largest <= coarse * spread:
        return ""
    return f"differs by {largest:.3g}, of a range of {spread:.3g}"


def other_values(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor] | None:
    """Tensors of other values that a module takes as well: floats between what they are and 0,
    whole numbers between the smallest and the largest of them. None where that gives the same."""
    generator = torch.Generator().manual_seed(1)
    others = [_other_values(tensor, generator) for tensor in tensors]
    are_same = all(torch.equal(a, b) for a, b in zip(tensors, others, strict=True))
    return None if are_same else others


def _other_values(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    if tensor.numel() == 0 or tensor.dtype == torch.bool:
        return tensor
    if tensor.is_floating_point() or tensor.is_complex():
        share = 0.25 + 0.5 * torch.rand(tensor.shape, generator=generator)
        share = share.to(tensor.device, tensor.dtype)
        return tensor * share if bool(tensor.any()) else share
    low, high = int(tensor.min()), int(tensor.max())
    if high - low >= 1 << 62:
        return tensor
    other = torch.randint(low, high + 1, tensor.shape, generator=generator)
    return other.to(tensor.device, tensor.dtype)
