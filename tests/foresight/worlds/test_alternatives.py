"""The worlds of one Service: which pods may go, where there are few combinations of victims and where many."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest

from etpguard.foresight.changes import Scale, Workload
from etpguard.foresight.placement.scheduling import Scheduling
from etpguard.foresight.worlds.alternatives import Alternative, Choice, Ground, worlds
from etpguard.objects import Key
from tests.foresight.clusters import (
    APP,
    WEB,
    Json,
    alb,
    deployment,
    endpoints,
    forecast,
    node,
    pod,
    seen,
    service,
    workload,
)

EXCLUDED = {"node.kubernetes.io/exclude-from-external-load-balancers": ""}


def on_nodes(at: dict[str, int]) -> dict[Key, str]:
    return {Key("shop", f"{node}{number}"): node for node, count in at.items() for number in range(count)}


@pytest.mark.parametrize(
    ("gone", "choices", "pods", "expected"),
    [
        pytest.param("ab", [], "ab", True, id="surely gone"),
        pytest.param("a", [], "ab", False, id="one stays"),
        pytest.param("a", [("bc", 1)], "ab", True, id="the other may be the one that goes"),
        pytest.param("", [("abc", 1)], "ab", False, id="only one goes"),
        pytest.param("", [("abc", 1), ("abd", 1)], "ab", True, id="two choices take one each"),
    ],
)
def test_whether_all_pods_may_be_gone(
    gone: str, choices: list[tuple[str, int]], pods: str, expected: bool
) -> None:
    def keys(names: str) -> frozenset[Key]:
        return frozenset(Key("shop", name) for name in names)

    way = Alternative(keys(gone), tuple(Choice(keys(among), most, most) for among, most in choices))
    assert way.may_take(keys(pods)) is expected


def removals(
    hosts: dict[Key, str], *choices: Choice, gone: Sequence[Key] = (), eligible: str = ""
) -> tuple[list[frozenset[Key]], bool]:
    ground = Ground(hosts, frozenset(), frozenset(eligible or hosts.values()), ())
    found = worlds(ground, Alternative(frozenset(gone), choices), Scheduling([]))
    return [removed for removed, _ in found.found], found.complete


def nodes_left(hosts: dict[Key, str], found: Sequence[frozenset[Key]]) -> list[set[str]]:
    return [{node for pod, node in hosts.items() if pod not in gone} for gone in found]


def test_of_many_pods_the_victims_that_empty_most_and_fewest_nodes() -> None:
    """Of 9 pods 4 go: 126 combinations, so only the two extremes count."""
    hosts = on_nodes({"a": 1, "b": 2, "c": 6})
    found, complete = removals(hosts, Choice(frozenset(hosts), 4, 4))
    assert sorted(map(len, nodes_left(hosts, found))) == [1, 3], "a and b are emptied, or no node is"
    assert complete


def test_a_node_that_loses_its_other_pod_for_sure_may_be_emptied() -> None:
    hosts = on_nodes({"a": 2, "b": 12, "c": 1})
    victims = frozenset(hosts) - {Key("shop", "a0"), Key("shop", "c0")}
    found, _ = removals(hosts, Choice(victims, 3, 3), gone=[Key("shop", "a0")])
    assert {"b", "c"} in nodes_left(hosts, found)


def test_an_endpoint_that_is_no_pod_keeps_its_node() -> None:
    hosts = on_nodes({"a": 9})
    ground = Ground(hosts, frozenset("a"), frozenset("a"), ())
    alternative = Alternative(choices=(Choice(frozenset(hosts), 4, 4),))
    found = [gone for gone, _ in worlds(ground, alternative, Scheduling([])).found]
    assert found
    assert all(len(gone) == 4 for gone in found)


@pytest.mark.parametrize(("pods", "go"), [(8, 4), (12, 2), (70, 1)])
def test_up_to_seventy_combinations_are_all_tried(pods: int, go: int) -> None:
    hosts = {Key("shop", f"p{number:02}"): f"n{number:02}" for number in range(pods)}
    found, complete = removals(hosts, Choice(frozenset(hosts), go, go))
    assert set(found) == set(map(frozenset, combinations(hosts, go)))
    assert complete


def test_several_choices_are_reduced_to_their_extremes_before_any_is_left_out() -> None:
    """5 of each deployment's pods on nodes of their own, of which 2 go: 10 x 10 combinations. Those on the nodes
    d, e, i and j count, because no other node gets traffic."""
    first, second = on_nodes(dict.fromkeys("abcde", 1)), on_nodes(dict.fromkeys("fghij", 1))
    choices = [Choice(frozenset(each), 2, 2) for each in (first, second)]
    hosts = {**first, **second}
    found, complete = removals(hosts, *choices, eligible="deij")
    assert frozenset(Key("shop", f"{node}0") for node in "deij") in found
    assert not complete


def test_no_more_removals_are_tried_than_can_be() -> None:
    hosts = on_nodes(dict.fromkeys("abcdefgh", 1))
    keys = sorted(hosts)
    parts = (keys[:4], 0, 4), (keys[4:], 0, 4), (keys, 1, 3)
    choices = [Choice(frozenset(pods), least, most) for pods, least, most in parts]
    found, complete = removals(hosts, *choices)
    assert len(found) <= 64
    assert not complete
    many = [Choice(frozenset(keys), least, 4) for least in (1, 2, 3, 0)]
    assert len(removals(hosts, *many)[0]) <= 70


EIGHT = [pod(f"p-{name}", name) for name in "abcdefgh"]
NODES = [node(name, labels=EXCLUDED if name in "abcd" else {}) for name in "abcdefgh"]


def test_a_scale_in_may_leave_only_the_nodes_without_traffic() -> None:
    objects: list[Json] = [*NODES, service(), endpoints(EIGHT), *EIGHT, *alb(), *deployment(8)]
    found = forecast(objects, Scale(Workload("Deployment", WEB), 4))
    assert seen(found).startswith("Covered | Outage .. ")
    assert found.warnings == []


def test_bounds_that_are_not_complete_are_named() -> None:
    other = [
        pod(f"q-{name}", name, owner="ReplicaSet/other-1", labels={**APP, "of": "other"}) for name in "abcdefgh"
    ]
    sets = [
        workload("Deployment", "other", 8),
        workload("ReplicaSet", "other-1", 8, owner="Deployment/other"),
    ]
    pods = [*EIGHT, *other]
    objects: list[Json] = [*NODES, service(), endpoints(pods), *pods, *alb(), *deployment(8), *sets]
    scale = [Scale(Workload("Deployment", key), 4) for key in (WEB, WEB._replace(name="other"))]
    found = forecast(objects, *scale)
    assert found.warnings == ["too many pods of Service shop/web may go: its bounds are not complete"]
