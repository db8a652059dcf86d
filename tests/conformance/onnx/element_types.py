"""ONNX's element types in numpy: their values at which types differ, what Cast makes of them, and whether two
tensors are the same."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from onnx import TensorProto, helper

BF16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = [np.dtype(t) for t in ("f4", "f8", "f2")] + [BF16]
SIGNED = [np.dtype(t) for t in ("i1", "i2", "i4", "i8")]
UNSIGNED = [np.dtype(t) for t in ("u1", "u2", "u4", "u8")]
INTEGERS = SIGNED + UNSIGNED
NUMBERS = FLOATS + INTEGERS
BOOL = np.dtype(bool)
TYPES = [*NUMBERS, BOOL]
# What nobody computes with when a model runs: folded, or refused.
FOLDED_ALONE = [np.dtype("f8"), np.dtype("u8")]


def elem_type(dtype: np.dtype) -> int:
    return TensorProto.BFLOAT16 if dtype == BF16 else helper.np_dtype_to_tensor_dtype(dtype)


def is_float(dtype: np.dtype) -> bool:
    return dtype in FLOATS


def edges(dtype: np.dtype) -> np.ndarray:
    """Values at which types differ."""
    if dtype == BOOL:
        return np.array([False, True])
    if is_float(dtype):
        info = ml_dtypes.finfo(dtype)
        values = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.5,
            1.5,
            2.5,
            -2.5,
            3.0,
            127.5,
            -128.0,
            255.0,
            256.0,
            32767.0,
            65504.0,
            65519.0,
        ]
        values += [
            65520.0,
            2.0**24 + 1,
            2.0**31,
            -(2.0**31),
            2.0**32,
            2.0**53 + 1,
            2.0**63,
            1e-8,
            6e-8,
            1e30,
            np.inf,
            -np.inf,
        ]
        values += [
            np.nan,
            float(info.max),
            float(info.min),
            float(info.smallest_normal),
            0.1,
            1 / 3,
            1 + 2.0**-8,
            1 + 2.0**-11,
        ]
        with np.errstate(all="ignore"):
            return np.array(values, np.float64).astype(dtype)
    info = np.iinfo(dtype)
    values = [
        info.min,
        info.min + 1,
        -1,
        0,
        1,
        2,
        3,
        5,
        7,
        100,
        info.max // 2,
        info.max // 2 + 1,
        info.max - 1,
        info.max,
    ]
    values += [2**k + d for k in (7, 8, 15, 16, 24, 31, 32, 53, 63) for d in (-1, 0, 1)]
    return np.array([v for v in values if info.min <= v <= info.max], dtype)


def ulps(dtype: np.dtype, count: float) -> float:
    return count * float(ml_dtypes.finfo(dtype).eps)


def cast(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """ONNX's Cast. Of numbers that fit nobody's type see `cast_is_told`."""
    with np.errstate(all="ignore"):
        if dtype in (BF16, np.dtype("f2")) and x.dtype.kind in "iu":
            return x.astype(np.float32).astype(dtype)  # as everywhere
        if dtype == BF16 and x.dtype == np.float64:
            return narrowed(x)
        return x.astype(dtype)


def narrowed(x: np.ndarray) -> np.ndarray:
    """float64 to bfloat16, rounded once: float32 rounded to odd in between."""
    near = x.astype(np.float32)
    bits = near.view(np.int32).copy()
    off = np.isfinite(x) & (near.astype(np.float64) != x) & ~np.isinf(near)
    away = np.abs(near.astype(np.float64)) > np.abs(x)
    bits = np.where(off, (bits - (off & away)) | 1, bits).astype(np.int32)
    return bits.view(np.float32).astype(BF16)


def cast_is_told(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Where ONNX says what it becomes: not where a float is cast to integers that do not hold it."""
    if not is_float(x.dtype) or dtype not in INTEGERS:
        return np.ones(x.shape, bool)
    info = np.iinfo(dtype)
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        return (np.trunc(wide) >= float(info.min)) & (np.trunc(wide) < float(info.max) + (1 if info.bits < 64 else 0))


def differs(
    want: np.ndarray, got: np.ndarray, tolerance: float, told: np.ndarray, scale: np.ndarray, told_sign: bool
) -> str:
    """Empty, or where the first difference is."""
    if want.shape != got.shape or want.dtype != got.dtype:
        return f"is {got.dtype}{got.shape}, not {want.dtype}{want.shape}"
    told = np.broadcast_to(told, want.shape)
    same = want == got
    if is_float(want.dtype):
        w, g = want.astype(np.float64), got.astype(np.float64)
        with np.errstate(all="ignore"):
            near = tolerance * np.maximum(np.abs(w), scale)
            if tolerance > 0:
                near = np.maximum(near, float(np.finfo(np.float32).smallest_normal))
            same |= (np.isnan(w) & np.isnan(g)) | ((np.abs(w - g) <= near) & np.isfinite(w))
        if told_sign:
            same &= (np.signbit(w) == np.signbit(g)) | np.isnan(w) | (w != 0)
    at = np.argwhere(~same & told)
    if not len(at):
        return ""
    first = tuple(at[0])
    return f"{list(map(int, first))} is {got[first]}, not {want[first]}"
