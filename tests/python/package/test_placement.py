"""Placement and privacy by module."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
import torch
from nets import Mlp, SmallCnn, Tagger, randomise
from package_checks import assert_same
from torch import nn

import taoism
from taoism import _modules
from taoism.errors import ArgumentTypeError, InvalidArgumentError, PlacementError

EXAMPLE = torch.zeros(1, 3, 8, 8)


def plan_of(**arguments: object) -> taoism.Plan:
    return taoism.plan(randomise(SmallCnn()), EXAMPLE, **arguments)  # type: ignore[arg-type]


def test_the_longest_prefix_wins() -> None:
    placement = {"layer1": "tee", "layer1.0": "device", "layer1.0.bn1": "tee", "": "device"}
    placed = plan_of(placement=placement).placement
    assert placed["layer1.1"] == placed["layer1.1.conv1"] == placed["layer1.0.bn1"] == "tee"
    assert placed["layer1.0.conv1"] == placed["layer2"] == placed["fc"] == "device"
    assert placed["layer1"] == placed["layer1.0"] == placed[""] == "both"
    assert "dropout" not in placed  # it has no operator


def test_patterns_and_functions() -> None:
    pattern = {re.compile(r"layer\d"): "tee", re.compile(r"layer2"): "device", "": "device"}
    placed = plan_of(placement=pattern).placement
    assert placed["layer1"] == "tee" and placed["layer2"] == "device"

    def choose(name: str, module: nn.Module) -> str | None:
        if name == "":
            return "tee"
        return "device" if isinstance(module, nn.Conv2d) else None

    placed = plan_of(placement=choose).placement
    convolutions = [n for n, m in SmallCnn().named_modules() if isinstance(m, nn.Conv2d)]
    assert {name: placed[name] for name in convolutions} == dict.fromkeys(convolutions, "device")
    assert placed["fc"] == placed["layer1.0.bn1"] == "tee"


def test_the_traces_that_exporters_leave() -> None:
    known = frozenset(["", "layer1", "layer1.0", "layer1.0.conv1", "fc", "a_1"])
    scopes = "['', 'layer1', 'layer1.0', 'layer1.0.conv1@2', 'conv2d_7']"
    assert _modules._deepest_scope(scopes, known) == "layer1.0.conv1"
    assert _modules._deepest_scope("['', 'relu']", known) == ""
    assert _modules._deepest_scope("['_not_a_module', 'sym_size']", known) is None
    assert _modules._deepest_scope("no list", known) is None
    assert _modules._walk(["layer1", "layer1.0", "conv1"], known) == "layer1.0.conv1"
    assert _modules._walk(["layer1", "layer1.0", "conv1_1"], known) == "layer1.0.conv1"
    assert _modules._walk(["fc_3"], known) == "fc"
    assert _modules._walk(["a_1"], known) == "a_1"
    assert _modules._walk([], known) == ""


def test_a_node_is_of_the_module_of_the_one_it_was_imported_from() -> None:
    modules = {"a.b/Gemm": "a.b", "a/Gemm": "a", "Gemm": "", "a/Gemm_2": "c"}
    for node, module in {
        "a.b/Gemm": "a.b",
        "a.b/Gemm/transA": "a.b",
        "a/Gemm/C__": "a",
        "a/Gemm_2/beta": "c",
        "Gemm/alpha": "",
        "unknown": "",
    }.items():
        assert _modules.source_module(node, modules) == module


def test_a_strategy_decides_what_the_placement_leaves_out() -> None:
    placed = plan_of(strategy="none", placement={"fc": "tee"}).placement
    assert placed["fc"] == "tee" and placed["layer2"] == "device"
    with pytest.raises(PlacementError, match="says nothing about 'stem'"):
        plan_of(placement={"fc": "tee"})


def test_a_placement_takes_the_place_of_a_rewrite() -> None:
    """magnitude splits every layer; one that is placed is whole, on its side."""
    plan = plan_of(strategy="magnitude:p=0.25", placement={"layer1": "tee", "fc": "device"})
    assert plan.placement["layer1"] == "tee" and plan.placement["fc"] == "device"
    assert plan.placement["stem"] == "both"


@pytest.mark.parametrize("seed", range(3))
def test_a_random_side_for_every_module_computes_the_same(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    net = randomise(SmallCnn())

    def choose(name: str, module: nn.Module) -> str:
        return ("tee", "device")[int(torch.randint(2, (1,), generator=generator))]

    x = torch.randn(3, 3, 8, 8)
    with torch.no_grad(), taoism.shield(net, x, placement=choose) as shielded:
        assert_same(shielded(x), net(x))


@pytest.mark.parametrize(
    ("placement", "message"),
    [
        ({"layre1": "tee", "": "device"}, "no module 'layre1'; did you mean 'layer1'"),
        ({"layer1.0.conv": "tee", "": "device"}, "did you mean 'layer1.0.conv1'"),
        ({re.compile("block.*"): "tee", "": "device"}, "pattern 'block.*' matches no module"),
        ({"fc": "tea", "": "device"}, "'tea' is neither 'tee' nor 'device'; did you mean 'tee'"),
        ({3: "tee"}, "3 is neither"),
        (["fc"], "placement is a list"),
        (lambda name, module: "gpu", "'gpu' is neither"),
    ],
)
def test_a_wrong_placement_is_refused(placement: object, message: str) -> None:
    with pytest.raises(PlacementError, match=re.escape(message)) as caught:
        plan_of(placement=placement)
    assert "\n" not in caught.value.args[0]
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, taoism.Error)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_private_and_public_modules_count_in_the_exposure() -> None:
    net = SmallCnn()
    total = parameters(net)
    everything = plan_of(strategy="none").report
    assert everything["private_params_total"] == everything["private_params_exposed"] == total

    private = plan_of(strategy="none", private=["layer1", "fc"]).report
    want = parameters(net.layer1) + parameters(net.fc)
    assert private["private_params_total"] == private["private_params_exposed"] == want

    public = plan_of(strategy="none", public=["layer1"]).report
    assert public["private_params_total"] == total - parameters(net.layer1)

    both = plan_of(strategy="none", public=["layer1"], private=["layer1.0.bn1"]).report
    want = total - parameters(net.layer1) + parameters(net.layer1[0].bn1)
    assert both["private_params_total"] == want

    placement = {"fc": "tee", "": "device"}
    kept = plan_of(placement=placement, private=["fc"])
    assert kept.report["private_params_total"] == parameters(net.fc)
    # A layer between values that the host knows and sees: it can be had by asking.
    assert kept.report["private_params_asked"] == parameters(net.fc)
    assert kept.private_params_exposed_share == 1
    # Behind public layers it is the same, wherever these run; behind private ones it is not.
    assert plan_of(strategy="full", private=["fc"]).private_params_exposed_share == 1
    assert plan_of(strategy="full").private_params_exposed_share == 0


def test_wrong_privacy_is_refused() -> None:
    with pytest.raises(PlacementError, match="did you mean 'layer2'"):
        plan_of(private=["layer22"])
    with pytest.raises(PlacementError, match="private and as public"):
        plan_of(private=["fc"], public=["fc"])
    with pytest.raises(ArgumentTypeError, match=r"public: .* is no list"):
        plan_of(public="fc")


def test_the_plan_explains_itself() -> None:
    net = randomise(SmallCnn())
    plan = taoism.plan(net, EXAMPLE, placement={"fc": "tee", "": "device"})
    assert plan.report["params_total"] == parameters(net)
    text = plan.explain()
    assert re.search(r"^fc +tee +Linear +45 +45 +45$", text, re.MULTILINE)
    assert re.search(r"^layer1\.0\.conv1 +device +Conv +[\d,]+ +576 +576$", text, re.MULTILINE)
    assert "layer1.0.conv1/Conv" in str(plan)
    page = plan._repr_html_()
    assert page.count("<tr") == len(text.splitlines()[: text.splitlines().index("")])
    assert "layer1.0.bn1" in page and "Plan(custom" in repr(plan)


def scattered(plan: taoism.Plan, seed: int, path: Path) -> Path:
    """The plan at `path` with a side for each node by chance."""
    plan.save(path)
    edited = json.loads(path.read_text())
    chance = random.Random(seed)
    for node in edited["nodes"]:
        node["placement"] = chance.choice(("tee", "device"))
    path.write_text(json.dumps(edited))
    return path


@pytest.mark.parametrize("device", ["cpu", "torch:cpu"])
def test_every_node_on_a_side_by_chance(device: str, tmp_path: Path) -> None:
    tokens = (torch.randint(0, 20, (2, 7)), torch.rand(2, 7) < 0.5)
    for net, example in ((SmallCnn(), (torch.randn(2, 3, 8, 8),)), (Tagger(), tokens)):
        randomise(net)
        for seed in range(3):
            path = scattered(taoism.plan(net, example, "none"), seed, tmp_path / f"{seed}.json")
            wanted = [node["placement"] for node in json.loads(path.read_text())["nodes"]]
            with (
                taoism.shield(net, example, device=device, placement=path) as shielded,
                torch.no_grad(),
            ):
                nodes = json.loads(shielded.plan.plan_json)["nodes"]
                assert [node["placement"] for node in nodes] == wanted
                assert {"tee", "device"} == set(wanted)
                assert_same(shielded(*example), net(*example))


def test_a_plan_of_one_export_places_another(tmp_path: Path) -> None:
    net, x = Mlp().eval(), torch.randn(3, 6)
    plan = taoism.plan(net, x, placement={"head": "device", "": "tee"})
    with taoism.shield(net, x, placement=plan) as shielded, torch.no_grad():
        assert shielded.placement == plan.placement
        assert_same(shielded(x), net(x))
        taoism.seal(net, tmp_path / "m.tao", x, placement=plan)
    with pytest.raises(PlacementError, match="give no strategy"):
        taoism.plan(net, x, "full", placement=plan)
    with pytest.raises(InvalidArgumentError, match="node"):
        plan_of(placement=plan)
    with pytest.raises(PlacementError, match="cannot read the plan"):
        plan_of(placement=tmp_path / "none.json")
    (tmp_path / "no.json").write_text("[]")
    with pytest.raises(PlacementError, match=r"no\.json is not what Plan\.save writes"):
        plan_of(placement=tmp_path / "no.json")
    with pytest.raises(PlacementError, match="a package's plan"):
        plan_of(placement=taoism.plan(tmp_path / "m.tao"))
