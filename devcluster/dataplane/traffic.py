"""A load balancer in its own namespace, and clients outside that count what is lost through it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from devcluster.dataplane import addresses
from devcluster.dataplane.addresses import Family
from devcluster.dataplane.child import Child
from devcluster.dataplane.lab import Lab
from devcluster.dataplane.load_balancer import Settings
from devcluster.dataplane.probe import Probe
from devcluster.dataplane.sender import Order

_PORT = 80


@dataclass(frozen=True, slots=True)
class Loss:
    """What became of the client's requests. `answered` counts those with status 200, by pod."""

    sent: int
    answered: Mapping[str, int]

    @property
    def share(self) -> float:
        return 1 - sum(self.answered.values()) / self.sent


class Request(NamedTuple):
    """`sent` in seconds since the epoch; `pod` is the one that answered with status 200, "" where none did."""

    sent: float
    pod: str

    @property
    def lost(self) -> bool:
        return not self.pod


class Stream:
    """The parent's side of a client that goes on sending."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._ended: list[Request] = []

    def requests(self) -> Sequence[Request]:
        """All that have ended so far, in the order of sending. One that is lost ends after its time-out only."""
        self._ended += (Request(*fields) for fields in json.loads(self._child.ask("requests")))
        self._ended.sort()
        return self._ended

    def last_lost(self, since: float) -> float:
        """When the last request that was lost was sent; `since`, if none from then on was."""
        return max((request.sent for request in self.requests() if request.lost), default=since)


class LoadBalancer:
    """The parent's side of a running load balancer."""

    def __init__(self, lab: Lab, child: Child, family: Family) -> None:
        self._lab = lab
        self._child = child
        self._address = addresses.LOAD_BALANCER.of(family)

    def targets(self) -> dict[str, tuple[str, str]]:
        """State and reason of each target, by node."""
        return {target["node"]: (target["state"], target["reason"]) for target in self._targets()}

    def checks(self, node: str) -> int:
        """How many health checks of the node have ended."""
        return next(int(target["checks"]) for target in self._targets() if target["node"] == node)

    def _targets(self) -> list[dict[str, Any]]:
        return list(json.loads(self._child.ask("targets"))["targets"])

    def send(self, requests: int, timeout: float = 5) -> Loss:
        """So many requests from the client outside, at once."""
        seen = self._lab.client.probe([Probe("http", self._address, _PORT)] * requests, timeout)
        answered: dict[str, int] = {}
        for one in seen:
            if one.result == "answered" and one.status == 200:
                answered[one.pod] = answered.get(one.pod, 0) + 1
        return Loss(requests, answered)

    @contextlib.contextmanager
    def stream(self, spacing: float, timeout: float = 5) -> Iterator[Stream]:
        """Requests from the client outside, one every `spacing` seconds, for the length of a `with` block."""
        child = Child("devcluster.dataplane.sender", namespace=self._lab.topology.name("client"))
        try:
            child.ask(json.dumps(asdict(Order(self._address, _PORT, spacing, timeout))))
            yield Stream(child)
        finally:
            child.close()


@contextlib.contextmanager
def load_balancer(
    lab: Lab,
    report: Mapping[str, Any],
    namespace: str,
    service: str,
    *,
    consumer: str = "",
    settings: Settings | None = None,
    family: Family = "IPv4",
) -> Iterator[LoadBalancer]:
    """Runs one for a consumer in a CoverageReport, for the length of a `with` block."""
    order = {
        "report": report,
        "namespace": namespace,
        "service": service,
        "consumer": consumer,
        "addresses": {name: node.addresses.of(family) for name, node in lab.nodes.running.items()},
        "settings": asdict(settings or Settings()),
        "address": addresses.LOAD_BALANCER.of(family),
        "port": _PORT,
    }
    child = Child("devcluster.dataplane.load_balancer", namespace=lab.topology.name("alb"))
    try:
        child.ask(json.dumps(order))
        yield LoadBalancer(lab, child, family)
    finally:
        child.close()
