"""Long calls into C++ that Ctrl-C ends: Python looks at signals between its own instructions, on
the main thread alone, so that such a call is made by a helper thread while the main one waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


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
