"""The eligible nodes of every rule in use: one integer for each rule, with one bit for each node. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from etpguard.assess.go_booleans import BOOLEANS
from etpguard.assess.node_rule import EXCLUDE_LABEL, NodeRule, Readiness, is_leaving
from etpguard.assess.resilience import MAX_ZONES, Zones
from etpguard.cluster import NodeTable
from etpguard.objects import Node
from etpguard.objects.nodes import ZONE_LABEL

MAX_CAUSES = 4
"""Causes in a sentence."""

MOST_RULES = 512
"""Rules that are kept, whether or not they still have a consumer. If more are in use, twice as many as those."""

EDGE_LABEL = "node-role.kubernetes.io/edge"
"""On the edge nodes of KubeEdge, which run no kube-proxy by default."""

_NOT_BOTH = "a rule has a second choice or asks for endpoints, not both: what is spare depends on both"


class EligibleNodes:
    """The node sets of all rules in use. A change of one node updates its bit in each set.

    No rule is removed when its last consumer goes. A rule may name the nodes that announce an address, so each
    move of the address makes another rule. Once there are many, all are dropped and found again.
    """

    def __init__(self, table: NodeTable, nodes: Iterable[Node]) -> None:
        """`nodes` are all nodes, read again for each new rule."""
        self._table = table
        self._nodes = nodes
        self._most_rules = MOST_RULES
        self._ready = 0
        self._unknown = 0
        self._windows = 0
        self._edge = 0
        self._renamed = 0
        self._labelled_false = 0
        self._leaving = self._deleting = 0
        self._zones: dict[str, int] = {}
        self._zone_of: dict[str, str] = {}
        self._shown_zones: Zones | None = None
        self._eligible: dict[NodeRule, int] = {}
        self._selected: dict[NodeRule, int] = {}
        self._unidentified: dict[NodeRule, int] = {}
        self._exclusions: dict[NodeRule, dict[str, int]] = {}
        """By the cause, the nodes that it excludes."""
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
    def labelled_false(self) -> int:
        """Nodes whose label `exclude-from-external-load-balancers` parses as false."""
        return self._labelled_false

    @property
    def leaving(self) -> int:
        """Nodes that are being deleted or that the cluster autoscaler is about to delete."""
        return self._leaving

    @property
    def deleting(self) -> int:
        """Nodes that are being deleted."""
        return self._deleting

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

    def spare(self, rule: NodeRule) -> int:
        """The nodes that the rule selects when none of its eligible nodes is left."""
        if not rule.prefers and rule.readiness is not Readiness.FAIL_OPEN:
            return 0
        assert rule.hosts is None, _NOT_BOTH
        if rule.prefers:
            return self.of(replace(rule, prefers=()))
        self.of(rule)
        return self._selected[rule] & self._unknown

    def reset(self) -> None:
        """Drop all rules, and read all nodes."""
        self._zones.clear()
        self._zone_of.clear()
        self._shown_zones = None
        self._ready = self._unknown = self._windows = self._edge = self._renamed = 0
        self._labelled_false = self._leaving = self._deleting = 0
        self._drop_rules()
        for node in self._nodes:
            self.update(node.metadata.name, node)

    def update(self, name: str, node: Node | None) -> bool:
        """A node appeared, changed, or (None) went away. True if any set changed, or all were dropped."""
        bit = self._table.bit(name)
        dropped = self._drop_if_many()
        before = self._kinds()
        ready = node.ready if node else None
        self._ready = _set(self._ready, bit, ready == "True")
        self._unknown = _set(self._unknown, bit, ready == "Unknown")
        self._windows = _set(self._windows, bit, node is not None and node.windows)
        self._edge = _set(self._edge, bit, node is not None and EDGE_LABEL in node.labels)
        self._renamed = _set(self._renamed, bit, node is not None and bool(node.other_hostname))
        false = node is not None and BOOLEANS.get(node.labels.get(EXCLUDE_LABEL, "")) is False
        self._labelled_false = _set(self._labelled_false, bit, false)
        self._leaving = _set(self._leaving, bit, node is not None and is_leaving(node))
        self._deleting = _set(self._deleting, bit, node is not None and node.deleting)
        moved = dropped or before != self._kinds()
        moved |= self._move_zone(name, bit, node)
        for rule in self._selected:
            moved |= self._place(rule, bit, node)
        for rule, exclusions in self._exclusions.items():
            moved |= _note(exclusions, bit, _cause(rule, node))
        if moved:
            self._eligible.clear()
            self._why_none.clear()
        return moved

    def _kinds(self) -> tuple[int, ...]:
        """The sets that depend on no rule."""
        return (
            self._ready,
            self._unknown,
            self._windows,
            self._edge,
            self._renamed,
            self._labelled_false,
            self._leaving,
            self._deleting,
        )

    def _drop_if_many(self) -> bool:
        """Drop all rules if so many are kept that some may have no consumer any more. Returns whether it did."""
        if not self._most_rules and self._selected:  # those that are in use were found again since
            self._most_rules = max(MOST_RULES, 2 * len(self._selected))
        if len(self._selected) <= self._most_rules:
            return False
        self._drop_rules()
        self._most_rules = 0  # until it is known how many are in use
        return True

    def _drop_rules(self) -> None:
        self._eligible.clear()
        self._selected.clear()
        self._unidentified.clear()
        self._exclusions.clear()
        self._why_none.clear()

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

    def of(self, rule: NodeRule) -> int:
        """The eligible nodes by `rule`."""
        found = self._eligible.get(rule)
        if found is None:
            found = self._eligible[rule] = self._find(rule)
        return found

    def _find(self, rule: NodeRule) -> int:
        if (chosen := self._chosen(rule)) is not rule:
            found = self.of(chosen)
            self._unidentified[rule] = self._unidentified[chosen]
            return found
        if rule not in self._selected:
            self._selected[rule] = self._unidentified[rule] = 0
            for node in self._nodes:
                # A Service may have a rule for each of its external IPs, each with the name of one node.
                if rule.names is None or node.metadata.name in rule.names:
                    self._place(rule, self._table.bit(node.metadata.name), node)
        selected = self._selected[rule]
        match rule.readiness:
            case Readiness.IGNORED:
                return selected
            case Readiness.TRUE:
                return selected & self._ready
            case Readiness.FAIL_OPEN:
                return selected & self._ready or selected & self._unknown

    def _chosen(self, rule: NodeRule) -> NodeRule:
        """The rule without a preference that selects the same nodes now; itself where it has no preference."""
        if rule.prefers:
            plain = replace(rule, prefers=())
            preferred = replace(plain, requirements=plain.requirements + rule.prefers)
        elif rule.prefers_external_ipv4:
            plain = replace(rule, prefers_external_ipv4=False)
            preferred = replace(plain, needs_external_ipv4=True)
        else:
            return rule
        return preferred if self.of(preferred) else plain

    def why_none(self, rule: NodeRule) -> str:
        """What excludes the nodes from a rule that selects none, as a clause; "" if nothing does. A node counts
        for the first part of the rule that excludes it."""
        why = self._why_none.get(rule)
        if why is None:
            if rule not in self._exclusions:
                found = self._exclusions[rule] = {}
                for node in self._nodes:
                    if cause := _cause(rule, node):
                        found[cause] = found.get(cause, 0) | self._table.bit(node.metadata.name)
            why = self._why_none[rule] = _causes(self._exclusions[rule], -1)
        return why

    def why_none_of(self, rule: NodeRule, names: Iterable[str]) -> str:
        """What excludes the nodes with these names from a rule, as a clause; "" if nothing does."""
        chosen = self._chosen(rule)
        self.why_none(chosen)  # it notes the causes
        among = 0
        for name in names:
            among |= self._table.bit(name)
        return _causes(self._exclusions[chosen], among)

    def blocking(self, rule: NodeRule) -> int:
        """Nodes whose providerID the consumer cannot register, eligible or not."""
        self.of(rule)
        return self._unidentified[rule]

    def _place(self, rule: NodeRule, bit: int, node: Node | None) -> bool:
        before = (self._selected[rule], self._unidentified[rule])
        selected = node is not None and rule.selects(node)
        blocked = selected and node is not None and not rule.identified(node)
        after = (_set(before[0], bit, selected), _set(before[1], bit, blocked))
        self._selected[rule], self._unidentified[rule] = after
        return before != after


def _note(exclusions: dict[str, int], bit: int, cause: str) -> bool:
    """Note what excludes the node, "" for nothing. Returns whether that is a change."""
    before = next((each for each, nodes in exclusions.items() if nodes & bit), "")
    if before == cause:
        return False
    if before:
        exclusions[before] &= ~bit
    if cause:
        exclusions[cause] = exclusions.get(cause, 0) | bit
    return True


def _cause(rule: NodeRule, node: Node | None) -> str:
    return (rule.exclusion(node) or _not_ready(rule, node)) if node else ""


def _not_ready(rule: NodeRule, node: Node) -> str:
    return "the condition Ready" if rule.readiness is not Readiness.IGNORED and node.ready != "True" else ""


def _causes(exclusions: Mapping[str, int], among: int) -> str:
    """The causes that exclude most of the nodes `among` first."""
    counts = [(cause, (nodes & among).bit_count()) for cause, nodes in exclusions.items() if nodes & among]
    counts.sort(key=lambda cause: (-cause[1], cause[0]))
    listed = [f"{cause} excludes {n} node{'s' if n > 1 else ''}" for cause, n in counts[:MAX_CAUSES]]
    return ", ".join(listed)


def _set(nodes: int, bit: int, member: bool) -> int:
    if member:
        return nodes | bit
    return nodes & ~bit if nodes else 0  # most sets are empty, and each operation copies the set
