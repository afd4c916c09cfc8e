"""Two commands in turn, A B A B …, each as a whole process, and the ratio of their medians."""

from __future__ import annotations

import resource
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Runs:
    """Wall seconds, CPU seconds and the largest process's peak memory (bytes) of each run."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)

    def median(self) -> float:
        return statistics.median(self.wall)

    def __str__(self) -> str:
        return (
            f"{statistics.median(self.wall):.2f} s ({min(self.wall):.2f}-{max(self.wall):.2f}), "
            f"CPU {statistics.median(self.cpu):.2f} s, peak {max(self.peak) / 1e6:.0f} MB"
        )


def measure(command: Sequence[str], env: Mapping[str, str], into: Runs) -> None:
    """One run of a command whose output is thrown away. An exit code of 2 or more is a failure of the bench."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    code, peak = _run(command, env)
    into.wall.append(time.perf_counter() - started)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    into.cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    into.peak.append(peak)
    if code > 1:
        raise RuntimeError(f"{' '.join(command)}: exit code {code}")


def _run(command: Sequence[str], env: Mapping[str, str]) -> tuple[int, int]:
    """Exit code and peak memory in bytes.

    The peak is read from /proc while it runs: what the kernel counts in rusage begins with the memory of the
    process that started it, which here is this one.
    """
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=dict(env))
    peak = 0
    while process.poll() is None:
        peak = max(peak, _high_water(process.pid))
        time.sleep(0.005)
    return process.returncode, peak


def _high_water(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def alternate(
    first: Sequence[str], second: Sequence[str], env: Mapping[str, str], pairs: int = 5
) -> tuple[Runs, Runs]:
    """`pairs` counted runs of each, in turn, after one warm-up of each."""
    runs = (Runs(), Runs())
    for number in range(pairs + 1):
        for command, into in zip((first, second), runs, strict=True):
            measure(command, env, Runs() if number == 0 else into)
    return runs


def show(name: str, ours: Runs, other_name: str, other: Runs) -> None:
    ratio = statistics.median(a / b for a, b in zip(ours.wall, other.wall, strict=True))
    print(f"{name}: {ours}")
    print(f"    {other_name}: {other}")
    print(f"    ratio, median of {len(ours.wall)} pairs: {ratio:.2f}", flush=True)
