"""The page of an operator on the real control plane."""

from __future__ import annotations

import http.client
from typing import Any

import pytest

from devcluster import Cluster, ports
from devcluster.objects import apply, node, wait_for
from etpguard.settings import Address
from tests.app.harness import Running
from tests.cli.program import etpguard

pytestmark = pytest.mark.controlplane

LOOPBACK = Address("127.0.0.1", 0)


def page(port: int | None) -> str:
    assert port is not None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode()
    finally:
        connection.close()


def service(namespace: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "type": "NodePort",
            "externalTrafficPolicy": "Local",
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 80}],
        },
    }


def test_the_page_shows_what_check_reports_and_who_leads(cluster: Cluster, namespace: str) -> None:
    node(cluster, f"{namespace}-a")
    apply(cluster, service(namespace, "web"))
    with Running(cluster.kubeconfig, page=LOOPBACK, namespaces=frozenset({namespace})) as running:
        running.wait_fresh()
        port = wait_for(
            lambda: running.operator.page.port if running.operator.page else None, 60, "the page is served"
        )
        shown = page(port)
        report = etpguard("check", "--kubeconfig", cluster.kubeconfig, "-n", namespace, "-o", "json").report
        (web,) = report["services"]
        assert f'<details id="{namespace}/web" data-outcome="{web["outcome"]}">' in shown
        assert web["reason"] in shown
        assert "none: every output is off" in shown
        apply(cluster, service(namespace, "second"))
        wait_for(lambda: f'id="{namespace}/second"' in page(port), 60, "the new Service is on the page")


def test_an_address_that_is_taken_leaves_the_operator_ready(cluster: Cluster) -> None:
    port = ports.free("127.0.0.1")
    with Running(cluster.kubeconfig, page=Address("127.0.0.1", port)) as first:
        wait_for(lambda: first.operator.page.port if first.operator.page else None, 60, "the page is served")
        with Running(cluster.kubeconfig, page=Address("127.0.0.1", port)) as second:
            second.wait_ready()
            wait_for(lambda: f"--page 127.0.0.1:{port}" in second.get("/readyz")[1], 60, "/readyz names it")
