"""DaemonSets whose template admits other nodes."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import Outcome
from etpguard.foresight.changes import Apply, Drain, Manifest, Rollout, Workload
from etpguard.foresight.forecasts.forecast import Forecast
from etpguard.objects.pod_controllers import DAEMON_SET
from tests.foresight.clusters import (
    APP,
    WEB,
    Json,
    alb,
    endpoints,
    forecast,
    node,
    phases_of,
    pod,
    seen,
    service,
    workload,
)
from tests.foresight.given_ways import after, way

TAINT = {"key": "edge", "value": "yes", "effect": "NoSchedule"}
TOLERATES = {"tolerations": [{"key": "edge", "operator": "Exists"}]}
SURGE = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
SAME = "TargetsUnhealthy .. TargetsUnhealthy"


def daemon_set(*, spec: Json | None = None, **more: Any) -> Json:
    template = {"metadata": {"labels": APP}, "spec": {"containers": [{"name": "c"}], **(spec or {})}}
    return workload("DaemonSet", template=template, **more)


def cluster(nodes: list[Json], on: str, **more: Any) -> list[Json]:
    pods = [pod(f"d{name}", name, owner="DaemonSet/web") for name in on]
    return [*nodes, service(), endpoints(pods), *pods, *alb(), daemon_set(**more)]


def applied(objects: list[Json], manifest: Json) -> Forecast:
    return forecast(objects, Apply([Manifest(DAEMON_SET, manifest)], "f"))


TAINTED = [node("a"), node("b", taints=[TAINT]), node("c", taints=[TAINT])]
POOLED = [node("a", labels={"pool": "edge"}), node("b", labels={"pool": "old"}), node("c")]


def test_a_toleration_gives_the_tainted_nodes_a_pod() -> None:
    found = applied(cluster(TAINTED, "a"), daemon_set(spec=TOLERATES))
    assert seen(found).endswith(f"| {SAME.split(' ..')[0]} .. Covered")
    phases = phases_of(found)
    assert phases is not None
    assert "DaemonSet shop/web runs a pod on nodes b, c too" in phases.because


def test_the_way_that_tolerates_the_taints_covers_the_nodes() -> None:
    objects = cluster(TAINTED, "a")
    documents = [each.content for each in way(objects, "Run a ready pod").documents]
    assert after(objects, documents) is Outcome.Covered


def test_a_node_selector_ends_the_pods_of_other_nodes_at_once() -> None:
    """However few pods the update strategy lets miss."""
    found = applied(cluster(POOLED, "abc"), daemon_set(spec={"nodeSelector": {"pool": "edge"}}))
    assert seen(found) == f"Covered | NoEndpoints .. {SAME.split(' ..')[0]} | {SAME}"
    phases = phases_of(found)
    assert phases is not None
    assert "DaemonSet shop/web runs no pod any more on nodes b, c" in phases.because
    assert phases.hand_off is not None
    assert phases.hand_off.ends[0].nodes == ("b", "c")
    assert phases.settled.worst.assessment is not None
    assert phases.settled.worst.assessment.uncovered == 0b110


@pytest.mark.parametrize(
    ("strategy", "during"),
    [
        pytest.param({}, "NoEndpoints .. TargetsUnhealthy", id="at once"),
        pytest.param(SURGE, SAME, id="with a surge, when the others are available"),
    ],
)
def test_pods_that_move_to_another_node(strategy: Json, during: str) -> None:
    pool = {"nodeSelector": {"pool": "edge"}}
    objects = cluster(POOLED, "b", spec={"nodeSelector": {"pool": "old"}})
    found = applied(objects, daemon_set(spec=pool, updateStrategy=strategy))
    assert seen(found).startswith(f"TargetsUnhealthy | {during}")
    assert seen(found).endswith(".. TargetsUnhealthy")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"nodeSelector": {"pool": "edge"}}, f"Covered | {SAME} | {SAME}", id="a node selector"),
        pytest.param({"tolerations": []}, "unchanged", id="a taint"),
    ],
)
def test_what_ends_pods_without_a_rollout(spec: Json, expected: str) -> None:
    """With OnDelete the controller deletes pods only where the selector or the affinity excludes the node."""
    nodes = [node("a", labels={"pool": "edge"}), node("b", taints=[TAINT])]
    objects = cluster(nodes, "ab", spec=TOLERATES, updateStrategy={"type": "OnDelete"})
    found = applied(objects, daemon_set(spec={**TOLERATES, **spec}, updateStrategy={"type": "OnDelete"}))
    assert seen(found) == expected
    assert found.warnings == [
        "DaemonSet shop/web has the update strategy OnDelete: a rollout replaces no pod by itself"
    ]


def test_a_rollout_does_not_come_back_to_a_node_with_a_new_taint() -> None:
    """Its pod was there before the taint, which ends no pod."""
    found = forecast(cluster([node("a"), node("b", taints=[TAINT])], "ab"), Rollout(Workload("DaemonSet", WEB)))
    assert seen(found).endswith(f"| {SAME}")


def test_without_pods_it_is_not_known_whose_the_endpoints_are() -> None:
    manifest = daemon_set(spec={"nodeSelector": {"pool": "edge"}})
    change = Apply([Manifest(DAEMON_SET, manifest)], "f")
    found = forecast(cluster(POOLED, "abc"), change, unread=("pods",))
    assert seen(found).endswith("| TargetsUnhealthy .. Covered")


def test_a_new_daemon_set_runs_where_its_template_admits() -> None:
    objects = [*TAINTED, service(), endpoints([]), *alb()]
    assert seen(applied(objects, daemon_set())).endswith("NoEndpoints .. TargetsUnhealthy")
    assert seen(applied(objects, daemon_set(spec=TOLERATES))).endswith("NoEndpoints .. Covered")


def test_a_new_pod_of_a_daemon_set_has_no_other_node() -> None:
    """Node c is drained before, and cordoned nodes do get pods of DaemonSets; node b has no room."""
    full = node("b", taints=[TAINT])
    full["status"]["allocatable"]["pods"] = "0"
    objects = cluster([TAINTED[0], full, TAINTED[2]], "a")
    change = Apply([Manifest(DAEMON_SET, daemon_set(spec=TOLERATES))], "f")
    found = phases_of(forecast(objects, Drain(("c",)), change))
    assert found is not None
    assert found.settled.best.assessment is not None
    assert found.settled.best.assessment.uncovered == 0b010
