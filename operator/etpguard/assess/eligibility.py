"""The nodes to which a consumer sends traffic: a rule as data, and its node set, updated bit by bit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from enum import Enum

from etpguard.assess.resilience import MAX_ZONES, ZONE_LABEL, Zones
from etpguard.cluster import NodeTable
from etpguard.objects import Node, Requirement
from etpguard.objects.nodes import Taint

_YANDEX_LONGEST = 36
EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
AUTOSCALER_TAINT = "ToBeDeletedByClusterAutoscaler"
MAX_CAUSES = 4
"""Causes in a sentence."""

# strconv.ParseBool, which the cloud-provider's nodeIncludedPredicate calls.
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


CONTROL_PLANE_TAINTS = frozenset({"node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane"})


def barring(node: Node) -> list[Taint]:
    """The taints that keep the pods of a DaemonSet off the node unless they tolerate them. Every DaemonSet
    tolerates those of the node life cycle: k8s.io/kubernetes pkg/controller/daemon/util/daemonset_util.go
    AddOrUpdateDaemonPodTolerations."""
    return [
        taint
        for taint in node.taints
        if taint.effect in ("NoSchedule", "NoExecute") and not taint.key.startswith("node.kubernetes.io/")
    ]


class Readiness(Enum):
    IGNORED = "ignored"
    TRUE = "Ready=True"
    FAIL_OPEN = "Ready=True, or Ready=Unknown where no node is"


class Hosts(Enum):
    """Which endpoints of the Service make a node eligible."""

    READY_OF_PORT = "a ready endpoint of the very port, in the family"
    NOT_TERMINATING = "an endpoint of any port that is not terminating, ready or not"
    ANY = "an endpoint of any port, whatever its conditions"


@dataclass(frozen=True, slots=True)
class TaintRule:
    """Excludes nodes with a taint of that key, and effect unless that is ""."""

    key: str
    effect: str = ""


@dataclass(frozen=True, slots=True)
class NodeRule:
    """Which nodes are eligible. All parts must hold; equal rules share one node set."""

    requirements: tuple[Requirement, ...] = ()
    """On the node's labels, ANDed; see `Selector.requirements`."""
    any_of: tuple[tuple[Requirement, ...], ...] = ()
    """Alternatives on the labels: all requirements of one of them must hold. Without alternatives, every node is
    admitted."""
    names: frozenset[str] | None = None
    """The names of the only nodes that are eligible; None for any name."""
    taints: tuple[TaintRule, ...] = (TaintRule(AUTOSCALER_TAINT),)
    tolerated: frozenset[str] | None = None
    """Keys of the taints that the pods of the consumer tolerate: a node that keeps them off by another taint is
    left out. None where taints do not decide."""
    needs_network: bool = False
    """Whether a node whose condition NetworkUnavailable is True is left out."""
    needs_external_ipv4: bool = False
    """Whether a node without an IPv4 address of the type ExternalIP is left out."""
    yandex_target_group: str | None = None
    """The annotation by which the controller of Yandex Cloud puts a node into a target group, "" for the nodes
    without it; None where it does not decide. The controller cuts off what is longer than 36 characters:
    deckhouse/yandex-cloud-controller-manager 8322153 load_balancer_tg_controller.go:168-184."""
    readiness: Readiness = Readiness.TRUE
    exclude_label_as_bool: bool = False
    """Whether `exclude-from-external-load-balancers` excludes a node unless it parses as false:
    k8s.io/cloud-provider v0.37.2 controllers/service/controller.go:1014-1024."""
    skip_deleting: bool = False
    provider_id: str = ""
    """A pattern that the last segment of every eligible node's providerID must match; one that does not
    blocks the registration of all."""
    skips_unidentified: bool = False
    """Whether a node whose providerID does not match is left out instead, and blocks nothing."""
    prefers_external_ipv4: bool = False
    """If a node that all other parts admit has an IPv4 address of the type ExternalIP, only such nodes are
    eligible."""
    prefers: tuple[Requirement, ...] = ()
    """If a node that all other parts admit also has these labels, only such nodes are eligible."""
    follows_endpoints: bool = False
    """Whether, of these nodes, only those are used that host a usable endpoint of any port of the Service, in
    any family. `EligibleNodes` leaves this part to its caller."""
    hosts: Hosts | None = None
    """Whether, of these nodes, only those are used that host such an endpoint. `EligibleNodes` leaves this part to
    its caller, too."""

    follows_ready: bool = False
    """With `follows_endpoints`: whether nodes count only while they host a ready endpoint, so that terminating
    endpoints do not keep them."""

    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Each pass looks a rule up once for each consumer. Hashing its nested tuples each time would be slow.
        parts = (getattr(self, each.name) for each in fields(self) if each.compare)
        object.__setattr__(self, "_hash", hash(tuple(parts)))

    def __hash__(self) -> int:
        return self._hash

    def selects(self, node: Node) -> bool:
        """Whether the node passes everything but readiness and providerID."""
        return not self.exclusion(node)

    def exclusion(self, node: Node) -> str:
        """The first part of the rule that excludes the node, as a noun; "" if the rule selects it."""
        if self.skip_deleting and node.deleting:
            return "the deletion of the Node"
        if self.skips_unidentified and not self.identified(node):
            return "the form of the providerID"
        if self.names is not None and node.metadata.name not in self.names:
            return "the choice of nodes by name"
        if self.yandex_target_group is not None:
            group = (node.annotations.yandex_target_group or "")[:_YANDEX_LONGEST]
            if group != self.yandex_target_group:
                return "the target group that an annotation of the Node names"
        if self.needs_network and node.network_unavailable:
            return "the condition NetworkUnavailable"
        if self.needs_external_ipv4 and not node.external_ipv4:
            return "the lack of an external IPv4 address"
        if self.tolerated is not None:
            for taint in barring(node):
                if taint.key not in self.tolerated:
                    return f"the taint {taint.key}"
        labels = node.labels
        if self.exclude_label_as_bool and EXCLUDE_LABEL in labels and labels[EXCLUDE_LABEL] not in _FALSE:
            return f"the label {EXCLUDE_LABEL}"
        for requirement in self.requirements:
            if not requirement.admits(labels):
                return f"the selector {_written(requirement)}"
        if self.any_of and not any(all(r.admits(labels) for r in alternative) for alternative in self.any_of):
            return f"the selector {_alternatives(self.any_of)}"
        for taint in node.taints:
            if any(taint.key == rule.key and rule.effect in ("", taint.effect) for rule in self.taints):
                return f"the taint {taint.key}"
        return ""

    def identified(self, node: Node) -> bool:
        """Whether the node's providerID is one that the consumer can register."""
        return not self.provider_id or bool(re.fullmatch(self.provider_id, node.provider_id.rpartition("/")[2]))


