"""OpenShift's annotation local-with-fallback: only its own OVN-Kubernetes knows it."""

from __future__ import annotations

import pytest

from etpguard.assess.advice import Advisor
from etpguard.objects.openshift import LOCAL_WITH_FALLBACK
from tests.assess.consumers.worlds import Json, endpoints, nodes, service, world

FALLBACK = {LOCAL_WITH_FALLBACK: ""}
CHECK = "service.beta.kubernetes.io/aws-load-balancer-healthcheck-port"


@pytest.mark.parametrize(
    ("subject", "on", "outcome", "code"),
    [
        pytest.param(
            service(type="NodePort", annotations=FALLBACK), "a", "Unknown", "LocalWithFallback", id="a node port"
        ),
        pytest.param(
            service(type="NodePort", annotations=FALLBACK), "abc", "Covered", "NoKnownConsumer", id="all covered"
        ),
        pytest.param(service(type="NodePort"), "a", "Uncovered", "NoKnownConsumer", id="without the annotation"),
        pytest.param(
            service(annotations=FALLBACK),
            "a",
            "TargetsUnhealthy",
            "TargetsUnhealthy",
            id="the healthCheckNodePort still answers 503",
        ),
        pytest.param(
            service(annotations={**FALLBACK, CHECK: "10256"}), "a", "Unknown", "LocalWithFallback", id="blackhole"
        ),
        pytest.param(
            service(type="NodePort", annotations=FALLBACK), "", "NoEndpoints", "NoKnownConsumer", id="no endpoint"
        ),
    ],
)
def test_what_would_be_dropped_is_not_known(subject: Json, on: str, outcome: str, code: str) -> None:
    found = world(subject, endpoints(*on), *nodes("aws")).assessment
    assert (found.outcome.name, found.reason.code) == (outcome, code)


def test_advice_asks_for_the_network_first() -> None:
    made = world(service(type="NodePort", annotations=FALLBACK), endpoints("a"), *nodes("aws"))
    advice = Advisor(made.picture, made.families)(made.assessment)
    assert [one.title.split(" the network")[0] for one in advice] == ["Find out whether"]
