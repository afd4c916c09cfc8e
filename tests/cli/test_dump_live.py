"""A dump of a real cluster: `check` of it says what `check` of the cluster says."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import devcluster
from devcluster import Cluster, binaries
from tests.cli import every_kind
from tests.cli.every_kind import BILLING, SHOP
from tests.cli.program import Run, etpguard, failed
from tests.manifests.installed import foreign_kinds, install
from tests.manifests.shell import block

pytestmark = pytest.mark.controlplane

Json = dict[str, Any]
CRDS = Path(__file__).parents[2] / "crds"
ODD = [
    every_kind.custom("Namespace", "v1", "odd"),
    every_kind.service("plain", "odd", 31085),
    every_kind.slice_of("plain", "odd"),
    every_kind.custom("TargetGroupBinding", "elbv2.k8s.aws/v1beta1", "odd", "odd", spec={"serviceRef": 7}),
]
"""A Service whose consumers are not known, because an object cannot be decoded."""
WIDE = ["services", "nodes", "endpointslices.discovery.k8s.io", "ingresses.networking.k8s.io"]


@pytest.fixture(scope="module")
def full(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A separate cluster: its CustomResourceDefinitions would change what other tests see."""
    with devcluster.start() as cluster:
        own = [yaml.load(path.read_text(), yaml.CSafeLoader) for path in sorted(CRDS.glob("*.yaml"))]
        items = [*every_kind.objects(), *ODD]
        install(cluster, [*foreign_kinds(), *own, *items])
        for item in items:
            if "status" in item and item["kind"] in ("Node", "Service"):
                name = item["metadata"]["name"]
                space = ["-n", item["metadata"]["namespace"]] if item["kind"] == "Service" else []
                patch = json.dumps({"status": item["status"]})
                cluster.kubectl(
                    *space, "patch", item["kind"], name, "--subresource=status", "--type=merge", "-p", patch
                )
        yield cluster


def dump(cluster: Cluster | Path, *more: str | Path) -> Run:
    kubeconfig = cluster if isinstance(cluster, Path) else cluster.kubeconfig
    run = etpguard("dump", "--kubeconfig", kubeconfig, *more)
    assert run.code == 0, run
    return run


def check(*where: str | Path) -> Json:
    return etpguard("check", "-o", "json", *where).report


def test_every_kind_is_in_the_cluster(full: Cluster) -> None:
    items = json.loads(dump(full).out)["items"]
    assert {(item["apiVersion"], item["kind"]) for item in every_kind.objects()} <= {
        (item["apiVersion"], item["kind"]) for item in items
    }
    outcomes = {s["name"]: s["outcome"] for s in check("--kubeconfig", full.kubeconfig)["services"]}
    assert len(set(outcomes.values())) >= 3, outcomes


@pytest.mark.parametrize("name", ["dump.json", "dump.yaml"])
@pytest.mark.parametrize(
    "scope", [[], ["-n", SHOP], ["-n", BILLING], ["-n", "odd"]], ids=["all", SHOP, BILLING, "odd"]
)
def test_check_of_the_dump_says_what_check_of_the_cluster_says(
    full: Cluster, tmp_path: Path, name: str, scope: list[str]
) -> None:
    assert dump(full, *scope, "-o", tmp_path / name).out == ""
    live = check("--kubeconfig", full.kubeconfig, *scope)
    assert live["services"]
    assert check("-f", tmp_path / name, *scope) == live
    assert check("-f", tmp_path / name) == live, "the dump knows its namespace"


def test_kinds_that_may_not_be_read(full: Cluster, tmp_path: Path) -> None:
    kubectl = full.kubectl
    kubectl("-n", SHOP, "create", "serviceaccount", "reader")
    kubectl("create", "clusterrole", "reader", "--verb=list", f"--resource={','.join(WIDE)}")
    kubectl("create", "clusterrolebinding", "reader", "--clusterrole=reader", f"--serviceaccount={SHOP}:reader")
    kubeconfig = full.kubeconfig_for(namespace=SHOP, service_account="reader")
    run = dump(kubeconfig, "-o", tmp_path / "dump.json")
    assert "may not list l2advertisements.metallb.io" in run.err
    live = check("--kubeconfig", kubeconfig)
    assert "l2advertisements.metallb.io" in live["notRead"]
    assert check("-f", tmp_path / "dump.json") == live


def test_what_no_rule_reads_is_not_in_the_dump(full: Cluster) -> None:
    text = dump(full).out
    for word in ("last-applied-configuration", "jane.doe", "fieldsV1", "capacity", "resourceVersion"):
        assert word not in text
    assert '"kind":"Secret"' not in text


def test_a_file_that_cannot_be_written(full: Cluster, tmp_path: Path) -> None:
    line = failed(etpguard("dump", "--kubeconfig", full.kubeconfig, "-o", tmp_path / "none" / "dump.json"))
    assert "No such file or directory" in line


def test_anonymized(full: Cluster, tmp_path: Path) -> None:
    run = dump(full, "--anonymize", "-o", tmp_path / "dump.json")
    assert "skipped TargetGroupBinding odd/odd" in run.err
    assert "another outcome" not in run.err
    text = (tmp_path / "dump.json").read_text()
    assert [word for word in ("acme", "payments", "storefront", "eu-west", "203.0.113.45") if word in text] == []
    live, found = check("--kubeconfig", full.kubeconfig), check("-f", tmp_path / "dump.json")
    assert [nameless(service) for service in found["services"]] == [
        nameless(service) for service in live["services"]
    ]


def nameless(service: Json) -> Json:
    """What a report says of a Service but for names: outcomes, counts, ports, and the code of each reason."""
    consumers = [
        (c["kind"], c["outcome"], c["healthCheck"], len(c["eligibleNodes"]), len(c["uncoveredNodes"]))
        for c in service["consumers"]
    ]
    ports = [(p["protocol"], p["family"], p["nodePort"], p["counts"]) for p in service["ports"]]
    return {"outcome": service["outcome"], "consumers": consumers, "ports": ports}


def test_the_kubectl_command_of_the_docs(full: Cluster, tmp_path: Path) -> None:
    script = block(CRDS.parent / "docs" / "reference.md", "kubectl get --raw")
    environment = {"PATH": f"{Path(binaries.path('kubectl')).parent}{os.pathsep}{os.environ['PATH']}"}
    environment["KUBECONFIG"] = str(full.kubeconfig)
    done = subprocess.run(["bash", "-uc", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for namespace in (SHOP, BILLING):
        live = check("--kubeconfig", full.kubeconfig, "-n", namespace)["services"]
        assert check("-f", tmp_path / "dump.json", "-n", namespace)["services"] == live
