"""cloud-provider-openstack c453fb7 pkg/openstack/loadbalancer.go; numbers are its lines."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.families.clouds.openstack import (
    FORWARDED_FOR,
    MONITOR,
    NODE_SELECTOR,
    OVH_CLASS,
    PROXY_PROTOCOL,
)
from etpguard.assess.consumers.targets import CheckSettings
from etpguard.assess.evidence import Evidence
from tests.assess.consumers.checks import settings_of
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, port, seen, service, world

OVH_OLDER = "service.beta.kubernetes.io/ovh-loadbalancer-"
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
ADDRESS = [{"ip": "203.0.113.7"}]
SAFE = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")
LOST = Seen("Blackhole", "Blackhole", "abc", "bc")
LEFT_OPEN = Seen("Unknown", "HealthMonitorNotKnown", "abc", "bc")
NOT_UNDERSTOOD = Seen("Unknown", "InvalidAnnotation", "abc", "bc")


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({MONITOR: "true"}, SAFE, id="858: a monitor checks the healthCheckNodePort"),
        pytest.param({MONITOR: "false"}, LOST, id="767: no monitor, no check"),
        pytest.param({}, LEFT_OPEN, id="1600: create-monitor decides"),
        pytest.param({MONITOR: "True"}, NOT_UNDERSTOOD, id="462: only 'true' and 'false' count"),
        pytest.param({MONITOR: ""}, NOT_UNDERSTOOD, id="462: an empty value does not count"),
        pytest.param(
            {MONITOR: "true", PROXY_PROTOCOL: "v2", FORWARDED_FOR: "true"},
            Seen("Unknown", "ConflictingAnnotations", "abc", "bc"),
            id="1558: two annotations that exclude each other",
        ),
        pytest.param({MONITOR: "true", PROXY_PROTOCOL: "v2"}, SAFE, id="488: PROXY protocol v2"),
        pytest.param(
            {MONITOR: "true", PROXY_PROTOCOL: "yes", FORWARDED_FOR: "true"}, SAFE, id="491: it is not on"
        ),
        pytest.param({MONITOR: "true", OVH_CLASS: "octavia"}, SAFE, id="OVHcloud with Octavia"),
        pytest.param(
            {MONITOR: "true", OVH_CLASS: "iolb"},
            Seen("Unknown", "ControllerNotModelled", "abc", "bc"),
            id="OVHcloud's other load balancer",
        ),
        pytest.param(
            {MONITOR: "true", f"{OVH_OLDER}proxy-protocol": "v2"},
            Seen("Unknown", "ControllerNotModelled", "abc", "bc"),
            id="OVHcloud's older load balancer, without a class",
        ),
        pytest.param(
            {MONITOR: "true", OVH_CLASS: "octavia", f"{OVH_OLDER}proxy-protocol": "v2"},
            SAFE,
            id="OVHcloud with Octavia, beside an annotation of the older one",
        ),
    ],
)
def test_health_monitor(annotations: dict[str, str], expected: Seen) -> None:
    assert seen(service(annotations=annotations), endpoints("a"), *nodes("openstack")) == expected


@pytest.mark.parametrize("annotations", [{}, {MONITOR: "yes"}, {MONITOR: "true", OVH_CLASS: "iolb"}])
def test_both_branches_agree_where_all_nodes_are_covered(annotations: dict[str, str]) -> None:
    objects = [service(annotations=annotations), endpoints("a", "b", "c"), *nodes("openstack")]
    assert seen(*objects).outcome == "Covered"


def test_reason_states_both_outcomes_and_where_to_look() -> None:
    reason = world(service(), endpoints("a"), *nodes("openstack")).consumer().reason.detail
    assert "create-monitor of the cloud config (default false)" in reason
    assert "excludes the nodes without an endpoint. Without one, it sends to them" in reason


def test_a_value_that_is_not_understood_is_named() -> None:
    made = world(service(annotations={MONITOR: "on"}), endpoints("a"), *nodes("openstack"))
    assert f"{MONITOR} is 'on'" in made.consumer().reason.detail


def udp(annotations: dict[str, str], *on: str) -> list[Json]:
    both = service(annotations=annotations, ports=[port(), port("dns", 53, 30053, "UDP")])
    slices = [endpoints(*on), endpoints(*on, ports=["dns"], protocol="UDP")]
    return [both, *slices, *nodes("openstack")]


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param(
            {MONITOR: "true"},
            Seen("Unknown", "UDPCheckNotKnown", "abc", "bc"),
            id="831: UDP-CONNECT passes where packets are dropped, HTTP does not",
        ),
        pytest.param({MONITOR: "false"}, LOST, id="no monitor"),
        pytest.param({}, LEFT_OPEN, id="create-monitor decides"),
    ],
)
def test_udp_never_gets_the_answer_for_tcp(annotations: dict[str, str], expected: Seen) -> None:
    assert seen(*udp(annotations, "a"), port_name="dns") == expected


def test_tcp_beside_udp_keeps_its_own_answer() -> None:
    assert seen(*udp({MONITOR: "true"}, "a")) == SAFE


def labelled(selector: str | None) -> list[Json]:
    annotations = {MONITOR: "false"} | ({} if selector is None else {NODE_SELECTOR: selector})
    labels = {"a": {"env": "prod", "role": "w"}, "b": {"env": "dev", "role": "w"}, "c": {"env": ""}}
    members = [node(name, f"openstack://{name}", labels=each) for name, each in labels.items()]
    return [service(annotations=annotations), endpoints("a"), *members]


@pytest.mark.parametrize(
    ("selector", "eligible"),
    [
        pytest.param(None, "abc", id="none"),
        pytest.param("", "abc", id="1547: an empty one cancels that of the cloud config"),
        pytest.param("env=prod", "a", id="key=value"),
        pytest.param("env=dev,role=w", "b", id="all pairs must hold"),
        pytest.param("role", "ab", id="a bare key asks for the label"),
        pytest.param("role=", "ab", id="an empty value too"),
        pytest.param("env=prod,env=dev", "b", id="util.go:91 the last of equal keys counts"),
        pytest.param(" env=prod , role=w ", "a", id="util.go:79 spaces around a pair do not count"),
        pytest.param("env = prod", "", id="spaces around the sign do"),
        pytest.param("env=prod=1", "", id="the value is all after the first sign"),
        pytest.param("env=qa", "", id="no node matches"),
        pytest.param("env=prod,", "a", id="an empty pair is passed over"),
        pytest.param("=x", "", id="an empty key matches no label"),
    ],
)
def test_node_selector(selector: str | None, eligible: str) -> None:
    assert seen(*labelled(selector)).eligible == eligible


def test_a_selector_without_a_match_leaves_no_target() -> None:
    assert seen(*labelled("env=qa")).outcome == "NoTargets"


def test_a_selector_away_from_the_pods_is_an_outage() -> None:
    assert seen(*labelled("env=dev")) == Seen("Outage", "Outage", "b", "b")


def test_the_selection_is_as_of_the_last_sync() -> None:
    """k8s.io/cloud-provider controller.go:693: labels alone start no sync."""
    assert "labels as of the last sync" in world(*labelled("env=prod")).consumer().consumer.source
    assert "sync" not in world(*labelled(None)).consumer().consumer.source


def test_a_selector_of_any_length_is_read_or_refused() -> None:
    assert seen(*labelled("k=v," * 60000)).reason == "InvalidAnnotation"


@pytest.mark.parametrize(
    ("value", "eligible"), [("true", "ab"), ("", "ab"), ("false", "abc"), ("0", "abc"), ("no", "ab")]
)
def test_the_exclude_label_is_a_bool(value: str, eligible: str) -> None:
    members = [*nodes("openstack", "a", "b"), node("c", "openstack://c", labels={EXCLUDE: value})]
    assert seen(service(annotations={MONITOR: "true"}), endpoints("a"), *members).eligible == eligible


def test_a_port_without_a_node_port_has_no_member() -> None:
    """1036: the member is skipped."""
    bare = service(annotations={MONITOR: "true"}, ports=[port(node_port=0)], ingress=ADDRESS)
    assert seen(bare, endpoints("a"), *nodes("openstack")) == Seen("NoTargets", "NoNodePort", "", "")


@pytest.mark.parametrize(
    ("annotations", "scheme", "evidence"),
    [
        pytest.param({MONITOR: "true"}, "", Evidence.DOCUMENTED, id="its annotation alone"),
        pytest.param(
            {"loadbalancer.openstack.org/load-balancer-id": "x"},
            "",
            Evidence.DOCUMENTED,
            id="1692: what it writes",
        ),
        pytest.param(
            {"service.beta.kubernetes.io/openstack-internal-load-balancer": "true"},
            "",
            Evidence.DOCUMENTED,
            id="61: the annotation for internal ones",
        ),
        pytest.param({}, "openstack", Evidence.ASSUMED, id="the nodes alone show who made them"),
    ],
)
def test_recognition(annotations: dict[str, str], scheme: str, evidence: Evidence) -> None:
    found = world(service(annotations=annotations), endpoints("a"), *nodes(scheme)).consumer().consumer
    assert (found.controller, found.evidence) == ("cloud-provider/openstack", evidence)
    assert bool(found.assumptions) is (evidence is Evidence.ASSUMED)


def test_a_class_takes_it_away() -> None:
    made = world(service(loadBalancerClass="example.com/lb"), endpoints("a"), *nodes("openstack"))
    assert made.consumer().consumer.controller != "cloud-provider/openstack"


def test_the_check_is_http_healthz_on_the_health_check_node_port() -> None:
    made = world(service(annotations={MONITOR: "true"}), endpoints("a"), *nodes("openstack"))
    assert settings_of(made.consumer().consumer) == CheckSettings("32000", "HTTP", "/healthz")


def test_no_address_names_the_known_causes() -> None:
    pending = service(annotations={MONITOR: "true"}, in_cluster=True)
    made = world(pending, endpoints("a"), *nodes("openstack")).consumer()
    assert (made.outcome.name, made.reason.code) == ("Unknown", "NoAddress")
    assert "floating network" in made.reason.detail


@pytest.mark.parametrize(
    "annotations",
    [
        pytest.param({}, id="unset"),
        pytest.param({MONITOR: "false"}, id="refused"),
        pytest.param({MONITOR: "on"}, id="not understood"),
    ],
)
def test_advice_turns_the_monitor_on(annotations: dict[str, str]) -> None:
    advice = world(service(annotations=annotations), endpoints("a"), *nodes("openstack")).advice()
    assert f"kubectl -n shop annotate service web --overwrite {MONITOR}=true" in advice[0]


@pytest.mark.parametrize(
    ("annotations", "cost"),
    [
        pytest.param({MONITOR: "true"}, "may see the node's address", id="amphora hides it, ovn keeps it"),
        pytest.param({MONITOR: "true", PROXY_PROTOCOL: "true"}, "already hides it", id="PROXY protocol"),
        pytest.param({MONITOR: "true", FORWARDED_FOR: "true"}, "already hides it", id="X-Forwarded-For"),
    ],
)
def test_advice_says_what_becomes_of_the_clients_address(annotations: dict[str, str], cost: str) -> None:
    advice = world(service(annotations=annotations), endpoints("a"), *nodes("openstack")).advice()
    assert cost in advice[-1]
