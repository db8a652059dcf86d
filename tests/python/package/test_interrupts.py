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


@pytest.mark.parametrize("body", [CALL, BENCH, IMPORT], ids=["call", "bench", "import"])
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
