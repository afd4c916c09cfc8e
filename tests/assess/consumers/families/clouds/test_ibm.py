"""cloud-provider-ibm 568c208 pkg/vpcctl/vpc_config.go; numbers are its lines."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess.consumers.families.clouds.ibm import FEATURES, NODE_SELECTOR, ZONE
from etpguard.assess.consumers.targets import CheckSettings
from etpguard.assess.evidence import Evidence
from tests.assess.consumers.checks import settings_of
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, port, seen, service, world

POOL = "ibm-cloud.kubernetes.io/worker-pool-name"
IN_ZONE = "ibm-cloud.kubernetes.io/zone"
HOST = [{"hostname": "0123456-eu-de.lb.example.com"}]
SAFE = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")


def around(subject: Json, **labels: dict[str, str]) -> list[Json]:
    members = [node(name, f"ibm://account///cluster/{name}", labels=labels.get(name, {})) for name in "abc"]
    return [subject, endpoints("a"), *members]


def pools(selector: str, **more: str) -> list[Json]:
    labels = {"a": {POOL: "web", "team": "x"}, "b": {POOL: "edge", "dedicated": "edge"}}
    return around(service(annotations={NODE_SELECTOR: selector, **more}, ingress=HOST), **labels)


def test_the_check_is_http_on_the_root_of_the_health_check_node_port() -> None:
    """vpc_sdk_gen2.go:287-291; kube-proxy answers any path."""
    made = world(*around(service(ingress=HOST)))
    assert settings_of(made.consumer().consumer) == CheckSettings("32000", "HTTP", "/")
    assert seen(*around(service(ingress=HOST))) == SAFE


@pytest.mark.parametrize(
    ("selector", "outcome", "eligible"),
    [
        pytest.param(f"{POOL}=web", "Covered", "a", id="one label"),
        pytest.param(f"{POOL}=edge", "Outage", "b", id="the pod's node is not selected"),
        pytest.param(f" {POOL} = web ", "Covered", "a", id="294: spaces do not count"),
        pytest.param("team=x", "Outage", "b", id="304: a key that is not in the list has no effect: edge decides"),
        pytest.param(f"{POOL}=web,team=x", "Outage", "b", id="298: more than one pair has no effect"),
        pytest.param(POOL, "Outage", "b", id="298: a bare key has no effect"),
        pytest.param("", "Outage", "b", id="295: an empty one has no effect"),
    ],
)
def test_node_selector(selector: str, outcome: str, eligible: str) -> None:
    found = seen(*pools(selector))
    assert (found.outcome, found.eligible) == (outcome, eligible)


def test_a_selector_outranks_the_zone() -> None:
    assert seen(*pools(f"{POOL}=web", **{ZONE: "eu-de-1"})).eligible == "a"


def test_a_selector_without_a_match_leaves_the_members_as_they_were() -> None:
    """vpc_lbaas.go:539: the controller fails."""
    made = world(*pools(f"{POOL}=none")).consumer()
    assert (made.outcome.name, made.reason.code) == ("Unknown", "NoMatchingNodes")
    assert "If those nodes forward, traffic arrives. If they do not, all is lost" in made.reason.detail


def test_the_selection_is_as_of_the_last_sync() -> None:
    assert "as of the last sync" in world(*pools(f"{POOL}=web")).consumer().consumer.source


@pytest.mark.parametrize(
    ("labels", "annotations", "eligible"),
    [
        pytest.param({}, {}, "abc", id="no edge node: all"),
        pytest.param({"b": {"dedicated": "edge"}}, {}, "b", id="192: edge nodes only, if there is one"),
        pytest.param({"b": {"dedicated": "other"}}, {}, "abc", id="another value"),
        pytest.param({"b": {IN_ZONE: "z1"}, "c": {IN_ZONE: "z2"}}, {ZONE: "z2"}, "c", id="200: the zone"),
        pytest.param({"b": {IN_ZONE: "z1"}}, {ZONE: " z1 "}, "b", id="spaces do not count"),
        pytest.param(
            {"b": {IN_ZONE: "z1"}, "c": {"dedicated": "edge"}}, {ZONE: "z1"}, "b", id="no edge node in the zone"
        ),
        pytest.param(
            {"b": {IN_ZONE: "z1"}, "c": {IN_ZONE: "z1", "dedicated": "edge"}}, {ZONE: "z1"}, "c", id="one in it"
        ),
    ],
)
def test_zone_and_edge(labels: dict[str, Any], annotations: dict[str, str], eligible: str) -> None:
    assert seen(*around(service(annotations=annotations, ingress=HOST), **labels)).eligible == eligible


def test_edge_nodes_count_as_they_come_and_go() -> None:
    made = world(*around(service(ingress=HOST)))
    made.put(node("b", "ibm://account///cluster/b", labels={"dedicated": "edge"}))
    assert made.names(made.consumer().eligible) == "b"
    made.put(node("b", "ibm://account///cluster/b"))
    assert made.names(made.consumer().eligible) == "abc"


def test_an_edge_node_that_is_being_deleted_is_none() -> None:
    gone = node("b", "ibm://account///cluster/b", labels={"dedicated": "edge"}, deleting=True)
    rest = [node(name, f"ibm://account///cluster/{name}") for name in "ac"]
    assert seen(service(ingress=HOST), endpoints("a"), gone, *rest).eligible == "ac"


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        pytest.param(
            service(ingress=HOST, ports=[port(), port("dns", 53, 30053, "UDP")]),
            "ProtocolNotServed",
            id="358: a UDP port fails the Service",
        ),
        pytest.param(service(ingress=[{"ip": "203.0.113.7"}]), "ControllerNotModelled", id="classic, or VPC NLB"),
        pytest.param(
            service(ingress=HOST, annotations={FEATURES: "nlb"}),
            "ControllerNotModelled",
            id="a feature",
        ),
    ],
)
def test_what_is_not_known(subject: Json, reason: str) -> None:
    found = seen(*around(subject))
    assert (found.outcome, found.reason) == ("Unknown", reason)


@pytest.mark.parametrize("features", ["proxy-protocol", " Proxy-Protocol ", ""])
def test_proxy_protocol_changes_nothing_else(features: str) -> None:
    assert seen(*around(service(ingress=HOST, annotations={FEATURES: features}))) == SAFE


@pytest.mark.parametrize(
    ("annotations", "scheme", "evidence"),
    [
        pytest.param({FEATURES: "proxy-protocol"}, "", Evidence.DOCUMENTED, id="its annotation"),
        pytest.param({}, "ibm", Evidence.ASSUMED, id="the nodes alone"),
    ],
)
def test_recognition(annotations: dict[str, str], scheme: str, evidence: Evidence) -> None:
    found = world(service(annotations=annotations), endpoints("a"), *nodes(scheme)).consumer().consumer
    assert (found.controller, found.evidence) == ("cloud-provider/ibm", evidence)


def test_advice_says_that_the_load_balancer_hides_the_client() -> None:
    assert "already hides it" in world(*around(service(ingress=HOST))).advice()[-1]
