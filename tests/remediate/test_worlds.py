"""Sequences that once led to a wrong write, each by itself, in the world of the random machine."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator
from typing import Any

import pytest

from etpguard.assess import Outcome
from etpguard.kube.errors import ApiError
from etpguard.kube.verbs import Request
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key
from etpguard.objects.policies import CLUSTER_COVERAGE_POLICY, COVERAGE_POLICY
from etpguard.remediate.current_service import Rules
from etpguard.remediate.facts import Round
from etpguard.remediate.gather import Gatherer
from etpguard.remediate.ownership import MANAGER
from etpguard.remediate.reread import ServiceReader
from tests.remediate.machine import MOST, PER_SECONDS, ROLLBACKS, World
from tests.remediate.model_api import Json, Killed

POLICY = (COVERAGE_POLICY.plural, "default", "opt-in")


def remediated(when_covered: bool = False) -> World:
    """Service `a` is remediated under a policy whose onDelete is Revert."""
    world = World()
    world.begin()
    world.outcomes |= dict.fromkeys("bc", Outcome.Covered)
    world.people_write_a_policy("opt-in", "Enforce", when_covered, "Revert", False)
    world.sync_all()
    world.traffic_is_lost_for_long("a", Outcome.Outage)
    assert world.flips["a"] == [(MANAGER, "Cluster")]
    return world


def policy_of(world: World) -> str:
    return str(world.api.objects["services", "default", "a"]["spec"]["externalTrafficPolicy"])


def phase_of(world: World) -> str:
    record = world.record("a")
    return record.phase if record else ""


def policy_on_record(world: World) -> str:
    record = world.record("a")
    return record.policy.name if record and record.policy else ""


def test_a_kind_that_is_not_served_does_not_mean_that_its_policies_are_deleted() -> None:
    world = remediated()
    for kind in (COVERAGE_POLICY, CLUSTER_COVERAGE_POLICY):
        world.kind_vanishes(kind, True)
    for _ in range(50):
        world.quiet_round()
    assert policy_of(world) == "Cluster"


def test_nor_if_discovery_has_not_shown_it_yet() -> None:
    """The picture says that the policy is gone, the operator believes that the kind is served, and it is not."""
    world = remediated()
    store = world.picture.store(COVERAGE_POLICY)
    world.picture.absorb(store.clear())
    world.absent.add(COVERAGE_POLICY.plural)
    world.api.absent = world.absent
    for _ in range(50):
        world.work()
        world.now += 20
    assert policy_of(world) == "Cluster"


def test_a_policy_that_is_deleted_is_rolled_back_once_its_kind_is_served_again() -> None:
    world = remediated()
    world.kind_vanishes(COVERAGE_POLICY, True)
    world.people_delete_a_policy("opt-in")
    for _ in range(10):
        world.quiet_round()
    assert policy_of(world) == "Cluster"
    world.kind_vanishes(COVERAGE_POLICY, False)
    for _ in range(10):
        world.quiet_round()
    assert policy_of(world) == "Local"


def renamed() -> World:
    """The policy of a remediated Service has another name now."""
    world = remediated()
    world.people_write_a_policy("other", "Enforce", False, "Keep", False)
    world.people_delete_a_policy("opt-in")
    for _ in range(10):
        world.quiet_round()
    return world


def test_the_record_names_the_policy_that_keeps_cluster_after_its_own_is_gone() -> None:
    world = renamed()
    record = world.record("a")
    assert record is not None
    assert (record.phase, policy_on_record(world), record.on_delete) == ("Applied", "other", "Revert")


@pytest.mark.parametrize("mode", ["DryRun", "Observe"])
def test_a_renamed_policy_that_changes_its_mode_takes_nothing_back(mode: str) -> None:
    world = renamed()
    world.people_write_a_policy("other", mode, False, "Keep", False)
    for _ in range(10):
        world.quiet_round()
    assert policy_of(world) == "Cluster"
    world.people_delete_a_policy("other")
    for _ in range(10):
        world.quiet_round()
    assert (phase_of(world), policy_of(world)) == ("RolledBack", "Local")


def test_a_dry_run_for_all_takes_nothing_back_after_a_policy_was_renamed() -> None:
    world = renamed()
    world.people_write_a_policy("opt-in", "DryRun", False, "Revert", False)
    for _ in range(10):
        world.quiet_round()
    assert policy_of(world) == "Cluster"


def test_a_policy_that_is_gone_again_before_any_watch_has_shown_it_is_not_recorded() -> None:
    world = remediated()
    world.people_write_a_policy("other", "Enforce", False, "Keep", False)
    world.people_delete_a_policy("opt-in")
    world.sync(COVERAGE_POLICY)
    world.people_delete_a_policy("other")
    world.work()
    assert policy_on_record(world) == "opt-in"


def covered_for_long(world: World) -> None:
    """Long enough for a rollback but for the last second, all of it seen."""
    world.outcomes["a"] = Outcome.Covered
    for _ in range(3):
        world.sync_all()
        world.work()
        world.now += 19
    assert policy_of(world) == "Cluster"


def without_a_watch(world: World) -> None:
    for _ in range(10):
        world.now += 30
        world.work()


def test_a_rollback_for_coverage_happens() -> None:
    world = remediated(when_covered=True)
    covered_for_long(world)
    without_a_watch(world)
    assert policy_of(world) == "Local"


def test_a_rollback_for_coverage_sees_a_suspend_that_the_watch_has_not_shown() -> None:
    world = remediated(when_covered=True)
    covered_for_long(world)
    world.api.change_spec(POLICY, {"suspend": True})
    without_a_watch(world)
    assert policy_of(world) == "Cluster"


def test_a_rollback_for_coverage_sees_mode_manual_that_the_watch_has_not_shown() -> None:
    world = remediated(when_covered=True)
    covered_for_long(world)
    world.api.change_spec(POLICY, {"rollback": {"mode": "Manual"}})
    without_a_watch(world)
    assert policy_of(world) == "Cluster"


def rollback_that_is_refused() -> World:
    """A webhook refuses the patch of a rollback for coverage, which is on record as begun."""
    world = remediated(when_covered=True)
    covered_for_long(world)
    carry_out = world.api._carry_out

    def refusing(request: Request) -> Json:
        if request.resource == "services" and request.verb == "patch":
            raise ApiError(403, "Forbidden", "admission webhook denied the request")
        return carry_out(request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.api, "_carry_out", refusing)
        without_a_watch(world)
    assert (phase_of(world), policy_of(world)) == ("RollingBack", "Cluster")
    return world


@pytest.mark.parametrize("again", [False, True], ids=["the same leader", "a new leader"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"suspend": True}, id="the policy is suspended"),
        pytest.param({"rollback": {"mode": "Manual"}}, id="the policy is set to Manual"),
        pytest.param({}, id="no node is covered any more"),
    ],
)
def test_a_rollback_that_began_is_not_carried_out_without_its_reason(change: Json, again: bool) -> None:
    world = rollback_that_is_refused()
    world.outcomes["a"] = Outcome.Covered if change else Outcome.Outage
    if change:
        world.api.change_spec(POLICY, change)
    if again:
        world.restart()
    for _ in range(40):
        world.quiet_round()
    assert world.flips["a"] == [(MANAGER, "Cluster")]
    assert phase_of(world) == ("RollingBack" if "suspend" in change else "Applied")


def test_a_rollback_that_was_withdrawn_happens_once_the_service_is_covered_again() -> None:
    world = rollback_that_is_refused()
    world.outcomes["a"] = Outcome.Outage
    for _ in range(40):
        world.quiet_round()
    covered_for_long(world)
    for _ in range(40):
        world.quiet_round()
    assert (phase_of(world), policy_of(world)) == ("RolledBack", "Local")


def test_a_rollback_that_began_goes_on_while_its_reason_holds() -> None:
    world = rollback_that_is_refused()
    for _ in range(40):
        world.quiet_round()
    assert (phase_of(world), policy_of(world)) == ("RolledBack", "Local")


@pytest.mark.parametrize(
    ("manager", "phase"), [("kubectl-edit", "RolledBackByUser"), ("argocd-controller", "Reverted")]
)
def test_who_restores_local_while_a_rollback_is_refused_is_respected(manager: str, phase: str) -> None:
    world = rollback_that_is_refused()
    world.someone_sets_the_policy("a", manager, "Local")
    for _ in range(3):
        world.quiet_round()
    assert phase_of(world) == phase
    world.outcomes["a"] = Outcome.Outage
    for _ in range(40):
        world.quiet_round()
    assert policy_of(world) == "Local"


def test_the_rollback_of_a_person_holds_for_a_version_of_the_policy_that_no_watch_has_shown() -> None:
    world = remediated()
    world.quiet_round()
    world.api.change_spec(POLICY, {"unhealthyWhen": {"forSeconds": 30}})
    world.someone_sets_the_policy("a", "kubectl-edit", "Local")
    world.sync(SERVICE)
    world.sync(SERVICE_COVERAGE)
    world.reassess()
    for _ in range(3):
        world.work()
        world.now += 1
    assert phase_of(world) == "RolledBackByUser"
    world.outcomes["a"] = Outcome.Outage
    for _ in range(40):
        world.quiet_round()
    assert policy_of(world) == "Local"


def while_the_rules_are_read(
    monkeypatch: pytest.MonkeyPatch, world: World, phase: str, act: Callable[[], None]
) -> None:
    """Another replica leads and acts, once, between a read and a write of this one; then this one leads again."""
    rules = ServiceReader.rules
    left = [act]

    async def slow(self: ServiceReader, key: Key) -> Rules:
        found = await rules(self, key)
        if left and key.name == "a" and phase_of(world) == phase:
            world.term += 1
            left.pop()()
            world.api.touch((SERVICE_COVERAGE.plural, "default", "a"))
        return found

    monkeypatch.setattr(ServiceReader, "rules", slow)


def status_of(world: World) -> Json:
    found: Json = world.api.objects[SERVICE_COVERAGE.plural, "default", "a"]["status"]["remediation"]
    return found


def test_what_another_leader_applied_meanwhile_is_not_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.begin()
    world.outcomes |= dict.fromkeys("bc", Outcome.Covered)
    world.people_write_a_policy("opt-in", "Enforce", False, "Revert", False)
    world.sync_all()

    def applied() -> None:
        status_of(world)["phase"] = "Applied"
        world.api.set_policy("a", "Cluster", MANAGER, "Update")

    while_the_rules_are_read(monkeypatch, world, "Applying", applied)
    world.traffic_is_lost_for_long("a", Outcome.Outage)
    assert (phase_of(world), len(status_of(world)["intents"])) == ("Applied", 1)


def test_nor_is_a_rollback_of_a_person_that_another_leader_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    world = remediated(when_covered=True)
    covered_for_long(world)

    def recorded() -> None:
        policy = world.api.objects[POLICY]["metadata"]
        held_for = f"{policy['uid']}@{policy['generation']}"
        status_of(world).update(phase="RolledBackByUser", heldFor=held_for)
        world.api.set_policy("a", "Local", "kubectl-edit", "Update")

    while_the_rules_are_read(monkeypatch, world, "Applied", recorded)
    without_a_watch(world)
    assert phase_of(world) == "RolledBackByUser"
    world.traffic_is_lost_for_long("a", Outcome.Outage)
    assert policy_of(world) == "Local"


def test_nothing_is_applied_in_a_namespace_that_is_being_deleted_though_no_watch_has_shown_it() -> None:
    world = World()
    world.begin()
    world.api.objects["namespaces", "", "default"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.traffic_is_lost_for_long("a", Outcome.Outage)
    assert not any(world.flips.values())


def test_nothing_is_applied_under_a_policy_that_is_deleted_though_no_watch_has_shown_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.begin()
    world.outcomes |= dict.fromkeys("bc", Outcome.Covered)
    world.sync_all()
    rules = ServiceReader.rules

    async def read(self: ServiceReader, key: Key) -> Rules:
        if phase_of(world) == "Applying" and POLICY in world.api.objects:
            world.people_delete_a_policy("opt-in")
        return await rules(self, key)

    monkeypatch.setattr(ServiceReader, "rules", read)
    world.traffic_is_lost_for_long("a", Outcome.Outage)
    assert not any(world.flips.values())
    assert status_of(world)["message"] == "Changed: the policies of the Service changed"


def test_a_patch_whose_answer_still_says_local_is_no_success() -> None:
    """A mutating policy keeps Local."""
    world = World()
    world.begin()
    write = world.api.write

    async def mutated(request: Request, *, attempts: int = 3) -> Json:
        if request.resource == "services" and request.content_type == "application/json-patch+json":
            found: Json = world.api.objects["services", "default", request.name]
            return found
        return await write(request, attempts=attempts)

    world.api.write = mutated  # type: ignore[method-assign]
    world.traffic_is_lost_for_long("a", Outcome.Outage)
    record = world.record("a")
    assert record is not None
    assert record.phase == "Cancelled"
    assert "mutating webhook or admission policy" in record.message
    assert record.intents == ()
    excluded: list[dict[str, Any]] = world.api.objects[POLICY]["status"]["excluded"]
    assert {entry["reason"] for entry in excluded if entry["name"] == "a"} <= {"Refused", "DwellTime"}


def test_a_report_that_is_deleted_is_made_again_at_once_with_what_memory_knows() -> None:
    """The policy goes before the record is made again: memory knows that its onDelete was Revert."""
    world = remediated()
    world.report_is_lost("a")
    world.people_delete_a_policy("opt-in")
    for _ in range(6):
        world.quiet_round()
    assert policy_of(world) == "Local"


def test_after_a_restore_of_etcd_the_service_is_remediated_again_within_the_budget() -> None:
    """Versions start over, so none that was seen before says that the picture is behind."""
    world = World()
    world.begin()
    world.outcomes |= dict.fromkeys("bc", Outcome.Covered)
    backup, version = copy.deepcopy(world.api.objects), world.api._version
    for _ in range(200):
        world.api.touch(("services", "default", "b"))
    world.sync_all()
    world.traffic_is_lost_for_long("a", Outcome.Outage)
    assert policy_of(world) == "Cluster"
    applied = world.now
    world.api.objects, world.api._version = backup, version
    world.remediator.etcd_restored()
    while policy_of(world) == "Local":
        world.quiet_round()
        assert world.now < applied + 2 * PER_SECONDS
    assert world.now >= applied + PER_SECONDS - 60, "what was spent is spent"


def test_a_rebuilt_record_spends_nothing_and_takes_no_time_from_a_field_manager() -> None:
    world = World()
    world.begin()
    world.outcomes["a"] = Outcome.Blackhole
    for _ in range(5):
        world.someone_takes_our_name("a")
        world.sync_all()
        world.work()
    record = world.record("a")
    assert record is not None
    assert record.intents == ()
    assert record.since < "2030"
    for _ in range(8):
        world.quiet_round()
    assert len({name for name, flips in world.flips.items() if (MANAGER, "Cluster") in flips}) == MOST


def test_an_earlier_rollback_counts_after_a_record_is_rebuilt() -> None:
    """Else an editor who takes etpguard's name again and again has etpguard roll back without limit."""
    world = remediated()
    world.people_delete_a_policy("opt-in")
    world.people_write_a_policy("other", "DryRun", False, "Keep", False)
    for _ in range(10):
        world.quiet_round()
        world.someone_takes_our_name("a")
    assert len(world.rolled_back) == ROLLBACKS


