"""docs/operators.md and README name what the program takes in, of all operators that ONNX has."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from conftest import ROOT
from onnx import TensorProto, defs, helper, save

Run = Callable[..., subprocess.CompletedProcess[str]]


def is_taken(run: Run, op: str, path: Path) -> bool:
    """Whether the operator is known: its attributes, types and shapes may be wrong here."""
    schema = defs.get_schema(op)
    inputs = [f"x{i}" for i in range(max(1, schema.min_input))]
    graph = helper.make_graph(
        [helper.make_node(op, inputs, ["y"])],
        "one",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in inputs],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    opsets = [helper.make_opsetid("", max(21, schema.since_version))]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    said = run("inspect", path, "--json").stdout
    refused = json.loads(said)["unsupported"] if said else []
    return not any(one["reason"] == "operator is not supported" for one in refused)


def test_the_page_names_every_operator_that_is_taken(run: Run, tmp_path: Path) -> None:
    page = (ROOT / "docs/operators.md").read_text()
    cells = re.findall(r"^\| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE)[1:]
    listed = re.findall(r"[A-Z]\w+", re.sub(r"\([^)]*\)", "", " ".join(cells)))
    operators = sorted({schema.name for schema in defs.get_all_schemas() if not schema.domain})
    taken = [op for op in operators if is_taken(run, op, tmp_path / "one.onnx")]
    assert sorted(listed) == taken
    assert f"[{len(taken)} operators]" in (ROOT / "README.md").read_text()
