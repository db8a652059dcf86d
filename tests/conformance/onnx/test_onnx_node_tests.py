"""The ONNX project's own tests of single operators, on both devices and in both TEEs.

passing.txt lists those that pass and how, unsupported.txt those that are refused, by reason. Both
are kept true: a test fails when a listed one does not pass, and when one that is not listed does.
A wrong answer is never accepted. To write both anew after a change: TAOISM_WRITE_LISTS=1.
"""

from __future__ import annotations

import collections
import os
import pathlib
import re
import warnings

import ml_dtypes
import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from model_runner import Answer, run_models, write_model  # noqa: E402
from onnx import numpy_helper  # noqa: E402

HERE = pathlib.Path(__file__).parent
PASSING, UNSUPPORTED = HERE / "passing.txt", HERE / "unsupported.txt"
WAYS = [
    "none@inline", "full@inline", "full@process", "none@inline@torch:cpu", "random:7@inline@torch:cpu",
]  # fmt: skip
# Which inputs of the test are constants of the model: what gives a weight or a shape must be one.
KINDS = ["inputs", "constants", "folded"]
# Where we do what PyTorch and ONNX Runtime do, and ONNX's test wants something else.
OTHERWISE = {
    "test_resize_downsample_scales_linear_align_corners": "corners are those of the output as it is,"
    " not of its size before rounding",
}
EXPLANATION = {
    PASSING: """\
# The ONNX project's tests that pass on both devices and in both TEEs. "inputs": all the test's
# inputs are the model's; "constants": all but the first are constants of the model, because the
# operator wants a weight, a shape or a bound to be one; "folded": all are, and the model is computed
# when it is imported. Written by test_onnx_node_tests.py.
""",
    UNSUPPORTED: """\
# The ONNX project's tests that are refused, with the reason. Written by test_onnx_node_tests.py.
""",
}


def as_array(value) -> np.ndarray | None:
    """A tensor of numbers, or None for what a model cannot be given from a file (sequences, text)."""
    if isinstance(value, onnx.TensorProto):
        value = numpy_helper.to_array(value)
    if not isinstance(value, np.ndarray | np.generic):
        return None
    value = np.asarray(value)
    return value if value.dtype.kind in "biufcV" else None


def with_constants(model, values: list[np.ndarray], first: int):
    """The model with its inputs from `first` on as initialisers."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    names = [value.name for value in model.graph.input]
    del changed.graph.input[first:]
    for name, value in list(zip(names, values, strict=True))[first:]:
        changed.graph.initializer.append(numpy_helper.from_array(value, name))
    return changed


def reason_of(message: str) -> str:
    """Without names and shapes, so that tests of one reason come together."""
    message = re.sub(r"( '')?( '[^']*')?: ", ": ", message, count=1)
    message = re.sub(r", which is not supported;.*", "", message)
    return re.sub(r",? got .*", "", message)


def is_right(case, answer: Answer) -> str:
    """Empty, or what is wrong."""
    wanted = [as_array(value) for value in case.data_sets[0][1]]
    if len(wanted) != len(answer.outputs):
        return f"gives {len(answer.outputs)} outputs, not {len(wanted)}"
    for i, (want, got) in enumerate(zip(wanted, answer.outputs, strict=True)):
        if want.shape != got.shape or want.dtype != got.dtype:
            return f"output {i} is {got.dtype}{got.shape}, not {want.dtype}{want.shape}"
        rtol = case.rtol
        if want.dtype.itemsize == 2 and want.dtype.kind in "fV":
            # ONNX's own values are rounded to 16 bits within operators, ours after them.
            rtol = max(rtol, 2 * float(ml_dtypes.finfo(want.dtype).eps))
        if not np.allclose(got, want, rtol=rtol, atol=case.atol, equal_nan=True):
            return f"output {i} differs"
    return ""


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Kind by passing test, reason by refused test, and what is wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        cases = {case.name: case for case in collect_testcases(None)}
    passing: dict[str, str] = {}
    refused: dict[str, str] = {}
    wrong: list[str] = []
    folder = tmp_path_factory.mktemp("node_tests")
    waiting = {}
    for name, case in sorted(cases.items()):
        inputs = [as_array(value) for value in case.data_sets[0][0]]
        outputs = [as_array(value) for value in case.data_sets[0][1]]
        if any(value is None for value in inputs + outputs):
            refused[name] = "sequences, optionals, maps and text are not supported"
        elif len(inputs) != len(case.model.graph.input):
            refused[name] = "an input that may be left out is"
        else:
            waiting[name] = inputs
    for first, kind in [(None, "inputs"), (1, "constants"), (0, "folded")]:
        for name, inputs in waiting.items():
            model = cases[name].model
            given = inputs
            if first is not None:
                model, given = with_constants(model, inputs, first), inputs[:first]
            write_model(folder / kind / name, model.SerializeToString(), given)
        paths = {name: folder / kind / name for name in waiting}
        answers = run_models(list(paths.values()), WAYS)
        for name, path in paths.items():
            for way, answer in zip(WAYS, answers[path], strict=True):
                if answer.status == "error":
                    wrong.append(f"{name} ({kind}, {way}): {answer.message}")
                elif answer.status == "ok" and (fault := is_right(cases[name], answer)):
                    wrong.append(f"{name} ({kind}, {way}): {fault}")
            states = {answer.status for answer in answers[path]}
            if states == {"ok"}:
                passing[name] = kind
            elif "unsupported" in states and (kind != "folded" or name not in refused):
                message = next(a.message for a in answers[path] if a.status == "unsupported")
                refused[name] = reason_of(message)
        waiting = {name: inputs for name, inputs in waiting.items() if name not in passing}
    wrong = [line for line in wrong if line.split(" ")[0] not in OTHERWISE]
    refused |= OTHERWISE
    for name in passing:
        refused.pop(name, None)
    return passing, refused, wrong


def write_lists(passing: dict[str, str], refused: dict[str, str]) -> None:
    lines = [f"{name} {kind}\n" for name, kind in sorted(passing.items())]
    PASSING.write_text(EXPLANATION[PASSING] + "".join(lines))
    groups = collections.defaultdict(list)
    for name, reason in refused.items():
        groups[reason].append(name)
    text = "".join(
        f"\n# {reason}\n" + "".join(f"{name}\n" for name in sorted(groups[reason]))
        for reason in sorted(groups)
    )
    UNSUPPORTED.write_text(EXPLANATION[UNSUPPORTED] + text)


def read_list(path: pathlib.Path) -> list[str]:
    lines = path.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_no_answer_is_wrong(results) -> None:
    assert not results[2], "\n".join(results[2])


def test_lists_are_true(results) -> None:
    passing, refused, _ = results
    if os.environ.get("TAOISM_WRITE_LISTS"):
        write_lists(passing, refused)
    listed = dict(line.split(" ") for line in read_list(PASSING))
    assert {n: k for n, k in listed.items() if passing.get(n) != k} == {}, "listed, do not pass so"
    assert {n: k for n, k in passing.items() if listed.get(n) != k} == {}, "pass, are not listed"
    assert sorted(read_list(UNSUPPORTED)) == sorted(refused)
