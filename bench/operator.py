"""The operator on a large cluster: start to ready against the raw lists, memory, gaps of its loops, churn."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.big_cluster import PATHS, Size, slice_
from bench.lists import three_curls
from bench.pairs import Runs, measure
from devcluster import Cluster


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


def start(cluster: Cluster, pairs: int) -> None:
    """To /readyz against three concurrent curls, in turn; then through Kopf's first pass."""
    curls, ready, first = Runs(), [], []
    for number in range(pairs + 1):
        operator = Measured(cluster.kubeconfig)
        at_ready, at_first = operator.line("ready"), operator.line("first pass")
        operator.stop()
        measure(three_curls(cluster), dict(os.environ), Runs() if number == 0 else curls)
        if number:
            ready.append(at_ready)
            first.append(at_first)
    ratio = statistics.median(r["after_s"] / c for r, c in zip(ready, curls.wall, strict=True))
    print(f"etpguard run to ready: {statistics.median(r['after_s'] for r in ready):.2f} s")
    print(f"    the three lists by three curls at once: {curls}")
    print(f"    ratio, median of {pairs} pairs: {ratio:.2f}")
    print(f"    through Kopf's first pass: {statistics.median(f['after_s'] for f in first):.1f} s")
    print(
        f"    CPU {statistics.median(f['cpu_s'] for f in first):.1f} s, peak {max(f['peak_mb'] for f in first)} MB"
    )
    for phase, said in (("until ready", ready), ("first pass", first)):
        for loop in ("main", "kopf"):
            gaps = [s["gaps"][loop] for s in said]
            print(
                f"    {phase}, {loop} loop: largest gap {max(g['max_ms'] for g in gaps)} ms, "
                f"p99 {statistics.median(g['p99_ms'] for g in gaps)} ms",
                flush=True,
            )


def churn(cluster: Cluster, size: Size, seconds: float, rate: float) -> None:
    """Slices that move their endpoints, `rate` a second, and what becomes of memory, CPU and gaps."""
    operator = Measured(cluster.kubeconfig)
    before = operator.line("first pass")
    sent = write_slices(cluster, size, seconds, rate)
    after = operator.stop()
    cpu = after["cpu_s"] - before["cpu_s"]
    print(f"churn: {sent} slices written in {seconds:.0f} s ({sent / seconds:.0f}/s asked {rate:.0f}/s)")
    print(f"    CPU {cpu:.1f} s, {1e6 * cpu / max(sent, 1):.0f} ms for 1,000 updates, peak {after['peak_mb']} MB")
    for loop in ("main", "kopf"):
        gaps = after["gaps"][loop]
        print(f"    {loop} loop: largest gap {gaps['max_ms']} ms, p99 {gaps['p99_ms']} ms", flush=True)


def write_slices(
    cluster: Cluster,
    size: Size,
    seconds: float,
    rate: float,
    threads: int = 8,
    answered: Callable[[dict[str, Any]], None] = lambda written: None,
) -> int:
    """PUT slices for so long, evenly spaced over a few threads; how many were written. `answered` is told of
    each, in any thread."""
    end = time.monotonic() + seconds
    written = [0] * threads

    def work(thread: int) -> None:
        due = time.monotonic()
        for number in range(thread, 10**9, threads):
            due += threads / rate
            time.sleep(max(0.0, due - time.monotonic()))
            if time.monotonic() > end:
                return
            service, shift = number % size.services, 1 + number // size.services
            path = f"{PATHS['endpointslices']}/service-{service}-slice"
            answered(cluster.call("PUT", path, slice_(size, service, shift), timeout=30))
            written[thread] += 1

    workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(written)
