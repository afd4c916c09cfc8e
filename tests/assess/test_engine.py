"""What is assessed again when something changes, and what of a Service that etpguard changed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from functools import reduce
from operator import or_

import pytest

from etpguard.assess import DataPlane, Engine, KnownDataPlane, Options, Outcome
from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.view import View
from etpguard.assess.data_planes.interface import NodePlanes, PlaneGroup
from etpguard.assess.data_planes.kube_router import SERVICE_LOCAL
from etpguard.assess.turns import CONSUMERS_A_TURN
from etpguard.cluster import Touched
from etpguard.objects import NODE, SERVICE_COVERAGE, Key, Node, Record, Service
from etpguard.objects.nodes import ZONE_LABEL
from tests.assess.build import (
    NODES,
    ON_N1,
    WEB,
    Given,
    Watched,
    consumer,
    endpoint,
    endpoint_slice,
    node,
    picture_with,
    record,
    service,
)

EVERYWHERE = endpoint_slice([endpoint(n) for n in ("n1", "n2", "n3")])


def remediated(phase: str = "Applied", uid: str = "uid-web") -> Record:
    intent = {"phase": phase, "serviceUID": uid, "originalPolicy": "Local", "originalHealthCheckNodePort": 31111}
    coverage = {"metadata": {"name": "web", "namespace": "default"}, "status": {"remediation": intent}}
    found: Record = record(SERVICE_COVERAGE, coverage)
    return found


class Pinned(Given):
    """Its consumer probes whatever healthCheckNodePort the Service has."""

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        return [consumer(f"hc-{service.spec.health_check_node_port}")]


def test_a_remediated_service_stays_in_sight() -> None:
    changed = service(externalTrafficPolicy="Cluster")
    found = Watched(changed, ON_N1, *NODES, remediated(), family=Pinned()).engine.assessments[WEB]
    assert (found.outcome, found.reason.code, found.policy) == (Outcome.NotAffected, "Remediated", "Cluster")
    assert found.uncovered == 0
    assert found.if_local is not None
    assert found.if_local.outcome is Outcome.TargetsUnhealthy
    assert found.if_local.uncovered.bit_count() == 2
    assert [v.outcome for v in found.consumers] == [Outcome.NotAffected]
    assert found.consumers[0].consumer.name == "hc-31111", "as it would be with the port that it had"


@pytest.mark.parametrize(
    "coverage",
    [
        pytest.param(remediated("RolledBack"), id="rolled back"),
        pytest.param(remediated(uid="uid-of-its-predecessor"), id="another Service's of that name"),
    ],
)
def test_a_service_that_is_not_remediated_is_out_of_sight(coverage: Record) -> None:
    watched = Watched(service(externalTrafficPolicy="Cluster"), ON_N1, *NODES, coverage)
    assert watched.engine.assessments == {}


def test_a_renamed_port_and_its_slice_come_one_after_the_other() -> None:
    watched = Watched(service(), EVERYWHERE, *NODES)
    port = {"name": "web", "port": 80, "nodePort": 30080}
    watched.put(service(ports=[port]))
    assert watched.engine.assessments[WEB].reason.code == "PortNotServed"
    assert not watched.engine.assessments[WEB].ports[0].usable
    watched.put(endpoint_slice([endpoint("n1")], [{"name": "web", "protocol": "TCP", "port": 80}]))
    assert watched.engine.assessments[WEB].ports[0].usable


def test_a_node_deleted_and_created_again() -> None:
    watched = Watched(service(), EVERYWHERE, *NODES)
    before = watched.engine.assessments[WEB]
    change = watched.picture.store(NODE).delete(Key("", "n2"), 10**9)
    assert change is not None
    watched.engine.refresh(watched.picture.absorb([change]))
    assert watched.engine.assessments[WEB].eligible.bit_count() == 2
    watched.put(node("n2"))
    assert watched.engine.assessments[WEB] == before


def test_nodes_that_were_read_ahead_are_as_those_that_are_read_at_once() -> None:
    families = [Given(web=[consumer()])]
    picture = picture_with(service(), EVERYWHERE, families=families)
    engine = Engine(picture, families)
    store = picture.store(NODE)

    def put(*given: Node) -> Touched:
        return picture.absorb(store.replace(given))

    engine.prepare(put(*NODES[:1]).nodes)
    engine.prepare(put(*NODES[1:], node("n8"), node("n9", ready="False")).nodes)
    change = store.delete(Key("", "n8"), 10**9)
    assert change is not None
    engine.prepare(picture.absorb([change]).nodes)
    last = put(node("n9"))  # it reaches `invalidate` alone
    last.everything = True
    engine.refresh(last)
    other = Engine(picture, families)
    other.refresh_all()
    assert engine.assessments == other.assessments
    assert engine.assessments[WEB].eligible == other.assessments[WEB].eligible
    store.replace([node("n9", ready="False")])  # with nothing read ahead, everything is read again
    engine.refresh_all()
    assert engine.assessments[WEB].eligible != other.assessments[WEB].eligible


def test_an_equal_assessment_is_the_former_one_with_its_resilience() -> None:
    watched = Watched(service(), ON_N1, *NODES)
    before = watched.engine.assessments[WEB]
    resilience = before.consumers[0].coverage[0].resilience if before.consumers else before.coverage[0].resilience
    assert watched.engine.refresh_all() == {}
    after = watched.engine.assessments[WEB]
    assert after is before
    assert (after.consumers[0].coverage if after.consumers else after.coverage)[0].resilience is resilience


def test_a_reassessment_that_changes_nothing_is_not_returned() -> None:
    watched = Watched(service(), EVERYWHERE, *NODES)
    assert watched.put(node("n1", labels={"unheeded": "x"})) == {}
    assert watched.put(EVERYWHERE) == {}
    assert watched.engine.refresh(Touched(services={WEB})) == {}
    assert list(watched.put(node("n1", "False"))) == [WEB]


class ByLabel:
    """The detector of a cluster in which nodes with the label "router" have kube-router, and others kube-proxy."""

    def signs(self, node: Node) -> Hashable:
        return "router" in node.labels

    def planes(self, nodes: Mapping[Hashable, int]) -> NodePlanes:
        names = {True: DataPlane.KUBE_ROUTER, False: DataPlane.KUBE_PROXY}
        return NodePlanes(
            tuple(PlaneGroup(KnownDataPlane(names[bool(signs)]), found) for signs, found in nodes.items())
            or (PlaneGroup(KnownDataPlane(DataPlane.KUBE_PROXY), 0),)
        )


class MaybeByLabel(ByLabel):
    """All nodes have kube-proxy, unless those with the label have kube-router."""

    def planes(self, nodes: Mapping[Hashable, int]) -> NodePlanes:
        every = PlaneGroup(KnownDataPlane(DataPlane.KUBE_PROXY), reduce(or_, nodes.values(), 0))
        return NodePlanes((every,), otherwise=(super().planes(nodes),) if True in nodes else ())


class Counted(Given):
    """Many consumers of each Service; counts how often they are found."""

    def __init__(self, consumers: int) -> None:
        super().__init__()
        self.consumers = consumers
        self.found = 0

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        self.found += 1
        return (consumer(f"c{number}") for number in range(self.consumers))


def test_endpoints_that_move_leave_the_consumers_as_they_were() -> None:
    family = Counted(3)
    watched = Watched(service(), ON_N1, *NODES, family=family)
    found = family.found
    before = watched.engine.assessments[WEB].uncovered
    watched.put(EVERYWHERE)
    assert watched.engine.assessments[WEB].uncovered != before
    assert family.found == found
    watched.put(service(meta={"labels": {"a": "b"}}))
    assert family.found == found + 1


def test_a_service_with_very_many_consumers_is_assessed_in_small_steps() -> None:
    family = Counted(20 * CONSUMERS_A_TURN)
    watched = Watched(service(), ON_N1, *NODES, family=family)
    watched.engine.invalidate(Touched(services={WEB}))
    pauses = sum(1 for _ in watched.engine.reassess_steps(WEB))
    assert pauses == 40, "while they are found, and while they are judged"


def test_ignoring_and_unignoring() -> None:
    watched = Watched(service(), EVERYWHERE, *NODES)
    assert watched.put(service(meta={"annotations": {"etpguard.dev/ignore": "true"}})) == {WEB: None}
    assert watched.engine.assessments == {}
    assert list(watched.put(service())) == [WEB]


def test_a_service_that_other_data_planes_serve_is_assessed_once_their_nodes_are_alone() -> None:
    """kube-router takes the policy for Local by an annotation. The Service has no assessment while another node
    forwards to any endpoint."""
    family = Given()
    subject = service(externalTrafficPolicy="Cluster", meta={"annotations": {SERVICE_LOCAL: "true"}})
    picture = picture_with(subject, ON_N1, node("n1", labels={"router": ""}), node("n2"), families=[family])
    engine = Engine(picture, [family], Options(ByLabel()))
    engine.refresh_all()
    assert engine.assessments == {}
    change = picture.store(NODE).delete(Key("", "n2"), 10**9)
    assert change is not None
    assert list(engine.refresh(picture.absorb([change]))) == [WEB]
    put = picture.absorb(picture.store(NODE).replace([node("n2")]))
    assert engine.refresh(put) == {WEB: None}


def test_another_data_plane_becomes_possible_on_a_node() -> None:
    """The node with the endpoint may have kube-router, which does not serve one whose conditions are nil."""
    nil = endpoint_slice([endpoint("n1")])
    family = Given()
    picture = picture_with(service(internalTrafficPolicy="Local"), nil, *NODES, families=[family])
    engine = Engine(picture, [family], Options(MaybeByLabel()))
    engine.refresh_all()
    assert engine.assessments[WEB].outcome is engine.internal[WEB].outcome is Outcome.Uncovered
    for name in ("n1", "n2", "n3"):
        engine.refresh(picture.absorb(picture.store(NODE).replace([node(name, labels={"router": ""})])))
    assert engine.assessments[WEB].reason.code == engine.internal[WEB].reason.code == "DataPlaneNotKnown"


def test_renumbered_nodes_change_every_assessment() -> None:
    watched = Watched(service(), EVERYWHERE, node("n0"), *NODES)
    change = watched.picture.store(NODE).delete(Key("", "n0"), 10**9)
    assert change is not None
    watched.engine.refresh(watched.picture.absorb([change]))
    assert watched.picture.nodes.compact(slack=-10)
    changed = watched.engine.refresh(Touched())
    found = changed[WEB]
    assert found is not None
    assert watched.picture.nodes.names(found.ports[0].ready) == ["n1", "n2", "n3"]
    assert found.epoch == watched.picture.nodes.epoch == 1


def test_zones_are_those_of_the_labels_unless_there_are_too_many() -> None:
    def zones(labels: Iterable[str]) -> list[str]:
        found = [node(f"n{number}", labels={ZONE_LABEL: zone}) for number, zone in enumerate(labels)]
        return [name for name, _ in Watched(*found, node("unlabelled")).engine.zones]

    assert zones("bab") == ["a", "b"]
    assert zones(f"z{number}" for number in range(65)) == []
