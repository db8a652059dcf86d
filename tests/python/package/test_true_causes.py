"""What an export would freeze is refused by name, an exporter's failure is told in one true line,
and the original stays as it was."""

from __future__ import annotations

import collections
import dataclasses
import random

import pytest
import torch
import torch.nn.functional as F
from nets import Mlp
from package_checks import HAS_DYNAMO, assert_same, state_of
from torch import nn

import taoism
from taoism import errors
from taoism._watch import unchanged


class Inside(nn.Module):
    """A part that a message has to name, in a module that is plain."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Linear(6, 6)
        self.part = part

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.part(self.stem(x))


class Keeps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))
        self.calls = 0
        self.log: list[int] = []
        self.plain = torch.zeros(6)


class Counts(Keeps):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += 1
        return x * self.seen


class Reassigns(Keeps):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = self.seen + 1
        return x * self.seen


class Averages(Keeps):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(6))
        self.register_buffer("var", torch.ones(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(x, self.mean, self.var, training=True)


class CountsInPython(Keeps):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.log.append(self.calls)
        return x * self.calls


class WritesPlain(Keeps):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.plain.add_(1)
        return x + self.plain


class Through(Keeps):
    def __init__(self, draw) -> None:
        super().__init__()
        self.draw = draw

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.draw(x)


FROZEN = {
    "buffer in place": (
        Counts(),
        r"'part' \(Counts\).*changes the buffer 'part\.seen' \(aten\.add_",
    ),
    "buffer assigned": (Reassigns(), "attribute 'seen' of module 'part'"),
    "running mean": (Averages(), r"'part\.mean' \(aten\..*batch_norm"),
    "attribute": (CountsInPython(), "attribute 'calls' of module 'part'"),
    "tensor attribute": (WritesPlain(), r"the attribute 'part\.plain' \(aten\.add_"),
    "bernoulli": (
        Through(lambda x: x * torch.bernoulli(torch.full((6,), 0.5))),
        r"aten\.bernoulli",
    ),
    "rand": (Through(lambda x: x + torch.rand(6)), r"'part' \(Through\).*aten\.rand"),
    "randn_like": (Through(lambda x: x + torch.randn_like(x)), r"aten\.randn_like"),
    "normal_": (Through(lambda x: x + torch.empty(6).normal_()), r"aten\.normal_"),
    "multinomial": (
        Through(lambda x: x + torch.multinomial(torch.ones(99), 6).float()),
        r"aten\.multinomial",
    ),
    "dropout": (Through(lambda x: F.dropout(x, 0.5, True)), r"aten\.(native_dropout|bernoulli_)"),
    "python": (Through(lambda x: x * random.random()), "draws from Python's random"),
}


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
@pytest.mark.parametrize("case", FROZEN)
def test_what_an_export_would_freeze_is_refused_by_name(
    case: str, exporter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if exporter == "torchscript":
        monkeypatch.setattr("taoism._exporters._HAS_DYNAMO", False)
    part, message = FROZEN[case]
    net = Inside(part).eval()
    x = torch.randn(3, 6)
    before, generator = state_of(net), torch.get_rng_state()
    with pytest.raises(errors.StatefulError, match=message) as caught:
        taoism.shield(net, x, "full")
    assert "\n" not in caught.value.args[0]
    assert state_of(net) == before
    assert torch.equal(generator, torch.get_rng_state())


def test_what_a_larger_batch_alone_would_change() -> None:
    class Grows(Keeps):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.shape[0] > 3:
                self.seen += 1
            return x + self.seen

    net = Inside(Grows()).eval()
    seen = net.part.seen.clone()
    with pytest.raises(errors.StatefulError, match=r"'part\.seen'"):
        taoism.shield(net, torch.randn(3, 6), "full")
    assert torch.equal(net.part.seen, seen)


def test_however_many_modules_there_are_they_stay_as_they_were() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return x + 1

    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.held = [[] for _ in range(30000)]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    first, last = Counts(), Counts()
    net = nn.Sequential(first, Beside(), *(nn.Identity() for _ in range(1300)), last).eval()
    with unchanged(net):
        net(torch.zeros(2))
    assert (first.calls, last.calls) == (0, 0)


def test_what_changes_and_does_not_matter_is_warned_of() -> None:
    class Shows(Mlp):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.last = super().forward(x)
            torch.rand(3)  # a draw that nothing reads
            return self.last

    net = Shows().eval()
    x = torch.randn(2, 6)
    with pytest.warns(taoism.ExportWarning, match="attribute 'last' of the module"):
        shielded = taoism.shield(net, x, "full")
    assert not hasattr(net, "last")
    with shielded, torch.no_grad():
        assert_same(shielded(x), net(x))


CAUSES = {
    "no form": (
        nn.Sequential(Through(torch.linalg.pinv)),
        r"'part\.0' \(Through\).*aten\.linalg_pinv",
    ),
    "numpy": (Through(lambda x: torch.from_numpy(x.numpy() * 2)), r"'part' \(Through\).*numpy"),
    "fails": (Through(lambda x: x @ torch.zeros(5, 2)), "fails on the example.*shapes cannot be"),
}


@pytest.mark.skipif(
    not HAS_DYNAMO, reason="needs PyTorch 2.6: before, the exporter that these name is not there"
)
@pytest.mark.parametrize("case", CAUSES)
def test_the_true_cause_in_one_line(case: str) -> None:
    part, message = CAUSES[case]
    with pytest.raises(errors.ExportError, match=message) as caught:
        taoism.shield(Inside(part).eval(), torch.randn(3, 6), "full")
    text = str(*caught.value.args)
    assert text.isprintable() and len(text) < 500 and "tensor(" not in text and "%" not in text


def test_weights_made_under_inference_mode_are_taken() -> None:
    with torch.inference_mode():
        net = Mlp().eval()
    x = torch.randn(2, 6)
    kept = [id(p) for p in net.parameters()]
    with taoism.shield(net, x, "full") as shielded, torch.inference_mode():
        assert_same(shielded(x), net(x))
        taoism.shield(net, x.clone(), "full").close()
    assert [id(p) for p in net.parameters()] == kept


def test_autocast_says_autocast() -> None:
    with (
        torch.autocast("cpu", torch.bfloat16),
        pytest.raises(errors.TrainingModeError, match="autocast is on for cpu"),
    ):
        taoism.shield(Mlp().eval(), torch.randn(2, 6))


@dataclasses.dataclass
class Answer:
    scores: torch.Tensor
    extra: dict[str, object]
    count: int = 0


class Drops(nn.Module):
    """A mapping in, a dataclass with None and numbers in it out; a default argument."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Mlp()

    def forward(self, batch, scale=None, times: int = 2) -> Answer:
        x = self.body(batch["x"] if scale is None else batch["x"] * scale) * times
        return Answer(x, {"none": None, "list": [x.amax(1), True]}, 3)


