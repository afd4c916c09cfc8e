"""From objects to the outcome of a Service: each rule of the design as a named case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from etpguard.assess import DataPlane, Engine, Options, Outcome
from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.targets import HealthCheck, NodeTargets
from etpguard.assess.node_rule import AUTOSCALER_TAINT, Hosts, NodeRule
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import (
    AnswersEverywhere,
    HealthCheckNodePort,
    KubeProxyHealthz,
    NotModelled,
    OtherNodePort,
)
from etpguard.objects import INGRESS, SERVICE_COVERAGE, AnyKind, Key, Record, Reject, Requirement
from etpguard.objects.aws import TARGET_GROUP_BINDING
from tests.assess.build import (
    NODES,
    ON_N1,
    OWN_PORT,
    WEB,
    Given,
    assess,
    consumer,
    endpoint,
    endpoint_slice,
    node,
    one_plane,
    picture_with,
    service,
)

Json = dict[str, Any]


def verdict_of(*consumers: Consumer, objects: Iterable[Record] = (), **given: Any) -> str:
    """Outcome, reason, and counts of the Service `web`, with an endpoint on n1 of three nodes."""
    found, _ = assess(service(), ON_N1, *NODES, *objects, consumers=consumers, **given)
    assert found is not None
    counts = f"{found.uncovered.bit_count()}/{found.eligible.bit_count()}"
    return f"{found.outcome} {found.reason.code} {counts}"


PODS = consumer("pods", nodes=None)


@pytest.mark.parametrize(
    ("consumers", "expected"),
    [
        pytest.param([], "Uncovered NoKnownConsumer 2/3", id="no known consumer"),
        pytest.param([consumer()], "TargetsUnhealthy TargetsUnhealthy 2/3", id="the probe fails where it should"),
        pytest.param(
            [consumer(probe=KubeProxyHealthz())], "Blackhole Blackhole 2/3", id="the probe knows nothing"
        ),
        pytest.param([consumer(probe=HealthCheckNodePort())], "TargetsUnhealthy TargetsUnhealthy 2/3", id="HCNP"),
        pytest.param([consumer(probe=HealthCheckNodePort(True))], "Blackhole Blackhole 2/3", id="HCNP by TCP"),
        pytest.param(
            [consumer(probe=NotModelled("x"))], "Unknown HealthCheckPortNotModelled 2/3", id="probe not modelled"
        ),
        pytest.param([PODS], "NotAffected TargetsPods 0/0", id="targets pods"),
        pytest.param([PODS, consumer()], "TargetsUnhealthy TargetsUnhealthy 2/3", id="the worst consumer counts"),
        pytest.param([consumer(incidental=True)], "Uncovered NoKnownConsumer 2/3", id="incidental: none is known"),
        pytest.param(
            [consumer(incidental=True, probe=AnswersEverywhere()), consumer()],
            "TargetsUnhealthy TargetsUnhealthy 2/3",
            id="incidental: its own outcome does not count",
        ),
        pytest.param([consumer(unknown=Reason("Odd"))], "Unknown Odd 2/3", id="unknown, nodes still reported"),
        pytest.param([consumer(unknown=Reason("Odd"), nodes=None)], "Unknown Odd 0/0", id="unknown without nodes"),
        pytest.param(
            [consumer(unknown=Reason("Odd")), consumer("b", AnswersEverywhere())],
            "Blackhole Blackhole 2/3",
            id="a known Blackhole is worse than Unknown",
        ),
        pytest.param(
            [consumer(unknown=Reason("Odd")), consumer("b")],
            "Unknown Odd 2/3",
            id="Unknown is worse than unhealthy",
        ),
        pytest.param([consumer(port="other")], "Unknown PortNotServed 0/3", id="a port that is not served"),
        pytest.param(
            [consumer(ip_families=("IPv6",))], "Unknown PortNotServed 0/3", id="a family that is not served"
        ),
        pytest.param([consumer(max_targets=2)], "Unknown TargetsCapped 2/3", id="capped below the eligible"),
        pytest.param(
            [consumer(max_targets=3)], "TargetsUnhealthy TargetsUnhealthy 2/3", id="a cap that is not hit"
        ),
        pytest.param(
            [consumer(nodes=NodeRule(provider_id="i-.*"))],
            "Unknown RegistrationBlocked 2/3",
            id="providerID blocks",
        ),
        pytest.param(
            [consumer(unless_covered=Reason("Which"))], "Unknown Which 2/3", id="unless covered: it is not"
        ),
    ],
)
def test_outcome_with_consumers(consumers: list[Consumer], expected: str) -> None:
    assert verdict_of(*consumers) == expected


EVERYWHERE = endpoint_slice([endpoint(n) for n in ("n1", "n2", "n3")])
ELSEWHERE = endpoint_slice([endpoint("gone")])
NOWHERE = endpoint_slice([])
ENDING = endpoint_slice([endpoint("n1", ready=False, serving=True, terminating=True)])
STARTING = endpoint_slice([endpoint("n1"), endpoint("n2", ready=False)])


@pytest.mark.parametrize(
    ("consumers", "slice_", "expected"),
    [
        pytest.param([], EVERYWHERE, "Covered NoKnownConsumer 0/3", id="none known: covered"),
        pytest.param([], ELSEWHERE, "Uncovered NoKnownConsumer 3/3", id="none known: uncovered, be it all"),
        pytest.param([], NOWHERE, "NoEndpoints NoKnownConsumer 0/3", id="none known: no endpoints"),
        pytest.param([consumer()], EVERYWHERE, "Covered Covered 0/3", id="covered"),
        pytest.param([consumer()], ELSEWHERE, "Outage Outage 3/3", id="outage"),
        pytest.param([consumer()], NOWHERE, "NoEndpoints NoEndpoints 0/3", id="no endpoints"),
        pytest.param([consumer()], ENDING, "TargetsUnhealthy TargetsUnhealthy 2/3", id="terminating ones forward"),
        pytest.param(
            [consumer(probe=NotModelled("x"))], ELSEWHERE, "Outage Outage 3/3", id="outage whatever the probe says"
        ),
        pytest.param([consumer(max_targets=1)], ELSEWHERE, "Outage Outage 3/3", id="outage whichever are picked"),
        pytest.param(
            [consumer(probe=NotModelled("x"))],
            EVERYWHERE,
            "Covered Covered 0/3",
            id="covered whatever the probe says",
        ),
        pytest.param(
            [consumer(max_targets=1)], EVERYWHERE, "Covered Covered 0/3", id="covered whichever are picked"
        ),
        pytest.param(
            [consumer(unless_covered=Reason("Which"))],
            EVERYWHERE,
            "Covered Covered 0/3",
            id="unless covered: it is",
        ),
        pytest.param(
            [consumer(nodes=NodeRule(hosts=Hosts.USABLE))],
            ON_N1,
            "Covered Covered 0/1",
            id="follows endpoints",
        ),
        pytest.param(
            [consumer(nodes=NodeRule(hosts=Hosts.READY_OF_PORT))],
            ON_N1,
            "Covered Covered 0/1",
            id="nodes with a ready endpoint of the port",
        ),
        pytest.param(
            [consumer(nodes=NodeRule(hosts=Hosts.READY_OF_PORT))],
            ENDING,
            "NoTargets NoTargets 0/0",
            id="a terminating one is not ready",
        ),
        pytest.param(
            [consumer(nodes=NodeRule(hosts=Hosts.NOT_TERMINATING))],
            STARTING,
            "TargetsUnhealthy TargetsUnhealthy 1/2",
            id="nodes with an endpoint that is not terminating",
        ),
        pytest.param(
            [consumer(nodes=NodeRule(hosts=Hosts.NOT_TERMINATING))],
            ENDING,
            "NoTargets NoTargets 0/0",
            id="a terminating one does not count",
        ),
        pytest.param(
            [consumer(nodes=NodeRule(hosts=Hosts.ANY))],
            ENDING,
            "Covered Covered 0/1",
            id="any endpoint",
        ),
    ],
)
def test_outcome_by_endpoints(consumers: list[Consumer], slice_: Record, expected: str) -> None:
    found, _ = assess(service(), slice_, *NODES, consumers=consumers)
    assert found is not None
    counts = f"{found.uncovered.bit_count()}/{found.eligible.bit_count()}"
    assert f"{found.outcome} {found.reason.code} {counts}" == expected


@pytest.mark.parametrize(
    ("data_plane", "expected"),
    [
        pytest.param(DataPlane.KUBE_PROXY, "Blackhole Blackhole 2/3", id="kube-proxy answers there"),
        pytest.param(DataPlane.CILIUM, "Unknown HealthCheckPortNotModelled 2/3", id="Cilium may not"),
    ],
)
def test_a_check_of_10256(data_plane: DataPlane, expected: str) -> None:
    assert verdict_of(consumer(probe=KubeProxyHealthz()), options=Options(one_plane(data_plane))) == expected


@pytest.mark.parametrize(
    ("data_plane", "version", "deleted", "tainted"),
    [
        (DataPlane.KUBE_PROXY, "", "TargetsUnhealthy", "TargetsUnhealthy"),
        (DataPlane.CALICO_EBPF, "v3.32.1", "Blackhole", "Blackhole"),
        (DataPlane.CILIUM, "v1.20.2", "TargetsUnhealthy", "Blackhole"),
        (DataPlane.CILIUM, "", "Unknown", "Blackhole"),
    ],
)
def test_a_check_of_10256_on_a_node_about_to_leave(
    data_plane: DataPlane, version: str, deleted: str, tainted: str
) -> None:
    """pkg/proxy/healthcheck/proxy_health.go NodeEligible."""
    own = (
        ("healthz-of-kube-proxy", "false"),
        ("kube-proxy-replacement-healthz-bind-address", "0.0.0.0:10256"),
    )
    options = Options(one_plane(data_plane, version=version, settings=own))
    rule = NodeRule(taints=())
    for leaving, expected in (
        (node("n2", deleting=True), deleted),
        (node("n2", taints=[{"key": AUTOSCALER_TAINT}]), tainted),
    ):
        given = [consumer(probe=KubeProxyHealthz(), nodes=rule)]
        found, _ = assess(service(), ON_N1, node("n1"), leaving, consumers=given, options=options)
        assert found is not None
        assert found.outcome.name == expected


def test_no_endpoints_comes_before_no_targets() -> None:
    assert outcome(service(), NOWHERE, consumers=[consumer()]) == "NoEndpoints"
    assert outcome(service(), ELSEWHERE, consumers=[consumer()]) == "NoTargets"
    assert outcome(service(), ELSEWHERE) == "NoTargets"


def test_a_load_balancer_may_keep_its_targets_where_none_match() -> None:
    targets = NodeTargets(NodeRule(), HealthCheck(OWN_PORT), keeps_targets=Reason("Kept"))
    assert outcome(service(), ELSEWHERE, consumers=[replace(consumer(), targets=targets)]) == "Unknown"
    assert outcome(service(), ELSEWHERE, *NODES, consumers=[replace(consumer(), targets=targets)]) == "Outage"


def outcome(*objects: Record | Reject, **given: Any) -> str | None:
    found, _ = assess(*objects, **given)
    return found.outcome.name if found else None


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, "Uncovered", id="NodePort under Local"),
        pytest.param({"externalTrafficPolicy": "Cluster"}, None, id="the policy is not Local"),
        pytest.param({"externalTrafficPolicy": None}, None, id="no policy at all"),
        pytest.param({"type": "ClusterIP"}, None, id="the type takes no policy"),
        pytest.param({"meta": {"annotations": {"etpguard.dev/ignore": "true"}}}, None, id="ignored"),
        pytest.param(
            {"meta": {"annotations": {"etpguard.dev/ignore": "no"}}}, "Uncovered", id="ignored, said wrongly"
        ),
        pytest.param(
            {"selector": {"statefulset.kubernetes.io/pod-name": "web-0"}}, "NotAffected", id="addressed per node"
        ),
        pytest.param({"selector": {"apps.kubernetes.io/pod-index": "0"}}, "NotAffected", id="addressed per index"),
        pytest.param({"selector": {"app": "web"}}, "Uncovered", id="any other selector"),
    ],
)
def test_what_is_assessed(spec: Json, expected: str | None) -> None:
    assert outcome(service(**spec), ON_N1, *NODES) == expected


def test_addressed_per_node_only_without_a_consumer() -> None:
    per_node = service(selector={"apps.kubernetes.io/pod-index": "0"})
    assert outcome(per_node, ON_N1, *NODES, consumers=[consumer()]) == "TargetsUnhealthy"
    assert outcome(per_node, ON_N1, *NODES, unread={INGRESS: "forbidden"}) == "Unknown"


@pytest.mark.parametrize(
    ("given", "consumers", "expected"),
    [
        pytest.param({"unread": {INGRESS: "403"}}, [], "Unknown ConsumersNotReadable 0/0", id="Ingresses unread"),
        pytest.param(
            {"unread": {INGRESS: "403"}, "options": Options(unread_is_unknown=False)},
            [],
            "Uncovered NoKnownConsumer 2/3",
            id="Ingresses unread, from files",
        ),
        pytest.param(
            {"unread": {INGRESS: "403"}},
            [consumer()],
            "Unknown ConsumersNotReadable 2/3",
            id="Ingresses unread, beside a known consumer that loses nothing",
        ),
        pytest.param(
            {"unread": {SERVICE_COVERAGE: "403"}}, [], "Uncovered NoKnownConsumer 2/3", id="own reports unread"
        ),
        pytest.param(
            {"options": Options(one_plane(DataPlane.OTHER))},
            [],
            "Unknown DataPlaneNotModelled 0/3",
            id="another data plane",
        ),
        pytest.param(
            {"options": Options(one_plane(DataPlane.OTHER))},
            [consumer()],
            "Unknown DataPlaneNotModelled 0/3",
            id="another data plane, through a consumer",
        ),
        pytest.param(
            {"options": Options(one_plane(DataPlane.OTHER))},
            [PODS],
            "NotAffected TargetsPods 0/0",
            id="another data plane does not change where pods are the targets",
        ),
    ],
)
def test_unknown_where_an_input_is_missing(given: Json, consumers: list[Consumer], expected: str) -> None:
    assert verdict_of(*consumers, **given) == expected


def test_node_ports_that_some_nodes_do_not_serve() -> None:
    """OpenYurt's listen annotation, and edge nodes of KubeEdge, through a known consumer too."""
    listen = service(meta={"annotations": {"nodeport.openyurt.io/listen": "pool-a"}})
    assert outcome(listen, ON_N1, *NODES, consumers=[consumer()]) == "Unknown"
    edge = node("n1", labels={"node-role.kubernetes.io/edge": ""})
    assert outcome(service(), ON_N1, edge, *NODES[1:], consumers=[consumer()]) == "Unknown"
    assert outcome(service(), ON_N1, *NODES[1:], node("n1"), consumers=[consumer()]) == "TargetsUnhealthy"
    lossy = consumer(probe=AnswersEverywhere())
    assert outcome(service(), ON_N1, edge, *NODES[1:], consumers=[lossy]) == "Blackhole"
    assert outcome(service(), ON_N1, edge) == "Unknown"
    assert outcome(service(), endpoint_slice([]), edge) == "NoEndpoints", "wherever it is served"


