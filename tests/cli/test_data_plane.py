"""The data plane that `check` finds in its input, and what it says where that is not known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from tests.cli.program import SEED, Run, etpguard

Json = dict[str, Any]
NAME = "default/nginx-nginx-ingress-controller"
WARNING = (
    f"the outcome is Unknown for {NAME}: Cilium runs on the node, and no object says whether it replaces "
    "kube-proxy. Name the right one by --data-plane"
)
STATED = "The data plane of every node is kube-proxy, by --data-plane."
KPR: Json = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "cilium-config", "namespace": "kube-system"},
    "data": {"kube-proxy-replacement": "true"},
}
KUBE_PROXY: Json = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "kube-proxy", "namespace": "kube-system"},
    "spec": {"template": {"spec": {"containers": []}}},
    "status": {"desiredNumberScheduled": 3},
}


def run(
    *arguments: str,
    network: str = "CiliumIsUp",
    without_node: bool = True,
    command: str = "check",
    objects: Sequence[Json] = (),
) -> Run:
    """The seed case on nodes with that network and these objects. An endpoint without a nodeName is local nowhere
    for kube-proxy, and everywhere for Cilium."""
    items = yaml.load(SEED.read_text(), yaml.CSafeLoader)["items"]
    for item in items:
        if item["kind"] == "Node":
            up = {"type": "NetworkUnavailable", "status": "False", "reason": network}
            item["status"]["conditions"].append(up)
        if item["kind"] == "EndpointSlice" and without_node:
            item["endpoints"][0].pop("nodeName")
    body = json.dumps({"kind": "List", "items": [*items, *objects]})
    return etpguard(*command.split(), "-f", "-", *arguments, stdin=body)


def shown(found: Run) -> tuple[str, str, str, str]:
    """Outcome, and the data plane with how it is known, of a cluster that has one."""
    (service,), plane = found.report["services"], found.report["dataPlane"]
    (group,) = plane["groups"]
    assert (group["name"], group["how"]) == (plane["name"], plane["how"])
    return service["outcome"], plane["name"], plane["how"], group["evidence"]


def test_an_outcome_that_depends_on_it_is_unknown() -> None:
    found = run("-o", "json")
    assert found.err == f"etpguard: warning: {WARNING}\n"
    assert found.report["warnings"] == [WARNING]
    assert shown(found) == ("Unknown", "kube-proxy", "assumed", "assumed")


def test_explain_warns_too() -> None:
    assert WARNING in run(command=f"explain {NAME}").err


@pytest.mark.parametrize(
    ("data_plane", "outcome"),
    [pytest.param("cilium", "Covered", id="Cilium"), pytest.param("kube-proxy", "Outage", id="kube-proxy")],
)
def test_the_flag_decides(data_plane: str, outcome: str) -> None:
    found = run("--data-plane", data_plane, "-o", "json")
    assert found.err == ""
    assert shown(found) == (outcome, data_plane, "--data-plane", "stated")


def test_an_object_in_the_input_decides() -> None:
    found = run("-o", "json", objects=[KPR])
    assert found.err == ""
    how = "ConfigMap kube-system/cilium-config: kube-proxy-replacement=true"
    assert shown(found) == ("Covered", "cilium", how, "observed")
    assert found.report["assumptions"] == []
    found = run("-o", "json", objects=[KUBE_PROXY], network="FlannelIsUp")
    assert shown(found) == ("Outage", "kube-proxy", "DaemonSet kube-system/kube-proxy", "observed")


def test_a_contradiction_is_a_warning_and_what_depends_on_it_is_unknown() -> None:
    found = run("-o", "json", objects=[KPR, KUBE_PROXY])
    sentence = (
        "ConfigMap kube-system/cilium-config: kube-proxy-replacement=true shows cilium, but DaemonSet "
        "kube-system/kube-proxy shows kube-proxy, on 3 nodes. Name the right one by --data-plane"
    )
    assert found.report["warnings"] == [sentence]
    assert shown(found)[0] == "Unknown"
    assert shown(run("-o", "json", objects=[KPR, KUBE_PROXY], without_node=False))[0] == "TargetsUnhealthy"


def test_a_mixed_cluster() -> None:
    chosen = ("--data-plane", "cilium:kubernetes.io/hostname=node2", "--data-plane=kube-proxy")
    plane = run("-o", "json", *chosen).report["dataPlane"]
    assert (plane["name"], plane["how"]) == ("mixed", "see groups")
    assert [(group["name"], group["nodes"]) for group in plane["groups"]] == [
        ("kube-proxy", ["node1", "node3"]),
        ("cilium", ["node2"]),
    ]


@pytest.mark.parametrize(
    ("network", "without_node"),
    [
        pytest.param("CiliumIsUp", False, id="it makes no difference"),
        pytest.param("CalicoIsUp", True, id="another network"),
    ],
)
def test_no_warning_without_a_difference(network: str, without_node: bool) -> None:
    assert run(network=network, without_node=without_node).err == ""


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param((), "etpguard assumes that the data plane of every node is kube-proxy", id="assumed"),
        pytest.param(
            ("--data-plane", "kube-proxy"),
            "The data plane of every node is kube-proxy, by --data-plane.",
            id="given",
        ),
    ],
)
def test_explain_assumes_only_what_no_flag_names(options: tuple[str, ...], sentence: str) -> None:
    out = run(*options, command=f"explain {NAME}", without_node=False).out
    assert sentence in out
    assert ("assumes" in out) == (not options)
