"""Which nodes go dark for clients in the cluster: named cases for each change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from etpguard.assess import Outcome
from etpguard.foresight.changes import Apply, By, Change, Drain, Lose, Manifest, Rollout, Scale, Workload
from etpguard.foresight.forecasts.forecast import Forecast
from etpguard.foresight.forecasts.internal_forecast import InternalPhases
from etpguard.objects import SERVICE
from tests.foresight.clusters import (
    WEB,
    Json,
    deployment,
    endpoints,
    forecast,
    node,
    picture_of,
    pod,
    service,
    workload,
)

NODES = [node(name) for name in "abc"]
DAEMON_SET, DEPLOYMENT = Workload("DaemonSet", WEB), Workload("Deployment", WEB)
INTERNAL: Json = {"type": "ClusterIP", "externalTrafficPolicy": None, "internalTrafficPolicy": "Local"}


def agents(on: str = "abc", **more: Any) -> list[Json]:
    return [pod(f"agent-{name}", name, owner="DaemonSet/web", **more) for name in on]


def daemon_set(**rolling: Any) -> Json:
    update = {"rollingUpdate": rolling} if rolling else {}
    return workload("DaemonSet", updateStrategy=update)


def cluster(pods: Sequence[Json], *objects: Json) -> list[Json]:
    return [*NODES, service(**INTERNAL), endpoints(pods), *pods, *objects]


def forecast_of(objects: list[Json], change: Change, unread: Sequence[str] = ()) -> InternalPhases | None:
    found = forecast(objects, change, unread=unread)
    assert found.services == []
    return found.internal[0] if found.internal else None


def shown(phases: InternalPhases | None, names: str = "abc") -> str:
    """`now | during worst | settled worst .. best | dark nodes, at once`; a node's bit is its place in `names`."""
    if phases is None:
        return "unchanged"
    dark = "".join(name for bit, name in enumerate(names) if phases.dark >> bit & 1)
    return (
        f"{case(phases.now)} | {case(phases.during.worst)} | {case(phases.settled.worst)} .. "
        f"{case(phases.settled.best)} | {dark or '-'} {phases.at_once}"
    )


def case(found: Any) -> str:
    return f"{found.outcome.name} {found.dark.bit_count()}/{found.eligible.bit_count()}"


TWO = [pod("p1", "a"), pod("p2", "b")]


