"""What a reader must know of the machine to judge a figure."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from etpguard import __version__


def description() -> dict[str, object]:
    """Date, machine and load at this moment. `load` is the number of processes that wanted to run in the last
    minute, before the benchmark began its own work."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu(),
        "cores": os.cpu_count() or 0,
        "memoryGB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "etpguard": __version__,
        "commit": _commit(),
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    """The short hash of the checkout, with `+` if something is not committed; "" outside of one."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude", "*"]
    run = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return run.stdout.strip()
