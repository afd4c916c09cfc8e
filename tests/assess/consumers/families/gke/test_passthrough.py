"""ingress-gce: passthrough load balancers of Google Cloud."""

from __future__ import annotations

import pytest

from etpguard.assess.probe import HealthCheckNodePort
from tests.assess.consumers.worlds import (
    Json,
    Seen,
    endpoints,
    node,
    nodes,
    port,
    seen,
    service,
    world,
)

CLASS = "kubernetes.io/ingress.class"
NEG = "cloud.google.com/neg"
GKE = {"cloud.google.com/gke-nodepool": "default"}
SAFE = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")


def test_load_balancer_checks_the_health_check_node_port() -> None:
    """pkg/l4/healthchecks/healthchecksl4.go:122-136."""
    made = world(service(), endpoints("a"), *nodes("gce"))
    assert made.consumer().consumer.probe == HealthCheckNodePort()
    assert seen(service(), endpoints("a"), *nodes("gce")) == SAFE


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(
            service(loadBalancerClass="networking.gke.io/l4-regional-internal"),
            Seen("Covered", "Covered", "a", ""),
            id="IsSubsettingL4ILBService: by class",
        ),
        pytest.param(
            service(
                annotations={
                    "networking.gke.io/load-balancer-type": "Internal",
                    "service.kubernetes.io/backend-service": "k8s2-x",
                }
            ),
            Seen("Covered", "Covered", "a", ""),
            id="subsetting by what its controller wrote",
        ),
        pytest.param(
            service(annotations={"networking.gke.io/load-balancer-type": "Internal"}),
            SAFE,
            id="internal, unsubsetted",
        ),
        pytest.param(
            service(loadBalancerClass="networking.gke.io/l4-regional-external"),
            Seen("Covered", "Covered", "a", ""),
            id="gce_annotations.go:44: external by class",
        ),
        pytest.param(
            service(loadBalancerClass="networking.gke.io/l4-regional-internal-legacy"), SAFE, id="internal legacy"
        ),
    ],
)
def test_subsetting_lists_nodes_with_pods(subject: Json, expected: Seen) -> None:
    assert seen(subject, endpoints("a"), *nodes("gce")) == expected


BACKEND_SERVICE = {"service.kubernetes.io/backend-service": "k8s2-x"}


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({}, "abcd", id="the cloud provider's: readiness and roles are ignored"),
        pytest.param(BACKEND_SERVICE, "ac", id="ingress-gce's instance group: CandidateNodesFilter"),
        pytest.param(
            {**BACKEND_SERVICE, "networking.gke.io/load-balancer-type": "Internal"},
            "ab",
            id="its subset: CandidateAndUnreadyNodesFilter",
        ),
    ],
)
def test_nodes_of_a_load_balancer_depend_on_its_controller(annotations: dict[str, str], expected: str) -> None:
    members = [
        node("a", "gce://a"),
        node("b", "gce://b", ready="False"),
        node("c", "gce://c", labels={"operation.gke.io/type": "drain"}),
        node("d", "gce://d", labels={"node-role.kubernetes.io/master": ""}),
    ]
    subject = service(annotations=annotations)
    assert seen(subject, endpoints("a", "b", "c", "d"), *members) == Seen("Covered", "Covered", expected, "")


FINALIZER, GKE_CLASS = "gke.networking.io/", "networking.gke.io/"
INTERNAL = "networking.gke.io/load-balancer-type"
POD_NODES, ALL_NODES, READY_NODES = "a", "abc", "ab"


