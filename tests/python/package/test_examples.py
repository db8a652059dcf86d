"""The examples run as their heads say, and what they print is what they promise."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys

import pytest
import torch
from package_checks import PACKAGE, ROOT

import minilm
from side_by_side import check_same, median_ms
from taoism.strategies import all_strategies

needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec(minilm.PACKAGE) is None,
    reason="the PyPI package of MiniLM is missing: tools/setup --models",
)


def run_example(name: str) -> str:
    """What it prints."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / name],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return done.stdout


def rows(printed: str, names: list[str]) -> dict[str, list[str]]:
    """The columns behind a row's name, in the table that begins with PyTorch's row."""
    found = {}
    for name in names:
        match = re.search(rf"^{re.escape(name)}  +(.*)$", printed, re.MULTILINE)
        assert match, f"no row '{name}' in:\n{printed}"
        found[name] = match.group(1).split()
    return found


@pytest.mark.slow
def test_resnet() -> None:
    printed = run_example("shield_resnet.py")
    strategies = [strategy.name for strategy in all_strategies()]
    table = rows(printed, ["PyTorch", *strategies])
    # The accuracy that models/README.md states, under every strategy.
    assert {columns[0] for columns in table.values()} == {"93.65%"}
    assert all(float(columns[1]) > 0 for columns in table.values())
    exposed = {name: table[name][3] for name in strategies}
    assert exposed["none"] == "100.0%" and exposed["full"] == "0.0%"
    assert all(float(table[name][5]) <= 1e-3 for name in strategies)
    warned = re.findall(r"^warning: (\w+)", printed, re.MULTILINE)
    assert sorted(warned) == ["intermediate", "magnitude", "nonlinear"]
    assert "Plan(custom: 31.6% of MACs in the TEE, 0.0% of private parameters exposed" in printed
    assert len(re.findall(r"^ *(?:none|deep|full) +[18] .* True$", printed, re.MULTILINE)) == 6
    assert printed.endswith("PyTorch's label for each of 10000 images\n")


@pytest.mark.slow
@needs_minilm
def test_sentence_encoder() -> None:
    printed = run_example("shield_sentence_encoder.py")
    for found in ("invoice", "router", "warranty", "password"):
        lines = [line for line in printed.splitlines() if f" {found} " in line or found in line]
        assert [line.split(":")[0].strip() for line in lines] == ["PyTorch", "shielded"]
    assert "encoder.layer.3 runs here: device\nencoder.layer.4 runs here: tee\n" in printed
    assert "33.3% of MACs in the TEE, 0.0% of private parameters exposed" in printed
    assert "the device sees the input input_ids, 8x32" in printed
    table = rows(printed, ["last two layers", "deep:k=2", "full", "table outside, 16 MiB"])
    exposed = [columns[2] for columns in table.values()]
    assert exposed[0] == exposed[2] == "0.0%" and "0.0%" not in (exposed[1], exposed[3])
    assert all(float(columns[-1]) <= 1e-3 for columns in table.values())
    assert float(table["table outside, 16 MiB"][3]) <= 16
    assert printed.endswith("every way ranks every document as PyTorch does\n")


@pytest.mark.slow
@needs_minilm
def test_minilm_is_the_published_model() -> None:
    """Its tokens are those of Hugging Face's `tokenizers` 0.23.3, its similarities those that
    Hugging Face's own implementation gives for the model (0.6945773, 0.9429151, 0.2568761)."""
    tokenize = minilm.Tokenizer.load()
    ids, mask = tokenize(["Hello, wörld! Don't tokenizer-izing 10%", "\u4eba"], 18)
    expected = "101 7592 1010 2088 999 2123 1005 1056 19204 17629 1011 1045 6774 2184 1003 102 0 0"
    assert ids[0].tolist() == [int(token) for token in expected.split()]
    assert mask.sum(1).tolist() == [16, 3]
    assert tokenize(["one two three four"], 4)[0].tolist() == [[101, 2028, 2048, 102]]
    others = ["That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    with torch.no_grad():
        vectors = minilm.load_encoder()(*tokenize(["That is a happy person", *others], 16))
    published = torch.tensor([0.6945773, 0.9429151, 0.2568761])
    torch.testing.assert_close(vectors[1:] @ vectors[0], published, atol=1e-5, rtol=0)


def test_a_wrong_answer_ends_an_example() -> None:
    want = torch.tensor([0.0, 1.0, 3.0])
    check_same("near", want + 0.002, want)
    for wrong in (want + 0.004, want * float("nan"), want[:2]):
        with pytest.raises(SystemExit, match="wrong: differs from PyTorch") as ended:
            check_same("wrong", wrong, want)
        assert ended.value.code  # a text: the interpreter's exit code is then 1


def test_medians_are_of_turns() -> None:
    calls: list[str] = []
    times = median_ms({name: (lambda n=name: calls.append(n)) for name in "ab"}, rounds=4)
    assert times.keys() == {"a", "b"} and all(ms >= 0 for ms in times.values())
    turns = [set(calls[i : i + 2]) for i in range(0, len(calls), 2)]
    assert turns == [{"a", "b"}] * 7
