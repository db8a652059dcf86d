"""Why an export failed: one line that names the user's module and what the exporter said first."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import fx
from torch.jit._trace import TracerWarning

from taoism._places import chain_of, frames_of, place_of_error, shown_module
from taoism.errors import ControlFlowError, Error, ExportError, UnsupportedError

# What torch.export says, whatever the version, where a value of the input decides what runs.
_DATA_DEPENDENT = re.compile(r"data[- ]dependent|dynamic control flow", re.IGNORECASE)
_BATCH_IS_FIXED = re.compile(
    r"constraints? violated|specializ|\bSym(?:Int|Float|Bool)\b", re.IGNORECASE
)
_NO_FORM = re.compile(r"No ONNX function found|Exporting the operator|No decompositions")
_SCRIPT_OPERATOR = re.compile(r"the operator '?(aten::\w+)")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b.|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_VALUES = re.compile(r"(?:Parameter containing:\s*)?\btensor\(.*", re.DOTALL)
_DUMPS = re.compile(r"\s*(?:\[Caused by|%\w+ ?:|graph\(|def forward\(|Traceback \().*", re.DOTALL)
_NO_GRADIENT = "does not require grad"
_LONGEST = 300


def fixes_the_batch(error: BaseException) -> bool:
    """Whether the module would be exported if its batch were not left open."""
    return _BATCH_IS_FIXED.search(str(error)) is not None


def control_flow(error: BaseException, names: Mapping[int, str]) -> ControlFlowError | None:
    """The error for a module whose Python code depends on values of its input; None where that is
    not why. `names`: by id of a module."""
    # A warning that became an error inside C++ is the cause of another one.
    is_trace = any(isinstance(e, TracerWarning) for e in chain_of(error))
    if not is_trace and not _DATA_DEPENDENT.search(f"{type(error).__name__} {error}"):
        return None
    where = place_of_error(error, names) or "the module"
    return ControlFlowError(
        f"{where}: its Python code depends on values of its input, and an export holds one of its "
        "ways: write it with torch.where or masks, or shield the parts before and "
        "after it"
    )


def export_error(error: BaseException, names: Mapping[int, str]) -> ExportError:
    """The error for an exporter's exception."""
    found = control_flow(error, names)
    if found is not None:
        return found
    chain = chain_of(error)
    said = _first_line(str(chain[-1]))
    node = _node_of(chain)
    if node is not None:
        operator, where = _operator(node), _module_of_node(node, names)
        if _NO_FORM.search(said):
            return ExportError(
                f"{where} uses {operator}, which PyTorch's exporter cannot write as ONNX: replace "
                "it by operators that it can, or shield the parts before and after it"
            )
        return ExportError(
            f"{where} uses {operator} as PyTorch's exporter cannot write it as ONNX: {said}"
        )
    script = _SCRIPT_OPERATOR.search(str(error))
    where = place_of_error(error, names) or "the module"
    if script is not None and _NO_FORM.search(str(error)):
        return ExportError(
            f"{where} uses {script[1].replace('::', '.')}, which PyTorch's exporter cannot write "
            "as ONNX: replace it by operators that it can, or shield the parts before and after it"
        )
    first = _first_of(error)
    return ExportError(
        f"{where} cannot be exported to ONNX: {type(first).__name__}: {_first_line(str(first))}"
    )


def forward_error(error: BaseException, names: Mapping[int, str]) -> Error:
    """The error for a module that failed on its example, where it runs without gradients."""
    where = place_of_error(error, names) or "the module"
    if _NO_GRADIENT in str(error):
        return UnsupportedError(
            f"{where} computes gradients in its forward, and an export holds none: compute them in "
            "closed form, or shield the parts before and after it"
        )
    return ExportError(
        f"{where} fails on the example inputs, before any export: {type(error).__name__}: "
        f"{_first_line(str(error))}"
    )


def _first_of(error: BaseException) -> BaseException:
    """What was raised on purpose for another one is named by that."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    return first


def _node_of(chain: list[BaseException]) -> fx.Node | None:
    """The operator that could not be translated."""
    for error in reversed(chain):
        for frame, _ in frames_of(error):
            node = frame.f_locals.get("node")
            if "torch/onnx" in frame.f_code.co_filename and isinstance(node, fx.Node):
                return node
    return None


def _operator(node: fx.Node) -> str:
    """As the module called it, before PyTorch took it apart; without the overload's name."""
    name = str(node.meta.get("original_aten") or node.target)
    found = re.match(r"(?:aten|prims)\.\w+", name)
    return found[0] if found else name


def _module_of_node(node: fx.Node, names: Mapping[int, str]) -> str:
    """The innermost of the modules that the exporter wrote down, and the line in them."""
    known = set(names.values())
    where = "the module"
    for path, kind in reversed(list((node.meta.get("nn_module_stack") or {}).values())):
        name = str(path).partition("@")[0]
        if name in known:
            kind_name = kind if isinstance(kind, str) else kind.__name__
            where = shown_module(name, type(kind_name.rpartition(".")[2], (), {}))
            break
    lines = re.findall(r'File "([^"]+)", line (\d+)', node.meta.get("stack_trace") or "")
    return where + (f" ({lines[-1][0].rpartition('/')[2]}:{lines[-1][1]})" if lines else "")


def _first_line(text: str) -> str:
    """What a library said, without its escape codes, its dumps and anybody's numbers."""
    text = _VALUES.sub("a tensor", _DUMPS.sub("", _ESCAPES.sub("", text)))
    line = next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "..."
