"""The cloud-provider contract: k8s.io/cloud-provider v0.37.2 controllers/service/controller.go."""

from __future__ import annotations

import pytest

from etpguard.assess.evidence import Evidence
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

EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
CLOUD = "digitalocean"


def around(third: Json) -> list[Json]:
    """Node a has the endpoint, b has none, and the third is what the case is about."""
    return [service(), endpoints("a"), *nodes(CLOUD, "a", "b"), third]


@pytest.mark.parametrize(
    ("third", "eligible"),
    [
        pytest.param(node("c", f"{CLOUD}://c"), "abc", id="plain node is sent to"),
        pytest.param(
            node("c", f"{CLOUD}://c", ready="False"), "abc", id="controller.go:1001 readiness is ignored"
        ),
        pytest.param(node("c", f"{CLOUD}://c", ready="Unknown"), "abc", id="unknown readiness is ignored too"),
        pytest.param(node("c", f"{CLOUD}://c", deleting=True), "ab", id="a node being deleted is left out"),
        pytest.param(
            node("c", f"{CLOUD}://c", taints=[("ToBeDeletedByClusterAutoscaler", "NoSchedule")]),
            "ab",
            id="the autoscaler's deletion taint leaves out",
        ),
        pytest.param(
            node("c", f"{CLOUD}://c", taints=[("node.kubernetes.io/unschedulable", "NoSchedule")]),
            "abc",
            id="a cordon has no say",
        ),
        pytest.param(
            node("c", f"{CLOUD}://c", labels={"node-role.kubernetes.io/control-plane": ""}),
            "abc",
            id="a control-plane node is sent to",
        ),
        pytest.param(
            node("c", f"{CLOUD}://c", labels={"node-role.kubernetes.io/master": ""}),
            "abc",
            id="a master node is sent to",
        ),
        *(
            pytest.param(
                node("c", f"{CLOUD}://c", labels={EXCLUDE: value}),
                "ab",
                id=f"1014: exclude label {value!r} excludes",
            )
            for value in ("", "true", "1", "T", "yes", "no")
        ),
        *(
            pytest.param(
                node("c", f"{CLOUD}://c", labels={EXCLUDE: value}),
                "abc",
                id=f"1014: exclude label {value!r} does not",
            )
            for value in ("false", "False", "FALSE", "0", "f", "F")
        ),
    ],
)
def test_eligible_nodes(third: Json, eligible: str) -> None:
    assert seen(*around(third)) == Seen("TargetsUnhealthy", "TargetsUnhealthy", eligible, eligible[1:])


@pytest.mark.parametrize(
    ("labelled", "value", "expected"),
    [
        pytest.param("abc", "false", ("Unknown", "ControllerVersionNotKnown"), id="all nodes"),
        pytest.param("a", "F", ("Unknown", "ControllerVersionNotKnown"), id="the node with the endpoint"),
        pytest.param("b", "false", ("TargetsUnhealthy", "TargetsUnhealthy"), id="a node without one, of two"),
        pytest.param("bc", "false", ("TargetsUnhealthy", "TargetsUnhealthy"), id="all nodes without one"),
        pytest.param("abc", "true", ("NoTargets", "NoTargets"), id="true is certain"),
        pytest.param("a", "", ("Outage", "Outage"), id="and so is the empty value"),
    ],
)
def test_the_value_false_excludes_in_older_releases(labelled: str, value: str, expected: tuple[str, str]) -> None:
    """Before k8s.io/cloud-provider v0.34: kubernetes issue 132016."""
    members = [
        node(name, f"hcloud://{name}", labels={EXCLUDE: value} if name in labelled else {}) for name in "abc"
    ]
    assert seen(service(), endpoints("a"), *members)[:2] == expected


def test_the_label_with_the_value_false_comes_and_goes() -> None:
    made = world(service(), endpoints("a"), *nodes("hcloud"))
    assert made.consumer().outcome.name == "TargetsUnhealthy"
    made.put(node("a", "hcloud://a", labels={EXCLUDE: "false"}))
    assert made.consumer().outcome.name == "Unknown"
    made.put(node("a", "hcloud://a"))
    assert made.consumer().outcome.name == "TargetsUnhealthy"


NO_MARK: Json = {}
DELETED: Json = {"deleting": True}
LEAVING: Json = {"taints": [("ToBeDeletedByClusterAutoscaler", "NoSchedule")]}


