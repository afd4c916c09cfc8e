"""A health checker and router with the behaviour of an AWS Application Load Balancer with instance targets.

It knows nothing of etpguard but the JSON that `etpguard check -o json` prints: from there it takes the nodes, the
node port and the health check of one consumer. Everything else it finds out itself, by probing and forwarding.

As an ALB it checks each target every `interval` seconds, takes a target out after `unhealthy_threshold` failures
in a row and back after `healthy_threshold` successes, sends requests in turn to the healthy ones, and to all
when none is healthy. A request is never tried on a second target: 504 when the target does not answer in time,
502 when it refuses. Run as a program it is one load balancer on one address.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

State = Literal["initial", "healthy", "unhealthy"]

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """Seconds and counts; the defaults are those of the AWS Load Balancer Controller and of an ALB."""

    interval: float = 15.0
    timeout: float = 5.0
    healthy_threshold: int = 2
    unhealthy_threshold: int = 2
    success_codes: str = "200"
    """`200`, `200,302` or `200-299`."""
    connect_timeout: float = 10.0
    """How long a request waits for its target."""

    def success(self, status: int) -> bool:
        for part in self.success_codes.split(","):
            first, _, last = part.strip().partition("-")
            if int(first) <= status <= int(last or first):
                return True
        return False


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """`protocol` is HTTP or TCP; `port` a number."""

    protocol: str
    port: int
    path: str


@dataclass(slots=True)
class Target:
    """One node, and what its health checks have shown so far. `checks` counts them; `reason` is in the words of
    the ALB's console."""

    node: str
    address: str
    port: int
    state: State = "initial"
    reason: str = "Elb.InitialHealthChecking"
    successes: int = 0
    failures: int = 0
    checks: int = 0

    def record(self, failure: str, settings: Settings) -> None:
        """The result of one check; "" for a success. A target's first success is enough for it to get traffic."""
        self.checks += 1
        if not failure:
            self.successes, self.failures = self.successes + 1, 0
            if self.state == "initial" or self.successes >= settings.healthy_threshold:
                self.state, self.reason = "healthy", ""
            return
        self.successes, self.failures = 0, self.failures + 1
        if self.failures >= settings.unhealthy_threshold:
            self.state, self.reason = "unhealthy", failure


@dataclass(frozen=True, slots=True)
class Plan:
    """What to register and how to check it. Without a check every target counts as healthy."""

    targets: Sequence[Target]
    check: HealthCheck | None


def plan(report: Json, namespace: str, service: str, addresses: Mapping[str, str], consumer: str = "") -> Plan:
    """From a CoverageReport: the eligible nodes and the probe of a Service's consumer, the first unless named.

    `addresses` gives the nodes' addresses, of one family. Raises LookupError when the report has no such thing.
    """
    entry = _first(report["services"], "service", lambda s: (s["namespace"], s["name"]) == (namespace, service))
    user = _first(entry["consumers"], "consumer", lambda c: not consumer or c["name"] == consumer)
    family = "IPv6" if any(":" in address for address in addresses.values()) else "IPv4"
    ports = {p["port"]: p["nodePort"] for p in entry["ports"] if p["family"] == family}
    number = ports[user["port"]]
    probe = user["healthCheck"]
    check = None
    if probe is not None:
        port = str(probe["port"])
        on = number if port == "traffic-port" else int(port) if port.isdigit() else ports[port]
        check = HealthCheck(probe["protocol"], on, probe.get("path") or "/")
    return Plan([Target(node, addresses[node], number) for node in user["eligibleNodes"]], check)


def _first(entries: Sequence[Json], what: str, wanted: Any) -> Json:
    for entry in entries:
        if wanted(entry):
            return entry
    raise LookupError(f"the report has no such {what}")


@dataclass(slots=True)
class Balancer:
    """The running load balancer. `sent` counts requests by node and by the status that the client got."""

    plan: Plan
    settings: Settings
    sent: dict[str, dict[int, int]] = field(default_factory=dict)

    def routed(self) -> list[Target]:
        """The healthy targets, or all when none is (fail open)."""
        healthy = [target for target in self.plan.targets if target.state == "healthy"]
        return healthy or list(self.plan.targets)

    async def check_forever(self, target: Target) -> None:
        check = self.plan.check
        if check is None:
            target.record("", self.settings)
            return
        while True:
            began = asyncio.get_running_loop().time()
            target.record(await self._failure(target, check), self.settings)
            spent = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(0.0, self.settings.interval - spent))

    async def serve(self, address: str, port: int) -> asyncio.Server:
        turns = itertools.count()
        return await asyncio.start_server(lambda r, w: self._forward(r, w, turns), address, port)

    async def _failure(self, target: Target, check: HealthCheck) -> str:
        try:
            async with asyncio.timeout(self.settings.timeout):
                if check.protocol == "TCP":
                    _, writer = await asyncio.open_connection(target.address, check.port)
                    writer.close()
                    return ""
                request = _request(check.path, target.address, check.port, "ELB-HealthChecker/2.0")
                status = _status(await _exchange(target.address, check.port, request))
        except TimeoutError:
            return "Target.Timeout: Request timed out"
        except (OSError, ValueError):
            return "Target.FailedHealthChecks: Health checks failed"
        if self.settings.success(status):
            return ""
        return f"Target.ResponseCodeMismatch: Health checks failed with these codes: [{status}]"

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, turns: Iterator[int]
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            targets = self.routed()
            if not targets:
                node, answer = "", _error(503)
            else:
                target = targets[next(turns) % len(targets)]
                node, answer = target.node, await self._answer(target, request)
            counts = self.sent.setdefault(node, {})
            counts[_status(answer)] = counts.get(_status(answer), 0) + 1
            writer.write(answer)
            await writer.drain()
        writer.close()

    async def _answer(self, target: Target, request: bytes) -> bytes:
        try:
            async with asyncio.timeout(self.settings.connect_timeout):
                answer = await _exchange(target.address, target.port, request)
        except TimeoutError:
            return _error(504)
        except OSError:
            return _error(502)
        return answer or _error(502)


def _request(path: str, address: str, port: int, agent: str) -> bytes:
    host = f"[{address}]" if ":" in address else address
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}", f"User-Agent: {agent}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode()


async def _exchange(address: str, port: int, request: bytes) -> bytes:
    """Sends and reads to the end: the client's request asks for the connection to be closed, as ours does."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()


def _status(answer: bytes) -> int:
    words = answer.split(maxsplit=2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/"):
        raise ValueError("not HTTP")
    return int(words[1])


def _error(status: int) -> bytes:
    return f"HTTP/1.1 {status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


async def _run() -> None:
    """The first line of the input is the order; each further line is answered with the state of things."""
    order = json.loads(sys.stdin.readline())
    todo = plan(order["report"], order["namespace"], order["service"], order["addresses"], order["consumer"])
    balancer = Balancer(todo, Settings(**order["settings"]))
    server = await balancer.serve(order["address"], order["port"])
    checks = [asyncio.create_task(balancer.check_forever(target)) for target in todo.targets]
    print("ok", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        targets = [asdict(target) for target in todo.targets]
        print(json.dumps({"targets": targets, "sent": balancer.sent}), flush=True)
    for task in checks:
        task.cancel()
    server.close()


if __name__ == "__main__":
    asyncio.run(_run())
