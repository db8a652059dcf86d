"""Whole models against PyTorch, ONNX Runtime and OpenVINO, in one run on this machine.

    make bench-peers                        # all models, 1 and 2 threads, batch 1 and 8
    .venv/bin/python bench/peers.py build/zoo/resnet18-224.onnx --threads 1 --batch 1 --json f.json

Every engine is a process of its own with the same model, input, batch and number of threads. They
take turns in random order, one at a time, until each has run for the time that is asked for; a
turn's first inference is dropped. Ratios are our median over that of the fastest peer; below 1 we
are faster. The 95 % interval is bootstrapped over turns. An engine whose answer differs from ONNX
Runtime's by more than 1e-3 of the answer's range is INVALID and counts for nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import pathlib
import platform
import random
import subprocess
import sys
import tempfile

import numpy as np
import onnx

ROOT = pathlib.Path(__file__).resolve().parents[1]
PEERS = ["onnxruntime", "openvino", "pytorch", "pytorch-frozen"]
OURS = "taoism"
TOLERANCE = 1e-3


class Engine:
    """A process that runs one model in turns (bench/model_turns.cc, bench/peer_engines.py)."""

    def __init__(
        self, name: str, model: pathlib.Path, batch: int, threads: int, folder: pathlib.Path
    ) -> None:
        self.name = name
        self.output = folder / f"{name}.out"
        rest = [str(batch), str(threads), str(folder / "input"), str(self.output)]
        if name == OURS or name.startswith(f"{OURS}-"):
            strategy, _, tee = name.removeprefix(OURS).removeprefix("-").partition("-")
            program = [ROOT / "build/release/bin/model_turns", model]
            command = [*program, strategy or "none", tee or "process", *rest]
        else:
            command = [sys.executable, ROOT / "bench/peer_engines.py", name, model, *rest]
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.turns: list[list[float]] = []

    def read(self) -> str:
        """The next line of the engine's answers; fails with its last words when there is none."""
        assert self.process.stdout and self.process.stderr
        line = self.process.stdout.readline()
        if not line:
            said = self.process.stderr.read().strip().splitlines()
            raise RuntimeError(f"{self.name}: {said[-1] if said else 'ended without a word'}")
        return line

    def turn(self, count: int) -> list[float]:
        """Runs `count` inferences; milliseconds of each."""
        assert self.process.stdin
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return [int(ns) / 1e6 for ns in self.read().split()]

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@dataclasses.dataclass
class Result:
    """What one engine did with a model at a batch and number of threads."""

    model: str
    batch: int
    threads: int
    engine: str
    median_ms: float
    relative_error: float
    valid: bool
    turns_ms: list[list[float]]


def median_of(turns: list[list[float]]) -> float:
    return float(np.median([ms for turn in turns for ms in turn]))


def ratio_interval(ours: list[list[float]], peer: list[list[float]]) -> tuple[float, float]:
    """The 95 % interval of the ratio of medians, resampling whole turns."""
    rng = np.random.default_rng(1)
    ratios = []
    for _ in range(500):
        picked = [
            median_of([turns[i] for i in rng.integers(len(turns), size=len(turns))])
            for turns in (ours, peer)
        ]
        ratios.append(picked[0] / picked[1])
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(low), float(high)


def measure(
    model: pathlib.Path, batch: int, threads: int, engines: list[str], seconds: float
) -> list[Result]:
    """Each engine for at least `seconds` and five turns, interleaved."""
    dims = onnx.load(model, load_external_data=False).graph.input[0].type.tensor_type.shape.dim
    x = np.random.default_rng(0).standard_normal((batch, *(d.dim_value for d in dims[1:])))
    opened: list[Engine] = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        x.astype(np.float32).tofile(folder / "input")
        try:
            for engine in engines:  # one after the other: opening uses the whole machine
                opened.append(Engine(engine, model, batch, threads, folder))
                opened[-1].read()
            take_turns(opened, seconds)
            expected = np.fromfile(folder / "onnxruntime.out", np.float32)
            extent = float(expected.max() - expected.min())
            results = []
            for engine in opened:
                difference = np.abs(np.fromfile(engine.output, np.float32) - expected).max()
                error = float(difference) / extent
                results.append(
                    Result(
                        model.stem, batch, threads, engine.name, median_of(engine.turns),
                        error, error <= TOLERANCE, engine.turns,
                    )
                )  # fmt: skip
            return results
        finally:
            for engine in opened:
                engine.close()


