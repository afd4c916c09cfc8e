"""cilium pkg/l2announcer/l2announcer.go: newLeaseLock, serviceLeaderElection; cilium/cilium#48419, #46399."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import DataPlane, Evidence, Options
from etpguard.objects import Key
from etpguard.objects.cilium import CILIUM_L2_LEASE, L2Lease
from etpguard.objects.records import BareMeta
from tests.assess.build import one_plane
from tests.assess.consumers.families.cilium.given import (
    ASSIGNED,
    L2,
    V1_19,
    V1_20_2,
    advertisement,
    cluster_config,
    lease,
    policy,
)
from tests.assess.consumers.worlds import KEY, Json, Seen, endpoints, node, nodes, port, seen, service, world


def cilium(version: str) -> Options:
    return Options(one_plane(DataPlane.CILIUM, version=version, settings=()))


def held(*objects: Json, on: str = "a", version: str = V1_19, subject: Json | None = None, **kwargs: Any) -> Seen:
    made = subject or service(loadBalancerClass=L2, ingress=[{"ip": "203.0.113.9"}])
    return seen(made, endpoints(*on), *nodes(""), *objects, options=cilium(version) if version else None, **kwargs)


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param([policy(), lease("a")], Seen("Covered", "Covered", "a", ""), id="a node with an endpoint"),
        pytest.param([policy(), lease("b")], Seen("Outage", "Outage", "b", "b"), id="a node without one"),
        pytest.param([lease("b")], Seen("Outage", "Outage", "b", "b"), id="no policy was read"),
        pytest.param(
            [policy(), policy("wan", nodeSelector={"matchLabels": {"lan": "yes"}}), lease("a")],
            Seen("Covered", "Covered", "a", ""),
            id="two policies that disagree",
        ),
        pytest.param(
            [policy(), lease("gone")], Seen("Unknown", "LeaderNotKnown", "", ""), id="a node that is gone"
        ),
        pytest.param(
            [policy(nodeSelector={"matchLabels": {"lan": "yes"}}), lease("a")],
            Seen("Unknown", "LeaderNotKnown", "", ""),
            id="a node that the policy no longer selects",
        ),
        pytest.param([policy(), lease("")], Seen("Unknown", "LeaderNotKnown", "abc", "bc"), id="a released Lease"),
        pytest.param([policy(), lease(None)], Seen("Unknown", "LeaderNotKnown", "abc", "bc"), id="a null holder"),
        pytest.param([policy()], Seen("Unknown", "LeaderNotKnown", "abc", "bc"), id="no Lease"),
        pytest.param(
            [policy(), lease("a"), lease("b", namespace="cilium")],
            Seen("Unknown", "AnnouncingNodesNotKnown", "abc", "bc"),
            id="two Leases that disagree",
        ),
        pytest.param(
            [policy(), lease("a"), lease("a", namespace="cilium")],
            Seen("Covered", "Covered", "a", ""),
            id="two Leases that agree",
        ),
        pytest.param(
            [policy(), lease("b", of=Key("shop", "other"))],
            Seen("Unknown", "LeaderNotKnown", "abc", "bc"),
            id="the Lease of another Service",
        ),
    ],
)
def test_the_holder_of_the_lease_decides(objects: list[Json], expected: Seen) -> None:
    assert held(*objects) == expected


def test_a_holder_that_is_not_ready_may_lose_the_lease() -> None:
    down = node("b", ready="Unknown")
    subject = service(loadBalancerClass=L2, ingress=[{"ip": "203.0.113.9"}])
    found = seen(subject, endpoints("a"), node("a"), down, policy(), lease("b"))
    assert found == Seen("Unknown", "LeaderNotKnown", "", "")


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        pytest.param("a", Seen("Unknown", "LeaderNotKnown", "", ""), id="it will release the Lease"),
        pytest.param("b", Seen("Covered", "Covered", "b", ""), id="a node with an endpoint"),
    ],
)
@pytest.mark.parametrize("version", [V1_20_2, ""], ids=["1.20.2", "a release that is not known"])
def test_since_1_20_2_a_holder_without_an_endpoint_releases_the_lease(
    version: str, on: str, expected: Seen
) -> None:
    assert held(policy(), lease("b"), on=on, version=version) == expected


def test_a_holder_may_have_an_endpoint_of_one_port_only() -> None:
    two = service(loadBalancerClass=L2, ports=[port(), port("admin", 81, 30081)], ingress=[{"ip": "203.0.113.9"}])
    objects = [policy(), lease("b"), endpoints("a", "b", ports=["admin"])]
    assert held(*objects, subject=two, version=V1_20_2) == Seen("Outage", "Outage", "b", "b")
    assert held(*objects, subject=two, version=V1_20_2, port_name="admin") == Seen("Covered", "Covered", "b", "")


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        pytest.param(V1_19, "Unknown", id="Cilium runs in kube-system"),
        pytest.param("", "Covered", id="Cilium may run in another namespace"),
    ],
)
def test_without_a_holder_nobody_announces(version: str, expected: str) -> None:
    """All nodes have an endpoint, and a dump with Leases has none for the Service."""
    assert held(policy(), on="abc", version=version).outcome == expected


def test_without_a_holder_all_is_lost_where_no_node_has_an_endpoint() -> None:
    nowhere = policy(nodeSelector={"matchLabels": {"name": "b"}})
    subject = service(loadBalancerClass=L2, ingress=[{"ip": "203.0.113.9"}])
    found = seen(
        subject,
        endpoints("a"),
        node("a"),
        node("b", labels={"name": "b"}),
        nowhere,
        options=cilium(V1_19),
    )
    assert found == Seen("Outage", "Outage", "b", "b")


@pytest.mark.parametrize(
    ("on", "eligible", "tolerated"),
    [
        pytest.param("abc", "abc", 2, id="any of them may take over"),
        pytest.param("ab", "a", 0, id="a node without an endpoint may take over"),
    ],
)
def test_what_the_loss_of_the_holder_means_depends_on_the_others(on: str, eligible: str, tolerated: int) -> None:
    subject = service(loadBalancerClass=L2, ingress=[{"ip": "203.0.113.9"}])
    made = world(subject, endpoints(*on), *nodes(""), policy(), lease("a"), options=cilium(V1_19))
    found = made.consumer()
    assert (found.outcome.name, made.names(found.eligible)) == ("Covered", eligible)
    assert found.resilience is not None
    assert found.resilience.tolerates_nodes == tolerated


@pytest.mark.parametrize(
    ("holder", "expected"),
    [
        pytest.param("b", Seen("Outage", "Outage", "b", "b"), id="the node of the policy"),
        pytest.param("a", Seen("Unknown", "LeaderNotKnown", "", ""), id="another node"),
    ],
)
def test_a_policy_may_select_only_a_node_without_an_endpoint(holder: str, expected: Seen) -> None:
    only = policy(nodeSelector={"matchLabels": {"name": "b"}})
    members = [node("a"), node("b", labels={"name": "b"})]
    subject = service(loadBalancerClass=L2, ingress=[{"ip": "203.0.113.9"}])
    assert seen(subject, endpoints("a"), *members, only, lease(holder), options=cilium(V1_19)) == expected


def test_without_an_endpoint_anywhere_the_lease_does_not_matter() -> None:
    assert held(policy(), lease("b"), on="").outcome == "NoEndpoints"


def test_a_manifest_has_no_lease_yet() -> None:
    subject = service(loadBalancerClass=L2)
    assert held(policy(), on="abc", subject=subject) == Seen("Covered", "Covered", "abc", "")


def test_leases_that_cannot_be_read_are_named() -> None:
    made = world(
        service(loadBalancerClass=L2, ingress=[{"ip": "203.0.113.9"}]),
        endpoints("a"),
        *nodes(""),
        policy(),
        unread={"Lease": "may not list leases.coordination.k8s.io: no"},
    )
    found = made.consumer()
    assert (found.outcome.name, found.reason.code) == ("Unknown", "LeaderNotKnown")
    assert "may not list leases" in found.reason.detail


@pytest.mark.parametrize("annotation", ["lbipam.cilium.io/sharing-key", "io.cilium/lb-ipam-sharing-key"])
def test_services_that_share_an_address_have_a_leader_each(annotation: str) -> None:
    subject = service(loadBalancerClass=L2, annotations={annotation: "web"}, ingress=[{"ip": "203.0.113.9"}])
    assert held(policy(), lease("a"), subject=subject) == Seen("Unknown", "LeaderNotKnown", "abc", "bc")
    assert held(policy(), lease("a"), subject=subject, on="abc").outcome == "Covered"


def test_a_lease_shows_that_a_service_without_class_is_announced_by_arp() -> None:
    subject = service(conditions=[ASSIGNED], ingress=[{"ip": "203.0.113.9"}])
    assert held(lease("b"), subject=subject) == Seen("Outage", "Outage", "b", "b")
    both = held(policy(), lease("b"), advertisement(), cluster_config(), subject=subject)
    assert both.reason == "AnnouncingNodesNotKnown"


def test_the_lease_is_evidence() -> None:
    subject = service(loadBalancerClass=L2, ingress=[{"ip": "203.0.113.9"}])
    made = world(subject, endpoints("a"), *nodes(""), policy(), lease("a"))
    consumer = made.consumer().consumer
    assert consumer.evidence is Evidence.OBSERVED
    assert consumer.source.endswith("Lease kube-system/cilium-l2announce-shop-web names node a")


def test_another_holder_is_noticed_and_a_renewal_is_not() -> None:
    subject = service(loadBalancerClass=L2, ingress=[{"ip": "203.0.113.9"}])
    made = world(subject, endpoints("a"), *nodes(""), policy(), options=cilium(V1_19))
    assert made.consumer().outcome.name == "Unknown"
    made.put(lease("a"))
    assert made.consumer().outcome.name == "Covered"
    renewed = lease("a")
    renewed["spec"]["renewTime"] = "2026-01-01T00:00:05.000000Z"
    assert made.put(renewed) == {}
    assert KEY in made.put(lease("b"))
    assert made.consumer().outcome.name == "Outage"


def test_only_leases_of_services_are_read() -> None:
    assert CILIUM_L2_LEASE.subset is not None
    assert CILIUM_L2_LEASE.subset.namespace == "kube-system"
    names = {"cilium-l2announce-shop-web": True, "cilium-operator-resource-lock": False}
    for name, expected in names.items():
        assert CILIUM_L2_LEASE.holds(L2Lease(BareMeta(name))) is expected
