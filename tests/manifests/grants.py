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
    """The operator's requests to resources; discovery is open to every authenticated user. Without its confinement
    checks, which are meant to be refused."""
    return [e for e in _requests(events) if not _checks_confinement(e)]


def confinement_checks(events: Iterable[Event]) -> list[Event]:
    """The operator's dry runs of writes that it never makes."""
    return [e for e in _requests(events) if _checks_confinement(e)]


def _requests(events: Iterable[Event]) -> list[Event]:
    return [e for e in events if e["user"]["username"] == USER and "resource" in e.get("objectRef", {})]


def _checks_confinement(event: Event) -> bool:
    """No other server-side apply of the operator is a dry run."""
    return all(part in event["requestURI"] for part in ("dryRun=All", "force=true"))


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

The table shows every permission of the operator's ServiceAccount, with all features on (`remediation.enabled`
and `awsLoadBalancerController.deployment` in the chart), except one: `providers.k3s` adds `list` on the
`pods` of `kube-system`, and is off by default. The last column shows what the operator used, from
the audit log of a real API server, while it found lost traffic, wrote its outputs, remediated a Service,
rolled back and remediated it again. `tests/manifests/test_permissions.py` generates this page. It fails if a
permission is granted and not used, or if a request is refused. Only `bgpconfigurations` of `projectcalico.org` are
not read there: they are where `crd.projectcalico.org` is not served.

| API group | resource | granted | by | used |
|---|---|---|---|---|
"""

TAIL = """
The roles are installed with:

- `etpguard-observe`: every overlay. `observe-only` has this role and the next two.
- `etpguard-data-planes`: every overlay. It has `get` for the
  [objects that show the data plane](data-planes.md#objects-that-show-the-data-plane), each by its name, and
  `list` for the kinds that have an object for each node.
- `etpguard-announcers`: every overlay. A Role in `kube-system` with `list` on Leases, which name the node that
  announces an address by Cilium's L2 announcements. It lists them only while there is a
  `CiliumL2AnnouncementPolicy`. In the chart, `providers.k3s` adds `list` on the Pods of `kube-system`.
- `etpguard-conditions`, `etpguard-reports`, `etpguard-events`: the base.
- `etpguard-other-installations`: the base. It has `list` on Leases, to find a second installation.
- `etpguard-leader`: the base. A Role in the namespace of the operator, with `create` for Leases, and with
  `get` and `update` only for the Lease `etpguard`.
- `etpguard-remediation`: the overlay `remediation`.
- `etpguard-controller-arguments`: only the chart. A Role for one object, in the namespace of the Deployment
  that `awsLoadBalancerController.deployment` names.

In the chart, each role is installed only if its feature is on. All permissions apply to all
namespaces, including the permission to read Events, except those in
`etpguard-leader`, `etpguard-announcers` and `etpguard-controller-arguments`.

RBAC is too coarse for some resources. For example, `services/status` would allow load balancer addresses,
labels, annotations and finalizers, and `services` would allow every field. Three ValidatingAdmissionPolicies
restrict the ServiceAccount:

- `etpguard-services`: on Services, only the conditions `etpguard.dev/Covered` and
  `etpguard.dev/CoveredInternally`, and `spec.externalTrafficPolicy` with `spec.healthCheckNodePort`.
- `etpguard-reports`: only reports that the Service of the same name owns. No finalizers, labels, annotations
  or `blockOwnerDeletion`.
- `etpguard-events`: only Events with its own reporting controllers and reasons, about Services and Ingresses.
  It cannot change the Events of others.

If the operator writes conditions or remediates, it checks this once per resync interval. It sends dry runs that
the policies must refuse: another condition in the status of a Service, and a label. If the API server permits
one, `/readyz` has a note and the metric `etpguard_confined` is 0. The audit log shows the refused dry runs
(`dryRun=All`, code 403). If another policy or a webhook refuses one, the operator sends it again without its
change. If this is refused too, the metric is NaN, and `/readyz` says so. With reports and Events alone, the
operator may not write Services. Nothing is checked then, and the metric is NaN.

For people: `etpguard-view` is part of the roles view, edit and admin. `etpguard-policy-editor` is part of no
role and bound to nobody, because a user who can create a CoveragePolicy can make the operator patch Services.
"""


def page(given: dict[Grant, set[str]], seen: set[Grant]) -> str:
    """docs/permissions.md."""
    rows = []
    for group, resource in sorted({(g.group, g.resource) for g in given}):
        verbs = [v for v in ORDER if Grant(group, resource, v) in given]
        roles = sorted({role for v in verbs for role in given[Grant(group, resource, v)]})
        in_use = [v for v in ORDER if Grant(group, resource, v) in seen]
        cells = (f"`{group}`" if group else "core", f"`{resource}`", ", ".join(verbs))
        rows.append(
            f"| {' | '.join(cells)} | {', '.join(f'`{r}`' for r in roles)} | {', '.join(in_use) or '–'} |\n"
        )
    return HEAD + "".join(rows) + TAIL
