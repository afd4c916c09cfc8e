"""Clusters whose nodes have different data planes, through the engine."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from etpguard.assess import Assessment, DataPlane, Engine, KnownDataPlane, Options, PortState
from etpguard.assess.advice import Advisor
from etpguard.assess.data_planes.cilium import Cilium
from etpguard.assess.data_planes.inputs import Inputs
from etpguard.assess.data_planes.interface import Detector, NodePlanes, PlaneGroup
from etpguard.assess.data_planes.kube_proxy import KubeProxy
from etpguard.assess.data_planes.winkernel import Winkernel
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.node_states import Client, Frontend, ServiceStates
from etpguard.assess.probe import (
    HealthCheckNodePort,
    KubeProxyHealthz,
    NotModelled,
    OtherNodePort,
    OwnNodePort,
    Probe,
)
from etpguard.objects import NODE, Key, Node, Record, Requirement
from etpguard.objects.nodes import ZONE_LABEL
from etpguard.objects.openshift import LOCAL_WITH_FALLBACK
from tests.assess.build import (
    WEB,
    Given,
    consumer,
    endpoint,
    endpoint_slice,
    node,
    one_plane,
    picture_with,
    service,
)
from tests.assess.data_planes.states import ENDING, letters

Json = dict[str, Any]
PLANE = "plane"
CILIUM = KnownDataPlane(DataPlane.CILIUM, version="v1.20.2", settings=())
KUBE_PROXY = KnownDataPlane(DataPlane.KUBE_PROXY)
PLANES = {
    "cilium": CILIUM,
    "calico": KnownDataPlane(DataPlane.CALICO_EBPF, version="v3.30.0"),
    "windows": KnownDataPlane(DataPlane.WINKERNEL),
    "other": KnownDataPlane(DataPlane.OTHER),
    "router": KnownDataPlane(DataPlane.KUBE_ROUTER, settings=()),
    "antrea": KnownDataPlane(DataPlane.ANTREA, settings=(("proxyLoadBalancerIPs", "false"),)),
}


@dataclass(frozen=True)
class ByLabel:
    """Nodes have the data plane that their label names, or kube-proxy."""

    otherwise: Mapping[str, KnownDataPlane] | None = None
    """Another reading of the labels that is possible."""

    def signs(self, node: Node) -> Hashable:
        return node.labels.get(PLANE, "")

    def planes(self, nodes: Mapping[Hashable, int]) -> NodePlanes:
        if not nodes:
            return NodePlanes((PlaneGroup(KUBE_PROXY, 0),))

        def read(names: Mapping[str, KnownDataPlane]) -> tuple[PlaneGroup, ...]:
            return tuple(PlaneGroup(names.get(str(sign), KUBE_PROXY), members) for sign, members in nodes.items())

        others = (NodePlanes(read(self.otherwise)),) if self.otherwise is not None else ()
        return NodePlanes(read(PLANES), otherwise=others)


def labelled(**planes: str) -> list[Node]:
    return [node(name, labels={PLANE: plane} if plane else {}) for name, plane in planes.items()]


class Cluster:
    def __init__(self, *objects: Record, detector: ByLabel | None = None, without_consumer: bool = False) -> None:
        families = [Given() if without_consumer else Given(web=[consumer()])]
        self.picture = picture_with(*objects, families=families)
        self.engine = Engine(self.picture, families, Options(detector or ByLabel()))
        self.engine.refresh_all()

    @property
    def assessment(self) -> Assessment:
        return self.engine.assessments[WEB]

    @property
    def port(self) -> PortState:
        (port,) = self.assessment.ports
        return port

    def letters(self, *names: str) -> str:
        return letters(self.port, self.picture.nodes, names)

    def met(self, name: str) -> Client | None:
        return self.port.client(self.picture.nodes.bit(name))


POOLS = labelled(a="", b="", c="cilium", d="cilium")


@pytest.mark.parametrize(
    ("slices", "spec", "expected"),
    [
        pytest.param([endpoint_slice([endpoint("a"), endpoint("c")])], {}, "RDRD", id="one node in each pool"),
        pytest.param([endpoint_slice([endpoint(None)])], {}, "DDRR", id="without a nodeName"),
        pytest.param(
            [endpoint_slice([endpoint("a"), endpoint("c")], [{"name": "", "protocol": "TCP", "port": 8080}])],
            {},
            "JJRD",
            id="an unnamed port counts for Cilium alone",
        ),
        pytest.param([endpoint_slice()], {}, "JJJJ", id="no endpoint"),
        pytest.param(
            [endpoint_slice([endpoint("a"), endpoint("c")], annotations={"service.cilium.io/weight": "0"})],
            {},
            "RDJJ",
            id="a weight counts for Cilium alone",
        ),
    ],
)
def test_pools_of_kube_proxy_and_of_cilium(slices: list[Record], spec: Json, expected: str) -> None:
    assert Cluster(service(**spec), *slices, *POOLS).letters("a", "b", "c", "d") == expected


def test_a_port_that_one_data_plane_does_not_serve_is_closed_on_its_nodes() -> None:
    made = Cluster(
        service(meta={"annotations": {"service.cilium.io/type": "ClusterIP"}}),
        endpoint_slice([endpoint("a"), endpoint("c")]),
        *POOLS,
    )
    assert made.letters("a", "b", "c", "d") == "RDDD"
    assert (made.met("b"), made.met("c")) == (Client.TIMEOUT, Client.REFUSED)


def test_clients_time_out_in_one_pool_and_are_refused_in_the_other() -> None:
    made = Cluster(service(), endpoint_slice([endpoint("a"), endpoint("c")]), *POOLS)
    assert (made.met("b"), made.met("d")) == (Client.TIMEOUT, Client.REFUSED)
    assert made.port.client(made.assessment.nodes) is Client.MIXED
    assert made.assessment.outcome.name == "TargetsUnhealthy"


def test_windows_and_linux() -> None:
    made = Cluster(
        service(type="LoadBalancer", status={"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}),
        endpoint_slice([endpoint("a", **ENDING), endpoint("b", **ENDING), endpoint("d")]),
        *labelled(a="", b="windows", c="windows", d="windows"),
    )
    assert made.letters("a", "b", "c", "d") == "T?DR"
    assert made.assessment.reason.code == "DataPlaneNotModelled"


def test_one_node_of_another_data_plane_leaves_the_outcome_open() -> None:
    objects = [service(), endpoint_slice([endpoint("a")])]
    assert Cluster(*objects, *labelled(a="", b="other")).assessment.outcome.name == "Unknown"
    alone = Cluster(*objects, *labelled(a="", b="", c="other"), without_consumer=True)
    assert alone.assessment.outcome.name == "Uncovered", "node b is uncovered for certain"


@pytest.mark.parametrize(
    ("probe", "outcome"),
    [
        pytest.param(KubeProxyHealthz(), "Blackhole", id="port 10256"),
        pytest.param(OwnNodePort("health"), "TargetsUnhealthy", id="another port of the Service"),
        pytest.param(OtherNodePort(Key("default", "checked"), "http"), "TargetsUnhealthy", id="another Service"),
        pytest.param(HealthCheckNodePort(), "TargetsUnhealthy", id="healthCheckNodePort"),
    ],
)
def test_what_answers_on_a_node_that_is_not_probed_does_not_matter(probe: Probe, outcome: str) -> None:
    names = ("http", "health")
    ports = [{"name": name, "port": 80, "nodePort": number} for number, name in enumerate(names, 30080)]
    sliced = [{"name": name, "protocol": "TCP", "port": 8080} for name in names]
    without_c = NodeRule((Requirement(PLANE, "NotIn", ("other",)),))
    families = [Given(web=[consumer(probe=probe, nodes=without_c)])]
    objects = [
        service(ports=ports),
        endpoint_slice([endpoint("a")], sliced),
        service("checked"),
        endpoint_slice([endpoint("a")], name="checked-1", of="checked"),
        *labelled(a="", b="", c="other"),
    ]
    engine = Engine(picture_with(*objects, families=families), families, Options(ByLabel()))
    engine.refresh_all()
    assert engine.assessments[WEB].consumers[0].outcome.name == outcome


HINTED = [{**endpoint(name), "hints": {"forZones": [{"name": zone}]}} for name, zone in (("a", "y"), ("b", "x"))]


@pytest.mark.parametrize(
    ("endpoints", "detector", "local"),
    [
        pytest.param(HINTED, one_plane(DataPlane.CALICO_EBPF), "CalicoVersionNotKnown", id="Calico"),
        pytest.param([endpoint(None)], ByLabel(otherwise={"": CILIUM}), "DataPlaneNotKnown", id="two planes"),
        pytest.param(
            [endpoint("a"), endpoint("b", **ENDING)],
            one_plane(DataPlane.WINKERNEL),
            "DataPlaneNotModelled",
            id="Windows",
        ),
        pytest.param(
            [endpoint("a")],
            one_plane(DataPlane.OVN_KUBERNETES),
            "LocalWithFallback",
            id="OVN-Kubernetes",
        ),
    ],
)
def test_what_is_not_known_under_local_alone(endpoints: list[Json], detector: Detector, local: str) -> None:
    """Another Service is probed. Under Cluster, each node forwards in all possible cases."""
    fallback = {"annotations": {LOCAL_WITH_FALLBACK: ""}} if local == "LocalWithFallback" else {}
    status = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}
    probe = OtherNodePort(Key("default", "checked"), "http")

    def passes(policy: str) -> int | NotModelled:
        checked = service(
            "checked", type="LoadBalancer", status=status, meta=fallback, externalTrafficPolicy=policy
        )
        objects = [
            service(),
            endpoint_slice([endpoint("a")]),
            checked,
            endpoint_slice(endpoints, name="checked-1", of="checked"),
            *(node(name, labels={ZONE_LABEL: "x"}) for name in "ab"),
        ]
        families = [Given(web=[consumer(probe=probe)])]
        engine = Engine(picture_with(*objects, families=families), families, Options(detector))
        engine.refresh_all()
        states = engine.states(probe.service)
        assert states is not None
        (port,) = states.ports
        assert {each.reason.code for each in port.uncertain} == {local}
        return engine.probe_passes(WEB, consumer(probe=probe), "IPv4", 0b11)

    assert isinstance(passes("Local"), NotModelled)
    assert passes("Cluster") == 0b11


def test_what_is_not_known_under_cluster_either() -> None:
    """Only one of two possible data planes uses terminating endpoints."""
    detector = ByLabel(otherwise={"": PLANES["calico"]})
    probe = OtherNodePort(Key("default", "checked"), "http")
    families = [Given(web=[consumer(probe=probe)])]
    objects = [
        service(),
        service("checked", externalTrafficPolicy="Cluster"),
        endpoint_slice([endpoint("a", **ENDING)], name="checked-1", of="checked"),
        *labelled(a="", b=""),
    ]
    engine = Engine(picture_with(*objects, families=families), families, Options(detector))
    engine.refresh_all()
    assert isinstance(engine.probe_passes(WEB, consumer(probe=probe), "IPv4", 0b11), NotModelled)


def test_a_migration_node_by_node() -> None:
    """Each node changes its data plane, and the assessment is that of a new engine."""
    objects = [service(), endpoint_slice([endpoint(None), endpoint("b")])]
    made = Cluster(*objects, *labelled(a="", b="", c=""))
    seen = [made.letters("a", "b", "c")]
    for done in ("a", "b", "c"):
        after = {name: "cilium" if name <= done else "" for name in "abc"}
        store = made.picture.store(NODE)
        made.engine.refresh(made.picture.absorb(store.replace(labelled(**after))))
        fresh = Cluster(*objects, *labelled(**after))
        assert made.letters("a", "b", "c") == fresh.letters("a", "b", "c")
        assert made.assessment.outcome is fresh.assessment.outcome
        seen.append(made.letters("a", "b", "c"))
    assert seen == ["DRD", "RRD", "RRD", "RRR"]


def test_another_detector_assesses_every_service_again() -> None:
    made = Cluster(service(), endpoint_slice([endpoint(None)]), *labelled(a="", b=""))
    assert made.letters("a", "b") == "DD"
    made.engine.use_data_planes(AllCilium())
    made.engine.refresh(made.picture.absorb([]))
    assert made.letters("a", "b") == "RR"


class AllCilium(ByLabel):
    def planes(self, nodes: Mapping[Hashable, int]) -> NodePlanes:
        members = 0
        for each in nodes.values():
            members |= each
        return NodePlanes((PlaneGroup(CILIUM, members),))


@pytest.mark.parametrize(
    ("endpoints", "outcome"),
    [
        pytest.param([endpoint("a"), endpoint("b")], "Covered", id="both agree"),
        pytest.param([endpoint(None)], "Unknown", id="they differ"),
    ],
)
def test_an_outcome_that_another_possible_data_plane_changes_is_unknown(
    endpoints: list[Json], outcome: str
) -> None:
    possible = ByLabel(otherwise={"": CILIUM})
    found = Cluster(service(), endpoint_slice(endpoints), *labelled(a="", b=""), detector=possible).assessment
    assert found.outcome.name == outcome
    if outcome == "Unknown":
        assert found.reason.code == "DataPlaneNotKnown"
        assert [verdict.outcome.name for verdict in found.consumers] == ["Unknown"]


def test_labels_of_nodes_decide_where_cilium_installs_a_service() -> None:
    subject = service(meta={"annotations": {"service.cilium.io/node": "edge"}})
    edge = {PLANE: "cilium", "service.cilium.io/node": "edge"}
    nodes = [node("a", labels=edge), node("b", labels={PLANE: "cilium"})]
    made = Cluster(subject, endpoint_slice([endpoint("a"), endpoint("b", "10.0.0.9")]), *nodes)
    assert made.letters("a", "b") == "RD"
    store = made.picture.store(NODE)
    both = [node("a", labels=edge), node("b", labels=edge)]
    made.engine.refresh(made.picture.absorb(store.replace(both)))
    assert made.letters("a", "b") == "RR"


@pytest.mark.parametrize(
    ("planes", "annotation", "assessed"),
    [
        pytest.param({"a": "router", "b": "router"}, "true", True, id="all nodes have kube-router"),
        pytest.param({"a": "router", "b": "router"}, "false", False, id="the annotation says no"),
        pytest.param({"a": "router", "b": ""}, "true", False, id="another node forwards to any endpoint"),
        pytest.param({"a": "", "b": ""}, "true", False, id="kube-proxy does not read it"),
    ],
)
def test_an_annotation_of_kube_router_makes_a_service_local(
    planes: dict[str, str], annotation: str, assessed: bool
) -> None:
    meta = {"annotations": {"kube-router.io/service.local": annotation}}
    subject = service(externalTrafficPolicy="Cluster", meta=meta)
    ready = endpoint("a", ready=True, serving=True)
    made = Cluster(subject, endpoint_slice([ready]), *labelled(**planes), without_consumer=True)
    assert (WEB in made.engine.assessments) is assessed
    if assessed:
        assert made.assessment.forced_local == "kube-router.io/service.local"
        assert made.assessment.outcome.name == "Uncovered"
        assert any("kube-router.io/service.local" in text for text in made.assessment.assumptions)


@pytest.mark.parametrize(
    ("planes", "annotation", "forced"),
    [
        pytest.param({"a": "router", "b": ""}, "true", True, id="on one node"),
        pytest.param({"a": "router", "b": ""}, "false", False, id="the annotation says no"),
        pytest.param({"a": "", "b": ""}, "true", False, id="no node reads it"),
    ],
)
def test_a_service_that_an_annotation_keeps_local(planes: dict[str, str], annotation: str, forced: bool) -> None:
    """The advice is to remove the annotation, since Cluster alone has no effect."""
    subject = service(meta={"annotations": {"kube-router.io/service.local": annotation}})
    ready = endpoint("a", ready=True, serving=True)
    made = Cluster(subject, endpoint_slice([ready]), *labelled(**planes), without_consumer=True)
    assert bool(made.assessment.forced_local) is forced
    advised = [item.title for item in Advisor(made.picture, [Given()])(made.assessment)]
    assert ("Remove the annotation kube-router.io/service.local" in advised) is forced
    assert ("Let every node forward" in advised) is not forced


def test_an_annotation_needs_no_removal_where_nothing_is_wrong() -> None:
    subject = service(meta={"annotations": {"kube-router.io/service.local": "true"}})
    ready = endpoint("a", ready=True, serving=True)
    made = Cluster(subject, endpoint_slice([ready]), *labelled(a="router"), without_consumer=True)
    assert Advisor(made.picture, [Given()])(made.assessment) == []


@pytest.mark.parametrize("plane", ["", "cilium"])
def test_a_service_without_a_frontend_is_not_reachable(plane: str) -> None:
    """Cilium serves the cluster IP alone."""
    subject = service(meta={"annotations": {"service.cilium.io/type": "ClusterIP"}})
    made = Cluster(subject, endpoint_slice([endpoint("a")]), *labelled(a=plane), without_consumer=True)
    assert (WEB in made.engine.assessments) is (plane == "")


def test_a_node_that_comes_or_goes_computes_no_rule_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only another data plane does, as only it makes the engine find the consumers again."""
    made = Cluster(service(), endpoint_slice([endpoint("a"), endpoint(None)]), *labelled(a="", b="cilium"))
    store = made.picture.store(NODE)

    def letters_with(**planes: str) -> tuple[str, int]:
        calls: list[str] = []

        def counted(plain: Callable[[Any, Inputs], ServiceStates]) -> Callable[[Any, Inputs], ServiceStates]:
            def states(rule: Any, inputs: Inputs) -> ServiceStates:
                calls.append(type(rule).__name__)
                return plain(rule, inputs)

            return states

        for rule in (KubeProxy, Cilium, Winkernel):
            monkeypatch.setattr(rule, "states", counted(rule.states))
        made.engine.refresh(made.picture.absorb(store.replace(labelled(**planes))))
        monkeypatch.undo()
        fresh = Cluster(service(), endpoint_slice([endpoint("a"), endpoint(None)]), *labelled(**planes))
        found = made.letters(*planes)
        assert found == fresh.letters(*planes)
        assert made.assessment.outcome is fresh.assessment.outcome
        return found, len(calls)

    assert letters_with(a="", b="cilium", c="cilium", d="") == ("RRRD", 0)
    assert letters_with(a="cilium", b="", c="cilium") == ("RDR", 0)
    _, computed = letters_with(a="cilium", b="windows", c="cilium")
    assert computed > 0


@pytest.mark.parametrize(
    ("plane", "otherwise", "expected"),
    [
        pytest.param("antrea", None, "?DD", id="on the nodes of its plane"),
        pytest.param("", {"": PLANES["antrea"]}, "???", id="where a plane is possible"),
    ],
)
def test_a_doubt_about_the_address_of_the_load_balancer_alone(
    plane: str, otherwise: Mapping[str, KnownDataPlane] | None, expected: str
) -> None:
    subject = service(type="LoadBalancer", status={"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}})
    cluster = Cluster(
        subject, endpoint_slice([endpoint("n1")]), *labelled(n1=plane, n2="", n3=""), detector=ByLabel(otherwise)
    )
    (port,) = cluster.assessment.ports
    table = cluster.picture.nodes
    assert letters(port.seen_through(Frontend.VIP), table) == expected
