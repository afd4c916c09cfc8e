"""The operator in a separate process, with a 1 ms ticker on its main loop and one on Kopf's.

    python -m bench.measured_operator KUBECONFIG BEGAN [--until SLICE@VERSION] [--no-tick] [--assessed FILE]

Prints a line of JSON when ready, when Kopf's first pass is through, when its picture holds that version of the
EndpointSlice NAMESPACE/NAME, and at its end (SIGTERM). The tickers cost a tenth of a CPU: --no-tick leaves them
out. FILE gets a line for each version of a slice, "NAME VERSION SECONDS": when, by time.time(), the assessment
made from it stood. Started by `bench.operator`; reads a kubeconfig, writes nothing to the cluster.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import resource
import signal
import time
from collections.abc import Callable
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


async def main(given: argparse.Namespace) -> None:
    from etpguard.app import early_lists, tune_interpreter
    from etpguard.app.operator import Operator
    from etpguard.intake import kopf_watch
    from etpguard.kube.connection import Connection
    from etpguard.objects import ENDPOINT_SLICE, Key
    from etpguard.settings import Address, Settings

    tune_interpreter()
    main_loop, kopf_loop = Gaps(), Gaps()
    if given.tick:
        _tick_on_kopf(kopf_watch, kopf_loop)
    settings = Settings(
        kubeconfig=given.kubeconfig,
        listen=Address("127.0.0.1", 0),
        write_conditions=False,
        write_reports=False,
        write_events=False,
        remediation=False,
        leader_elect=False,
        page=None,
    )
    connection = Connection(given.kubeconfig)
    gc.disable()  # as `etpguard run` does; the operator turns it on when it is ready
    operator = Operator(settings, connection, early=early_lists(connection))
    if given.assessed:
        _note_assessed(operator, given.assessed)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)

    async def tick() -> None:
        while True:
            main_loop.tick()
            await asyncio.sleep(TICK)

    def say(what: str, **more: Any) -> None:
        took = round(time.time() - given.began, 2)
        gaps = {"main": main_loop.take(), "kopf": kopf_loop.take()}
        print(json.dumps({"what": what, "after_s": took, **memory(), "gaps": gaps, **more}), flush=True)

    async with operator.serving() as port:
        ticking = asyncio.create_task(tick()) if given.tick else None
        running = asyncio.create_task(operator.run(stop))

        async def until(condition: Callable[[], bool], pause: float) -> None:
            while not condition():
                if running.done():  # who waits for the next line must see that it never comes
                    raise RuntimeError(f"the operator ended with code {running.result()}")
                await asyncio.sleep(pause)

        await until(lambda: not operator.health().blockers, 0.01)
        say("ready", port=port)
        await until(lambda: operator.freshness.picture_status().fresh and bool(operator.watching()), 0.1)
        say("first pass")
        if given.until:
            name, _, version = given.until.partition("@")
            slices = operator.picture.store(ENDPOINT_SLICE)
            await until(lambda: (slices.version(Key(*name.split("/"))) or 0) >= int(version), 0.02)
            say("caught up", at=time.time())
        await running
        say("end")
        if ticking:
            ticking.cancel()


def _tick_on_kopf(kopf_watch: Any, gaps: Gaps) -> None:
    """Kopf's loop notes its turns: more often here."""
    note_turn = kopf_watch.KopfRun._note_turn

    def tick(run: Any) -> None:
        gaps.tick()
        note_turn(run)

    kopf_watch.TURN_SECONDS = TICK
    kopf_watch.KopfRun._note_turn = tick


def _note_assessed(operator: Any, file: Path) -> None:
    """What a turn of the absorber has merged is assessed when the turn ends."""
    from etpguard.objects import ENDPOINT_SLICE

    absorber, store = operator._absorber, operator.picture.store(ENDPOINT_SLICE)
    upsert, turn = store.upsert, absorber.turn
    merged: list[tuple[str, int]] = []
    out = file.open("w")

    def noted_upsert(entry: Any) -> Any:
        merged.append((entry.key.name, entry.version))
        return upsert(entry)

    async def noted_turn() -> None:
        await turn()
        if not merged:
            return
        now = time.time()
        out.writelines(f"{name} {version} {now:.6f}\n" for name, version in merged)
        merged.clear()
        out.flush()

    store.upsert, absorber.turn = noted_upsert, noted_turn


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kubeconfig")
    parser.add_argument("began", type=float)
    parser.add_argument("--until", default="")
    parser.add_argument("--no-tick", dest="tick", action="store_false")
    parser.add_argument("--assessed", type=Path)
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(parser.parse_args()))
