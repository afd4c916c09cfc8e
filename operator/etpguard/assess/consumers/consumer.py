"""A consumer, its outcome, and the advice on it. A family makes them; the engine computes the outcome. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from msgspec import Struct

from etpguard.assess.consumers.changes import Change
from etpguard.assess.consumers.targets import HealthCheck, Targets
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_states import Client
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.probe import Probe
from etpguard.assess.resilience import Coverage, Resilience, worst
from etpguard.objects import IPFamily, Key


class Consumer(Struct, frozen=True):
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
    ip_families: tuple[IPFamily, ...] = ("IPv4",)
    incidental: bool = False
    reads: frozenset[Key] = frozenset()
    """Keys whose change may change this consumer, beyond those that its health check reads."""
    family: str = ""
    """Name of the `ConsumerFamily` that found it and that advises on it. The engine sets it."""
    source: str = ""
    """Where a setting comes from that no API object shows; "" if there is none."""
    evidence: Evidence = Evidence.DOCUMENTED
    assumptions: tuple[str, ...] = ()
    """What is assumed without proof, one sentence each. With `Evidence.ASSUMED` there is at least one."""
    configured_by: tuple[Key, ...] | None = ()
    """The objects that hold its settings for this Service in place of annotations, if there are any; None if they
    cannot be read."""
    keeps_address: tuple[IPFamily, ...] = ()
    """Families in which its packets arrive at a node with the address of the load balancer, not at a node port."""
    without_address: str = ""
    """Known causes of an empty status of this load balancer, as a clause; see reason NoAddress."""
    sharing_address: frozenset[Key] = frozenset()
    """The Services that have the address of this load balancer, its own included; empty for its own alone."""

    def __str__(self) -> str:
        """The object, as messages name it."""
        return f"{self.kind} {self.namespace}/{self.name}"

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


class ConsumerVerdict(Struct, frozen=True):
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


class ClientIP(Enum):
    """What a change to `Cluster` does to the client's address on a path."""

    LOST = "Pods see the node's address instead of the client's."
    FORWARDED = (
        "The client's address stays in X-Forwarded-For, but the peer that pods see is a node instead of the load "
        "balancer, and they must trust it."
    )
    UNCHANGED = "The client's address is not affected."
    HIDDEN = (
        "The client's address is not affected: this load balancer already hides it. X-Forwarded-For and PROXY "
        "protocol stay as they are."
    )
    PROXY_PROTOCOL = (
        "The client's address is not affected: PROXY protocol is on and carries it. Pods must continue to accept "
        "it."
    )
    NO_PROXY_PROTOCOL = (
        "The client's address is not affected: this load balancer already hides it, because PROXY protocol is off."
    )
    VARIES = "Pods may see the node's address instead of the client's."


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
    client_ip: ClientIP | None = None
    """What it does to the client's address, where it changes externalTrafficPolicy to Cluster; None for any other
    advice."""
    labels_nodes: bool = False
    """Whether it labels the nodes of the pods to target only those."""
