"""What the operator recorded in the API about Services: reports and the statuses of policies. Pure."""

from __future__ import annotations

from etpguard.cluster import Picture
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key
from etpguard.objects.policies import CLUSTER_COVERAGE_POLICY, COVERAGE_POLICY, CoveragePolicy
from etpguard.report.contract import Json
from etpguard.report.service_coverage import owned_by_another


def recorded_statuses(picture: Picture) -> dict[Key, Json]:
    """The status of the ServiceCoverage of each Service, without those of former Services of the same name."""
    found = {}
    for report in picture.store(SERVICE_COVERAGE):
        service = picture.get(SERVICE, report.key)
        if report.status and service is not None and not owned_by_another(report, service):
            found[report.key] = report.status
    return found


def why_not_remediated(picture: Picture) -> dict[Key, tuple[str, ...]]:
    """For each Service, the reasons of the policies that match it and do not remediate it, a line each."""
    found: dict[Key, tuple[str, ...]] = {}
    for kind in (COVERAGE_POLICY, CLUSTER_COVERAGE_POLICY):
        for policy in picture.store(kind) if kind in picture.kinds else ():
            for key, line in _excluded(policy):
                found[key] = (*found.get(key, ()), line)
    return found


def _excluded(policy: CoveragePolicy) -> list[tuple[Key, str]]:
    """`status.excluded` of a policy, without entries that another program wrote in another form."""
    listed = (policy.status or {}).get("excluded")
    named = "/".join(filter(None, (policy.metadata.namespace, policy.metadata.name)))
    lines = []
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict) and {"namespace", "name", "reason"} <= entry.keys():
            why = ": ".join(str(entry[part]) for part in ("reason", "message") if part in entry)
            lines.append((Key(str(entry["namespace"]), str(entry["name"])), f"{policy.kind} {named}: {why}"))
    return lines
