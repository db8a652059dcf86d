"""Ctrl-C, and what long work shows: it ends, says what it does, and leaves everything usable."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from nets import Mlp
from package_checks import PACKAGE, ROOT

import taoism
from taoism import _progress

FASHION = ROOT / "models" / "fashion_resnet.onnx"
SCRIPT = """
import os, signal, sys, threading, time
from pathlib import Path
sys.path[:0] = {path!r}
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may have it ignored
import taoism, torch

class Long(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(1024, 1024)
    def forward(self, x):
        for _ in range(30):
            x = torch.relu(self.fc(x))
        return x

def workers():
    return sum(len(path.read_text().split()) for path in Path("/proc/self/task").glob("*/children"))

def interrupt_when_one_more_works():
    before = workers()
    def wait():
        while workers() <= before:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=wait, daemon=True).start()

def outcome(work):
    try:
        work()
        return "it returned"
    except KeyboardInterrupt:
        return "interrupted"

net = Long().eval()
small, large = torch.randn(2, 1024), torch.randn(1 << 14, 1024)  # minutes on a core
{body}
"""

CALL = """
with taoism.shield(net, small, "full", tee_threads=1) as shielded, torch.no_grad():
    want = net(small)
    shielded(small)
    interrupt_when_one_more_works()
    print(outcome(lambda: shielded(large)))
    assert len(shielded.worker_pids) == 1  # that of the small batch: the call was not waited for
    assert torch.allclose(shielded(small), want, atol=1e-4)
    print("usable", flush=True)
"""
BENCH = f"""
def measure(seconds):
    return taoism.bench(
        {str(FASHION)!r}, strategies=["full"], tee_threads=1, min_seconds=seconds, min_iterations=1
    )
interrupt_when_one_more_works()
print(outcome(lambda: measure(3000)))
assert measure(0).runs[0]["valid"]
print("usable", flush=True)
"""
IMPORT = """
class Interrupts:
    sought = False
    def find_spec(self, name, *_):
        if name == "torch._dynamo.eval_frame" and not self.sought:
            self.sought = True
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
print(outcome(lambda: taoism.plan(net, small, "full")))
assert taoism.plan(net, small, "full").strategy == "full"
print("usable", flush=True)
"""
# Whatever is imported while a module is shielded, in the main thread here: a Ctrl-C in the middle
# of it comes at its end.
EVERYWHERE = """
class Interrupts:
    sought = interrupted = deepest = 0
    def find_spec(self, name, *_):
        if threading.current_thread() is not threading.main_thread():
            return
        self.sought += 1
        if self.sought % 30 == 1:
            self.interrupted += 1
            self.deepest = max(self.deepest, self.depth())
            os.kill(os.getpid(), signal.SIGINT)
    def depth(self):
        frame, count = sys._getframe(), 0
        while frame is not None:
            count += frame.f_code.co_name == "_find_and_load"
            frame = frame.f_back
        return count
interrupts = Interrupts()
sys.meta_path.insert(0, interrupts)
def until_it_returns(work):
    ends = [outcome(work)]
    while ends[-1] == "interrupted":
        ends.append(outcome(work))
    return ends[0]
print(until_it_returns(lambda: taoism.plan))  # which is imported when it is used first
import taoism._exporters
taoism._exporters._LATE = ()
assert until_it_returns(lambda: taoism.plan(net, small, "full")) == "interrupted"
assert interrupts.interrupted > 4 and interrupts.deepest > 3, vars(interrupts)
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert taoism.plan(net, small, "full").strategy == "full"
print("usable", flush=True)
"""
# A handler of the user's is asked as before, and so it stays where it is put meanwhile.
OWN_HANDLER = """
seen = []
def mine(*_):
    seen.append("mine")
def another(*_):
    seen.append("another")
class Interrupting(torch.nn.Linear):
    handler = None
    def forward(self, x):
        if self.handler is not None:
            signal.signal(signal.SIGINT, self.handler)
        os.kill(os.getpid(), signal.SIGINT)
        return super().forward(x)
signal.signal(signal.SIGINT, mine)
part = Interrupting(8, 8).eval()
taoism.plan(part, torch.randn(2, 8), "full")
assert set(seen) == {"mine"} and signal.getsignal(signal.SIGINT) is mine
part.handler = another
taoism.plan(part, torch.randn(2, 8), "full")
assert seen[-1] == "another" and signal.getsignal(signal.SIGINT) is another
signal.signal(signal.SIGINT, signal.SIG_IGN)
part.handler = None
taoism.plan(part, torch.randn(2, 8), "full")
signal.signal(signal.SIGINT, signal.default_int_handler)
print(outcome(lambda: taoism.plan(part, torch.randn(2, 8), "full")))
print("usable", flush=True)
"""
TO_THE_END = """
with taoism.shield(net, small, "full", tee_threads=1) as shielded:
    shielded(small)
    interrupt_when_one_more_works()
    shielded(large)
"""


def run(body: str) -> subprocess.CompletedProcess[str]:
    path = [str(PACKAGE), str(Path(__file__).parent)]
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(path=path, body=body)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.parametrize(
    "body",
    [CALL, BENCH, IMPORT, EVERYWHERE, OWN_HANDLER],
    ids=["call", "bench", "import", "everywhere", "own handler"],
)
def test_what_was_interrupted_can_be_used_again(body: str) -> None:
    done = run(body)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["interrupted", "usable"]


def test_a_program_that_catches_nothing_ends() -> None:
    done = run(TO_THE_END)
    assert done.returncode != 0 and done.stderr.rstrip().endswith("KeyboardInterrupt")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def screen_of(monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setattr(sys, "stderr", stream := Screen())
    monkeypatch.setattr(_progress, "_FIRST_SECONDS", 0.0)
    monkeypatch.setattr(_progress, "_EVERY_SECONDS", 0.01)
    return stream


def test_long_work_says_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = screen_of(monkeypatch)
    taoism.shield(Mlp().eval(), torch.randn(2, 6), "full").close()
    text = screen.getvalue()
    assert "taoism: exporting Mlp, " in text and "\n" not in text
    assert text.endswith("\r\x1b[K")  # nothing of it stays
    screen.truncate(0)
    screen.seek(0)
    taoism.bench(Mlp().eval(), torch.randn(2, 6), ["none"], min_seconds=0.3)
    assert "taoism: measuring, " in screen.getvalue() and "%" in screen.getvalue()


def test_it_can_be_silenced_and_is_silent_where_nobody_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = screen_of(monkeypatch)
    taoism.show_progress(False)
    try:
        taoism.shield(Mlp().eval(), torch.randn(2, 6), "full").close()
    finally:
        taoism.show_progress(True)
    assert screen.getvalue() == ""
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    taoism.shield(Mlp().eval(), torch.randn(2, 6), "full").close()
    assert stream.getvalue() == ""
