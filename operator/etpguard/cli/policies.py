"""`etpguard check --policy`: what policies from files would do now, Service by Service, and why not.

Beside those of the cluster: a file's policy takes the place of one of the same name. What time alone decides is
taken as passed (the dwell), budgets as far as the reports tell of changes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from etpguard.cli import table, yaml_documents
from etpguard.cli.errors import Failure
from etpguard.cli.sources import Assessed
from etpguard.objects import Reject, decode_item
from etpguard.objects.policies import CLUSTER_COVERAGE_POLICY, COVERAGE_POLICY, CoveragePolicy
from etpguard.remediate.cases import Cases, Limits
from etpguard.remediate.decide import Action, decide
from etpguard.remediate.history import History
from etpguard.remediate.policy import faults

if TYPE_CHECKING:
    from etpguard.cluster import Picture

_KINDS = {kind.name: kind for kind in (COVERAGE_POLICY, CLUSTER_COVERAGE_POLICY)}
_HEADER = ("SERVICE", "OUTCOME", "POLICY", "WOULD", "REASON")
_WOULD = {
    Action.NONE: "leave it",
    Action.APPLY: "set Cluster",
    Action.DRY_RUN: "try",
    Action.ROLL_BACK: "roll back",
}


def read(files: Sequence[str], namespace: str) -> list[CoveragePolicy]:
    """The policies of these files; one without a namespace is in `namespace`. Raises Failure for what is none, or
    what the API server would not take."""
    found: list[CoveragePolicy] = []
    for name in files:
        try:
            body = Path(name).read_bytes()
        except OSError as error:
            raise Failure(f"--policy {name}: {error.strerror}") from None
        found += [_policy(name, document, namespace) for document in yaml_documents.load(name, body) if document]
    if not found:
        raise Failure(f"--policy {', '.join(files)}: there is no CoveragePolicy in it")
    return found


def _policy(name: str, document: object, namespace: str) -> CoveragePolicy:
    kind = _KINDS.get(str(document.get("kind"))) if isinstance(document, dict) else None
    if kind is None or not isinstance(document, dict) or document.get("apiVersion") != kind.api_version:
        raise Failure(
            f"--policy {name}: neither a CoveragePolicy nor a ClusterCoveragePolicy (etpguard.dev/v1alpha1)"
        )
    policy = decode_item(kind, document)
    if isinstance(policy, Reject):
        raise Failure(f"--policy {name}: {policy.message}")
    space = (policy.metadata.namespace or namespace or "default") if kind.namespaced else None
    meta = msgspec.structs.replace(policy.metadata, namespace=space, uid=f"{name}:{policy.metadata.name}")
    made = msgspec.structs.replace(policy, metadata=meta)
    if wrong := faults(made):
        raise Failure(f"--policy {name}: {made.kind} {made.key}: {wrong[0]}")
    return made


def show(assessed: Assessed, policies: Sequence[CoveragePolicy], namespace: str) -> None:
    """Print a line for each Service that one of `policies` is about."""
    rows = explain(assessed, policies, namespace)
    if not rows:
        print("No Service with externalTrafficPolicy Local is selected by the policy.")
        return
    print("\n".join(table.plain(_HEADER, rows)))


def explain(
    assessed: Assessed, policies: Sequence[CoveragePolicy], namespace: str
) -> list[tuple[str, str, str, str, str]]:
    """The rows of `show`, sorted by Service."""
    picture = assessed.reading.picture
    _put(picture, policies)
    cases = Cases(picture, assessed.assessments, History(), Limits())
    now = time.time()
    round_ = cases.gather(None, 0.0, now)
    rows = []
    for key, case in sorted(round_.cases.items()):
        about = [p for p in policies if key in round_.matched.get(p.uid, ())]
        if not about or (namespace and key.namespace != namespace):
            continue
        governing = case.governing
        if governing is None:
            would, why = "leave it", "Observe: mode Observe takes no part"
        else:
            waited = replace(case, in_need_since=now - governing.dwell_seconds)
            decision = decide(waited, round_.ledger, now)
            would, why = _WOULD.get(decision.action, "record"), str(decision.reason)
            if decision.action in (Action.APPLY, Action.DRY_RUN) and governing.dwell_seconds:
                why += f"; after {governing.dwell_seconds} s of it"
        deciding = governing.deciding if governing else about[0]
        outcome = case.assessment.outcome.name if case.assessment else "-"
        rows.append((str(key), outcome, f"{deciding.kind} {deciding.key}", would, why))
    return rows


def _put(picture: Picture, policies: Sequence[CoveragePolicy]) -> None:
    for kind in _KINDS.values():
        picture.unread.pop(kind, None)
        mine = [policy for policy in policies if policy.kind == kind.name]
        picture.absorb(picture.store(kind).replace(mine))
