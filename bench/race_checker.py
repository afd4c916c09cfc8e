"""The health checkers of many load balancers in one process, and when each took a target out.

Run in the load balancer's namespace by `bench.race`. The first line of the input is the order: the report, the
nodes' addresses, the Services, the settings and for how many seconds to spread the first checks. Each further line
is answered with the moments (seconds since the epoch) at which targets turned healthy or unhealthy, by Service and
node, the latest only. It ends when its input ends.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass

from devcluster.dataplane.load_balancer import Balancer, Settings, State, Target, plan


@dataclass
class Moments(Target):
    """A target that notes when its state last changed."""

    changed: float = 0.0

    def record(self, failure: str, settings: Settings) -> None:
        before: State = self.state
        Target.record(self, failure, settings)
        if self.state != before:
            self.changed = time.time()


async def main() -> None:
    order = json.loads(sys.stdin.readline())
    settings = Settings(**order["settings"])
    targets: dict[str, list[Moments]] = {}
    checks: list[asyncio.Task[None]] = []
    for namespace, service in order["services"]:
        todo = plan(order["report"], namespace, service, order["addresses"])
        own = [Moments(target.node, target.address, target.port) for target in todo.targets]
        balancer = Balancer(todo, settings)
        targets[f"{namespace}/{service}"] = own
        checks += [asyncio.create_task(_check(balancer, target, order["spread"])) for target in own]
    print("ok", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        states = {name: {t.node: (t.state, t.changed) for t in own} for name, own in targets.items()}
        print(json.dumps(states), flush=True)
    for task in checks:
        task.cancel()


async def _check(balancer: Balancer, target: Target, spread: float) -> None:
    """The targets are not checked in step, as they are not by a real one."""
    await asyncio.sleep(random.uniform(0, spread))
    await balancer.check_forever(target)


if __name__ == "__main__":
    asyncio.run(main())
