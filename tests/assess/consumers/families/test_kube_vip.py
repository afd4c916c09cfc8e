"""kube-vip pkg/endpoints/endpoints_generic.go:88-103 and endpoints.go:114-123."""

from __future__ import annotations

from functools import partial

import pytest

from tests.assess.consumers import worlds
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, seen, world

service = partial(worlds.service, ingress=[{"ip": "203.0.113.1"}])

BY_CLASS = service(loadBalancerClass="kube-vip.io/kube-vip-class")


@pytest.mark.parametrize(
    ("subject", "served"),
    [
        pytest.param(BY_CLASS, True, id="by class"),
        pytest.param(
            service(annotations={"kube-vip.io/loadbalancerIPs": "203.0.113.7"}), True, id="by annotation"
        ),
        pytest.param(service(annotations={"kube-vip.io/vipHost": "a"}), True, id="by what it wrote"),
        pytest.param(service(labels={"implementation": "kube-vip"}), True, id="by its cloud provider's label"),
        pytest.param(service(labels={"implementation": "other"}), False, id="another label"),
        pytest.param(service(type="NodePort", labels={"implementation": "kube-vip"}), False, id="a NodePort"),
    ],
)
def test_recognised(subject: Json, served: bool) -> None:
    made = world(subject, endpoints("a"), *nodes(""))
    assert any(v.consumer.family == "kube-vip" for v in made.assessment.consumers) is served


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        pytest.param(
            [endpoints("a")],
            Seen("Unknown", "ServicesElectionNotKnown", "abc", "bc"),
            id="whether each Service has an election is no API object's",
        ),
        pytest.param(
            [endpoints("a", "b", "c")], Seen("Covered", "Covered", "abc", ""), id="no matter where all are"
        ),
        pytest.param([endpoints()], Seen("NoEndpoints", "NoEndpoints", "abc", ""), id="no endpoint anywhere"),
    ],
)
def test_outcomes(slices: list[Json], expected: Seen) -> None:
    assert seen(BY_CLASS, *slices, *nodes("")) == expected


def test_a_node_not_ready_may_lead() -> None:
    assert seen(BY_CLASS, endpoints("a"), node("a"), node("b", ready="Unknown")).eligible == "ab"


def test_advice_names_the_setting() -> None:
    assert "svc_election" in world(BY_CLASS, endpoints("a"), *nodes("")).advice()[0]
    assert world(BY_CLASS, endpoints("a", "b", "c"), *nodes("")).advice() == []


@pytest.mark.parametrize(
    ("annotations", "outcome", "reason"),
    [
        pytest.param({"kube-vip.io/leaseName": "one"}, "Unknown", "CommonLeaseRefused", id="a common lease"),
        pytest.param(
            {"kube-vip.io/vipHost": "b"}, "Unknown", "ServicesElectionNotKnown", id="vipHost proves nothing"
        ),
    ],
)
def test_annotations(annotations: dict[str, str], outcome: str, reason: str) -> None:
    """pkg/services/services.go."""
    found = seen(service(annotations=annotations), endpoints("a"), *nodes(""))
    assert (found.outcome, found.reason) == (outcome, reason)


def test_the_reason_names_the_host_that_kube_vip_wrote() -> None:
    made = world(service(annotations={"kube-vip.io/vipHost": "b"}), endpoints("a"), *nodes(""))
    assert "vipHost names b. With ARP" in made.consumer().reason.detail


def test_a_service_that_kube_vip_ignores() -> None:
    marks = {"kube-vip.io/ignore": "true", "kube-vip.io/vipHost": "a"}
    made = world(service(annotations=marks), endpoints("a"), *nodes(""))
    assert all(v.consumer.family != "kube-vip" for v in made.assessment.consumers)


def test_without_an_address_nothing_is_advised() -> None:
    subject = service(labels={"implementation": "kube-vip"}, ingress=[], in_cluster=True)
    made = world(subject, endpoints("a"), *nodes(""))
    assert made.consumer().reason.code == "NoAddress"
    assert made.advice() == []
