"""The operator on a large cluster, with tickers on its loops: the largest gaps at the start and under churn."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.big_cluster import PATHS, Size, slice_
from devcluster import Cluster

_STRIDE = 7919
"""A prime, so that slices are written in an order that mixes Services with and without Local."""
_SHIFTS_OF_A_CALL = 100
_calls = itertools.count()
"""Each call of `write_slices` moves the endpoints to nodes of its own. The API server takes a PUT that changes
nothing without a new version, and no watch shows it."""


class Measured:
    """One operator process; `line(what)` waits for its word. The options are those of `measured_operator`."""

    def __init__(self, kubeconfig: Path, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.measured_operator", str(kubeconfig), str(time.time()), *options],
            stdout=subprocess.PIPE,
            text=True,
        )

    def cpu(self) -> float:
        """CPU seconds so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def line(self, what: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            said: dict[str, Any] = json.loads(text)
            if said["what"] == what:
                return said
        raise RuntimeError(f"the operator ended before {what!r}")

    def stop(self) -> dict[str, Any]:
        self._process.send_signal(signal.SIGTERM)
        said = self.line("end")
        self._process.wait(20)
        return said


def gaps(cluster: Cluster, runs: int) -> dict[str, object]:
    """The largest gaps of both loops until ready, and through Kopf's first pass."""
    figures: dict[str, object] = {}
    said: dict[str, list[dict[str, Any]]] = {"until ready": [], "first pass": []}
    for _ in range(runs):
        operator = Measured(cluster.kubeconfig)
        said["until ready"].append(operator.line("ready"))
        said["first pass"].append(operator.line("first pass"))
        operator.stop()
    for phase, lines in said.items():
        figures[phase] = {loop: _gaps(phase, loop, lines) for loop in ("main", "kopf")}
    return figures


def _gaps(phase: str, loop: str, said: list[dict[str, Any]]) -> dict[str, float]:
    own = [line["gaps"][loop] for line in said]
    found = {"maxMs": max(each["max_ms"] for each in own), "p99Ms": max(each["p99_ms"] for each in own)}
    print(f"    {phase}, {loop} loop: largest gap {found['maxMs']} ms, p99 {found['p99Ms']} ms", flush=True)
    return found


def churn(cluster: Cluster, size: Size, seconds: float, rate: float) -> dict[str, object]:
    """Slices that move their endpoints, `rate` a second: CPU, memory and gaps."""
    operator = Measured(cluster.kubeconfig)
    before = operator.line("first pass")
    sent = write_slices(cluster, size, seconds, rate)
    after = operator.stop()
    cpu = after["cpu_s"] - before["cpu_s"]
    print(f"churn: {sent} slices written in {seconds:.0f} s ({sent / seconds:.0f} a second of {rate:.0f})")
    print(f"    CPU {cpu:.1f} s, {1e6 * cpu / max(sent, 1):.0f} ms for 1,000 updates, peak {after['peak_mb']} MB")
    return {
        "updates": sent,
        "seconds": seconds,
        "cpuMsPer1000": round(1e6 * cpu / max(sent, 1)),
        "peakMB": after["peak_mb"],
        **{loop: _gaps("churn", loop, [after]) for loop in ("main", "kopf")},
    }


def write_slices(
    cluster: Cluster,
    size: Size,
    seconds: float,
    rate: float,
    threads: int = 8,
    answered: Callable[[dict[str, Any]], None] = lambda written: None,
) -> int:
    """PUT slices for so long, evenly spaced over a few threads; how many were written. `answered` gets each
    answer, in any thread."""
    end = time.monotonic() + seconds
    first_shift = 1 + _SHIFTS_OF_A_CALL * next(_calls)
    written = [0] * threads

    def work(thread: int) -> None:
        due = time.monotonic()
        for number in range(thread, 10**9, threads):
            due += threads / rate
            time.sleep(max(0.0, due - time.monotonic()))
            if time.monotonic() > end:
                return
            service, shift = number * _STRIDE % size.services, first_shift + number // size.services
            path = f"{PATHS['endpointslices']}/service-{service}-slice"
            answered(cluster.call("PUT", path, slice_(size, service, shift), timeout=30))
            written[thread] += 1

    workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(written)
