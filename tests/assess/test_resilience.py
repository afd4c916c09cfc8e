"""Resilience by counting equals an engine that really lost the nodes; and its figures on named cases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from etpguard.assess import Engine
from etpguard.assess.consumers.consumer import Consumer, ConsumerVerdict
from etpguard.assess.consumers.targets import HealthCheck, NodeTargets, NoneHealthy
from etpguard.assess.node_rule import Hosts, NodeRule, Readiness
from etpguard.assess.outcome import NO_HEALTHY_TARGET, Outcome
from etpguard.assess.probe import AnswersEverywhere, HealthCheckNodePort, KubeProxyHealthz, Probe
from etpguard.assess.resilience import MinimumHealthy, Resilience
from etpguard.objects import Record, Requirement
from tests.assess.build import OWN_PORT, WEB, Given, assess, consumer, endpoint, endpoint_slice, node, service
from tests.assess.build import picture_with as picture
from tests.examples import examples

ZONE = "topology.kubernetes.io/zone"
CONDITIONS: dict[str, dict[str, bool]] = {
    "ready": {"ready": True},
    "unready": {"ready": False},
    "terminating": {"ready": False, "serving": True, "terminating": True},
    "ending": {"ready": False, "serving": False, "terminating": True},
}


@dataclass(frozen=True)
class World:
    """Nodes by name, with their readiness, zone and label `pool`, and the endpoints of each family on them."""

    nodes: dict[str, tuple[str, str, str]]
    endpoints: tuple[tuple[str, str, str], ...]
    """Family, node ("" for none), condition."""

    def without(self, lost: Iterable[str]) -> World:
        gone = set(lost)
        return World(
            {name: facts for name, facts in self.nodes.items() if name not in gone},
            tuple(each for each in self.endpoints if each[1] not in gone),
        )

    def objects(self) -> list[Record]:
        both = service(ipFamilies=["IPv4", "IPv6"], clusterIPs=["10.96.0.1", "fd00::1"], clusterIP="10.96.0.1")
        made: list[Record] = [both]
        for name, (ready, zone, pool) in self.nodes.items():
            labels = {"pool": pool, **({ZONE: zone} if zone else {})}
            made.append(node(name, ready, labels=labels))
        for family, template in (("IPv4", "10.0.0.{}"), ("IPv6", "fd00:10::{}")):
            found = [
                endpoint(host or None, template.format(number + 1), **CONDITIONS[condition])
                for number, (of, host, condition) in enumerate(self.endpoints)
                if of == family
            ]
            made.append(endpoint_slice(found, name=f"web-{family.lower()}", family=family))
        return made

    def zones(self) -> set[str]:
        return {zone for _, zone, _ in self.nodes.values() if zone}


def verdicts(world: World, consumers: list[Consumer]) -> tuple[Engine, list[ConsumerVerdict]]:
    families = [Given(web=consumers)]
    engine = Engine(picture(*world.objects(), families=families), families)
    engine.refresh_all()
    return engine, list(engine.assessments[WEB].consumers)


def lost_share(engine: Engine, verdict: ConsumerVerdict) -> Fraction:
    """The share of the traffic that is lost, by the verdict; 1 where that is not known."""
    if verdict.outcome <= Outcome.TargetsUnhealthy:
        return Fraction(0)
    if verdict.outcome is not Outcome.Blackhole:
        return Fraction(1)
    targets, family = verdict.consumer.targets, verdict.consumer.ip_families[0]
    passes = engine.probe_passes(WEB, verdict.consumer, family, verdict.eligible)
    assert isinstance(targets, NodeTargets)
    assert isinstance(passes, int)
    sent = verdict.eligible & passes
    fails_open = targets.none_healthy is NoneHealthy.SENDS_TO_ALL
    missed = targets.minimum_healthy.missed(sent.bit_count(), verdict.eligible.bit_count())
    if verdict.reason.code == NO_HEALTHY_TARGET or (fails_open and missed):
        sent = verdict.eligible
    return Fraction((verdict.uncovered & sent).bit_count(), sent.bit_count())


@st.composite
def worlds(draw: st.DrawFn) -> World:
    names = [f"n{number}" for number in range(draw(st.integers(1, 6)))]
    facts = st.tuples(
        st.sampled_from(("True", "True", "True", "Unknown", "False")),
        st.sampled_from(("a", "b", "c", "")),
        st.sampled_from(("x", "y")),
    )
    nodes = {name: draw(facts) for name in names}
    one = st.tuples(
        st.sampled_from(("IPv4", "IPv6")),
        st.sampled_from((*names, *names, "ghost", "")),
        st.sampled_from(("ready", "ready", "unready", "terminating", "ending")),
    )
    return World(nodes, tuple(draw(st.lists(one, max_size=10))))


PROBES: tuple[Probe, ...] = (
    OWN_PORT,
    HealthCheckNodePort(),
    HealthCheckNodePort(any_answer=True),
    KubeProxyHealthz(),
    AnswersEverywhere(),
)


@st.composite
def targets(draw: st.DrawFn, rules: st.SearchStrategy[NodeRule]) -> NodeTargets:
    return NodeTargets(
        draw(rules),
        HealthCheck(draw(st.sampled_from(PROBES))),
        none_healthy=draw(st.sampled_from(NoneHealthy)),
        minimum_healthy=draw(
            st.sampled_from((MinimumHealthy(), MinimumHealthy(2), MinimumHealthy(percentage=50)))
        ),
    )


PLAIN = st.sampled_from(
    (
        NodeRule(),
        NodeRule(readiness=Readiness.IGNORED),
        NodeRule(requirements=(Requirement("pool", "In", ("x",)),)),
        NodeRule(hosts=Hosts.USABLE),
        NodeRule(hosts=Hosts.READY_OF_PORT),
        NodeRule(hosts=Hosts.NOT_TERMINATING),
    )
)
WITH_SPARE = st.sampled_from(
    (
        NodeRule(readiness=Readiness.FAIL_OPEN),
        NodeRule(prefers=(Requirement("pool", "In", ("x",)),)),
    )
)


def of_each_family(targets: NodeTargets) -> list[Consumer]:
    return [consumer(family, targets=targets, ip_families=(family,)) for family in ("IPv4", "IPv6")]


def harms(world: World, consumers: list[Consumer], lost: Iterable[str], index: int, now: Fraction) -> bool:
    engine, after = verdicts(world.without(lost), consumers)
    return lost_share(engine, after[index]) > now


@settings(max_examples=examples(250), deadline=None)
@given(worlds(), targets(PLAIN | WITH_SPARE))
def test_single_points_and_zones_are_those_of_an_engine_that_lost_them(world: World, to: NodeTargets) -> None:
    consumers = of_each_family(to)
    engine, found = verdicts(world, consumers)
    for index, verdict in enumerate(found):
        shown = verdict.resilience
        if verdict.outcome is Outcome.Unknown:
            assert shown is None
            continue
        assert shown is not None
        now = lost_share(engine, verdict)
        single = [name for name in world.nodes if harms(world, consumers, [name], index, now)]
        assert engine._picture.nodes.names(shown.single_points) == sorted(single)
        (family,) = verdict.consumer.ip_families
        state = next(port for port in engine.assessments[WEB].ports if port.family == family)
        assert shown.covered_nodes == (verdict.eligible & state.forwarding).bit_count()
        names = set(engine._picture.nodes.names(verdict.eligible))
        zoned = {world.nodes[name][1] for name in names} - {""}
        assert (shown.covered_zones is None) == (not zoned)
        for zone in zoned if shown.tolerates_zones else ():
            members = [name for name, (_, at, _) in world.nodes.items() if at == zone]
            assert not harms(world, consumers, members, index, now), zone


@settings(max_examples=examples(120), deadline=None)
@given(worlds(), targets(PLAIN))
def test_so_many_losses_do_no_harm_and_one_more_does(world: World, to: NodeTargets) -> None:
    """For nodes and for zones, over every combination."""
    consumers = of_each_family(to)
    engine, found = verdicts(world, consumers)
    zones = {z: [n for n, (_, at, _) in world.nodes.items() if at == z] for z in sorted(world.zones())}
    for index, verdict in enumerate(found):
        shown = verdict.resilience
        if shown is None:
            continue
        now = lost_share(engine, verdict)
        eligible = set(engine._picture.nodes.names(verdict.eligible))
        nodes = [[name] for name in sorted(world.nodes)]
        in_use = [members for members in zones.values() if eligible & set(members)]
        for tolerated, choices in ((shown.tolerates_nodes, nodes), (shown.tolerates_zones, in_use)):
            if tolerated is None or now >= 1:
                assert not tolerated
                continue

            for number in range(1, min(tolerated + 1, len(choices)) + 1):
                chosen = ([name for unit in units for name in unit] for units in combinations(choices, number))
                harmful = any(harms(world, consumers, lost, index, now) for lost in chosen)
                assert harmful == (number > tolerated)


ABC = [node("n1", labels={ZONE: "a"}), node("n2", labels={ZONE: "b"}), node("n3", labels={ZONE: "c"})]


def shown(nodes: list[Any], hosts: list[str], *consumers: Consumer) -> Resilience | None:
    slice_ = endpoint_slice([endpoint(host, f"10.0.0.{n + 1}") for n, host in enumerate(hosts)])
    found, _ = assess(service(), slice_, *nodes, consumers=consumers)
    assert found is not None
    return found.resilience


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        pytest.param(
            ["n1", "n2", "n3"], Resilience(3, 2, 0, 3, 2, (), (1, 1)), id="covered: all but one may be lost"
        ),
        pytest.param(["n1"], Resilience(1, 0, 0b1, 1, 0, ("b", "c"), (1, 1)), id="one node from an outage"),
        pytest.param(
            ["n1", "n1", "n1", "n2"], Resilience(2, 1, 0, 2, 1, ("c",), (1, 3)), id="pods share a node unevenly"
        ),
        pytest.param([], Resilience(0, 0, 0, 0, 0, ("a", "b", "c"), None), id="nothing is left to lose"),
    ],
)
def test_figures(hosts: list[str], expected: Resilience) -> None:
    assert shown(ABC, hosts, consumer()) == expected


def test_a_blackhole_grows_with_the_loss_of_each_covered_node() -> None:
    found = shown(ABC, ["n1", "n2"], consumer(probe=AnswersEverywhere()))
    assert found == Resilience(2, 0, 0b11, 2, 0, ("c",), (1, 1))


def test_without_a_known_consumer_any_eligible_node_counts() -> None:
    assert shown(ABC, ["n1", "n2", "n3"]) == Resilience(3, 2, 0, 3, 2, (), (1, 1))
    assert shown(ABC, ["n2", "n3"]) == Resilience(2, 0, 0b110, 2, 0, ("a",), (1, 1)), "clients use n1 too"


def test_shares_are_those_of_single_pods() -> None:
    found = shown(ABC, ["n1", "n1", "n1", "n2"], consumer())
    assert found is not None
    assert found.per_pod_share == (1 / 6, 1 / 2)


def test_the_worst_consumer_counts_and_one_that_is_not_known_hides_it() -> None:
    pool = NodeTargets(NodeRule(names=frozenset(("n1",))), HealthCheck(OWN_PORT))
    one, all_nodes = consumer("one", targets=pool), consumer("all")
    found = shown(ABC, ["n1", "n2"], one, all_nodes)
    assert found is not None
    assert (found.covered_nodes, found.single_points) == (1, 0b1)
    capped = consumer("capped", targets=replace(pool, rule=NodeRule(), max_targets=1))
    assert shown(ABC, ["n1", "n2"], capped, all_nodes) is None
