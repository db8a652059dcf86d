"""Random small graphs over ONNX's numbers, and what each of their nodes should answer: numpy's arithmetic
(ml_dtypes' for bfloat16) under ONNX's rules. Every value of a graph is one of its outputs, where it may be, so
that a node is judged by what it was given and not by what came before it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import onnx
from element_types import (
    BF16,
    BOOL,
    FLOATS,
    FOLDED_ALONE,
    INTEGERS,
    NUMBERS,
    SIGNED,
    TYPES,
    cast,
    cast_is_told,
    differs,
    edges,
    elem_type,
    is_float,
    ulps,
)
from onnx import helper, numpy_helper

OPSET = 21
Arrays = list[np.ndarray]


@dataclasses.dataclass
class Step:
    """A node, what it should give of its inputs, and how near."""

    node: onnx.NodeProto
    answer: Callable[[Arrays], Arrays]
    tolerance: float = 0.0  # of the answer, or of `scale` where that is larger
    told: Callable[[Arrays], np.ndarray] | None = None  # where ONNX says what it is
    scale: Callable[[Arrays], np.ndarray] | None = None


@dataclasses.dataclass
class Case:
    """A graph. `values` are its leaves; those in `constants` are in the file."""

    model: onnx.ModelProto
    leaves: dict[str, np.ndarray]
    constants: set[str]
    steps: list[Step]
    outputs: list[str]
    text: str

    @property
    def inputs(self) -> list[np.ndarray]:
        return [value for name, value in self.leaves.items() if name not in self.constants]


def quiet(function: Callable[..., np.ndarray]) -> Callable[[Arrays], Arrays]:
    def answer(inputs: Arrays) -> Arrays:
        with np.errstate(all="ignore"):
            return [np.asarray(function(*inputs)).astype(inputs[-1].dtype)]

    return answer


def plain(function: Callable[..., np.ndarray]) -> Callable[[Arrays], Arrays]:
    def answer(inputs: Arrays) -> Arrays:
        with np.errstate(all="ignore"):
            return [np.asarray(function(*inputs))]

    return answer


def divided(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Integers are cut off towards 0."""
    if is_float(a.dtype):
        return a / b
    quotient = a // b
    return quotient + ((a % b != 0) & ((a < 0) != (b < 0))).astype(a.dtype)


