"""Pods and workloads of a real API server, which are read only for nodes whose clients fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devcluster import Cluster, objects
from tests.cli.program import etpguard
from tests.cli.readers import CORE, ROUTES, reader

pytestmark = pytest.mark.controlplane

SPACE, GPU = "cli-inside", "cli-inside-gpu"
AGENT = {"app": "agent"}


@pytest.fixture(scope="module")
def agent(cluster: Cluster) -> Iterator[str]:
    """A DaemonSet's Service, a node that its pods do not tolerate, and a pod of somebody else there."""
    taint = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}
    objects.node(cluster, GPU, taints=[taint])
    cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": SPACE}})
    template = {"metadata": {"labels": AGENT}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    daemon_set = {
        "metadata": {"name": "agent"},
        "spec": {"selector": {"matchLabels": AGENT}, "template": template},
    }
    cluster.call("POST", f"/apis/apps/v1/namespaces/{SPACE}/daemonsets", daemon_set)
    spec = {"selector": AGENT, "internalTrafficPolicy": "Local", "ports": [{"name": "http", "port": 80}]}
    cluster.call("POST", f"/api/v1/namespaces/{SPACE}/services", {"metadata": {"name": "agent"}, "spec": spec})
    slice_ = {
        "metadata": {"name": "agent-1", "labels": {"kubernetes.io/service-name": "agent"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 80}],
        "endpoints": [{"addresses": ["192.0.2.1"], "nodeName": "elsewhere"}],
    }
    cluster.call("POST", f"/apis/discovery.k8s.io/v1/namespaces/{SPACE}/endpointslices", slice_)
    objects.pod(cluster, "default", "cli-inside-client", GPU, {"app": "client"}, ip="192.0.2.2")
    yield f"{SPACE}/agent"
    objects.delete(cluster, {"kind": "Pod", "metadata": {"namespace": "default", "name": "cli-inside-client"}})
    objects.delete(cluster, {"kind": "Node", "metadata": {"name": GPU}})
    cluster.kubectl("delete", "--wait=false", "namespace", SPACE)


def test_explain_reads_pods_and_workloads(cluster: Cluster, agent: str) -> None:
    run = etpguard("explain", agent, "--kubeconfig", cluster.kubeconfig, "--max-nodes", "0")
    assert run.code == 0
    assert f"DaemonSet {agent} does not tolerate the taint dedicated=gpu:NoSchedule\n      {GPU}" in run.out
    assert "    Pod default/cli-inside-client: 1 pod on 1 node" in run.out


def test_what_may_not_be_read_is_named(cluster: Cluster, agent: str) -> None:
    kubeconfig = reader(cluster, SPACE, "no-pods", CORE + ROUTES)
    run = etpguard("check", "-n", SPACE, "--kubeconfig", kubeconfig, "-o", "json")
    assert run.code == 0
    assert "which pods run on uncovered nodes is not known: may not list pods" in run.err
    (found,) = run.report["internal"]
    assert found["clients"] is None
    causes = {reason["cause"] for cause in found["causes"] for reason in cause["reasons"]}
    assert causes == {"NotRead"}
    assert "pods" in run.report["notRead"]
