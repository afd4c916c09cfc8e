"""A CoverageReport as SARIF 2.1.0, which code scanning reads.

A Service whose traffic is lost, or may be lost, is a result. An outcome is a rule. A cluster is a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from etpguard import __version__
from etpguard.outcomes import Outcome

Json = Mapping[str, Any]

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_CLUSTER = "CLUSTER"
"""The base of the addresses of Services in the API."""
_RULES = {
    Outcome.TargetsUnhealthy: "Health checks take nodes without an endpoint out of the load balancer",
    Outcome.NoEndpoints: "No usable endpoint exists anywhere in the cluster",
    Outcome.Unknown: "The outcome depends on something that the API does not show",
    Outcome.Uncovered: "Nodes without an endpoint lose external traffic, and no load balancer is known",
    Outcome.Blackhole: "The load balancer sends a share of the requests to nodes that lose them",
    Outcome.NoTargets: "The load balancer sends traffic to no node",
    Outcome.Outage: "All nodes that receive traffic lose it",
}
_INDEX = {outcome: number for number, outcome in enumerate(_RULES)}


def sarif(
    reports: Sequence[tuple[Json, str]], fail_on: Outcome | None, failed: Mapping[str, str]
) -> dict[str, Any]:
    """`reports` are CoverageReports, each with the URL of its API server, the path of its file, or "".

    A result is an error if its outcome is `fail_on` or a worse one, None for never. `failed`: why a cluster could
    not be read.
    """
    runs = [_run(report, place, fail_on) for report, place in reports]
    runs += [_failed_run(cluster, why) for cluster, why in failed.items()]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": runs}


def _run(report: Json, place: str, fail_on: Outcome | None) -> dict[str, Any]:
    notes = [_notification("note", text) for text in report["assumptions"]]
    notes += [_notification("warning", text) for text in report["warnings"]]
    cluster = report.get("cluster", "")
    run = {
        "tool": _tool(),
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notes}],
        "results": [
            _result(service, place, cluster, fail_on)
            for service in report["services"]
            if Outcome[service["outcome"]] in _RULES
        ],
    }
    if "://" in place:
        run["originalUriBaseIds"] = {_CLUSTER: {"uri": f"{place}/api/v1/"}}
    return run | _identity(cluster)


def _failed_run(cluster: str, why: str) -> dict[str, Any]:
    invocation = {"executionSuccessful": False, "toolExecutionNotifications": [_notification("error", why)]}
    return {"tool": _tool(), "invocations": [invocation], "results": [], **_identity(cluster)}


def _identity(cluster: str) -> dict[str, Any]:
    """A later run with the same ID replaces the results of this one."""
    return {"automationDetails": {"id": f"etpguard/{cluster}"}}


def _tool() -> dict[str, Any]:
    rules = [{"id": outcome.name, "shortDescription": {"text": f"{text}."}} for outcome, text in _RULES.items()]
    return {"driver": {"name": "etpguard", "version": __version__, "rules": rules}}


def _notification(level: str, text: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": text}}


def _result(service: Json, place: str, cluster: str, fail_on: Outcome | None) -> dict[str, Any]:
    outcome, name = Outcome[service["outcome"]], f"{service['namespace']}/{service['name']}"
    return {
        "ruleId": outcome.name,
        "ruleIndex": _INDEX[outcome],
        "level": _level(outcome, fail_on),
        "message": {"text": "\n".join([f"{name}: {outcome.name}: {service['reason']}", *service["advice"]])},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": _artifact(service, place),
                    "region": {"startLine": 1},
                },
                "logicalLocations": [
                    {"name": service["name"], "fullyQualifiedName": name, "kind": "resource"},
                ],
            }
        ],
        "partialFingerprints": {"service/v1": f"{cluster}/{name}" if cluster else name},
    }


def _level(outcome: Outcome, fail_on: Outcome | None) -> str:
    if fail_on is not None and outcome >= fail_on:
        return "error"
    return "note" if outcome is Outcome.Unknown else "warning"


def _artifact(service: Json, place: str) -> dict[str, Any]:
    """The file that the Service is from, else its path in the API."""
    if place and "://" not in place:
        return {"uri": quote(place.replace("\\", "/"), errors="surrogateescape")}
    path = {"uri": f"namespaces/{quote(service['namespace'])}/services/{quote(service['name'])}"}
    return path | {"uriBaseId": _CLUSTER} if place else path
