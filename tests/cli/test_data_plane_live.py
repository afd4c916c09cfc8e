"""check and dump against a real API server that has the objects of a data plane."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import devcluster
from devcluster import Cluster
from devcluster.objects import endpoint_slices, node, wait_for
from etpguard.objects.named import NAMED_KINDS, NAMED_OBJECTS
from tests.app.harness import INGRESS_RULES, REQUIRED_RULES, grant, the_case
from tests.assess.data_planes.offerings import items
from tests.cli.data_plane_crds import define
from tests.cli.program import Run, etpguard

pytestmark = pytest.mark.controlplane

Json = dict[str, Any]


@pytest.fixture(scope="module")
def calico() -> Iterator[Cluster]:
    """A separate cluster with the eBPF data plane of Calico, by the objects of the example."""
    with devcluster.start() as cluster:
        objects = [
            item for item in items("calico-ebpf-operator") if (item["apiVersion"], item["kind"]) in NAMED_KINDS
        ]
        for namespace in ("kube-system", "calico-system", "shop"):
            cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        for group, kind, plural in (
            ("operator.tigera.io", "Installation", "installations"),
            ("crd.projectcalico.org", "FelixConfiguration", "felixconfigurations"),
        ):
            define(cluster, group, kind, plural)
        node(cluster, "node-0")
        for item in objects:
            apply(cluster, item)
        with the_case(cluster, "shop") as service:

            def ready() -> bool:
                slices = endpoint_slices(cluster, "shop", service)
                return any(each["conditions"]["ready"] for item in slices for each in item["endpoints"] or ())

            wait_for(ready, 60, "the endpoint of the case")  # a controller writes it
            yield cluster


def apply(cluster: Cluster, item: Json) -> None:
    kind = NAMED_KINDS[item["apiVersion"], item["kind"]]
    meta = item["metadata"]
    head, _, plural = kind.path.rpartition("/")
    path = f"{head}/namespaces/{meta['namespace']}/{plural}" if "namespace" in meta else kind.path
    cluster.call("POST", path, item)
    if "status" in item:
        cluster.call("PATCH", f"{path}/{meta['name']}/status", {"status": item["status"]})


def check(*arguments: str | Path) -> Run:
    run = etpguard("check", "-o", "json", *arguments)
    assert run.code in (0, 1), run
    return run


def test_it_is_recognised_live_and_in_a_dump(calico: Cluster, tmp_path: Path) -> None:
    live = check("--kubeconfig", calico.kubeconfig)
    assert live.err == ""
    plane = live.report["dataPlane"]
    assert (plane["name"], plane["how"]) == ("calico-ebpf", "Installation default: linuxDataplane=BPF")
    (group,) = plane["groups"]
    assert (group["version"], group["evidence"], group["count"]) == ("v3.31.2", "observed", 4)
    assert live.report["assumptions"] == []
    for more in ((), ("--anonymize",)):
        file = tmp_path / "dump.json"
        run = etpguard("dump", "--kubeconfig", calico.kubeconfig, "-o", file, *more)
        assert (run.code, run.err) == (0, "")
        dumped = check("-f", file).report
        assert (dumped["dataPlane"]["name"], dumped["dataPlane"]["how"]) == (plane["name"], plane["how"])
        assert [s["outcome"] for s in dumped["services"]] == [s["outcome"] for s in live.report["services"]]
    head = json.loads(file.read_text())["items"][0]
    absent = {named.address for named in NAMED_OBJECTS} - set(head["namedAbsent"])
    assert absent == {
        "daemonsets.apps calico-system/calico-node",
        "daemonsets.apps kube-system/kube-proxy",
        "configmaps kube-system/kube-proxy",
        "installations.operator.tigera.io default",
        "felixconfigurations.crd.projectcalico.org default",
    }


def test_a_node_of_another_configuration_is_recognised_live_and_in_a_dump(calico: Cluster, tmp_path: Path) -> None:
    path = "/apis/crd.projectcalico.org/v1/felixconfigurations"
    expected = [("calico-ebpf", 3), ("other", 1)]  # no pod of the DaemonSet of kube-proxy runs on the node
    head = {"apiVersion": "crd.projectcalico.org/v1", "kind": "FelixConfiguration"}
    calico.call("POST", path, {**head, "metadata": {"name": "node.node-0"}, "spec": {"bpfEnabled": False}})
    try:
        live = check("--kubeconfig", calico.kubeconfig)
        groups = live.report["dataPlane"]["groups"]
        assert [(group["name"], group["count"]) for group in groups] == expected
        for more in ((), ("--anonymize",)):
            file = tmp_path / "dump.json"
            run = etpguard("dump", "--kubeconfig", calico.kubeconfig, "-o", file, *more)
            assert (run.code, run.err) == (0, "")
            dumped = check("-f", file).report
            assert [(g["name"], g["count"]) for g in dumped["dataPlane"]["groups"]] == expected
            assert dumped["notRead"] == []
    finally:
        calico.call("DELETE", f"{path}/node.node-0")


def test_a_refusal_is_named(calico: Cluster, tmp_path: Path) -> None:
    """Objects of kinds that are not served do not exist for any account."""
    grant(calico, "blind", *REQUIRED_RULES, *INGRESS_RULES)
    kubeconfig = calico.kubeconfig_for(namespace="default", service_account="blind")
    run = check("--kubeconfig", kubeconfig)
    plane = run.report["dataPlane"]
    assert (plane["name"], plane["how"]) == ("kube-proxy", "assumed")
    refused = {name for name in run.report["notRead"] if " " in name}
    not_served = ("operator.openshift.io", "projectcalico.org", "cilium.io")
    assert refused == {named.address for named in NAMED_OBJECTS if named.kind.group not in not_served}
    (warning,) = [line for line in run.report["warnings"] if "data plane" in line]
    assert warning.startswith("may not read ConfigMap kube-system/cilium-config: ")
    assert "18 more objects" in warning
    assert warning.endswith("the data plane of every node is kube-proxy; use --data-plane to name another one")
    file = tmp_path / "dump.json"
    assert etpguard("dump", "--kubeconfig", kubeconfig, "-o", file).code == 0
    assert {name for name in check("-f", file).report["notRead"] if " " in name} == refused
    flagged = check("--kubeconfig", kubeconfig, "--data-plane", "calico-ebpf")
    assert [line for line in flagged.report["warnings"] if "data plane" in line] == []
