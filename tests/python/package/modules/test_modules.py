"""Modules of every kind that people write: each answers as PyTorch does, at the batch of the
example and at others, or is refused with the true cause."""

from __future__ import annotations

import pytest
from call_cases import CALLS, CODE
from layer_cases import FUNCTIONS, LAYERS
from module_case import Case, judge
from package_checks import HAS_DYNAMO
from state_cases import STATE
from transformer_cases import LANGUAGE, SIGHT_AND_SOUND

PLAIN = {**LAYERS, **FUNCTIONS, **CALLS, **CODE, **STATE}
OF_TRANSFORMERS = {**LANGUAGE, **SIGHT_AND_SOUND}
pytestmark = [
    pytest.mark.skipif(
        not HAS_DYNAMO, reason="needs PyTorch 2.6: what these say is of the exporter since"
    ),
    pytest.mark.filterwarnings("ignore"),
]


def marked(name: str, case: Case):
    return pytest.param(case, id=name, marks=() if case.fast else pytest.mark.slow)


@pytest.mark.parametrize("case", [marked(*item) for item in PLAIN.items()])
def test_a_module_answers_as_pytorch_or_says_why_not(
    case: Case, capfd: pytest.CaptureFixture
) -> None:
    judge(case)
    said = capfd.readouterr()
    assert said.out == "" and said.err == ""


@pytest.mark.slow
@pytest.mark.parametrize("case", OF_TRANSFORMERS.values(), ids=OF_TRANSFORMERS)
def test_a_model_of_transformers_answers_as_pytorch_or_says_why_not(case: Case) -> None:
    pytest.importorskip("transformers", reason="tools/setup --models")
    judge(case)


def test_there_are_more_than_three_hundred() -> None:
    assert len(PLAIN) + len(OF_TRANSFORMERS) > 300
