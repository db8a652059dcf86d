"""A plan: what runs where, what that costs and what the device gets to see."""

from __future__ import annotations

import html
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from taoism._file import refuse_to_lose
from taoism._machine import path_text
from taoism._modules import source_module
from taoism._placement import sides_by_module
from taoism.errors import ExposureWarning, file_error, in_python

_COLOURS = {"tee": "#d7f0dd", "device": "#fbe3d6", "both": "#f4f0cf"}


@dataclass(frozen=True)
class Plan:
    """How a model is split. `print(plan)` explains it; a notebook shows a table."""

    text: str
    report: Mapping[str, Any]  # the numbers of `text`, as `taoism plan --json` writes them
    plan_json: str  # the file that `taoism run --plan` takes; "" of a package
    module_of: Mapping[str, str]  # ONNX node -> module; empty where there are no modules
    module_names: tuple[str, ...]

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return (
            f"Plan({self.strategy}: {self.tee_macs_share:.1%} of MACs in the TEE, "
            f"{self.private_params_exposed_share:.1%} of private parameters exposed, "
            f"{self.crossings} crossings)"
        )

    @property
    def strategy(self) -> str:
        """The strategy in full, "custom" for a placement by module."""
        return str(self.report["strategy"])

    @property
    def tee_macs_share(self) -> float:
        """Of the multiply-accumulates of one inference, 0 to 1."""
        return _share(self.report, "macs_tee", "macs_total")

    @property
    def private_params_exposed_share(self) -> float:
        """Of the private parameters, what the device holds in clear and what can be had by asking
        the TEE, 0 to 1."""
        return _share(self.report, "private_params_exposed", "private_params_total")

    @property
    def crossings(self) -> int:
        """Tensors that cross the TEE's boundary in one inference."""
        return int(self.report["crossings"])

    @property
    def tee_memory_peak(self) -> int:
        """Bytes of trusted memory; 0 when nothing runs in the TEE."""
        return int(self.report.get("tee_memory_peak", 0))

    @property
    def warnings(self) -> list[str]:
        """What must be shown to whoever relies on this plan."""
        return list(self.report["warnings"])

    @property
    def placement(self) -> dict[str, Literal["tee", "device", "both"]]:
        """Where every module runs, "" being the whole; those without an operator are left out."""
        return sides_by_module(
            ((n["module"], n["placement"]) for n in self._nodes()), self.module_names
        )

    def explain(self) -> str:
        """A line for every module that has operators of its own, and what of its private weights
        the device sees."""
        rows = [("module", "place", "operators", "MACs", "parameters", "exposed")]
        for name, row in self._by_module().items():
            rows.append(
                (
                    name or "(root)",
                    row["place"],
                    ", ".join(row["ops"]),
                    f"{row['macs']:,}" if row["macs"] else "-",
                    f"{row['params']:,}" if row["params"] else "-",
                    f"{row['exposed']:,}" if row["exposed"] else "-",
                )
            )
        widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
        lines = [
            "  ".join(
                cell.ljust(w) if c < 3 else cell.rjust(w)
                for c, (cell, w) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, "", *self._summary()])

    def save(self, path: str | Path) -> None:
        """Writes plan.json, which can be edited and given to `taoism run --plan`, or as the
        `placement` of `shield`. Errors: NotFoundError, ResourceExhaustedError (a full disk),
        InvalidArgumentError for a path that cannot be written to, or that is a key, a package or a
        model."""
        text = path_text("path", path)
        refuse_to_lose(text)
        try:
            Path(text).write_text(self.plan_json, encoding="utf-8")
        except OSError as error:
            raise file_error(text, error) from error

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th style='text-align:left'>{title}</th>"
            for title in ("module", "place", "operators", "MACs", "parameters", "exposed")
        )
        body = "".join(
            f"<tr style='background:{_COLOURS[row['place']]};color:black'>"
            f"<td style='text-align:left'>{html.escape(name or '(root)')}</td>"
            f"<td>{row['place']}</td><td style='text-align:left'>"
            f"{html.escape(', '.join(row['ops']))}</td><td>{row['macs']:,}</td>"
            f"<td>{row['params']:,}</td><td>{row['exposed']:,}</td></tr>"
            for name, row in self._by_module().items()
        )
        summary = "<br>".join(html.escape(line) for line in self._summary())
        return f"<div>{summary}<table><tr>{head}</tr>{body}</table></div>"

    def _summary(self) -> list[str]:
        report = self.report
        lines = [
            f"strategy     {self.strategy}",
            f"in the TEE   {report['macs_tee']:,} of {report['macs_total']:,} MACs "
            f"({self.tee_macs_share:.1%})",
            f"crossings    {self.crossings} tensors: {report['bytes_to_tee']:,} bytes into the TEE"
            f", {report['bytes_to_device']:,} bytes out of it",
            f"device sees  {report['private_params_exposed']:,} of "
            f"{report['private_params_total']:,} private parameters "
            f"({self.private_params_exposed_share:.1%})",
        ]
        if report.get("asked"):
            lines[-1] += f", {report['private_params_asked']:,} of them by asking"
        for part in report.get("asked", []):
            behind = " but for an activation" if part["activated"] else ""
            form = f"affine{behind}" if part["queries"] else "alone on a way"
            queries = f", {part['queries']:,} queries" if part["queries"] else ""
            lines.append(
                f"  by asking   TEE segment {part['segment']}: {part['params']:,}, {form} "
                f"between clear ends{queries}"
            )
        return lines + [f"warning: {warning}" for warning in self.warnings]

    def _nodes(self) -> list[dict[str, Any]]:
        """The report's nodes, each with its module."""
        return [
            {**node, "module": source_module(node["origin"], self.module_of)}
            for node in self.report.get("nodes", [])
        ]

    def _by_module(self) -> dict[str, dict[str, Any]]:
        """By module with operators of its own, in the order in which they run."""
        rows: dict[str, dict[str, Any]] = {}
        module_of_origin: dict[str, str] = {}
        for node in self._nodes():
            module_of_origin[node["origin"]] = node["module"]
            row = rows.setdefault(
                node["module"], {"place": "", "ops": [], "macs": 0, "params": 0, "exposed": 0}
            )
            same = row["place"] in ("", node["placement"])
            row["place"] = node["placement"] if same else "both"
            if node["op"] not in row["ops"]:
                row["ops"].append(node["op"])
            row["macs"] += node["macs"]
            row["params"] += node["params"]
        report = self.report
        for weight in report.get("exposed_weights", []) + report.get("asked_weights", []):
            module = module_of_origin.get(weight["node"], "")
            rows[module]["exposed"] += weight["params"]
        return rows


def _share(report: Mapping[str, Any], part: str, whole: str) -> float:
    return report[part] / report[whole] if report[whole] else 0.0


def plan_of_report(
    report: tuple[str, str],
    plan_json: str = "",
    module_of: Mapping[str, str] | None = None,
    module_names: tuple[str, ...] = ("",),
) -> Plan:
    """From what the C++ side gives: JSON and text."""
    document = json.loads(report[0])
    document["warnings"] = [in_python(warning) for warning in document["warnings"]]
    return Plan(in_python(report[1]), document, plan_json, module_of or {}, module_names)


def warn_of(plan: Plan, depth: int = 1) -> None:
    """Warns of what whoever relies on the plan must know. `depth`: how many calls of the package
    are between this and the user's."""
    found = [warning for warning in plan.warnings if "too small" not in warning]
    if plan.strategy == "none":
        found.append("none: the whole model is on the device in clear: a bound to measure against")
    for warning in found:
        warnings.warn(warning, ExposureWarning, stacklevel=2 + depth)
