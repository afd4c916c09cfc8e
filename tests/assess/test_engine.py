"""From objects to the outcome of a Service: each rule of the design as a named case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from etpguard.assess import Assessment, DataPlane, Engine, Options, Outcome, picture_for
from etpguard.assess.consumers.interface import Consumer, View
from etpguard.assess.eligibility import NodeRule
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import (
    AnswersEverywhere,
    HealthCheckNodePort,
    KubeProxyHealthz,
    NotModelled,
    OwnNodePort,
    Probe,
)
from etpguard.cluster import Touched
from etpguard.objects import (
    ENDPOINT_SLICE,
    INGRESS,
    NODE,
    SERVICE,
    SERVICE_COVERAGE,
    AnyKind,
    Key,
    Record,
    Reject,
    Service,
)
from tests.assess.build import (
    Given,
    assess,
    endpoint,
    endpoint_slice,
    node,
    picture_with,
    record,
    service,
)

Json = dict[str, Any]
WEB = Key("default", "web")
NODES = [node("n1"), node("n2"), node("n3")]
ON_N1 = endpoint_slice([endpoint("n1")])
OWN_PORT = OwnNodePort("http")


def consumer(name: str = "lb", probe: Probe | None = OWN_PORT, **fields: Any) -> Consumer:
    base: Json = {"port": "http", "nodes": NodeRule(), "probe": probe}
    return Consumer("Ingress", "default", name, "example.com/lb", "instance", **{**base, **fields})


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
        pytest.param([consumer(probe=None)], "Unknown HealthCheckPortNotModelled 2/3", id="probe not known"),
        pytest.param([PODS], "NotAffected TargetsPods 0/0", id="targets pods"),
        pytest.param([PODS, consumer()], "TargetsUnhealthy TargetsUnhealthy 2/3", id="the worst consumer counts"),
        pytest.param([consumer(incidental=True)], "Uncovered NoKnownConsumer 2/3", id="incidental: none is known"),
        pytest.param(
            [consumer(incidental=True, probe=AnswersEverywhere()), consumer()],
            "TargetsUnhealthy TargetsUnhealthy 2/3",
            id="incidental: its own outcome does not count",
        ),
        pytest.param([consumer(unknown=Reason("Odd"))], "Unknown Odd 2/3", id="unknown, nodes still told"),
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
            [consumer(families=("IPv6",))], "Unknown PortNotServed 0/3", id="a family that is not served"
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
        pytest.param([consumer(probe=None)], ELSEWHERE, "Outage Outage 3/3", id="outage whatever the probe says"),
        pytest.param([consumer(max_targets=1)], ELSEWHERE, "Outage Outage 3/3", id="outage whichever are picked"),
        pytest.param(
            [consumer(probe=None)], EVERYWHERE, "Covered Covered 0/3", id="covered whatever the probe says"
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
            [consumer(nodes=NodeRule(follows_endpoints=True))],
            ON_N1,
            "Covered Covered 0/1",
            id="follows endpoints",
        ),
    ],
)
def test_outcome_by_endpoints(consumers: list[Consumer], slice_: Record, expected: str) -> None:
    found, _ = assess(service(), slice_, *NODES, consumers=consumers)
    assert found is not None
    counts = f"{found.uncovered.bit_count()}/{found.eligible.bit_count()}"
    assert f"{found.outcome} {found.reason.code} {counts}" == expected


def test_no_endpoints_comes_before_no_targets() -> None:
    assert outcome(service(), NOWHERE, consumers=[consumer()]) == "NoEndpoints"
    assert outcome(service(), ELSEWHERE, consumers=[consumer()]) == "NoTargets"
    assert outcome(service(), ELSEWHERE) == "NoTargets"


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
            "TargetsUnhealthy TargetsUnhealthy 2/3",
            id="Ingresses unread, but a consumer is known",
        ),
        pytest.param(
            {"unread": {SERVICE_COVERAGE: "403"}}, [], "Uncovered NoKnownConsumer 2/3", id="own reports unread"
        ),
        pytest.param(
            {"options": Options(DataPlane.OTHER)}, [], "Unknown DataPlaneNotModelled 0/3", id="another data plane"
        ),
        pytest.param(
            {"options": Options(DataPlane.OTHER)},
            [consumer()],
            "Unknown DataPlaneNotModelled 0/3",
            id="another data plane, through a consumer",
        ),
        pytest.param(
            {"options": Options(DataPlane.OTHER)},
            [PODS],
            "NotAffected TargetsPods 0/0",
            id="another data plane does not change where pods are the targets",
        ),
    ],
)
def test_unknown_where_an_input_is_missing(given: Json, consumers: list[Consumer], expected: str) -> None:
    assert verdict_of(*consumers, **given) == expected


def test_unknown_without_any_endpoint_slice() -> None:
    found, picture = assess(service(), *NODES, consumers=[consumer()])
    assert found is not None
    assert (found.outcome, found.reason.code) == (Outcome.Unknown, "NoEndpointSlices")
    assert picture.nodes.names(found.eligible) == ["n1", "n2", "n3"], "the nodes are still listed"


def test_unknown_with_a_slice_that_cannot_be_read() -> None:
    bad = Reject("EndpointSlice", Key("default", "web-2"), "u", 5, "EndpointSlice default/web-2: ports: bad", WEB)
    found, _ = assess(service(), ON_N1, bad, *NODES)
    assert found is not None
    assert (found.outcome, str(found.reason)) == (Outcome.Unknown, f"UnreadableEndpointSlice: {bad.message}")


def test_an_ingress_that_cannot_be_read_may_be_a_consumer() -> None:
    bad = Reject("Ingress", Key("default", "odd"), "u", 5, "Ingress default/odd: spec: bad")
    elsewhere = bad._replace(key=Key("other", "odd"))
    assert outcome(service(), ON_N1, *NODES, bad) == "Unknown"
    assert outcome(service(), ON_N1, *NODES, elsewhere) == "Uncovered"
    assert outcome(service(), ON_N1, *NODES, bad, consumers=[consumer()]) == "TargetsUnhealthy"
    assert outcome(service(), ON_N1, *NODES, bad, options=Options(unread_is_unknown=False)) == "Uncovered"


WINDOWS: Json = {"kubernetes.io/os": "windows"}


@pytest.mark.parametrize(
    ("windows", "consumers", "expected"),
    [
        pytest.param("n2", [consumer()], "Unknown", id="an uncovered one"),
        pytest.param("n1", [consumer()], "TargetsUnhealthy", id="one with a ready endpoint"),
        pytest.param("n2", [], "Uncovered", id="without a consumer, another node is uncovered for certain"),
    ],
)
def test_windows_nodes(windows: str, consumers: list[Consumer], expected: str) -> None:
    nodes = [node(n, labels=WINDOWS if n == windows else {}) for n in ("n1", "n2", "n3")]
    assert outcome(service(), ON_N1, *nodes, consumers=consumers) == expected


def test_windows_nodes_alone_may_be_uncovered() -> None:
    nodes = [node("n1"), node("n2", labels=WINDOWS)]
    assert outcome(service(), ON_N1, *nodes) == "Unknown"
    assert outcome(service(), ENDING, node("n1", labels=WINDOWS), consumers=[consumer()]) == "Unknown"
    assert outcome(service(), NOWHERE, *nodes) == "NoEndpoints"


DUAL: Json = {"ipFamilies": ["IPv4", "IPv6"], "clusterIPs": ["10.96.0.1", "fd00::1"]}
V6_ON_N2 = endpoint_slice([endpoint("n2", "2001:db8::2")], family="IPv6", name="web-6")


def test_dual_stack_is_the_worst_of_its_families() -> None:
    both = consumer(families=("IPv4", "IPv6"))
    four, six = consumer("four"), consumer("six", families=("IPv6",))
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
        service(), endpoint_slice([endpoint(None), endpoint("gone")]), *NODES, options=Options(DataPlane.CILIUM)
    )
    assert found is not None
    assert found.outcome is Outcome.Covered
    assert picture.nodes.names(found.ports[0].ready & found.nodes) == ["n1", "n2", "n3"]


def test_one_family_of_consumers_owns_an_object() -> None:
    first, second = (
        Given(web=[consumer("same")]),
        Given(web=[consumer("same", AnswersEverywhere()), consumer("more")]),
    )
    engine = Engine(picture_with(service(), ON_N1, *NODES), [first, second])
    engine.refresh_all()
    assert [v.consumer.name for v in engine.assessments[WEB].consumers] == ["same", "more"]
    assert engine.assessments[WEB].outcome is Outcome.TargetsUnhealthy


def remediated(phase: str = "Applied", uid: str = "uid-web") -> Record:
    intent = {"phase": phase, "serviceUID": uid, "originalPolicy": "Local", "originalHealthCheckNodePort": 31111}
    coverage = {"metadata": {"name": "web", "namespace": "default"}, "status": {"remediation": intent}}
    found: Record = record(SERVICE_COVERAGE, coverage)
    return found


class Pinned(Given):
    """Its consumer probes whatever healthCheckNodePort the Service has."""

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        return [consumer(f"hc-{service.spec.health_check_node_port}")]


def engine_of(*objects: Record, family: Given | None = None) -> Engine:
    families = [family or Given()]
    picture = picture_for(families)
    kinds: dict[str, AnyKind] = {
        "Service": SERVICE,
        "EndpointSlice": ENDPOINT_SLICE,
        "Node": NODE,
        "ServiceCoverage": SERVICE_COVERAGE,
    }
    for each in objects:
        store = picture.store(kinds[type(each).__name__])
        picture.absorb(store.replace([each]))
    engine = Engine(picture, families)
    engine.refresh_all()
    return engine


def test_a_remediated_service_stays_in_sight() -> None:
    changed = service(externalTrafficPolicy="Cluster")
    found = engine_of(changed, ON_N1, *NODES, remediated(), family=Pinned()).assessments[WEB]
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
    assert engine_of(service(externalTrafficPolicy="Cluster"), ON_N1, *NODES, coverage).assessments == {}


class Reading(Given):
    """Probes a node port of whoever owns it, and says what the platform is."""

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        if service.key != WEB:
            return
        probe, reads = view.probe_of(30099, service)
        name = ",".join(sorted(view.platforms)) or "none"
        yield consumer(name, probe, reads=reads, reads_node_ports=frozenset({30099}))


class Watched:
    """An engine that is refreshed after each change."""

    def __init__(self, *objects: Record) -> None:
        self.family = Reading()
        self.picture = picture_with(*objects, families=[self.family])
        self.engine = Engine(self.picture, [self.family])
        self.engine.refresh_all()

    def put(self, each: Record) -> Mapping[Key, Assessment | None]:
        kinds: dict[str, AnyKind] = {"Service": SERVICE, "EndpointSlice": ENDPOINT_SLICE, "Node": NODE}
        store = self.picture.store(kinds[type(each).__name__])
        return self.engine.refresh(self.picture.absorb(store.replace([each])))

    @property
    def outcome(self) -> str:
        return self.engine.assessments[WEB].outcome.name

    @property
    def reason(self) -> str:
        return self.engine.assessments[WEB].reason.code


PROBED: Json = {"ports": [{"name": "hc", "port": 1, "nodePort": 30099}], "selector": {"app": "hc"}}
HC = [{"name": "hc", "protocol": "TCP", "port": 1}]


def test_the_owner_of_a_probed_node_port_is_followed() -> None:
    watched = Watched(service(), ON_N1, *NODES)
    assert watched.outcome == "Unknown", "nobody is known to answer there"
    watched.put(service("hc", **PROBED))
    assert watched.outcome == "Blackhole", "its Service has no endpoint: no target is healthy, and all are sent to"
    assert watched.reason == "NoHealthyTarget"
    watched.put(endpoint_slice([endpoint("n2")], HC, name="hc-1", of="hc"))
    assert watched.outcome == "Blackhole", "it passes on n2, which drops"
    watched.put(endpoint_slice([endpoint("n1")], HC, name="hc-1", of="hc"))
    assert watched.outcome == "TargetsUnhealthy"
    watched.put(service("hc", **{**PROBED, "externalTrafficPolicy": "Cluster"}))
    assert watched.outcome == "Blackhole", "it passes everywhere"
    watched.put(service("hc", ports=[{"name": "hc", "port": 1, "nodePort": 30098}]))
    assert watched.outcome == "Unknown"


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        pytest.param([{"name": "a", "port": 1, "nodePort": 30099}], OwnNodePort("a"), id="its own TCP port"),
        pytest.param(
            [
                {"name": "u", "port": 1, "nodePort": 30099, "protocol": "UDP"},
                {"name": "t", "port": 1, "nodePort": 30099},
            ],
            OwnNodePort("t"),
            id="of two protocols the TCP port answers",
        ),
        pytest.param(
            [{"name": "u", "port": 1, "nodePort": 30099, "protocol": "UDP"}],
            NotModelled("nothing in the API tells what answers on port 30099"),
            id="a UDP port alone does not",
        ),
    ],
)
def test_who_answers_a_health_check(ports: list[Json], expected: Probe) -> None:
    probed = service(ports=ports)
    assert View(picture_with(probed)).probe_of(30099, probed)[0] == expected


def test_consumers_are_found_anew_when_the_platform_changes() -> None:
    watched = Watched(service(), ON_N1, *NODES)
    assert [v.consumer.name for v in watched.engine.assessments[WEB].consumers] == ["none"]
    watched.put(node("n1", provider_id="aws:///zone/i-1"))
    assert [v.consumer.name for v in watched.engine.assessments[WEB].consumers] == ["aws"]


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


def test_what_changes_nothing_is_not_told() -> None:
    watched = Watched(service(), EVERYWHERE, *NODES)
    assert watched.put(node("n1", labels={"unheeded": "x"})) == {}
    assert watched.put(EVERYWHERE) == {}
    assert watched.engine.refresh(Touched(services={WEB})) == {}
    assert list(watched.put(node("n1", "False"))) == [WEB]


def test_ignoring_and_unignoring() -> None:
    watched = Watched(service(), EVERYWHERE, *NODES)
    assert watched.put(service(meta={"annotations": {"etpguard.dev/ignore": "true"}})) == {WEB: None}
    assert watched.engine.assessments == {}
    assert list(watched.put(service())) == [WEB]


def test_positions_dealt_anew_change_every_assessment() -> None:
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


def test_a_blocked_registration_names_the_node() -> None:
    unusable: Sequence[Consumer] = [consumer(nodes=NodeRule(provider_id="i-.*"))]
    found, picture = assess(
        service(), ON_N1, node("n1", provider_id="aws:///a/i-1"), node("n2"), consumers=unusable
    )
    assert found is not None
    assert found.reason.code == "RegistrationBlocked"
    assert "node n2" in found.reason.detail
    assert picture.nodes.names(found.eligible) == ["n1", "n2"]
