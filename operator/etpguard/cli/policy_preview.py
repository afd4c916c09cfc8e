"""`etpguard check --policy`: what policies from files would do to each Service now, or why they would do nothing.

They apply together with the policies of the cluster. A policy of a file replaces the one with the same name, as an
edit would. The preview assumes that each wait is over. Budgets count the remediations that the reports show.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import msgspec

from etpguard.assess import Reason
from etpguard.cli.crd_schema import Schema, violations
from etpguard.cli.errors import Failure
from etpguard.cli.input import yaml_documents
from etpguard.cli.input.files import as_utf8, shown
from etpguard.cli.input.files import read as read_source
from etpguard.cli.input.sources import Assessed
from etpguard.cli.output import table
from etpguard.cluster import Picture
from etpguard.objects import NAMESPACE, SERVICE_COVERAGE, Key, Reject, decode_item
from etpguard.objects.network_policies import NETWORK_POLICY
from etpguard.objects.policies import CLUSTER_COVERAGE_POLICY, COVERAGE_POLICY, CoveragePolicy
from etpguard.remediate import reasons
from etpguard.remediate.decide import Action, decide, noted
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.facts import Case, Round
from etpguard.remediate.gather import Gatherer
from etpguard.remediate.ledger import OperatorLimits
from etpguard.remediate.memory import RemediationMemory
from etpguard.remediate.policy_faults import faults
from etpguard.remediate.spent import IntentAges

_KINDS = {kind.name: kind for kind in (COVERAGE_POLICY, CLUSTER_COVERAGE_POLICY)}
_HEADER = ("SERVICE", "OUTCOME", "POLICY", "WOULD", "REASON")
_WOULD = {
    Action.NONE: ("None", "leave it"),
    Action.APPLY: ("SetCluster", "set Cluster"),
    Action.DRY_RUN: ("DryRun", "dry run"),
    Action.ROLL_BACK: ("RollBack", "roll back"),
}
"""The words for each action: in JSON, and for people."""
_RECORD = ("Record", "record")
"""The words for actions that change only the report."""


class Row(NamedTuple):
    """What etpguard would do about one Service. `policy` is the deciding one. `after`: for how many seconds the
    state must last first; 0 where etpguard would do nothing. `refuses`: whether a policy of the Service has
    networkPolicy: Refuse."""

    service: Key
    outcome: str
    policy: CoveragePolicy
    action: Action
    reason: Reason
    after: int
    refuses: bool = False

    def as_json(self) -> dict[str, Any]:
        """An entry of the CoverageReport's `remediations`."""
        return {
            "namespace": self.service.namespace,
            "name": self.service.name,
            "outcome": self.outcome,
            "policy": {
                "kind": self.policy.kind,
                "namespace": self.policy.key.namespace,
                "name": self.policy.key.name,
            },
            "action": _WOULD.get(self.action, _RECORD)[0],
            "reason": self.reason.code,
            "message": self.reason.detail,
            "afterSeconds": self.after,
        }

    def as_line(self) -> tuple[str, ...]:
        would = _WOULD.get(self.action, _RECORD)[1]
        dwell = f"; after {self.after} s" if self.after else ""
        policy = f"{self.policy.kind} {self.policy.key}"
        return (str(self.service), self.outcome, policy, would, f"{self.reason}{dwell}")


def read(files: Sequence[str], namespace: str) -> list[CoveragePolicy]:
    """The policies of these files ("-" is stdin). A policy without a namespace gets `namespace`. Raises Failure
    for any other object, and for a policy that the API server would reject."""
    found: list[CoveragePolicy] = []
    for name in files:
        found += [_policy(name, document, namespace) for document in _documents(name)]
    if not found:
        raise Failure(f"--policy {', '.join(files)}: no CoveragePolicy found")
    return found


def _documents(name: str) -> Iterator[Any]:
    """All documents of a file; each item of a List counts as one."""
    for document in yaml_documents.load(shown(name), as_utf8(shown(name), read_source(name))):
        if isinstance(document, dict) and isinstance(document.get("items"), list):
            yield from document["items"]
        elif document:
            yield document


def _policy(name: str, document: Any, namespace: str) -> CoveragePolicy:
    kind = _KINDS.get(str(document.get("kind"))) if isinstance(document, dict) else None
    if kind is None or document.get("apiVersion") != kind.api_version:
        raise Failure(f"--policy {name}: not a CoveragePolicy or ClusterCoveragePolicy (etpguard.dev/v1alpha1)")
    policy = decode_item(kind, document)
    if isinstance(policy, Reject):
        raise Failure(f"--policy {name}: {policy.message}")
    space = (policy.metadata.namespace or namespace or "default") if kind.namespaced else None
    uid = f"{name}:{kind.name}/{space}/{policy.metadata.name}"
    meta = msgspec.structs.replace(policy.metadata, namespace=space, uid=uid)
    made = msgspec.structs.replace(policy, metadata=meta)
    if wrong := [*violations(document.get("spec"), _schemas()[kind.name], "spec")] or faults(made):
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise Failure(f"--policy {name}: {made.kind} {made.key}: {wrong[0]}{more}")
    return made


@cache
def _schemas() -> dict[str, Schema]:
    """By kind: the schema of `spec`, which manifests/generated.py makes from the CRDs."""
    body = resources.files("etpguard.cli").joinpath("policy_schemas.json").read_bytes()
    return msgspec.json.decode(body, type=dict[str, Schema])


