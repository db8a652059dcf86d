"""Puts the package of the build tree in front."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile

import pytest
import torch
from package_checks import PACKAGE

if not list((PACKAGE / "taoism").glob("_core*.so")):
    pytest.exit(f"{PACKAGE} has no taoism._core: run 'make python'", returncode=3)
sys.path.insert(0, str(PACKAGE))
# Owners' keys that tests make are not the user's.
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="taoism-test-settings-")
atexit.register(shutil.rmtree, os.environ["XDG_CONFIG_HOME"], ignore_errors=True)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(7)
