"""Puts the package of the build tree in front."""

from __future__ import annotations

import sys

import pytest
import torch
from package_checks import PACKAGE

if not list((PACKAGE / "taoism").glob("_core*.so")):
    pytest.exit(f"{PACKAGE} has no taoism._core: run 'make python'", returncode=3)
sys.path.insert(0, str(PACKAGE))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(7)
