"""Replays transcripts/*.txt, and the console blocks of docs/*.md.

`$ ` starts a command, what follows is its output, both streams.

`...` stands for any text within a line; a line that is only `...` for any number of lines;
`[exit N]` for the exit code where it is not 0. Runs of spaces count as one. $MODEL is the trained
model, $IMAGES and $LABELS its test set.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import BIN, FASHION_DATA, FASHION_MODEL, ROOT

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
PAGES = [page for page in sorted((ROOT / "docs").glob("*.md")) if "```console" in page.read_text()]


def steps(text: str) -> list[tuple[str, list[str], int]]:
    found: list[tuple[str, list[str], int]] = []
    for line in text.splitlines():
        if line.startswith("# "):
            continue
        if line.startswith("$ "):
            found.append((line[2:], [], 0))
        elif match := re.fullmatch(r"\[exit (\d+)\]", line):
            found[-1] = (*found[-1][:2], int(match[1]))
        elif found:
            found[-1][1].append(line)
    return found


def pattern(lines: list[str]) -> str:
    def one(line: str) -> str:
        if line.strip() == "...":
            return r"(?:.*\n)*?"
        return ".*?".join(re.escape(part) for part in re.sub(r" +", " ", line.strip()).split("...")) + r"\n"

    return "".join(map(one, lines)) + r"\n*"


def transcript(path: Path) -> str:
    text = path.read_text()
    if path.suffix == ".md":
        text = "".join(re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    return text


@pytest.mark.parametrize("path", TRANSCRIPTS + PAGES, ids=lambda path: path.stem)
def test_transcript(path: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{BIN.parent / 'tests'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MODEL": str(FASHION_MODEL),
        "IMAGES": str(FASHION_DATA / "t10k-images-idx3-ubyte.gz"),
        "LABELS": str(FASHION_DATA / "t10k-labels-idx1-ubyte.gz"),
    }
    for command, lines, code in steps(transcript(path)):
        result = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, timeout=300,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert result.returncode == code, f"$ {command}\n{result.stdout}"
        while lines and not lines[-1]:
            lines.pop()
        got = "".join(re.sub(r" +", " ", line.strip()) + "\n" for line in result.stdout.splitlines())
        assert re.fullmatch(pattern(lines), got), f"$ {command}\n--- got\n{result.stdout}--- wanted\n" + "\n".join(lines)


def test_there_are_transcripts_for_every_verb() -> None:
    help_text = subprocess.run([BIN / "taoism", "--help"], capture_output=True, text=True, check=True).stdout
    verbs = re.findall(r"^  (\w+)  ", help_text.split("Subcommands:")[1], re.MULTILINE)
    assert len(verbs) == 10
    assert {path.stem for path in TRANSCRIPTS} >= set(verbs)