def wide(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Of 16-bit floats, in float32: rounded at the end alone."""

    def computed(x: np.ndarray, *rest: np.ndarray) -> np.ndarray:
        if x.dtype.itemsize == 2 and is_float(x.dtype):
            return function(x.astype(np.float64), *[r.astype(np.float64) for r in rest]).astype(x.dtype)
        if x.dtype == np.float32:
            return function(x.astype(np.float64), *[r.astype(np.float64) for r in rest]).astype(x.dtype)
        return function(x, *rest)

    return computed


def clip(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.minimum(np.maximum(x, low), high)


EXACT_UNARY = {
    "Abs": (NUMBERS, np.abs),
    "Neg": (FLOATS + SIGNED, np.negative),
    "Sign": (NUMBERS, np.sign),
    "Floor": (FLOATS, np.floor),
    "Ceil": (FLOATS, np.ceil),
    "Round": (FLOATS, np.round),
    "Relu": (FLOATS + SIGNED, lambda x: np.where(x < 0, x.dtype.type(0), x)),
    "Reciprocal": (FLOATS, lambda x: x.dtype.type(1) / x),
    "Identity": (TYPES, lambda x: x),
    "Not": ([BOOL], np.logical_not),
}
NEAR_UNARY = {
    "Exp": np.exp,
    "Log": np.log,
    "Sqrt": np.sqrt,
    "Tanh": np.tanh,
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Sin": lambda x: np.sin(np.where(np.abs(x) < 1e4, x, np.nan)),
}
EXACT_BINARY = {
    "Add": (NUMBERS, np.add),
    "Sub": (NUMBERS, np.subtract),
    "Mul": (NUMBERS, np.multiply),
    "Div": (NUMBERS, divided),
    "Min": (NUMBERS, np.minimum),
    "Max": (NUMBERS, np.maximum),
    "And": ([BOOL], np.logical_and),
    "Or": ([BOOL], np.logical_or),
    "Xor": ([BOOL], np.logical_xor),
}
COMPARISONS = {
    "Equal": (TYPES, np.equal),
    "Less": (NUMBERS, np.less),
    "LessOrEqual": (NUMBERS, np.less_equal),
    "Greater": (NUMBERS, np.greater),
    "GreaterOrEqual": (NUMBERS, np.greater_equal),
}
REDUCED = [np.dtype(t) for t in ("f4", "f8", "f2", "i4", "i8", "u4", "u8")] + [BF16]
REDUCTIONS = {
    "ReduceSum": (REDUCED, np.sum),
    "ReduceProd": (REDUCED, np.prod),
    "ReduceMax": ([*REDUCED, np.dtype("i1"), np.dtype("u1"), BOOL], np.max),
    "ReduceMin": ([*REDUCED, np.dtype("i1"), np.dtype("u1"), BOOL], np.min),
    "ReduceMean": (FLOATS, np.mean),
    "ReduceL1": (REDUCED, lambda x, axis, keepdims: np.sum(np.abs(x), axis=axis, keepdims=keepdims)),
    "ReduceSumSquare": (REDUCED, lambda x, axis, keepdims: np.sum(x * x, axis=axis, keepdims=keepdims)),
}
EXACT_REDUCTIONS = ("ReduceMax", "ReduceMin")
UNSIGNED_ZEROS = ("Clip", "Max", "Min", "Mod", "Sign", "Pad", *EXACT_REDUCTIONS)


class Maker:
    """Makes one graph."""

    def __init__(self, rng: np.random.Generator, share_of_constants: float) -> None:
        self.rng = rng
        self.share = share_of_constants
        self.leaves: dict[str, np.ndarray] = {}
        self.constants: set[str] = set()
        self.tensors: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}
        self.steps: list[Step] = []
        self.text: list[str] = []

    def pick(self, items: list) -> object:
        return items[int(self.rng.integers(len(items)))]

    def shape(self) -> tuple[int, ...]:
        return tuple(int(d) for d in self.rng.integers(1, 5, size=int(self.rng.integers(0, 4))))

    def leaf(
        self, dtype: np.dtype, shape: tuple[int, ...], *, fixed: bool = False, value: np.ndarray | None = None
    ) -> str:
        name = f"x{len(self.leaves)}"
        if value is None:
            value = edges(dtype)[self.rng.integers(len(edges(dtype)), size=shape)]
        self.leaves[name] = np.asarray(value, dtype)
        if fixed or self.rng.random() < self.share:
            self.constants.add(name)
        self.tensors[name] = (dtype, np.shape(value))
        return name

    def tensor(self, types: list[np.dtype], shape: tuple[int, ...] | None = None) -> str:
        """One of the tensors of these types (and this shape), or a new leaf."""
        known = [n for n, (t, s) in self.tensors.items() if t in types and (shape is None or s == shape)]
        if known and self.rng.random() < 0.75:
            return str(self.pick(known[-6:]))
        return self.leaf(self.pick(types), self.shape() if shape is None else shape)

    def partner(self, name: str) -> str:
        """Of the same type, and of a shape that broadcasts."""
        dtype, shape = self.tensors[name]
        kind = int(self.rng.integers(3))
        other = shape if kind == 0 else () if kind == 1 else tuple(d if self.rng.random() < 0.6 else 1 for d in shape)
        return self.tensor([dtype], other)

    def add(
        self, op: str, inputs: list[str], answer, dtype, shape, *, tolerance=0.0, told=None, scale=None, **attrs
    ) -> None:
        name = f"t{len(self.steps)}"
        node = helper.make_node(op, inputs, [name], **attrs)
        self.steps.append(Step(node, answer, tolerance, told, scale))
        self.tensors[name] = (np.dtype(dtype), tuple(shape))
        given = ", ".join(
            f"{i}:{self.tensors[i][0]}{list(self.tensors[i][1])}{'=' if i in self.constants else ''}"
            for i in inputs
            if i
        )
        self.text.append(f"{name} = {op}({given}){attrs or ''}")

    def broadcast(self, a: str, b: str) -> tuple[int, ...]:
        return np.broadcast_shapes(self.tensors[a][1], self.tensors[b][1])

    # One kind of node each.
    def unary(self) -> None:
        op = str(self.pick(list(EXACT_UNARY)))
        types, function = EXACT_UNARY[op]
        x = self.tensor(types)
        self.add(op, [x], quiet(function), *self.tensors[x])

    def near_unary(self) -> None:
        op = str(self.pick(list(NEAR_UNARY)))
        # What is not told must be seen, or what reads it is judged by a guess.
        x = self.tensor([t for t in FLOATS if op != "Sin" or t not in FOLDED_ALONE])
        dtype, shape = self.tensors[x]
        function = NEAR_UNARY[op]
        told = (lambda i: np.abs(i[0].astype(np.float64)) < 1e4) if op == "Sin" else None
        self.add(op, [x], quiet(wide(function)), dtype, shape, tolerance=max(ulps(dtype, 1), 4e-6), told=told)

    def binary(self) -> None:
        op = str(self.pick(list(EXACT_BINARY)))
        types, function = EXACT_BINARY[op]
        a = self.tensor(types)
        dtype, shape = self.tensors[a]
        b = self.divisor(dtype, shape) if op == "Div" and dtype in INTEGERS else self.partner(a)
        pair = [a, b] if op == "Div" or self.rng.random() < 0.5 else [b, a]
        self.add(op, pair, quiet(function), dtype, self.broadcast(a, b))

    def divisor(self, dtype: np.dtype, shape: tuple[int, ...]) -> str:
        values = edges(dtype)[self.rng.integers(len(edges(dtype)), size=shape)]
        return self.leaf(dtype, shape, value=np.where(values == 0, dtype.type(3), values).astype(dtype))

    def modulo(self) -> None:
        x = self.tensor([t for t in NUMBERS if t != BF16])
        dtype, shape = self.tensors[x]
        as_dividend = self.rng.random() < 0.5
        function = np.fmod if as_dividend else np.mod
        y = self.divisor(dtype, shape)
        self.add(
            "Mod", [x, y], quiet(wide(function) if is_float(dtype) else function), dtype, shape, fmod=int(as_dividend)
        )

    def comparison(self) -> None:
        op = str(self.pick(list(COMPARISONS)))
        types, function = COMPARISONS[op]
        a = self.tensor(types)
        b = self.partner(a)
        self.add(op, [a, b], plain(function), bool, self.broadcast(a, b))

    def cast(self) -> None:
        x = self.tensor(TYPES)
        dtype = self.pick(TYPES)
        self.add(
            "Cast", [x], lambda i: [cast(i[0], dtype)], dtype, self.tensors[x][1],
            told=lambda i: cast_is_told(i[0], dtype), to=elem_type(dtype),
        )  # fmt: skip

    def power(self) -> None:
        x = self.tensor([np.dtype(t) for t in ("f4", "f8", "f2", "i4", "i8")] + [BF16])
        dtype, shape = self.tensors[x]
        kind = self.pick([dtype, np.dtype("i4"), np.dtype("f4"), np.dtype("u1"), np.dtype("i8")])
        y = self.leaf(kind, (), value=np.array(self.pick([0, 1, 2, 3, 5]), kind))

        def answer(i: Arrays) -> Arrays:
            base, exponent = i
            with np.errstate(all="ignore"):
                if dtype in INTEGERS:
                    return [np.power(base, int(exponent)).astype(dtype)]
                return [np.power(base.astype(np.float64), float(exponent)).astype(dtype)]

        self.add("Pow", [x, y], answer, dtype, shape, tolerance=0.0 if dtype in INTEGERS else max(ulps(dtype, 1), 4e-6))

    def clipped(self) -> None:
        x = self.tensor(NUMBERS)
        dtype, shape = self.tensors[x]
        low, high = (self.leaf(dtype, ()) for _ in range(2))
        told = (lambda i: ~(np.isnan(i[1]) | np.isnan(i[2]))) if is_float(dtype) else None
        self.add("Clip", [x, low, high], quiet(clip), dtype, shape, told=told)

    def reduction(self) -> None:
        op = str(self.pick(list(REDUCTIONS)))
        types, function = REDUCTIONS[op]
        x = self.tensor(types, self.pick([(3,), (2, 3), (2, 1, 4)]))
        dtype, shape = self.tensors[x]
        axes = sorted({int(a) for a in self.rng.integers(len(shape), size=2)})
        keep = bool(self.rng.integers(2))

        def answer(i: Arrays) -> Arrays:
            given = i[0].astype(np.float64) if is_float(dtype) and op not in EXACT_REDUCTIONS else i[0]
            with np.errstate(all="ignore"):
                return [np.asarray(function(given, axis=tuple(axes), keepdims=keep)).astype(dtype)]

        def size(i: Arrays) -> np.ndarray:
            with np.errstate(all="ignore"):
                return np.asarray(function(np.abs(i[0].astype(np.float64)), axis=tuple(axes), keepdims=keep))

        # In some order it may overflow, or lose bits of a product, on the way.
        def told(i: Arrays) -> np.ndarray:
            if op != "ReduceProd":
                return (size(i) < 1e37) | ~np.isfinite(size(i))
            x = np.abs(i[0].astype(np.float64))
            bits = np.abs(np.log2(x, out=np.zeros_like(x), where=np.isfinite(x) & (x > 0)))
            return np.sum(bits, axis=tuple(axes), keepdims=keep) < 100

        near = is_float(dtype) and op not in EXACT_REDUCTIONS
        axis_name = self.leaf(np.dtype("i8"), (len(axes),), fixed=True, value=np.array(axes))
        out = answer([np.ones(shape, dtype)])[0].shape
        self.add(op, [x, axis_name], answer, dtype, out, keepdims=int(keep),
                 tolerance=max(ulps(dtype, 1), 4e-6) if near else 0.0, told=told if near else None,
                 scale=size if op in ("ReduceSum", "ReduceMean") else None)  # fmt: skip

    def cumulated(self) -> None:
        x = self.tensor([np.dtype(t) for t in ("f4", "f8", "f2", "i4", "i8", "u4", "u8")] + [BF16], (3, 2))
        dtype, shape = self.tensors[x]
        axis = int(self.rng.integers(2))

        def answer(i: Arrays) -> Arrays:
            with np.errstate(all="ignore"):
                given = i[0].astype(np.float64) if is_float(dtype) else i[0]
                return [np.cumsum(given, axis=axis).astype(dtype)]

        near = is_float(dtype)
        size = lambda i: np.cumsum(np.abs(i[0].astype(np.float64)), axis=axis)  # noqa: E731
        told = (lambda i: (size(i) < 1e37) | ~np.isfinite(size(i))) if near else None
        self.add("CumSum", [x, self.leaf(np.dtype("i8"), (), fixed=True, value=np.array(axis))], answer, dtype, shape,
                 tolerance=max(ulps(dtype, 1), 4e-6) if near else 0.0, told=told, scale=size)  # fmt: skip

    def choice(self) -> None:
        a = self.tensor(TYPES)
        b = self.partner(a)
        dtype, shape = self.tensors[a]
        self.add("Where", [self.tensor([BOOL], shape), a, b], plain(np.where), dtype, self.broadcast(a, b))

    def gathered(self) -> None:
        x = self.tensor(TYPES, self.pick([(3,), (2, 3), (4, 2)]))
        dtype, shape = self.tensors[x]
        kind = np.dtype(self.pick(["i4", "i8"]))
        count = int(self.rng.integers(1, 4))
        index = self.leaf(kind, (count,), value=self.rng.integers(-shape[0], shape[0], size=count))
        self.add("Gather", [x, index], plain(lambda v, i: np.take(v, i, axis=0)), dtype, (count, *shape[1:]))

    def joined(self) -> None:
        a = self.tensor(TYPES, self.pick([(3,), (2, 3)]))
        dtype, shape = self.tensors[a]
        b = self.tensor([dtype], shape)
        self.add("Concat", [a, b, a], plain(lambda *v: np.concatenate(v, 0)), dtype, (3 * shape[0], *shape[1:]), axis=0)

    def moved(self) -> None:
        x = self.tensor(TYPES, (2, 3))
        dtype, _ = self.tensors[x]
        if self.rng.random() < 0.5:
            self.add("Transpose", [x], plain(np.transpose), dtype, (3, 2))
            return
        fill = self.leaf(dtype, (), fixed=True)
        pads = self.leaf(np.dtype("i8"), (4,), fixed=True, value=np.array([1, 0, 0, 2]))
        self.add(
            "Pad", [x, pads, fill], plain(lambda v, p, f: np.pad(v, [(1, 0), (0, 2)], constant_values=f)), dtype, (3, 5)
        )

    def ranged(self) -> None:
        dtype = np.dtype(self.pick(["f4", "f8", "i2", "i4", "i8"]))
        start, step = int(self.rng.integers(-100, 100)), int(self.pick([-3, -1, 1, 2, 7]))
        count = int(self.rng.integers(1, 6))
        names = [self.leaf(dtype, (), fixed=True, value=np.array(v)) for v in (start, start + count * step, step)]
        self.add("Range", names, plain(lambda a, b, c: np.arange(a, b, c).astype(dtype)), dtype, (count,))

    def filled(self) -> None:
        dtype = self.pick(TYPES)
        value = edges(dtype)[self.rng.integers(len(edges(dtype)), size=1)]
        shape = self.leaf(np.dtype("i8"), (2,), fixed=True, value=np.array([2, 3]))
        self.add("ConstantOfShape", [shape], lambda _: [np.full((2, 3), value[0], dtype)], dtype, (2, 3),
                 value=numpy_helper.from_array(value))  # fmt: skip

    def largest(self) -> None:
        op = str(self.pick(["ArgMax", "ArgMin"]))
        x = self.tensor(NUMBERS, (2, 3))
        function = np.argmax if op == "ArgMax" else np.argmin
        told = lambda i: ~np.isnan(i[0].astype(np.float64)).any(axis=1)  # noqa: E731
        self.add(op, [x], plain(lambda v: function(v, axis=1)), np.int64, (2,), axis=1, keepdims=0, told=told)

    def asked(self) -> None:
        op = str(self.pick(["IsNaN", "IsInf"]))
        x = self.tensor(FLOATS)
        self.add(op, [x], plain(np.isnan if op == "IsNaN" else np.isinf), bool, self.tensors[x][1])

    def multiplied(self) -> None:
        dtype = self.pick([np.dtype(t) for t in ("f4", "f8", "f2", "i4", "i8", "u4", "u8")] + [BF16])
        a, b = (self.leaf(dtype, (2, 2), value=cast(self.rng.integers(-9, 9, size=(2, 2)), dtype)) for _ in range(2))
        self.add(
            "MatMul",
            [a, b],
            quiet(wide(np.matmul)),
            dtype,
            (2, 2),
            tolerance=ulps(dtype, 1) if is_float(dtype) else 0.0,
        )

    def spread(self) -> None:
        x = self.tensor(FLOATS, (2, 3))
        dtype, shape = self.tensors[x]

        def softmax(v: np.ndarray) -> np.ndarray:
            e = np.exp(v - v.max(axis=1, keepdims=True))
            return e / e.sum(axis=1, keepdims=True)

        self.add("Softmax", [x], quiet(wide(softmax)), dtype, shape, axis=1, tolerance=max(ulps(dtype, 1), 4e-6))

    def case(self) -> Case:
        kinds = [
            self.unary, self.near_unary, self.binary, self.binary, self.binary, self.modulo, self.comparison, self.cast,
            self.cast, self.cast, self.power, self.clipped, self.reduction, self.reduction, self.cumulated, self.choice,
            self.gathered, self.joined, self.moved, self.ranged, self.filled, self.largest, self.asked, self.multiplied,
            self.spread,
        ]  # fmt: skip
        for _ in range(int(self.rng.integers(2, 7))):
            self.pick(kinds)()
        names = [step.node.output[0] for step in self.steps]
        outputs = [name for name in names if self.tensors[name][0] not in FOLDED_ALONE] or names[-1:]

        def value(name: str) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, elem_type(self.tensors[name][0]), self.tensors[name][1])

        read = {name for step in self.steps for name in step.node.input}
        leaves = {name: array for name, array in self.leaves.items() if name in read}
        graph = helper.make_graph(
            [step.node for step in self.steps],
            "types",
            [value(name) for name in leaves if name not in self.constants],
            [value(name) for name in outputs],
            [numpy_helper.from_array(array, name) for name, array in leaves.items() if name in self.constants],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        return Case(model, leaves, self.constants & set(leaves), self.steps, outputs, "; ".join(self.text))


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    return Maker(rng, (0.0, 0.5, 1.0)[seed % 3]).case()


def judge(case: Case, outputs: list[np.ndarray]) -> str:
    """Empty, or which node answered what it should not."""
    known = dict(case.leaves)
    given = dict(zip(case.outputs, outputs, strict=True))
    for step in case.steps:
        inputs = [known[name] for name in step.node.input]
        (want,) = step.answer(inputs)
        told = np.ones(want.shape, bool) if step.told is None else step.told(inputs)
        name = step.node.output[0]
        if name not in given:
            known[name] = want
            continue
        scale = np.zeros(()) if step.scale is None else np.nan_to_num(step.scale(inputs), posinf=0)
        # Which of the two zeros it is nobody says of these (numpy differs by type).
        told_sign = step.tolerance == 0 and step.node.op_type not in UNSIGNED_ZEROS
        fault = differs(want, given[name], step.tolerance, told, scale, told_sign)
        if fault:
            return f"{name} = {step.node.op_type}: {fault} of " + ", ".join(
                f"{i.dtype}{i.ravel()[:6].tolist()}" for i in inputs
            )
        known[name] = given[name]
    return ""
