"""Advice for clients in the cluster: what it changes, what it costs, and the command."""

from __future__ import annotations

import json
import shlex

from etpguard.assess.internal_advice import MAX_TAINTS, InternalAdvisor, internal_advice, surge
from etpguard.objects import SERVICE
from tests.assess.build import NODES, endpoint, endpoint_slice, node
from tests.assess.inside import NOWHERE, ON_N1, assessed, inside

TAINTED = node("n2", taints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}])

PODS = {"app": "web"}


def test_uncovered_nodes_get_the_soft_policy_first() -> None:
    found, picture = assessed(inside(selector=PODS), ON_N1, *NODES)
    assert found is not None
    items = InternalAdvisor(picture)(found)
    assert [item.title for item in items] == [
        "Prefer the endpoint on the client's node instead of requiring it",
        "Let rollouts of the DaemonSet start the new pod before the old one ends",
    ]
    for item in items:
        assert item.effect
        assert item.cost.startswith("Cost: ")
    words = shlex.split(items[0].command)
    assert words[:-1] == ["kubectl", "-n", "default", "patch", "service", "web", "-p"]
    assert json.loads(words[-1]) == {
        "spec": {"internalTrafficPolicy": "Cluster", "trafficDistribution": "PreferSameNode"}
    }
    assert "GA in Kubernetes 1.35" in items[0].effect
    assert "1.30 and older ignore the field" in items[0].effect
    assert "for pods of a DaemonSet only" in items[1].effect


def test_without_a_selector_no_workload_is_changed_and_no_local_endpoint_promised() -> None:
    """Kubernetes writes no hints into EndpointSlices that it does not write."""
    found, picture = assessed(inside(), ON_N1, node("n1"), TAINTED)
    assert found is not None
    (item,) = InternalAdvisor(picture)(found)
    assert item.title == "Let clients reach the endpoints on other nodes"
    assert json.loads(shlex.split(item.command)[-1]) == {"spec": {"internalTrafficPolicy": "Cluster"}}
    assert "PreferSameNode has an effect only if whoever writes them sets hints.forNodes" in item.effect


def test_the_taints_of_uncovered_nodes_are_to_be_tolerated() -> None:
    found, picture = assessed(inside(selector=PODS), ON_N1, node("n1"), TAINTED, node("n3"))
    assert found is not None
    tolerate = InternalAdvisor(picture)(found)[1]
    assert tolerate.title == "Let the DaemonSet tolerate the taints of the uncovered nodes"
    assert '[{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]' in tolerate.effect
    assert tolerate.effect.startswith("1 of the uncovered nodes has a taint")


def test_many_taints_are_counted() -> None:
    taints = [{"key": f"t{n}", "effect": "NoExecute"} for n in range(MAX_TAINTS + 2)]
    found, picture = assessed(
        inside(selector=PODS), ON_N1, node("n1"), *(node(n, taints=taints) for n in ("n2", "n3"))
    )
    assert found is not None
    effect = InternalAdvisor(picture)(found)[1].effect
    assert effect.startswith("2 of the uncovered nodes have taints")
    assert effect.endswith("There are 2 more taints.")


def test_the_name_of_the_daemon_set() -> None:
    service = inside(selector=PODS)
    assert "patch daemonset agent" in surge(service, "agent").command
    assert "only" not in surge(service, "agent").effect
    found, _ = assessed(service, ON_N1, node("n1"), TAINTED)
    assert found is not None
    commands = [item.command for item in internal_advice(service, found, [TAINTED], "agent")]
    assert [" daemonset agent" in command for command in commands] == [False, True, True]


def test_no_endpoint_and_nothing_to_do() -> None:
    found, picture = assessed(inside(), NOWHERE, *NODES)
    assert found is not None
    assert [item.title for item in InternalAdvisor(picture)(found)] == [
        "Find out who writes the EndpointSlices of the Service"
    ]
    covered, picture = assessed(inside(), endpoint_slice([endpoint("n1")]), NODES[0])
    assert covered is not None
    assert InternalAdvisor(picture)(covered) == []
    picture.absorb([change for change in [picture.store(SERVICE).delete(covered.key, 1 << 40)] if change])
    assert InternalAdvisor(picture)(covered) == []