@pytest.mark.parametrize(
    ("objects", "change", "expected"),
    [
        pytest.param(
            cluster(agents(), daemon_set()),
            Rollout(DAEMON_SET),
            "Covered 0/3 | Uncovered 1/3 | Covered 0/3 .. Covered 0/3 | abc 1",
            id="a rollout: each node in turn",
        ),
        pytest.param(
            cluster(agents(), daemon_set(maxUnavailable=2)),
            Rollout(DAEMON_SET),
            "Covered 0/3 | Uncovered 2/3 | Covered 0/3 .. Covered 0/3 | abc 2",
            id="a rollout: two at a time",
        ),
        pytest.param(
            cluster(agents(), daemon_set(maxUnavailable="100%")),
            Rollout(DAEMON_SET),
            "Covered 0/3 | NoEndpoints 3/3 | Covered 0/3 .. Covered 0/3 | abc 3",
            id="a rollout: all at once",
        ),
        pytest.param(
            cluster(agents(), daemon_set(maxSurge=1, maxUnavailable=0)),
            Rollout(DAEMON_SET),
            "unchanged",
            id="a rollout with a surge",
        ),
        pytest.param(
            cluster(agents("ab"), daemon_set()),
            Rollout(DAEMON_SET),
            "Uncovered 1/3 | Uncovered 2/3 | Uncovered 1/3 .. Uncovered 1/3 | ab 1",
            id="a rollout: a node that is dark now does not go dark",
        ),
        pytest.param(
            cluster([*agents(), pod("second", "a", owner="")], daemon_set()),
            Rollout(DAEMON_SET),
            "Covered 0/3 | Uncovered 1/3 | Covered 0/3 .. Covered 0/3 | bc 1",
            id="a rollout: another pod serves on the node",
        ),
        pytest.param(
            cluster([*agents("ab"), pod("agent-a2", "a", owner="DaemonSet/web")], daemon_set()),
            Rollout(DAEMON_SET),
            "Uncovered 1/3 | Uncovered 2/3 | Uncovered 1/3 .. Uncovered 1/3 | b 1",
            id="a rollout: one of two pods on a node",
        ),
        pytest.param(
            [*NODES, service(**INTERNAL), {**endpoints([]), "ports": None}, *deployment(0)],
            Scale(DEPLOYMENT, 1),
            "NoEndpoints 3/3 | NoEndpoints 3/3 | NoEndpoints 3/3 .. Uncovered 2/3 | - 0",
            id="scale out from nothing",
        ),
        pytest.param(
            cluster(agents(), daemon_set()),
            Drain(("a",)),
            "unchanged",
            id="a drain leaves the pods of DaemonSets",
        ),
        pytest.param(
            cluster(TWO, *deployment(2)),
            Drain(("a",)),
            "Uncovered 1/3 | Uncovered 2/3 | Uncovered 2/3 .. Uncovered 1/3 | a 1",
            id="a drain: the replacement may run on the third node",
        ),
        pytest.param(
            cluster(TWO, *deployment(2)),
            Drain(("a",), then_delete=True),
            "Uncovered 1/3 | Uncovered 2/3 | Uncovered 1/2 .. Covered 0/2 | a 1",
            id="a drain: the node is gone at last",
        ),
        pytest.param(
            cluster(agents(), daemon_set()),
            Lose(("a",)),
            "Covered 0/3 | Covered 0/2 | Covered 0/2 .. Covered 0/2 | - 0",
            id="lose: no client is left on the node",
        ),
        pytest.param(
            cluster(TWO[:1], *deployment(1)),
            Lose(("a",)),
            "Uncovered 2/3 | NoEndpoints 2/2 | NoEndpoints 2/2 .. Uncovered 1/2 | - 0",
            id="lose: the last endpoint",
        ),
        pytest.param(
            cluster(TWO, *deployment(2)),
            Scale(DEPLOYMENT, 1),
            "Uncovered 1/3 | Uncovered 2/3 | Uncovered 2/3 .. Uncovered 2/3 | ab 1",
            id="scale in: either node",
        ),
        pytest.param(
            cluster(TWO, *deployment(2)),
            Scale(DEPLOYMENT, 3),
            "Uncovered 1/3 | Uncovered 1/3 | Uncovered 1/3 .. Covered 0/3 | - 0",
            id="scale out",
        ),
    ],
)
def test_which_nodes_go_dark(objects: list[Json], change: Change, expected: str) -> None:
    assert shown(forecast_of(objects, change)) == expected


def test_an_endpoint_that_is_no_pod_stays() -> None:
    objects = cluster(agents(), daemon_set())
    slice_ = next(each for each in objects if each["kind"] == "EndpointSlice")
    del slice_["endpoints"][0]["targetRef"]
    assert shown(forecast_of(objects, Rollout(DAEMON_SET))).endswith("| bc 1")


def _timed(seconds: Sequence[int]) -> list[Json]:
    pods = agents("abc"[: len(seconds)])
    for each, after in zip(pods, seconds, strict=True):
        each["status"]["startTime"] = "2026-01-01T00:00:00Z"
        each["status"]["conditions"][0]["lastTransitionTime"] = f"2026-01-01T00:00:{after:02d}Z"
    return pods


def test_how_long_a_node_is_dark_is_how_long_the_present_pods_took() -> None:
    phases = forecast_of(cluster(_timed([4, 30, 6]), daemon_set()), Rollout(DAEMON_SET))
    assert phases is not None
    assert phases.replaced_in_place
    assert phases.lasts is not None
    assert (phases.lasts.least, phases.lasts.median, phases.lasts.pods) == (4, 6, 3)
    assert phases.because == ["a rollout of DaemonSet shop/web replaces 3 pods, of which 1 may be missing"]


