"""The interface of a consumer family: the consumers that it finds, and the picture that it reads them from.

A family knows one controller, or a few that behave alike: which objects make it send traffic to a Service, to
which nodes, and what its health check probes. It reads the picture through a `View` and returns `Consumer`s,
which are plain data. The engine computes node sets and outcomes from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, cast, runtime_checkable

from etpguard.assess.consumers.changes import Change, Step
from etpguard.assess.data_planes.interface import NodePlanes
from etpguard.assess.eligibility import NodeRule
from etpguard.assess.evidence import Evidence as Evidence
from etpguard.assess.node_states import Client
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
from etpguard.assess.resilience import ONE_HEALTHY, Coverage, Resilience, worst
from etpguard.assess.resilience import MinimumHealthy as MinimumHealthy
from etpguard.cluster.picture import Picture, Referrer
from etpguard.objects import IPFamily, Key, Kind, Node, Record, Service

R = TypeVar("R", bound=Record)
A = TypeVar("A", bound=Record | None)
T = TypeVar("T")


class NoneHealthy(Enum):
    """What a load balancer does while no target is healthy."""

    SENDS_TO_ALL = "fail-open"
    SENDS_TO_NONE = "fail-closed"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """A health check as it is configured. `port` is as written: "traffic-port", a number or the name of a port.
    `path` and `success_codes` are "" where the protocol has none."""

    port: str
    protocol: str
    path: str = ""
    success_codes: str = ""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A health check: what answers it on each node, how it is configured, and the objects that decide on it."""

    probe: Probe
    settings: CheckSettings | None = None
    """None where no API object shows the settings."""
    pins_health_check_node_port: bool = False
    """Whether somebody set its port to the healthCheckNodePort, which `Cluster` removes."""
    proxy_protocol: bool = False
    """Whether the load balancer sends a PROXY protocol header, in health checks too."""
    reads: frozenset[Key] = frozenset()
    """Other Services whose change may change this check."""
    reads_node_ports: frozenset[int] = frozenset()
    """Node port numbers whose owner may change this check."""


@dataclass(frozen=True, slots=True)
class PodTargets:
    """The consumer sends to pods directly. The policy is not on its path."""

    rule: ClassVar[None] = None
    check: ClassVar[None] = None


@dataclass(frozen=True, slots=True)
class Otherwise:
    """Another rule for the nodes, which holds where a setting that the API does not show is different. The outcome
    is Unknown where it differs between the two rules, unless both deliver all traffic or none."""

    rule: NodeRule
    reason: Reason
    """Names the setting, and where to look it up."""
    none_is_unknown: bool = False
    """Whether other nodes than those of `rule` may get the traffic where it selects none."""


@dataclass(frozen=True, slots=True)
class NodeTargets:
    """The consumer sends to the nodes that `rule` selects, as far as the health check lets it."""

    rule: NodeRule
    check: HealthCheck
    max_targets: int = 0
    """The most nodes that the controller registers; 0 for no limit."""
    none_healthy: NoneHealthy = NoneHealthy.NOT_KNOWN
    minimum_healthy: MinimumHealthy = ONE_HEALTHY
    """Counts only with `NoneHealthy.SENDS_TO_ALL`."""
    no_target: Reason | None = None
    """Why there is no target, where `rule` selects no node by itself."""
    keeps_targets: Reason | None = None
    """Why the load balancer keeps its former targets where `rule` selects no node: the outcome is then Unknown."""
    other_targets: Reason | None = None
    """Why the consumer may have targets that the API does not show: what covers no node is then Unknown."""
    otherwise: Otherwise | None = None
    one_of: Reason | None = None
    """Why it is not known which single one of the nodes gets all the traffic: the outcome is Unknown where they
    differ."""


@dataclass(frozen=True, slots=True)
class PossibleNodes:
    """The consumer sends to some of the nodes that `rule` selects. Its outcome is known only where all of them are
    covered; otherwise it is Unknown with `reason`."""

    rule: NodeRule
    reason: Reason
    sends_to_one: bool = False
    """Whether it certainly sends to one of them, or to none that is covered: where none is, all is lost."""
    present: NodeTargets | None = None
    """What it sends to at present, where an API object shows that: it decides. Where all of the nodes are covered,
    nothing is lost when another one takes over."""
    fewest: NodeRule | None = None
    """A rule that may hold instead. Where it selects no node, the outcome is Unknown: then nothing may arrive."""
    check: ClassVar[None] = None


@dataclass(frozen=True, slots=True)
class UnknownOutcome:
    """The outcome is Unknown, whatever the nodes do. `rule` and `check` are what is known nevertheless; a report
    shows them."""

    reason: Reason
    rule: NodeRule | None = None
    check: HealthCheck | None = None