def test_unknown_without_any_endpoint_slice() -> None:
    found, picture = assess(service(), *NODES, consumers=[consumer()])
    assert found is not None
    assert (found.outcome, found.reason.code) == (Outcome.Unknown, "NoEndpointSlices")
    assert picture.nodes.names(found.eligible) == ["n1", "n2", "n3"], "the nodes are still listed"
    assert found.nodes == 0, "no state is known of any of them"


def test_unknown_with_a_slice_that_cannot_be_read() -> None:
    bad = Reject("EndpointSlice", Key("default", "web-2"), "u", 5, "EndpointSlice default/web-2: ports: bad", WEB)
    found, _ = assess(service(), ON_N1, bad, *NODES)
    assert found is not None
    assert (found.outcome, str(found.reason)) == (Outcome.Unknown, f"UnreadableEndpointSlice: {bad.message}")


def test_unknown_with_a_health_check_of_a_service_of_which_a_slice_cannot_be_read() -> None:
    """The endpoint of n2 may be in that slice: then its health check passes on an uncovered node."""
    checks = service("checks", [{"name": "http", "port": 80, "nodePort": 30090}])
    known = endpoint_slice([endpoint("n1")], name="checks-1", of="checks")
    bad = Reject("EndpointSlice", Key("default", "checks-2"), "u", 5, "checks-2: bad", checks.key)
    probing = consumer(probe=OtherNodePort(checks.key, "http"))
    assert outcome(service(), ON_N1, *NODES, checks, known, consumers=[probing]) == "TargetsUnhealthy"
    found, _ = assess(service(), ON_N1, *NODES, checks, known, bad, consumers=[probing])
    assert found is not None
    assert (found.outcome, found.reason.code) == (Outcome.Unknown, "HealthCheckPortNotModelled")
    assert "checks-2: bad" in found.reason.detail


