"""Modules of every kind that people write: each answers as PyTorch does, at the batch of the
example and at others, or is refused with the true cause."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from call_cases import CALLS, CODE
from layer_cases import FUNCTIONS, LAYERS
from module_case import Case, judge
from package_checks import HAS_DYNAMO, difference, state_of
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
@pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None,
    reason="the PyPI package transformers is missing: tools/setup --models",
)
@pytest.mark.parametrize("case", OF_TRANSFORMERS.values(), ids=OF_TRANSFORMERS)
def test_a_model_of_transformers_answers_as_pytorch_or_says_why_not(case: Case) -> None:
    judge(case)


def test_what_differs_is_seen() -> None:
    nan, infinite = float("nan"), float("inf")
    for got, want in ((0.0, nan), (nan, 0.0), (nan, infinite), (-infinite, infinite), (1.0, 2.0)):
        pair = torch.tensor([got, 5.0]), torch.tensor([want, 5.0])
        assert difference(*pair) and not difference(pair[0], pair[0].clone())
    net = torch.nn.BatchNorm1d(3)
    net.note = [0.0]
    for change in (
        lambda: net.note.append(nan),
        lambda: net.running_mean.data.fill_(nan),
        lambda: net.running_mean.data.fill_(0),
        lambda: net.register_buffer("running_var", net.running_var.clone()),
        lambda: setattr(net, "more", 1),
    ):
        before = state_of(net)
        assert state_of(net) == before
        change()
        assert state_of(net) != before


def test_there_are_more_than_three_hundred() -> None:
    assert len(PLAIN) + len(OF_TRANSFORMERS) > 300
