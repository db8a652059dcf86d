"""`plan`, `bench` and `seal`: what the command line's verbs do, for modules and files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from taoism import _core
from taoism._file import Shapes
from taoism._interrupt import interruptible
from taoism._machine import (
    count,
    flag,
    listed,
    machine,
    owner_text,
    path_text,
    refuse_choices,
    refuse_for_no_package,
)
from taoism._placement import Placement
from taoism._plan import Plan, plan_of_report, warn_of
from taoism._prepare import prepared
from taoism._progress import stage
from taoism._runner import ShieldedModule
from taoism.errors import (
    ArgumentTypeError,
    ClosedError,
    InvalidArgumentError,
    MissingPackageError,
    in_python,
)
from taoism.strategies import Strategy, all_strategies, strategy_text

if TYPE_CHECKING:
    import pandas

_Answer = Literal["logits", "label"]
_MOST_BATCH = 1 << 31


def plan(
    model: nn.Module | str | Path,
    example_inputs: Any = None,
    strategy: Strategy | str | None = None,
    *,
    placement: Placement | None = None,
    private: Iterable[str] | None = None,
    public: Iterable[str] | None = None,
    device: str | torch.device | None = None,
    tee: Literal["process", "inline"] = "process",
    tee_memory: str | int | None = None,
    tee_threads: int = 0,
    answer: _Answer = "logits",
    batch: int = 0,
    shapes: Shapes | None = None,
    owner: str | Path | None = None,
) -> Plan:
    """What `shield` would do, without doing it. `model`: a module with `example_inputs`, a
    shielded one, an ONNX file, or a package, of which it says what is known without its key.
    `batch`: of a file, 0 being its own or 1; `shapes`: of its inputs, as `load` takes them.
    `owner`: of a package, as `load` takes it. Errors: those of `shield`; a budget that cannot do is
    a warning of the plan."""
    if isinstance(model, ShieldedModule):
        return model.plan
    batch = count("batch", batch, _MOST_BATCH)
    _check_answer(answer)
    if not isinstance(model, nn.Module) and _core.is_package(path_text("model", model)):
        refuse_choices(strategy, placement, shapes)
        package = _core.Package.open(path_text("model", model), owner_text(owner))
        return plan_of_report(package.summary(batch or max(package.batches)))
    refuse_for_no_package(model, owner)
    where = machine(device, tee, tee_memory, tee_threads, 0)
    with prepared(
        model,
        example_inputs,
        strategy=strategy,
        placement=placement,
        private=private,
        public=public,
        batch=batch,
        check=False,
        shapes=shapes,
    ) as ready:
        return ready.plan(ready.plan_json(answer), where)


@dataclass(frozen=True)
class BenchResult:
    """Strategies side by side. `print(result)` shows tables; `runs` has a dict for each run, as
    docs/formats/bench.schema.json describes it."""

    text: str
    document: dict[str, Any]  # what `taoism bench --json` writes

    def __str__(self) -> str:
        return self.text

    @property
    def runs(self) -> list[dict[str, Any]]:
        """One a strategy and batch."""
        runs: list[dict[str, Any]] = self.document["runs"]
        return runs

    def to_json(self) -> str:
        """What `taoism bench compare` takes."""
        return json.dumps(self.document, indent=1)

    def to_pandas(self) -> pandas.DataFrame:
        """A row a run, nested fields as "latency_ms.median", raw samples left out. Errors:
        MissingPackageError without pandas."""
        try:
            import pandas
        except ImportError:
            raise MissingPackageError("to_pandas() needs pandas: pip install pandas") from None

        rows = [
            {**run, "latency_ms": {k: v for k, v in run["latency_ms"].items() if k != "samples"}}
            for run in self.runs
        ]
        return pandas.json_normalize(rows)

    def _repr_html_(self) -> str:
        columns = ("strategy", "batch", "median ms", "95 % interval", "MACs in TEE", "exposed", "")
        head = "".join(f"<th>{column}</th>" for column in columns)
        body = ""
        for run in self.runs:
            latency = run["latency_ms"]
            cells = (
                _label(run),
                run["batch"],
                f"{latency['median']:.3g}",
                f"{latency['ci95'][0]:.3g} to {latency['ci95'][1]:.3g}",
                f"{run['tee_macs_share']:.1%}",
                f"{run['private_params_exposed_share']:.1%}",
                "" if run["valid"] else "INVALID",
            )
            body += "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        return f"<table><tr>{head}</tr>{body}</table>"


def bench(
    model: nn.Module | str | Path,
    example_inputs: Any = None,
    strategies: str | Strategy | Iterable[str | Strategy] = "all",
    *,
    batches: Sequence[int] = (1,),
    shapes: Shapes | None = None,
    placement: Placement | None = None,
    private: Iterable[str] | None = None,
    public: Iterable[str] | None = None,
    key: str | Path | None = None,
    owner: str | Path | None = None,
    device: str | torch.device | None = None,
    tee: Literal["process", "inline"] = "process",
    tee_memory: str | int | None = None,
    tee_threads: int = 0,
    device_threads: int = 0,
    min_iterations: int = 10,
    min_seconds: float = 3.0,
    seed: int = 1,
) -> BenchResult:
    """Measures strategies against each other on random inputs, interleaved, every answer compared
    with the unpartitioned run. `model`: a module, an ONNX file (`shapes` as `load` takes them) or a
    package (so `key` and `owner`). `placement`: measured beside the strategies, as "plan
    placement". `min_seconds` and `min_iterations`: of samples for each. Ctrl-C ends it. One
    benchmark at a time, or timings mean nothing. Errors: those of `shield`."""
    where = machine(device, tee, tee_memory, tee_threads, device_threads)
    if not isinstance(min_seconds, int | float) or isinstance(min_seconds, bool):
        raise ArgumentTypeError(f"min_seconds: {min_seconds!r} is no number of seconds")
    if not 0 <= min_seconds < 1e6:
        raise InvalidArgumentError(f"min_seconds: {min_seconds}; give a number from 0 to 1000000")
    options = (
        owner_text(owner),
        count("min_iterations", min_iterations, 1 << 31, 1),
        float(min_seconds),
        count("seed", seed, (1 << 63) - 1),
    )
    sizes = [count("batches", size, _MOST_BATCH, 1) for size in listed("batches", batches)]
    if not sizes:
        raise InvalidArgumentError("batches: name at least one batch size")
    if not isinstance(model, nn.Module) and _core.is_package(path_text("model", model)):
        refuse_choices(placement, shapes)
        where.key_file = path_text("key", key) if key is not None else ""
        subjects = [("package", "", where.tee_memory_bytes)]
        return _bench(path_text("model", model), subjects, sizes, {}, where, options)
    refuse_for_no_package(model, owner, key)
    if isinstance(strategies, str | Strategy):
        strategies = all_strategies() if strategies == "all" else [strategies]
    texts = [strategy_text(strategy) for strategy in listed("strategies", strategies)]
    with prepared(
        model,
        example_inputs,
        placement=placement,
        private=private,
        public=public,
        shapes=shapes,
    ) as ready:
        _check_batches(sizes, ready.least_batch)
        subjects = [(text, "", where.tee_memory_bytes) for text in texts]
        if placement is not None:
            subjects.append(("plan placement", ready.plan_json(), where.tee_memory_bytes))
        return _bench(str(ready.path), subjects, sizes, ready.model.shapes, where, options)


def _bench(
    path: str,
    subjects: list[tuple[str, str, int]],
    batches: list[int],
    shapes: dict[str, list[int]],
    where: _core.Machine,
    options: tuple[str, int, float, int],
) -> BenchResult:
    control = _core.BenchControl()
    command = ["taoism.bench"]
    with stage("measuring", lambda: control.progress):
        made = interruptible(
            lambda: _core.bench(path, subjects, batches, shapes, where, *options, command, control),
            control.cancel,
        )
    return BenchResult(in_python(made[1]), json.loads(made[0]))


@dataclass(frozen=True)
class SealedPackage:
    """What `seal` wrote."""

    path: Path
    key_path: Path
    key_is_new: bool  # who has the key has the weights: keep it from the package's users
    owner_path: Path  # signs your packages; owner.pub beside it is for who runs them
    version: int
    batches: tuple[int, ...]
    file_bytes: int
    sealed_weight_bytes: int
    public_weight_bytes: int  # of weights that the plan gives to the device
    warnings: tuple[str, ...]


def seal(
    model: ShieldedModule | nn.Module | str | Path,
    path: str | Path,
    example_inputs: Any = None,
    strategy: Strategy | str | None = None,
    *,
    placement: Placement | None = None,
    private: Iterable[str] | None = None,
    public: Iterable[str] | None = None,
    shapes: Shapes | None = None,
    key: str | Path | None = None,
    batches: Sequence[int] | None = None,
    answer: _Answer = "logits",
    version: int = 0,
    retire_older: bool = False,
    allow_exposed: bool = False,
    owner: str | Path | None = None,
) -> SealedPackage:
    """Writes the deployable package of a model under a plan: what is private is encrypted. `model`:
    a shielded module, which is sealed under its plan; a module with `example_inputs`; or an ONNX
    file, with `shapes` as `load` takes them. `key`: the owner's key file, made if there is none;
    None: m.key beside m.tao, with a warning when it is made there. `batches`: the batch sizes that
    the package can run; None: 1, 8 and 64. `answer`: "label" lets only the number of the largest
    class leave. `version` 0: the next under the key; `retire_older`: the key then opens no older
    package. `allow_exposed`: seal although private weights in the TEE can be had by asking it,
    or follow from what the device has (`plan` lists them). `owner`: your key that signs the
    package, made if there is none; None: taoism/owner.key in the folder for settings. Errors: those
    of `shield`; InvalidArgumentError for a plan that keeps nothing in the TEE; PolicyError for one
    that gives weights away."""
    _check_answer(answer)
    options = (
        path_text("path", path),
        None if key is None else path_text("key", key),
        None
        if batches is None
        else [count("batches", size, _MOST_BATCH, 1) for size in listed("batches", batches)],
        count("version", version, (1 << 63) - 1),
        flag("retire_older", retire_older),
        flag("allow_exposed", allow_exposed),
        owner_text(owner),
    )
    if isinstance(model, ShieldedModule):
        if model._model is None:
            raise InvalidArgumentError("this module was loaded from a package already")
        if model._closed:
            raise ClosedError("this shielded module is closed: shield the module again")
        given = (example_inputs, strategy, placement, private, public, shapes)
        if any(value is not None for value in given):
            raise InvalidArgumentError("a shielded module has its inputs and its plan: give none")
        document = json.loads(model.plan.plan_json)
        document["answer"] = answer
        least = model._call.least_batch
        return _seal(model._model, json.dumps(document), model.plan, least, *options)
    where = machine(None, "process", None, 0, 0)
    with prepared(
        model,
        example_inputs,
        strategy=strategy,
        placement=placement,
        private=private,
        public=public,
        shapes=shapes,
    ) as ready:
        plan_json = ready.plan_json(answer)
        made = ready.plan(plan_json, where)
        return _seal(ready.model, plan_json, made, ready.least_batch, *options)


def _seal(
    model: _core.Model,
    plan_json: str,
    plan: Plan,
    least_batch: int,
    path: str,
    key: str | None,
    batches: list[int] | None,
    version: int,
    retire_older: bool,
    allow_exposed: bool,
    owner: str,
) -> SealedPackage:
    if batches is None:
        batches = [least_batch, 8, 64] if model.batch_is_dynamic else [model.inputs[0][2][0]]
    _check_batches(batches, least_batch)
    warn_of(plan, 2)
    key_path = key if key is not None else _core.default_key_path(path)
    with stage(f"sealing {path}"):
        made = model.seal(
            plan_json, path, key_path, batches, version, retire_older, allow_exposed, owner
        )
    warnings = [in_python(warning) for warning in made["warnings"]]
    if key is None and made["key_is_new"]:
        warnings.append(
            f"{key_path} is new and lies beside the package: who reads it has the weights; keep it "
            "from the package's users, or name another with key="
        )
    return SealedPackage(
        path=Path(made["path"]),
        key_path=Path(made["key_path"]),
        key_is_new=made["key_is_new"],
        owner_path=Path(made["owner_path"]),
        version=made["version"],
        batches=tuple(made["batches"]),
        file_bytes=made["file_bytes"],
        sealed_weight_bytes=made["sealed_weight_bytes"],
        public_weight_bytes=made["public_weight_bytes"],
        warnings=tuple(warnings),
    )


def _check_batches(batches: Sequence[int], least: int) -> None:
    if min(batches, default=least) < least:
        raise InvalidArgumentError(
            "batches: the module does something else for a batch of one than for more, and the "
            "export holds one of them: give example inputs of one, or batches from 2"
        )


def _check_answer(answer: str) -> None:
    if answer not in ("logits", "label"):
        raise InvalidArgumentError(f"answer: {answer!r}; give logits or label")


def _label(run: dict[str, Any]) -> str:
    values = ",".join(f"{name}={value}" for name, value in run["parameters"].items())
    return f"{run['strategy']}:{values}" if values else str(run["strategy"])