@pytest.mark.parametrize(
    ("finalizers", "class_", "expected"),
    [
        pytest.param(["l4-ilb-v2"], None, POD_NODES, id="finalizer.go:38: subsetting NEG"),
        pytest.param(["l4-netlb-v3"], None, POD_NODES, id="finalizer.go:38: RBS on NEG"),
        pytest.param(["l4-netlb-v2"], None, READY_NODES, id="finalizer.go:38: RBS on instance groups"),
        pytest.param(["l4-ilb-v1"], None, READY_NODES, id="finalizer.go:38: internal on instance groups"),
        pytest.param(["l4-netlb-v1"], None, ALL_NODES, id="finalizer.go:38: target pool"),
        pytest.param(["l4-netlb-v2", "l4-netlb-v3"], None, POD_NODES, id="migrated"),
        pytest.param(
            ["l4-netlb-v2"], "l4-regional-external", READY_NODES, id="the finalizer goes before the class"
        ),
        pytest.param([], "l4-regional-external", POD_NODES, id="class external"),
        pytest.param([], "l4-regional-internal", POD_NODES, id="class internal"),
        pytest.param([], "l4-regional-external-legacy", ALL_NODES, id="class external-legacy"),
        pytest.param([], "l4-regional-internal-legacy", READY_NODES, id="class internal-legacy"),
        pytest.param([], "standalone-passthrough-lb-neg", POD_NODES, id="a group alone"),
        pytest.param([], None, ALL_NODES, id="neither"),
    ],
)
def test_nodes_of_a_passthrough_load_balancer(finalizers: list[str], class_: str | None, expected: str) -> None:
    more: Json = {"loadBalancerClass": f"{GKE_CLASS}{class_}"} if class_ else {}
    subject = service(**more)
    subject["metadata"]["finalizers"] = [f"{FINALIZER}{name}" for name in finalizers]
    members = [*nodes("gce", "a", "b"), node("c", "gce://c", ready="False")]
    made = world(subject, endpoints("a"), *members)
    assert made.names(made.consumer().eligible) == expected
    assert made.consumer().outcome.name == ("Covered" if expected == POD_NODES else "TargetsUnhealthy")


def test_a_finalizer_is_a_mark_on_any_nodes() -> None:
    subject = service()
    subject["metadata"]["finalizers"] = [f"{FINALIZER}l4-netlb-v3"]
    consumer = world(subject, endpoints("a"), *nodes("")).consumer().consumer
    assert (consumer.family, consumer.evidence.value) == ("gke-l4", "documented")
    assert world(service(), endpoints("a"), *nodes("gce")).consumer().consumer.evidence.value == "assumed"


def test_without_a_healthy_target_it_sends_to_all() -> None:
    subject = service()
    subject["metadata"]["finalizers"] = [f"{FINALIZER}l4-netlb-v1"]
    assert seen(subject, endpoints(terminating="a"), *nodes("gce"))[:2] == ("Blackhole", "NoHealthyTarget")


@pytest.mark.parametrize(("labels", "eligible"), [({}, "ab"), ({"operation.gke.io/type": "drain"}, "a")])
def test_a_draining_node_leaves_the_group(labels: dict[str, str], eligible: str) -> None:
    subject = service(loadBalancerClass=f"{GKE_CLASS}l4-regional-external")
    members = [node("a", "gce://a"), node("b", "gce://b", labels=labels), node("c", "gce://c")]
    assert seen(subject, endpoints("a", "b"), *members).eligible == eligible


def test_a_draining_node_alone_may_stay_in_the_group() -> None:
    """PR #3128, by a flag."""
    subject = service(loadBalancerClass=f"{GKE_CLASS}l4-regional-external")
    members = [node("a", "gce://a", labels={"operation.gke.io/type": "drain"}), node("b", "gce://b")]
    assert seen(subject, endpoints("a"), *members)[:2] == ("Unknown", "DrainingNodesNotKnown")


@pytest.mark.parametrize(
    ("ready", "terminating", "expected"),
    [
        pytest.param(
            "a", "b", Seen("Covered", "Covered", "a", ""), id="types.go:381: terminating ones are left out"
        ),
        pytest.param(
            "", "ab", Seen("NoTargets", "NoReadyEndpoint", "", ""), id="all terminate: the group is empty"
        ),
    ],
)
def test_a_group_drops_the_nodes_of_terminating_endpoints(ready: str, terminating: str, expected: Seen) -> None:
    subject = service(loadBalancerClass=f"{GKE_CLASS}l4-regional-external")
    assert seen(subject, endpoints(*ready, terminating=terminating), *nodes("gce")) == expected


RULE = "service.kubernetes.io/{}-forwarding-rule"
SERVED, UNSERVED = ("TargetsUnhealthy", "TargetsUnhealthy"), ("NoTargets", "ProtocolNotServed")
UNDECIDED = ("Unknown", "ProtocolNotServed")


