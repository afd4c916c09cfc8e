"""The engine kept up to date says what a new one would say, whatever changes in whatever order."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from etpguard.assess import Assessment, Engine, KnownDataPlane, Options, picture_for
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.targets import NodeTargets, PodTargets, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.data_planes.interface import DataPlane, Detector, NodePlanes, PlaneGroup
from etpguard.assess.node_rule import Hosts, NodeRule, Readiness
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import HealthCheckNodePort
from etpguard.cluster import Change, Picture, Touched
from etpguard.cluster.picture import Referrer
from etpguard.objects import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NODE,
    SERVICE,
    SERVICE_COVERAGE,
    AnyKind,
    Ingress,
    Key,
    Kind,
    Node,
    Reject,
    Requirement,
    Service,
    decode_item,
)
from tests.assess.build import one_plane
from tests.examples import examples

Json = dict[str, Any]

SERVICES = ("a", "b", "c")
NODES = ("n0", "n1", "n2", "n3")
NODE_PORTS = (30001, 30002, 30003)


class ByPool:
    """A detector by the label "pool". `certain`: nodes with it have Cilium, and others kube-proxy. If not, all
    nodes have kube-proxy, unless those with the label have Cilium."""

    def __init__(self, certain: bool) -> None:
        self._certain = certain

    def signs(self, node: Node) -> Hashable:
        return "pool" in node.labels

    def planes(self, nodes: Mapping[Hashable, int]) -> NodePlanes:
        labelled, others = nodes.get(True, 0), nodes.get(False, 0)
        by_pool = NodePlanes(
            (
                *((PlaneGroup(KnownDataPlane(DataPlane.CILIUM), labelled),) if labelled else ()),
                *((PlaneGroup(KnownDataPlane(DataPlane.KUBE_PROXY), others),) if others or not labelled else ()),
            )
        )
        if self._certain or not labelled:
            return by_pool
        kube_proxy = PlaneGroup(KnownDataPlane(DataPlane.KUBE_PROXY), labelled | others)
        return NodePlanes((kube_proxy,), otherwise=(by_pool,))


DETECTORS: Sequence[Detector] = (
    one_plane(DataPlane.KUBE_PROXY),
    one_plane(DataPlane.KUBE_PROXY),
    one_plane(DataPlane.CILIUM),
    one_plane(DataPlane.OTHER),
    ByPool(certain=True),
    ByPool(certain=False),
)

RULES = (
    NodeRule(),
    NodeRule(readiness=Readiness.FAIL_OPEN),
    NodeRule(readiness=Readiness.IGNORED, provider_id="i-[0-9a-f]+"),
    NodeRule(requirements=(Requirement("pool", "In", ("edge",)),), hosts=Hosts.USABLE),
)


class Front:
    """A family of consumers that uses all that the interface has: each Ingress sends to every port of its
    Service. Its rule, the port that it probes and its faults are in its annotations and its class."""

    name = "front"
    balancers_only = False
    kinds: Sequence[Kind[Any]] = ()
    refers: Mapping[Kind[Any], Sequence[Referrer]] = {
        INGRESS: (lambda i: [Key(i.key.namespace, i.annotations["also"])] if "also" in i.annotations else (),)
    }

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        for ingress in view.referring(INGRESS, service.key):
            for port in service.ports:
                yield self._consumer(service, ingress, port.label, view)

    def _consumer(self, service: Service, ingress: Ingress, port: str, view: View) -> Consumer:
        said = ingress.annotations
        number = int(said.get("probe", "0"))
        check = view.check_on(number, service, None)
        if number == service.spec.health_check_node_port:
            check = replace(check, probe=HealthCheckNodePort())
        class_ = view.get(INGRESS_CLASS, Key("", "front"))
        unknown = Reason("NoClass") if said.get("class") == "front" and class_ is None else None
        if "aws" in view.platforms and "cloudy" in said:
            unknown = Reason("Cloudy")
        rule = None if said.get("rule") == "pods" else RULES[int(said.get("rule", "0"))]
        targets: Targets = NodeTargets(rule, check, int(said.get("max", "0"))) if rule else PodTargets()
        if unknown:
            targets = UnknownOutcome(unknown, rule, check)
        return Consumer(
            kind="Ingress",
            namespace=ingress.key.namespace,
            name=ingress.key.name,
            controller="example.com/front",
            target_type="instance",
            port=port,
            ip_families=("IPv4", "IPv6"),
            targets=targets,
            incidental="incidental" in said,
        )

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        return ()


def seldom(name: str, value: str = "true") -> st.SearchStrategy[dict[str, str]]:
    return st.sampled_from(7 * [{}] + [{name: value}])


@st.composite
def services(draw: st.DrawFn) -> Json:
    ports = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.sampled_from(("http", "https")),
                    "port": st.just(80),
                    "nodePort": st.sampled_from((*NODE_PORTS, None)),
                    "protocol": st.sampled_from(("TCP", "TCP", "TCP", "UDP")),
                }
            ),
            min_size=1,
            max_size=2,
            unique_by=lambda port: port["name"],
        )
    )
    spec: Json = {
        "type": draw(st.sampled_from(("NodePort", "NodePort", "LoadBalancer", "ClusterIP"))),
        "clusterIP": draw(st.sampled_from(5 * ["10.0.0.1"] + ["fd00::1", "None"])),
        "externalTrafficPolicy": draw(st.sampled_from(("Local", "Local", "Local", "Cluster"))),
        "internalTrafficPolicy": draw(st.sampled_from(("Local", "Local", "Cluster"))),
        "ports": ports,
        "selector": draw(seldom("apps.kubernetes.io/pod-index")),
    }
    if draw(st.booleans()):
        spec["healthCheckNodePort"] = 30003
    labels = draw(seldom("service.kubernetes.io/service-proxy-name"))
    return {"metadata": {"labels": labels, "annotations": draw(seldom("etpguard.dev/ignore"))}, "spec": spec}


@st.composite
def slices(draw: st.DrawFn) -> Json:
    ending = {"ready": False, "serving": True, "terminating": True}
    conditions = st.sampled_from(({}, {"ready": True}, {"ready": False}, ending))
    endpoints = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "addresses": st.sampled_from((["10.1.0.1"], ["10.1.0.2"], ["10.1.0.3"])),
                    "conditions": conditions,
                },
                optional={"nodeName": st.sampled_from((*NODES, "ghost"))},
            ),
            max_size=3,
        )
    )
    return {
        "metadata": {"labels": {"kubernetes.io/service-name": draw(st.sampled_from(SERVICES))}},
        "addressType": draw(st.sampled_from(("IPv4", "IPv4", "IPv6"))),
        "ports": [{"name": draw(st.sampled_from(("http", "https"))), "protocol": "TCP", "port": 8080}],
        "endpoints": endpoints,
    }


@st.composite
def nodes(draw: st.DrawFn) -> Json:
    labels = {
        **draw(st.sampled_from(({}, {"pool": "edge"}))),
        **draw(seldom("kubernetes.io/os", "windows")),
        **draw(seldom("node.kubernetes.io/exclude-from-external-load-balancers", "")),
    }
    taints = draw(
        st.sampled_from(7 * [[]] + [[{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]])
    )
    return {
        "metadata": {"labels": labels},
        "spec": {
            "taints": taints,
            "providerID": draw(st.sampled_from((None, "aws:///zone/i-0a", "gce://p/z/vm"))),
        },
        "status": {
            "conditions": [
                {"type": "Ready", "status": draw(st.sampled_from(("True", "True", "False", "Unknown")))}
            ]
        },
    }


@st.composite
def ingresses(draw: st.DrawFn) -> Json:
    annotations = {
        "rule": draw(st.sampled_from(("0", "1", "2", "3", "pods"))),
        "probe": draw(st.sampled_from(("30001", "30002", "30003", "10256"))),
        **draw(seldom("class", "front")),
        **draw(seldom("also", "a")),
        **draw(seldom("incidental")),
        **draw(seldom("cloudy")),
        **draw(seldom("max", "2")),
    }
    backend = {"service": {"name": draw(st.sampled_from(SERVICES))}}
    return {"metadata": {"annotations": annotations}, "spec": {"defaultBackend": backend}}


def coverages() -> st.SearchStrategy[Json]:
    phases = st.sampled_from(("Applied", "RolledBack"))
    uids = st.sampled_from(("uid-0", "uid-1"))
    return st.builds(
        lambda phase, uid: {
            "metadata": {},
            "status": {"remediation": {"phase": phase, "serviceUID": uid, "originalHealthCheckNodePort": 30002}},
        },
        phases,
        uids,
    )


CONTENT: dict[AnyKind, tuple[st.SearchStrategy[Json], tuple[str, ...]]] = {
    SERVICE: (services(), SERVICES),
    ENDPOINT_SLICE: (slices(), ("e0", "e1", "e2", "e3")),
    NODE: (nodes(), NODES),
    INGRESS: (ingresses(), ("i0", "i1")),
    INGRESS_CLASS: (st.just({"metadata": {}, "spec": {"controller": "example.com/front"}}), ("front",)),
    SERVICE_COVERAGE: (coverages(), SERVICES),
}


class Incremental(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.families = (Front(),)
        self.picture: Picture = picture_for(self.families)
        self.touched = Touched()
        self.version = 0
        self.known: dict[Key, Assessment] = {}
        self.objects: list[tuple[AnyKind, Key]] = []

    @initialize(data=st.data(), detector=st.sampled_from(DETECTORS), unread_is_unknown=st.booleans())
    def begin(self, data: st.DataObject, detector: Detector, unread_is_unknown: bool) -> None:
        self.options = Options(detector, answers_everywhere_ports=(30002,), unread_is_unknown=unread_is_unknown)
        for kind, number in ((NODE, 4), (SERVICE, 3), (ENDPOINT_SLICE, 4), (INGRESS, 2)):
            for _ in range(number):
                self.put(data, kind)
        self.engine = Engine(self.picture, self.families, self.options)
        self.known = {k: a for k, a in self.engine.refresh_all().items() if a is not None}
        self.blind = not len(self.picture.store(ENDPOINT_SLICE))
        self.touched = Touched()

    def put(self, data: st.DataObject, kind: AnyKind, malformed: bool = False) -> None:
        content, names = CONTENT[kind]
        raw = {**data.draw(content)}
        self.version += 1
        meta = raw["metadata"] = {
            **raw["metadata"],
            "name": data.draw(st.sampled_from(names)),
            "resourceVersion": str(self.version),
            "uid": data.draw(st.sampled_from(("uid-0", "uid-1"))),
        }
        if kind.namespaced:
            meta["namespace"] = data.draw(st.sampled_from(("x", "x", "x", "y")))
        if malformed:
            meta["deletionTimestamp"] = 5
        entry = decode_item(kind, raw)
        assert isinstance(entry, Reject) == malformed
        self.objects.append((kind, entry.key))
        self.absorb(self.picture.store(kind).upsert(entry))

    def absorb(self, change: Change[Any] | None) -> None:
        assert change is not None
        self.touched.add(self.picture.absorb([change]))

    @rule(data=st.data(), kind=st.sampled_from(tuple(CONTENT)), at_once=st.booleans())
    def change(self, data: st.DataObject, kind: AnyKind, at_once: bool) -> None:
        self.put(data, kind)
        if at_once:
            self.refresh()

    @rule(data=st.data(), kind=st.sampled_from(tuple(CONTENT)))
    def malform(self, data: st.DataObject, kind: AnyKind) -> None:
        self.put(data, kind, malformed=True)
        self.refresh()

    @precondition(lambda self: self.objects)
    @rule(data=st.data(), at_once=st.booleans())
    def delete(self, data: st.DataObject, at_once: bool) -> None:
        kind, key = data.draw(st.sampled_from(self.objects))
        self.version += 1
        if self.picture.store(kind).version(key) is not None:
            self.absorb(self.picture.store(kind).delete(key, self.version))
        if at_once:
            self.refresh()

    @rule()
    def lose_all_slices(self) -> None:
        self.version += 1
        for key in list(self.picture.store(ENDPOINT_SLICE).keys()):
            self.absorb(self.picture.store(ENDPOINT_SLICE).delete(key, self.version))
        self.refresh()

    @rule(unread=st.sampled_from(({}, {INGRESS: "forbidden"}, {INGRESS: "forbidden", INGRESS_CLASS: "forbidden"})))
    def lose_sight(self, unread: dict[AnyKind, str]) -> None:
        self.picture.unread.clear()
        self.picture.unread.update(unread)
        self.refresh()

    @rule(unlisted=st.sampled_from(({}, {INGRESS_CLASS: "not in the input"})))
    def lose_what_was_looked_for(self, unlisted: dict[AnyKind, str]) -> None:
        self.picture.unlisted.clear()
        self.picture.unlisted.update(unlisted)
        self.refresh()

    @rule()
    def renumber_nodes(self) -> None:
        self.picture.nodes.compact(slack=0)
        self.refresh()

    @rule()
    def refresh(self) -> None:
        before, inside = self.known, dict(self.engine.internal)
        changed = self.engine.refresh(self.touched)
        self.blind = not len(self.picture.store(ENDPOINT_SLICE))
        self.touched = Touched()
        self.known = {k: a for k, a in {**before, **changed}.items() if a is not None}
        moved = {key for key in changed if inside.get(key) != self.engine.internal.get(key)}
        assert all(key in moved or before.get(key) != each for key, each in changed.items()), "only what differs"

        fresh = Engine(self.picture, self.families, self.options)
        fresh.refresh_all()
        assert self.engine.assessments == fresh.assessments
        assert self.engine.internal == fresh.internal
        assert self.known == fresh.assessments, "the differences add up"

    @invariant()
    def counts_are_of_nodes_that_exist(self) -> None:
        for assessment in self.known.values():
            assert assessment.uncovered & ~assessment.eligible == 0
            nodes = -1 if self.blind else assessment.nodes  # without slices, the states of no node are known
            assert assessment.eligible & ~nodes == 0
            for verdict in assessment.consumers:
                assert verdict.uncovered & ~verdict.eligible == 0
                assert (verdict.eligible | verdict.unused) & ~nodes == 0


def _runs(number: int) -> settings:
    return settings(max_examples=number, stateful_step_count=30, deadline=None)


TestIncremental = Incremental.TestCase
TestIncremental.settings = _runs(examples(100))


class LongIncremental(Incremental):
    """The same in more runs."""


@pytest.mark.soak
@pytest.mark.timeout(7200)
class TestLongIncremental(LongIncremental.TestCase):  # type: ignore[valid-type,misc]
    settings = _runs(5_000)
