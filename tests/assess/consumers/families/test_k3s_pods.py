"""k3s pkg/cloudprovider/servicelb.go newDaemonSet: an svclb Pod has the ports of the Service as host ports."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from etpguard.assess import Evidence
from etpguard.objects import Key
from etpguard.objects.k3s import SERVICE_NAME, SERVICE_NAMESPACE, SVCLB_POD
from tests.assess.consumers import worlds
from tests.assess.consumers.worlds import KEY, Json, Seen, endpoints, k3s, node, port, seen, world

service = partial(worlds.service, ingress=[{"ip": "198.51.100.1"}])
NODES = [k3s(name) for name in "abc"]


def svclb(on: str, *, ready: bool = True, of: Key = KEY, name: str = "", **meta: Any) -> Json:
    """Of a node, or ("") Pending without one."""
    labels = {SERVICE_NAME: of.name, SERVICE_NAMESPACE: of.namespace}
    return {
        "kind": "Pod",
        "metadata": {
            "name": name or f"svclb-{of.name}-0af81c2d-{on or 'none'}",
            "namespace": "kube-system",
            "labels": labels,
            **meta,
        },
        "spec": {"nodeName": on or None},
        "status": {"conditions": [{"type": "Ready", "status": str(ready and bool(on))}]},
    }


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param([svclb("a"), svclb("b")], Seen("Covered", "Covered", "ab", ""), id="all of them are Ready"),
        pytest.param(
            [svclb("a"), svclb("")], Seen("Covered", "Covered", "a", ""), id="the port of one node is taken"
        ),
        pytest.param(
            [svclb("c"), svclb("")],
            Seen("Unknown", "SvclbPodsNotReady", "", ""),
            id="the ports are free only where no endpoint is",
        ),
        pytest.param(
            [svclb(""), svclb("a", ready=False)],
            Seen("Unknown", "SvclbPodsNotReady", "", ""),
            id="none of them is Ready",
        ),
        pytest.param(
            [svclb("a", deletionTimestamp="2026-01-01T00:00:00Z")],
            Seen("Covered", "Covered", "ab", ""),
            id="one that is being deleted says nothing",
        ),
        pytest.param(
            [svclb("", of=Key("shop", "other"))], Seen("Covered", "Covered", "ab", ""), id="of another Service"
        ),
    ],
)
def test_a_node_serves_while_its_pod_is_ready(pods: list[Json], expected: Seen) -> None:
    assert seen(service(), endpoints("a", "b"), *NODES, *pods) == expected


def test_advice_says_where_to_look_while_no_pod_is_ready() -> None:
    made = world(service(), endpoints("a"), *NODES, svclb(""), svclb("c"))
    (text,) = made.advice()
    assert f"kubectl get pods -A -o wide -l {SERVICE_NAME}=web,{SERVICE_NAMESPACE}=shop" in text


def test_a_tainted_node_serves_where_its_pod_runs() -> None:
    """Its DaemonSet may have been given more tolerations."""
    tainted = k3s("b", taints=[("example.com/x", "NoSchedule")])
    found = seen(service(), endpoints("b"), k3s("a"), tainted, svclb("b"))
    assert found == Seen("Covered", "Covered", "b", "")


def test_pods_are_evidence() -> None:
    for pods, evidence in (([], Evidence.ASSUMED), ([svclb("a")], Evidence.OBSERVED)):
        made = world(service(ingress=[]), endpoints("a"), *NODES, *pods)
        assert made.consumer().consumer.evidence is evidence


def test_pods_show_k3s_beside_another_load_balancer() -> None:
    pool = {"kind": "IPAddressPool", "metadata": {"name": "lan", "namespace": "metallb-system"}}
    objects = [service(ingress=[], in_cluster=True), endpoints("a"), *NODES, pool]
    families = [
        {v.consumer.family for v in world(*objects, *pods).assessment.consumers} for pods in ([], [svclb("a")])
    ]
    assert families[0] != {"k3s-servicelb"}
    assert families[1] == {"k3s-servicelb"}


def test_the_pods_explain_an_empty_status() -> None:
    made = world(service(ingress=[], in_cluster=True), endpoints("a"), *NODES, svclb(""), svclb("c"))
    reason = made.consumer().reason
    assert reason.code == "NoAddress"
    assert "1 of 2 have no node: another Service or Pod has their host ports" in reason.detail


def test_a_port_without_node_port_is_not_served_by_a_ready_pod() -> None:
    bare = service(ports=[{**port(), "nodePort": 0}])
    assert seen(bare, endpoints("a"), *NODES, svclb("a")).outcome == "NoTargets"


def test_a_pod_that_becomes_ready_is_noticed() -> None:
    made = world(service(), endpoints("a"), *NODES, svclb("a", ready=False))
    assert made.consumer().outcome.name == "Unknown"
    assert KEY in made.put(svclb("a"))
    assert made.consumer().outcome.name == "Covered"
    assert made.put(svclb("a", annotations={"changed": "yes"})) == {}


def test_only_svclb_pods_of_a_cluster_of_k3s_are_read() -> None:
    assert SVCLB_POD.subset is not None
    assert SVCLB_POD.subset.namespace == "kube-system"
    assert SVCLB_POD.subset.label == "svccontroller.k3s.cattle.io/svcname"
    for members, needed in ((NODES, True), ([node("a", "hcloud://1")], False)):
        assert world(*members).picture.needs(SVCLB_POD.subset) is needed


def test_external_ips_of_nodes_with_a_ready_pod_come_first() -> None:
    """podIPs."""
    members = [k3s("a", external=["203.0.113.1"]), k3s("b"), k3s("c")]
    objects = [service(), endpoints("a", "b"), *members]
    assert seen(*objects, svclb("a"), svclb("b")) == Seen("Covered", "Covered", "a", "")
    assert seen(*objects, svclb("a", ready=False), svclb("b")) == Seen("Covered", "Covered", "b", "")
