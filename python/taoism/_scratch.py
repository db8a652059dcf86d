"""A folder for files with weights in them, which does not stay behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = ".taoism-scratch-"
_NAME = re.compile(re.escape(_PREFIX) + "[a-z0-9_]{8}")


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that this user alone can read; it goes away at the end of the block. That of a
    process that was killed before goes away here: a process locks its folder, and the kernel
    unlocks it whatever ends the process."""
    _remove_left_behind()
    path, lock = _make()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _make() -> tuple[Path, int]:
    """The folder, and a descriptor that holds its lock."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        # Where the file system has no locks nobody gets one, and nothing is removed by others.
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path, lock
        os.close(lock)  # another process took it for left behind before it was locked


def _remove_left_behind() -> None:
    names: list[str] = []
    with (
        contextlib.suppress(PermissionError),  # some let nobody list it
        os.scandir(tempfile.gettempdir()) as entries,
    ):
        names = [entry.path for entry in entries if _NAME.fullmatch(entry.name)]
    for name in names:
        with contextlib.suppress(OSError):
            lock = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.geteuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an OSError: it is in use
                    shutil.rmtree(name, ignore_errors=True)
            finally:
                os.close(lock)
