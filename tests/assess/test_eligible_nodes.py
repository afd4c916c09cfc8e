"""Which nodes a rule selects, and that their sets follow each change."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from etpguard.assess.eligible_nodes import MOST_RULES, EligibleNodes
from etpguard.assess.node_rule import (
    ANY_CLIENT,
    AUTOSCALER_TAINT,
    EXCLUDE_LABEL,
    Hosts,
    NodeRule,
    Readiness,
    TaintRule,
)
from etpguard.cluster import NodeTable
from etpguard.objects import Node, Requirement
from tests.assess.build import node


def eligible(rule: NodeRule, *nodes: Node) -> list[str]:
    table = NodeTable()
    sets = EligibleNodes(table, nodes)
    sets.reset()
    return table.names(sets.of(rule))


@pytest.mark.parametrize(
    ("value", "included"),
    [
        *((v, True) for v in ("0", "f", "F", "false", "FALSE", "False")),
        *((v, False) for v in ("1", "t", "T", "true", "TRUE", "True", "", "no", "fALSE", " false")),
    ],
)
def test_exclude_label_is_parsed_as_a_bool(value: str, included: bool) -> None:
    rule = NodeRule(exclude_label_as_bool=True)
    assert bool(eligible(rule, node("n", labels={EXCLUDE_LABEL: value}))) is included


def test_exclude_label_hides_no_node_from_any_client() -> None:
    assert eligible(ANY_CLIENT, node("n", labels={EXCLUDE_LABEL: "true"})) == ["n"]


def test_exclude_label_by_presence_excludes_whatever_it_says() -> None:
    rule = NodeRule(requirements=(Requirement(EXCLUDE_LABEL, "DoesNotExist"),))
    assert eligible(rule, node("a", labels={EXCLUDE_LABEL: "false"}), node("b")) == ["b"]


CA_TAINT = {"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule", "value": "1"}


@pytest.mark.parametrize(
    ("rule", "candidate", "selected"),
    [
        pytest.param(ANY_CLIENT, node("n"), True, id="a plain Ready node"),
        pytest.param(ANY_CLIENT, node("n", "False"), False, id="not Ready"),
        pytest.param(ANY_CLIENT, node("n", "Unknown"), False, id="Ready unknown"),
        pytest.param(ANY_CLIENT, node("n", None), False, id="no Ready condition"),
        pytest.param(ANY_CLIENT, node("n", deleting=True), False, id="being deleted"),
        pytest.param(ANY_CLIENT, node("n", taints=[CA_TAINT]), False, id="the autoscaler's deletion taint"),
        pytest.param(ANY_CLIENT, node("n", taints=[{"key": "other"}]), True, id="another taint"),
        pytest.param(
            ANY_CLIENT, node("n", labels={"eks.amazonaws.com/compute-type": "fargate"}), False, id="fargate"
        ),
        pytest.param(ANY_CLIENT, node("n", labels={"eks.amazonaws.com/compute-type": "ec2"}), True, id="ec2"),
        pytest.param(ANY_CLIENT, node("n", labels={"type": "virtual-kubelet"}), False, id="virtual-kubelet"),
        pytest.param(
            NodeRule(), node("n", deleting=True), True, id="deletion matters only where the rule says so"
        ),
        pytest.param(NodeRule(readiness=Readiness.IGNORED), node("n", "False"), True, id="readiness ignored"),
        pytest.param(
            NodeRule(taints=(TaintRule("k", "NoExecute"),)),
            node("n", taints=[{"key": "k", "effect": "NoSchedule"}]),
            True,
            id="a taint of another effect",
        ),
        pytest.param(
            NodeRule(taints=(TaintRule("k", "NoExecute"),)),
            node("n", taints=[{"key": "k", "effect": "NoExecute"}]),
            False,
            id="a taint of that effect",
        ),
    ],
)
def test_rules(rule: NodeRule, candidate: Node, selected: bool) -> None:
    assert bool(eligible(rule, candidate)) is selected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param({"a": "True", "b": "Unknown"}, ["a"], id="a ready node shuts out the unknown"),
        pytest.param({"a": "Unknown", "b": "False"}, ["a"], id="without a ready one the unknown are used"),
        pytest.param({"a": "False", "b": "False"}, [], id="those known not to be ready never"),
    ],
)
def test_fail_open(states: dict[str, str], expected: list[str]) -> None:
    nodes = [node(name, ready) for name, ready in states.items()]
    assert eligible(NodeRule(readiness=Readiness.FAIL_OPEN), *nodes) == expected


def test_fail_open_looks_at_selected_nodes_only() -> None:
    rule = NodeRule(requirements=(Requirement("pool", "In", ("edge",)),), readiness=Readiness.FAIL_OPEN)
    nodes = [node("a", "Unknown", labels={"pool": "edge"}), node("b", "True")]
    assert eligible(rule, *nodes) == ["a"]


@pytest.mark.parametrize(
    ("operator", "values", "labels", "admitted"),
    [
        ("In", ("a", "b"), {"k": "a"}, True),
        ("In", ("a", "b"), {"k": "c"}, False),
        ("In", ("a",), {}, False),
        ("NotIn", ("a",), {"k": "a"}, False),
        ("NotIn", ("a",), {"k": "b"}, True),
        ("NotIn", ("a",), {}, True),
        ("Exists", None, {"k": ""}, True),
        ("Exists", None, {}, False),
        ("DoesNotExist", None, {"k": ""}, False),
        ("DoesNotExist", None, {}, True),
    ],
)
def test_requirements(
    operator: Any, values: tuple[str, ...] | None, labels: dict[str, str], admitted: bool
) -> None:
    requirement = Requirement("k", operator, values)
    assert requirement.admits(labels) is admitted


@pytest.mark.parametrize(
    ("provider_id", "blocked"),
    [
        pytest.param("aws:///eu-west-1a/i-0123456789abcdef0", False, id="an instance"),
        pytest.param("aws:///eu-west-1a/fargate-ip-10-0-0-1", True, id="none"),
        pytest.param("", True, id="no providerID at all"),
        pytest.param("aws:///eu-west-1a/i-0123 456", True, id="the whole segment has to match"),
    ],
)
def test_provider_id_blocks(provider_id: str, blocked: bool) -> None:
    rule = NodeRule(provider_id="aws://.*/i-[0-9a-f]+")
    table = NodeTable()
    sets = EligibleNodes(table, [node("n", provider_id=provider_id)])
    sets.reset()
    assert bool(sets.blocking(rule)) is blocked
    assert table.names(sets.of(rule)) == ["n"]


def test_sets_follow_updates_and_return_whether_any_changed() -> None:
    table = NodeTable()
    sets = EligibleNodes(table, [node("a")])
    sets.reset()
    rule = NodeRule(requirements=(Requirement("pool", "NotIn", ("batch",)),))
    assert table.names(sets.of(rule)) == ["a"]

    assert not sets.update("a", node("a", labels={"unheeded": "x"}))
    assert sets.update("b", node("b"))
    assert table.names(sets.of(rule)) == ["a", "b"]
    assert sets.update("b", node("b", "False"))
    assert table.names(sets.of(rule)) == ["a"]
    assert sets.update("a", node("a", labels={"pool": "batch"}))
    assert sets.of(rule) == 0
    assert sets.update("a", node("a", labels={"kubernetes.io/os": "windows"}))
    assert table.names(sets.windows) == ["a"]
    assert sets.update("a", None)
    assert (sets.of(rule), sets.windows, sets.ready) == (0, 0, 0)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        pytest.param(
            NodeRule(readiness=Readiness.IGNORED, exclude_label_as_bool=True, skip_deleting=True),
            f"the label {EXCLUDE_LABEL} excludes 2 nodes, the deletion of the Node excludes 1 node, "
            "the taint ToBeDeletedByClusterAutoscaler excludes 1 node",
            id="label, taint and deletion",
        ),
        pytest.param(
            NodeRule(requirements=(Requirement("pool", "In", ("edge",)),)),
            "the selector pool=edge excludes 4 nodes",
            id="one label",
        ),
        pytest.param(
            NodeRule(requirements=(Requirement("pool", "Exists"), Requirement("zone", "NotIn", ("a", "b")))),
            "the selector pool excludes 4 nodes",
            id="the first of two",
        ),
        pytest.param(
            NodeRule(any_of=((Requirement("a", "In", tuple("wxyz")),), (Requirement("b", "Exists"),))),
            "the selector a in (w, x, y, …) or b excludes 4 nodes",
            id="alternatives",
        ),
        pytest.param(
            NodeRule(provider_id="i-.*", skips_unidentified=True, taints=()),
            "the form of the providerID excludes 4 nodes",
            id="providerID",
        ),
        pytest.param(
            NodeRule(requirements=(Requirement("x", "DoesNotExist"),), taints=()),
            "the condition Ready excludes 4 nodes",
            id="not ready",
        ),
    ],
)
def test_why_a_rule_selects_no_node(rule: NodeRule, why: str) -> None:
    nodes = [
        node("n1", "False", labels={EXCLUDE_LABEL: ""}),
        node("n2", "False", labels={EXCLUDE_LABEL: "true"}),
        node("n3", "False", taints=[{"key": AUTOSCALER_TAINT, "effect": "NoSchedule"}]),
        node("n4", "Unknown", deleting=True),
    ]
    sets = EligibleNodes(NodeTable(), nodes)
    sets.reset()
    assert sets.of(rule) == 0
    assert sets.why_none(rule) == why


def test_why_a_rule_selects_no_node_follows_updates() -> None:
    """A node that is excluded for another reason moves no set, yet the sentence changes."""
    rule = NodeRule(requirements=(Requirement("pool", "Exists"),))
    sets = EligibleNodes(NodeTable(), [node("n1")])
    sets.reset()
    assert sets.why_none(rule) == "the selector pool excludes 1 node"
    assert sets.update(
        "n1", node("n1", labels={"pool": "a"}, taints=[{"key": AUTOSCALER_TAINT, "effect": "NoSchedule"}])
    )
    assert sets.why_none(rule) == "the taint ToBeDeletedByClusterAutoscaler excludes 1 node"
    assert sets.update("n1", None)
    assert sets.why_none(rule) == ""


def test_why_a_rule_does_not_select_some_nodes() -> None:
    """What excludes other nodes is not named."""
    rule = NodeRule(requirements=(Requirement("pool", "Exists"),))
    nodes = [node("n1"), node("n2", "False", labels={"pool": "a"}), node("n3", labels={"pool": "a"})]
    sets = EligibleNodes(NodeTable(), nodes)
    sets.reset()
    assert sets.why_none_of(rule, ["n2"]) == "the condition Ready excludes 1 node"
    assert sets.why_none_of(rule, ["n1"]) == "the selector pool excludes 1 node"
    assert sets.why_none_of(rule, ["n3"]) == ""


def test_a_selector_of_any_length_is_clipped() -> None:
    rule = NodeRule(requirements=(Requirement("k" * 9999, "In", ("v" * 9999,)),))
    sets = EligibleNodes(NodeTable(), [node("n1")])
    assert len(sets.why_none(rule)) < 400


EDGE = NodeRule(prefers=(Requirement("dedicated", "In", ("edge",)),), skip_deleting=True)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param([node("a"), node("b")], ["a", "b"], id="none has the labels: all"),
        pytest.param([node("a"), node("b", labels={"dedicated": "edge"})], ["b"], id="one has: that one"),
        pytest.param(
            [node("a"), node("b", "False", labels={"dedicated": "edge"})],
            ["a"],
            id="not Ready: none",
        ),
        pytest.param(
            [node("a"), node("b", labels={"dedicated": "edge"}, deleting=True)], ["a"], id="nor one that goes away"
        ),
    ],
)
def test_preferred_labels(members: list[Node], expected: list[str]) -> None:
    assert eligible(EDGE, *members) == expected


def test_preferred_nodes_follow_each_change() -> None:
    table = NodeTable()
    members = {"a": node("a"), "b": node("b")}
    sets = EligibleNodes(table, members.values())
    sets.reset()
    for labels, expected in (({"dedicated": "edge"}, ["b"]), ({}, ["a", "b"])):
        members["b"] = node("b", labels=labels)
        sets.update("b", members["b"])
        assert table.names(sets.of(EDGE)) == expected
        assert not sets.blocking(EDGE)


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(replace(EDGE, hosts=Hosts.ANY), id="by labels"),
        pytest.param(NodeRule(readiness=Readiness.FAIL_OPEN, hosts=Hosts.ANY), id="by readiness"),
    ],
)
def test_a_second_choice_of_nodes_with_endpoints_is_not_modelled(rule: NodeRule) -> None:
    sets = EligibleNodes(NodeTable(), [node("a")])
    sets.reset()
    with pytest.raises(AssertionError):
        sets.spare(rule)


def named(number: int) -> NodeRule:
    """A rule for the node that announces an address, and for the n-th address."""
    return NodeRule(names=frozenset({"a", f"address-{number}"}))


@pytest.mark.no_cover
def test_rules_of_consumers_that_are_gone_are_dropped_once_there_are_many() -> None:
    table, nodes = NodeTable(), {"a": node("a"), "b": node("b")}
    sets = EligibleNodes(table, nodes.values())
    sets.reset()
    for number in range(3 * MOST_RULES):
        nodes["a"] = node("a", "True" if number % 2 else "False")
        assert sets.update("a", nodes["a"])
        assert table.names(sets.of(named(number))) == (["a"] if number % 2 else [])
        assert len(sets._selected) <= MOST_RULES + 1


def test_an_update_that_drops_all_rules_is_a_change() -> None:
    """The caller assesses again what depends on them. If all are in use, they are not dropped again and again."""
    nodes = [node("a")]
    sets = EligibleNodes(NodeTable(), nodes)
    sets.reset()

    def use_all() -> None:
        for number in range(MOST_RULES + 1):
            sets.of(named(number))

    use_all()
    assert sets.update("a", nodes[0])
    assert not sets.update("a", nodes[0])
    use_all()
    assert not sets.update("a", nodes[0])
