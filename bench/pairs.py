"""Commands in turn, A B C A B C …, each as a whole process, and the ratios of the runs beside each other."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import peak
from bench.spread import Spread, ratios

_LOOK_SECONDS = 0.005


@dataclass(frozen=True)
class Command:
    """`env` is added to the environment of this process."""

    name: str
    words: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None


@dataclass
class Runs:
    """Wall seconds, CPU seconds and peak memory (bytes) of the process tree, of each run."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        cpu = Spread.of(self.cpu).median
        return f"{Spread.of(self.wall).shown()} s, CPU {cpu:.2f} s, peak {max(self.peak) / 1e6:.0f} MB"

    def stored(self) -> dict[str, object]:
        return {
            "seconds": Spread.of(self.wall).stored(),
            "cpuSeconds": Spread.of(self.cpu).stored(),
            "peakMB": Spread.of([each / 1e6 for each in self.peak], 1).stored(),
        }


def measure(command: Command, into: Runs) -> None:
    """One run of a command whose output is thrown away. Raises RuntimeError for an exit code of 2 or more."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = subprocess.Popen(
        command.words, stdout=subprocess.DEVNULL, env={**os.environ, **command.env}, cwd=command.cwd
    )
    most = 0
    # Read from /proc while it runs: what the kernel counts in rusage begins with the memory of this process.
    while process.poll() is None:
        most = max(most, peak(process.pid))
        time.sleep(_LOOK_SECONDS)
    into.wall.append(time.perf_counter() - started)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    into.cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    into.peak.append(most)
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command.words)}: exit code {process.returncode}")


def alternate(commands: Sequence[Command], rounds: int) -> list[Runs]:
    """`rounds` counted runs of each, in turn, after one warm-up of each."""
    runs = [Runs() for _ in commands]
    for number in range(rounds + 1):
        for command, into in zip(commands, runs, strict=True):
            measure(command, Runs() if number == 0 else into)
    return runs


def show(title: str, commands: Sequence[Command], runs: Sequence[Runs]) -> dict[str, object]:
    """Print all, with the ratio of the first command to each other one. Returns the figures."""
    print(f"{title}; median (least to most) of {len(runs[0].wall)} pairs")
    figures: dict[str, object] = {}
    for command, own in zip(commands, runs, strict=True):
        line, stored = f"    {command.name:42} {own}", own.stored()
        if own is not runs[0]:
            ratio = ratios(runs[0].wall, own.wall)
            line += f"; ratio {ratio.shown()}"
            stored["ratio"] = ratio.stored()
        print(line, flush=True)
        figures[command.name] = stored
    return figures