def test_calls_as_the_original_takes_them() -> None:
    net = Drops().eval()
    x = torch.randn(3, 6)
    given = collections.UserDict({"x": x})
    with taoism.shield(net, (given,), "full") as shielded, torch.no_grad():
        want = net(given)
        for call in (
            lambda: shielded({"x": x}),
            lambda: shielded(given, None),
            lambda: shielded(batch=given, scale=None, times=2),
        ):
            got = call()
            assert type(got) is Answer and got.count == 3
            assert got.extra["none"] is None and got.extra["list"][1] is True
            assert_same(got.scores, want.scores)
            assert_same(got.extra["list"][0], want.extra["list"][0])
        with pytest.raises(errors.InvalidArgumentError, match=r"^times is the int 3; the export"):
            shielded(given, times=3)
        with pytest.raises(errors.InvalidArgumentError, match=r"^scale is a Tensor; the export"):
            shielded(given, x)
        with pytest.raises(errors.InvalidArgumentError, match=r"^batch\['y'\] is given"):
            shielded({"x": x, "y": x})
    attention = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    q = torch.randn(2, 5, 8)
    example = {"query": q, "key": q, "value": q, "need_weights": False}
    with taoism.shield(attention, example, "full") as made, torch.no_grad():
        got, nothing = made(q, q, q, need_weights=False)
        assert nothing is None
        assert_same(got, attention(q, q, q, need_weights=False)[0])


def test_a_number_that_follows_the_batch_fixes_it() -> None:
    class Sizes(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
            return torch.relu(x), x.shape[0]

    x = torch.randn(4, 6)
    with taoism.shield(Sizes().eval(), x, "full") as shielded:
        assert shielded(x)[1] == 4
        with pytest.raises(errors.ShapeError, match="batch is fixed"):
            shielded(torch.randn(5, 6))


@pytest.mark.parametrize(
    "arguments",
    [{"strategy": "depe"}, {"tee": "sgx2"}, {"device": "tpu"}, {"tee_memory": "lots"},
     {"placement": {"nothing": "tee"}}, {"private": ["nothing"]}, {"tee_memory": 1.5},
     {"device": 3}, {"tee": None}, {"private": 5}, {"tee_threads": "two"}, {"placement": 7}],
    ids=str,
)  # fmt: skip
def test_what_can_be_refused_is_refused_before_the_export(
    arguments: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taoism._prepare.export", lambda *_, **__: pytest.fail("it was exported"))
    with pytest.raises(taoism.Error):
        taoism.shield(Mlp().eval(), torch.zeros(1, 6), **arguments)  # type: ignore[arg-type]


def test_the_default_strategy_fits_a_model_of_one_block() -> None:
    net = nn.Sequential(nn.Linear(6, 3)).eval()
    with taoism.shield(net, torch.zeros(1, 6)) as shielded:
        assert shielded.plan.strategy == "deep:k=1"


@pytest.mark.parametrize("strategy", ["magnitude", "intermediate", "nonlinear", "none"])
def test_strategies_that_give_weights_away_warn(strategy: str) -> None:
    with pytest.warns(taoism.ExposureWarning, match=strategy):
        taoism.shield(Mlp().eval(), torch.zeros(1, 6), strategy).close()
