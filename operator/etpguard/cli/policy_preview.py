"""`etpguard check --policy`: what policies from files would do now, Service by Service, and why not.

Beside those of the cluster: a file's policy takes the place of one of the same name, as an edit of it would. What
time alone decides is taken as passed (the dwell), budgets as far as the reports tell of changes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from etpguard.assess import Reason
from etpguard.cli.crd_schema import Schema, violations
from etpguard.cli.errors import Failure
from etpguard.cli.input import yaml_documents
from etpguard.cli.input.sources import Assessed
from etpguard.cli.output import table
from etpguard.cluster import Picture
from etpguard.objects import Key, Reject, decode_item
from etpguard.objects.policies import CLUSTER_COVERAGE_POLICY, COVERAGE_POLICY, CoveragePolicy
from etpguard.remediate.decide import Action, Case, decide
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.gather import Gatherer, OperatorLimits, Round
from etpguard.remediate.policy import faults

_KINDS = {kind.name: kind for kind in (COVERAGE_POLICY, CLUSTER_COVERAGE_POLICY)}
_HEADER = ("SERVICE", "OUTCOME", "POLICY", "WOULD", "REASON")
_WOULD = {
    Action.NONE: ("None", "leave it"),
    Action.APPLY: ("SetCluster", "set Cluster"),
    Action.DRY_RUN: ("DryRun", "try"),
    Action.ROLL_BACK: ("RollBack", "roll back"),
}
"""By action: in JSON, and for people."""
_RECORD = ("Record", "record")
"""For those that change the report alone."""


class Row(NamedTuple):
    """What becomes of one Service. `policy` is the deciding one; `after` is for how many seconds its state must
    last first, 0 where nothing would be done."""

    service: Key
    outcome: str
    policy: CoveragePolicy
    action: Action
    reason: Reason
    after: int

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
        dwell = f"; after {self.after} s of it" if self.after else ""
        policy = f"{self.policy.kind} {self.policy.key}"
        return (str(self.service), self.outcome, policy, would, f"{self.reason}{dwell}")


def read(files: Sequence[str], namespace: str) -> list[CoveragePolicy]:
    """The policies of these files ("-" is stdin); one without a namespace is in `namespace`. Raises Failure for
    what is none, or what the API server would not take."""
    found: list[CoveragePolicy] = []
    for name in files:
        found += [_policy(name, document, namespace) for document in _documents(name)]
    if not found:
        raise Failure(f"--policy {', '.join(files)}: there is no CoveragePolicy in it")
    return found


def _documents(name: str) -> Iterator[Any]:
    """All documents of a file, the items of a List each by itself."""
    for document in yaml_documents.load(name, _body(name)):
        if isinstance(document, dict) and isinstance(document.get("items"), list):
            yield from document["items"]
        elif document:
            yield document


def _body(name: str) -> bytes:
    if name == "-":
        if sys.stdin is None:
            raise Failure("--policy -: stdin is closed")
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise Failure(f"--policy {name}: {error.strerror}") from None


def _policy(name: str, document: Any, namespace: str) -> CoveragePolicy:
    kind = _KINDS.get(str(document.get("kind"))) if isinstance(document, dict) else None
    if kind is None or document.get("apiVersion") != kind.api_version:
        raise Failure(
            f"--policy {name}: neither a CoveragePolicy nor a ClusterCoveragePolicy (etpguard.dev/v1alpha1)"
        )
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
    """By kind: the schema of `spec`, made from the CRDs by manifests/generated.py."""
    body = resources.files("etpguard.cli").joinpath("policy_schemas.json").read_bytes()
    return msgspec.json.decode(body, type=dict[str, Schema])


def show(rows: Sequence[Row]) -> None:
    """Print a line for each Service."""
    if not rows:
        print("No Service with externalTrafficPolicy Local is selected by the policy.")
        return
    print("\n".join(table.plain(_HEADER, [row.as_line() for row in rows])))


def explain(assessed: Assessed, policies: Sequence[CoveragePolicy], namespace: str) -> list[Row]:
    """A row for each Service that one of `policies` is about, sorted; `namespace` "" is all."""
    picture = assessed.reading.picture
    given = [_edited(picture, policy) for policy in policies]
    for kind in _KINDS.values():
        picture.unread.pop(kind, None)
        picture.absorb(picture.store(kind).replace([policy for policy in given if policy.kind == kind.name]))
    now = time.time()
    round_ = Gatherer(picture, assessed.assessments, DwellHistory(), OperatorLimits()).gather(None, 0.0, now)
    rows = []
    for key, case in sorted(round_.cases.items()):
        about = [policy for policy in given if key in round_.matched.get(policy.uid, ())]
        if about and namespace in ("", key.namespace):
            rows.append(_row(key, case, round_, about[0], now))
    return rows


def _edited(picture: Picture, policy: CoveragePolicy) -> CoveragePolicy:
    """As it would be once applied: with the uid of the one that stands, and a new generation for another spec."""
    standing = picture.get(COVERAGE_POLICY if policy.metadata.namespace else CLUSTER_COVERAGE_POLICY, policy.key)
    if standing is None:
        return policy
    generation = (standing.metadata.generation or 0) + (standing.spec != policy.spec)
    meta = msgspec.structs.replace(policy.metadata, uid=standing.uid, generation=generation)
    return msgspec.structs.replace(policy, metadata=meta)


def _row(key: Key, case: Case, round_: Round, about: CoveragePolicy, now: float) -> Row:
    assert case.assessment is not None, "a policy is matched with what is assessed"
    outcome, governing = case.assessment.outcome.name, case.governing
    if governing is None:
        return Row(key, outcome, about, Action.NONE, Reason("Observe", "mode Observe takes no part"), 0)
    waited = replace(case, in_need_since=now - governing.dwell_seconds)
    decision = decide(waited, round_.ledger, now)
    begins = decision.action in (Action.APPLY, Action.DRY_RUN)
    after = governing.dwell_seconds if begins else 0
    return Row(key, outcome, governing.deciding, decision.action, decision.reason, after)