def test_pods_without_times_do_not_say_how_long() -> None:
    phases = forecast_of(cluster(agents(), daemon_set()), Rollout(DAEMON_SET))
    assert phases is not None
    assert (phases.replaced_in_place, phases.lasts) == (True, None)


def test_without_pods_the_endpoints_go_dark() -> None:
    phases = forecast_of(cluster(agents(), daemon_set()), Rollout(DAEMON_SET), unread=["pods"])
    assert shown(phases).endswith("| abc 1")
    assert phases is not None
    assert phases.lasts is None


def _applied(objects: list[Json], after: Json) -> Forecast:
    return forecast(objects, Apply([Manifest(SERVICE, after)], "new.yaml"))


def test_another_policy_ends_it() -> None:
    before = cluster(agents("ab"), daemon_set())
    found = _applied(before, service(**{**INTERNAL, "internalTrafficPolicy": "Cluster"}))
    (phases,) = found.internal
    assert shown(phases) == "Uncovered 1/3 | NotAffected 0/0 | NotAffected 0/0 .. NotAffected 0/0 | - 0"
    assert phases.settled.worst.outcome is Outcome.NotAffected


def test_a_new_policy_begins_it() -> None:
    before = cluster(agents("ab"), daemon_set())
    before[3] = service(**{**INTERNAL, "internalTrafficPolicy": "Cluster"})
    (phases,) = _applied(before, service(**INTERNAL)).internal
    assert shown(phases) == "NotAffected 0/0 | Uncovered 1/3 | Uncovered 1/3 .. Uncovered 1/3 | c 1"


def test_picture_of_is_given_all_nodes_in_order() -> None:
    picture, _ = picture_of(NODES)
    assert picture.nodes.names(0b111) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("change", "outcome", "reached"),
    [
        pytest.param(Drain(("a",)), Outcome.Blackhole, False, id="a drain leaves a DaemonSet alone"),
        pytest.param(Rollout(DAEMON_SET), Outcome.Blackhole, True, id="Uncovered during a rollout is a Blackhole"),
        pytest.param(Rollout(DAEMON_SET), Outcome.Outage, False, id="which is better than an Outage"),
    ],
)
def test_the_outcomes_that_a_change_reaches(change: Change, outcome: Outcome, reached: bool) -> None:
    found = forecast(cluster(agents(), daemon_set()), change).internal
    assert any(each.reaches(outcome) for each in found) is reached


@pytest.mark.parametrize(
    ("by", "dark"),
    [
        pytest.param(By.KUBECTL, None, id="kubectl leaves them"),
        pytest.param(By.KARPENTER, 0b001, id="Karpenter may evict them before a client"),
        pytest.param(By.CLUSTER_AUTOSCALER, 0b001, id="the cluster autoscaler evicts them with the clients"),
    ],
)
def test_agents_of_a_drained_node(by: By, dark: int | None) -> None:
    client = pod("client", "a", labels={"app": "client"})
    found = forecast_of([*cluster(agents(), daemon_set()), client], Drain(("a",), by))
    assert (None if found is None else found.dark) == dark


def test_karpenter_may_evict_an_agent_before_or_after_the_clients() -> None:
    """karpenter pkg/controllers/node/termination/terminator/terminator.go groupPodsByPriority."""
    client = pod("client", "a", labels={"app": "client"})
    found = forecast_of([*cluster(agents(), daemon_set()), client], Drain(("a",), By.KARPENTER))
    assert found is not None
    assert (found.during.best.dark & 0b001, found.during.worst.dark & 0b001) == (0, 1)


def test_a_change_that_takes_the_last_endpoint_reaches_every_outcome() -> None:
    pods = [pod("web-a", "a")]
    (found,) = forecast(cluster(pods, *deployment(1)), Scale(DEPLOYMENT, 0)).internal
    assert found.reaches(Outcome.Outage)
