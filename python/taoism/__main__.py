"""`python -m taoism`, and the command `taoism` of an installed package: the program that lies
beside these files."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> int:
    """Becomes the program; returns only where it cannot."""
    program = Path(__file__).resolve().parent / "taoism"
    if not program.exists():  # in a build tree the package's files are links to the sources
        program = Path(__file__).parent / "taoism"
    try:
        os.execv(program, ["taoism", *sys.argv[1:]])
    except OSError as error:
        print(f"taoism: {program}: {error.strerror}: install the package again", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
