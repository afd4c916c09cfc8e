"""`check --policy` with files alone: where policies are read from, and the message for a document that is no
policy."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.program import SEED, etpguard, failed

POLICY: dict[str, Any] = {
    "apiVersion": "etpguard.dev/v1alpha1",
    "kind": "CoveragePolicy",
    "metadata": {"name": "opt-in", "namespace": "default"},
    "spec": {
        "mode": "Enforce",
        "serviceSelector": {"matchLabels": {"app.kubernetes.io/name": "nginx-ingress"}},
        "unhealthyWhen": {"outcomes": ["TargetsUnhealthy"]},
        "remediation": {"sourceIPLoss": "Accept", "gitOpsOwned": "Patch"},
    },
}
ROW = {
    "namespace": "default",
    "name": "nginx-nginx-ingress-controller",
    "outcome": "TargetsUnhealthy",
    "policy": {"kind": "CoveragePolicy", "namespace": "default", "name": "opt-in"},
    "action": "SetCluster",
    "reason": "Due",
    "message": "TargetsUnhealthy, 2 of 3 eligible nodes uncovered",
    "afterSeconds": 300,
}
ASKED = ("check", "-f", SEED, "--policy")


def changed(**spec: Any) -> dict[str, Any]:
    return {**POLICY, "spec": {**POLICY["spec"], **spec}}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(yaml.safe_dump(POLICY), id="YAML"),
        pytest.param(json.dumps(POLICY, indent=4), id="JSON"),
        pytest.param(f"# none\n---\n{yaml.safe_dump(POLICY)}---\n", id="among empty documents"),
        pytest.param(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [POLICY]}), id="in a List"),
    ],
)
@pytest.mark.parametrize("from_stdin", [False, True], ids=["file", "stdin"])
def test_what_it_would_do(text: str, from_stdin: bool, tmp_path: Path) -> None:
    file = tmp_path / "policy"
    file.write_text(text)
    run = etpguard(*ASKED, "-" if from_stdin else file, "-o", "json", stdin=text if from_stdin else None)
    assert run.code == 0
    assert all("warning" in line for line in run.err.splitlines()), run.err
    assert run.report["remediations"] == [ROW]
    assert run.report["services"] == etpguard("check", "-f", SEED, "-o", "json").report["services"]


def test_the_mode_dry_run_has_its_name_in_the_table() -> None:
    policy = yaml.safe_dump(changed(mode="DryRun"))
    [row] = (line for line in etpguard(*ASKED, "-", stdin=policy).out.splitlines() if "opt-in" in line)
    assert re.search(r"\bdry run +DryRun: ", row), row


@pytest.mark.parametrize(
    ("policy", "warnings"),
    [
        pytest.param(
            POLICY, ["other kinds of network policy", "no NetworkPolicy", "no ServiceCoverage"], id="Refuse"
        ),
        pytest.param(
            changed(remediation={**POLICY["spec"]["remediation"], "networkPolicy": "Ignore"}),
            ["no ServiceCoverage"],
            id="Ignore",
        ),
        pytest.param(changed(suspend=True), [], id="it would do nothing"),
    ],
)
def test_a_warning_says_what_was_not_looked_for(policy: Any, warnings: list[str], tmp_path: Path) -> None:
    file = tmp_path / "policy"
    file.write_text(yaml.safe_dump(policy))
    found = etpguard(*ASKED, file, "-o", "json").report["warnings"]
    about = [text for text in found if "network policy" in text or "in the input" in text]
    assert len(about) == len(warnings), about
    for text, words in zip(about, warnings, strict=True):
        assert words in text


def test_as_yaml_and_as_a_table(tmp_path: Path) -> None:
    file = tmp_path / "policy"
    file.write_text(yaml.safe_dump(POLICY))
    assert yaml.load(etpguard(*ASKED, file, "-o", "yaml").out, yaml.CSafeLoader)["remediations"] == [ROW]
    _, line = etpguard(*ASKED, file).out.splitlines()
    assert line.startswith(
        f"default/{ROW['name']}   TargetsUnhealthy   CoveragePolicy default/opt-in   set Cluster"
    )


def test_the_table_says_that_a_data_plane_is_assumed(tmp_path: Path) -> None:
    file = tmp_path / "policy"
    file.write_text(yaml.safe_dump(POLICY))
    sentence = "these outcomes rest on an assumption: the data plane of every node is kube-proxy"
    assert sentence in etpguard(*ASKED, file).err
    assert sentence not in etpguard(*ASKED, file, "--data-plane", "kube-proxy").err
    structured = etpguard(*ASKED, file, "-o", "json")
    assert sentence not in structured.err
    assert any("kube-proxy" in text for text in structured.report["assumptions"])
    file.write_text(yaml.safe_dump(changed(serviceSelector={"matchLabels": {"no": "body"}})))
    assert sentence not in etpguard(*ASKED, file).err


def test_without_a_policy_the_report_has_no_such_key() -> None:
    assert "remediations" not in etpguard("check", "-f", SEED, "-o", "json").report


def test_a_policy_about_no_service(tmp_path: Path) -> None:
    file = tmp_path / "policy"
    file.write_text(yaml.safe_dump(changed(serviceSelector={"matchLabels": {"no": "body"}})))
    assert etpguard(*ASKED, file, "-o", "json").report["remediations"] == []
    assert "No Service" in etpguard(*ASKED, file).out


@pytest.mark.parametrize("outcome", ["Blackhole", "TargetsUnhealthy"])
def test_the_exit_code_is_not_the_outcomes(outcome: str) -> None:
    assert etpguard(*ASKED, "-", "--fail-on", outcome, stdin=yaml.safe_dump(POLICY)).code == 0


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param({**POLICY, "kind": "Service"}, "not a CoveragePolicy or", id="another kind"),
        pytest.param({**POLICY, "items": []}, "no CoveragePolicy found", id="an empty List"),
        pytest.param([POLICY], "not a CoveragePolicy or", id="a bare list"),
        pytest.param(
            {k: v for k, v in POLICY.items() if k != "spec"}, "spec: expected object, got null", id="no spec"
        ),
        pytest.param(changed(mode="Now"), "spec.mode: ", id="no such mode"),
        pytest.param(changed(modes="Enforce"), "spec.modes: unknown field", id="a misspelt field"),
        pytest.param(
            changed(namespaceSelector={}), "spec.namespaceSelector: unknown field", id="of the other kind alone"
        ),
        pytest.param(
            changed(unhealthyWhen={"forSeconds": 90000}),
            "CoveragePolicy default/opt-in: spec.unhealthyWhen.forSeconds: 90000 is more than 86400",
            id="beyond a bound",
        ),
        pytest.param(
            changed(unhealthyWhen={"forSeconds": -1, "outcomes": []}),
            "spec.unhealthyWhen.forSeconds: -1 is less than 0 (and 1 more)",
            id="two faults",
        ),
        pytest.param(
            changed(unhealthyWhen={"uncoveredNodes": "0%"}), "spec.unhealthyWhen.uncoveredNodes: ", id="not one"
        ),
        pytest.param(
            changed(remediation={"sourceIPLoss": "Accept", "budgets": [{"services": "9" * 5000}]}),
            "spec.remediation.budgets[0].services: ",
            id="thousands of digits",
        ),
        pytest.param(
            changed(remediation={"sourceIPLoss": "Accept", "budgets": [{"schedule": "@daily"}]}),
            "schedule and durationSeconds go together",
            id="a schedule without an end",
        ),
        pytest.param(changed(serviceSelector={}), "spec.serviceSelector: mode Enforce", id="Enforce for all"),
        pytest.param(
            changed(remediation={"gitOpsOwned": "Patch"}), "spec.remediation.sourceIPLoss: ", id="no consent"
        ),
    ],
)
def test_what_the_api_server_would_not_take(policy: Any, expected: str) -> None:
    line = failed(etpguard(*ASKED, "-", stdin=yaml.safe_dump(policy)))
    assert line.startswith("etpguard: --policy -: ")
    assert expected in line
    assert len(line) < 300


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "Is a directory" in failed(etpguard(*ASKED, tmp_path))
    assert "No such file" in failed(etpguard(*ASKED, tmp_path / "gone.yaml"))


def test_stdin_is_there_once() -> None:
    run = etpguard("check", "-f", "-", "--policy", "-", stdin=yaml.safe_dump(POLICY))
    assert "stdin cannot be both -f and --policy" in failed(run)


def test_strict_holds_here_too(tmp_path: Path) -> None:
    items = [*yaml.load(SEED.read_text(), yaml.CSafeLoader)["items"], {"metadata": {"name": "x"}}]
    state = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    (tmp_path / "state.json").write_text(state)
    asked = ("check", "-f", tmp_path / "state.json", "--policy", "-")
    assert etpguard(*asked, stdin=yaml.safe_dump(POLICY)).code == 0
    assert ": no kind" in failed(etpguard(*asked, "--strict", stdin=yaml.safe_dump(POLICY)))


def served(name: str, annotations: dict[str, str], node_port: int, *, app: str) -> list[dict[str, Any]]:
    """A LoadBalancer Service in a cluster, whose only endpoint is on the first of two nodes."""
    meta = {"name": name, "namespace": "default"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**meta, "uid": f"uid-{name}", "annotations": annotations, "labels": {"app": app}},
            "spec": {
                "type": "LoadBalancer",
                "externalTrafficPolicy": "Local",
                "clusterIP": "10.96.0.10",
                "healthCheckNodePort": node_port + 1000,
                "ipFamilies": ["IPv4"],
                "ports": [
                    {"name": "dns", "port": 53, "nodePort": node_port},
                    {"name": "web", "port": 80, "nodePort": node_port + 1},
                ],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}},
        },
        *(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"{name}-{port}",
                    "namespace": "default",
                    "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": "IPv4",
                "ports": [{"name": port, "protocol": "TCP", "port": 8080}],
                "endpoints": [{"addresses": ["10.0.0.7"], "nodeName": node, "conditions": {"ready": True}}],
            }
            for port, node in (("dns", "n1"), ("web", "n2"))
        ),
    ]


def cluster_of(scheme: str, *objects: dict[str, Any]) -> str:
    nodes = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "spec": {"providerID": f"{scheme}://{name}"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
        for name in ("n1", "n2")
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [*nodes, *objects]})


ADVERTISED = {
    "apiVersion": "metallb.io/v1beta1",
    "kind": "L2Advertisement",
    "metadata": {"name": "all", "namespace": "metallb-system"},
    "spec": {},
}
SHARED = {"metallb.io/allow-shared-ip": "key", "metallb.io/ip-allocated-from-pool": "lan"}


@pytest.mark.parametrize(
    ("state", "code", "part"),
    [
        pytest.param(
            cluster_of("azure", *served("web", {}, 30100, app="web")),
            "AssumedRule",
            "the providerIDs of the nodes (azure://)",
            id="a provider that only the nodes name",
        ),
        pytest.param(
            cluster_of(
                "", ADVERTISED, *served("web", SHARED, 30100, app="web"), *served("dns", SHARED, 30200, app="dns")
            ),
            "SharedAddress",
            "it shares its address with default/dns",
            id="a shared address of MetalLB",
        ),
    ],
)
def test_what_no_policy_lifts(state: str, code: str, part: str, tmp_path: Path) -> None:
    spec = {
        "mode": "Enforce",
        "serviceSelector": {"matchLabels": {"app": "web"}},
        "unhealthyWhen": {"outcomes": ["TargetsUnhealthy", "Blackhole", "Outage"]},
        "remediation": {"sourceIPLoss": "Accept", "networkPolicy": "Ignore"},
    }
    file, dump = tmp_path / "policy", tmp_path / "state"
    file.write_text(json.dumps({**POLICY, "spec": spec}))
    dump.write_text(state)
    (row,) = etpguard("check", "-f", dump, "--policy", file, "-o", "json").report["remediations"]
    assert (row["action"], row["reason"]) == ("None", code), row
    assert part in row["message"]


def remediated(of: str) -> str:
    """A Service at Cluster that Local would cover, with the record of a remediation by the policy `of`."""
    service, *slices = served("web", {"metallb.io/ip-allocated-from-pool": "lan"}, 30100, app="web")
    service["spec"]["externalTrafficPolicy"] = "Cluster"
    for each in slices:
        (one,) = each["endpoints"]
        pods = (("n1", "10.0.0.1"), ("n2", "10.0.0.2"))
        each["endpoints"] = [{**one, "nodeName": node, "addresses": [address]} for node, address in pods]
    ref = {"kind": "CoveragePolicy", "namespace": "default", "name": of, "uid": f"uid-{of}"}
    report = {
        "apiVersion": "etpguard.dev/v1alpha1",
        "kind": "ServiceCoverage",
        "metadata": {"name": "web", "namespace": "default", "uid": "uid-report"},
        "status": {"remediation": {"phase": "Applied", "serviceUID": "uid-web", "policy": ref}},
    }
    return cluster_of("", ADVERTISED, service, *slices, report)


@pytest.mark.parametrize(
    ("mode", "action", "reason", "after"),
    [
        pytest.param("WhenCovered", "RollBack", "Covered", 900, id="it rolls back once the record names it"),
        pytest.param("Manual", "Record", "Applied", 0, id="it changes the record alone"),
    ],
)
def test_a_policy_in_place_of_one_that_is_gone(
    mode: str, action: str, reason: str, after: int, tmp_path: Path
) -> None:
    spec = {
        "mode": "Enforce",
        "serviceSelector": {"matchLabels": {"app": "web"}},
        "remediation": {"sourceIPLoss": "Accept"},
        "serviceTypes": ["LoadBalancer"],
        "rollback": {"mode": mode, "coveredForSeconds": 900},
    }
    file, dump = tmp_path / "policy", tmp_path / "state"
    file.write_text(json.dumps({**POLICY, "spec": spec}))
    dump.write_text(remediated("former"))
    (row,) = etpguard("check", "-f", dump, "--policy", file, "-o", "json").report["remediations"]
    assert (row["action"], row["reason"], row["afterSeconds"]) == (action, reason, after), row
