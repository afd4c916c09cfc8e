"""A Service that etpguard remediated: its outcome, and what Local would do, do not contradict each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.program import SEED, etpguard

NAME = "default/nginx-nginx-ingress-controller"
FORMER = {"kind": "CoveragePolicy", "namespace": "default", "name": "former", "uid": "u-3"}


@pytest.fixture(scope="module")
def remediated() -> str:
    """The seed case after a remediation."""
    items: list[dict[str, Any]] = yaml.load(SEED.read_text(), yaml.CSafeLoader)["items"]
    (service,) = (item for item in items if item["kind"] == "Service")
    service["metadata"]["uid"] = "u-1"
    service["spec"]["externalTrafficPolicy"] = "Cluster"
    record = {"phase": "Applied", "serviceUID": "u-1"}
    report = {
        "apiVersion": "etpguard.dev/v1alpha1",
        "kind": "ServiceCoverage",
        "metadata": {"namespace": "default", "name": service["metadata"]["name"], "uid": "u-2"},
        "status": {"outcome": "NotAffected", "remediation": record},
    }
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [*items, report]})


def test_explain_says_what_local_would_do_and_the_two_ways_on(remediated: str) -> None:
    run = etpguard("explain", NAME, "-f", "-", stdin=remediated)
    assert run.code == 0
    for part in (
        "externalTrafficPolicy Cluster",
        "Outcome: NotAffected: Remediated",
        "Under Local its outcome would be TargetsUnhealthy",
        "would drop on 2 nodes: no usable endpoint here: under Local this node would not forward traffic",
        "under Local it would be TargetsUnhealthy",
        "1. Keep Cluster: set it at the source.",
        "2. Or go back to Local.",
    ):
        assert part in run.out
    for absent in ("dropped on", "Let every node forward", "What misleads", "the AWS console shows"):
        assert absent not in run.out
    assert f"       etpguard rollback {NAME}" in run.out.splitlines()


def test_check_counts_it_as_remediated_and_not_as_local(remediated: str) -> None:
    out = etpguard("check", "-f", "-", stdin=remediated).out
    assert "NotAffected (remediated)" in out
    assert "1 Service remediated to Cluster" in out
    assert "with externalTrafficPolicy Local" not in out


def test_the_report_gives_the_two_ways_on(remediated: str) -> None:
    (service,) = etpguard("check", "-f", "-", "-o", "json", stdin=remediated).report["services"]
    first, second = service["advice"]
    assert first.startswith("Keep Cluster: set it at the source.")
    assert second.endswith(f"Command: etpguard rollback {NAME}")
    assert service["ifLocal"]["outcome"] == "TargetsUnhealthy"


def preview(state: str, record: dict[str, Any], spec: dict[str, Any], tmp_path: Path) -> tuple[str, str, int]:
    """What `check --policy` says of the remediated Service with that record, under a policy with that spec."""
    given = json.loads(state)
    given["items"][-1]["status"]["remediation"] |= record
    policy = {
        "apiVersion": "etpguard.dev/v1alpha1",
        "kind": "CoveragePolicy",
        "metadata": {"namespace": "default", "name": "opt-in"},
        "spec": {"serviceSelector": {"matchLabels": {"app.kubernetes.io/name": "nginx-ingress"}}, **spec},
    }
    (tmp_path / "policy").write_text(json.dumps(policy))
    run = etpguard("check", "-f", "-", "--policy", tmp_path / "policy", "-o", "json", stdin=json.dumps(given))
    (row,) = run.report["remediations"]
    return row["action"], row["reason"], row["afterSeconds"]


@pytest.mark.parametrize(
    ("record", "spec", "expected"),
    [
        pytest.param(
            {"policy": FORMER, "onDelete": "Revert"},
            {"mode": "DryRun"},
            ("RollBack", "PolicyDeleted", 30),
            id="dry run",
        ),
        pytest.param(
            {"policy": FORMER, "onDelete": "Revert"},
            {"mode": "Observe"},
            ("RollBack", "PolicyDeleted", 30),
            id="observe",
        ),
        pytest.param(
            {"policy": FORMER, "onDelete": "Keep"}, {"mode": "DryRun"}, ("None", "Applied", 0), id="Keep"
        ),
        pytest.param(
            {"policy": FORMER, "onDelete": "Revert"},
            {"mode": "Enforce", "remediation": {"sourceIPLoss": "Accept"}},
            ("Record", "Applied", 0),
            id="the policy has another name",
        ),
        pytest.param(
            {"policy": FORMER, "onDelete": "Revert", "phase": "RollingBack", "message": "PolicyDeleted"},
            {"mode": "DryRun"},
            ("RollBack", "PolicyDeleted", 0),
            id="begun",
        ),
    ],
)
def test_a_preview_shows_the_rollback_for_a_policy_that_is_gone(
    remediated: str,
    record: dict[str, Any],
    spec: dict[str, Any],
    expected: tuple[str, str, int],
    tmp_path: Path,
) -> None:
    assert preview(remediated, record, spec, tmp_path) == expected


def test_a_preview_shows_the_rollback_for_coverage(remediated: str, tmp_path: Path) -> None:
    given = json.loads(remediated)
    (slice_,) = (item for item in given["items"] if item["kind"] == "EndpointSlice")
    covered = {endpoint["nodeName"] for endpoint in slice_["endpoints"]}
    kept = [i for i in given["items"] if i["kind"] != "Node" or i["metadata"]["name"] in covered]
    spec = {
        "mode": "Enforce",
        "remediation": {"sourceIPLoss": "Accept"},
        "rollback": {"mode": "WhenCovered", "coveredForSeconds": 600},
    }
    policy = {
        "apiVersion": "etpguard.dev/v1alpha1",
        "kind": "CoveragePolicy",
        "metadata": {"namespace": "default", "name": "former", "uid": "u-3"},
        "spec": spec,
    }
    state = json.dumps({**given, "items": [policy, *kept]})
    assert preview(state, {"policy": FORMER}, spec, tmp_path) == ("RollBack", "Covered", 600)