@pytest.mark.parametrize(
    ("finalizer", "class_", "rules", "tcp", "udp"),
    [
        pytest.param("l4-netlb-v1", None, [], SERVED, UNSERVED, id="a target pool: the first port's protocol"),
        pytest.param("l4-ilb-v1", None, [], SERVED, UNSERVED, id="internal, by the legacy controller"),
        pytest.param(None, "l4-regional-external-legacy", [], SERVED, UNSERVED, id="by class"),
        pytest.param("l4-netlb-v2", None, ["tcp"], SERVED, UNSERVED, id="a rule for TCP"),
        pytest.param("l4-netlb-v2", None, ["udp"], UNSERVED, SERVED, id="a rule for UDP"),
        pytest.param("l4-netlb-v2", None, ["tcp", "udp"], SERVED, SERVED, id="a rule for each"),
        pytest.param("l4-netlb-v2", None, ["l3"], SERVED, SERVED, id="one rule for all"),
        pytest.param("l4-netlb-v2", None, [], UNDECIDED, UNDECIDED, id="no rule is written"),
        pytest.param(None, None, [], UNDECIDED, UNDECIDED, id="the controller is not known"),
    ],
)
def test_ports_of_several_protocols(
    finalizer: str | None, class_: str | None, rules: list[str], tcp: tuple[str, str], udp: tuple[str, str]
) -> None:
    """gce_loadbalancer.go processMixedProtocolCheck, pkg/l4/annotations/service.go, kubernetes issue 118107."""
    more: Json = {"loadBalancerClass": f"{GKE_CLASS}{class_}"} if class_ else {}
    subject = service(
        annotations={RULE.format(rule): "k8s2-x" for rule in rules},
        ports=[port("dns-tcp", 53, 30053), port("dns-udp", 53, 30054, "UDP")],
        ingress=[{"ip": "203.0.113.7"}],
        **more,
    )
    subject["metadata"]["finalizers"] = [f"{FINALIZER}{finalizer}"] if finalizer else []
    slices = [endpoints("a", ports=["dns-tcp"]), endpoints("a", ports=["dns-udp"], protocol="UDP")]
    assert seen(subject, *slices, *nodes("gce"), port_name="dns-tcp")[:2] == tcp
    assert seen(subject, *slices, *nodes("gce"), port_name="dns-udp")[:2] == udp


def test_the_second_family_has_rules_of_its_own() -> None:
    subject = service(
        annotations={RULE.format("udp") + "-ipv6": "k8s2-x"},
        ports=[port("tcp"), port("dns", 53, 30054, "UDP")],
    )
    subject["metadata"]["finalizers"] = [f"{FINALIZER}l4-netlb-v2"]
    slices = [endpoints("a", ports=["tcp"]), endpoints("a", ports=["dns"], protocol="UDP")]
    assert seen(subject, *slices, *nodes("gce"), port_name="dns")[:2] == SERVED
    assert seen(subject, *slices, *nodes("gce"), port_name="tcp")[:2] == UNSERVED


def test_sctp_is_not_served() -> None:
    subject = service(ports=[port(protocol="SCTP")])
    assert seen(subject, endpoints("a", protocol="SCTP"), *nodes("gce"))[:2] == UNSERVED


@pytest.mark.parametrize(
    ("finalizer", "fields", "code"),
    [
        pytest.param("l4-ilb-v1", {}, "TargetsCapped", id="internal on instance groups"),
        pytest.param(
            None, {"loadBalancerClass": f"{GKE_CLASS}l4-regional-internal-legacy"}, "TargetsCapped", id="by class"
        ),
        pytest.param(None, {"annotations": {INTERNAL: "Internal"}}, "BackendNotKnown", id="by annotation"),
        pytest.param("l4-netlb-v2", {}, "", id="external"),
        pytest.param("l4-netlb-v1", {"annotations": {INTERNAL: "Internal"}}, "", id="the finalizer first"),
        pytest.param(None, {}, "", id="external by default"),
    ],
)
def test_an_internal_load_balancer_without_subsetting_has_a_limit(
    finalizer: str | None, fields: Json, code: str
) -> None:
    """Google Cloud documentation, "Create an internal load balancer"."""
    subject = service(**fields)
    subject["metadata"]["finalizers"] = [f"{FINALIZER}{finalizer}"] if finalizer else []
    few = [subject, endpoints("n0"), *nodes("gce", *(f"n{i}" for i in range(250)))]
    assert seen(*few)[:2] == SERVED
    assert seen(*few, node("n250", "gce://n250"))[:2] == (("Unknown", code) if code else SERVED)
