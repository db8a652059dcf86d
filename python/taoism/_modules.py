"""Which module every ONNX node comes from, and what of the file's weights is public."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    import onnx

# The model's metadata in which its owner says which weights are no secret: a name a line.
PUBLIC_KEY = "taoism.public"
# And why its rows belong together, where the graph is of one batch alone: what the module does with
# another one is not seen in it, so that nothing may be run in parts.
TOGETHER_KEY = "taoism.rows"
_SCOPES = "pkg.torch.onnx.name_scopes"


def module_names(module: nn.Module) -> dict[str, nn.Module]:
    """Every module by every name that it has; "" is the root."""
    return dict(module.named_modules(remove_duplicate=False))


def is_within(name: str, owner: str) -> bool:
    """Whether module `name` is `owner` or inside it."""
    return owner == "" or name == owner or name.startswith(owner + ".")


def nearest_owner(name: str, owners: Iterable[str]) -> str | None:
    """The longest of `owners` that module `name` is within."""
    return max((owner for owner in owners if is_within(name, owner)), key=len, default=None)


def label_nodes(
    path: Path, modules: Iterable[str], private: Mapping[str, bool], together: str = ""
) -> dict[str, str]:
    """Renames the nodes of the ONNX file to "MODULE/Op" and returns the module of each. `private`:
    by module, whether its weights are (and those of all within it); what no entry says is private.
    The public ones are written into the file's metadata, and so is `together`: why its rows do not
    run apart."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    _drop_invented_biases(model.graph, path.parent)
    known = frozenset(modules)
    scopes = [_module_of(node, known) for node in model.graph.node]
    _fill_gaps(model.graph, scopes)
    names: dict[str, str] = {}
    for node, scope in zip(model.graph.node, scopes, strict=True):
        stem = f"{scope}/{node.op_type}" if scope else node.op_type
        name, count = stem, 1
        while name in names:
            count += 1
            name = f"{stem}_{count}"
        node.name = name
        names[name] = scope or ""
    public = "\n".join(sorted(_public_tensors(model.graph, names, known, private)))
    for key, value in ((PUBLIC_KEY, public), (TOGETHER_KEY, together)):
        if value:
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
    onnx.save(model, str(path))
    return names


def source_module(node: str, modules: Mapping[str, str]) -> str:
    """The module of a node of the imported graph: one ONNX node may have become several, whose
    names go on after its own."""
    name = node
    while name not in modules and name:
        name = name[:-1] if name.endswith("_") else name.rpartition("/")[0]
    return modules.get(name, "")


def _module_of(node: onnx.NodeProto, known: frozenset[str]) -> str | None:
    """From what the exporter left: a list of scopes (dynamo), or a path as the name
    (TorchScript)."""
    for entry in node.metadata_props:
        if entry.key == _SCOPES:
            return _deepest_scope(entry.value, known)
    if node.name.startswith("/"):
        return _walk(node.name.split("/")[1:-1], known)
    return None


def _deepest_scope(text: str, known: frozenset[str]) -> str | None:
    try:
        scopes = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    # The last is the operator; a module that is called again has "@1" behind its name.
    for scope in reversed(scopes[:-1]):
        name = str(scope).partition("@")[0]
        if name in known:
            return name
    return None


def _walk(path: list[str], known: frozenset[str]) -> str:
    """From layer1, layer1.0, conv1 to layer1.0.conv1; a module that is called again is conv1_1."""
    module = ""
    for part in path:
        last = part.rpartition(".")[2]
        stem = part.rpartition("_")[0]
        prefix = f"{module}." if module else ""
        for name in (prefix + part, prefix + last, part, prefix + stem, stem):
            if name in known and name:
                module = name
                break
    return module


def _fill_gaps(graph: onnx.GraphProto, scopes: list[str | None]) -> None:
    """A node that the exporter made by itself belongs to the module that reads its result, else to
    the one that made its input."""
    reader: dict[str, str] = {}
    for node, scope in zip(reversed(graph.node), range(len(scopes) - 1, -1, -1), strict=True):
        if scopes[scope] is None:
            scopes[scope] = next((reader[o] for o in node.output if o in reader), None)
        found = scopes[scope]
        if found is not None:
            reader.update(dict.fromkeys(node.input, found))
    maker: dict[str, str] = {}
    for index, node in enumerate(graph.node):
        if scopes[index] is None:
            scopes[index] = next((maker[i] for i in node.input if i in maker), "")
        maker.update(dict.fromkeys(node.output, scopes[index] or ""))


def _drop_invented_biases(graph: onnx.GraphProto, folder: Path) -> None:
    """The dynamo exporter gives every convolution a bias: zeros where the module has none. They
    would count as parameters."""
    from onnx import numpy_helper

    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "Conv" or len(node.input) != 3:
            continue
        bias = tensors.get(node.input[2])
        if bias is None or re.fullmatch(r"val_\d+", bias.name) is None:
            continue
        if not numpy_helper.to_array(bias, str(folder)).any():
            del node.input[2]


def _public_tensors(
    graph: onnx.GraphProto,
    names: Mapping[str, str],
    known: frozenset[str],
    private: Mapping[str, bool],
) -> set[str]:
    """Initialisers whose owner says that they are public. One that bears no parameter's name (the
    exporter folded it) belongs to the modules that read it, and is public when all of them are."""
    if all(private.values()):
        return set()

    def is_private(module: str) -> bool:
        owner = nearest_owner(module, private)
        return True if owner is None else private[owner]

    owners: dict[str, list[str]] = {tensor.name: [] for tensor in graph.initializer}
    for node in graph.node:
        for tensor in node.input:
            if tensor in owners:
                owners[tensor].append(names[node.name])
    public = set()
    for tensor, readers in owners.items():
        module = tensor.rpartition(".")[0]
        modules = [module] if module and module in known else readers
        if modules and not any(is_private(m) for m in modules):
            public.add(tensor)
    return public
