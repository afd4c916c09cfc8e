"""The operator in a process of its own, with a 1 ms ticker on its main loop and one on Kopf's.

Prints a line of JSON when ready, when Kopf's first pass is through, and at its end (SIGTERM). Started by
`bench.operator`; reads a kubeconfig, writes nothing to the cluster.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

TICK = 0.001


class Gaps:
    """Time between two turns of a loop, beyond the tick, in seconds."""

    def __init__(self) -> None:
        self._last = 0.0
        self._seen: list[float] = []

    def tick(self) -> None:
        now = time.perf_counter()
        if self._last:
            self._seen.append(now - self._last)
        self._last = now

    def take(self) -> dict[str, float]:
        """Largest and 99th percentile in milliseconds since the last call."""
        seen, self._seen = sorted(self._seen) or [0.0], []
        return {"max_ms": round(seen[-1] * 1e3, 1), "p99_ms": round(seen[int(len(seen) * 0.99)] * 1e3, 1)}


def memory() -> dict[str, float]:
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{os.getpid()}/status").read_text().splitlines() if ":" in line
    )
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "peak_mb": round(int(status["VmHWM"].split()[0]) / 1e3),
        "now_mb": round(int(status["VmRSS"].split()[0]) / 1e3),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
    }


async def main(kubeconfig: str, began: float, until: str) -> None:
    from etpguard.app import SWITCH_SECONDS, Operator
    from etpguard.intake import watch
    from etpguard.kube.connection import Connection
    from etpguard.objects import ENDPOINT_SLICE, Key
    from etpguard.settings import Address, Settings

    sys.setswitchinterval(SWITCH_SECONDS)
    main_loop, kopf_loop = Gaps(), Gaps()
    _tick_on_kopf(watch, kopf_loop)
    settings = Settings(
        kubeconfig=kubeconfig,
        listen=Address("127.0.0.1", 0),
        write_conditions=False,
        write_reports=False,
        write_events=False,
        remediation=False,
        leader_elect=False,
    )
    operator = Operator(settings, Connection(kubeconfig))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)

    async def tick() -> None:
        while True:
            main_loop.tick()
            await asyncio.sleep(TICK)

    def say(what: str, **more: Any) -> None:
        took = round(time.time() - began, 2)
        gaps = {"main": main_loop.take(), "kopf": kopf_loop.take()}
        print(json.dumps({"what": what, "after_s": took, **memory(), "gaps": gaps, **more}), flush=True)

    async with operator.serving() as port:
        ticking = asyncio.create_task(tick())
        running = asyncio.create_task(operator.run(stop))
        while operator.health().blockers:
            await asyncio.sleep(0.01)
        say("ready", port=port)
        while not operator.freshness.picture_status().fresh or not operator.watching():
            await asyncio.sleep(0.1)
        say("first pass")
        if until:
            name, _, version = until.partition("@")
            slices = operator.picture.store(ENDPOINT_SLICE)
            while (slices.version(Key(*name.split("/"))) or 0) < int(version):
                await asyncio.sleep(0.02)
            say("caught up", at=time.time())
        await running
        say("end")
        ticking.cancel()


def _tick_on_kopf(watch: Any, gaps: Gaps) -> None:
    """Kopf's loop has a beat of its own: made quicker, and noted."""
    beat = watch.KopfRun._tick

    def tick(run: Any) -> None:
        gaps.tick()
        beat(run)

    watch.BEAT_SECONDS = TICK
    watch.KopfRun._tick = tick


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), sys.argv[3]))
