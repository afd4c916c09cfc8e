"""Network namespaces by name: made, entered, removed, and cleaned up after runs that died.

A name is PREFIX-<pid>-<start time>-<number>-<what>: pid and start time (of /proc/<pid>/stat, in clock ticks)
tell for sure whether the run that made it is still alive.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

PREFIX = "etpguard"
DIRECTORY = Path("/run/netns")

_CLONE_NEWNET = 0x40000000
_runs = itertools.count()


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


class NetworkError(RuntimeError):
    """The kernel or `ip` refused; the message carries the command and its answer."""


def new_run() -> str:
    """A prefix for the names of one topology, unique on this machine."""
    pid = os.getpid()
    return f"{PREFIX}-{pid}-{_start_time(pid)}-{next(_runs)}"


def ip(*batch: str, namespace: str | None = None, family: str | None = None) -> None:
    """Runs lines of `ip -batch` in a namespace; raises NetworkError with ip's own words.

    `family` (inet, inet6) is needed only by lines that name no address.
    """
    where = [] if namespace is None else ["-n", namespace]
    where += [] if family is None else ["-f", family]
    done = subprocess.run(
        ["ip", *where, "-batch", "-"], input="\n".join(batch) + "\n", capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NetworkError(f"ip in {namespace}: {done.stderr.strip()}: {'; '.join(batch)}")


def create(name: str, sysctls: Mapping[str, str]) -> None:
    """Makes a namespace with its loopback up; `sysctls` are paths below /proc/sys/net."""
    ip(f"netns add {name}")
    with entered(name):
        for path, value in sysctls.items():
            Path("/proc/sys/net", path).write_text(value)
    ip("link set lo up", namespace=name)


def delete(name: str) -> None:
    """Ends what still runs in the namespace and removes it; nothing happens where there is none."""
    if not (DIRECTORY / name).exists():
        return
    for pid in processes(name):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while processes(name) and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        ip(f"netns del {name}")
    except NetworkError:
        if (DIRECTORY / name).exists():  # else another run cleaned up at the same time
            raise


def processes(name: str) -> list[int]:
    """Pids of the processes in a namespace."""
    done = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
    return [int(word) for word in done.stdout.split()]


def inside(name: str, argv: Iterable[str]) -> list[str]:
    """The command that runs `argv` in a namespace, under the same pid."""
    return ["ip", "netns", "exec", name, *argv]


@contextlib.contextmanager
def entered(name: str) -> Iterator[None]:
    """The calling thread, and it alone, is in the namespace; sockets made here stay there for good."""
    with open("/proc/thread-self/ns/net") as home, open(DIRECTORY / name) as there:
        _setns(there.fileno(), name)
        try:
            yield
        finally:
            _setns(home.fileno(), "the namespace before")


def clean_leftovers() -> list[str]:
    """Removes the namespaces of runs that no longer live, with what runs in them; returns their names."""
    if not DIRECTORY.exists():
        return []
    dead = [path.name for path in sorted(DIRECTORY.iterdir()) if _is_leftover(path.name)]
    for name in dead:
        delete(name)
    return dead


def _is_leftover(name: str) -> bool:
    parts = name.split("-")
    if len(parts) < 4 or parts[0] != PREFIX or not parts[1].isdigit():
        return False
    return _start_time(int(parts[1])) != parts[2]


def _start_time(pid: int) -> str | None:
    """Field 22 of /proc/<pid>/stat; the command's name before it may hold blanks and parentheses."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat.rpartition(")")[2].split()[19]


def _setns(fd: int, name: str) -> None:
    if _libc().setns(fd, _CLONE_NEWNET):  # os.setns came with Python 3.12
        raise NetworkError(f"cannot enter {name}: {os.strerror(ctypes.get_errno())}")
