"""A disk that is full is said to be that, whatever is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from nets import Mlp
from package_checks import PACKAGE

import taoism
from taoism import errors

SCRIPT = """
import sys
sys.path[:0] = {path!r}
import taoism, torch
net = torch.nn.Sequential(torch.nn.Linear(300, 300), torch.nn.ReLU(), torch.nn.Linear(300, 2))
net.eval()
try:
    {work}
except taoism.errors.ResourceExhaustedError as error:
    print(error)
"""
WORK = {
    "export": "taoism.shield(net, torch.randn(2, 300))",
    "package": "taoism.seal(net, {disk!r} + '/m.tao', torch.randn(2, 300), 'full')",
}


@pytest.mark.parametrize("case", WORK)
def test_a_full_disk_is_said_to_be_that(case: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    mount = f"mount -t tmpfs -o size=128k none {disk}"
    inside = ["unshare", "--mount", *rights, "sh", "-c"]
    english = {**os.environ, "LC_ALL": "C"}
    tried = subprocess.run(
        [*inside, mount], env=english, capture_output=True, text=True, check=False
    )
    if tried.returncode and re.search("not permitted|permission denied", tried.stderr, re.I):
        pytest.skip(f"no small disk may be mounted here: {tried.stderr.strip()}")
    assert tried.returncode == 0, tried.stderr
    script = SCRIPT.format(path=[str(PACKAGE)], work=WORK[case].format(disk=str(disk)))
    places = {"TMPDIR": str(disk)} if case == "export" else {}
    done = subprocess.run(
        [*inside, f'{mount} && exec "$0" -c "$1"', sys.executable, script],
        env={**os.environ, **places},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(disk) in done.stdout and done.stdout.count("\n") == 1
    said = done.stdout.replace(str(disk), "")
    assert "is full" in said or "No space left" in said


def test_a_plan_for_a_full_disk() -> None:
    plan = taoism.plan(Mlp().eval(), torch.zeros(1, 6), "full")
    with pytest.raises(errors.ResourceExhaustedError, match="/dev/full: No space left"):
        plan.save("/dev/full")
