"""Runs many ONNX models in one process: the Python end of model_runner.cc."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
from collections.abc import Iterable, Sequence

import ml_dtypes
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[3]


@dataclasses.dataclass
class Answer:
    """What one model gave under one way of splitting it."""

    status: str  # ok, unsupported (refused as a whole, with the reason) or error
    message: str
    outputs: list[np.ndarray]


def write_model(folder: pathlib.Path, model: bytes, inputs: Iterable[np.ndarray]) -> None:
    """A folder that run_models() takes; `inputs` are in the order of the model's inputs."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model)
    for i, value in enumerate(inputs):
        # numpy has no format for others, but bfloat16's bits are two bytes of no type: the model is
        # refused for them.
        if value.dtype.kind not in "biuf" and value.dtype != ml_dtypes.bfloat16:
            continue
        np.save(folder / f"input_{i}.npy", value)


def run_models(
    folders: Sequence[pathlib.Path], ways: Sequence[str], timeout: float = 600
) -> dict[pathlib.Path, list[Answer]]:
    """The answers of every model, one for each of `ways`: "full@inline", strategy and TEE, or
    "full@inline@torch:cpu", with a device that is not `cpu`."""
    bin_folder = pathlib.Path(os.environ.get("TAOISM_BIN", ROOT / "build/release/bin"))
    program = (bin_folder if bin_folder.is_dir() else bin_folder.parent) / "../tests/model_runner"
    done = subprocess.run(
        [str(program), *ways],
        input="".join(f"{folder}\n" for folder in folders),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"model_runner ended with {done.returncode}: {done.stderr}"
    answers: dict[pathlib.Path, list[Answer]] = {folder: [] for folder in folders}
    for line in done.stdout.splitlines():
        folder, way, status, message = line.split("\t", 3)
        outputs = []
        while status == "ok":
            path = pathlib.Path(folder) / f"{way}_output_{len(outputs)}.npy"
            if not path.exists():
                break
            value = np.load(path)
            outputs.append(value.view(ml_dtypes.bfloat16) if value.dtype == "V2" else value)
        answers[pathlib.Path(folder)].append(Answer(status, message, outputs))
    assert all(len(given) == len(ways) for given in answers.values())
    return answers
