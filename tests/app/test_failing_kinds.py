"""One kind alone fails: it is not listed, or nobody watches it. All others go on."""

from __future__ import annotations

from functools import partial

import pytest

from devcluster import Cluster
from devcluster.http_proxy import HttpProxy
from devcluster.http_rules import Answer
from devcluster.objects import wait_for
from etpguard.app.timing import OperatorTiming
from etpguard.intake.timing import ListTiming, WatchTiming
from etpguard.objects import INGRESS
from tests.app.harness import Running, the_case

pytestmark = pytest.mark.controlplane

PATH = "/apis/networking.k8s.io/v1/ingresses"


def test_a_kind_that_always_fails_blocks_nothing_and_makes_unknown_what_depends_on_it(
    cluster: Cluster, namespace: str
) -> None:
    timing = OperatorTiming(lists=ListTiming(start_failing=2.0, failing=4.0, look_again=1.0))
    with HttpProxy(cluster) as proxy, the_case(cluster, namespace) as service:
        kubeconfig = cluster.kubeconfig_for(server=proxy.server)
        proxy.on(Answer(503), path=PATH)
        with Running(kubeconfig, timing, resync_interval=5.0) as running:

            def unknown() -> bool:
                """Says so everywhere, and goes on."""
                labels = {"namespace": namespace, "service": service, "outcome": "Unknown"}
                return (
                    running.metric("etpguard_service_outcome", **labels) == 1.0
                    and running.metric("etpguard_unread_kind", kind=INGRESS.resource) == 1.0
                    and running.metric("etpguard_picture_fresh") == 1.0
                    and "cannot list ingresses.networking.k8s.io now: 503" in running.get("/readyz")[1]
                )

            running.wait_ready()
            running.wait_fresh()
            assert unknown()
            asked = partial(running.metric, "etpguard_api_requests_total")
            assert asked(verb="list", resource=INGRESS.resource, code="503")
            assert asked(verb="list", resource="services", code="200")
            assert asked(verb="watch", resource="services", code="200")
            assert running.on_loop(lambda o: o.freshness.served(INGRESS)), "a write would not read it first"
            proxy.restore()
            wait_for(lambda: INGRESS in running.operator.watching(), 60, "a watch of it")
            wait_for(lambda: running.uncovered(namespace, service) == 2.0, 60, "an outcome")

            proxy.on(Answer(503), path=PATH)
            wait_for(unknown, 60, "the same while it runs")
            assert running.ready()


def test_a_kind_that_the_watch_has_not_found_is_reported_and_tried_again(cluster: Cluster) -> None:
    """One API server knows a new definition already, and another, asked by Kopf, does not."""
    timing = OperatorTiming(lists=ListTiming(watch_start=3.0), watch=WatchTiming(look=2.0))
    group = PATH.rpartition("/")[0]
    lacking = cluster.call("GET", group)
    lacking["resources"] = [r for r in lacking["resources"] if not r["name"].startswith("ingresses")]
    with HttpProxy(cluster) as proxy:
        proxy.on(Answer(200, lacking), path=group, times=1)
        answers: list[str] = []

        def watched() -> bool:
            answers.append(running.get("/readyz")[1])
            return INGRESS in running.operator.watching()

        with Running(cluster.kubeconfig_for(server=proxy.server), timing) as running:
            running.wait_fresh()
            assert not watched()
            wait_for(watched, 60, "a watch of the kind")
            assert running.metric("etpguard_watch_restarts_total") == 1.0
            assert any("ingresses.networking.k8s.io: its watch has not started" in text for text in answers)
            assert "has not started" not in running.get("/readyz")[1]
