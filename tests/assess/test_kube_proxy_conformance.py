"""The node states against kube-proxy's own trackers, which `devcluster/proxystates` asks, on random clusters."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from devcluster import binaries
from tests.assess.by_kube_proxy import Observed, by_etpguard, by_kube_proxy
from tests.assess.kube_proxy_rule import DROPPED, READY, REJECTED, TERMINATING
from tests.assess.random_clusters import Cluster, random_cluster

pytestmark = pytest.mark.controlplane  # needs a program of devcluster

CLUSTERS, SOAK_CLUSTERS = 150, 2000


def by_trackers(clusters: Sequence[Cluster]) -> list[Observed]:
    """What kube-proxy's trackers hold for each cluster."""
    text = "".join(
        json.dumps({"nodes": each.nodes, "services": each.services, "slices": each.slices}) for each in clusters
    )
    program = binaries.path("proxystates")
    run = subprocess.run([program], input=text, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr[-1000:]
    return [_observed(json.loads(line)) for line in run.stdout.splitlines()]


def _observed(answer: dict[str, list[list[Any]] | None]) -> Observed:
    states = {(*at,): state for *at, state in answer["states"] or ()}
    healthy = {(*at,): passes for *at, passes in answer["healthy"] or ()}
    return states, healthy


def compare(count: int) -> None:
    seen: Counter[str] = Counter()
    clusters = [random_cluster(seed) for seed in range(count)]
    for seed, (cluster, expected) in enumerate(zip(clusters, by_trackers(clusters), strict=True)):
        assert by_etpguard(cluster) == expected, f"random_cluster({seed})"
        assert by_kube_proxy(cluster) == expected, f"the second rendering, random_cluster({seed})"
        seen += Counter(expected[0].values())
    assert all(seen[state] > count // 5 for state in (READY, TERMINATING, DROPPED, REJECTED)), seen


def test_no_random_cluster_differs() -> None:
    compare(CLUSTERS)


@pytest.mark.soak
def test_no_cluster_of_thousands_differs() -> None:
    compare(SOAK_CLUSTERS)


def test_a_node_without_an_endpoint_drops() -> None:
    """The program is asked about each node: not about what any node has."""
    cluster = Cluster(
        nodes=[{"metadata": {"name": name}} for name in ("n1", "n2")],
        services=[
            {
                "metadata": {"namespace": "default", "name": "web"},
                "spec": {
                    "type": "NodePort",
                    "clusterIP": "10.0.0.1",
                    "clusterIPs": ["10.0.0.1"],
                    "ipFamilies": ["IPv4"],
                    "externalTrafficPolicy": "Local",
                    "ports": [{"name": "http", "port": 80, "nodePort": 30080}],
                },
            }
        ],
        slices=[
            {
                "metadata": {
                    "namespace": "default",
                    "name": "web-1",
                    "labels": {"kubernetes.io/service-name": "web"},
                },
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": 8080}],
                "endpoints": [{"addresses": ["10.1.0.1"], "nodeName": "n1"}],
            }
        ],
    )
    ((states, healthy),) = by_trackers([cluster])
    assert states == {
        ("default", "web", "http", "TCP", "IPv4", "n1"): READY,
        ("default", "web", "http", "TCP", "IPv4", "n2"): DROPPED,
    }
    assert healthy == {}
