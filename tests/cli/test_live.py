"""check and explain against the real API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import devcluster
from devcluster import Cluster
from tests.cli.program import SEED, etpguard, failed
from tests.cli.readers import CORE, ROUTES, reader

pytestmark = pytest.mark.controlplane


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A control plane of its own: a Node of another test without a providerID would stop the controller."""
    with devcluster.start() as own:
        yield own


@pytest.fixture(scope="module")
def case(cluster: Cluster) -> Iterator[str]:
    """The seed case in a namespace of its own; the node ports are the API server's choice."""
    namespace = "cli-seed"
    items = yaml.load(SEED.read_text(), yaml.CSafeLoader)["items"]
    applied = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}]
    for item in items:
        spaced = {"namespace": namespace} if "namespace" in item["metadata"] else {}
        named = {k: v for k, v in item["metadata"].items() if k in ("name", "labels", "annotations")}
        kept = item["metadata"] = named | spaced
        if item["kind"] == "Node":
            kept["name"] = f"cli-{kept['name']}"
            item["spec"].pop("podCIDR")
        if item["kind"] == "Service":
            for name in ("clusterIP", "clusterIPs"):
                item["spec"].pop(name)
            for port in item["spec"]["ports"]:
                port.pop("nodePort")
        if item["kind"] == "EndpointSlice":
            kept["labels"]["endpointslice.kubernetes.io/managed-by"] = "tests"
            item["endpoints"][0]["nodeName"] = "cli-node1"
        if item["kind"] == "IngressClass":
            kept["name"] = "cli-alb"
        if item["kind"] == "Ingress":
            item["spec"]["ingressClassName"] = "cli-alb"
        applied.append(item)
    text = yaml.safe_dump_all(applied)
    cluster.kubectl("apply", "-f", "-", input=text)
    for number in (1, 2, 3):
        status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        cluster.call("PATCH", f"/api/v1/nodes/cli-node{number}/status", status)
    yield namespace
    cluster.kubectl("delete", "--wait=false", "-f", "-", input=text)


def test_the_case_live(cluster: Cluster, case: str) -> None:
    run = etpguard("check", "--kubeconfig", cluster.kubeconfig, "-n", case, "-o", "json")
    assert run.code == 0
    (assumed,) = run.err.splitlines()
    assert assumed.startswith(
        f"etpguard: warning: assumed for {case}/nginx-nginx-ingress-controller: kube-proxy has"
    )
    (service,) = run.report["services"]
    assert service["outcome"] == "TargetsUnhealthy"
    assert service["ports"][0]["ready"] == ["cli-node1"]
    assert set(service["consumers"][0]["uncoveredNodes"]) >= {"cli-node2", "cli-node3"}
    assert run.report["notRead"] == []


def test_kubeconfig_from_the_environment(cluster: Cluster, case: str) -> None:
    run = etpguard("explain", f"{case}/nginx-nginx-ingress-controller", KUBECONFIG=str(cluster.kubeconfig))
    assert (run.code, run.err) == (0, "")
    assert "Target.Timeout" in run.out


def test_files_that_kubectl_printed_say_what_the_cluster_says(cluster: Cluster, case: str, tmp_path: Path) -> None:
    kinds = "services,endpointslices,nodes,ingresses,ingressclasses"
    for form in ("json", "yaml"):
        (tmp_path / f"dump.{form}").write_text(cluster.kubectl("get", kinds, "-A", "-o", form))
    live = etpguard("check", "--kubeconfig", cluster.kubeconfig, "-n", case, "-o", "json").report["services"]
    for form in ("json", "yaml"):
        dump = etpguard("check", "-f", tmp_path / f"dump.{form}", "-n", case, "-o", "json").report["services"]
        assert dump == live