def take_turns(engines: list[Engine], seconds: float) -> None:
    counts = {}
    for engine in engines:
        once = min(engine.turn(2))
        counts[engine.name] = max(1, round(seconds * 1000 / 10 / once))
    spent = dict.fromkeys(counts, 0.0)
    order = random.Random(1)
    rounds = 0
    while rounds < 5 or min(spent.values()) < seconds:
        for engine in order.sample(engines, len(engines)):
            times = engine.turn(counts[engine.name] + 1)[1:]
            engine.turns.append(times)
            spent[engine.name] += sum(times) / 1000
        rounds += 1


def versions() -> dict[str, str]:
    import onnxruntime
    import openvino
    import torch

    return {
        "onnxruntime": onnxruntime.__version__,
        "openvino": openvino.__version__,
        "pytorch": torch.__version__,
    }


def processor() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def summarise(results: list[Result]) -> dict[str, object]:
    """Our ratio to the best valid peer, and its interval."""
    by_name = {result.engine: result for result in results}
    ours = by_name[OURS]
    peers = [r for r in results if r.engine in PEERS and r.valid]
    best = min(peers, key=lambda r: r.median_ms)
    return {
        "best_peer": best.engine,
        "ratio": ours.median_ms / best.median_ms,
        "ci95": ratio_interval(ours.turns_ms, best.turns_ms),
        "valid": ours.valid,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=pathlib.Path, metavar="MODEL.onnx")
    parser.add_argument("--batch", default="1,8", help="batch sizes (default: 1,8)")
    parser.add_argument("--threads", default="1,2", help="numbers of threads (default: 1,2)")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each engine (default: 2)")
    parser.add_argument("--engines", default=",".join(PEERS), help="peers to compare with")
    parser.add_argument(
        "--full", action="store_true", help="also run all of the model in the TEE (process)"
    )
    parser.add_argument("--json", type=pathlib.Path, help="write everything to this file")
    options = parser.parse_args()
    engines = [OURS, *([f"{OURS}-full"] if options.full else []), *options.engines.split(",")]
    if unknown := set(options.engines.split(",")) - set(PEERS):
        parser.error(f"--engines: no engine {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if "onnxruntime" not in engines:
        parser.error("--engines: onnxruntime is what answers are compared with")

    print(f"{processor()}; {', '.join(f'{k} {v}' for k, v in versions().items())}; milliseconds\n")
    print(f"{'model':<20}{'batch':>5}{'thr':>4}", *(f"{e:>14}" for e in engines), "   ratio [95 %]")
    runs: list[dict[str, object]] = []
    for threads in map(int, options.threads.split(",")):
        for batch in map(int, options.batch.split(",")):
            ratios = []
            for model in options.models:
                results = measure(model, batch, threads, engines, options.seconds)
                summary = summarise(results)
                low, high = summary["ci95"]
                print(
                    f"{model.stem:<20}{batch:>5}{threads:>4}",
                    *(f"{r.median_ms:>14.4g}" if r.valid else f"{'INVALID':>14}" for r in results),
                    f"   {summary['ratio']:.2f} [{low:.2f}, {high:.2f}] of {summary['best_peer']}",
                    flush=True,
                )
                ratios.append(summary["ratio"] if summary["valid"] else math.nan)
                runs += [dataclasses.asdict(result) for result in results]
                runs[-len(results)] |= summary
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            print(f"{'geometric mean':<20}{batch:>5}{threads:>4}   {mean:.3f}\n", flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        environment = {"processor": processor(), "versions": versions(), "command": sys.argv}
        options.json.write_text(json.dumps({"schema": 1, "environment": environment, "runs": runs}))


if __name__ == "__main__":
    main()