def _written(requirement: Requirement) -> str:
    """As `kubectl -l` takes it, clipped: a selector may be as long as an annotation."""
    key, values = requirement.key[:253], requirement.values or ()
    match requirement.operator:
        case "Exists":
            return key
        case "DoesNotExist":
            return f"!{key}"
        case "In" if len(values) == 1:
            return f"{key}={values[0][:63]}"
        case operator:
            more = ", …" if len(values) > 3 else ""
            return f"{key} {operator.lower()} ({', '.join(value[:63] for value in values[:3])}{more})"


def _alternatives(any_of: tuple[tuple[Requirement, ...], ...]) -> str:
    """The first two alternatives."""
    listed = [",".join(map(_written, each[:3])) + (",…" if len(each) > 3 else "") for each in any_of[:2]]
    return " or ".join(listed) + (" or others" if len(any_of) > 2 else "")


EDGE_LABEL = "node-role.kubernetes.io/edge"
"""On the edge nodes of KubeEdge, which run no kube-proxy by default."""

ANY_CLIENT = NodeRule(
    requirements=(
        Requirement("eks.amazonaws.com/compute-type", "NotIn", ("fargate",)),
        Requirement("type", "NotIn", ("virtual-kubelet",)),
    ),
    skip_deleting=True,
)
"""The nodes on which a client without a known load balancer may be expected to try a node port. The exclude label
counts only for load balancers: kubeadm and Talos set it on control planes, which clients do use."""