def test_a_port_that_is_not_known_hides_no_loss_of_another_one() -> None:
    """Calico's eBPF data plane does not support SCTP, so what happens to that port is not known."""
    web = {"name": "http", "port": 80, "nodePort": 30080}
    sctp = {"name": "sctp", "port": 81, "nodePort": 30081, "protocol": "SCTP"}
    calico = Options(one_plane(DataPlane.CALICO_EBPF, version="v3.32.1", settings=()))
    for ports, expected in (
        ((web, sctp), "Uncovered NoKnownConsumer 2/3"),
        ((sctp,), "Unknown ProtocolNotServed 0/3"),
    ):
        found, _ = assess(service(ports=ports), ON_N1, *NODES, options=calico)
        assert found is not None
        counts = f"{found.uncovered.bit_count()}/{found.eligible.bit_count()}"
        assert f"{found.outcome} {found.reason.code} {counts}" == expected
        assert found.resilience is None, "that of a port is not known"


def test_an_ingress_that_cannot_be_read_may_be_a_consumer() -> None:
    bad = Reject("Ingress", Key("default", "odd"), "u", 5, "Ingress default/odd: spec: bad")
    elsewhere = bad._replace(key=Key("other", "odd"))
    assert outcome(service(), ON_N1, *NODES, bad) == "Unknown"
    assert outcome(service(), ON_N1, *NODES, elsewhere) == "Uncovered"
    assert outcome(service(), ON_N1, *NODES, bad, options=Options(unread_is_unknown=False)) == "Uncovered"


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(PODS, "NotAffected", id="the known one sends to pods"),
        pytest.param(consumer(), "TargetsUnhealthy", id="the known one loses nothing"),
        pytest.param(consumer(probe=AnswersEverywhere()), "Blackhole", id="the known one loses traffic"),
    ],
)
def test_a_consumer_that_is_not_seen_beside_a_known_one(known: Consumer, expected: str) -> None:
    """A kind or an object that cannot be read may be worse than the known consumer, and no better than a loss."""
    bad = Reject("Ingress", Key("default", "odd"), "u", 5, "Ingress default/odd: spec: bad")
    hidden = expected if expected == "Blackhole" else "Unknown"
    from_files = Options(unread_is_unknown=False)
    for objects, unread in (((bad,), {}), ((), {INGRESS: "403"})):
        given: Json = {"consumers": [known], "unread": unread}
        assert outcome(service(), ON_N1, *NODES, *objects, **given) == hidden
        assert outcome(service(), ON_N1, *NODES, *objects, **given, options=from_files) == expected
    assert outcome(service(), ON_N1, *NODES, bad._replace(key=Key("other", "odd")), consumers=[known]) == expected


