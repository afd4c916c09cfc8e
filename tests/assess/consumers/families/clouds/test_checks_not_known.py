"""Clouds of which it is not known what their load balancers check.

Civo: civo-cloud-controller-manager 0c98dc9 loadbalancer.go. STACKIT: cloud-provider-stackit d561f8e
pkg/ccm/loadbalancer_spec.go.
"""

from __future__ import annotations

import pytest

from etpguard.assess.evidence import Evidence
from tests.assess.consumers.worlds import Seen, endpoints, nodes, seen, service, world

CLOUDS = pytest.mark.parametrize("cloud", ["civo", "stackit"])


@CLOUDS
def test_both_outcomes_are_named(cloud: str) -> None:
    found = world(service(), endpoints("a"), *nodes(cloud)).consumer()
    assert (found.outcome.name, found.reason.code) == ("Unknown", "HealthCheckNotKnown")
    assert "get no traffic" in found.reason.detail
    assert "a share of the requests is lost" in found.reason.detail


@CLOUDS
def test_covered_where_every_node_is(cloud: str) -> None:
    assert seen(service(), endpoints("a", "b", "c"), *nodes(cloud)) == Seen("Covered", "Covered", "abc", "")


@CLOUDS
def test_lost_where_no_node_is(cloud: str) -> None:
    """Whatever is checked: no target has an endpoint."""
    assert seen(service(), endpoints("ghost"), *nodes(cloud)) == Seen("Outage", "Outage", "abc", "abc")


@pytest.mark.parametrize(
    ("annotation", "cloud"),
    [
        ("kubernetes.civo.com/firewall-id", "civo"),
        ("lb.stackit.cloud/internal-lb", "stackit"),
        ("yawol.stackit.cloud/logForward", "stackit"),
    ],
)
def test_recognised_by_a_mark(annotation: str, cloud: str) -> None:
    found = world(service(annotations={annotation: "x"}), endpoints("a"), *nodes("")).consumer().consumer
    assert (found.controller, found.evidence) == (f"cloud-provider/{cloud}", Evidence.DOCUMENTED)