@pytest.mark.parametrize("lacking", CORE)
def test_a_required_kind_that_is_forbidden(cluster: Cluster, case: str, lacking: str) -> None:
    name = f"no-{lacking.partition('.')[0]}"
    kubeconfig = reader(cluster, case, name, [r for r in CORE + ROUTES if r != lacking])
    line = failed(etpguard("check", "--kubeconfig", kubeconfig))
    assert f"may not list {lacking}" in line
    assert line.endswith("ask for the ClusterRole etpguard-reader, which `etpguard reader-role` prints")
    assert ("use -n NAMESPACE" in line) == (lacking != "nodes")


def test_the_role_that_the_command_prints_is_enough(cluster: Cluster, case: str) -> None:
    cluster.kubectl("apply", "-f", "-", input=etpguard("reader-role").out)
    cluster.kubectl("-n", case, "create", "serviceaccount", "by-role")
    account = f"--serviceaccount={case}:by-role"
    cluster.kubectl("create", "clusterrolebinding", "by-role", "--clusterrole=etpguard-reader", account)
    kubeconfig = cluster.kubeconfig_for(namespace=case, service_account="by-role")
    run = etpguard("check", "--kubeconfig", kubeconfig, "-n", case, "-o", "json", "--strict")
    assert (run.code, run.report["notRead"]) == (0, [])
    forecast = etpguard(
        "what-if", "--kubeconfig", kubeconfig, "-o", "json", "--fail-on", "never", "drain", "cli-node1"
    )
    assert (forecast.code, forecast.report["notRead"]) == (0, [])


def test_other_kinds_that_are_forbidden_make_no_known_consumer_unknown(cluster: Cluster, case: str) -> None:
    kubeconfig = reader(cluster, case, "core-only", CORE)
    run = etpguard("check", "--kubeconfig", kubeconfig, "-n", case, "-o", "json")
    assert run.code == 0
    assert run.report["services"][0]["outcome"] == "Unknown"
    assert set(ROUTES) <= set(run.report["notRead"])
    # Its CRD is not installed, so it is known that there is none, whatever RBAC says.
    assert "targetgroupbindings.elbv2.k8s.aws" not in run.report["notRead"]


def test_one_namespace_is_enough_where_rbac_gives_no_more(cluster: Cluster, case: str) -> None:
    spaced = ["services", "endpointslices.discovery.k8s.io", "ingresses.networking.k8s.io"]
    kubeconfig = reader(cluster, case, "one-namespace", spaced, cluster_wide=False)
    name = "one-namespace-nodes"
    wide = ["nodes", "ingressclasses.networking.k8s.io"]
    cluster.kubectl("create", "clusterrole", name, "--verb=list", f"--resource={','.join(wide)}")
    account = f"--serviceaccount={case}:one-namespace"
    cluster.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", account)
    assert "may not list" in failed(etpguard("check", "--kubeconfig", kubeconfig))
    run = etpguard("check", "--kubeconfig", kubeconfig, "-n", case, "-o", "json")
    assert run.code == 0
    assert run.report["services"][0]["outcome"] == "TargetsUnhealthy"
    assert "read in one namespace only" in run.report["warnings"][0]


def test_credentials_that_are_not_taken(cluster: Cluster) -> None:
    line = failed(etpguard("check", "--kubeconfig", cluster.kubeconfig_for("no-such-token")))
    assert "does not accept the credentials" in line


def test_an_unreachable_cluster(cluster: Cluster) -> None:
    kubeconfig = cluster.kubeconfig_for(server="https://127.0.0.1:1")
    assert "cannot reach https://127.0.0.1:1: Connection refused" in failed(
        etpguard("check", "--kubeconfig", kubeconfig)
    )


def test_no_kubeconfig_at_all() -> None:
    assert "no such file" in failed(etpguard("check"))


def test_a_context_that_is_not_there(cluster: Cluster) -> None:
    line = failed(etpguard("check", "--kubeconfig", cluster.kubeconfig, "--context", "mars"))
    assert "no context 'mars'" in line