WINDOWS: Json = {"kubernetes.io/os": "windows"}


@pytest.mark.parametrize(
    ("windows", "consumers", "expected"),
    [
        pytest.param("n2", [consumer()], "TargetsUnhealthy", id="an uncovered one"),
        pytest.param("n1", [consumer()], "TargetsUnhealthy", id="one with a ready endpoint"),
        pytest.param("n2", [], "Uncovered", id="without a consumer, another node is uncovered for certain"),
    ],
)
def test_windows_nodes(windows: str, consumers: list[Consumer], expected: str) -> None:
    nodes = [node(n, labels=WINDOWS if n == windows else {}) for n in ("n1", "n2", "n3")]
    assert outcome(service(), ON_N1, *nodes, consumers=consumers) == expected


def test_a_windows_node_without_an_endpoint_is_uncovered() -> None:
    nodes = [node("n1"), node("n2", labels=WINDOWS)]
    assert outcome(service(), ON_N1, *nodes) == "Uncovered"


DUAL: Json = {"ipFamilies": ["IPv4", "IPv6"], "clusterIPs": ["10.96.0.1", "fd00::1"]}
V6_ON_N2 = endpoint_slice([endpoint("n2", "2001:db8::2")], family="IPv6", name="web-6")


def test_dual_stack_is_the_worst_of_its_families() -> None:
    both = consumer(ip_families=("IPv4", "IPv6"))
    four, six = consumer("four"), consumer("six", ip_families=("IPv6",))
    found, picture = assess(service(**DUAL), EVERYWHERE, V6_ON_N2, *NODES, consumers=[both, four, six])
    assert found is not None
    assert [v.outcome.name for v in found.consumers] == ["TargetsUnhealthy", "Covered", "TargetsUnhealthy"]
    assert picture.nodes.names(found.uncovered) == ["n1", "n3"]


