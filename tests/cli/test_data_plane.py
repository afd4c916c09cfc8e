"""What forwards node ports: what is told where the nodes run Cilium, which may have replaced kube-proxy or not."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.cli.program import SEED, Run, etpguard

Json = dict[str, Any]
NAME = "default/nginx-nginx-ingress-controller"
WARNING = (
    f"the nodes run Cilium. If it replaces kube-proxy, the result differs for {NAME}: use --data-plane cilium or "
    "--data-plane kube-proxy"
)


def run(*arguments: str, network: str = "CiliumIsUp", without_node: bool = True, command: str = "check") -> Run:
    """The seed case on nodes with that network. An endpoint without a nodeName is local nowhere for kube-proxy,
    and everywhere for Cilium."""
    items = yaml.safe_load(SEED.read_text())["items"]
    for item in items:
        if item["kind"] == "Node":
            up = {"type": "NetworkUnavailable", "status": "False", "reason": network}
            item["status"]["conditions"].append(up)
        if item["kind"] == "EndpointSlice" and without_node:
            item["endpoints"][0].pop("nodeName")
    told = json.dumps({"kind": "List", "items": items})
    return etpguard(*command.split(), "-f", "-", *arguments, stdin=told)


def test_it_is_asked_for_where_it_makes_a_difference() -> None:
    found = run("-o", "json")
    assert found.err == f"etpguard: warning: {WARNING}\n"
    assert found.report["warnings"] == [WARNING]
    assert found.report["dataPlane"] == {"name": "kube-proxy", "how": "assumed"}
    assert found.report["services"][0]["outcome"] == "Outage", "kube-proxy is what is assumed"


def test_explain_asks_too() -> None:
    assert WARNING in run(command=f"explain {NAME}").err


@pytest.mark.parametrize(
    ("data_plane", "outcome"),
    [pytest.param("cilium", "Covered", id="Cilium"), pytest.param("kube-proxy", "Outage", id="kube-proxy")],
)
def test_once_said_it_is_not_asked(data_plane: str, outcome: str) -> None:
    found = run("--data-plane", data_plane, "-o", "json")
    assert found.err == ""
    assert found.report["dataPlane"] == {"name": data_plane, "how": "--data-plane"}
    assert found.report["services"][0]["outcome"] == outcome


@pytest.mark.parametrize(
    ("network", "without_node"),
    [
        pytest.param("CiliumIsUp", False, id="it makes no difference"),
        pytest.param("CalicoIsUp", True, id="another network"),
    ],
)
def test_it_is_not_asked_for_nothing(network: str, without_node: bool) -> None:
    assert run(network=network, without_node=without_node).err == ""


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param((), "etpguard assumes that the data plane of every node is kube-proxy", id="assumed"),
        pytest.param(("--data-plane", "kube-proxy"), "The data plane is kube-proxy, by --data-plane.", id="given"),
    ],
)
def test_explain_assumes_only_what_no_flag_names(options: tuple[str, ...], sentence: str) -> None:
    out = run(*options, command=f"explain {NAME}", without_node=False).out
    assert sentence in out
    assert ("assumes" in out) == (not options)
