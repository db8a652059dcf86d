"""Threads, forks, and the end: nothing leaks and nothing is left behind."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from nets import Mlp, SmallCnn, randomise
from package_checks import HAS_DYNAMO, PACKAGE, assert_same, eventually, is_running

import taoism


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_eight_threads_get_the_single_threaded_results() -> None:
    net = randomise(SmallCnn())
    inputs = [torch.randn(1 + i % 3, 3, 8, 8) for i in range(40)]
    with taoism.shield(net, inputs[0], "deep:k=1", tee_threads=1) as shielded, torch.no_grad():
        want = [shielded(x) for x in inputs]
        before = descriptors(), resident_bytes(), threading.active_count()
        with ThreadPoolExecutor(8) as pool:
            jobs = [pool.submit(shielded, inputs[i % 40]) for i in range(1000)]
            for i, job in enumerate(jobs):
                assert torch.equal(job.result(), want[i % 40])
        del jobs
        gc.collect()
        assert descriptors() == before[0]
        assert threading.active_count() == before[2]
        # An output of each call would be 20 KiB in all; a leaked session, a thread's stack.
        assert resident_bytes() - before[1] < 16 << 20


def test_a_session_outlives_the_thread_that_opened_it() -> None:
    net = Mlp().eval()
    x = torch.randn(2, 6)
    with taoism.shield(net, x, "full") as shielded, torch.no_grad():
        thread = threading.Thread(target=shielded, args=(x,))
        thread.start()
        thread.join()
        assert_same(shielded(x), net(x))


def test_other_threads_run_while_a_call_does() -> None:
    """Nothing but a call that lets go of Python's lock lets another thread run here, because a
    thread that computes is not asked to."""
    net = torch.nn.Sequential(*[torch.nn.Linear(1024, 1024) for _ in range(8)]).eval()
    x, y = torch.randn(512, 1024), torch.empty(512, 1024)
    about_to_call, went_on = threading.Event(), []
    seen = []

    def call() -> None:
        about_to_call.set()
        session.run([x], [y])
        seen.extend(went_on)

    old = sys.getswitchinterval()
    with taoism.shield(net, x, "none", device_threads=1) as shielded:
        session = shielded._session(512)
        sys.setswitchinterval(1000)
        try:
            thread = threading.Thread(target=call)
            thread.start()
            about_to_call.wait()
            went_on.append(True)
            thread.join()
        finally:
            sys.setswitchinterval(old)
    assert seen == [True]


def test_closing_ends_the_worker_and_gives_descriptors_back() -> None:
    net = Mlp().eval()
    x = torch.randn(2, 6)
    taoism.shield(net, x, "full").close()  # what is made once is made
    before = descriptors()
    for end in ("close", "with", "collected"):
        shielded = taoism.shield(net, x, "full")
        shielded(x)
        pids = shielded.worker_pids
        assert pids and all(is_running(pid) for pid in pids)
        if end == "close":
            shielded.close()
        elif end == "with":
            with shielded:
                pass
        del shielded
        gc.collect()
        assert eventually(lambda pids=pids: not any(map(is_running, pids))), end
        assert descriptors() == before, end


def test_a_worker_that_died_is_an_error_and_not_a_hang() -> None:
    x = torch.randn(2, 6)
    with taoism.shield(Mlp().eval(), x, "full") as shielded:
        shielded(x)
        want = shielded(x)
        os.kill(shielded.worker_pids[0], 9)
        with pytest.raises(taoism.errors.UnavailableError, match="run again"):
            shielded(x)
        assert torch.equal(shielded(x), want)  # in a TEE of its own


SCRIPT = """
import os, sys
sys.path[:0] = {path!r}
import taoism, torch
from nets import Mlp
net = Mlp().eval()
x = torch.randn(2, 6)
shielded = taoism.shield(net, x, "full")
shielded(x)
print(*shielded.worker_pids, flush=True)
{tail}
"""


def run_script(tail: str, status: int = 0) -> list[str]:
    path = [str(PACKAGE), str(Path(__file__).parent)]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(path=path, tail=tail)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout.split("\n")


@pytest.mark.parametrize(
    ("tail", "status"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("raise SystemError('x')", 1),
        ("taoism.keep = shielded", 0),
        ("os._exit(4)", 4),
        ("os.kill(os.getpid(), 9)", -9),
    ],
)
def test_no_worker_is_left_when_the_interpreter_ends(tail: str, status: int) -> None:
    pids = [int(pid) for pid in run_script(tail, status)[0].split()]
    assert pids
    assert eventually(lambda: not any(map(is_running, pids)))


FORK = """
import gc
child = os.fork()
if child == 0:
    try:
        shielded(x)
    except taoism.errors.ForkedError as error:
        print("refused:", error, flush=True)
    shielded.close()
    del shielded
    gc.collect()
    sys.exit(0)  # runs what is registered for the interpreter's end
assert os.waitpid(child, 0)[1] == 0
assert torch.allclose(shielded(x), net(x), atol=1e-5)
print("parent goes on", flush=True)
"""


@pytest.mark.skipif(
    not HAS_DYNAMO, reason="of torch 2.4 alone too, a fork after torch.onnx.export hangs at its end"
)
def test_a_fork_is_refused_and_leaves_the_parent_its_session() -> None:
    lines = run_script(FORK)
    assert lines[1].startswith("refused: ") and "shield the module in the process" in lines[1]
    assert lines[2] == "parent goes on"
