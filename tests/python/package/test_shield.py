"""Shielded modules compute what PyTorch does."""

from __future__ import annotations

import copy

import pytest
import torch
from nets import Mlp, SmallCnn, Tagger, Twice, TwoTowers, randomise
from package_checks import assert_same

import taoism

STRATEGIES = [
    taoism.Unshielded(),
    taoism.Full(),
    taoism.Deep(k=2),
    "shallow:k=1",
    taoism.Magnitude(p=0.25),
    taoism.Nonlinear(),
    taoism.Intermediate(theta=0.5, seed=3),
]


def refuse(*args: object, **kwargs: object) -> None:
    """In place of torch.export.export: as where it cannot export a module."""
    raise RuntimeError("no dynamo today")


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_every_strategy_equals_pytorch_at_every_batch(strategy: object) -> None:
    net = randomise(SmallCnn())
    with taoism.shield(net, torch.randn(1, 3, 8, 8), strategy) as shielded, torch.no_grad():
        for batch in (1, 5, 2, 5):
            x = torch.randn(batch, 3, 8, 8)
            assert_same(shielded(x), net(x))


def test_the_original_is_untouched() -> None:
    net = randomise(SmallCnn())
    before = copy.deepcopy(net.state_dict())
    modules = dict(net.named_modules())
    taoism.shield(net, torch.randn(2, 3, 8, 8)).close()
    assert dict(net.named_modules()) == modules and not net.training
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_a_module_that_writes_to_its_input_leaves_the_callers_alone() -> None:
    net = torch.nn.Sequential(torch.nn.ReLU(inplace=True), torch.nn.Linear(6, 2)).eval()
    x = torch.full((2, 6), -1.0)
    with taoism.shield(net, x, "none") as shielded, torch.no_grad():
        y = shielded(x)
        assert (x == -1).all()
        assert_same(y, net(x))


def test_later_changes_of_the_original_do_not_matter() -> None:
    net = Mlp().eval()
    x = torch.randn(3, 6)
    with torch.no_grad(), taoism.shield(net, x, "full") as shielded:
        want = net(x)
        net.head.weight.zero_()
        assert_same(shielded(x), want)


def test_several_inputs_and_outputs_in_containers() -> None:
    net = TwoTowers().eval()
    example = {"pair": (torch.randn(2, 6), torch.randn(2, 6)), "weight": torch.randn(4)}
    with taoism.shield(net, example, "deep:k=1") as shielded, torch.no_grad():
        for batch in (2, 7):
            pair, weight = (torch.randn(batch, 6), torch.randn(batch, 6)), torch.randn(4)
            assert_same(shielded(pair, weight=weight), net(pair, weight=weight))
            assert_same(shielded(weight=weight, pair=pair), net(pair, weight=weight))


@pytest.mark.parametrize("strategy", ["none", "full", "deep:k=1"])
def test_integers_and_booleans_go_in_and_out(strategy: str) -> None:
    net = Tagger().eval()
    example = (torch.zeros(2, 7, dtype=torch.int64), torch.ones(2, 7, dtype=torch.bool))
    with taoism.shield(net, example, strategy) as shielded, torch.no_grad():
        for batch in (2, 5):
            ids, keep = torch.randint(20, (batch, 7)), torch.rand(batch, 7) > 0.3
            got, want = shielded(ids, keep), net(ids, keep)
            assert_same(got[0], want[0])
            assert torch.equal(got[1], want[1]) and torch.equal(got[2], want[2])
        with pytest.raises(taoism.errors.DtypeError, match=r"int32.*int64"):
            shielded(ids.int(), keep)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("strategy", ["full", "deep:k=1"])
def test_sixteen_bits_are_sixteen_bits(dtype: torch.dtype, strategy: str) -> None:
    net = Mlp().eval().to(dtype)
    x = torch.randn(3, 6).to(dtype)
    with taoism.shield(net, x, strategy) as shielded, torch.no_grad():
        got, want = shielded(x), net(x)
    assert got.dtype == dtype
    assert (got.float() - want.float()).abs().max() <= 4 * torch.finfo(dtype).eps * want.abs().max()


