"""Every promise that SECURITY.md lists names tests, and there are tests of these names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("src", "apps", "tests")


def google_tests() -> set[str]:
    found = set()
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*_test.cc"):
            for suite, name in re.findall(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", path.read_text(), re.M):
                found.add(f"{suite}.{name}")
    return found


def ctest_patterns() -> list[str]:
    """Names that CMake gives, those that a loop makes with a part left open."""
    patterns = []
    for path in (ROOT / "tests").rglob("CMakeLists.txt"):
        for name in re.findall(r"(?:add_test\(NAME|taoism_test\()\s*(\S+)", path.read_text()):
            patterns.append(re.sub(r"\\\$\\\{\w+\\\}", r"\\w+", re.escape(name)))
    return patterns


def is_python_test(name: str) -> bool:
    file, _, function = name.partition("::")
    path = ROOT / "tests" / file
    return path.is_file() and f"\ndef {function}(" in path.read_text()


def promises() -> list[tuple[str, str]]:
    """The rows of all tables: what is promised, and the cell that names tests."""
    rows = []
    for line in (ROOT / "SECURITY.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and cells != ["promise", "held by"]:
            assert len(cells) == 2, line
            rows.append((cells[0], cells[1]))
    return rows


def test_there_are_promises() -> None:
    assert len(promises()) > 20


@pytest.mark.parametrize(("promise", "tests"), promises())
def test_every_promise_is_held_by_tests_that_exist(promise: str, tests: str) -> None:
    names = re.findall(r"`([^`]+)`", tests)
    assert names, f"no test holds: {promise}"
    cpp, ctest = google_tests(), ctest_patterns()
    for name in names:
        known = name in cpp or is_python_test(name) or any(re.fullmatch(p, name) for p in ctest)
        assert known, f"no test is called {name}"
