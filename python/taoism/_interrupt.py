"""Long calls into C++ that Ctrl-C ends: Python looks at signals between its own instructions, on
the main thread alone, so that such a call is made by a helper thread while the main one waits. And
imports that Ctrl-C does not cut in two."""

from __future__ import annotations

import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
_IMPORTS = "<frozen importlib._bootstrap>"
_AGAIN_SECONDS = 0.05


def interruptible(
    work: Callable[[], T],
    give_up: Callable[[], None] = lambda: None,
    leave: Callable[[T], None] = lambda result: None,
) -> T:
    """What `work` returns. A signal's exception, KeyboardInterrupt, comes out at once: `give_up` is
    called, to end `work` soon, and what it returns all the same goes to `leave`. The interpreter
    waits for it before it ends. Other threads than the main one get no signals and just work."""
    if threading.current_thread() is not threading.main_thread():
        return work()
    box: list[Any] = []
    done = threading.Event()
    state = threading.Lock()
    is_given_up = False

    def run() -> None:
        try:
            box.append((True, work()))
        except BaseException as error:  # goes on in the thread that waits
            box.append((False, error))
        with state:
            done.set()
            is_late = is_given_up
        if is_late and box[0][0]:
            leave(box[0][1])

    thread = threading.Thread(target=run, name="taoism-call")
    thread.start()
    try:
        done.wait()
    except BaseException:
        with state:
            is_given_up = True
            is_done = done.is_set()
        if is_done:
            thread.join()
            if box[0][0]:
                leave(box[0][1])
        else:
            give_up()
        raise
    thread.join()
    ok, value = box[0]
    if not ok:
        raise value
    result: T = value
    return result


def importing_whole(work: Callable[[], T]) -> T:
    """What `work` returns. A Ctrl-C that comes while it imports something waits for the end of
    that: what is imported half cannot be used, nor imported again. Elsewhere it does what it did
    before, and so it does where nothing of Python's answers it, or another thread works."""
    former = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(former):
        return work()
    outside = [sys._getframe()]  # emptied at the end, or it would hold itself and all in it
    postponed: queue.SimpleQueue[bool] = queue.SimpleQueue()  # a handler may always put to it

    def handle(number: int, frame: FrameType | None) -> None:
        if outside and _is_in_import(frame, outside[0]):
            postponed.put(True)
        else:
            former(number, frame)

    def come_again() -> None:
        while postponed.get():
            time.sleep(_AGAIN_SECONDS)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=come_again, name="taoism-interrupt", daemon=True)
    thread.start()
    signal.signal(signal.SIGINT, handle)
    try:
        return work()
    finally:
        try:
            postponed.put(False)
            thread.join()  # what waits comes before this returns
        finally:
            if signal.getsignal(signal.SIGINT) is handle:
                signal.signal(signal.SIGINT, former)
            outside.clear()


def _is_in_import(frame: FrameType | None, outside: FrameType) -> bool:
    """Whether a frame is of an import, or of what one calls, that began inside of `outside`."""
    while frame is not None and frame is not outside:
        if frame.f_code.co_filename == _IMPORTS:
            return True
        frame = frame.f_back
    return False
