"""What clients in the cluster meet under `internalTrafficPolicy: Local`, node by node."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from etpguard.assess import Engine, Options, Outcome
from etpguard.assess.data_planes.interface import (
    AllNodes,
    DataPlane,
    KnownDataPlane,
    NodePlanes,
    PlaneGroup,
)
from etpguard.assess.node_states import Client
from etpguard.objects import NODE, Key, Node, Reject, Service
from tests.assess.build import (
    NODES,
    WEB,
    Watched,
    endpoint,
    endpoint_slice,
    node,
    one_plane,
    picture_with,
    record,
    service,
)
from tests.assess.inside import NOWHERE, ON_N1, VIRTUAL, assessed, inside


@dataclass(frozen=True)
class Case:
    """`states`: the nodes of the first port in each state. `planes`: kube-proxy by default."""

    name: str
    objects: tuple[Any, ...]
    outcome: Outcome
    uncovered: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    states: dict[str, list[str]] = field(default_factory=dict)
    client: Client | None = None
    reason: str = ""
    planes: AllNodes | None = None


ENDING: dict[str, Any] = {"ready": False, "serving": True, "terminating": True}
EDGE = node("n2", labels={"node-role.kubernetes.io/edge": ""})
IGNORES_INTERNAL = (("enable-internal-traffic-policy", "false"),)
BALANCED = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}
NODE_PORT = inside(ports=({"name": "http", "port": 80, "nodePort": 30080},), type="NodePort")

CASES = [
    Case(
        "an endpoint on one of three nodes",
        (inside(), ON_N1, *NODES),
        Outcome.Uncovered,
        uncovered=("n2", "n3"),
        states={"ready": ["n1"], "dropped": ["n2", "n3"]},
        client=Client.TIMEOUT,
    ),
    Case(
        "an endpoint on every node",
        (inside(), endpoint_slice([endpoint("n1"), endpoint("n2"), endpoint("n3")]), *NODES),
        Outcome.Covered,
        states={"ready": ["n1", "n2", "n3"]},
    ),
    Case(
        "a serving and terminating pod still gets the traffic of its node",
        (inside(), endpoint_slice([endpoint("n1"), endpoint("n2", **ENDING), endpoint("n3")]), *NODES),
        Outcome.Covered,
        states={"ready": ["n1", "n3"], "terminating": ["n2"]},
    ),
    Case(
        "a pod that is not ready is no endpoint",
        (inside(), endpoint_slice([endpoint("n1"), endpoint("n2", ready=False)]), *NODES[:2]),
        Outcome.Uncovered,
        uncovered=("n2",),
    ),
    Case(
        "no usable endpoint anywhere: every node rejects, and the policy is not the cause",
        (inside(), NOWHERE, *NODES),
        Outcome.NoEndpoints,
        states={"rejected": ["n1", "n2", "n3"]},
        client=Client.REFUSED,
    ),
    Case(
        "a node that is not Ready runs no client that counts",
        (inside(), ON_N1, node("n1"), node("n2", "False"), node("n3", "Unknown")),
        Outcome.Covered,
    ),
    Case(
        "tainted nodes, and those without load balancers, run clients too",
        (
            inside(),
            ON_N1,
            node("n1"),
            node("n2", taints=[{"key": "gpu", "effect": "NoSchedule"}]),
            node("n3", labels={"node.kubernetes.io/exclude-from-external-load-balancers": ""}),
        ),
        Outcome.Uncovered,
        uncovered=("n2", "n3"),
    ),
    Case("no Ready node", (inside(), ON_N1, node("n1", "False")), Outcome.Unknown, reason="NoReadyNode"),
    Case(
        "no EndpointSlice was read",
        (inside(), *NODES),
        Outcome.Unknown,
        unknown=("n1", "n2", "n3"),
        reason="NoEndpointSlices",
    ),
    Case(
        "nothing is known of a virtual node",
        (inside(), ON_N1, node("n1"), VIRTUAL),
        Outcome.Unknown,
        unknown=("n2",),
        reason="ServiceProxyNotKnown",
    ),
    Case(
        "nothing is known of an edge node, but another node is uncovered",
        (inside(), ON_N1, node("n1"), EDGE, node("n3")),
        Outcome.Uncovered,
        uncovered=("n3",),
        unknown=("n2",),
    ),
    Case(
        "a data plane without a rule",
        (inside(), ON_N1, *NODES),
        Outcome.Unknown,
        unknown=("n1", "n2", "n3"),
        reason="DataPlaneNotModelled",
        planes=one_plane(DataPlane.OTHER),
    ),
    Case(
        "Cilium refuses, and an endpoint without nodeName is local everywhere",
        (inside(), endpoint_slice([endpoint(None, "10.0.0.9")]), *NODES),
        Outcome.Covered,
        planes=one_plane(DataPlane.CILIUM, version="v1.20.2", settings=()),
    ),
    Case(
        "Cilium without a local endpoint",
        (inside(), ON_N1, *NODES),
        Outcome.Uncovered,
        uncovered=("n2", "n3"),
        client=Client.REFUSED,
        planes=one_plane(DataPlane.CILIUM, version="v1.20.2", settings=()),
    ),
    Case(
        "Cilium with an option that drops packets, unless its socket load balancer answers",
        (inside(), ON_N1, *NODES),
        Outcome.Uncovered,
        uncovered=("n2", "n3"),
        client=Client.NOT_KNOWN,
        planes=one_plane(DataPlane.CILIUM, version="v1.20.2", settings=(("service-no-backend-response", "drop"),)),
    ),
    Case(
        "a Service that Cilium serves at load balancer addresses alone",
        (inside(meta={"annotations": {"service.cilium.io/type": "LoadBalancer"}}), ON_N1, *NODES),
        Outcome.Unknown,
        unknown=("n1", "n2", "n3"),
        reason="NotServedByCilium",
        planes=one_plane(DataPlane.CILIUM, version="v1.20.2", settings=()),
    ),
    Case(
        "a Service of Cilium's Ingress",
        (
            inside(selector=None),
            endpoint_slice([endpoint(None, "192.192.192.192")], ({"name": "", "protocol": "TCP", "port": 9999},)),
            *NODES,
        ),
        Outcome.Unknown,
        unknown=("n1", "n2", "n3"),
        reason="ServedByEnvoy",
        planes=one_plane(DataPlane.CILIUM, version="v1.20.2", settings=()),
    ),
    Case(
        "Cilium before the new control plane",
        (inside(), ON_N1, *NODES),
        Outcome.Uncovered,
        uncovered=("n2", "n3"),
        planes=one_plane(DataPlane.CILIUM, version="v1.15.19", settings=()),
    ),
    Case(
        "Cilium before 1.19 that may ignore the policy",
        (inside(), ON_N1, *NODES),
        Outcome.Unknown,
        unknown=("n1", "n2", "n3"),
        reason="InternalPolicyNotKnown",
        planes=one_plane(DataPlane.CILIUM, version="v1.18.2", settings=IGNORES_INTERNAL),
    ),
    Case(
        "Cilium 1.19 never ignores it",
        (inside(), ON_N1, *NODES),
        Outcome.Uncovered,
        uncovered=("n2", "n3"),
        planes=one_plane(DataPlane.CILIUM, version="v1.19.0", settings=IGNORES_INTERNAL),
    ),
    Case(
        "Calico has no fallback to terminating endpoints",
        (inside(), endpoint_slice([endpoint("n1"), endpoint("n2", **ENDING)]), *NODES),
        Outcome.Uncovered,
        uncovered=("n2", "n3"),
        client=Client.NOT_KNOWN,
        planes=one_plane(DataPlane.CALICO_EBPF, version="v3.31.7"),
    ),
    Case(
        "Calico before 3.27 may ignore the policy",
        (inside(), ON_N1, *NODES),
        Outcome.Unknown,
        unknown=("n1", "n2", "n3"),
        reason="InternalPolicyNotKnown",
        planes=one_plane(DataPlane.CALICO_EBPF, version="v3.26.1"),
    ),
    Case(
        "Calico of an unknown release may lose a hinted endpoint",
        (
            inside(),
            endpoint_slice(
                [
                    {**endpoint("n1", "10.0.0.1"), "hints": {"forZones": [{"name": "b"}]}},
                    {**endpoint("n2", "10.0.0.2"), "hints": {"forZones": [{"name": "a"}]}},
                ]
            ),
            node("n1", labels={"topology.kubernetes.io/zone": "a"}),
            node("n2", labels={"topology.kubernetes.io/zone": "b"}),
        ),
        Outcome.Unknown,
        unknown=("n1", "n2"),
        reason="CalicoVersionNotKnown",
        planes=one_plane(DataPlane.CALICO_EBPF),
    ),
    Case(
        "a Service that Calico leaves alone",
        (inside(meta={"annotations": {"projectcalico.org/natExcludeService": "true"}}), ON_N1, *NODES),
        Outcome.Unknown,
        unknown=("n1", "n2", "n3"),
        reason="NotServedByCalico",
        planes=one_plane(DataPlane.CALICO_EBPF, version="v3.31.7"),
    ),
    Case(
        "OVN-Kubernetes",
        (inside(), endpoint_slice([endpoint("n1"), endpoint("n2", **ENDING)]), *NODES),
        Outcome.Uncovered,
        uncovered=("n3",),
        client=Client.REFUSED,
        planes=one_plane(DataPlane.OVN_KUBERNETES),
    ),
    Case(
        "Antrea",
        (inside(), ON_N1, *NODES),
        Outcome.Uncovered,
        uncovered=("n2", "n3"),
        client=Client.REFUSED,
        planes=one_plane(DataPlane.ANTREA),
    ),
    Case(
        "a Service that Antrea skips",
        (inside(), ON_N1, *NODES),
        Outcome.Unknown,
        unknown=("n1", "n2", "n3"),
        reason="NotServedByAntrea",
        planes=one_plane(DataPlane.ANTREA, settings=(("skipServices", "default/web"),)),
    ),
    Case(
        "Antrea that does not serve the addresses of load balancers serves cluster IPs",
        (inside(type="LoadBalancer", status=BALANCED), ON_N1, *NODES),
        Outcome.Uncovered,
        uncovered=("n2", "n3"),
        planes=one_plane(DataPlane.ANTREA, settings=(("proxyLoadBalancerIPs", "false"),)),
    ),
    Case(
        "kube-router, where nil is not true",
        (inside(), endpoint_slice([endpoint("n1", ready=True), endpoint("n2")]), *NODES),
        Outcome.Uncovered,
        uncovered=("n2", "n3"),
        client=Client.NOT_KNOWN,
        planes=one_plane(DataPlane.KUBE_ROUTER),
    ),
    Case(
        "kube-router makes the internal policy Cluster by its annotation",
        (
            inside(meta={"annotations": {"kube-router.io/service.local": "true"}}),
            endpoint_slice([endpoint("n1", ready=True)]),
            *NODES,
        ),
        Outcome.Covered,
        planes=one_plane(DataPlane.KUBE_ROUTER),
    ),
    Case(
        "winkernel",
        (inside(), ON_N1, *NODES),
        Outcome.Uncovered,
        uncovered=("n2", "n3"),
        client=Client.NOT_KNOWN,
        planes=one_plane(DataPlane.WINKERNEL),
    ),
    Case(
        "ipvs refuses for a Service that is not reachable from outside",
        (inside(), ON_N1, *NODES),
        Outcome.Uncovered,
        uncovered=("n2", "n3"),
        client=Client.REFUSED,
        planes=one_plane(DataPlane.KUBE_PROXY, mode="ipvs"),
    ),
    Case(
        "ipvs forwards to other nodes for a Service with a node port",
        (NODE_PORT, ON_N1, *NODES),
        Outcome.Covered,
        states={"ready": ["n1", "n2", "n3"]},
        planes=one_plane(DataPlane.KUBE_PROXY, mode="ipvs"),
    ),
    Case(
        "ipvs forwards to terminating endpoints of other nodes if there is no other endpoint",
        (NODE_PORT, endpoint_slice([endpoint("n1", **ENDING)]), *NODES),
        Outcome.Covered,
        states={"terminating": ["n1", "n2", "n3"]},
        planes=one_plane(DataPlane.KUBE_PROXY, mode="ipvs"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_states_and_outcome(case: Case) -> None:
    found, picture = assessed(*case.objects, planes=case.planes)
    assert found is not None
    names = picture.nodes.names
    assert (found.outcome, tuple(names(found.uncovered)), tuple(names(found.unknown))) == (
        case.outcome,
        case.uncovered,
        case.unknown,
    )
    assert found.reason.code == (case.reason or case.outcome.name)
    state, eligible = found.ports[0].state, found.eligible
    shown = {
        "ready": names(state.ready & eligible),
        "terminating": names(state.terminating & eligible),
        "dropped": names(state.dropped(eligible)),
        "rejected": names(state.rejected(eligible)),
    }
    assert {name: shown[name] for name in case.states} == case.states
    if case.client:
        assert state.client(eligible) is case.client
    assert state.node_port == 0


@pytest.mark.parametrize(
    ("service", "why"),
    [
        (inside(internalTrafficPolicy="Cluster"), "the policy is Cluster"),
        (inside(internalTrafficPolicy=None), "the policy is not set"),
        (inside(clusterIP="None", clusterIPs=["None"]), "headless"),
        (inside(type="ExternalName", clusterIP=None), "ExternalName"),
        (inside(meta={"annotations": {"etpguard.dev/ignore": "true"}}), "ignored"),
        (inside(meta={"labels": {"service.kubernetes.io/service-proxy-name": "x"}}), "another proxy serves it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_services_without_an_internal_assessment(service: Service, why: str) -> None:
    assert assessed(service, ON_N1, *NODES)[0] is None, why


@pytest.mark.parametrize("plane", [p for p in DataPlane if p is not DataPlane.KUBE_ROUTER], ids=lambda p: p.value)
def test_a_headless_label_or_another_proxy_ends_it_for_no_rule_by_an_error(plane: DataPlane) -> None:
    """Data planes differ in the labels that they read; each of them gives an answer."""
    labels = {"service.kubernetes.io/headless": ""}
    found, _ = assessed(inside(meta={"labels": labels}), ON_N1, *NODES, planes=one_plane(plane))
    ignored = plane in (DataPlane.CILIUM, DataPlane.CALICO_EBPF)
    assert (found is None) is ignored


@pytest.mark.parametrize("type_", ["ClusterIP", "NodePort", "LoadBalancer"])
@pytest.mark.parametrize("external", ["Local", "Cluster"])
def test_type_and_external_policy_do_not_matter(type_: str, external: str) -> None:
    found, picture = assessed(inside(type=type_, externalTrafficPolicy=external), ON_N1, *NODES)
    assert found is not None
    assert picture.nodes.names(found.uncovered) == ["n2", "n3"]


def test_the_worst_port_decides_and_families_differ() -> None:
    ports = ({"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"})
    both = inside(ports=ports, clusterIPs=["10.96.0.1", "fd00::1"], ipFamilies=["IPv4", "IPv6"])
    slices = (
        endpoint_slice([endpoint("n1"), endpoint("n2")]),
        endpoint_slice([endpoint("n2", "fd00::2")], name="web-2", family="IPv6"),
    )
    found, picture = assessed(both, *slices, *NODES[:2])
    assert found is not None
    shown = {
        (port.state.port, port.state.family): (port.outcome.name, picture.nodes.names(port.uncovered))
        for port in found.ports
    }
    assert shown == {
        ("http", "IPv4"): ("Covered", []),
        ("dns", "IPv4"): ("NoEndpoints", []),
        ("http", "IPv6"): ("Uncovered", ["n1"]),
        ("dns", "IPv6"): ("NoEndpoints", []),
    }
    assert (found.outcome, picture.nodes.names(found.uncovered)) == (Outcome.Uncovered, ["n1"])


@pytest.mark.parametrize("cluster_ip", [None, ""])
def test_a_manifest_without_a_cluster_ip_is_assessed(cluster_ip: str | None) -> None:
    """The API server allocates one when the Service is created."""
    found, _ = assessed(inside(clusterIP=cluster_ip, clusterIPs=None, ipFamilies=None), ON_N1, *NODES)
    assert found is not None
    assert found.outcome is Outcome.Uncovered


def test_mixed_nodes_are_decided_by_their_own_data_plane() -> None:
    windows = node("n2", labels={"kubernetes.io/os": "windows"})
    ending = endpoint_slice([endpoint("n1", **ENDING), endpoint("n2", **ENDING), endpoint("n3")])
    found, picture = assessed(inside(), ending, node("n1"), windows, node("n3"))
    assert found is not None
    assert picture.nodes.names(found.uncovered) == ["n2"]


def test_a_node_that_cannot_be_read_may_be_uncovered() -> None:
    reject = Reject(NODE.name, Key("", "n9"), "u", 5, "Node n9: labels: expected an object")
    found, _ = assessed(inside(), ON_N1, node("n1"), reject)
    assert found is not None
    assert (found.outcome, found.reason.code) == (Outcome.Unknown, "UnreadableNode")


def test_an_unreadable_slice_is_unknown() -> None:
    reject = Reject("EndpointSlice", Key("default", "web-2"), "u", 5, "EndpointSlice web-2: endpoints: bad", WEB)
    found, _ = assessed(inside(), ON_N1, *NODES, reject)
    assert found is not None
    assert (found.outcome, found.reason.code) == (Outcome.Unknown, "UnreadableEndpointSlice")


def test_a_hostname_that_is_not_the_name_of_the_node_is_an_assumption() -> None:
    renamed = record(
        NODE,
        {
            "metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "other"}},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "addresses": [{"type": "Hostname", "address": "other"}],
            },
        },
    )
    found, _ = assessed(inside(), ON_N1, renamed)
    assert found is not None
    assert [text.split(",")[0] for text in found.assumptions] == ["kube-proxy has --hostname-override"]


def test_a_failure_is_that_of_one_service(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = picture_with(inside(), service(), ON_N1, *NODES)
    engine = Engine(picture, [])
    engine.refresh_all()

    def fails(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("etpguard.assess.internal.assess_internal", fails)
    watched = Watched(inside(), ON_N1, *NODES)
    found = watched.engine.internal[WEB]
    assert (found.outcome, found.reason.code) == (Outcome.Unknown, "AssessmentFailed")
    assert WEB in watched.engine.failures


class Undecided:
    """The signs leave Cilium possible beside kube-proxy."""

    def signs(self, node: Node) -> Hashable:
        return ()

    def planes(self, nodes: Mapping[Hashable, int]) -> NodePlanes:
        every = nodes.get((), 0)
        cilium = KnownDataPlane(DataPlane.CILIUM, version="v1.20.2", settings=(), how="a sign")
        other = NodePlanes((PlaneGroup(cilium, every),))
        return NodePlanes((PlaneGroup(KnownDataPlane(DataPlane.KUBE_PROXY), every),), otherwise=(other,))


def test_a_data_plane_that_is_not_certain_leaves_open_what_differs() -> None:
    without_node = endpoint_slice([endpoint("n1"), endpoint(None, "10.0.0.9")])
    found, picture = assessed(inside(), without_node, *NODES, planes=Undecided())
    assert found is not None
    assert (found.outcome, found.reason.code) == (Outcome.Unknown, "DataPlaneNotKnown")
    assert picture.nodes.names(found.unknown) == ["n2", "n3"]
    certain, picture = assessed(inside(), ON_N1, *NODES, planes=Undecided())
    assert certain is not None
    assert (certain.outcome, certain.ports[0].state.client(certain.eligible)) == (
        Outcome.Uncovered,
        Client.NOT_KNOWN,
    )


class TestIncremental:
    """Which changes lead to another look, and what they change."""

    def test_an_endpoint_a_node_and_the_policy(self) -> None:
        watched = Watched(inside(), ON_N1, *NODES)
        engine, names = watched.engine, watched.picture.nodes.names
        assert names(engine.internal[WEB].uncovered) == ["n2", "n3"]
        assert WEB in watched.put(endpoint_slice([endpoint("n1"), endpoint("n2")]))
        assert names(engine.internal[WEB].uncovered) == ["n3"]
        assert WEB in watched.put(node("n3", "False"))
        assert engine.internal[WEB].outcome is Outcome.Covered
        assert WEB in watched.put(inside(internalTrafficPolicy="Cluster"))
        assert not engine.internal
        assert not engine.assessments

    def test_a_node_leads_only_to_services_with_a_policy(self) -> None:
        others = [service(f"plain{n}", externalTrafficPolicy="Cluster") for n in range(3)]
        watched = Watched(inside(), ON_N1, *NODES, *others)
        touched = watched.picture.absorb(watched.picture.store(NODE).replace([node("n2", "False")]))
        assert set(watched.engine.invalidate(touched)) == {WEB}

    def test_labels_that_decide_are_followed(self) -> None:
        picked = inside(meta={"annotations": {"service.cilium.io/node": "a"}})
        picture = picture_with(picked, ON_N1, node("n1", labels={"service.cilium.io/node": "a"}), node("n2"))
        planes = one_plane(DataPlane.CILIUM, version="v1.20.2", settings=())
        engine = Engine(picture, [], Options(data_planes=planes))
        engine.refresh_all()
        before = engine.internal[WEB]
        assert (picture.nodes.names(before.uncovered), before.outcome) == (["n2"], Outcome.Uncovered)
        engine.refresh(picture.absorb(picture.store(NODE).replace([node("n1")])))
        assert picture.nodes.names(engine.internal[WEB].uncovered) == ["n1", "n2"]
