"""Memory, threads, file descriptors and CPU of a process and its descendants, from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Of a whole process tree. `memory` and `peak` are resident bytes; `peak` is the sum of the peaks of the
    processes that exist now. `cpu` is in seconds and counts children that ended and were waited for."""

    memory: int
    peak: int
    threads: int
    descriptors: int
    cpu: float


def usage(pid: int) -> Usage:
    """Zeros if the process has ended."""
    found = [one for each in tree(pid) if (one := _one(each))]
    return Usage(
        memory=sum(one.memory for one in found),
        peak=sum(one.peak for one in found),
        threads=sum(one.threads for one in found),
        descriptors=sum(one.descriptors for one in found),
        cpu=sum(one.cpu for one in found),
    )


def peak(pid: int) -> int:
    """The peak memory alone: quick enough to be asked for while the process runs."""
    return sum(_high_water(each) for each in tree(pid))


def _high_water(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def forget_peak(pid: int) -> None:
    """The peak of each process starts again from its present memory (proc(5), clear_refs)."""
    for each in tree(pid):
        Path(f"/proc/{each}/clear_refs").write_text("5")


def tree(pid: int) -> list[int]:
    """The process and its descendants that exist now."""
    found = [pid]
    for parent in found:
        try:
            tasks = list(Path(f"/proc/{parent}/task").iterdir())
            found += [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except OSError:  # it has ended
            continue
    return found


def _one(pid: int) -> Usage | None:
    folder = Path(f"/proc/{pid}")
    try:
        fields = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
        spent = (folder / "stat").read_text().rpartition(")")[2].split()
        descriptors = len(list((folder / "fd").iterdir()))
    except OSError:
        return None
    if "VmRSS" not in fields:  # ended, and not yet waited for
        return None
    return Usage(
        memory=int(fields["VmRSS"].split()[0]) * 1024,
        peak=int(fields["VmHWM"].split()[0]) * 1024,
        threads=int(fields["Threads"]),
        descriptors=descriptors,
        cpu=sum(map(int, spent[11:15])) / _TICKS,
    )
