"""Where a consumer sends traffic, and the health check that decides which targets receive it. Pure."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from msgspec import Struct

from etpguard.assess.node_rule import NodeRule
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import Probe
from etpguard.assess.resilience import ONE_HEALTHY, MinimumHealthy
from etpguard.objects import Key


class NoneHealthy(Enum):
    """What a load balancer does while no target is healthy."""

    SENDS_TO_ALL = "fail-open"
    SENDS_TO_NONE = "fail-closed"
    NOT_KNOWN = "not known"


class CheckSettings(Struct, frozen=True):
    """A health check as it is configured. `port` is as written: "traffic-port", a number or the name of a port.
    `path` and `success_codes` are "" where the protocol has none."""

    port: str
    protocol: str
    path: str = ""
    success_codes: str = ""


class HealthCheck(Struct, frozen=True):
    """A health check: what answers it on each node, how it is configured, and the objects that decide on it."""

    probe: Probe
    settings: CheckSettings | None = None
    """None where no API object shows the settings."""
    pins_health_check_node_port: bool = False
    """Whether somebody set its port to the healthCheckNodePort, which `Cluster` removes."""
    fails_under_cluster: str = ""
    """Why it may fail on every node under `Cluster`, which moves it to the node port, as a clause that starts with
    a verb; "" if nothing shows that."""
    so_that_it_passes: str = ""
    """What to do then, as a sentence: it makes the outcome under `Local` no worse."""
    on_number: bool = False
    """Whether somebody set its port to a port of the node. Known of the AWS Load Balancer Controller alone."""
    proxy_protocol: bool = False
    """Whether the load balancer sends a PROXY protocol header, in health checks too."""
    reads: frozenset[Key] = frozenset()
    """Other Services whose change may change this check."""
    reads_node_ports: frozenset[int] = frozenset()
    """Node port numbers whose owner may change this check."""


class PodTargets(Struct, frozen=True):
    """The consumer sends to pods directly. The policy is not on its path."""

    rule: ClassVar[None] = None
    check: ClassVar[None] = None
    external: ClassVar[bool] = False


class Otherwise(Struct, frozen=True):
    """Another rule for the nodes. It holds where a setting that the API does not show is different. The outcome is
    Unknown where it differs between the two rules, unless both deliver all traffic or none."""

    rule: NodeRule
    reason: Reason
    """Names the setting, and where to look it up."""
    to_node_ports: bool = False
    """Whether its traffic arrives at node ports, whatever `Consumer.keeps_address` says."""
    none_is_unknown: bool = False
    """Whether other nodes than those of `rule` may get the traffic where it selects none."""


class NodeTargets(Struct, frozen=True):
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
    """Why the load balancer keeps its former targets, or has others, where `rule` selects no node: the outcome is
    then Unknown."""
    other_targets: Reason | None = None
    """Why the consumer may have targets that the API does not show. An outcome without a covered node is then
    Unknown."""
    otherwise: Otherwise | None = None
    one_of: Reason | None = None
    """Why it is not known which single one of the nodes gets all the traffic: the outcome is Unknown where they
    differ."""
    external: bool = False
    """Whether it may send to the ExternalIPs of the nodes where they have InternalIPs too."""
    each_internal: bool = False
    """Whether it sends to all InternalIPs of a node, also in a family that the Service does not have."""


class PossibleNodes(Struct, frozen=True):
    """The consumer sends to some of the nodes that `rule` selects. Its outcome is known only where all of them are
    covered; otherwise it is Unknown with `reason`."""

    rule: NodeRule
    reason: Reason
    sends_to_one: bool = False
    """Whether it sends to one of them without doubt, or to none that is covered. Where none is covered, all is
    lost."""
    present: NodeTargets | None = None
    """What it sends to at present, where an API object shows that. It decides on the outcome. Where all of the
    nodes are covered, nothing is lost when another one takes over."""
    fewest: NodeRule | None = None
    """A rule that may hold instead. Where it selects no node, the outcome is Unknown, because then no traffic may
    arrive."""
    external: bool = False
    """As in `NodeTargets`."""
    to_node_ports: bool = True
    """Whether it is known to send to node ports. Then a port without a node port has no target."""
    check: ClassVar[None] = None


class UnknownOutcome(Struct, frozen=True):
    """The outcome is Unknown, whatever the nodes do. A report shows `rule` and `check`, which may be known
    nevertheless."""

    reason: Reason
    rule: NodeRule | None = None
    check: HealthCheck | None = None
    external: ClassVar[bool] = False


CONTROLLER_NOT_MODELLED = "ControllerNotModelled"


def not_modelled(rule: NodeRule, detail: str, fewest: NodeRule | None = None) -> PossibleNodes:
    """The targets of a controller whose way to send and to check is not known. `detail` says what is not known."""
    return PossibleNodes(rule, Reason(CONTROLLER_NOT_MODELLED, detail), fewest=fewest, to_node_ports=False)


Targets = PodTargets | NodeTargets | PossibleNodes | UnknownOutcome
"""Where a consumer sends traffic."""