def show(rows: Sequence[Row]) -> None:
    """Print a line for each Service."""
    if not rows:
        print("No Service with externalTrafficPolicy Local matches the policy.")
        return
    print("\n".join(table.plain(_HEADER, [row.as_line() for row in rows])))


def explain(
    assessed: Assessed,
    policies: Sequence[CoveragePolicy],
    wall: Callable[[], float] = time.time,
) -> list[Row]:
    """A row for each Service that one of `policies` selects, sorted. `wall` gives seconds since the epoch."""
    picture = assessed.loaded.picture
    given = [_edited(picture, policy) for policy in policies]
    for kind in _KINDS.values():
        picture.unread.pop(kind, None)
        picture.absorb(picture.store(kind).replace([policy for policy in given if policy.kind == kind.name]))
    now = wall()
    memory = RemediationMemory(picture, lambda: 0.0, wall)
    gatherer = Gatherer(
        picture, assessed.assessments, DwellHistory(), memory, OperatorLimits(), ages=IntentAges(0.0)
    )
    round_ = gatherer.gather(None, 0.0, now)
    rows = []
    for key, case in sorted(round_.cases.items()):
        about = [policy for policy in given if key in round_.matched.get(policy.uid, ())]
        if about:
            rows.append(_row(key, case, round_, about[0], now))
    return rows


def _edited(picture: Picture, policy: CoveragePolicy) -> CoveragePolicy:
    """The policy as it would be after `kubectl apply`: with the uid of the present one, and a new generation if
    the spec differs."""
    present = picture.get(COVERAGE_POLICY if policy.metadata.namespace else CLUSTER_COVERAGE_POLICY, policy.key)
    if present is None:
        return policy
    generation = (present.metadata.generation or 0) + (present.spec != policy.spec)
    meta = msgspec.structs.replace(policy.metadata, uid=present.uid, generation=generation)
    return msgspec.structs.replace(policy, metadata=meta)


def _row(key: Key, case: Case, round_: Round, about: CoveragePolicy, now: float) -> Row:
    assert case.assessment is not None, "a policy matches assessed Services only"
    outcome, governing = case.assessment.outcome.name, case.governing
    begun = case.remediation is not None and case.remediation.in_force_for(case.service.uid)
    if governing is None and not begun:
        return Row(key, outcome, about, Action.NONE, reasons.OBSERVE.because(), 0)
    decision = decide(_waited(case, now), round_.ledger, now)
    if decision.action is Action.NOTE_POLICY:
        # Seconds later the record names that policy, and the Service may be rolled back.
        renewed = decide(_waited(noted(case), now), round_.ledger, now)
        if renewed.action is Action.ROLL_BACK:
            case, decision = noted(case), renewed
    after = 0.0
    if governing is not None and decision.action in (Action.APPLY, Action.DRY_RUN):
        after = governing.dwell_seconds
    elif decision.action is Action.ROLL_BACK:
        after = decide(case, round_.ledger, now).again or 0.0
    decides = governing.deciding if governing else about
    refuses = governing is not None and not governing.ignores_network_policies
    return Row(key, outcome, decides, decision.action, decision.reason, math.ceil(after), refuses)


def _waited(case: Case, now: float) -> Case:
    """The case after every wait: its state has lasted for long enough."""
    waited = replace(case, orphaned_until=now)
    if (governing := case.governing) is None:
        return waited
    covered = None if case.covered_since is None else now - governing.covered_seconds
    return replace(waited, in_need_since=now - governing.dwell_seconds, covered_since=covered)


def assumed_planes(assessed: Assessed, rows: Sequence[Row]) -> list[str]:
    """A sentence for each data plane that is assumed, since the outcomes of `rows` rest on it."""
    from etpguard.report.data_planes import assumed_data_planes

    found = assumed_data_planes(assessed.engine.planes, assessed.loaded.picture.nodes.present)
    new = [text for text in found if not any(text in warning for warning in assessed.loaded.warnings)]
    return [f"these outcomes rest on an assumption: {text}" for text in new] if rows else []


def not_looked_for(picture: Picture, rows: Sequence[Row]) -> list[str]:
    """Warnings about facts that only the operator knows and that could change its decisions about `rows`."""
    begins = [row for row in rows if row.action in (Action.APPLY, Action.DRY_RUN)]
    found = []
    if any(row.refuses for row in begins):
        kinds = "CiliumNetworkPolicy, Calico, Antrea, AdminNetworkPolicy"
        found.append(
            f"check does not look for other kinds of network policy ({kinds}). If the API server serves one, the "
            "operator leaves Services alone, unless their policies have networkPolicy: Ignore"
        )
        if NETWORK_POLICY in picture.unlisted:
            found.append(
                "no NetworkPolicy in the input: if one admits the clients of a Service by address, the operator "
                "leaves the Service alone, unless its policies have networkPolicy: Ignore"
            )
    if begins and SERVICE_COVERAGE in picture.unlisted:
        found.append(
            "no ServiceCoverage in the input: remediations, rollbacks and reverts of the past do not count"
        )
    if NAMESPACE in picture.unlisted and any(row.policy.metadata.namespace is None for row in rows):
        found.append("no Namespace in the input: a namespaceSelector that is not empty selects nothing")
    return found
