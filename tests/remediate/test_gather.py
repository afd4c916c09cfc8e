"""What the picture as a whole says of a case: who else asks a Service, how many lose traffic, and how long nobody
has looked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from etpguard.assess import Assessment, Outcome, Reason, picture_for
from etpguard.assess.consumers.interface import ConsumerVerdict
from etpguard.assess.probe import HealthCheckNodePort, KubeProxyHealthz, OtherNodePort
from etpguard.objects import SERVICE, AnyKind, Key, decode_item
from etpguard.objects.policies import COVERAGE_POLICY, TriggerIf
from etpguard.objects.scope import NamespaceScope
from etpguard.remediate.decide import Action, decide
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.facts import Round
from etpguard.remediate.gather import BLIND_SECONDS, Gatherer, OperatorLimits
from etpguard.remediate.kinds import REMEDIATION_KINDS
from etpguard.remediate.memory import RemediationMemory
from tests.remediate.given import NOW, assessment

SCOPE = NamespaceScope(skipped=frozenset({"kube-system"}))
BLIND = Reason("PictureNotFresh", "a list is pending")


class Stand:
    """Services by name, each with its outcome; one policy, under Enforce, for those labelled `mend`."""

    def __init__(self, breaker: str = "100%", **outcomes: Outcome) -> None:
        self.picture = picture_for((), REMEDIATION_KINDS)
        self.assessments: dict[Key, Assessment] = {}
        limits = OperatorLimits(breaker=TriggerIf(breaker, storm_cooldown_seconds=0))
        memory = RemediationMemory(self.picture, lambda: 0.0, lambda: NOW)
        self.cases = Gatherer(self.picture, self.assessments, DwellHistory(), memory, limits, SCOPE)
        for name, outcome in outcomes.items():
            self.service(name, outcome)
        spec = {
            "mode": "Enforce",
            "serviceSelector": {"matchLabels": {"mend": "yes"}},
            "unhealthyWhen": {"forSeconds": 20},
            "remediation": {
                "sourceIPLoss": "Accept",
                "triggerIf": {"uncoveredServicesLessThanOrEqualTo": "100%", "stormCooldownSeconds": 0},
            },
        }
        self.put(COVERAGE_POLICY, "mend", {"spec": spec})

    def put(self, kind: AnyKind, name: str, body: dict[str, Any], **metadata: Any) -> None:
        meta = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "7", **metadata}
        store = self.picture.store(kind)
        self.picture.absorb(store.replace([decode_item(kind, {**body, "metadata": meta})]))

    def service(self, name: str, outcome: Outcome, **spec: Any) -> None:
        labels = {"mend": "yes"} if name.startswith("mended") else {}
        body = {"spec": {"type": "NodePort", "externalTrafficPolicy": "Local", **spec}}
        self.put(SERVICE, name, body, labels=labels)
        key = Key("default", name)
        uncovered = 0 if outcome is Outcome.Covered else 0b110
        self.assessments[key] = replace(assessment(outcome, uncovered=uncovered), key=key, uid=f"uid-{name}")

    def asks(self, name: str, **reads: Any) -> None:
        """The consumer of Service `name` has its health check there."""
        key = Key("default", name)
        before = self.assessments[key]
        asking = [
            ConsumerVerdict(replace(v.consumer, **reads), v.outcome, v.reason, v.eligible, v.uncovered)
            for v in before.consumers
        ]
        self.assessments[key] = replace(before, consumers=tuple(asking))

    def look(self, at: float, blind: Reason | None = None) -> Round:
        return self.cases.gather(blind, at, NOW + at)

    def decision(self, at: float, name: str = "mended") -> tuple[Action, str]:
        round_ = self.look(at)
        made = decide(round_.cases[Key("default", name)], round_.ledger, NOW + at)
        return made.action, made.reason.code


def test_a_service_in_need_is_due_after_its_dwell() -> None:
    stand = Stand(mended=Outcome.Blackhole)
    assert stand.decision(0)[1] == "DwellTime"
    assert stand.decision(20) == (Action.APPLY, "Due")


@pytest.mark.parametrize(
    ("reads", "spec", "reason"),
    [
        pytest.param({}, {}, "Due", id="nobody"),
        pytest.param(
            {"probe": OtherNodePort(Key("default", "mended"), "http")}, {}, "ProbedByOthers", id="its node port"
        ),
        pytest.param(
            {"probe": HealthCheckNodePort(service=Key("default", "mended"))},
            {},
            "ProbedByOthers",
            id="weighted NLB",
        ),
        pytest.param({"probe": OtherNodePort(Key("default", "else"), "http")}, {}, "Due", id="another's"),
        pytest.param(
            {"reads": frozenset({Key("default", "mended")}), "probe": KubeProxyHealthz()},
            {},
            "Due",
            id="a sibling",
        ),
        pytest.param(
            {"reads_node_ports": frozenset({31000})},
            {"healthCheckNodePort": 31000},
            "ProbedByOthers",
            id="its healthCheckNodePort",
        ),
        pytest.param(
            {"reads_node_ports": frozenset({31001})}, {"healthCheckNodePort": 31000}, "Due", id="another port"
        ),
    ],
)
def test_a_service_that_others_health_checks_ask(reads: dict[str, Any], spec: dict[str, Any], reason: str) -> None:
    stand = Stand(mended=Outcome.Blackhole, web=Outcome.TargetsUnhealthy)
    stand.service("mended", Outcome.Blackhole, **spec)
    stand.asks("web", **reads)
    stand.look(0)
    assert stand.decision(20)[1] == reason


def test_the_health_check_of_a_service_that_is_changed_already_does_no_harm() -> None:
    stand = Stand(mended=Outcome.Blackhole, web=Outcome.NotAffected)
    stand.asks("web", probe=OtherNodePort(Key("default", "mended"), "http"))
    key = Key("default", "web")
    stand.assessments[key] = replace(stand.assessments[key], if_local=stand.assessments[key])
    stand.look(0)
    assert stand.decision(20) == (Action.APPLY, "Due")


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        pytest.param({"a": Outcome.Covered, "b": Outcome.Covered}, "Due", id="one of three"),
        pytest.param({"a": Outcome.Blackhole, "b": Outcome.Covered}, "TooManyAffected", id="two of three"),
        pytest.param({"a": Outcome.Outage, "b": Outcome.Outage}, "TooManyAffected", id="all"),
        pytest.param({"a": Outcome.Uncovered, "b": Outcome.TargetsUnhealthy}, "Due", id="no traffic lost there"),
    ],
)
def test_the_operators_breaker_counts_services_of_no_policy_too(others: dict[str, Outcome], reason: str) -> None:
    stand = Stand("40%", mended=Outcome.Blackhole, **others)
    stand.look(0)
    assert stand.decision(20)[1] == reason


def test_the_operators_breaker_counts_services_in_scope_only() -> None:
    stand = Stand("40%", mended=Outcome.Blackhole, a=Outcome.Covered)
    elsewhere = Key("kube-system", "b")
    stand.assessments[elsewhere] = replace(assessment(Outcome.Outage), key=elsewhere)
    stand.look(0)
    assert stand.decision(20) == (Action.APPLY, "Due")
    assert stand.look(20).ledger.shares[""].of == 2


def test_a_moment_without_a_fresh_picture_does_not_end_the_dwell() -> None:
    stand = Stand(mended=Outcome.Blackhole)
    stand.look(0)
    stand.look(5, BLIND)
    stand.look(15, BLIND)
    assert stand.decision(20) == (Action.APPLY, "Due")


def test_a_dwell_counts_no_time_in_which_nobody_looked() -> None:
    stand = Stand(mended=Outcome.Blackhole)
    stand.look(0)
    for at in range(10, 1010, 30):
        stand.look(at, BLIND)
    assert stand.decision(1010)[1] == "DwellTime"
    assert stand.decision(1029)[1] == "DwellTime"
    assert stand.decision(1030) == (Action.APPLY, "Due")


def test_nor_if_the_picture_was_fresh_again_before_the_next_look() -> None:
    stand = Stand(mended=Outcome.Blackhole)
    stand.look(0)
    stand.look(5, BLIND)
    assert stand.decision(5 + BLIND_SECONDS + 1)[1] == "DwellTime"
