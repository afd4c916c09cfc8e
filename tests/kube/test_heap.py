"""Freed memory goes back to the kernel, or is used again."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable

import pytest

from etpguard.kube import heap

_LIST = """
import gc, sys, threading
from pathlib import Path
from etpguard.kube.heap import return_freed_memory

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


_PAGES = """
import resource, threading
from etpguard.kube.heap import keep_freed_memory

assert keep_freed_memory()
def read():
    for number in range(40):
        bytearray(5_000_000)
read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
thread = threading.Thread(target=read)
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


_HOLES = """
from pathlib import Path
from etpguard.kube.heap import return_freed_memory, trim

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

assert return_freed_memory()
blocks = [bytes(4096) + bytes(number % 7) for number in range(10_000)]
kept = blocks[::20]
del blocks
before = resident()
assert trim()
print(before - resident())
"""


needs_glibc = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc"
)


def printed(program: str) -> int:
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


@needs_glibc
def test_lists_that_threads_read_leave_only_what_is_kept() -> None:
    """Four threads read 60 MB each and keep 0.4 MB."""
    assert printed(_LIST) < 10_000_000


@needs_glibc
def test_freed_pages_are_used_again() -> None:
    """A thread needs 40 blocks of 5 MB one after the other. Each would be 1,200 page faults."""
    assert printed(_PAGES) < 4_000


@needs_glibc
def test_free_pages_between_blocks_that_stay_are_returned() -> None:
    """Of 41 MB, each 20th block of 4 kB stays."""
    assert printed(_HOLES) > 20_000_000


@pytest.mark.parametrize("change", [heap.return_freed_memory, heap.keep_freed_memory, heap.trim])
def test_without_glibc_nothing_is_changed(change: Callable[[], bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not change()
