"""The order of scale-in against the real ReplicaSet controller: what is certain is deleted, and what is deleted
was certain or tied."""

from __future__ import annotations

import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

import devcluster
from devcluster import Cluster
from etpguard.foresight.scale_in import DELETION_COST, victims
from etpguard.objects import decode_item
from etpguard.objects.pods import POD, Pod
from tests.foresight.fleet import Site, running

pytestmark = pytest.mark.controlplane

SEEDS = 50
Json = dict[str, Any]
LABELS = {"app": "web"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with devcluster.start(controllers=("replicaset-controller", "namespace-controller")) as made:
        yield made


@pytest.fixture(scope="module")
def nodes(cluster: Cluster) -> list[str]:
    site = Site(cluster, "scale-in")
    return [site.add_node(name) for name in "abcd"]


OWNER = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "of-web", "controller": True}
"""No controller of Deployments runs, and nothing collects garbage."""


def furnish(site: Site, random: Random, nodes: list[str], replicas: int, *, owned: bool) -> None:
    """The ReplicaSet makes the pods; some are assigned, running and ready, and some have a deletion cost."""
    site.create(
        "/apis/apps/v1/{ns}/replicasets",
        {
            "metadata": {"name": "web", "ownerReferences": [OWNER] if owned else []},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": LABELS},
                "template": {
                    "metadata": {"labels": LABELS},
                    "spec": {"containers": [{"name": "c", "image": "x"}]},
                },
            },
        },
    )
    site.wait(lambda: len(site.pods()) == replicas, "the pods of the ReplicaSet")
    for number, pod in enumerate(site.pods()):
        path = f"/api/v1/namespaces/{site.namespace}/pods/{pod['metadata']['name']}"
        if random.random() < 0.15:
            continue
        node = random.choice(nodes[: random.randint(1, len(nodes))])
        binding = {"metadata": {"name": pod["metadata"]["name"]}, "target": {"kind": "Node", "name": node}}
        site.cluster.call("POST", f"{path}/binding", binding)
        if random.random() < 0.1:
            continue
        ready = random.random() < 0.8
        site.cluster.call("PATCH", f"{path}/status", {"status": running(ready, number)})
        if random.random() < 0.25:
            cost = str(random.choice((-10, 0, 10)))
            site.cluster.call("PATCH", path, {"metadata": {"annotations": {DELETION_COST: cost}}})


def records(site: Site) -> list[Pod]:
    return [each for raw in site.pods() if isinstance(each := decode_item(POD, raw), Pod)]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_certain_victims_go_and_only_tied_ones_beside_them(cluster: Cluster, nodes: list[str], seed: int) -> None:
    random = Random(seed)
    site = Site(cluster, f"scale-in-{seed}")
    replicas = random.randint(2, 7)
    owned = random.random() < 0.6
    furnish(site, random, nodes, replicas, owned=owned)
    wanted = random.randint(0, replicas - 1)
    path = f"/apis/apps/v1/namespaces/{site.namespace}/replicasets/web"
    # The controller ranks what its watch has shown it.
    seen = cluster.call("GET", path)["status"]
    ready = sum(pod.ready for pod in records(site))
    site.wait(
        lambda: cluster.call("GET", path)["status"].get("readyReplicas", 0) == ready, f"readiness, was {seen}"
    )
    time.sleep(0.5)  # no status shows that its watch has brought the last assignment and deletion cost
    pods = records(site)
    found = victims(pods, replicas - wanted, pods if owned else ())
    before = {pod.key for pod in pods}
    cluster.call("PATCH", path, {"spec": {"replicas": wanted}})

    def active() -> set[Any]:
        return {pod.key for pod in records(site) if not pod.deleting}

    site.wait(lambda: len(active()) == wanted, "the scale-in")
    deleted = before - active()
    story = [(p.key.name, p.node, p.phase, p.ready, p.annotations) for p in pods], deleted
    assert set(found.certain) <= deleted, story
    assert deleted <= {*found.certain, *found.tied}, story
