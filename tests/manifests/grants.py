"""What RBAC grants the operator, what the audit log says it used, and the page that shows both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.manifests.rendered import ACCOUNT, USER, Json

Event = dict[str, Any]


class Grant(NamedTuple):
    """One verb on one resource, named as RBAC does."""

    group: str
    resource: str
    verb: str


def granted(manifests: list[Json]) -> dict[Grant, set[str]]:
    """Every grant to the operator's ServiceAccount, with the names of the roles that give it."""
    roles = {(m["kind"], m["metadata"]["name"]): m for m in manifests if m["kind"] in ("ClusterRole", "Role")}
    found: dict[Grant, set[str]] = {}
    for binding in manifests:
        if binding["kind"] not in ("ClusterRoleBinding", "RoleBinding"):
            continue
        assert [subject["name"] for subject in binding["subjects"]] == [ACCOUNT]
        ref = binding["roleRef"]
        for rule in roles[ref["kind"], ref["name"]]["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        found.setdefault(Grant(group, resource, verb), set()).add(ref["name"])
    return found


def requests(events: Iterable[Event]) -> list[Event]:
    """The operator's requests to resources; discovery is open to every authenticated user."""
    return [e for e in events if e["user"]["username"] == USER and "resource" in e.get("objectRef", {})]


def used(events: Iterable[Event]) -> set[Grant]:
    """A server-side apply that made its object (201) needed `create`, too."""
    found = set()
    for event in requests(events):
        about = event["objectRef"]
        resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
        grant = Grant(about.get("apiGroup", ""), resource, event["verb"])
        found.add(grant)
        if event["verb"] == "patch" and event.get("responseStatus", {}).get("code") == 201:
            found.add(grant._replace(verb="create"))
    return found


def refused(events: Iterable[Event]) -> list[str]:
    """Requests that RBAC or admission did not allow."""
    return [
        f"{e['verb']} {e['requestURI']}: {e['responseStatus'].get('message', '')}"
        for e in requests(events)
        if e.get("annotations", {}).get("authorization.k8s.io/decision") != "allow"
        or e.get("responseStatus", {}).get("code") in (401, 403)
    ]


ORDER = ("get", "list", "watch", "create", "update", "patch", "delete")

HEAD = """# Permissions

What is granted to the operator's ServiceAccount at most, which is what the chart has with remediation and
`awsLoadBalancerController.deployment`, and what the operator was seen to use: the right column comes from
the audit log of a real API server, while the operator found a loss of traffic, wrote what it writes, mended
the Service, rolled back and mended again. `tests/manifests/test_permissions.py` makes this page, and fails
where a verb is granted and not used, or a request is refused.

| API group | resource | granted | by | seen in use |
|---|---|---|---|---|
"""

TAIL = """
`etpguard-observe` is bound always; the overlay `observe-only` has nothing else. `etpguard-conditions`,
`etpguard-reports`, `etpguard-events` and `etpguard-leader` (a Role in the operator's namespace; `get` and
`update` of the one Lease `etpguard`) come with the base, `etpguard-remediation` with the overlay
`remediation`. In the chart each goes with the value that switches its feature off.
`etpguard-controller-arguments` is the chart's alone: a Role in the namespace of the Deployment that
`awsLoadBalancerController.deployment` names, for that one object. All else but the Lease is granted in all
namespaces, also to read Events.

RBAC is not fine enough for two of them, so that the ValidatingAdmissionPolicy `etpguard-services` narrows
them: `services/status` would allow load balancer addresses, labels, annotations and finalizers, and
`services` every field. With it the ServiceAccount can set the condition `etpguard.dev/Covered`, and
`spec.externalTrafficPolicy` with `spec.healthCheckNodePort`; nothing else on a Service.

For people: `etpguard-view` is part of the roles view, edit and admin. `etpguard-policy-editor` is part of
none and bound to nobody: whoever writes a CoveragePolicy lends themselves the operator's right to patch
Services.
"""


def page(given: dict[Grant, set[str]], seen: set[Grant]) -> str:
    """docs/permissions.md."""
    rows = []
    for group, resource in sorted({(g.group, g.resource) for g in given}):
        verbs = [v for v in ORDER if Grant(group, resource, v) in given]
        roles = sorted({role for v in verbs for role in given[Grant(group, resource, v)]})
        in_use = [v for v in ORDER if Grant(group, resource, v) in seen]
        cells = (f"`{group}`" if group else "core", f"`{resource}`", ", ".join(verbs))
        rows.append(f"| {' | '.join(cells)} | {', '.join(f'`{r}`' for r in roles)} | {', '.join(in_use)} |\n")
    return HEAD + "".join(rows) + TAIL
