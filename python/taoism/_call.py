"""The form of a call: which tensors go in and come out, whatever containers hold them."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from keyword import iskeyword
from typing import Any

import torch

from taoism._structure import Structure, flatten, flatten_like
from taoism.errors import (
    DeviceError,
    DtypeError,
    ExportError,
    InvalidArgumentError,
    ShapeError,
)

_PLAIN = (bool, int, float, complex, str, bytes, type(None), enum.Enum, torch.dtype, torch.device)
_EXAMPLE = "the example inputs"
# How many rows a call has; where its inputs have several numbers of them, each, in the order in
# which the inputs have them first.
Batch = int | tuple[int, ...]


def dtype_name(dtype: torch.dtype) -> str:
    """ "float32" of torch.float32."""
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True)
class TensorSpec:
    """A tensor that goes in. `shape[0]` is None where it is the batch, of any size."""

    name: str  # an identifier
    dtype: torch.dtype
    shape: tuple[int | None, ...]
    path: str = ""  # where it is among the arguments: "pair[1]"; "" where that is the name
    rows: int = 0  # which batch that is: all tensors of one number have the same

    def __str__(self) -> str:
        sizes = ", ".join("batch" if size is None else str(size) for size in self.shape)
        return f"{dtype_name(self.dtype)} [{sizes}]"

    @property
    def shown(self) -> str:
        """What a message calls it."""
        return self.path or self.name


@dataclass(frozen=True)
class Constant:
    """A leaf that is no tensor: the export holds its value."""

    value: Any
    path: str = ""

    def equals(self, value: Any) -> bool:
        """Whether another value is the same."""
        return value is self.value or (
            isinstance(value, _PLAIN)
            and type(value) is type(self.value)
            and (value == self.value or (value != value and self.value != self.value))
        )


@dataclass(frozen=True)
class CallForm:
    """How a module is called. `structure`: of the arguments by parameter, defaults too; `leaves`:
    of it, each a tensor's spec or a constant; `given`: the parameters that the example gave."""

    signature: inspect.Signature
    structure: Structure
    leaves: tuple[TensorSpec | Constant, ...]
    device: torch.device
    given: frozenset[str] = frozenset()
    by_place: bool = False  # whether it gave them without their names
    fixed_batch: str = ""  # why the batch cannot change, for an error message
    least_batch: int = 1  # 2: a batch of one is something else

    @cached_property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """The tensors among the leaves."""
        return tuple(leaf for leaf in self.leaves if isinstance(leaf, TensorSpec))

    @cached_property
    def _plain_tensors(self) -> int:
        """How many tensors make a call when they are given one after the other and all else has its
        default; -1 where that is no call."""
        count = len(self.tensors)
        parameters = list(self.signature.parameters.values())
        if any(child.kind is not None for child in self.structure.children):
            return -1
        for i, (leaf, parameter) in enumerate(zip(self.leaves, parameters, strict=True)):
            if i < count:
                by_place = parameter.kind in (
                    parameter.POSITIONAL_ONLY,
                    parameter.POSITIONAL_OR_KEYWORD,
                )
                if not isinstance(leaf, TensorSpec) or not by_place:
                    return -1
            elif isinstance(leaf, TensorSpec) or not leaf.equals(parameter.default):
                return -1
        return count

    def flatten(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[torch.Tensor], Batch]:
        """The tensors of a call, and its batch (0 where no input has one). Errors:
        InvalidArgumentError (other arguments), DtypeError, DeviceError, ShapeError."""
        specs: Sequence[TensorSpec | Constant] = self.leaves
        given: Sequence[Any] = args
        if kwargs or len(args) != self._plain_tensors:
            given = self._leaves_of(bind_arguments(self.signature, args, kwargs))
        else:
            specs = self.tensors
        tensors = []
        sizes: dict[int, int] = {}
        for spec, value in zip(specs, given, strict=True):
            if isinstance(spec, Constant):
                if not spec.equals(value):
                    raise InvalidArgumentError(
                        f"{spec.path} is {_shown(value)}; the export holds the example's, "
                        f"{_shown(spec.value)}: shield the module again for another value"
                    )
                continue
            self._check(spec, value, sizes)
            tensors.append(value)
        batches = tuple(sizes.values())
        return tensors, batches if len(batches) > 1 else batches[0] if batches else 0

    def arguments(self, tensors: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """The example's call, as it was written, with these tensors in place of its own: what it
        left out stays out, for what stands around a forward may look at that."""
        rest = iter(tensors)
        leaves = [next(rest) if isinstance(s, TensorSpec) else s.value for s in self.leaves]
        values = self.structure.build(iter(leaves))
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for name, parameter in self.signature.parameters.items():
            if name not in self.given:
                continue
            if parameter.kind is parameter.VAR_POSITIONAL:
                args += values[name]
            elif parameter.kind is parameter.VAR_KEYWORD:
                kwargs.update(values[name])
            elif self.by_place and parameter.kind is not parameter.KEYWORD_ONLY:
                args.append(values[name])
            else:
                kwargs[name] = values[name]
        return args, kwargs

    def with_batch_of(self, batched: Collection[int], tensors: Sequence[torch.Tensor]) -> CallForm:
        """The same, where the batch is the first dimension of these tensors of the example alone,
        counted among `tensors`."""
        count = 0
        leaves: list[TensorSpec | Constant] = []
        for leaf in self.leaves:
            if isinstance(leaf, TensorSpec):
                if count not in batched:
                    leaf = replace(leaf, shape=tuple(tensors[count].shape))
                count += 1
            leaves.append(leaf)
        return replace(self, leaves=tuple(leaves))

    def _leaves_of(self, arguments: dict[str, Any]) -> list[Any]:
        leaves: list[Any] = []
        names = list(self.signature.parameters)
        for name, child in zip(names, self.structure.children, strict=True):
            leaves += flatten_like(arguments[name], child, name, _EXAMPLE)
        return leaves

    def _check(self, spec: TensorSpec, value: Any, sizes: dict[int, int]) -> None:
        if not isinstance(value, torch.Tensor):
            raise DtypeError(f"input '{spec.shown}' is {_shown(value)}; give a tensor")
        if value.device != self.device:
            raise DeviceError(
                f"input '{spec.shown}' is on {value.device}; the example inputs were on "
                f"{self.device}: give {spec.shown}.to('{self.device}')"
            )
        if value.dtype != spec.dtype:
            raise DtypeError(
                f"input '{spec.shown}' is {dtype_name(value.dtype)}; the module was exported for "
                f"{spec}: give {spec.shown}.to({spec.dtype})"
            )
        if value.layout != torch.strided:
            raise DtypeError(f"input '{spec.shown}' is sparse; give {spec.shown}.to_dense()")
        shape = tuple(value.shape)
        fits = len(shape) == len(spec.shape) and all(
            want is None or got == want for got, want in zip(shape, spec.shape, strict=True)
        )
        if not fits:
            why = ""
            if self.fixed_batch and shape[1:] == spec.shape[1:]:
                why = f" (the batch is fixed: {self.fixed_batch})"
            raise ShapeError(
                f"input '{spec.shown}' is {list(shape)}; the module was exported for {spec}{why}: "
                "shield it again with example inputs of this shape"
            )
        if spec.shape and spec.shape[0] is None:
            if shape[0] == 0:
                raise ShapeError(f"input '{spec.shown}' is {list(shape)}: the batch is empty")
            if shape[0] < self.least_batch:
                raise ShapeError(
                    f"input '{spec.shown}' is {list(shape)}: the export is of more than one row, "
                    "and the module, or PyTorch's exporter, does something else for a batch of "
                    "one: shield it again with example inputs of this shape"
                )
            if sizes.setdefault(spec.rows, shape[0]) != shape[0]:
                raise ShapeError(
                    f"input '{spec.shown}' has a batch of {shape[0]}, another input of "
                    f"{sizes[spec.rows]}: give all inputs the same"
                )


@dataclass(frozen=True)
class OutputForm:
    """What a module returns: `leaves` of `structure`, None standing for a tensor."""

    structure: Structure
    leaves: tuple[Constant | None, ...]
    paths: tuple[str, ...]  # of the tensors: "outputs['a'][2]"

    def equals(self, other: OutputForm) -> bool:
        """Whether the other has the same structure, and the same values that are no tensors."""
        return self.structure == other.structure and all(
            one is two if one is None or two is None else one.equals(two.value)
            for one, two in zip(self.leaves, other.leaves, strict=True)
        )

    @cached_property
    def is_one_tensor(self) -> bool:
        """Whether that is one tensor by itself."""
        return self.structure.kind is None

    def build(self, tensors: Sequence[torch.Tensor]) -> Any:
        """What the module returns when its tensors are these."""
        if self.is_one_tensor:
            return tensors[0]
        given = iter(tensors)
        leaves = [next(given) if leaf is None else leaf.value for leaf in self.leaves]
        return self.structure.build(iter(leaves))


def outputs_form(value: Any) -> tuple[list[torch.Tensor], OutputForm]:
    """The tensors of what a module returned, and what holds them. Errors: ExportError for what is
    neither a tensor nor a plain value."""
    found, structure = flatten(value, "outputs")
    leaves: list[Constant | None] = []
    for path, leaf in found:
        if not isinstance(leaf, (torch.Tensor, *_PLAIN)):
            hint = "pass use_cache=False" if "Cache" in type(leaf).__name__ else "return tensors"
            raise ExportError(
                f"the module returns {_shown(leaf)} ({path}), which is no tensor: {hint}, "
                "or tuples, lists, dicts and dataclasses of tensors"
            )
        leaves.append(None if isinstance(leaf, torch.Tensor) else Constant(leaf, path))
    tensors = [leaf for _, leaf in found if isinstance(leaf, torch.Tensor)]
    if not tensors:
        raise ExportError("the module returns no tensor: there is nothing to compute")
    paths = tuple(path for path, leaf in found if isinstance(leaf, torch.Tensor))
    return tensors, OutputForm(structure, tuple(leaves), paths)


def tensors_form(count: int) -> OutputForm:
    """One tensor by itself, or a tuple of several."""
    structure = flatten(0 if count == 1 else (0,) * count, "outputs")[1]
    paths = tuple(f"outputs[{i}]" for i in range(count))
    return OutputForm(structure, (None,) * count, paths)


def package_form(specs: Sequence[TensorSpec]) -> CallForm:
    """The call of what takes these tensors, one after the other or by name."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(spec.name, kind) for spec in specs])
    structure = flatten({spec.name: 0 for spec in specs}, "")[1]
    return CallForm(signature, structure, tuple(specs), torch.device("cpu"))


def _shown(value: Any) -> str:
    """A value in a message: a plain one as it is, of others the type alone."""
    if isinstance(value, _PLAIN):
        text = repr(value)
        kind = type(value).__name__
        shown = text if len(text) <= 40 else text[:40] + "..."
        return "None" if value is None else f"the {kind} {shown}"
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"


def bind_arguments(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """A call's arguments by parameter, with the defaults of those that are left out. Errors:
    InvalidArgumentError."""
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise InvalidArgumentError(f"forward({', '.join(signature.parameters)}): {error}") from None
    bound.apply_defaults()
    return dict(bound.arguments)


def form_of(
    signature: inspect.Signature, example: Any, dynamic_batch: bool
) -> tuple[CallForm, list[torch.Tensor]]:
    """The form of an example call, and its tensors. `example`: a tensor, a tuple or list of
    positional arguments, or a mapping of named ones. The batch is the first dimension of the first
    tensor; where it is another's too is to be tried, and here that of all that agree. Errors:
    InvalidArgumentError, DtypeError, DeviceError."""
    by_place = not isinstance(example, Mapping)
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if isinstance(example, Mapping):
        if not all(isinstance(name, str) for name in example):
            raise InvalidArgumentError("example_inputs: the keys of a mapping are argument names")
        kwargs = dict(example)
    else:
        args = tuple(example) if isinstance(example, tuple | list) else (example,)
    arguments = bind_arguments(signature, args, kwargs)
    given = frozenset(signature.bind(*args, **kwargs).arguments)
    leaves: list[tuple[str, Any]] = []
    owners: list[str] = []
    children: list[Structure] = []
    for name, value in arguments.items():
        found, child = flatten(value, name)
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            for (_, key), inside in zip(_keyed(value), child.children, strict=True):
                owners += [key] * _count(inside)
        else:
            owners += [name] * len(found)
        leaves += found
        children.append(child)
    structure = Structure(
        dict,
        tuple(f"[{name!r}]" for name in arguments),
        tuple(children),
        lambda made: dict(zip(arguments, made, strict=True)),
    )
    tensors = [value for _, value in leaves if isinstance(value, torch.Tensor)]
    if not tensors:
        raise InvalidArgumentError("example_inputs holds no tensor")
    device = tensors[0].device
    batch = next((value.shape[0] for value in tensors if value.dim() > 0), 0)
    names = _numbered(owners, [isinstance(value, torch.Tensor) for _, value in leaves])
    specs = [
        _spec(name, path, value, device, batch if dynamic_batch else 0, signature)
        for name, (path, value) in zip(names, leaves, strict=True)
    ]
    return CallForm(signature, structure, tuple(specs), device, given, by_place), tensors


def _keyed(value: Mapping[str, Any]) -> list[tuple[Any, str]]:
    return [(item, key) for key, item in value.items()]


def _count(structure: Structure) -> int:
    return 1 if structure.kind is None else sum(map(_count, structure.children))


def _spec(
    name: str,
    path: str,
    value: Any,
    device: torch.device,
    batch: int,
    signature: inspect.Signature,
) -> TensorSpec | Constant:
    if not isinstance(value, torch.Tensor):
        parameter = signature.parameters.get(path)
        is_default = parameter is not None and value is parameter.default
        if isinstance(value, _PLAIN) or is_default:
            return Constant(value, path)
        raise DtypeError(f"example input '{path}' is a {type(value).__name__}; give tensors")
    if value.device != device:
        raise DeviceError(
            f"example input '{path}' is on {value.device}, another one on {device}: put "
            "all of them on one device"
        )
    if value.layout != torch.strided:
        raise DtypeError(f"example input '{path}' is sparse; give {path}.to_dense()")
    shape: list[int | None] = list(value.shape)
    if shape and shape[0] == batch > 0:
        shape[0] = None
    return TensorSpec(name, value.dtype, tuple(shape), "" if path == name else path)


def argument_names(names: Sequence[str]) -> list[str]:
    """What a file calls its inputs, made fit for keywords, each once."""
    found = []
    for i, name in enumerate(names):
        known = name if name.isidentifier() and not iskeyword(name) else f"input_{i}"
        while known in found or (known != name and known in names):
            known += "_"
        found.append(known)
    return found


def _numbered(owners: Sequence[str], are_tensors: Sequence[bool]) -> list[str]:
    """A name for every leaf: its parameter's, numbered where that holds several tensors."""
    of_tensors = [name for name, is_one in zip(owners, are_tensors, strict=True) if is_one]
    taken: set[str] = set()
    counts: dict[str, int] = {}
    names = []
    for owner, is_one in zip(owners, are_tensors, strict=True):
        name = owner
        if is_one and of_tensors.count(owner) > 1:
            name = f"{owner}_{counts.get(owner, 0)}"
            counts[owner] = counts.get(owner, 0) + 1
        while is_one and name in taken:  # a parameter may be called pair_0 too
            name += "_"
        if is_one:
            taken.add(name)
        names.append(name)
    return names
