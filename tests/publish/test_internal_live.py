"""Clients in the cluster of a Service of type ClusterIP: what a rollout of its DaemonSet writes to a real API
server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from devcluster import Cluster, objects
from tests.arena import own_namespace
from tests.publish.stage import FAST, Case, play, staged

pytestmark = pytest.mark.controlplane

Json = dict[str, Any]
INTERNAL = "etpguard.dev/CoveredInternally"
NODES = 50


class Agents(Case):
    """A DaemonSet's Service on fifty nodes more, without its pods: the slice is the test's."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        super().__init__(cluster, namespace)
        self.nodes += [f"{namespace}-{i}" for i in range(4, NODES + 1)]
        for name in self.nodes[3:]:
            objects.node(cluster, name)
        self.everywhere = sorted(n["metadata"]["name"] for n in cluster.call("GET", "/api/v1/nodes")["items"])
        self.cover()

    def _service(self) -> Json:
        spec = {"internalTrafficPolicy": "Local", "ports": [{"name": "http", "port": 80}]}
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": self.namespace},
            "spec": spec,
        }

    def cover(self, without: str = "") -> None:
        """A ready endpoint on every node but one, on which the new pod is not ready yet."""
        endpoints = [
            {
                "addresses": [f"203.0.113.{number}"],
                "nodeName": name,
                "conditions": {"ready": name != without},
            }
            for number, name in enumerate(self.everywhere, 1)
        ]
        slice_ = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "web-test",
                "namespace": self.namespace,
                "labels": {"kubernetes.io/service-name": "web"},
            },
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": endpoints,
        }
        objects.apply(self.cluster, slice_)

    def shown(self) -> str:
        found = self.service().get("status", {}).get("conditions", [])
        return next((c["status"] for c in found if c["type"] == INTERNAL), "")


@pytest.fixture
def agents(arena: Cluster) -> Iterator[Agents]:
    yield from own_namespace(arena, Agents)


def test_a_rollout_is_one_pair_of_events_and_one_change_of_the_condition(arena: Cluster, agents: Agents) -> None:
    async def scenario() -> None:
        async with staged(arena, replace(FAST, hold=1.0)) as stage:
            await stage.until(lambda: agents.shown() == "True" and agents.report(), "the condition", timeout=60)
            await stage.settle(3.0)  # the report follows the condition
            since = arena.audit_position()
            await stage.settle(1.5)
            assert agents.writes(since) == [], "a steady cluster"
            first, *others = agents.everywhere
            agents.cover(without=first)
            await stage.until(lambda: agents.shown() == "False", "the change", timeout=60)
            await stage.until(lambda: agents.events("Service"), "the Event", timeout=60)
            for number, name in enumerate(others):
                if number % 10 == 0:
                    agents.cover()
                    stage.refresh()
                agents.cover(without=name)
                stage.refresh()
            agents.cover()
            await stage.until(lambda: agents.shown() == "True", "the end of the change", timeout=60)
            await stage.until(lambda: len(agents.events("Service")) == 2, "the recovery", timeout=60)
            await stage.settle(1.5)
            assert sorted(event["reason"] for event in agents.events("Service")) == [
                "NodesCoveredInternally",
                "NodesUncoveredInternally",
            ]
            resources = [write["objectRef"]["resource"] for write in agents.writes(since)]
            assert resources.count("events") == 2
            assert resources.count("services") == 2, "one change, and its end"
            status = agents.report()["status"]
            assert (status["outcome"], status["internal"]["outcome"]) == ("NotAffected", "Covered")
            assert status["internal"]["counts"]["eligible"] >= NODES

    play(scenario)
