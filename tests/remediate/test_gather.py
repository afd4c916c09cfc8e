"""What the picture as a whole says of a case: who else asks a Service, how many lose traffic, and how long nobody
has looked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from etpguard.assess import Assessment, Engine, Outcome, Reason, picture_for
from etpguard.assess.consumers.consumer import ConsumerVerdict
from etpguard.assess.consumers.targets import HealthCheck, NodeTargets
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.probe import HealthCheckNodePort, KubeProxyHealthz, OtherNodePort
from etpguard.objects import (
    ENDPOINT_SLICE,
    NODE,
    SERVICE,
    SERVICE_COVERAGE,
    AnyKind,
    Key,
    decode_item,
    times,
)
from etpguard.objects.policies import CLUSTER_COVERAGE_POLICY, COVERAGE_POLICY, TriggerIf
from etpguard.objects.scope import NamespaceScope
from etpguard.remediate.decide import Action, decide
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.facts import Round
from etpguard.remediate.gather import BLIND_SECONDS, Gatherer
from etpguard.remediate.kinds import REMEDIATION_KINDS
from etpguard.remediate.ledger import OperatorLimits
from etpguard.remediate.memory import RemediationMemory
from etpguard.remediate.other_network_policies import OtherNetworkPolicies
from etpguard.remediate.ownership import MANAGER
from tests.assess.build import NODES
from tests.assess.build import endpoint as internal_endpoint
from tests.assess.build import endpoint_slice as internal_slice
from tests.assess.inside import inside as internal_service
from tests.remediate.given import NOW, assessment, changed

SCOPE = NamespaceScope(skipped=frozenset({"kube-system"}))
BLIND = Reason("PictureNotFresh", "a list is pending")


class Stand:
    """Services by name, each with its outcome; one policy, under Enforce, for those labelled `remediate`."""

    def __init__(self, breaker: int | str = "100%", **outcomes: Outcome) -> None:
        self.picture = picture_for((), REMEDIATION_KINDS)
        self.assessments: dict[Key, Assessment] = {}
        limits = OperatorLimits(breaker=TriggerIf(breaker, storm_cooldown_seconds=0))
        memory = RemediationMemory(self.picture, lambda: 0.0, lambda: NOW)
        self.others = OtherNetworkPolicies(())
        self.absent: set[AnyKind] = set()
        self.cases = Gatherer(
            self.picture,
            self.assessments,
            DwellHistory(),
            memory,
            dataclasses.replace(limits, rollback_breaker=TriggerIf(breaker)),
            SCOPE,
            served=lambda kind: kind not in self.absent,
            other_policies=self.others,
        )
        for name, outcome in outcomes.items():
            self.service(name, outcome)
        self.policy()

    def policy(
        self,
        rollbackRequests: Sequence[str] = (),  # noqa: N803
        *,
        mode: str = "Enforce",
        generation: int = 1,
        rollback: dict[str, Any] | None = None,
        **remediation: Any,
    ) -> None:
        """The policy with these fields under `remediation`."""
        spec = {
            "rollbackRequests": list(rollbackRequests),
            "mode": mode,
            "serviceSelector": {"matchLabels": {"remediate": "yes"}},
            "unhealthyWhen": {"forSeconds": 20},
            "remediation": {
                "sourceIPLoss": "Accept",
                "triggerIf": {"uncoveredServicesLessThanOrEqualTo": "100%", "stormCooldownSeconds": 0},
                **remediation,
            },
            "rollback": rollback or {},
        }
        self.put(COVERAGE_POLICY, "opt-in", {"spec": spec}, generation=generation)

    def put(self, kind: AnyKind, name: str, body: dict[str, Any], **metadata: Any) -> None:
        meta = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "7", **metadata}
        store = self.picture.store(kind)
        self.picture.absorb(store.replace([decode_item(kind, {**body, "metadata": meta})]))

    def remediated(self, name: str, phase: str = "Applied", policy: str = "opt-in", **record: str) -> None:
        """The Service has, or had, a record of a remediation by the policy of that name."""
        ref = {"kind": "CoveragePolicy", "name": policy, "namespace": "default", "uid": f"uid-{policy}"}
        fields = {"onDelete" if field == "on_delete" else field: value for field, value in record.items()}
        made = {"phase": phase, "serviceUID": f"uid-{name}", "policy": ref, **fields}
        self.put(SERVICE_COVERAGE, name, {"status": {"remediation": made}})
        spec = {"type": "NodePort", "externalTrafficPolicy": "Local" if phase == "RolledBack" else "Cluster"}
        self.put(SERVICE, name, {"spec": spec}, labels={"remediate": "yes"})

    def stamp(self, at: float) -> str:
        return times.rfc3339(NOW + at)

    def service(self, name: str, outcome: Outcome, **spec: Any) -> None:
        labels = {"remediate": "yes"} if name.startswith("governed") else {}
        body = {"spec": {"type": "NodePort", "externalTrafficPolicy": "Local", **spec}}
        self.put(SERVICE, name, body, labels=labels)
        key = Key("default", name)
        uncovered = 0 if outcome is Outcome.Covered else 0b110
        self.assessments[key] = replace(assessment(outcome, uncovered=uncovered), key=key, uid=f"uid-{name}")

    def asks(
        self, name: str, reads: frozenset[Key] = frozenset(), namespace: str = "default", **check: Any
    ) -> None:
        """The consumer of Service `name` has that health check, and reads these Services besides."""
        targets = NodeTargets(NodeRule(), HealthCheck(**{"probe": KubeProxyHealthz(), **check}))
        key = Key("default", name)
        before = self.assessments[key]
        asking = [
            ConsumerVerdict(
                replace(v.consumer, namespace=namespace, reads=reads, targets=targets),
                v.outcome,
                v.reason,
                v.eligible,
                v.uncovered,
            )
            for v in before.consumers
        ]
        self.assessments[key] = replace(before, consumers=tuple(asking))

    def look(self, at: float, blind: Reason | None = None) -> Round:
        return self.cases.gather(blind, at, NOW + at)

    def decision(self, at: float, name: str = "governed") -> tuple[Action, str]:
        round_ = self.look(at)
        made = decide(round_.cases[Key("default", name)], round_.ledger, NOW + at)
        return made.action, made.reason.code


def test_a_service_in_need_is_due_after_its_dwell() -> None:
    stand = Stand(governed=Outcome.Blackhole)
    assert stand.decision(0)[1] == "DwellTime"
    assert stand.decision(20) == (Action.APPLY, "Due")


def test_a_change_of_the_mode_does_not_restart_the_dwell_and_any_other_does() -> None:
    stand = Stand(governed=Outcome.Blackhole)
    stand.policy(mode="DryRun", generation=2)
    assert stand.decision(0)[1] == "DwellTime"
    stand.policy(mode="Enforce", generation=3)
    assert stand.decision(20) == (Action.APPLY, "Due")
    stand.policy(mode="Enforce", generation=4, gitOpsOwned="Patch")
    assert stand.decision(21)[1] == "DwellTime"


@pytest.mark.parametrize(
    ("reads", "spec", "reason"),
    [
        pytest.param({}, {}, "Due", id="nobody"),
        pytest.param(
            {"probe": OtherNodePort(Key("default", "governed"), "http")}, {}, "ProbedByOthers", id="its node port"
        ),
        pytest.param(
            {"probe": HealthCheckNodePort(service=Key("default", "governed"))},
            {},
            "ProbedByOthers",
            id="weighted NLB",
        ),
        pytest.param({"probe": OtherNodePort(Key("default", "else"), "http")}, {}, "Due", id="another's"),
        pytest.param(
            {"reads": frozenset({Key("default", "governed")}), "probe": KubeProxyHealthz()},
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
    stand = Stand(governed=Outcome.Blackhole, web=Outcome.TargetsUnhealthy)
    stand.service("governed", Outcome.Blackhole, **spec)
    stand.asks("web", **reads)
    stand.look(0)
    assert stand.decision(20)[1] == reason


def test_the_health_check_of_a_service_that_is_changed_already_does_no_harm() -> None:
    stand = Stand(governed=Outcome.Blackhole, web=Outcome.NotAffected)
    stand.asks("web", probe=OtherNodePort(Key("default", "governed"), "http"))
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
    stand = Stand("40%", governed=Outcome.Blackhole, **others)
    stand.look(0)
    assert stand.decision(20)[1] == reason


def test_the_operators_breaker_counts_services_in_scope_only() -> None:
    stand = Stand("40%", governed=Outcome.Blackhole, a=Outcome.Covered)
    elsewhere = Key("kube-system", "b")
    stand.assessments[elsewhere] = replace(assessment(Outcome.Outage), key=elsewhere)
    stand.look(0)
    assert stand.decision(20) == (Action.APPLY, "Due")
    assert stand.look(20).ledger.shares[""].of == 2


def test_a_moment_without_a_fresh_picture_does_not_end_the_dwell() -> None:
    stand = Stand(governed=Outcome.Blackhole)
    stand.look(0)
    stand.look(5, BLIND)
    stand.look(15, BLIND)
    assert stand.decision(20) == (Action.APPLY, "Due")


def test_a_dwell_counts_no_time_in_which_nobody_looked() -> None:
    stand = Stand(governed=Outcome.Blackhole)
    stand.look(0)
    for at in range(10, 1010, 30):
        stand.look(at, BLIND)
    assert stand.decision(1010)[1] == "DwellTime"
    assert stand.decision(1029)[1] == "DwellTime"
    assert stand.decision(1030) == (Action.APPLY, "Due")


def test_nor_if_the_picture_was_fresh_again_before_the_next_look() -> None:
    stand = Stand(governed=Outcome.Blackhole)
    stand.look(0)
    stand.look(5, BLIND)
    assert stand.decision(5 + BLIND_SECONDS + 1)[1] == "DwellTime"


def spread(breaker: int | str, **needy: tuple[int, int]) -> Stand:
    """By namespace, of how many Services how many lose traffic; `governed` in namespace default is one more."""
    stand = Stand(breaker, governed=Outcome.Blackhole)
    for namespace, (of, losing) in needy.items():
        for number in range(of):
            outcome = Outcome.Outage if number < losing else Outcome.Covered
            key = Key(namespace, f"{namespace}-{number}")
            stand.assessments[key] = replace(assessment(outcome), key=key)
    return stand


@pytest.mark.parametrize(
    ("needy", "reason"),
    [
        pytest.param({"tenant": (50, 50)}, "Due", id="one other namespace, however many"),
        pytest.param({"tenant": (1, 1)}, "Due", id="one other namespace in a small cluster"),
        pytest.param({"one": (1, 1), "two": (1, 1)}, "TooManyAffected", id="two others in a small cluster"),
        pytest.param({"one": (20, 20), "two": (20, 20), "three": (20, 20)}, "TooManyAffected", id="a storm"),
        pytest.param({"default": (20, 20)}, "TooManyAffected", id="its own namespace"),
        pytest.param({"one": (20, 2), "two": (20, 2)}, "Due", id="a few here and there"),
    ],
)
def test_no_other_namespace_alone_opens_the_operators_breaker(
    needy: dict[str, tuple[int, int]], reason: str
) -> None:
    stand = spread("40%", **needy)
    stand.look(0)
    assert stand.decision(20)[1] == reason


@pytest.mark.parametrize(("breaker", "reason"), [("40%", "Due"), (12, "TooManyAffected")])
def test_healthy_services_of_a_tenant_do_not_raise_a_limit_that_is_a_number(
    breaker: int | str, reason: str
) -> None:
    stand = spread(breaker, default=(20, 20), tenant=(300, 0))
    stand.look(0)
    assert stand.decision(20)[1] == reason


@pytest.mark.parametrize(
    ("spec", "reason"), [({}, "ProbedByOthers"), ({"probesFromOtherNamespaces": "Ignore"}, "Due")]
)
def test_a_policy_may_ignore_probes_from_other_namespaces(spec: dict[str, Any], reason: str) -> None:
    stand = Stand(governed=Outcome.Blackhole, probing=Outcome.Covered)
    stand.policy(**spec)
    key = Key("default", "probing")
    stand.asks("probing", probe=OtherNodePort(Key("default", "governed"), "http"), namespace="tenant")
    stand.assessments[Key("tenant", "probing")] = replace(stand.assessments.pop(key), key=Key("tenant", "probing"))
    stand.look(0)
    assert stand.decision(20)[1] == reason


def test_a_probe_from_the_same_namespace_counts_whatever_the_policy_says() -> None:
    stand = Stand(governed=Outcome.Blackhole, probing=Outcome.Covered)
    stand.policy(probesFromOtherNamespaces="Ignore")
    stand.asks("probing", probe=OtherNodePort(Key("default", "governed"), "http"))
    stand.look(0)
    assert stand.decision(20)[1] == "ProbedByOthers"


@pytest.mark.parametrize(
    ("served", "spec", "reason"),
    [
        pytest.param(None, {}, "NetworkPolicy", id="discovery has not answered"),
        pytest.param([], {}, "Due", id="none"),
        pytest.param([("cilium.io", "CiliumL2AnnouncementPolicy")], {}, "Due", id="another kind of the group"),
        pytest.param([("cilium.io", "CiliumNetworkPolicy")], {}, "NetworkPolicy", id="cilium"),
        pytest.param([("projectcalico.org", "GlobalNetworkPolicy")], {}, "NetworkPolicy", id="calico"),
        pytest.param([("policy.networking.k8s.io", "AdminNetworkPolicy")], {}, "NetworkPolicy", id="admin"),
        pytest.param([("cilium.io", "CiliumNetworkPolicy")], {"networkPolicy": "Ignore"}, "Due", id="ignored"),
    ],
)
def test_other_kinds_of_network_policy(
    served: list[tuple[str, str]] | None, spec: dict[str, Any], reason: str
) -> None:
    stand = Stand(governed=Outcome.Blackhole)
    stand.policy(**spec)
    if served is not None:
        stand.others.discovered(served)
    else:
        stand.others._served = None
    stand.look(0)
    assert stand.decision(20)[1] == reason


@pytest.mark.parametrize("kind", [COVERAGE_POLICY, CLUSTER_COVERAGE_POLICY, SERVICE_COVERAGE])
def test_an_absent_kind_decides_nothing_while_records_are_there(kind: AnyKind) -> None:
    stand = Stand(governed=Outcome.Blackhole)
    stand.remediated("governed")
    assert stand.look(0).ledger.blind is None
    stand.absent.add(kind)
    assert stand.look(1).ledger.blind == Reason("NotReadable", f"{kind.resource} is not served")


@pytest.mark.parametrize("absent", [True, False], ids=["not served", "not fresh"])
def test_the_wait_for_another_policy_counts_no_time_in_which_nobody_could_see_one(absent: bool) -> None:
    stand = Stand(governed=Outcome.Blackhole)
    stand.remediated("governed", on_delete="Revert")
    stand.picture.store(COVERAGE_POLICY).clear()
    for at in range(0, 60, 5):
        if absent:
            stand.absent.add(COVERAGE_POLICY)
        assert stand.look(at, None if absent else BLIND).ledger.blind
    stand.absent.clear()
    assert stand.look(60).cases[Key("default", "governed")].orphaned_until == NOW + 90
    assert stand.decision(89) == (Action.NONE, "Applied")
    assert stand.decision(90) == (Action.ROLL_BACK, "PolicyDeleted")


def test_rollbacks_that_nobody_asked_for_have_a_breaker_and_a_rate() -> None:
    names = [f"governed{n:02}" for n in range(20)]
    stand = Stand("40%", **dict.fromkeys(names, Outcome.Blackhole))
    for name in names:
        stand.remediated(name, on_delete="Revert")
    stand.picture.store(COVERAGE_POLICY).clear()
    assert stand.decision(-30, "governed00") == (Action.NONE, "Applied"), "a tool may create the policy again"
    assert stand.decision(-1, "governed00") == (Action.NONE, "Applied")
    assert stand.decision(0, "governed00") == (Action.NONE, "TooManyRollbacks")
    assert stand.decision(599, "governed00") == (Action.NONE, "TooManyRollbacks")
    assert stand.decision(600, "governed00") == (Action.ROLL_BACK, "PolicyDeleted")
    for name in names[:10]:
        stand.remediated(name, phase="RolledBack", on_delete="Revert", since=stand.stamp(610))
    assert stand.decision(620, "governed19") == (Action.NONE, "RollbacksLimited")
    assert stand.decision(1219, "governed19") == (Action.NONE, "RollbacksLimited"), (
        "they count from the first look"
    )
    assert stand.decision(1221, "governed19") == (Action.ROLL_BACK, "PolicyDeleted")


def test_rollbacks_that_wait_for_the_name_of_another_policy_count_for_the_breaker() -> None:
    names = [f"governed{n:02}" for n in range(20)]
    stand = Stand("40%", **dict.fromkeys(names, Outcome.Blackhole))
    for name in names:
        stand.remediated(name, policy="former")
        key = Key("default", name)
        stand.assessments[key] = replace(changed(Outcome.Covered), key=key, uid=f"uid-{name}")
    stand.policy(rollback={"mode": "WhenCovered", "coveredForSeconds": 600})
    assert stand.look(0).ledger.rollback_share.in_need == 0, "not covered for long enough"
    assert stand.look(1000).ledger.rollback_share.in_need == 20
    assert stand.decision(1000, "governed00") == (Action.NOTE_POLICY, "Applied")
    stand.remediated("governed00")
    assert stand.decision(1001, "governed00") == (Action.NONE, "TooManyRollbacks")
    assert stand.decision(1600, "governed00") == (Action.ROLL_BACK, "Covered")


def test_rollbacks_by_a_leader_whose_clock_runs_behind_count_for_the_next() -> None:
    names = [f"governed{n:02}" for n in range(20)]
    stand = Stand("100%", **dict.fromkeys(names, Outcome.Blackhole))
    for name in names:
        stand.remediated(name, on_delete="Revert")
    stand.picture.store(COVERAGE_POLICY).clear()
    for name in names[:10]:
        stand.remediated(name, phase="RolledBack", on_delete="Revert", since=stand.stamp(-3600))
    assert stand.decision(-30, "governed19") == (Action.NONE, "Applied")
    assert stand.decision(0, "governed19") == (Action.NONE, "RollbacksLimited")


def test_a_rollback_that_is_asked_for_does_not_wait() -> None:
    names = [f"governed{n:02}" for n in range(20)]
    stand = Stand("40%", **dict.fromkeys(names, Outcome.Blackhole))
    for name in names:
        stand.remediated(name, on_delete="Revert")
    stand.policy(rollbackRequests=names)
    assert stand.decision(0, "governed19") == (Action.ROLL_BACK, "RollbackRequested")


def test_a_service_with_an_internal_policy_alone_is_no_case() -> None:
    """Clients in the cluster lose their connections; remediation changes the external policy, which is not at
    fault."""
    stand = Stand()
    labels = {"remediate": "yes"}
    inside = internal_service(meta={"labels": labels, "uid": "uid-web"})
    picture = stand.picture
    picture.absorb(picture.store(SERVICE).replace([inside]))
    picture.absorb(picture.store(ENDPOINT_SLICE).replace([internal_slice([internal_endpoint("n1")])]))
    picture.absorb(picture.store(NODE).replace(NODES))
    engine = Engine(picture, [])
    engine.refresh_all()
    assert engine.internal[inside.key].outcome is Outcome.Uncovered
    stand.assessments.update(engine.assessments)
    round_ = stand.cases.gather(None, 0.0, NOW)
    assert round_.cases == {}


OURS: dict[str, Any] = {"labels": {"remediate": "yes"}, "managedFields": [{"manager": MANAGER}]}
THEIRS: dict[str, Any] = {"labels": {"remediate": "yes"}, "managedFields": [{"manager": "helm"}]}
RECORDED: dict[str, Any] = {"serviceUID": "uid-web"}


@pytest.mark.parametrize(
    ("policy", "metadata", "record", "lost"),
    [
        pytest.param("Cluster", OURS, None, True, id="changed, and no record"),
        pytest.param("Local", OURS, None, False, id="not changed"),
        pytest.param("Cluster", THEIRS, None, False, id="changed by another"),
        pytest.param("Cluster", {**OURS, "labels": {}}, None, False, id="no policy governs it"),
        pytest.param("Cluster", {**OURS, "namespace": "kube-system"}, None, False, id="out of scope"),
        pytest.param("Cluster", OURS, {**RECORDED, "phase": "Applied"}, False, id="recorded"),
        pytest.param("Cluster", OURS, {**RECORDED, "phase": "RolledBack"}, True, id="recorded as rolled back"),
        pytest.param("Cluster", OURS, {"phase": "Applied", "serviceUID": "old"}, True, id="of an earlier Service"),
        pytest.param("Cluster", OURS, {"phase": 1}, False, id="a record that this version cannot read"),
    ],
)
def test_which_services_lack_their_record(
    policy: str, metadata: dict[str, Any], record: dict[str, Any] | None, lost: bool
) -> None:
    stand = Stand()
    stand.put(
        CLUSTER_COVERAGE_POLICY,
        "all",
        {"spec": {"mode": "Enforce", "serviceSelector": {"matchLabels": {"remediate": "yes"}}}},
        namespace="",
    )
    stand.put(SERVICE, "web", {"spec": {"type": "NodePort", "externalTrafficPolicy": policy}}, **metadata)
    if record is not None:
        stand.put(SERVICE_COVERAGE, "web", {"status": {"remediation": record}})
    assert stand.cases.lost() == ([Key("default", "web")] if lost else [])


def test_a_remediated_service_out_of_scope_is_no_case() -> None:
    stand = Stand(governed=Outcome.Blackhole)
    elsewhere: dict[str, Any] = {"namespace": "kube-system"}
    record = {"phase": "Applied", "serviceUID": "uid-web"}
    stand.put(SERVICE, "web", {"spec": {"type": "NodePort", "externalTrafficPolicy": "Cluster"}}, **elsewhere)
    stand.put(SERVICE_COVERAGE, "web", {"status": {"remediation": record}}, **elsewhere)
    assert stand.look(0).cases.keys() == {Key("default", "governed")}