def test_no_record_is_made_where_no_policy_governs_the_service() -> None:
    world = World()
    world.begin()
    world.people_delete_a_policy("opt-in")
    world.someone_takes_our_name("a")
    for _ in range(10):
        world.quiet_round()
    assert world.record("a") is None


def test_a_service_that_a_tool_deletes_and_creates_again_reaches_max_reverts() -> None:
    """The first time may be a new installation. maxReverts is 2."""
    world = remediated()
    remediation = dict(world.api.objects[POLICY]["spec"]["remediation"])
    drift = {"maxReverts": 2, "windowSeconds": 86400}
    world.api.change_spec(POLICY, {"remediation": {**remediation, "onDrift": drift}})
    for _ in range(6):
        world.make_service("a")
        world.api.objects.pop((SERVICE_COVERAGE.plural, "default", "a"), None)
        for _ in range(20):
            world.quiet_round()
    assert len([name for _, name, _ in world.applied if name == "a"]) == 3


def test_a_service_that_is_created_again_spends_the_budgets_of_all_its_policies() -> None:
    """Two policies governed it; the record names one of them. The other does not allow one more."""
    world = World()
    world.begin()
    world.outcomes |= dict.fromkeys("bc", Outcome.Covered)
    world.people_write_a_policy("other", "Enforce", False, "Keep", False)
    world.sync_all()
    world.traffic_is_lost_for_long("a", Outcome.Outage)
    record = world.record("a")
    assert record is not None
    assert record.policy is not None
    assert record.policy.name == "opt-in"
    world.make_service("a")
    world.outcomes |= {"a": Outcome.Covered, "b": Outcome.Outage}
    world.people_write_a_policy("opt-in", "Observe", False, "Revert", False)
    for _ in range(8):
        world.quiet_round()
    assert world.flips["b"] == []


