"""What a family of consumers is, and what it tells of each: the one thing that families share.

A family knows one controller (or a few that behave alike): which objects make it send traffic to a Service,
to which nodes, and what it probes. It reads the picture through a `View` and answers with `Consumer`s, which
are plain data; node sets and outcomes are the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from etpguard.assess.eligibility import NodeRule
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.probe import (
    KUBE_PROXY_HEALTHZ_PORT,
    AnswersEverywhere,
    KubeProxyHealthz,
    NotModelled,
    OtherNodePort,
    OwnNodePort,
    Probe,
)
from etpguard.cluster.picture import Picture, Referrer
from etpguard.objects import IPFamily, Key, Kind, Node, Record, Service

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """The health check as configured, for people; what it sees is the `Probe`.

    `port` is as written ("traffic-port", a number, a port's name), `path` "" where there is none.
    """

    port: str
    protocol: str
    path: str = ""
    success_codes: str = ""


@dataclass(frozen=True, slots=True)
class Consumer:
    """One object that sends external traffic to one port of a Service.

    Without `nodes` it targets pods directly. `unknown` says why its outcome cannot be told, whatever the
    nodes do. An `incidental` consumer is listed but tells nothing of who uses the node port (a proxy inside
    the cluster): a Service that has only such ones has no known consumer.
    """

    kind: str
    namespace: str
    name: str
    controller: str
    target_type: str
    port: str
    families: tuple[IPFamily, ...] = ("IPv4",)
    nodes: NodeRule | None = None
    health_check: HealthCheck | None = None
    probe: Probe | None = None
    unknown: Reason | None = None
    unless_covered: Reason | None = None
    """Why its outcome cannot be told unless each of `nodes`, which are then all that it might send to, is
    covered: whichever of several ways it works, nothing is lost."""
    incidental: bool = False
    max_targets: int = 0
    """The most targets that the controller registers, 0 for no limit."""
    pins_health_check_node_port: bool = False
    """Whether its health check is set by hand to the healthCheckNodePort, which `Cluster` takes away."""
    proxy_protocol: bool = False
    """Whether it tells the client's address by PROXY protocol, in health checks too, whatever the policy."""
    reads: frozenset[Key] = frozenset()
    """Other Services whose change may change this consumer."""
    reads_node_ports: frozenset[int] = frozenset()
    """Node port numbers whose owner may change this consumer."""
    family: str = ""
    """Name of the family that found it, whose advice counts; the engine sets it."""
    source: str = ""
    """Where a setting came from that no API object shows, "" if none mattered."""

    @property
    def object(self) -> tuple[str, str, str]:
        return (self.kind, self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class ConsumerVerdict:
    """A consumer's outcome, the worst over its IP families. Node sets are integers of `NodeTable`."""

    consumer: Consumer
    outcome: Outcome
    reason: Reason
    eligible: int = 0
    uncovered: int = 0
    unused: int = 0
    """Nodes with endpoints that the consumer never sends to."""


class View:
    """What families may read: the picture, without any way to change it."""

    def __init__(
        self,
        picture: Picture,
        answers_everywhere: Iterable[int] = (),
        platforms: Callable[[], frozenset[str]] = frozenset,
        *,
        unread_is_unknown: bool = True,
    ) -> None:
        self._picture = picture
        self._answers_everywhere = frozenset(answers_everywhere)
        self._platforms = platforms
        self.unread_is_unknown = unread_is_unknown
        """Whether a kind that cannot be read may have objects, as on a live cluster; files are taken to hold
        all that there is."""

    @property
    def platforms(self) -> frozenset[str]:
        """What the nodes tell of the clouds and distributions that they belong to; see `assess.platforms`.
        Consumers are found anew whenever it changes."""
        return self._platforms()

    def get(self, kind: Kind[R], key: Key) -> R | None:
        return self._picture.get(kind, key)

    def all(self, kind: Kind[R]) -> Iterable[R]:
        return self._picture.store(kind)

    def referring(self, kind: Kind[R], service: Key) -> list[R]:
        return self._picture.referring(kind, service)

    def unread(self, kind: Kind[Any]) -> str | None:
        """Why objects of this kind cannot be read (an absent CRD is no reason: there are none)."""
        return self._picture.unread.get(kind)

    def probe_of(self, number: int, service: Service) -> tuple[Probe, frozenset[Key]]:
        """What answers on port `number` of a node, and which other Services were asked for it.

        Health checks are TCP, and a number may be held once for each protocol: a UDP port does not answer.
        The healthCheckNodePort is the caller's: what it answers depends on the protocol of the check.
        """
        for port in service.ports:
            if port.node_port == number and port.transport == "TCP":
                return OwnNodePort(port.label), frozenset()
        if number in self._answers_everywhere:
            return AnswersEverywhere(), frozenset()
        if number == KUBE_PROXY_HEALTHZ_PORT:
            return KubeProxyHealthz(), frozenset()
        for owner in self._picture.node_port_owners(number):
            for port in owner.ports:
                if port.node_port == number and port.transport == "TCP":
                    return OtherNodePort(owner.key, port.label), frozenset({owner.key})
        return NotModelled(f"nothing in the API tells what answers on port {number}"), frozenset()


class ConsumerFamily(Protocol):
    """One family. The first family of the registry that speaks for an object owns it: a later one's
    consumers of the same object are ignored."""

    @property
    def name(self) -> str: ...

    @property
    def kinds(self) -> Sequence[Kind[Any]]:
        """The kinds it reads beyond Services, EndpointSlices, Nodes, Ingresses and IngressClasses."""
        ...

    @property
    def refers(self) -> Mapping[Kind[Any], Sequence[Referrer]]:
        """Further references from objects to Services (those in annotations, say)."""
        ...

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        """The consumers of `service`, which has the policy Local or is taken as if it had."""
        ...

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[str]:
        """What to do about a bad outcome on this very path and what each way costs, best first; each with
        the annotation or patch to copy. `nodes` are those with a ready endpoint."""
        ...


class BaseFamily:
    """A family that reads no further kinds, follows no further references and has no advice."""

    name: str = ""
    kinds: Sequence[Kind[Any]] = ()
    refers: Mapping[Kind[Any], Sequence[Referrer]] = MappingProxyType({})

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        raise NotImplementedError

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[str]:
        return ()
