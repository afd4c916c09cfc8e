"""A client that goes on sending, whether or not earlier requests were answered, and notes what became of each.

A child process inside a namespace. Its first line of input is the order (`Order`, as JSON); each further line is
answered with the requests that have ended since the last, `[[sent, pod], …]` in the order of sending: `sent` in
seconds since the epoch, `pod` the one that answered with status 200 or "". It ends when its input ends.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from dataclasses import dataclass

from devcluster.dataplane.probe import SOURCE_PORTS, Probe, observe


@dataclass(frozen=True, slots=True)
class Order:
    """`spacing`: seconds from one request to the next; `timeout`: how many each has."""

    address: str
    port: int
    spacing: float
    timeout: float


async def main() -> None:
    order = Order(**json.loads(sys.stdin.readline()))
    ended: list[tuple[float, str]] = []
    sending = asyncio.create_task(_send(order, ended))
    print("ok", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        finished = sorted(ended)
        ended.clear()
        print(json.dumps(finished), flush=True)
    sending.cancel()


async def _send(order: Order, ended: list[tuple[float, str]]) -> None:
    probe = Probe("http", order.address, order.port)
    ports = itertools.cycle(SOURCE_PORTS)

    async def send() -> None:
        sent = time.time()
        seen = await observe(probe, order.timeout, ports)
        ended.append((sent, seen.pod if seen.status == 200 else ""))

    async with asyncio.TaskGroup() as requests:
        while True:
            requests.create_task(send())
            await asyncio.sleep(order.spacing)


if __name__ == "__main__":
    asyncio.run(main())