@pytest.mark.parametrize(
    ("hosting", "leaving", "mark", "expected"),
    [
        pytest.param("a", "a", LEAVING, ("Unknown", "LastSyncNotKnown"), id="the only node with an endpoint"),
        pytest.param("a", "a", DELETED, ("Unknown", "LastSyncNotKnown"), id="the same, deleted"),
        pytest.param("ab", "c", LEAVING, ("Covered", "Covered"), id="a node without an endpoint"),
        pytest.param("abc", "a", LEAVING, ("Covered", "Covered"), id="one of several with an endpoint"),
        pytest.param("z", "a", LEAVING, ("Outage", "Outage"), id="no node has an endpoint"),
    ],
)
@pytest.mark.parametrize("scheme", ["hcloud", "azure", "upcloud"])
def test_nodes_about_to_leave_stay_targets_until_the_next_sync(
    scheme: str, hosting: str, leaving: str, mark: Json, expected: tuple[str, str]
) -> None:
    """controller.go shouldSyncUpdatedNode: neither the taint nor the deletion makes the controller look."""
    members = [node(name, f"{scheme}://{name}", **(mark if name in leaving else {})) for name in "abc"]
    assert seen(service(), endpoints(*hosting), *members)[:2] == expected


def test_the_marks_of_nodes_about_to_leave_come_and_go() -> None:
    made = world(service(), endpoints("a"), *nodes("hcloud"))
    for mark, outcome in ((LEAVING, "Unknown"), (NO_MARK, "TargetsUnhealthy"), (DELETED, "Unknown")):
        made.put(node("a", "hcloud://a", **mark))
        assert made.consumer().outcome.name == outcome


def test_a_deleted_node_that_the_check_does_not_see_may_still_lose_traffic() -> None:
    annotations = {"loadbalancer.openstack.org/enable-health-monitor": "false"}
    leaving = node("c", "openstack://c", **LEAVING)
    subject = service(annotations=annotations)
    assert seen(subject, endpoints("a", "b"), *nodes("openstack", "a", "b"), leaving).reason == "LastSyncNotKnown"


def test_where_all_nodes_must_be_covered_those_about_to_leave_count() -> None:
    """The targets of STACKIT are some of the cloud nodes."""
    leaving = node("c", "stackit://c", **LEAVING)
    assert seen(service(), endpoints("a", "b"), *nodes("stackit", "a", "b"), leaving).outcome == "Unknown"
    assert seen(service(), endpoints("a", "b", "c"), *nodes("stackit", "a", "b"), leaving).outcome == "Covered"


MARKS = {
    "upcloud": ("upcloud", {"service.beta.kubernetes.io/upcloud-load-balancer-x": ""}, "0.31.10"),
    "cloudscale": ("cloudscale", {"k8s.cloudscale.ch/loadbalancer-name": "x"}, "0.29.0"),
    "outscale": ("aws", {"service.beta.kubernetes.io/osc-load-balancer-name": "x"}, "0.32.8"),
    "ibm": ("ibm", {"service.kubernetes.io/ibm-load-balancer-cloud-provider-x": ""}, "0.32.0-alpha.2"),
    "yandex": ("yandex", {"yandex.cpi.flant.com/x": ""}, "0.32.1"),
    "civo": ("civo", {"kubernetes.civo.com/x": ""}, "0.27.2"),
    "huawei": ("huaweicloud", {"kubernetes.io/elb.id": "x"}, "0.28.13"),
}


@pytest.mark.parametrize(
    ("scheme", "annotations"),
    [
        pytest.param(scheme, marks, id=f"{name}: k8s.io/cloud-provider {version} of its go.mod")
        for name, (scheme, marks, version) in MARKS.items()
    ],
)
@pytest.mark.parametrize("value", ["", "true", "false", "0"])
def test_before_0_34_the_exclude_label_counts_by_presence(
    scheme: str, annotations: dict[str, str], value: str
) -> None:
    host = [{"hostname": "lb.example.com"}] if scheme == "ibm" else [{"ip": "203.0.113.7"}]
    (third,) = nodes(scheme, "c", labels={EXCLUDE: value})
    subject = service(annotations=annotations, ingress=host)
    assert seen(subject, endpoints("a", "b", "c"), *nodes(scheme, "a", "b"), third).eligible == "ab"


