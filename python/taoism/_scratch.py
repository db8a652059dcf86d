"""A folder for files with weights in them, which does not stay behind."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from taoism.errors import ResourceExhaustedError

_PREFIX = ".taoism-scratch-"
_LEAST_FREE = 1 << 16  # bytes; of a full disk a little may be left
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


@contextlib.contextmanager
def disk_named(folder: Path) -> Iterator[None]:
    """What fails in the block because the disk of `folder` is full says so: libraries turn that
    into anything. Errors: ResourceExhaustedError."""
    try:
        yield
    except Exception as error:
        is_told = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if is_told or shutil.disk_usage(folder).free < _LEAST_FREE:
            raise ResourceExhaustedError(
                f"the disk of {folder.parent} is full, where a module is exported to: make room, "
                "or name a folder with room in the environment's TMPDIR"
            ) from error
        raise


def _make() -> tuple[Path, int]:
    """The folder, and a descriptor that holds its lock. Errors: ResourceExhaustedError."""
    while True:
        try:
            path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        except OSError as error:
            raise ResourceExhaustedError(
                f"no folder to export a module to: {error.strerror or error}; name one that can be "
                "written to in the environment's TMPDIR"
            ) from error
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
