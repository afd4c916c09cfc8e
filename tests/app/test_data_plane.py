"""The data plane that the operator finds, and follows: real objects on a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import devcluster
from devcluster import Cluster
from devcluster.http_proxy import HttpProxy
from devcluster.http_rules import Answer
from devcluster.objects import node, wait_for
from tests.app.harness import INGRESS_RULES, REQUIRED_RULES, Running, grant, the_case
from tests.cli.data_plane_crds import define

pytestmark = pytest.mark.controlplane

Json = dict[str, Any]
CONFIG = "/api/v1/namespaces/kube-system/configmaps"
DAEMON_SETS = "/apis/apps/v1/namespaces/kube-system/daemonsets"
RESYNC = 3.0
"""Seconds. Every kind is listed so often: with 1 s a busy machine is never done with it."""


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    """A separate cluster: its data plane would change what other tests see."""
    with devcluster.start() as cluster:
        node(cluster, "n1")
        yield cluster


@pytest.fixture
def cilium(own: Cluster) -> Iterator[None]:
    """Cilium in place of kube-proxy, as its chart installs it."""
    own.request("POST", "/api/v1/namespaces", {"metadata": {"name": "kube-system"}})
    set_config(own, "true")
    container = {"name": "cilium-agent", "image": "quay.io/cilium/cilium:v1.18.4@sha256:" + "0" * 64}
    labels = {"k8s-app": "cilium"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    own.call("POST", DAEMON_SETS, {"metadata": {"name": "cilium"}, "spec": spec})
    own.call("PATCH", f"{DAEMON_SETS}/cilium/status", {"status": {"desiredNumberScheduled": 1}})
    yield
    own.request("DELETE", f"{DAEMON_SETS}/cilium")
    own.request("DELETE", f"{CONFIG}/cilium-config")


def set_config(cluster: Cluster, value: str) -> None:
    config = {"metadata": {"name": "cilium-config"}, "data": {"kube-proxy-replacement": value, "debug": "false"}}
    if not cluster.request("POST", CONFIG, config).ok:
        cluster.call("PUT", f"{CONFIG}/cilium-config", config)


def found(running: Running) -> list[str]:
    """Name, version and evidence of each group of nodes."""

    def look(operator: Any) -> list[str]:
        planes = [group.plane for group in operator.engine.planes.groups]
        return [" ".join((p.name.value, p.version, p.evidence.value)).replace("  ", " ") for p in planes]

    return running.on_loop(look)


def client_met(running: Running, namespace: str) -> set[str]:
    """What clients of the namespace's Services meet on the nodes that do not forward. The Services of other tests
    do not count: the slice controller removes endpoints whose node is deleted, and kube-proxy refuses connections
    to a Service without endpoints."""

    def look(operator: Any) -> set[str]:
        found = operator.engine.assessments.items()
        ports = [port for key, a in found if key.namespace == namespace for port in a.ports]
        return {str(client.value) for port in ports if (client := port.client(operator.picture.nodes.present))}

    return running.on_loop(look)


@pytest.mark.usefixtures("cilium")
def test_it_is_known_before_the_first_assessment(own: Cluster) -> None:
    own.request("POST", "/api/v1/namespaces", {"metadata": {"name": "first"}})
    with the_case(own, "first"), Running(own.kubeconfig) as running:
        running.wait_ready()
        assert found(running) == ["cilium v1.18.4 observed"]
        assert client_met(running, "first") == {"refused"}
        assert "data plane" not in running.get("/readyz")[1]


@pytest.mark.usefixtures("cilium")
def test_an_overloaded_api_server_does_not_hide_it(own: Cluster) -> None:
    with HttpProxy(own) as proxy:
        for path in (f"{CONFIG}/cilium-config", f"{DAEMON_SETS}/cilium"):
            proxy.on(Answer(503), method="GET", path=path, times=1)
        with Running(own.kubeconfig_for(server=proxy.server)) as running:
            running.wait_ready()
            assert found(running) == ["cilium v1.18.4 observed"]


@pytest.mark.usefixtures("cilium")
def test_a_change_while_running_is_seen(own: Cluster) -> None:
    own.request("POST", "/api/v1/namespaces", {"metadata": {"name": "change"}})
    with the_case(own, "change"), Running(own.kubeconfig, resync_interval=RESYNC) as running:
        running.wait_ready()
        assert client_met(running, "change") == {"refused"}
        set_config(own, "false")
        wait_for(lambda: found(running) == ["kube-proxy assumed"], 60, "the change of cilium-config to be seen")
        wait_for(lambda: client_met(running, "change") == {"timeout"}, 60, "the Service to be assessed again")
        set_config(own, "true")
        wait_for(lambda: client_met(running, "change") == {"refused"}, 60, "the change back to be seen")
        own.call("DELETE", f"{CONFIG}/cilium-config")
        wait_for(lambda: found(running) == ["kube-proxy assumed"], 60, "the deletion to be seen")
        assert "no object says whether it replaces kube-proxy" in running.get("/readyz")[1]


@pytest.mark.usefixtures("cilium")
def test_a_configuration_of_nodes_is_seen(own: Cluster) -> None:
    define(own, "cilium.io", "CiliumNodeConfig", "ciliumnodeconfigs", version="v2", namespaced=True)
    set_config(own, "false")
    path = "/apis/cilium.io/v2/namespaces/kube-system/ciliumnodeconfigs"
    spec = {"nodeSelector": {}, "defaults": {"kube-proxy-replacement": "true"}}
    with Running(own.kubeconfig, resync_interval=RESYNC) as running:
        running.wait_ready()
        assert found(running) == ["kube-proxy assumed"]
        config = {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNodeConfig",
            "metadata": {"name": "all"},
            "spec": spec,
        }
        own.call("POST", path, config)
        wait_for(lambda: found(running) == ["cilium v1.18.4 observed"], 60, "the CiliumNodeConfig to be seen")
        own.call("DELETE", f"{path}/all")
        wait_for(lambda: found(running) == ["kube-proxy assumed"], 60, "the deletion to be seen")


@pytest.mark.usefixtures("cilium")
def test_a_contradiction_is_a_note_of_readyz(own: Cluster) -> None:
    labels = {"k8s-app": "kube-proxy"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "kube-proxy", "image": "p:v1"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    own.call("POST", DAEMON_SETS, {"metadata": {"name": "kube-proxy"}, "spec": spec})
    own.call("PATCH", f"{DAEMON_SETS}/kube-proxy/status", {"status": {"desiredNumberScheduled": 1}})
    try:
        with Running(own.kubeconfig) as running:
            running.wait_ready()
            assert "but DaemonSet kube-system/kube-proxy shows kube-proxy" in running.get("/readyz")[1]
    finally:
        own.call("DELETE", f"{DAEMON_SETS}/kube-proxy")


@pytest.mark.usefixtures("cilium")
def test_a_refusal_is_named(own: Cluster) -> None:
    """Without the permission, only the Nodes and the flag show the data plane."""
    grant(own, "blind", *REQUIRED_RULES, *INGRESS_RULES)
    kubeconfig = own.kubeconfig_for(namespace="default", service_account="blind")
    with Running(kubeconfig) as running:
        running.wait_ready()
        assert found(running) == ["kube-proxy assumed"]
        page = running.get("/readyz")[1]
        assert "the data plane of some nodes is assumed: may not read ConfigMap kube-system/cilium-config" in page
    with Running(kubeconfig, data_plane="cilium") as running:
        running.wait_ready()
        assert found(running) == ["cilium stated"]
        assert "data plane" not in running.get("/readyz")[1]
