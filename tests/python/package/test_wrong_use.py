"""Wrong use gives an exception that says what is wrong and how to mend it."""

from __future__ import annotations

import copy
import io
import pickle
import re
from collections.abc import Callable, Iterator

import pytest
import torch
from nets import Mlp, SmallCnn, TwoTowers
from package_checks import HAS_DYNAMO, ROOT
from torch import nn

import taoism
from taoism import errors


@pytest.fixture(scope="module")
def shielded() -> Iterator[taoism.ShieldedModule]:
    with taoism.shield(SmallCnn().eval(), torch.zeros(1, 3, 8, 8), "none") as module:
        yield module


def test_a_module_in_training_mode() -> None:
    with pytest.raises(errors.TrainingModeError, match=r"the module is in training.*\.eval\(\)"):
        taoism.shield(SmallCnn(), torch.zeros(1, 3, 8, 8))
    net = SmallCnn().eval()
    net.layer1[0].bn1.train()
    with pytest.raises(errors.TrainingModeError, match=r"'layer1\.0\.bn1' is in training"):
        taoism.shield(net, torch.zeros(1, 3, 8, 8))


class Branches(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum() > 0 else x


class Loops(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(int(x.abs().max())):
            x = x + 1
        return x


@pytest.mark.parametrize("net", [Branches(), Loops()], ids=["branch", "loop"])
def test_data_dependent_control_flow(net: nn.Module) -> None:
    with pytest.raises(errors.ControlFlowError, match="depends on values of its input") as caught:
        taoism.shield(net.eval(), torch.ones(2, 3))
    assert "\n" not in caught.value.args[0]
    assert "test_wrong_use.py:" in str(caught.value)


def test_control_flow_is_not_traced_by_the_other_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taoism._exporters._HAS_DYNAMO", False)
    with pytest.raises(errors.ControlFlowError):
        taoism.shield(Branches().eval(), torch.ones(2, 3))


@pytest.mark.parametrize("strategy", ["none", "full"])
def test_an_index_out_of_range_ends_the_call_alone(strategy: str) -> None:
    net = nn.Embedding(5, 3).eval()
    good = torch.tensor([[0, 4, 2]])
    with taoism.shield(net, good, strategy) as module:
        for wrong in (5, -6, 2**40):
            with pytest.raises(errors.InvalidArgumentError, match="Gather") as caught:
                module(torch.tensor([[0, wrong, 2]]))
            assert "\n" not in caught.value.args[0]
            torch.testing.assert_close(module(good), net(good))


@pytest.mark.skipif(not HAS_DYNAMO, reason="before torch 2.6 its exporter refuses the operator")
def test_an_operator_that_taoism_cannot_run() -> None:
    class Sorts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.CELU())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.bitwise_not(self.inner(x).to(torch.int32)).float()

    with pytest.raises(errors.UnsupportedError, match="cannot be run") as caught:
        taoism.shield(Sorts().eval(), torch.ones(2, 3))
    assert isinstance(caught.value, NotImplementedError)


@pytest.mark.parametrize(
    ("x", "kind", "message"),
    [
        (torch.zeros(1, 3, 8, 8).double(), errors.DtypeError, r"float64.*x\.to\(torch\.float32\)"),
        (torch.zeros(1, 3, 8, 8).long(), errors.DtypeError, "int64"),
        (torch.zeros(1, 3, 9, 8), errors.ShapeError, r"\[1, 3, 9, 8\].*\[batch, 3, 8, 8\]"),
        (torch.zeros(3, 8, 8), errors.ShapeError, r"\[3, 8, 8\]"),
        (torch.zeros(0, 3, 8, 8), errors.ShapeError, "batch is empty"),
        (torch.zeros(1, 3, 8, 8, device="meta"), errors.DeviceError, r"is on meta.*\.to\('cpu'\)"),
        ([[0.0]], errors.DtypeError, "a list; give a tensor"),
        (3.5, errors.DtypeError, "the float 3.5; give a tensor"),
        (torch.zeros(1, 3, 8, 8).to_sparse(), errors.DtypeError, "to_dense"),
        (torch.zeros(1, 3, 8, 8, requires_grad=True), errors.TrainingModeError, "no_grad"),
    ],
)
def test_inputs_other_than_exported(
    shielded: taoism.ShieldedModule, x: object, kind: type[errors.Error], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        shielded(x)
    assert isinstance(caught.value, taoism.Error) and "\n" not in caught.value.args[0]


def test_other_arguments_than_exported(shielded: taoism.ShieldedModule) -> None:
    x = torch.zeros(1, 3, 8, 8)
    for call in (lambda: shielded(), lambda: shielded(x, x), lambda: shielded(y=x)):
        with pytest.raises(errors.InvalidArgumentError, match="forward"):
            call()
    net = TwoTowers().eval()
    with taoism.shield(
        net, {"pair": (torch.zeros(2, 6),) * 2, "weight": torch.zeros(4)}, "none"
    ) as towers:
        with pytest.raises(errors.ShapeError, match="batch of 3, another input of 2"):
            towers((torch.zeros(2, 6), torch.zeros(3, 6)), weight=torch.zeros(4))
        with pytest.raises(errors.InvalidArgumentError, match=r"^pair\[1\] is missing"):
            towers((torch.zeros(2, 6),), weight=torch.zeros(4))
        with pytest.raises(
            errors.InvalidArgumentError,
            match=r"^bias is the int 3; the export holds the example's, None",
        ):
            towers((torch.zeros(2, 6),) * 2, weight=torch.zeros(4), bias=3)


MOVES: list[Callable[[nn.Module], object]] = [
    lambda module: module.to("meta"),
    lambda module: module.to(torch.float64),
    lambda module: module.cuda(),
    lambda module: module.half(),
]


@pytest.mark.parametrize("move", MOVES)
def test_moving_says_what_to_do_instead(
    shielded: taoism.ShieldedModule, move: Callable[[nn.Module], object]
) -> None:
    with pytest.raises(errors.NotMovableError, match=r"taoism\.shield\(module.*device="):
        move(shielded)


def test_a_shielded_module_is_not_shielded_again(shielded: taoism.ShieldedModule) -> None:
    x = torch.zeros(1, 3, 8, 8)
    for module in (shielded, nn.Sequential(shielded)):
        with pytest.raises(errors.InvalidArgumentError, match="shielded already"):
            taoism.shield(module, x)
    assert taoism.plan(shielded) is shielded.plan


def test_a_module_that_holds_one_changes_as_a_whole_without_it(
    shielded: taoism.ShieldedModule,
) -> None:
    head, tail = nn.Linear(5, 5), nn.Linear(5, 2)
    parent = nn.Sequential(nn.Sequential(head, shielded), tail)
    for change, dtype in (
        (parent.half, torch.float16),
        (parent.double, torch.float64),
        (lambda: parent.to(torch.bfloat16), torch.bfloat16),
    ):
        with pytest.warns(errors.ModeWarning, match="stays as it is"):
            assert change() is parent
        assert head.weight.dtype == tail.weight.dtype == dtype
    parent.float()
    x = torch.zeros(1, 3, 8, 8)
    assert shielded(x).dtype == torch.float32
    apply = nn.Module._apply
    assert apply.__module__ == "torch.nn.modules.module"  # this library changes no other's
    for allowed in (lambda: parent.to("cpu"), parent.cpu, parent.float, parent.share_memory):
        assert allowed() is parent
    assert shielded.to("cpu") is shielded
    with pytest.warns(errors.ModeWarning, match="train the original"):
        parent.train()
    assert parent.training and tail.training and head.training and not shielded.training
    assert shielded.eval() is shielded
    with pytest.raises(errors.NotCopyableError, match="alone or as a part"):
        copy.deepcopy(parent)


@pytest.mark.parametrize(
    "action",
    [pickle.dumps, copy.copy, copy.deepcopy, lambda module: torch.save(module, io.BytesIO())],
    ids=["pickle", "copy", "deepcopy", "save"],
)
def test_copying_says_what_to_do_instead(
    shielded: taoism.ShieldedModule, action: Callable[[nn.Module], object]
) -> None:
    with pytest.raises(errors.NotCopyableError, match=r"taoism\.seal.*taoism\.load") as caught:
        action(shielded)
    assert isinstance(caught.value, TypeError)


def test_a_closed_module() -> None:
    shielded = taoism.shield(Mlp().eval(), torch.zeros(1, 6))
    shielded.close()
    shielded.close()
    with pytest.raises(errors.ClosedError, match="closed: shield the module again"):
        shielded(torch.zeros(1, 6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "depe:k=2"}, "depe"),
        ({"strategy": "deep:k=99"}, "deep"),
        ({"strategy": taoism.Deep(k=-1)}, "k"),
        ({"strategy": 3}, "taoism.Strategy"),
        ({"tee": "trustzone"}, "tee 'trustzone'"),
        ({"device": "tpu"}, "device 'tpu'"),
        ({"tee_memory": "lots"}, "64MiB"),
        ({"tee_memory": -1}, "positive"),
        ({"tee_threads": -1}, "tee_threads"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(errors.InvalidArgumentError, match=re.escape(message)) as caught:
        taoism.shield(Mlp().eval(), torch.zeros(1, 6), **arguments)  # type: ignore[arg-type]
    assert "--" not in str(caught.value)  # arguments are named as Python spells them


def test_wrong_examples() -> None:
    net = Mlp().eval()
    for example, kind in (
        ((), errors.InvalidArgumentError),
        ([torch.zeros(1, 6), 3], errors.InvalidArgumentError),
        ({"z": torch.zeros(1, 6)}, errors.InvalidArgumentError),
        ((object(),), errors.InvalidArgumentError),
    ):
        with pytest.raises(kind):
            taoism.shield(net, example)
    with pytest.raises(errors.InvalidArgumentError, match=r"str is no torch\.nn\.Module"):
        taoism.shield("net.onnx", torch.zeros(1, 6))  # type: ignore[arg-type]


def test_every_error_is_of_the_tree_and_of_a_builtin() -> None:
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.Error) and kind is not errors.Error:
            builtin = [base for base in kind.__mro__ if base.__module__ == "builtins"]
            assert len(builtin) > 3, name  # more than Exception, BaseException and object
            assert str(kind("why")) == "why"


# Flags that have no argument here: they go with a command, of taoism or of tools/build.
OF_COMMANDS = {"gtest", "input-type", "json", "reference", "target", "torch", "trust"}


def test_messages_name_arguments_and_not_flags() -> None:
    named: set[str] = set()
    for file in (ROOT / "src").rglob("*.cc"):
        if not file.name.endswith("_test.cc"):
            for text in re.findall(r'"(?:[^"\\\n]|\\.)*"', file.read_text()):
                named |= set(re.findall(r"(?<![\w-])--([a-z][a-z-]*[a-z])", text))
    assert len(named) > 15
    for flag in sorted(named - OF_COMMANDS):
        assert "--" not in errors.in_python(f"give --{flag} x"), flag


def test_what_is_said_of_a_build_is_said_of_an_installation() -> None:
    said = []
    for file in (ROOT / "src").rglob("*.cc"):
        if not file.name.endswith("_test.cc"):
            text = re.sub(r'"\s*\+?\s*\n\s*"', "", file.read_text())  # of several lines
            said += re.findall(r'"(?:[^"\\\n]|\\.)*"', text)
    of_builds = [text for text in said if "'programs'" in text]
    assert len(of_builds) > 3
    for text in of_builds:
        assert "'programs'" not in errors.in_python(text), text
    of_targets = [text for text in said if "--target" in text and "processor" in text]
    assert of_targets
    for text in of_targets:
        assert "with the command taoism seal --target" in errors.in_python(text), text


def test_no_name_reaches_a_terminal_as_a_command() -> None:
    name = "a\x1b[31m\x9b\u202e\u200bb\nc"
    with pytest.raises(errors.PlacementError, match=r"there is no module 'a\?\[31m\?\?\?b c'"):
        taoism.plan(Mlp().eval(), torch.zeros(1, 6), placement={name: "tee"})
