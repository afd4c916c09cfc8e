"""Cases for `decide`, made by hand: what is not said is as it is for a Service that is due."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
from msgspec.structs import replace

from etpguard.assess import Assessment, Outcome, PortState, Reason
from etpguard.assess.consumers.consumer import Consumer, ConsumerVerdict
from etpguard.assess.consumers.targets import HealthCheck, NodeTargets
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.probe import OwnNodePort
from etpguard.objects import PolicyRef, Remediation, Service
from etpguard.objects.policies import CoveragePolicy, TriggerIf
from etpguard.remediate.facts import Case, Ledger, Share
from etpguard.remediate.gather import refreshed
from etpguard.remediate.governing import together

NOW = 1_800_000_000.0
UID = "uid-web"
POLICY_UID = "uid-opt-in"


def policy(name: str = "opt-in", **spec: Any) -> CoveragePolicy:
    """Under Enforce for all; nested fields as in YAML."""
    whole = {
        "apiVersion": "etpguard.dev/v1alpha1",
        "kind": "CoveragePolicy",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "generation": 1},
        "spec": {"mode": "Enforce", "remediation": {"sourceIPLoss": "Accept"}, **spec},
    }
    return msgspec.convert(whole, CoveragePolicy)


def accepting(**remediation: Any) -> dict[str, Any]:
    return {"sourceIPLoss": "Accept", **remediation}


def service(traffic_policy: str = "Local", **metadata: Any) -> Service:
    meta = {"name": "web", "namespace": "default", "uid": UID, "resourceVersion": "7", **metadata}
    return msgspec.convert(
        {"metadata": meta, "spec": {"type": "NodePort", "externalTrafficPolicy": traffic_policy}}, Service
    )


def assessment(
    outcome: Outcome = Outcome.Blackhole, *, pinned: bool = False, fails: str = "", uncovered: int = 0b110
) -> Assessment:
    check = HealthCheck(OwnNodePort("http"), pins_health_check_node_port=pinned, fails_under_cluster=fails)
    targets = NodeTargets(NodeRule(), check)
    consumer = Consumer("Ingress", "default", "web", "alb", "instance", "http", targets)
    return Assessment(
        key=service().key,
        uid=UID,
        type="NodePort",
        policy="Local",
        outcome=outcome,
        reason=Reason(outcome.name),
        ports=(PortState("http", 80, "TCP", "IPv4", 30080, 1, 0, True),),
        consumers=(ConsumerVerdict(consumer, outcome, Reason(outcome.name), 0b111, uncovered),),
        nodes=0b111,
        eligible=0b111,
        uncovered=uncovered,
    )


def changed(local: Outcome = Outcome.Blackhole) -> Assessment:
    """A Service that is changed already."""
    return replace(assessment(Outcome.NotAffected, uncovered=0), policy="Cluster", if_local=assessment(local))


def record(phase: str = "Applied", **fields: Any) -> Remediation:
    ref = PolicyRef("CoveragePolicy", "opt-in", POLICY_UID, "default")
    return Remediation(**{"phase": phase, "service_uid": UID, "policy": ref, **fields})


def case(*policies: CoveragePolicy, remediation: Remediation | None = None, **fields: Any) -> Case:
    """Due under `policies` (by default the one of `policy()`), unless `fields` say otherwise."""
    governing = together(policies or (policy(),))
    made = Case(**{"service": service(), "assessment": assessment(), "governing": governing, **fields})
    if "in_need_since" not in fields:
        made = dataclasses.replace(made, in_need_since=NOW - 100_000)
    return refreshed(made, remediation)


def standing(*policies: CoveragePolicy, remediation: Remediation | None = None, **fields: Any) -> Case:
    """One that is changed, under a policy that still exists."""
    given = policies or (policy(),)
    whole = {
        "service": service("Cluster"),
        "assessment": changed(),
        "recorded_policy": next((p for p in given if p.uid == POLICY_UID), None),
        **fields,
    }
    return case(*given, remediation=remediation or record(), **whole)


def ledger(**fields: Any) -> Ledger:
    """One Service in need of ten, nothing spent."""
    shares = {POLICY_UID: Share(1, 10), "": Share(1, 10)}
    return Ledger(**{"shares": shares, "breaker": TriggerIf(), **fields})