class EligibleNodes:
    """The node sets of all rules in use. A change of one node flips bits; the rest stays as it is."""

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        self._ready = 0
        self._unknown = 0
        self._windows = 0
        self._edge = 0
        self._renamed = 0
        self._zones: dict[str, int] = {}
        self._zone_of: dict[str, str] = {}
        self._shown_zones: Zones | None = None
        self._eligible: dict[NodeRule, int] = {}
        self._selected: dict[NodeRule, int] = {}
        self._unidentified: dict[NodeRule, int] = {}
        self._exclusions: dict[NodeRule, dict[str, str]] = {}
        self._why_none: dict[NodeRule, str] = {}

    @property
    def ready(self) -> int:
        """Nodes whose Ready condition is True."""
        return self._ready

    @property
    def windows(self) -> int:
        return self._windows

    @property
    def edge(self) -> int:
        """Edge nodes of KubeEdge."""
        return self._edge

    @property
    def renamed(self) -> int:
        """Nodes with a hostname that is not their name; see `Node.other_hostname`."""
        return self._renamed

    @property
    def zones(self) -> Zones:
        """The zones by name; none in a cluster with more than `MAX_ZONES`."""
        if self._shown_zones is None:
            found = sorted(self._zones.items()) if len(self._zones) <= MAX_ZONES else ()
            self._shown_zones = tuple(found)
        return self._shown_zones

    def spare(self, rule: NodeRule, nodes: Iterable[Node]) -> int:
        """The nodes that the rule selects once none of those of `of` is left. A rule that asks for endpoints has
        none: no consumer combines the two."""
        if rule.prefers:
            return self.of(replace(rule, prefers=()), nodes)
        if rule.readiness is Readiness.FAIL_OPEN:
            self.of(rule, nodes)
            return self._selected[rule] & self._unknown
        return 0

    def reset(self, nodes: Iterable[Node]) -> None:
        """Drop all rules, and start with these nodes."""
        self._zones.clear()
        self._zone_of.clear()
        self._shown_zones = None
        self._ready = self._unknown = self._windows = self._edge = self._renamed = 0
        self._eligible.clear()
        self._selected.clear()
        self._unidentified.clear()
        self._exclusions.clear()
        self._why_none.clear()
        for node in nodes:
            self.update(node.metadata.name, node)

    def update(self, name: str, node: Node | None) -> bool:
        """A node appeared, changed, or (None) went away. True if any set changed."""
        bit = self._table.bit(name)
        before = (self._ready, self._unknown, self._windows, self._edge, self._renamed)
        ready = node.ready if node else None
        self._ready = _set(self._ready, bit, ready == "True")
        self._unknown = _set(self._unknown, bit, ready == "Unknown")
        self._windows = _set(
            self._windows, bit, node is not None and node.labels.get("kubernetes.io/os") == "windows"
        )
        self._edge = _set(self._edge, bit, node is not None and EDGE_LABEL in node.labels)
        self._renamed = _set(self._renamed, bit, node is not None and bool(node.other_hostname))
        moved = before != (self._ready, self._unknown, self._windows, self._edge, self._renamed)
        moved |= self._move_zone(name, bit, node)
        for rule in self._selected:
            moved |= self._place(rule, bit, node)
        for rule, exclusions in self._exclusions.items():
            moved |= exclusions.get(name, "") != _note(exclusions, rule, name, node)
        if moved:
            self._eligible.clear()
            self._why_none.clear()
        return moved

    def _move_zone(self, name: str, bit: int, node: Node | None) -> bool:
        zone, before = node.labels.get(ZONE_LABEL, "") if node else "", self._zone_of.get(name, "")
        if zone == before:
            return False
        if before:
            del self._zone_of[name]
            left = self._zones[before] & ~bit
            if left:
                self._zones[before] = left
            else:
                del self._zones[before]
        if zone:
            self._zone_of[name] = zone
            self._zones[zone] = self._zones.get(zone, 0) | bit
        self._shown_zones = None
        return True

    def of(self, rule: NodeRule, nodes: Iterable[Node]) -> int:
        """The eligible nodes by `rule`; `nodes` are all nodes, read only when the rule is new."""
        found = self._eligible.get(rule)
        if found is None:
            found = self._eligible[rule] = self._find(rule, nodes)
        return found

    def _find(self, rule: NodeRule, nodes: Iterable[Node]) -> int:
        if (chosen := self._chosen(rule, nodes)) is not rule:
            self._unidentified[rule] = 0
            return self.of(chosen, nodes)
        if rule not in self._selected:
            self._selected[rule] = self._unidentified[rule] = 0
            for node in nodes:
                self._place(rule, self._table.bit(node.metadata.name), node)
        selected = self._selected[rule]
        match rule.readiness:
            case Readiness.IGNORED:
                return selected
            case Readiness.TRUE:
                return selected & self._ready
            case Readiness.FAIL_OPEN:
                return selected & self._ready or selected & self._unknown

    def _chosen(self, rule: NodeRule, nodes: Iterable[Node]) -> NodeRule:
        """The rule without a preference that selects the same nodes now; itself where it has no preference."""
        if rule.prefers:
            plain = replace(rule, prefers=())
            preferred = replace(plain, requirements=plain.requirements + rule.prefers)
        elif rule.prefers_external_ipv4:
            plain = replace(rule, prefers_external_ipv4=False)
            preferred = replace(plain, needs_external_ipv4=True)
        else:
            return rule
        return preferred if self.of(preferred, nodes) else plain

    def why_none(self, rule: NodeRule, nodes: Iterable[Node]) -> str:
        """What excludes the nodes from a rule that selects none, as a clause; "" if nothing does. A node counts
        for the first part of the rule that excludes it. `nodes` are all nodes, read only when the rule is new."""
        why = self._why_none.get(rule)
        if why is None:
            if rule not in self._exclusions:
                found = self._exclusions[rule] = {}
                for node in nodes:
                    _note(found, rule, node.metadata.name, node)
            why = self._why_none[rule] = _causes(self._exclusions[rule].values())
        return why

    def why_none_of(self, rule: NodeRule, nodes: Iterable[Node], names: Iterable[str]) -> str:
        """What excludes the nodes with these names from a rule, as a clause; "" if nothing does."""
        chosen = self._chosen(rule, nodes)
        self.why_none(chosen, nodes)  # it notes the causes
        found = self._exclusions[chosen]
        return _causes(found[name] for name in names if name in found)

    def blocking(self, rule: NodeRule) -> int:
        """Nodes whose providerID the consumer cannot register, eligible or not; `of` comes first."""
        return self._unidentified[rule]

    def _place(self, rule: NodeRule, bit: int, node: Node | None) -> bool:
        before = (self._selected[rule], self._unidentified[rule])
        selected = node is not None and rule.selects(node)
        blocked = selected and node is not None and not rule.identified(node)
        after = (_set(before[0], bit, selected), _set(before[1], bit, blocked))
        self._selected[rule], self._unidentified[rule] = after
        return before != after


def _note(exclusions: dict[str, str], rule: NodeRule, name: str, node: Node | None) -> str:
    """Note what excludes the node, and return it."""
    cause = (rule.exclusion(node) or _not_ready(rule, node)) if node else ""
    if cause:
        exclusions[name] = cause
    else:
        exclusions.pop(name, None)
    return cause


def _not_ready(rule: NodeRule, node: Node) -> str:
    return "the condition Ready" if rule.readiness is not Readiness.IGNORED and node.ready != "True" else ""


def _causes(exclusions: Iterable[str]) -> str:
    """The causes that exclude most nodes first."""
    counts = sorted(Counter(exclusions).items(), key=lambda cause: (-cause[1], cause[0]))
    listed = [f"{cause} excludes {n} node{'s' if n > 1 else ''}" for cause, n in counts[:MAX_CAUSES]]
    return ", ".join(listed)


def _set(nodes: int, bit: int, member: bool) -> int:
    if member:
        return nodes | bit
    return nodes & ~bit if nodes else 0  # most sets are empty, and each operation copies the set