def test_a_step_of_the_wall_clock_empties_no_window() -> None:
    world = remediated()
    world.outcomes |= dict.fromkeys("bc", Outcome.Outage)
    world.skew = 7200
    for _ in range(6):
        world.quiet_round()
    assert world.flips["b"] == world.flips["c"] == []


def test_nor_does_a_step_within_a_round_end_a_dwell(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.begin()
    world.outcomes |= dict.fromkeys("bc", Outcome.Covered)
    world.people_write_a_policy("opt-in", "Enforce", False, "Keep", False)
    world.api.change_spec(POLICY, {"unhealthyWhen": {"forSeconds": 3600}})
    world.sync_all()
    steps = Gatherer.steps

    def stepping(self: Gatherer, *args: Any) -> Generator[None, None, Round]:
        found = yield from steps(self, *args)
        world.skew += 3600
        return found

    monkeypatch.setattr(Gatherer, "steps", stepping)
    world.traffic_is_lost_for_long("a", Outcome.Outage)
    assert world.flips["a"] == []


def test_nor_does_a_new_leader_whose_clock_runs_ahead() -> None:
    world = remediated()
    world.outcomes |= dict.fromkeys("bc", Outcome.Outage)
    world.skew = 600
    world.term += 1
    world.restart()
    for _ in range(6):
        world.quiet_round()
    assert world.flips["b"] == world.flips["c"] == []


@pytest.mark.parametrize(
    ("manager", "phase", "reverts"),
    [
        pytest.param("argocd-controller", "Reverted", ["argocd-controller"], id="a tool restores Local"),
        pytest.param("kubectl-edit", "RolledBackByUser", [], id="a person restores Local"),
    ],
)
def test_a_leader_whose_clock_is_ahead_is_killed_between_the_patch_and_its_record(
    manager: str, phase: str, reverts: list[str]
) -> None:
    """The next leader knows that the intent was carried out, though its time is later than that of the restored
    policy."""
    world = World()
    world.begin()
    world.outcomes |= dict.fromkeys("bc", Outcome.Covered)
    world.skew = 600
    carry_out = world.api._carry_out

    def killed_after_the_patch(request: Request) -> Json:
        if world.flips["a"]:
            raise Killed
        return carry_out(request)

    world.api._carry_out = killed_after_the_patch  # type: ignore[method-assign]
    world.traffic_is_lost_for_long("a", Outcome.Outage)
    assert world.flips["a"] == [(MANAGER, "Cluster")]
    world.api._carry_out = carry_out  # type: ignore[method-assign]
    intent = world.record("a")
    assert intent is not None
    assert intent.phase == "Applying"
    world.skew = 0
    world.restart()
    world.someone_sets_the_policy("a", manager, "Local")
    world.quiet_round()
    world.quiet_round()
    record = world.record("a")
    assert record is not None
    assert record.phase == phase
    assert record.intents == intent.intents
    assert [revert.manager for revert in record.reverts] == reverts
    assert record.message == (
        f"{manager} wrote the Service after etpguard was interrupted at the change to Cluster: it restored Local, "
        "or the change was never made"
    )


def test_a_record_of_a_later_version_is_left_alone() -> None:
    world = remediated()
    report = world.api.objects[SERVICE_COVERAGE.plural, "default", "a"]
    report["status"]["remediation"]["phase"] = "Escalated"
    world.api.touch((SERVICE_COVERAGE.plural, "default", "a"))
    world.people_delete_a_policy("opt-in")
    for _ in range(10):
        world.quiet_round()
    assert report["status"]["remediation"]["phase"] == "Escalated"
    assert policy_of(world) == "Cluster"


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("manager", ["kubectl-edit", "helm"])
def test_the_budget_of_each_policy_stays_spent_when_the_service_is_not_assessed_any_more(
    manager: str, restarted: bool
) -> None:
    """Two policies selected Service `a`. The one that decided is gone, and others have set it to Cluster."""
    world = World()
    world.begin()
    world.outcomes |= dict.fromkeys("bc", Outcome.Covered)
    for name in ("other", "opt-in"):
        world.people_write_a_policy(name, "Enforce", False, "Keep", False)
    world.sync_all()
    world.traffic_is_lost_for_long("a", Outcome.Outage)
    assert len(world.applied) == MOST
    world.someone_sets_the_policy("a", manager, "Local")
    world.operator_works_while_the_watch_delivers(2)
    world.someone_sets_the_policy("a", "helm", "Cluster")
    world.people_delete_a_policy("opt-in")
    if restarted:
        world.restart()
    world.traffic_is_lost_for_long("c", Outcome.Outage)
    world.budgets_hold()
