"""Two operators, one of which leads: whole ones, so that fitness to write is what their pictures say."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from devcluster import Cluster
from devcluster.http_proxy import HttpProxy
from devcluster.http_rules import Answer, WatchError
from devcluster.objects import pod, wait_for
from tests.app.harness import Running, the_case

pytestmark = pytest.mark.controlplane

SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
PATIENCE = 8 * 3
"""Seconds: eight lengths of the shortest Lease."""


def leads(running: Running) -> bool:
    return running.metric("etpguard_leader") == 1.0


def fresh(running: Running) -> bool:
    return running.metric("etpguard_picture_fresh") == 1.0


def test_a_leader_whose_picture_stays_stale_gives_way_to_a_standby_that_can_write(
    cluster: Cluster, namespace: str
) -> None:
    """It renews its Lease all the while: what it cannot do is to list EndpointSlices, or to watch them."""
    settings: dict[str, Any] = {
        "leader_elect": True,
        "lease_namespace": namespace,
        "lease_duration": 3.0,
        "namespaces": frozenset({namespace}),
        "write_conditions": True,
        "hold": 0.0,
        "hold_urgent": 0.0,
    }

    def condition() -> str:
        """The outcome on the Service."""
        service = cluster.call("GET", f"/api/v1/namespaces/{namespace}/services/nginx")
        return "".join(condition["reason"] for condition in service["status"].get("conditions", ()))

    with (
        the_case(cluster, namespace),
        HttpProxy(cluster) as proxy,
        Running(cluster.kubeconfig_for(server=proxy.server), **settings) as first,
    ):
        first.wait_fresh()
        wait_for(lambda: leads(first), 60, "the first one to lead")
        wait_for(lambda: condition() == "Uncovered", 60, "its condition")
        with Running(cluster.kubeconfig, **settings) as second:
            second.wait_fresh()
            assert not leads(second)
            proxy.on(WatchError(500), path=SLICES, watch=True)
            proxy.on(Answer(503), path=SLICES)
            for stream in proxy.streams(path=SLICES):
                stream.cut()
            wait_for(lambda: not fresh(first), 60, "its picture to be stale")
            began = time.monotonic()
            for number in (2, 3):
                pod(
                    cluster,
                    namespace,
                    f"nginx-{number}",
                    f"{namespace}-node{number}",
                    {"app": "nginx"},
                    ip=f"10.0.{number}.1",
                )
            assert leads(first)
            wait_for(lambda: leads(second), PATIENCE + 36, "the second one to lead")
            assert time.monotonic() - began > PATIENCE / 2, "a moment's staleness is no reason"
            assert not leads(first)
            wait_for(lambda: condition() == "Covered", 60, "the condition of the new leader")
            assert not fresh(first), "it was not stale all the while"

            proxy.restore()
            first.wait_fresh()
            assert leads(second), "who leads is not taken over from"
            assert not leads(first)
        wait_for(lambda: leads(first), 60, "the first one to lead again, as the second one has ended")


def test_a_second_installation_does_not_lead_until_the_first_has_gone(cluster: Cluster, namespace: str) -> None:
    """Each has its own Lease: the same name in two namespaces."""
    elsewhere = f"{namespace}-second"
    cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": elsewhere}})
    settings: dict[str, Any] = {
        "leader_elect": True,
        "lease_name": f"etpguard-{namespace}",
        "lease_duration": 3.0,
        "namespaces": frozenset({namespace}),
        "write_conditions": True,
        "second_installation": "refuse",
    }
    with contextlib.ExitStack() as running:
        first = running.enter_context(Running(cluster.kubeconfig, **settings, lease_namespace=namespace))
        wait_for(lambda: leads(first), 60, "the first one to lead")
        with Running(cluster.kubeconfig, **settings, lease_namespace=elsewhere) as second:
            wait_for(lambda: "another etpguard installation leads" in second.get("/readyz")[1], 60, "its note")
            assert (leads(first), leads(second)) == (True, False)
            running.close()
            wait_for(lambda: leads(second), 60, "the second one to lead")
            assert "another etpguard installation" not in second.get("/readyz")[1]
