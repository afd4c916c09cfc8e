"""Each data plane's rule against a second rendering of it, on random clusters, and faults that must be caught."""

from __future__ import annotations

import functools
from collections import Counter

import pytest

from etpguard.cluster import Picture
from tests.assess.by_kube_proxy import picture_of
from tests.assess.data_planes.faults import faulty
from tests.assess.data_planes.faults_by_plane import FAULTS
from tests.assess.data_planes.oracles import PLANES, Found, by_etpguard, by_oracle
from tests.assess.data_planes.random_planes import random_planes_cluster, shapes
from tests.assess.random_clusters import Cluster

pytestmark = [pytest.mark.no_cover, pytest.mark.one_python]

CLUSTERS = 500
SOAK_CLUSTERS = 4000
FAULT_CLUSTERS = 800


@functools.lru_cache(FAULT_CLUSTERS)
def random_cluster(seed: int) -> tuple[Cluster, Picture]:
    """The tests share it, and change neither."""
    cluster = random_planes_cluster(seed)
    return cluster, picture_of(cluster)


@functools.lru_cache(FAULT_CLUSTERS)
def expected(name: str, seed: int) -> Found:
    """What the oracle says: each fault of a plane is compared with it."""
    cluster, _ = random_cluster(seed)
    return by_oracle(cluster, PLANES[name][1](cluster))


@pytest.mark.parametrize("name", PLANES)
def test_no_random_cluster_differs(name: str) -> None:
    compare(name, CLUSTERS)


@pytest.mark.soak
@pytest.mark.parametrize("name", PLANES)
def test_no_cluster_of_thousands_differs(name: str) -> None:
    compare(name, SOAK_CLUSTERS)


def compare(name: str, clusters: int) -> None:
    plane, _ = PLANES[name]
    seen: Counter[str] = Counter()
    answers: Counter[object] = Counter()
    for seed in range(clusters):
        cluster, picture = random_cluster(seed)
        answered = expected(name, seed)
        assert by_etpguard(cluster, picture, plane) == answered, f"random_planes_cluster({seed})"
        seen += shapes(cluster)
        answers += Counter(value for key, value in answered.items() if key[-2] != "healthy")
    assert all(count > 10 for count in seen.values()), seen
    assert answers[True] > 1000
    assert answers[False] > 1000


@pytest.mark.parametrize(
    ("name", "module", "right", "wrong"),
    [
        pytest.param(name, *fault, id=f"{name}, {fault[1].strip()[:40]} -> {fault[2].strip()[:30]}")
        for name, faults in FAULTS.items()
        for fault in faults
    ],
)
def test_a_fault_in_one_line_is_caught(name: str, module: str, right: str, wrong: str) -> None:
    plane, _ = PLANES[name]
    with faulty(module, right, wrong) as copy:
        for seed in range(FAULT_CLUSTERS):
            cluster, picture = random_cluster(seed)
            if by_etpguard(cluster, picture, plane, copy) != expected(name, seed):
                return
    pytest.fail("no cluster shows the fault")
