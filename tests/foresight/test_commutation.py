"""The answer for a change on a cluster equals what `check` says of the cluster with the change made.

Where the scheduler or a controller decides, the answer has bounds: each possible end lies within them, and the
ends of the bounds are possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from etpguard.assess import Assessment, Outcome
from etpguard.foresight.changes import By, Change, Drain, Lose, Policy, Scale, TargetNodes, Workload
from etpguard.foresight.forecasts.forecast import Case
from etpguard.foresight.scale_in import victims
from etpguard.foresight.worlds.bounds import Bounds, bounds, rank
from etpguard.objects import decode_item
from etpguard.objects.pods import POD, Pod
from tests.examples import examples
from tests.foresight.clusters import (
    HOSTNAME,
    WEB,
    Json,
    alb,
    check,
    deployment,
    endpoints,
    forecast,
    node,
    phases_of,
    pod,
    service,
    workload,
)

NAMES = ("a", "b", "c", "d")
OWNERS = ("ReplicaSet/web-1", "ReplicaSet/web-1", "DaemonSet/web", "")


@dataclass(frozen=True)
class Cluster:
    """Nodes with their readiness, label and taint; pods as node, readiness and owner; who sends traffic."""

    nodes: tuple[tuple[str, str, bool, bool], ...]
    """Name, readiness, whether load balancers exclude it, whether it has a taint."""
    pods: tuple[tuple[str, bool, str], ...]
    consumer: str
    policy: str = "Local"
    selector: str = ""

    @property
    def api_pods(self) -> list[Json]:
        return [
            pod(f"p{number}", name, ready=ready, owner=owner)
            for number, (name, ready, owner) in enumerate(self.pods)
        ]

    def objects(self, pods: Sequence[Json] | None = None) -> list[Json]:
        made = [
            node(
                name,
                ready=ready,
                labels={"node.kubernetes.io/exclude-from-external-load-balancers": ""} if excluded else {},
                taints=[{"key": "dedicated", "effect": "NoSchedule"}] if tainted else [],
            )
            for name, ready, excluded, tainted in self.nodes
        ]
        given = self.api_pods if pods is None else list(pods)
        annotations = {"alb.ingress.kubernetes.io/target-node-labels": self.selector} if self.selector else {}
        consumers = alb(health_check=self.consumer, **annotations) if self.consumer else []
        return [*made, service(self.policy), endpoints(given), *given, *consumers, *deployment(len(given))]

    def without(self, lost: Iterable[str]) -> Cluster:
        gone = set(lost)
        return Cluster(
            tuple(each for each in self.nodes if each[0] not in gone),
            tuple(each for each in self.pods if each[0] not in gone),
            self.consumer,
            self.policy,
            self.selector,
        )


@st.composite
def clusters(draw: st.DrawFn, owners: Sequence[str] = OWNERS, most: int = 5) -> Cluster:
    names = NAMES[: draw(st.integers(2, 4))]
    nodes = tuple(
        (
            name,
            draw(st.sampled_from(("True", "True", "True", "False"))),
            draw(st.sampled_from((False, False, True))),
            draw(st.sampled_from((False, False, False, True))),
        )
        for name in names
    )
    one = st.tuples(st.sampled_from(names), st.sampled_from((True, True, True, False)), st.sampled_from(owners))
    consumer = draw(st.sampled_from(("traffic-port", "10256", "")))
    return Cluster(nodes, tuple(draw(st.lists(one, max_size=most))), consumer)


def shown(found: Assessment | None) -> tuple[object, ...]:
    return (found.outcome, found.eligible.bit_count(), found.uncovered.bit_count()) if found else ("-",)


def after(
    cluster: Cluster, change: Change, objects: Sequence[Json] | None = None
) -> tuple[Bounds[Case], Bounds[Case]]:
    """The bounds of `during` and `settled`; what is now, where nothing changes."""
    given = cluster.objects() if objects is None else objects
    phases = phases_of(forecast(given, change))
    if phases is not None:
        return phases.during, phases.settled
    now = Case(check(given).get(WEB))
    return bounds([now]), bounds([now])


def exact(found: Bounds[Case]) -> tuple[object, ...]:
    assert shown(found.worst.assessment) == shown(found.best.assessment)
    return shown(found.worst.assessment)


@settings(max_examples=examples(150), deadline=None)
@given(clusters(), st.data())
def test_lose(cluster: Cluster, data: st.DataObject) -> None:
    names = [name for name, *_ in cluster.nodes]
    lost = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True, max_size=len(names) - 1))
    during, _ = after(cluster, Lose(tuple(lost)))
    assert exact(during) == shown(check(cluster.without(lost).objects()).get(WEB))


@settings(max_examples=examples(60), deadline=None)
@given(clusters(), st.sampled_from(("Cluster", "Local")), st.sampled_from(("Cluster", "Local")))
def test_policy(cluster: Cluster, before: str, policy: str) -> None:
    was = Cluster(cluster.nodes, cluster.pods, cluster.consumer, before)
    made = Cluster(cluster.nodes, cluster.pods, cluster.consumer, policy)
    for phase in after(was, Policy(WEB, policy)):
        assert exact(phase) == shown(check(made.objects()).get(WEB))


@settings(max_examples=examples(60), deadline=None)
@given(clusters(), st.sampled_from(NAMES), st.sampled_from(("traffic-port", "10256")))
def test_target_nodes(cluster: Cluster, name: str, probe: str) -> None:
    selector = f"{HOSTNAME}={name}"
    was = Cluster(cluster.nodes, cluster.pods, probe)
    made = Cluster(cluster.nodes, cluster.pods, probe, selector=selector)
    for phase in after(was, TargetNodes(WEB, selector)):
        assert exact(phase) == shown(check(made.objects()).get(WEB))


@settings(max_examples=examples(80), deadline=None)
@given(clusters(("StatefulSet/web",)), st.integers(0, 4))
def test_scale_of_a_statefulset(cluster: Cluster, replicas: int) -> None:
    pods = cluster.api_pods
    for number, each in enumerate(pods):
        each["metadata"]["name"] = f"web-{number}"
    if replicas > len(pods):
        return
    controller = workload("StatefulSet", replicas=len(pods))
    _, settled = after(
        cluster, Scale(Workload("StatefulSet", WEB), replicas), [*cluster.objects(pods), controller]
    )
    assert exact(settled) == shown(check(cluster.objects(pods[:replicas])).get(WEB))


@settings(max_examples=examples(120), deadline=None)
@given(clusters(("ReplicaSet/web-1",)), st.integers(0, 4))
def test_scale_in_of_a_deployment_has_the_bounds_of_all_victims(cluster: Cluster, replicas: int) -> None:
    pods = cluster.api_pods
    if replicas > len(pods):
        return
    records = [decode_item(POD, each) for each in pods]
    known = [each for each in records if isinstance(each, Pod)]
    found = victims(known, len(pods) - replicas, known)
    ends = []
    for chosen in combinations(found.tied, found.of_tied):
        gone = {key.name for key in (*found.certain, *chosen)}
        left = [each for each in pods if each["metadata"]["name"] not in gone]
        ends.append(shown(check(cluster.objects(left)).get(WEB)))
    _, settled = after(cluster, Scale(Workload("Deployment", WEB), replicas))
    assert_tight(settled, ends)


def assert_tight(found: Bounds[Case], ends: Sequence[tuple[object, ...]]) -> None:
    """Each end lies within the bounds, by its outcome, and both bounds are among the ends."""
    outcomes = sorted((end[0] if isinstance(end[0], Outcome) else Outcome.NotAffected for end in ends), key=rank)
    assert (found.worst.outcome, found.best.outcome) == (outcomes[-1], outcomes[0])


def placements(cluster: Cluster, moved: Sequence[Json], drained: Iterable[str]) -> Iterator[list[Json]]:
    """The replacements on every combination of nodes that the scheduler may choose, or pending."""
    closed = set(drained)
    open_nodes = [
        name for name, ready, _, tainted in cluster.nodes if not tainted and name not in closed and ready
    ]
    options = ["", *open_nodes]
    for nodes in product(options, repeat=len(moved)):
        yield [
            pod(f"new-{number}", name, owner="ReplicaSet/web-1", phase="Running" if name else "Pending")
            for number, name in enumerate(nodes)
        ]


@settings(max_examples=examples(80), deadline=None)
@given(clusters(("ReplicaSet/web-1",), most=3), st.data())
def test_drain_has_the_bounds_of_all_placements(cluster: Cluster, data: st.DataObject) -> None:
    names = [name for name, *_ in cluster.nodes]
    drained = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True, max_size=2))
    stays = [each for each in cluster.api_pods if each["spec"]["nodeName"] not in drained]
    moved = [each for each in cluster.api_pods if each["spec"]["nodeName"] in drained]
    ends = [shown(check(cluster.objects([*stays, *new])).get(WEB)) for new in placements(cluster, moved, drained)]
    during, settled = after(cluster, Drain(tuple(drained)))
    assert_tight(settled, ends)
    assert exact(during) == shown(check(cluster.objects(stays)).get(WEB))


@settings(max_examples=examples(60), deadline=None)
@given(clusters(("ReplicaSet/web-1",), most=3), st.data(), st.sampled_from((By.KARPENTER, By.CLUSTER_AUTOSCALER)))
def test_an_autoscaler_drains_and_deletes(cluster: Cluster, data: st.DataObject, by: By) -> None:
    drained = data.draw(st.sampled_from([name for name, *_ in cluster.nodes]))
    left = cluster.without([drained])
    moved = [each for each in cluster.api_pods if each["spec"]["nodeName"] == drained]
    stays = [each for each in cluster.api_pods if each["spec"]["nodeName"] != drained]
    ends = [shown(check(left.objects([*stays, *new])).get(WEB)) for new in placements(left, moved, [drained])]
    if by is By.CLUSTER_AUTOSCALER and moved and all(tainted for *_, tainted in left.nodes):
        ends = [shown(check(cluster.objects()).get(WEB))]  # no node admits the pods, so it leaves the node
    _, settled = after(cluster, Drain((drained,), by=by))
    assert_tight(settled, ends)