def test_ties_go_to_the_most_uncovered() -> None:
    four = [*NODES, node("n4")]
    two_ports = service(ports=[{"name": p, "port": 1, "nodePort": 30000 + i} for i, p in enumerate("ab")])
    slices = [
        endpoint_slice([endpoint("n1"), endpoint("n2")], [{"name": "a", "protocol": "TCP", "port": 1}], name="a"),
        endpoint_slice([endpoint("n1")], [{"name": "b", "protocol": "TCP", "port": 1}], name="b"),
    ]
    found, picture = assess(
        two_ports, *slices, *four, consumers=[consumer("a", port="a"), consumer("b", port="b")]
    )
    assert found is not None
    assert picture.nodes.names(found.uncovered) == ["n2", "n3", "n4"], "the counts are those of port b"


def test_a_port_that_no_consumer_targets_does_not_count() -> None:
    two = service(
        ports=[{"name": "http", "port": 80, "nodePort": 30080}, {"name": "x", "port": 81, "nodePort": 30081}]
    )
    assert outcome(two, EVERYWHERE, *NODES, consumers=[consumer()]) == "Covered"
    assert outcome(two, EVERYWHERE, *NODES) == "NoEndpoints", "without a consumer every port counts"


def test_counts_are_of_nodes_that_exist() -> None:
    found, picture = assess(
        service(),
        endpoint_slice([endpoint(None), endpoint("gone")]),
        *NODES,
        options=Options(one_plane(DataPlane.CILIUM)),
    )
    assert found is not None
    assert found.outcome is Outcome.Covered
    assert picture.nodes.names(found.ports[0].ready & found.nodes) == ["n1", "n2", "n3"]


