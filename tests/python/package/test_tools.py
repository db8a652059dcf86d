"""plan, bench, seal, load, and the strategies as objects."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from nets import Mlp, SmallCnn, TwoTowers, randomise
from package_checks import ROOT, assert_same

import taoism
from taoism import _core, errors
from taoism.strategies import all_strategies, strategy_text

FASHION = ROOT / "models" / "fashion_resnet.onnx"


def test_every_registered_strategy_has_its_class_with_its_parameters() -> None:
    classes = {strategy.name: strategy for strategy in all_strategies()}
    registered = {entry["name"]: entry for entry in _core.strategies()}
    assert classes.keys() == registered.keys()
    for name, entry in registered.items():
        fields = {field.name: field for field in dataclasses.fields(classes[name])}
        assert list(fields) == [parameter["name"] for parameter in entry["parameters"]], name
        for parameter in entry["parameters"]:
            field = fields[parameter["name"]]
            assert field.default == parameter["default"]
            assert str(field.type) == parameter["kind"]
        assert strategy_text(classes[name]) == strategy_text(name)
        with pytest.raises(dataclasses.FrozenInstanceError):
            classes[name].k = 3  # type: ignore[attr-defined]
        assert getattr(taoism, type(classes[name]).__name__) is type(classes[name])


def test_strategies_as_text_and_as_objects_are_the_same() -> None:
    assert str(taoism.Deep(k=2)) == "deep:k=2"
    assert strategy_text(taoism.Intermediate(theta=0.5, seed=7)) == "intermediate:seed=7,theta=0.5"
    x = torch.zeros(1, 3, 8, 8)
    net = SmallCnn().eval()
    assert taoism.plan(net, x, taoism.Deep(k=2)).report == taoism.plan(net, x).report


def test_plan_of_a_file_is_the_command_lines() -> None:
    plan = taoism.plan(FASHION, strategy="deep:k=2")
    assert plan.strategy == "deep:k=2"
    assert 0 < plan.tee_macs_share < 1 and plan.tee_memory_peak > 0
    assert "TEE memory" in str(plan)
    assert json.loads(plan.plan_json)["schema"] == 1


def test_plan_refuses_what_only_modules_have() -> None:
    with pytest.raises(errors.PlacementError, match="needs the module"):
        taoism.plan(FASHION, placement={"": "tee"})
    with pytest.raises(errors.InvalidArgumentError, match="go with a module"):
        taoism.plan(FASHION, private=["fc"])
    with pytest.raises(errors.InvalidArgumentError, match="example_inputs"):
        taoism.plan(Mlp().eval())
    with pytest.raises(errors.NotFoundError) as caught:
        taoism.plan("/no/such.onnx")
    assert isinstance(caught.value, FileNotFoundError)


def test_a_saved_plan_is_what_the_command_line_takes(tmp_path: Path, run_cli) -> None:
    path = tmp_path / "plan.json"
    taoism.plan(FASHION, strategy="shallow:k=1").save(path)
    done = run_cli("plan", FASHION, "--plan", path)
    assert done.returncode == 0, done.stderr
    assert "shallow:k=1" in done.stdout


def test_a_plan_replaces_no_key_no_package_and_no_model(tmp_path: Path) -> None:
    taoism.seal(
        FASHION,
        tmp_path / "m.tao",
        strategy="full",
        key=tmp_path / "m.key",
        owner=tmp_path / "o.key",
        allow_exposed=True,
    )
    shutil.copy(FASHION, tmp_path / "m.onnx")
    (tmp_path / "link.json").symlink_to(tmp_path / "m.key")
    (tmp_path / "told.pem").write_text("Bag Attributes\n" + (tmp_path / "o.key").read_text())
    plan = taoism.plan(FASHION, strategy="full")
    kinds = {"m.key": "a key file", "o.key": "a key file", "o.pub": "a key file"}
    kinds |= {
        "link.json": "a key file",
        "told.pem": "a key file",
        "m.tao": "a package",
        "m.onnx": "a model",
    }
    for name, kind in kinds.items():
        before = (tmp_path / name).read_bytes()
        with pytest.raises(errors.InvalidArgumentError, match=f"{name}: is {kind}, which would be"):
            plan.save(tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
    for _ in range(2):  # an older plan is replaced
        plan.save(tmp_path / "plan.json")
    assert (tmp_path / "plan.json").read_text() == plan.plan_json


def test_bench_measures_and_becomes_a_data_frame() -> None:
    pandas = pytest.importorskip("pandas")
    net = randomise(SmallCnn())
    result = taoism.bench(
        net,
        torch.randn(1, 3, 8, 8),
        ["none", taoism.Deep(k=1)],
        batches=[1, 3],
        placement={"layer1": "tee", "": "device"},
        min_seconds=0.01,
        min_iterations=6,
    )
    schema = json.loads((ROOT / "docs/formats/bench.schema.json").read_text())
    jsonschema.validate(json.loads(result.to_json()), schema)
    assert [run["batch"] for run in result.runs] == [1, 1, 1, 3, 3, 3]
    assert all(run["valid"] for run in result.runs)
    frame = result.to_pandas()
    assert isinstance(frame, pandas.DataFrame) and len(frame) == 6
    assert (frame["latency_ms.median"] > 0).all()
    assert math.isclose(frame.filter(like="time_share.").iloc[0].sum(), 1, rel_tol=1e-6)
    assert "deep:k=1" in str(result) and result._repr_html_().count("<tr>") == 7


def test_a_sealed_module_is_loaded_and_computes_the_same(tmp_path: Path) -> None:
    net = randomise(SmallCnn())
    path = tmp_path / "m.tao"
    x = torch.randn(11, 3, 8, 8)
    with taoism.shield(net, x, "deep:k=1") as shielded:
        with pytest.raises(taoism.errors.PolicyError, match=r"by asking.*allow_exposed"):
            taoism.seal(shielded, path, batches=[1, 4])
        sealed = taoism.seal(shielded, path, batches=[1, 4], allow_exposed=True)
    assert sealed.key_path == tmp_path / "m.key" and sealed.key_is_new
    assert sealed.batches == (1, 4) and sealed.file_bytes == path.stat().st_size
    assert any("lies beside the package" in warning for warning in sealed.warnings)
    with taoism.load(path) as loaded, torch.no_grad():
        assert "deep:k=1" in str(loaded.plan)
        assert_same(loaded(x), net(x))  # in parts of 4, 4 and three times 1
        assert_same(loaded(x=x[:4]), net(x[:4]))
        with pytest.raises(errors.ShapeError):
            loaded(x[:, :2])
        with pytest.raises(errors.InvalidArgumentError, match="package already"):
            taoism.seal(loaded, tmp_path / "again.tao")
    assert str(taoism.plan(path)).startswith("strategy     deep:k=1")


def test_a_package_with_several_inputs_and_outputs(tmp_path: Path) -> None:
    net = TwoTowers().eval()
    pair, weight = (torch.randn(5, 6), torch.randn(5, 6)), torch.randn(4)
    path = tmp_path / "towers.tao"
    taoism.seal(net, path, {"pair": pair, "weight": weight}, "full", batches=[2, 1])
    with taoism.load(path) as loaded, torch.no_grad():
        want = net(pair, weight=weight)
        assert_same(loaded(*pair, weight), (want["sum"], *want["each"]))


def test_a_label_alone_may_leave(tmp_path: Path) -> None:
    net = randomise(SmallCnn())
    x = torch.randn(4, 3, 8, 8)
    path = tmp_path / "m.tao"
    taoism.seal(net, path, x, "full", batches=[4], answer="label")
    with taoism.load(path) as loaded, torch.no_grad():
        assert torch.equal(loaded(x), net(x).argmax(1))
        with pytest.raises(errors.InvalidArgumentError, match="batch"):
            loaded(x[:3])


def test_wrong_packages_and_keys(tmp_path: Path) -> None:
    x = torch.randn(1, 6)
    path = tmp_path / "m.tao"
    taoism.seal(Mlp().eval(), path, x, "full", batches=[1])
    other = tmp_path / "other.tao"
    taoism.seal(Mlp().eval(), other, x, "full", batches=[1])
    for key, kind in (("other", errors.IntegrityError), ("none", errors.NotFoundError)):
        with taoism.load(path, key=tmp_path / f"{key}.key") as loaded, pytest.raises(kind):
            loaded(x)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(errors.IntegrityError):
        taoism.load(path)
    with pytest.raises(errors.InvalidArgumentError, match=r"nothing.*in the TEE"):
        taoism.seal(Mlp().eval(), tmp_path / "n.tao", x, "none")


def test_an_older_package_is_refused_once_it_is_retired(tmp_path: Path) -> None:
    x = torch.randn(1, 6)
    net = Mlp().eval()
    old, new, key = tmp_path / "old.tao", tmp_path / "new.tao", tmp_path / "k.key"
    taoism.seal(net, old, x, "full", key=key, batches=[1])
    taoism.seal(net, new, x, "full", key=key, batches=[1], version=2, retire_older=True)
    with taoism.load(new, key=key) as loaded, torch.no_grad():
        assert_same(loaded(x), net(x))
    with taoism.load(old, key=key) as loaded, pytest.raises(errors.PolicyError):
        loaded(x)


def test_a_package_is_its_owners(tmp_path: Path) -> None:
    x = torch.randn(1, 6)
    net = Mlp().eval()
    path, key = tmp_path / "m.tao", tmp_path / "k.key"
    sealed = taoism.seal(net, path, x, "full", key=key, batches=[1], owner=tmp_path / "me.key")
    assert sealed.owner_path == tmp_path / "me.key" and sealed.key_is_new
    assert not any("beside the package" in warning for warning in sealed.warnings)
    taoism.seal(
        net, tmp_path / "o.tao", x, "full", batches=[1], owner=str(tmp_path / "another.key")
    )
    mine, others = tmp_path / "me.pub", tmp_path / "another.pub"
    with taoism.load(path, key=key, owner=mine) as loaded, torch.no_grad():
        assert_same(loaded(x), net(x))
    measured = taoism.bench(path, key=key, owner=mine, min_iterations=1, min_seconds=0)
    assert all(run["valid"] for run in measured.runs)
    assert "full" in str(taoism.plan(path, owner=mine))
    for use in (taoism.load, taoism.plan, taoism.bench):
        with pytest.raises(errors.IntegrityError, match="none of those in owner"):
            use(path, owner=others)
        with pytest.raises(errors.NotFoundError, match=r"^owner: "):
            use(path, owner=tmp_path / "no.pub")
    with pytest.raises(errors.InvalidArgumentError, match="does not know this owner"):
        taoism.seal(net, path, x, "full", key=key, batches=[1], owner=tmp_path / "another.key")
    for use in (taoism.load, taoism.plan, taoism.bench):
        with pytest.raises(errors.NotFoundError, match=r"no\.tao: "):
            use(tmp_path / "no.tao", owner=mine)
    for use in (taoism.plan, taoism.bench):
        with pytest.raises(errors.InvalidArgumentError, match="the model is no package"):
            use(net, x, owner=mine)


class OtherAlone(torch.nn.Module):
    """Of one row it makes something else."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(5, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x) if x.shape[0] > 1 else x * 2


