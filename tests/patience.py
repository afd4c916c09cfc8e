"""Time limits on a machine that other tests keep busy."""

from __future__ import annotations

import os
from pathlib import Path


def patient(seconds: float) -> float:
    """The limit, longer by as much as there are more runnable threads than cores, now or on average over the last
    minute. On an idle machine it is `seconds`."""
    fields = Path("/proc/loadavg").read_text().split()
    average, runnable = float(fields[0]), int(fields[3].partition("/")[0])
    return seconds * max(1.0, average / _CORES, runnable / _CORES)


_CORES = os.cpu_count() or 1
