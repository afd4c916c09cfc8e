"""Which nodes a consumer sends traffic to, as data: a rule on one Node. Pure."""

from __future__ import annotations

import re
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from etpguard.assess.go_booleans import BOOLEANS
from etpguard.objects import IPFamily, Node, Requirement
from etpguard.objects.nodes import Taint

_YANDEX_LONGEST = 36
EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
VIRTUAL_NODE_LABEL = "node-role.kubernetes.io/virtual-node"
"""On the virtual nodes of Oracle's OKE, which have no node ports: Oracle Cloud documentation, "Comparing Virtual
Nodes with Managed Nodes"."""
AUTOSCALER_TAINT = "ToBeDeletedByClusterAutoscaler"
CONTROL_PLANE_TAINTS = frozenset({"node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane"})


def is_leaving(node: Node) -> bool:
    """Whether the Node is being deleted, or the cluster autoscaler is about to delete it."""
    return node.deleting or any(taint.key == AUTOSCALER_TAINT for taint in node.taints)


def barring(node: Node) -> list[Taint]:
    """The taints that keep the pods of a DaemonSet off the node for long, unless they tolerate them. Those of the
    node life cycle come and go, and no pod that runs ends: every DaemonSet tolerates their effect NoExecute. Which
    of them keep a new pod off is in `foresight.no_endpoint.absence.daemon_tolerations`."""
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

    USABLE = "an endpoint of any port, in any family, that gets traffic: ready, or serving and terminating"
    READY = "a ready endpoint of any port, in any family"
    READY_OF_PORT = "a ready endpoint of the very port, in the family"
    NOT_TERMINATING = "an endpoint of any port that is not terminating, ready or not"
    ANY = "an endpoint of any port, whatever its conditions"


class TaintRule(Struct, frozen=True):
    """Excludes nodes with a taint of that key, and effect unless that is ""."""

    key: str
    effect: str = ""


class NodeRule(Struct, frozen=True, cache_hash=True):
    """Which nodes are eligible. All parts must hold; equal rules share one node set.

    The hash is kept: each pass looks a rule up once for each consumer, and hashing its nested tuples is slow.
    """

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
    needs_external: tuple[IPFamily, ...] = ()
    """Families: a node without an address of the type ExternalIP in one of them is left out. None for any node."""
    second_address: IPFamily | None = None
    """A family: a node without an InternalIP and another address as ExternalIP in it is left out."""
    lacks: IPFamily | None = None
    """A family: a node is left out if it has an address in it, or no address at all."""
    outside: tuple[str, ...] = ()
    """Ranges of one family: a node is left out if it has no address in this family, or one in the ranges. Its
    InternalIPs count, or else its ExternalIPs. None for any node."""
    internal_beyond: tuple[IPFamily, ...] = ()
    """Families: a node is left out unless it has an InternalIP in another family. None for any node."""
    yandex_target_group: str | None = None
    """The annotation by which the controller of Yandex Cloud puts a node into a target group, "" for the nodes
    without it; None where it does not decide. The controller cuts off what is longer than 36 characters:
    deckhouse/yandex-cloud-controller-manager 8322153 load_balancer_tg_controller.go:168-184."""
    readiness: Readiness = Readiness.TRUE
    exclude_label_as_bool: bool = False
    """Whether `exclude-from-external-load-balancers` excludes a node unless it parses as false:
    k8s.io/cloud-provider v0.37.2 controllers/service/controller.go:1014-1024."""
    exclude_label_by_presence: bool = False
    """Whether that label excludes a node whatever its value is."""
    skip_deleting: bool = False
    as_of_last_sync: bool = False
    """Whether the deletion or the taint of a node does not make the consumer look at its nodes again. The node may
    still get traffic then."""
    provider_id: str = ""
    """A pattern that the providerID of every eligible node must match; one that does not blocks the registration
    of all."""
    skips_unidentified: bool = False
    """Whether a node whose providerID does not match is left out instead, and blocks nothing."""
    finds_by_name: bool = False
    """Whether the consumer looks in the cloud for the name of a node without a providerID. No API object shows
    what it finds."""
    prefers_external_ipv4: bool = False
    """If a node that all other parts admit has an IPv4 address of the type ExternalIP, only such nodes are
    eligible."""
    prefers: tuple[Requirement, ...] = ()
    """If a node that all other parts admit also has these labels, only such nodes are eligible."""
    hosts: Hosts | None = None
    """Whether, of these nodes, only those are used that host such an endpoint. `EligibleNodes` leaves this part to
    its caller."""
    external_first: bool = False
    """With `hosts`: whether, if one of these nodes has an address of the type ExternalIP in a family
    of the consumer, only such nodes are used."""

    @property
    def before_leaving(self) -> NodeRule:
        """The rule as it was before nodes began to leave."""
        if not self.as_of_last_sync:
            return self
        return replace(self, taints=(), skip_deleting=False, as_of_last_sync=False)

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
            return "the list of the nodes that get its traffic"
        if self.yandex_target_group is not None:
            group = (node.annotations.yandex_target_group or "")[:_YANDEX_LONGEST]
            if group != self.yandex_target_group:
                return "the target group that an annotation of the Node names"
        if self.needs_network and node.network_unavailable:
            return "the condition NetworkUnavailable"
        if self.needs_external_ipv4 and not node.external_ipv4:
            return "the lack of an external IPv4 address"
        if self.needs_external and node.external_families.isdisjoint(self.needs_external):
            return "the lack of an external address"
        if self.second_address is not None and self.second_address not in node.second_families:
            return "the lack of a second address"
        if self.lacks is not None and not node.lacks(self.lacks):
            return "an address of the family"
        if self.outside and not node.is_outside(self.outside):
            return "an address that kube-proxy serves"
        if self.internal_beyond and node.internal_families.issubset(self.internal_beyond):
            return "the lack of an internal address in another family"
        if self.tolerated is not None:
            for taint in barring(node):
                if taint.key not in self.tolerated:
                    return f"the taint {taint.key}"
        labels = node.labels
        if EXCLUDE_LABEL in labels and self._excludes(labels[EXCLUDE_LABEL]):
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

    def _excludes(self, value: str) -> bool:
        return self.exclude_label_by_presence or (self.exclude_label_as_bool and BOOLEANS.get(value, True))

    def identified(self, node: Node) -> bool:
        """Whether the node's providerID is one that the consumer can register."""
        return not self.provider_id or bool(re.fullmatch(self.provider_id, node.provider_id))


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


EVERY_NODE = NodeRule(taints=(), readiness=Readiness.IGNORED)
ANY_CLIENT = NodeRule(
    requirements=(
        Requirement("eks.amazonaws.com/compute-type", "NotIn", ("fargate",)),
        Requirement("type", "NotIn", ("virtual-kubelet",)),
        Requirement(VIRTUAL_NODE_LABEL, "DoesNotExist"),
    ),
    skip_deleting=True,
)
"""The nodes on which a client without a known load balancer may be expected to try a node port. The exclude label
counts only for load balancers: kubeadm and Talos set it on control planes, which clients do use."""