def test_a_module_that_does_something_else_for_a_batch_of_one(tmp_path: Path) -> None:
    def operators(rows: int) -> list[str]:
        made = taoism.plan(OtherAlone().eval(), torch.randn(rows, 5), "full")
        return [node["name"] for node in json.loads(made.plan_json)["nodes"]]

    assert operators(1) == ["Mul"] and not set(operators(2)) & {"Mul"}
    net, x = OtherAlone().eval(), torch.randn(2, 5)
    for batches in ((1,), (4, 1)):
        with pytest.raises(errors.InvalidArgumentError, match="batches from 2"):
            taoism.bench(net, x, ["none"], batches=batches)
        with pytest.raises(errors.InvalidArgumentError, match="batches from 2"):
            taoism.seal(net, tmp_path / "m.tao", x, "full", batches=batches)
    measured = taoism.bench(net, x, ["none"], batches=[2], min_seconds=0, min_iterations=1)
    assert measured.runs[0]["valid"]


class OddDoubled(OtherAlone):
    """Of an odd number of rows it gives twice as much."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x) * (2 if x.shape[0] % 2 else 1)


@pytest.mark.parametrize(
    ("net", "rows", "others", "given"),
    [
        (OtherAlone(), 1, (2, 3), {}),
        (OddDoubled(), 3, (6, 9), {}),
        (Mlp(), 2, (4,), {"dynamic_batch": False}),
    ],
    ids=["of one", "odd", "as wished"],
)
def test_a_package_of_one_batch_runs_no_parts_of_another(
    net: torch.nn.Module,
    rows: int,
    others: tuple[int, ...],
    given: dict[str, bool],
    tmp_path: Path,
    run_cli,
) -> None:
    net.eval()
    width = 6 if isinstance(net, Mlp) else 5
    x = torch.randn(rows, width)
    path = tmp_path / "m.tao"
    with taoism.shield(net, x, "full", **given) as shielded:
        sealed = taoism.seal(shielded, path, allow_exposed=True)
    assert sealed.batches == (rows,)
    if not given:
        path = tmp_path / "of_the_module.tao"
        taoism.seal(net, path, x, "full", allow_exposed=True)
    with taoism.load(path) as loaded, torch.no_grad():
        assert_same(loaded(x), net(x))
        for other in others:
            with pytest.raises(errors.InvalidArgumentError, match="in parts"):
                loaded(torch.randn(other, width))
    for count in (rows, *others):
        np.save(tmp_path / "x.npy", torch.randn(count, width).numpy())
        done = run_cli("run", path, "-i", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
        assert (done.returncode == 0) == (count == rows), done.stderr
        assert count == rows or "run apart" in done.stderr


def test_no_package_leaves_one_row_over_where_that_is_another_module(
    tmp_path: Path, run_cli
) -> None:
    net, path = OtherAlone().eval(), tmp_path / "m.tao"
    sealed = taoism.seal(net, path, torch.randn(2, 5), "full", allow_exposed=True)
    assert sealed.batches == (2, 8, 64)
    with taoism.load(path) as loaded, torch.no_grad():
        for count in (1, 2, 3, 4, 9):
            x = torch.randn(count, 5)
            np.save(tmp_path / "x.npy", x.numpy())
            done = run_cli("run", path, "-i", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
            assert (done.returncode == 0) == (count % 2 == 0), done.stderr
            if count % 2 == 0:
                assert_same(loaded(x), net(x))
                continue
            with pytest.raises(errors.InvalidArgumentError, match="sealed for batches of 2, 8, 64"):
                loaded(x)
