"""Freed memory goes back to the kernel."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from etpguard.app import heap

_LIST = """
import gc, sys, threading
from pathlib import Path
from etpguard.app.heap import return_freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

assert return_freed_memory()
kept = []
def read():
    pages = []
    for number in range(600):
        pages.append(bytearray(100_000))
        kept.append(bytearray(600))
read()
before = resident()
for _ in range(4):
    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
gc.collect()
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc")
def test_lists_that_threads_read_leave_only_what_is_kept() -> None:
    """Four threads read 60 MB each and keep 0.4 MB."""
    run = subprocess.run([sys.executable, "-c", _LIST], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 10_000_000


def test_without_mallopt_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not heap.return_freed_memory()