def test_a_blocked_registration_names_the_node() -> None:
    unusable: Sequence[Consumer] = [consumer(nodes=NodeRule(provider_id="aws://.*"))]
    found, picture = assess(
        service(), ON_N1, node("n1", provider_id="aws:///a/i-1"), node("n2"), consumers=unusable
    )
    assert found is not None
    assert found.reason.code == "RegistrationBlocked"
    assert "node n2" in found.reason.detail
    assert picture.nodes.names(found.eligible) == ["n1", "n2"]


RENAMED = node("n1", labels={"kubernetes.io/hostname": "ip-10-0-0-1"})
OVERRIDE = (
    "kube-proxy has --hostname-override, since the hostname of node n1 differs from the name of the Node. "
    "Without this flag, kube-proxy finds no local endpoint there"
)


@pytest.mark.parametrize(
    ("nodes", "consumers", "options", "assumptions"),
    [
        pytest.param(NODES, [consumer()], None, (), id="none"),
        pytest.param([RENAMED], [consumer()], None, (OVERRIDE,), id="a node with endpoints has another hostname"),
        pytest.param(
            [node("n2", labels={"kubernetes.io/hostname": "x"})], [], None, (), id="a node without endpoints"
        ),
        pytest.param(
            [RENAMED], [], Options(one_plane(DataPlane.CILIUM)), (), id="Cilium does not compare hostnames"
        ),
        pytest.param([RENAMED], [PODS], None, (), id="pods are addressed directly"),
        pytest.param(
            NODES,
            [consumer("a", assumptions=("x",)), consumer("b", assumptions=("x", "y"))],
            None,
            ("x", "y"),
            id="those of its consumers, each once",
        ),
        pytest.param(
            NODES, [consumer(incidental=True, assumptions=("x",))], None, (), id="an incidental consumer"
        ),
    ],
)
def test_assumptions_of_a_service(
    nodes: Sequence[Record], consumers: Sequence[Consumer], options: Options | None, assumptions: tuple[str, ...]
) -> None:
    found, _ = assess(service(), ON_N1, *NODES, *nodes, consumers=consumers, options=options)
    assert found is not None
    assert found.assumptions == assumptions


