"""The READMEs' example is eight lines, and runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from package_checks import PACKAGE, ROOT


@pytest.mark.parametrize("page", ["README.md", "python/README.md"])
def test_the_example_runs(page: str) -> None:
    examples = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert len(examples) == 1
    assert len([line for line in examples[0].splitlines() if line.strip()]) <= 8
    done = subprocess.run(
        [sys.executable, "-c", examples[0]],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "in the TEE" in done.stdout