Targets = PodTargets | NodeTargets | PossibleNodes | UnknownOutcome
"""Where a consumer sends traffic."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """One object that sends external traffic to one port of a Service.

    An `incidental` consumer is listed, but it does not use the node port, so the Service may have other clients:
    a Service with incidental consumers only has no known consumer.
    """

    kind: str
    namespace: str
    name: str
    controller: str
    target_type: str
    """As the controller names it: "instance", "ip", "node" for an address that nodes announce, "" if unknown."""
    port: str
    targets: Targets
    families: tuple[IPFamily, ...] = ("IPv4",)
    incidental: bool = False
    reads: frozenset[Key] = frozenset()
    """Keys whose change may change this consumer, beyond those that its health check reads."""
    family: str = ""
    """Name of the family that found it and that advises on it. The engine sets it."""
    source: str = ""
    """Where a setting comes from that no API object shows; "" if there is none."""
    evidence: Evidence = Evidence.DOCUMENTED
    assumptions: tuple[str, ...] = ()
    """What is assumed without proof, one sentence each. With `Evidence.ASSUMED` there is at least one."""
    without_address: str = ""
    """Known causes of an empty status of this load balancer, as a clause; see reason NoAddress."""

    @property
    def object(self) -> tuple[str, str, str]:
        return (self.kind, self.namespace, self.name)

    @property
    def check(self) -> HealthCheck | None:
        return self.targets.check

    @property
    def probe(self) -> Probe | None:
        """What answers the health check; None where nothing is known of one."""
        check = self.targets.check
        return check.probe if check else None


@dataclass(frozen=True, slots=True)
class ConsumerVerdict:
    """A consumer's outcome, the worst over its IP families. Node sets are integers of `NodeTable`."""

    consumer: Consumer
    outcome: Outcome
    reason: Reason
    eligible: int = 0
    uncovered: int = 0
    unused: int = 0
    """Nodes with endpoints to which the consumer never sends."""
    coverage: tuple[Coverage, ...] = ()
    """For each IP family that is served."""
    client: Client | None = None
    """What a client meets on the uncovered nodes; None where there is none."""

    @property
    def resilience(self) -> Resilience | None:
        """The worst over its IP families; None where the outcome is not known, or is not affected."""
        if self.outcome in (Outcome.NotAffected, Outcome.Unknown):
            return None
        return worst([each.resilience for each in self.coverage])


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do about an outcome.

    `title` is an imperative without a full stop, `effect` and `cost` are whole sentences, and `command` holds what
    to copy, one command a line. Each part may be "" except the title.
    """

    title: str
    effect: str = ""
    cost: str = ""
    command: str = ""
    change: Change = field(default=(), compare=False)
    """What the command changes, as data; see `foresight.patches`."""


class View:
    """Read access of the families to the picture."""

    def __init__(
        self,
        picture: Picture,
        answers_everywhere: Iterable[int] = (),
        platforms: Callable[[], frozenset[str]] = frozenset,
        planes: Callable[[], NodePlanes] | None = None,
        *,
        unread_is_unknown: bool = True,
    ) -> None:
        self._picture = picture
        self._answers_everywhere = frozenset(answers_everywhere)
        self._platforms = platforms
        self._planes = planes
        self.unread_is_unknown = unread_is_unknown
        """Whether a kind that cannot be read may have objects, as on a live cluster. Files hold all objects."""
        self.missed: set[Kind[Any]] = set()
        """Kinds that a family asked for with `unseen` and that were not read: their objects could change the
        outcome."""
        self._computed: dict[tuple[object, ...], tuple[tuple[Record | None, ...], Any]] = {}

    @property
    def platforms(self) -> frozenset[str]:
        """The clouds and distributions of the nodes; see `assess.platforms`. The engine finds all consumers again
        when they change."""
        return self._platforms()

    @property
    def planes(self) -> NodePlanes | None:
        """The data planes of the nodes; None if they were not detected. The engine finds all consumers again when
        there are others, not when only their nodes change."""
        return self._planes() if self._planes else None

    def get(self, kind: Kind[R], key: Key) -> R | None:
        return self._picture.get(kind, key)

    def all(self, kind: Kind[R]) -> Iterable[R]:
        return self._picture.store(kind)

    def has(self, kind: Kind[Any]) -> bool:
        """Whether any object of this kind was read; False for a kind that no family reads."""
        return kind in self._picture.kinds and len(self._picture.store(kind)) > 0

    def referring(self, kind: Kind[R], service: Key) -> list[R]:
        return self._picture.referring(kind, service)

    def unread(self, kind: Kind[Any]) -> str | None:
        """Why objects of this kind cannot be read. None also for a CRD that is absent: there are no objects."""
        return self._picture.unread.get(kind)

    def unseen(self, kind: Kind[Any]) -> str | None:
        """Why the picture may lack objects of this kind: they cannot be read, or were not listed. None: the
        picture has all of them, so the absence of an object means something."""
        unlisted = self._picture.unlisted.get(kind)
        if unlisted:
            self.missed.add(kind)
        return self._picture.unread.get(kind) or unlisted

    def once(self, name: str, record: A, compute: Callable[[A], T], *others: Record | None) -> T:
        """`compute(record)`, computed once for these records until the picture changes. An exception is kept and
        raised again too. `name` names the computation; `others` are further records that it depends on."""
        records = (record, *others)
        key = (name, *map(id, records))
        if key not in self._computed:
            # The records are kept with the result, so that no other record gets the same id.
            self._computed[key] = (records, _outcome(compute, record))
        result = self._computed[key][1]
        if isinstance(result, _Raised):
            raise result.error.with_traceback(None)
        return cast("T", result)

    def forget(self) -> None:
        """Drop what `once` keeps; the engine calls it before it assesses a changed picture."""
        self._computed.clear()

    def check_on(self, number: int, service: Service, settings: CheckSettings | None) -> HealthCheck:
        """The health check of port `number` of each node.

        Health checks use TCP, and each protocol may have its own holder of a number: a UDP port does not answer.
        The caller handles the healthCheckNodePort, whose answer depends on the protocol of the check.
        """
        probe, owners = self._answering(number, service)
        return HealthCheck(probe, settings, reads=owners, reads_node_ports=frozenset({number}))

    def _answering(self, number: int, service: Service) -> tuple[Probe, frozenset[Key]]:
        """What answers there, and the other Services that decide it."""
        own = service.tcp_port_on(number)
        if own is not None:
            return OwnNodePort(own.label), frozenset()
        if number in self._answers_everywhere:
            return AnswersEverywhere(), frozenset()
        if number == KUBE_PROXY_HEALTHZ_PORT:
            return KubeProxyHealthz(), frozenset()
        for owner in self._picture.node_port_owners(number):
            port = owner.tcp_port_on(number)
            if port is not None:
                return OtherNodePort(owner.key, port.label), frozenset({owner.key})
        return NotModelled(f"no API object shows what answers on port {number}"), frozenset()


class _Raised(NamedTuple):
    error: Exception


def _outcome(compute: Callable[[A], T], record: A) -> T | _Raised:
    try:
        return compute(record)
    except Exception as error:
        return _Raised(error)


@dataclass(frozen=True, slots=True)
class DocumentedConsumer:
    """A row of docs/consumers.md: plain Markdown, without bars."""

    consumer: str
    found_by: str
    nodes: str
    health_check: str
    with_local: str
    evidence: Evidence
    source: str
    """Project, version or commit, and file."""


class ConsumerFamily(Protocol):
    """One family. The first family of the registry that finds a consumer for an object owns the object: the engine
    ignores what later families find for it."""

    @property
    def name(self) -> str: ...

    @property
    def balancers_only(self) -> bool:
        """Whether it finds nothing for a Service of another type than LoadBalancer. The engine then does not
        ask."""
        ...

    @property
    def kinds(self) -> Sequence[Kind[Any]]:
        """The kinds it reads beyond Services, EndpointSlices, Nodes, Ingresses and IngressClasses."""
        ...

    @property
    def refers(self) -> Mapping[Kind[Any], Sequence[Referrer]]:
        """Further references from objects to Services, in annotations for example."""
        ...

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        """The consumers of `service`, under the policy Local. The work is linear in the size of the objects read.
        An exception makes the family's consumers of this Service Unknown."""
        ...

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        """What to do about a bad outcome of this consumer, best first. `nodes` are those with a ready endpoint."""
        ...


@runtime_checkable
class SelectsNodes(Protocol):
    """A family whose controller can be made to target only some nodes by their labels."""

    def target_nodes(
        self, service: Service, consumer: Consumer, labels: Mapping[str, str], *, keep: bool
    ) -> Step | None:
        """How to make the consumer target only nodes with these labels, with `keep` in addition to the selector
        that it has. None if it has no node selector, or none that takes these labels."""
        ...

    @property
    def follows_labels(self) -> bool:
        """Whether the controller reads a changed label of a node at once, and not with its next sync."""
        ...


class BaseFamily:
    """A family for Services of all types that reads no further kinds, follows no further references and has no
    advice."""

    name: str = ""
    balancers_only: bool = False
    kinds: Sequence[Kind[Any]] = ()
    refers: Mapping[Kind[Any], Sequence[Referrer]] = MappingProxyType({})
    documented: Sequence[DocumentedConsumer] = ()
    """Its rows of docs/consumers.md."""

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        raise NotImplementedError

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        return ()