def test_no_target_names_what_excludes_the_nodes() -> None:
    nobody = NodeRule(requirements=(Requirement("pool", "In", ("edge",)),))
    found, _ = assess(service(), ON_N1, *NODES, consumers=[consumer(nodes=nobody)])
    assert found is not None
    assert found.reason == Reason("NoTargets", "the selector pool=edge excludes 3 nodes")


@pytest.mark.parametrize(
    "asks",
    [
        pytest.param({"hosts": Hosts.USABLE}, id="that get traffic"),
        pytest.param({"hosts": Hosts.ANY}, id="of any condition"),
        pytest.param({"hosts": Hosts.NOT_TERMINATING}, id="that do not terminate"),
        pytest.param({"hosts": Hosts.READY_OF_PORT}, id="that are ready"),
        pytest.param({"hosts": Hosts.READY}, id="that are ready, of any port"),
    ],
)
@pytest.mark.parametrize(
    ("why", "expected"),
    [
        (None, Reason("NoTargets", "of the nodes with endpoints, the selector !edge excludes 1 node")),
        (
            Reason("X", "silent"),
            Reason("X", "silent; of the nodes with endpoints, the selector !edge excludes 1 node"),
        ),
    ],
    ids=["", "beside another reason"],
)
def test_no_target_names_what_excludes_the_nodes_with_endpoints(
    asks: Json, why: Reason | None, expected: Reason
) -> None:
    """Where the consumer uses such nodes alone, the others do not matter."""
    rule = NodeRule(requirements=(Requirement("edge", "DoesNotExist"),), **asks)
    made = consumer(nodes=rule)
    assert isinstance(made.targets, NodeTargets)
    made = replace(made, targets=replace(made.targets, no_target=why))
    members = (node("n1", labels={"edge": "1"}), node("n2"), node("n3"))
    found, _ = assess(service(), ON_N1, *members, consumers=[made])
    assert found is not None
    assert found.reason == expected


def test_no_target_does_not_name_a_node_with_an_endpoint_that_the_consumer_does_not_use() -> None:
    """Without the label, the node would be no target either."""
    rule = NodeRule(requirements=(Requirement("edge", "DoesNotExist"),), hosts=Hosts.READY)
    ends = endpoint_slice([endpoint("n1", ready=False, serving=True, terminating=True)])
    members = (node("n1", labels={"edge": "1"}), node("n2"))
    found, _ = assess(service(), ends, *members, consumers=[consumer(nodes=rule)])
    assert found is not None
    assert found.reason == Reason("NoTargets", "the selector !edge excludes 1 node")


def test_without_a_consumer_too() -> None:
    found, _ = assess(service(), endpoint_slice([endpoint("n1")]), node("n1", "False"), consumers=[])
    assert found is not None
    assert found.reason == Reason("NoKnownConsumer", "the condition Ready excludes 1 node")


def test_no_endpoints_names_the_port_and_the_family() -> None:
    dual = service(ipFamilies=["IPv4", "IPv6"], clusterIPs=["10.96.0.1", "fd00::1"])
    found, _ = assess(
        dual,
        endpoint_slice([endpoint(n) for n in ("n1", "n2", "n3")]),
        *NODES,
        consumers=[consumer(ip_families=("IPv4", "IPv6"))],
    )
    assert found is not None
    assert (found.outcome, found.reason) == (Outcome.NoEndpoints, Reason("NoEndpoints", "port http/TCP over IPv6"))


def test_a_kind_that_a_setting_excludes_hides_no_consumer() -> None:
    """The person who excludes it knows that nothing uses it. Forbidden, it may hide one."""
    picture = picture_with(service(), ON_N1, *NODES, families=[Given()])
    picture.unread[TARGET_GROUP_BINDING] = "switched off"
    outcomes = []
    exclusions: tuple[frozenset[AnyKind], ...] = (frozenset(), frozenset({TARGET_GROUP_BINDING}))
    for off in exclusions:
        picture.switched_off = off
        engine = Engine(picture, [Given()])
        engine.refresh_all()
        outcomes.append(engine.assessments[WEB].outcome.name)
    assert outcomes == ["Unknown", "Uncovered"]
