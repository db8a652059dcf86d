"""One line on a terminal that says what takes long; nothing where standard error is none."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

_FIRST_SECONDS = 1.0  # what is done by then is not spoken of
_EVERY_SECONDS = 0.25
_shown = os.environ.get("TAOISM_PROGRESS", "1") not in ("0", "")


def show_progress(on: bool) -> None:
    """Whether long work says on a terminal what it does and for how long (it does, unless the
    environment's TAOISM_PROGRESS is 0). Warnings and errors do not depend on it."""
    global _shown
    _shown = bool(on)


@contextlib.contextmanager
def stage(what: str, share: Callable[[], tuple[float, str]] | None = None) -> Iterator[None]:
    """In the block a line such as "taoism: exporting Bert, 12 s". `share`: what is done, 0 to 1,
    and of what."""
    stream = sys.stderr
    if not _shown or stream is None or not stream.isatty():
        yield
        return
    done = threading.Event()
    start = time.monotonic()

    def draw() -> None:
        wait = _FIRST_SECONDS
        while not done.wait(wait):
            wait = _EVERY_SECONDS
            text = f"taoism: {what}, {time.monotonic() - start:.0f} s"
            if share is not None:
                part, of = share()
                text += f", {part:.0%} {of}"
            with contextlib.suppress(OSError, ValueError):  # a stream that was closed
                stream.write(f"\r\x1b[K{text[:100]}")
                stream.flush()
        if wait == _EVERY_SECONDS:
            with contextlib.suppress(OSError, ValueError):
                stream.write("\r\x1b[K")
                stream.flush()

    thread = threading.Thread(target=draw, name="taoism-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
