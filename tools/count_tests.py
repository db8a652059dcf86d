"""Adds up the test reports of one run: `count_tests.py REPORTS CTEST_STATUS PYTEST_STATUS`.

GoogleTest cases are counted one by one; a ctest entry that left no GoogleTest report counts as
one test. Prints "N passed, N failed" and exits with 1 if anything failed or nothing ran.
"""

import sys
import xml.etree.ElementTree as xml
from collections import Counter
from pathlib import Path

PYTEST_NOTHING_COLLECTED = 5


def outcome(case: xml.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    skipped = case.find("skipped") is not None or case.get("status") in ("notrun", "disabled")
    return "skipped" if skipped else "passed"


def cases(report: Path) -> list[xml.Element]:
    return list(xml.parse(report).iter("testcase")) if report.exists() else []


def main() -> int:
    reports, ctest_status, pytest_status = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    counts: Counter[str] = Counter()
    counted = set()
    for report in sorted((reports / "gtest").glob("*.xml")):
        counted.add(report.stem)
        counts.update(outcome(case) for case in cases(report))
    for case in cases(reports / "ctest.xml"):
        # A binary that reported its cases and still failed died after them: that is one failure.
        if case.get("name") not in counted:
            counts[outcome(case)] += 1
    counts.update(outcome(case) for case in cases(reports / "pytest.xml"))

    broken = ctest_status != 0 or pytest_status not in (0, PYTEST_NOTHING_COLLECTED)
    if broken and counts["failed"] == 0:
        counts["failed"] = 1
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}")
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