class Squared(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * x + 100


@pytest.mark.parametrize(
    "dtype", [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64], ids=str
)
def test_integers_wrap(dtype: torch.dtype) -> None:
    net, x = Squared().eval(), torch.tensor([[100, 127, 3]], dtype=dtype)
    with taoism.shield(net, x, "full") as shielded:
        assert torch.equal(shielded(x), net(x))


@pytest.mark.parametrize("strategy", ["none", "deep:k=1", "nonlinear"])
def test_pytorch_itself_as_the_device(strategy: str) -> None:
    net = randomise(SmallCnn())
    x = torch.randn(2, 3, 8, 8)
    threads = torch.get_num_threads()
    with taoism.shield(net, x, strategy, device="torch:cpu") as shielded, torch.no_grad():
        for batch in (2, 3):
            x = torch.randn(batch, 3, 8, 8)
            assert_same(shielded(x), net(x))
    assert torch.get_num_threads() == threads


def test_inputs_of_any_strides_and_alignment() -> None:
    net = randomise(SmallCnn())
    with taoism.shield(net, torch.randn(1, 3, 8, 8), "shallow") as shielded, torch.no_grad():
        for x in (
            torch.randn(2, 8, 8, 3).permute(0, 3, 1, 2),
            torch.randn(2, 3, 8, 8).to(memory_format=torch.channels_last),
            torch.randn(2 * 192 + 1)[1:].view(2, 3, 8, 8),
            torch.randn(1, 3, 8, 8).expand(4, 3, 8, 8),
        ):
            assert_same(shielded(x), net(x))


def test_contiguous_inputs_are_read_and_outputs_written_in_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the session is given is the caller's memory, and what it writes is the result's."""
    net = Mlp().eval()
    seen: list[tuple[list[int], list[int]]] = []
    x = torch.randn(3, 6)
    with taoism.shield(net, x, "none") as shielded:
        real = shielded._session(3)

        class Spy:
            outputs = real.outputs

            def run(self, inputs, outputs):
                seen.append(([t.data_ptr() for t in inputs], [t.data_ptr() for t in outputs]))
                return real.run(inputs, outputs)

        monkeypatch.setattr(shielded, "_session", lambda batch: Spy())
        y = shielded(x)
    assert seen == [([x.data_ptr()], [y.data_ptr()])]


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_a_module_whose_code_fixes_the_batch(
    exporter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if exporter == "torchscript":
        monkeypatch.setattr(torch.export, "export", refuse)

    class Fixed(Mlp):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.view(4, 6))

    net = Fixed().eval()
    with taoism.shield(net, torch.randn(4, 6), "full") as shielded, torch.no_grad():
        x = torch.randn(4, 6)
        assert_same(shielded(x), net(x))
        with pytest.raises(taoism.errors.ShapeError, match="batch is fixed"):
            shielded(torch.randn(5, 6))


def test_the_torchscript_exporter_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.export, "export", refuse)
    net = randomise(SmallCnn())
    placement = {"layer1.1": "tee", "fc": "tee", "": "device"}
    with (
        torch.no_grad(),
        taoism.shield(net, torch.randn(1, 3, 8, 8), placement=placement) as shielded,
    ):
        assert shielded.placement["layer1.1"] == "tee"
        assert shielded.placement["layer1.0"] == "device"
        for batch in (1, 3):
            x = torch.randn(batch, 3, 8, 8)
            assert_same(shielded(x), net(x))


def test_what_the_torchscript_exporter_would_not_do_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Named arguments in containers, a module that writes to its input, weights that are equal."""
    monkeypatch.setattr(torch.export, "export", refuse)
    net = TwoTowers().eval()
    pair, weight = (torch.randn(3, 6), torch.randn(3, 6)), torch.randn(4)
    with taoism.shield(net, {"pair": pair, "weight": weight}, "full") as made, torch.no_grad():
        assert_same(made(pair, weight=weight), net(pair, weight=weight))
    x = torch.full((3, 6), -1.0)
    writes = torch.nn.Sequential(torch.nn.ReLU(inplace=True), torch.nn.Linear(6, 2)).eval()
    taoism.shield(writes, x, "none").close()
    assert (x == -1).all()
    fresh = SmallCnn().eval()  # whose batch norms are alike
    with taoism.shield(fresh, torch.randn(2, 3, 8, 8), "none") as made:
        total = made.plan.report["private_params_total"]
    assert total == sum(parameter.numel() for parameter in fresh.parameters())


def test_tee_inline_and_a_small_budget() -> None:
    net = randomise(SmallCnn())
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        with taoism.shield(net, x, "full", tee="inline") as shielded:
            assert_same(shielded(x), net(x))
        with taoism.shield(net, x, "full", tee_memory="1MiB") as shielded:
            assert_same(shielded(x), net(x))
            assert shielded.plan.tee_memory_peak <= 1 << 20
        with pytest.raises(taoism.errors.ResourceExhaustedError, match=r"^tee_memory is too small"):
            taoism.shield(net, x, "full", tee_memory="4KiB")


def test_a_bounded_number_of_sessions_is_kept() -> None:
    with taoism.shield(Mlp().eval(), torch.randn(1, 6), "full") as shielded:
        for batch in range(1, 8):
            shielded(torch.randn(batch, 6))
        assert len(shielded.worker_pids) == 4
    assert shielded.worker_pids == []


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_one_module_at_two_places(exporter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if exporter == "torchscript":
        monkeypatch.setattr(torch.export, "export", refuse)
    net = Twice().eval()
    x = torch.randn(3, 6)
    with torch.no_grad(), taoism.shield(net, x, placement={"shared": "tee", "": "device"}) as made:
        sides = {node["name"]: node["placement"] for node in made.plan.report["nodes"]}
        shared = {name: side for name, side in sides.items() if name.startswith("shared/")}
        assert len(shared) == 2 and set(shared.values()) == {"tee"}
        assert made.placement["shared"] == "tee" and made.placement["head"] == "device"
        assert_same(made(x), net(x))
