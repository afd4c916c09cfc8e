"""`what-if` says the same of a live cluster and of its dump, and names what a dump without workloads lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devcluster import Cluster, objects
from tests.cli.program import etpguard
from tests.foresight.fleet import Site

pytestmark = pytest.mark.controlplane

Json = dict[str, Any]
LABELS = {"app": "web"}


@pytest.fixture
def site(cluster: Cluster, namespace: str) -> Site:
    made = Site.__new__(Site)
    made.cluster, made.namespace, made.nodes = cluster, namespace, []
    for name in ("a", "b"):
        made.add_node(name)
    made.service("web", LABELS)
    for number, node in enumerate(made.nodes):
        objects.pod(cluster, namespace, f"web-{number}", node, LABELS, ip=f"10.201.0.{number + 1}")
    budget = {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": LABELS}, "maxUnavailable": 0}}
    made.create("/apis/policy/v1/{ns}/poddisruptionbudgets", budget)
    made.wait(lambda: made.endpoints_follow("web", LABELS), "the endpoints")
    return made


def report(*arguments: str) -> Json:
    run = etpguard(*arguments, "-o", "json")
    assert run.code in (0, 1), run.err
    made: Json = json.loads(run.out)
    return made


def test_a_dump_with_workloads_gives_the_live_report(site: Site, tmp_path: Path) -> None:
    access = ("--kubeconfig", str(site.cluster.kubeconfig))
    file = tmp_path / "dump.json"
    assert etpguard("dump", "--with-workloads", "-o", str(file), *access).code == 0
    for change in (("drain", site.nodes[0], "--force"), ("lose", site.nodes[0])):
        live, dumped = report("what-if", *change, *access), report("what-if", "-f", str(file), *change)
        assert dumped == live
        assert live["notRead"] == []
    assert live["services"], "something changes"


def test_a_dump_without_workloads_names_them(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "dump.json"
    run = etpguard("dump", "-o", str(file), "--kubeconfig", str(site.cluster.kubeconfig))
    assert run.code == 0, run.err
    found = report("what-if", "-f", str(file), "drain", site.nodes[0])
    assert {"pods", "poddisruptionbudgets.policy"} <= set(found["notRead"])
