"""The rule of Cilium and its second rendering against Cilium's own code, 1.20.2, on random clusters.

`devcluster/ciliumstates` has the code. It compiles 1,100 packages, so only `make soak` runs this.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from devcluster import binaries
from tests.assess.by_kube_proxy import picture_of
from tests.assess.data_planes.oracle_cilium import of_envoy
from tests.assess.data_planes.oracles import PLANES, Found, by_etpguard, by_oracle
from tests.assess.data_planes.random_planes import random_planes_cluster, shapes
from tests.assess.random_clusters import Cluster

pytestmark = [
    pytest.mark.controlplane,  # needs a program of devcluster
    pytest.mark.soak,
]

CLUSTERS = 400


def by_cilium(clusters: Iterable[Cluster], headless: bool) -> list[Found]:
    """What Cilium's tables hold for the Services with the policy Local in each cluster."""
    text = "".join(
        json.dumps({"nodes": c.nodes, "services": c.services, "slices": c.slices, "headless": headless})
        for c in clusters
    )
    program = binaries.path("ciliumstates")
    run = subprocess.run([program], input=text, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr[-1000:]
    return [_found(json.loads(line)) for line in run.stdout.splitlines()]


def _found(answer: dict[str, list[list[Any]]]) -> Found:
    found: Found = {}
    for namespace, name, port, protocol, family, node, forwards, usable in answer["states"]:
        found[namespace, name, port, protocol, family, node] = forwards
        found[namespace, name, port, protocol, family, "usable"] = usable
    for namespace, name, node, healthy in answer["healthy"]:
        found[namespace, name, "healthy", node] = healthy
    return found


def comparable(found: Found, cluster: Cluster, installed: Found) -> Found:
    """Without the Services that Envoy serves, because another part of Cilium redirects these, and without those of
    the type ExternalName, which the API server does not admit with the policy. A node that does not install a
    Service has no table for it: that is no entry in `installed`, and "forwards nothing" elsewhere."""
    skipped = {
        (service["metadata"]["namespace"], service["metadata"]["name"])
        for service in cluster.services
        if service["spec"].get("externalTrafficPolicy") != "Local"
        or service["spec"]["type"] == "ExternalName"
        or of_envoy(service, cluster.slices)
    }
    return {
        key: value
        for key, value in found.items()
        if key[:2] not in skipped and (key in installed or (key[-1] != "usable" and value is not False))
    }


@pytest.mark.parametrize("name", ["cilium", "cilium with Gateway API"])
def test_no_random_cluster_differs(name: str) -> None:
    plane, make = PLANES[name]
    clusters = [random_planes_cluster(seed) for seed in range(CLUSTERS)]
    seen: Counter[str] = Counter()
    answers: Counter[object] = Counter()
    for seed, (cluster, expected) in enumerate(
        zip(clusters, by_cilium(clusters, headless=name != "cilium"), strict=True)
    ):
        theirs = comparable(expected, cluster, expected)
        assert comparable(by_etpguard(cluster, picture_of(cluster), plane), cluster, expected) == theirs, (
            f"cluster {seed}"
        )
        assert comparable(by_oracle(cluster, make(cluster)), cluster, expected) == theirs, f"oracle, {seed}"
        seen += shapes(cluster)
        answers += Counter(value for key, value in theirs.items() if key[2] != "healthy")
    assert all(count > 10 for count in seen.values()), seen
    assert answers[True] > 1000
    assert answers[False] > 1000
