"""Whatever is given for an argument: it is taken, or an error of the tree says what is wrong."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from nets import Mlp
from package_checks import ROOT

import taoism
from taoism import errors

FASHION = ROOT / "models" / "fashion_resnet.onnx"
VALUES: list[Any] = [
    0, -1, 3, 2**70, 1.5, float("nan"), float("inf"), True, "", "zzz", "a\nb", "\0", b"zzz",
    (), [], [None], ["zzz"], {}, {1: 2}, {"zzz": "zzz"}, {"x": (None, "a")}, {"zzz"}, range(3),
    object(), int, print, lambda *_: 3, torch.zeros(2, 6), torch.zeros(()), torch.float32,
    Path("/none/such"),
]  # fmt: skip


class Reached(taoism.Error):
    """All arguments were taken."""


def reached(*_: object, **__: object) -> None:
    raise Reached


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "m.tao"
    taoism.seal(Mlp().eval(), path, torch.randn(1, 6), "full", batches=[1])
    return path


def outcomes(function: Callable[..., Any], given: dict[str, Any]) -> None:
    """Every value for every argument, the others being right."""
    for name in inspect.signature(function).parameters:
        for value in VALUES:
            try:
                made = function(**{**given, name: value})
            except taoism.Error as error:
                assert not isinstance(error, errors.InternalError), (name, value, error)
            except BaseException as error:
                pytest.fail(f"{name}={value!r} raises {type(error).__name__}: {error}")
            else:
                if isinstance(made, taoism.ShieldedModule):
                    made.close()


@pytest.mark.parametrize("function", [taoism.shield, taoism.plan, taoism.bench, taoism.seal])
def test_of_modules(
    function: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("taoism._exporters.Job.write", reached)
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {"example_inputs": torch.randn(2, 6)}
    given["module" if function is taoism.shield else "model"] = Mlp().eval()
    if function is taoism.seal:
        given["path"] = tmp_path / "m.tao"
    outcomes(function, given)


@pytest.mark.parametrize("function", [taoism.plan, taoism.load])
def test_of_files(function: Callable[..., Any]) -> None:
    outcomes(function, {next(iter(inspect.signature(function).parameters)): FASHION})


@pytest.mark.parametrize("function", [taoism.plan, taoism.load])
def test_of_packages(function: Callable[..., Any], package: Path) -> None:
    outcomes(function, {next(iter(inspect.signature(function).parameters)): package})


def test_of_calls() -> None:
    with taoism.shield(Mlp().eval(), torch.randn(2, 6), "none") as shielded:
        for value in VALUES:
            if isinstance(value, torch.Tensor) and value.dim() == 2:
                continue  # what it takes
            for call in (lambda: shielded(value), lambda: shielded(x=value)):  # noqa: B023
                with pytest.raises(taoism.Error):
                    call()


def test_seconds_of_the_wrong_kind_and_of_the_wrong_size() -> None:
    for value, kind in (("1", errors.ArgumentTypeError), (-1, errors.InvalidArgumentError)):
        with pytest.raises(errors.InvalidArgumentError, match="min_seconds") as caught:
            taoism.bench(FASHION, strategies=["none"], min_seconds=value)
        assert caught.type is kind


def test_a_module_that_does_something_else_when_it_is_exported() -> None:
    class Otherwise(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1 if torch.compiler.is_compiling() or torch.jit.is_tracing() else x * 2

    with pytest.raises(errors.ExportMismatchError, match=r"Otherwise: .* batch of 3: outputs"):
        taoism.shield(Otherwise().eval(), torch.randn(2, 6), "full")
    taoism.shield(Otherwise().eval(), torch.randn(2, 6), "full", check=False).close()
