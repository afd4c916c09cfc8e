"""A CoverageReport as SARIF 2.1.0, which code scanning reads.

A Service whose traffic is lost, or may be lost, is a result. An outcome is a rule. A cluster is a run. What
clients in the cluster lose under `internalTrafficPolicy: Local` is another result, with other rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from etpguard import __version__
from etpguard.outcomes import Outcome, severity

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
_INTERNAL_RULES = {
    Outcome.NoEndpoints: "No usable endpoint exists anywhere in the cluster for clients in the cluster",
    Outcome.Unknown: "What clients in the cluster lose depends on something that the API does not show",
    Outcome.Uncovered: "Clients on nodes without an endpoint cannot reach it (internalTrafficPolicy Local)",
}


@dataclass(frozen=True)
class _Kind:
    """How one list of the report becomes results: the list for external traffic, or that for clients in the
    cluster."""

    rules: Mapping[Outcome, str]
    prefix: str
    """The prefix of the IDs of its rules."""
    fingerprint: str
    about: str = ""
    """Follows the name of the Service in the message."""

    def rule(self, outcome: Outcome) -> str:
        return f"{self.prefix}{outcome.name}"


_EXTERNAL = _Kind(_RULES, "", "service/v1")
_INTERNAL = _Kind(_INTERNAL_RULES, "Internal", "service-internal/v1", " (clients in the cluster)")
_INDEX = {
    kind.rule(outcome): number
    for number, (kind, outcome) in enumerate((k, o) for k in (_EXTERNAL, _INTERNAL) for o in k.rules)
}


def sarif(
    reports: Sequence[tuple[Json, str]],
    fail_on: Outcome | None,
    failed: Mapping[str, str],
    *,
    internal: bool = False,
) -> dict[str, Any]:
    """`reports` are CoverageReports, each with the URL of its API server, the path of its file, or "".

    A result is an error if its outcome is `fail_on` or a worse one, None for never. A result about clients in the
    cluster is an error only with `internal`. `failed`: why a cluster could not be read.
    """
    runs = [_run(report, place, fail_on, fail_on if internal else None) for report, place in reports]
    runs += [_failed_run(cluster, why) for cluster, why in failed.items()]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": runs}


def _run(report: Json, place: str, fail_on: Outcome | None, internal_fail_on: Outcome | None) -> dict[str, Any]:
    notes = [_notification("note", text) for text in report["assumptions"]]
    notes += [_notification("warning", text) for text in report["warnings"]]
    cluster = report.get("cluster", "")
    run = {
        "tool": _tool(),
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notes}],
        "results": [
            *_results(_EXTERNAL, report["services"], place, cluster, fail_on),
            *_results(_INTERNAL, report["internal"], place, cluster, internal_fail_on),
        ],
    }
    if "://" in place:
        run["originalUriBaseIds"] = {_CLUSTER: {"uri": f"{place}/api/v1/"}}
    return run | _identity(cluster)


def _failed_run(cluster: str, why: str) -> dict[str, Any]:
    invocation = {"executionSuccessful": False, "toolExecutionNotifications": [_notification("error", why)]}
    return {"tool": _tool(), "invocations": [invocation], "results": [], **_identity(cluster)}


def _identity(cluster: str) -> dict[str, Any]:
    """The ID of a run. A later run with the same ID replaces its results."""
    return {"automationDetails": {"id": f"etpguard/{cluster}"}}


def _tool() -> dict[str, Any]:
    rules = [
        {"id": kind.rule(outcome), "shortDescription": {"text": f"{text}."}}
        for kind in (_EXTERNAL, _INTERNAL)
        for outcome, text in kind.rules.items()
    ]
    return {"driver": {"name": "etpguard", "version": __version__, "rules": rules}}


def _notification(level: str, text: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": text}}


def _results(
    kind: _Kind, services: Sequence[Json], place: str, cluster: str, fail_on: Outcome | None
) -> Iterator[dict[str, Any]]:
    for service in services:
        if Outcome[service["outcome"]] in kind.rules:
            yield _result(kind, service, place, cluster, fail_on)


def _result(kind: _Kind, service: Json, place: str, cluster: str, fail_on: Outcome | None) -> dict[str, Any]:
    outcome, name = Outcome[service["outcome"]], f"{service['namespace']}/{service['name']}"
    rule = kind.rule(outcome)
    text = [f"{name}{kind.about}: {outcome.name}: {service['reason']}", *_causes(service), *service["advice"]]
    return {
        "ruleId": rule,
        "ruleIndex": _INDEX[rule],
        "level": _level(outcome if kind is _EXTERNAL else severity(outcome), fail_on),
        "message": {"text": "\n".join(text)},
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
        "partialFingerprints": {kind.fingerprint: f"{cluster}/{name}" if cluster else name},
    }


def _causes(service: Json) -> list[str]:
    """Why nodes have no endpoint. Only entries about clients in the cluster have causes."""
    return [
        f"{', '.join(cause['nodes'])}: {', and '.join(reason['message'] for reason in cause['reasons'])}"
        for cause in service.get("causes", ())
    ]


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
