"""The worlds of one Service, where there are too many victims to try each combination."""

from __future__ import annotations

from etpguard.foresight.alternatives import Alternative, Choice, Ground, worlds
from etpguard.foresight.scheduling import Scheduling
from etpguard.objects import Key


def test_of_many_pods_the_victims_that_empty_most_and_fewest_nodes() -> None:
    """Of 9 pods 4 go: 126 combinations, so only the two extremes count."""
    at = {"a": 1, "b": 2, "c": 6}
    hosts = {Key("shop", f"{node}{number}"): node for node, count in at.items() for number in range(count)}
    ground = Ground(hosts, frozenset(), frozenset(at), ())
    alternative = Alternative(choices=(Choice(frozenset(hosts), 4, 4),))
    left = [
        {node for pod, node in hosts.items() if pod not in gone}
        for gone, _ in worlds(ground, alternative, Scheduling([]))
    ]
    assert sorted(map(len, left)) == [1, 3], "a and b are emptied, or no node is"


def test_an_endpoint_that_is_no_pod_keeps_its_node() -> None:
    hosts = {Key("shop", f"p{number}"): "a" for number in range(9)}
    ground = Ground(hosts, frozenset("a"), frozenset("a"), ())
    alternative = Alternative(choices=(Choice(frozenset(hosts), 4, 4),))
    found = [gone for gone, _ in worlds(ground, alternative, Scheduling([]))]
    assert found
    assert all(len(gone) == 4 for gone in found)


def test_no_more_removals_are_tried_than_can_be() -> None:
    hosts = {Key("shop", f"{node}{number}"): node for node in "abcdefgh" for number in range(1)}
    keys = sorted(hosts)
    ground = Ground(hosts, frozenset(), frozenset(hosts.values()), ())
    parts = (keys[:4], 0, 4), (keys[4:], 0, 4), (keys, 1, 3)
    choices = tuple(Choice(frozenset(pods), least, most) for pods, least, most in parts)
    assert len(list(worlds(ground, Alternative(choices=choices), Scheduling([])))) <= 64