@pytest.mark.parametrize(
    "cloud",
    [
        *("digitalocean", "hcloud", "linode", "vultr", "scaleway", "civo", "exoscale", "upcloud"),
        *("cloudscale", "stackit"),
    ],
)
def test_each_cloud_is_recognised_by_its_provider_ids(cloud: str) -> None:
    """A providerID shows who made the node, so that who serves the Service is an assumption."""
    found = world(service(), endpoints("a"), *nodes(cloud)).consumer().consumer
    assert (found.controller, found.kind, found.evidence) == (
        f"cloud-provider/{cloud}",
        "Service",
        Evidence.ASSUMED,
    )
    assert f"{cloud}://" in found.source
    assert f"{cloud}://" in found.assumptions[0]


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param(
            [endpoints("a", "b", "c")], Seen("Covered", "Covered", "abc", ""), id="each node has an endpoint"
        ),
        pytest.param(
            [endpoints("a", terminating=["b"])],
            Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "c"),
            id="a draining endpoint still forwards",
        ),
        pytest.param([endpoints()], Seen("NoEndpoints", "NoEndpoints", "abc", ""), id="Deployment scaled to zero"),
        pytest.param(
            [endpoints("z")], Seen("Outage", "Outage", "abc", "abc"), id="the only endpoint is elsewhere"
        ),
    ],
)
def test_outcomes(objects: list[Json], expected: Seen) -> None:
    assert seen(service(), *objects, *nodes(CLOUD)) == expected


def test_autoscaler_from_zero_leaves_no_node_to_send_to() -> None:
    excluded = node("a", f"{CLOUD}://a", labels={EXCLUDE: "true"})
    assert seen(service(), endpoints("a"), excluded) == Seen("NoTargets", "NoTargets", "", "")


def test_the_health_check_does_not_see_a_single_port_without_endpoints() -> None:
    """kubernetes v1.37.2 pkg/proxy/healthcheck/service_health.go counts the endpoints of all ports together."""
    two = service(ports=[port(), port("admin", 81, 30081)])
    objects = [two, endpoints("a", "b", "c"), endpoints("a", ports=["admin"]), *nodes(CLOUD)]
    assert seen(*objects, port_name="http") == Seen("Covered", "Covered", "abc", "")
    assert seen(*objects, port_name="admin") == Seen("Blackhole", "Blackhole", "abc", "bc")


@pytest.mark.parametrize(
    ("given", "family"),
    [
        pytest.param([{"ip": "203.0.113.7"}], ("IPv4",), id="an IPv4 address"),
        pytest.param([{"ip": "2001:db8::7"}], ("IPv6",), id="an IPv6 address"),
        pytest.param([{"ip": "203.0.113.7"}, {"ip": "2001:db8::7"}], ("IPv4", "IPv6"), id="both"),
        pytest.param([{"hostname": "lb.example"}], ("IPv4", "IPv6"), id="a host name shows no family"),
        pytest.param([], ("IPv4", "IPv6"), id="no answer yet"),
    ],
)
def test_families_are_those_of_its_addresses(given: list[Json], family: tuple[str, ...]) -> None:
    dual = service(ipFamilies=["IPv4", "IPv6"], ingress=given)
    assert world(dual, endpoints("a"), *nodes(CLOUD)).consumer().consumer.ip_families == family


def test_the_worse_family_decides() -> None:
    dual = service(ipFamilies=["IPv4", "IPv6"])
    objects = [dual, endpoints("a", "b", "c"), endpoints("a", family="IPv6"), *nodes(CLOUD)]
    assert seen(*objects) == Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(service(type="NodePort"), id="a NodePort"),
        pytest.param(service(loadBalancerClass="example.com/lb"), id="controller.go:862 a class takes it away"),
    ],
)
def test_not_the_cloud_providers(subject: Json) -> None:
    made = world(subject, endpoints("a"), *nodes(CLOUD))
    assert not any(v.consumer.controller.startswith("cloud-provider/") for v in made.assessment.consumers)


def test_advice_names_the_service_and_what_each_way_costs() -> None:
    advice = world(service(), endpoints("a"), *nodes(CLOUD)).advice()
    assert "nothing is lost while the pods stay on their nodes" in advice[0], "so it comes first"
    assert "by design" in advice[0]
    assert 'matchLabels": {"app": "web"}' in advice[1]
    assert 'kubectl -n shop patch service web -p \'{"spec":{"externalTrafficPolicy":"Cluster"}}\'' in advice[2]
    assert "instead of the client's" in advice[2]


def test_advice_for_an_outage_admits_the_nodes_with_pods() -> None:
    hidden = node("z", f"{CLOUD}://z", labels={EXCLUDE: "true"})
    advice = world(service(), endpoints("z"), hidden, *nodes(CLOUD)).advice()
    assert f"kubectl label node z {EXCLUDE}-" in advice[0]


@pytest.mark.parametrize("cloud", ["digitalocean", "hcloud", "linode", "vultr", "scaleway", "exoscale", "upcloud"])
def test_a_port_without_a_protocol_is_tcp_as_the_api_server_makes_it(cloud: str) -> None:
    written = port()
    plain = {key: value for key, value in written.items() if key != "protocol"}
    objects = [endpoints("a"), *nodes(cloud)]
    assert seen(service(ports=[plain]), *objects) == seen(service(ports=[written]), *objects)
