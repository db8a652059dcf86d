"""mypy --strict and ruff have nothing to say about the package, nor ruff about its tests and the
examples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from package_checks import ROOT

FOLDERS = ("python/taoism", "examples", "tests/python/package")


@pytest.mark.parametrize(
    "command",
    [
        ["mypy", "--config-file", "pyproject.toml"],
        ["ruff", "check", "--no-cache", *FOLDERS],
        ["ruff", "format", "--check", "--no-cache", *FOLDERS],
    ],
    ids=["mypy", "ruff", "format"],
)
def test_nothing_to_say(command: list[str], tmp_path: Path) -> None:
    arguments = ["--cache-dir", str(tmp_path)] if command[0] == "mypy" else []
    done = subprocess.run(
        [sys.executable, "-m", *command, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
