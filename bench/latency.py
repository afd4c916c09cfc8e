"""From the answer of the API server to the writer of a slice until the assessment of that version is made."""

from __future__ import annotations

import time
from typing import Any

from bench.big_cluster import Size
from bench.operator import Measured, write_slices
from devcluster import Cluster

SECONDS = 60.0


def latency(cluster: Cluster, size: Size, rate: float) -> dict[str, object]:
    """At `rate` updates a second, and at as many as the real API server takes from eight writers."""
    figures: dict[str, object] = {}
    for asked in (rate, 1e6):
        file = cluster.directory / f"assessed-{asked:.0f}"
        operator = Measured(cluster.kubeconfig, "--no-tick", "--assessed", str(file))
        operator.line("first pass")
        answered: dict[tuple[str, str], float] = {}

        def note(
            written: dict[str, Any], answered: dict[tuple[str, str], float] = answered
        ) -> None:  # called in the writers' threads
            meta = written["metadata"]
            answered[meta["name"], meta["resourceVersion"]] = time.time()

        time.sleep(2)
        before = operator.cpu()
        sent = write_slices(cluster, size, SECONDS, asked, answered=note)
        time.sleep(2)
        cpu = operator.cpu() - before
        operator.stop()
        lines = map(str.split, file.read_text().splitlines())
        stood = {(name, version): float(at) for name, version, at in lines}
        waits = sorted(stood[which] - at for which, at in answered.items() if which in stood)
        if not waits:
            raise RuntimeError("no update came through")
        p50, p99, most = waits[len(waits) // 2], waits[int(len(waits) * 0.99)], waits[-1]
        print(f"{sent / SECONDS:.0f} slices a second written to the real API server:")
        print(
            f"    from its answer until assessed: median {1e3 * p50:.0f} ms, p99 {1e3 * p99:.0f} ms, "
            f"most {1e3 * most:.0f} ms; {len(answered) - len(waits)} superseded before they were seen; "
            f"{1e6 * cpu / sent:.0f} ms of CPU for 1,000",
            flush=True,
        )
        figures["asked rate" if asked == rate else "all that the API server takes"] = {
            "perSecond": round(sent / SECONDS),
            "medianMs": round(1e3 * p50, 1),
            "p99Ms": round(1e3 * p99, 1),
            "maxMs": round(1e3 * most, 1),
            "cpuMsPer1000": round(1e6 * cpu / sent),
        }
    return figures
