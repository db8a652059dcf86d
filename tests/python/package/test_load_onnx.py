"""ONNX files as modules."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh
from package_checks import assert_same
from torch import nn

import taoism
from taoism import errors

TABLE = torch.randn(9, 4)


def write(path: Path, nodes: list, inputs: dict, outputs: list) -> Path:
    graph = h.make_graph(
        nodes,
        "g",
        [h.make_tensor_value_info(name, *info) for name, info in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [nh.from_array(TABLE.numpy(), "table")],
    )
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture()
def lookup(tmp_path: Path) -> Path:
    """Rows of a table, masked, and how many there are of each."""
    nodes = [
        h.make_node("Gather", ["table", "ids"], ["rows"]),
        h.make_node("Cast", ["mask"], ["factor"], to=T.FLOAT),
        h.make_node("Mul", ["rows", "factor"], ["y"]),
        h.make_node("Identity", ["ids"], ["same.ids"]),
    ]
    inputs = {"ids": (T.INT64, ["N", 3]), "mask": (T.BOOL, ["N", 3, 1])}
    return write(tmp_path / "lookup.onnx", nodes, inputs, ["y", "same.ids"])


@pytest.mark.parametrize("strategy", ["none", "full", taoism.Full()])
def test_integers_masks_and_any_batch(lookup: Path, strategy: str) -> None:
    with taoism.load(lookup, strategy=strategy) as model:
        for batch in (1, 5, 2):
            ids = torch.randint(0, 9, (batch, 3))
            mask = torch.rand(batch, 3, 1) > 0.5
            y, same = model(ids, mask)
            assert torch.equal(y, TABLE[ids] * mask) and torch.equal(same, ids)
            assert torch.equal(model(mask=mask, ids=ids)[0], y)
        with pytest.raises(errors.DtypeError, match="int64"):
            model(ids.float(), mask)


def test_fixed_and_open_dimensions(tmp_path: Path) -> None:
    relu = [h.make_node("Relu", ["x"], ["y"])]
    fixed = write(tmp_path / "fixed.onnx", relu, {"x": (T.FLOAT, [4, 3])}, ["y"])
    x = torch.randn(4, 3)
    with taoism.load(fixed, strategy="full") as model:
        assert_same(model(x), x.relu())
        with pytest.raises(errors.ShapeError):
            model(x[:2])
    wide = write(tmp_path / "open.onnx", relu, {"x": (T.FLOAT, ["N", 3, "H", "W"])}, ["y"])
    with pytest.raises(errors.InvalidArgumentError, match=r"dimensions 2 and 3 are open.*shapes="):
        taoism.load(wide, strategy="full")
    x = torch.randn(2, 3, 5, 7)
    with taoism.load(wide, strategy="full", shapes={"x": (None, 3, 5, 7)}) as model:
        assert_same(model(x), x.relu())
        assert_same(model(x[:1]), x[:1].relu())


def test_first_dimensions_of_several_names(tmp_path: Path) -> None:
    """Each is as many as are given, as on the command line."""
    nodes = [h.make_node("Transpose", ["b"], ["t"]), h.make_node("MatMul", ["a", "t"], ["h"])]
    nodes.append(h.make_node("Add", ["h", "c"], ["y"]))
    inputs = {
        "a": (T.FLOAT, ["N", 4]),
        "b": (T.FLOAT, ["M", 4]),
        "c": (T.FLOAT, ["N", 1]),
    }
    path = write(tmp_path / "m.onnx", nodes, inputs, ["y"])
    for shapes in (None, {"b": (2, 4)}, {"a": (None, 4), "b": (2, 4)}):
        with taoism.load(path, strategy="full", shapes=shapes) as model:
            for n, m in ((5, 2), (1, 2), (2, 2), (1, 3), (3, 1)):
                a, b, c = torch.randn(n, 4), torch.randn(m, 4), torch.randn(n, 1)
                if shapes is not None and m != 2:
                    with pytest.raises(errors.ShapeError, match="'b'"):
                        model(a, b, c)
                    continue
                assert_same(model(a, b, c), a @ b.T + c)
            with pytest.raises(errors.ShapeError, match=r"'c' has a batch of 3, another.* of 2"):
                model(torch.ones(2, 4), torch.ones(2, 4), torch.ones(3, 1))
    unnamed = {"x": (T.FLOAT, [None, 4]), "z": (T.FLOAT, [None, 4])}
    path = write(tmp_path / "u.onnx", [h.make_node("Add", ["x", "z"], ["y"])], unnamed, ["y"])
    with taoism.load(path, strategy="full") as model:
        x, z = torch.randn(3, 4), torch.randn(1, 4)
        assert_same(model(x, z), x + z)
        with pytest.raises(errors.Error, match=r"3x4.*2x4"):
            model(x, torch.randn(2, 4))


def test_a_plan_as_a_file(lookup: Path, tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    taoism.plan(lookup, strategy="full").save(saved)
    with taoism.load(lookup, placement=saved) as model:
        assert model.plan.tee_macs_share == taoism.plan(lookup, strategy="full").tee_macs_share
        assert model(torch.zeros(1, 3, dtype=torch.int64), torch.ones(1, 3, 1, dtype=torch.bool))


def test_wrong_use(lookup: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="no package: give no key"):
        taoism.load(lookup, key=tmp_path / "m.key")
    with pytest.raises(errors.NotFoundError):
        taoism.load(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(errors.InvalidArgumentError, match=r"bad\.onnx"):
        taoism.load(tmp_path / "bad.onnx")


def test_names_that_are_no_arguments(tmp_path: Path) -> None:
    node = h.make_node("Add", ["x:0", "input_0"], ["y"])
    path = write(
        tmp_path / "m.onnx",
        [node],
        {"x:0": (T.FLOAT, ["N", 2]), "input_0": (T.FLOAT, ["N", 2])},
        ["y"],
    )
    with taoism.load(path, strategy="full") as model:
        one, two = torch.ones(3, 2), torch.full((3, 2), 2.0)
        assert_same(model(one, input_0=two), one + two)


def test_shapes_are_taken_wherever_a_file_is(tmp_path: Path) -> None:
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)]
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    axes = {"x": {0: "n", 2: "h", 3: "w"}}
    path = tmp_path / "open.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(), (torch.zeros(1, 3, 8, 8),), str(path), input_names=["x"], dynamic_axes=axes,
            dynamo=False,
        )  # fmt: skip
    shapes = {"x": (None, 3, 12, 16)}
    sealed = tmp_path / "open.tao"
    for use in (
        lambda **given: taoism.plan(path, strategy="full", **given),
        lambda **given: taoism.bench(path, strategies=["full"], min_seconds=0, **given),
        lambda **given: taoism.seal(path, sealed, strategy="full", batches=[2], **given),
        lambda **given: taoism.load(path, strategy="full", **given).close(),
    ):
        with pytest.raises(errors.InvalidArgumentError, match=r"give numbers, shapes=\{'x': "):
            use()
        use(shapes=shapes)
    x = torch.randn(2, 3, 12, 16)
    with taoism.load(sealed) as loaded, torch.no_grad():
        assert_same(loaded(x), net(x))
    for use in (taoism.plan, taoism.bench, taoism.load):
        with pytest.raises(errors.InvalidArgumentError, match="shapes"):
            use(sealed, shapes=shapes)
    with pytest.raises(errors.InvalidArgumentError, match="shapes go with a file"):
        taoism.plan(net, x, "full", shapes=shapes)


def test_an_owner_is_of_a_package(tmp_path: Path) -> None:
    """Whoever puts an ONNX file in a package's place is told from its owner."""
    path = tmp_path / "m.tao"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(nn.Linear(4, 2).eval(), (torch.zeros(1, 4),), str(path), dynamo=False)
    for use in (
        lambda: taoism.load(path, owner="owner.pub"),
        lambda: taoism.plan(path, owner="owner.pub"),
        lambda: taoism.bench(path, owner="owner.pub"),
        lambda: taoism.bench(path, key="m.key"),
    ):
        with pytest.raises(errors.InvalidArgumentError, match="is no package"):
            use()
