"""A random history of a cluster that is remediated."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Coroutine, Generator
from typing import Any, cast

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from etpguard.assess import Assessment, Engine, Outcome, Reason, picture_for
from etpguard.assess.evidence import Evidence
from etpguard.cluster import Picture
from etpguard.kube.writes import Writer
from etpguard.objects import NODE, SERVICE, SERVICE_COVERAGE, AnyKind, Key, Remediation, decode_item
from etpguard.objects.policies import COVERAGE_POLICY, Budget, TriggerIf
from etpguard.remediate.controller import RemediationController
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.events import NoEvents
from etpguard.remediate.execute import Executor
from etpguard.remediate.gather import Gatherer
from etpguard.remediate.intent import IntentRecorder
from etpguard.remediate.kinds import REMEDIATION_KINDS
from etpguard.remediate.ledger import OperatorLimits
from etpguard.remediate.memory import RemediationMemory
from etpguard.remediate.other_network_policies import OtherNetworkPolicies
from etpguard.remediate.ownership import MANAGER, ROLLBACK_MANAGER, adopter, setters
from etpguard.remediate.reread import ServiceReader
from etpguard.remediate.round_time import RoundTime
from etpguard.remediate.spent import IntentAges
from tests.remediate.given import NOW, assessment
from tests.remediate.model_api import Json, Killed, ModelApi

NAMES = ("a", "b", "c")
POLICIES = ("opt-in", "other")
PER_SECONDS = 300
MOST = 1
"""Each policy's budget; the operator's is twice that."""
FOR_SECONDS = 20
KINDS: tuple[AnyKind, ...] = (SERVICE, SERVICE_COVERAGE, COVERAGE_POLICY)
ROLLBACKS = 2
"""How many rollbacks etpguard begins by itself in PER_SECONDS."""
SKEWS = (-600, 0, 0, 0, 600)
BAD = (Outcome.Blackhole, Outcome.Outage)
outcomes = st.sampled_from([Outcome.Covered, Outcome.TargetsUnhealthy, Outcome.NoEndpoints, Outcome.Unknown, *BAD])


class FreshEngine:
    """Assesses what is so, whatever the picture holds of endpoints."""

    def __init__(self, world: World, picture: Picture) -> None:
        self._world = world
        self._picture = picture

    def assess_steps(self, key: Key) -> Generator[None, None, Assessment | None]:
        yield
        return self._world.assess(self._picture, key, self._world.outcomes)


class World(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.now = NOW
        self.skew = 0
        """By how many seconds the leader's wall clock is ahead."""
        self.absent: set[str] = set()
        """Plurals of kinds that are not served."""
        self.term = 1
        self.api = ModelApi(lambda: self.now, self.flipped)
        self.outcomes: dict[str, Outcome] = dict.fromkeys(NAMES, Outcome.Blackhole)
        self.assumed: set[str] = set()
        """Services whose consumer has an assumed rule."""
        self.flips: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.applied: list[tuple[float, str, frozenset[str]]] = []
        self.rolled_back: list[tuple[float, str]] = []
        self.forgotten_by_a_restart: set[str] = set()
        self.overruled: dict[str, frozenset[tuple[str, int]]] = {}
        """By Service: the policies, with their generation, that a person overruled by restoring Local."""
        self.wrong: list[str] = []
        self.api.create(("namespaces", "", "default"), {})
        for name in NAMES:
            self.make_service(name)
        self.people_write_a_policy("opt-in", "Enforce", True, "Revert", False)
        self.restart()

    def make_service(self, name: str) -> None:
        body = {"spec": {"type": "NodePort", "externalTrafficPolicy": "Local"}}
        self.api.create(("services", "default", name), body)
        self.flips[name].clear()
        self.overruled.pop(name, None)

    def restart(self) -> None:
        """A new process: nothing is remembered, everything is listed."""
        self.api.kill_in = self.api.lose_answer_in = None
        self.applied = [entry for entry in self.applied if entry[1] not in self.forgotten_by_a_restart]
        self.rolled_back = [entry for entry in self.rolled_back if entry[1] not in self.forgotten_by_a_restart]
        self.forgotten_by_a_restart.clear()
        self.picture = picture_for((), REMEDIATION_KINDS)
        nodes = [decode_item(NODE, {"metadata": {"name": f"node{i}"}}) for i in (1, 2, 3)]
        self.picture.absorb(self.picture.store(NODE).replace(nodes))
        self.held: dict[Key, Assessment] = {}
        self.known_absent: set[str] = set()
        self.seen = dict(self.outcomes)
        history = DwellHistory()
        limits = OperatorLimits(
            Budget(services=str(2 * MOST), per_seconds=PER_SECONDS),
            TriggerIf(uncovered_services_less_than_or_equal_to="100%", storm_cooldown_seconds=0),
            rollback_budget=Budget(services=str(ROLLBACKS), per_seconds=PER_SECONDS),
            rollback_breaker=TriggerIf(uncovered_services_less_than_or_equal_to="100%"),
        )
        memory = RemediationMemory(self.picture, lambda: self.now, self.wall)
        round_time = RoundTime(lambda: self.now, self.wall)
        gatherer = Gatherer(
            self.picture, self.held, history, memory, limits, served=self.served, ages=IntentAges(max(SKEWS) * 2.0)
        )
        writer = cast(Writer, self.api)

        def engine(picture: Picture) -> Engine:
            return cast(Engine, FreshEngine(self, picture))

        reader = ServiceReader(writer, self.picture, engine, memory, self.served)
        executor = Executor(
            writer,
            reader,
            IntentRecorder(writer, round_time, memory),
            self.picture,
            announcer=NoEvents(),
            count=lambda action, result: None,
            memory=memory,
            other_policies=OtherNetworkPolicies(()),
            wall=round_time,
            term=lambda: self.term,
        )
        self.remediator = RemediationController(
            writer,
            reader,
            gatherer,
            history,
            executor,
            OtherNetworkPolicies(()),
            stale=lambda: self.api.closed_because,
            announcer=NoEvents(),
            count=lambda action, result: None,
            term=lambda: self.term,
            clock=lambda: self.now,
            wall=round_time,
        )
        self.sync_all()

    def wall(self) -> float:
        return self.now + self.skew

    def served(self, kind: AnyKind) -> bool:
        """As discovery last showed it, which is when the kind was last synced."""
        return kind.plural not in self.known_absent

    def assess(self, picture: Picture, key: Key, outcomes: dict[str, Outcome]) -> Assessment | None:
        service = picture.get(SERVICE, key)
        if service is None:
            return None
        uncovered = 0 if outcomes[key.name] in (Outcome.Covered, Outcome.NoEndpoints) else 0b110
        made = replace(
            assessment(outcomes[key.name], uncovered=uncovered), key=key, uid=service.uid, policy="Local"
        )
        if key.name in self.assumed:
            (found,) = made.consumers
            assumed = replace(found.consumer, evidence=Evidence.ASSUMED)
            made = replace(made, consumers=(replace(found, consumer=assumed),))
        if service.policy == "Local":
            return made
        report = picture.get(SERVICE_COVERAGE, key)
        remediation = report.remediation if report else None
        if remediation is None or not remediation.in_force_for(service.uid):
            return None
        changed = assessment(Outcome.NotAffected, uncovered=0)
        return replace(
            changed, key=key, uid=service.uid, policy="Cluster", reason=Reason("Remediated"), if_local=made
        )

    def sync(self, kind: AnyKind) -> None:
        """What a list of the kind brings into the picture."""
        store = self.picture.store(kind)
        self.known_absent.discard(kind.plural)
        if kind.plural in self.absent:
            self.known_absent.add(kind.plural)
            self.picture.absorb(store.clear())
            return
        items = [o for (plural, _, _), o in self.api.objects.items() if plural == kind.plural]
        store.begin_list(self.api._version)
        entries = [decode_item(kind, item) for item in items]
        changes = [change for entry in entries if (change := store.list_item(entry))]
        self.picture.absorb([*changes, *store.end_list(self.api._version, {e.key for e in entries})])

    def reassess(self) -> None:
        changed: dict[Key, Assessment | None] = {}
        for name in NAMES:
            key = Key("default", name)
            made = self.assess(self.picture, key, self.seen)
            if made != self.held.get(key):
                changed[key] = made
            if made is None:
                self.held.pop(key, None)
            else:
                self.held[key] = made
        self.remediator.offer(changed)

    def sync_all(self) -> None:
        for kind in KINDS:
            self.sync(kind)
        self.seen = dict(self.outcomes)
        self.reassess()

    def flipped(self, name: str, manager: str, policy: str) -> None:
        self.flips[name].append((manager, policy))
        if manager == MANAGER and policy == "Local" and self.adopted(name):
            self.wrong.append(f"{name} put back to Local, though {self.adopted(name)} declares Cluster")
        if manager == MANAGER and policy == "Local":
            self.rolled_back.append((self.now, name))
            if self.absent:
                self.wrong.append(f"{name} rolled back while {self.absent} were not served")
        if policy != "Cluster" or manager != MANAGER:
            return
        if self.api.closed_because:
            self.wrong.append(f"{name} changed while {self.api.closed_because}")
        specs = {key[2]: o["spec"] for key, o in self.api.objects.items() if key[0] == COVERAGE_POLICY.plural}
        part = {n: s for n, s in specs.items() if s["mode"] != "Observe"}
        if not part or any(s["mode"] != "Enforce" or s["suspend"] for s in part.values()):
            self.wrong.append(f"{name} changed under {specs}")
        if self.outcomes[name] not in BAD:
            self.wrong.append(f"{name} changed though it is {self.outcomes[name]}")
        if name in self.assumed:
            self.wrong.append(f"{name} changed though the rule of its consumer is assumed")
        if name in self.overruled and self.policies() <= self.overruled[name]:
            self.wrong.append(f"{name} changed though a person restored Local under the same policies")
        uids = [self.api.objects[COVERAGE_POLICY.plural, "default", n]["metadata"]["uid"] for n in part]
        self.applied.append((self.now, name, frozenset(uids)))

    def policies(self) -> frozenset[tuple[str, int]]:
        """Uid and generation of each policy that takes part."""
        found = [o for key, o in self.api.objects.items() if key[0] == COVERAGE_POLICY.plural]
        part = [policy["metadata"] for policy in found if policy["spec"]["mode"] != "Observe"]
        return frozenset((meta["uid"], meta["generation"]) for meta in part)

    @rule(name=st.sampled_from(NAMES), outcome=outcomes, assessed=st.booleans())
    def traffic(self, name: str, outcome: Outcome, assessed: bool) -> None:
        self.outcomes[name] = outcome
        if assessed:
            self.seen[name] = outcome
            self.reassess()

    @rule(name=st.sampled_from(NAMES), assumed=st.booleans())
    def its_load_balancer_is_assumed(self, name: str, assumed: bool) -> None:
        (self.assumed.add if assumed else self.assumed.discard)(name)
        self.reassess()

    @rule(kind=st.sampled_from(KINDS))
    def watch_delivers(self, kind: AnyKind) -> None:
        self.sync(kind)
        self.reassess()

    @rule()
    def watch_delivers_all(self) -> None:
        self.sync_all()

    @rule(skew=st.sampled_from(SKEWS))
    def leads_again(self, skew: int) -> None:
        self.term += 1
        self.skew = skew

    @rule(skew=st.sampled_from(SKEWS))
    def wall_clock_steps(self, skew: int) -> None:
        self.skew = skew

    @rule(kind=st.sampled_from(KINDS[1:]), gone=st.booleans())
    def kind_vanishes(self, kind: AnyKind, gone: bool) -> None:
        """A CRD is gone for a while, or its version is not served, with its objects in etcd."""
        (self.absent.add if gone else self.absent.discard)(kind.plural)
        self.api.absent = self.absent

    @rule(name=st.sampled_from(NAMES))
    def someone_takes_our_name(self, name: str) -> None:
        """An editor of the namespace writes Cluster under etpguard's field manager, at a time of their choice. The
        record that is rebuilt no longer shows an earlier rollback."""
        self.forgotten_by_a_restart.add(name)
        self.overruled.pop(name, None)
        self.api.forge(name, MANAGER, "2099-01-01T00:00:00Z")

    @rule(seconds=st.sampled_from([1, 5, 30, 61, 299, 301]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(
        name=st.sampled_from(POLICIES),
        mode=st.sampled_from(["Enforce", "Enforce", "Observe", "DryRun"]),
        when_covered=st.booleans(),
        on_delete=st.sampled_from(["Revert", "Revert", "Keep"]),
        suspend=st.sampled_from([False, False, False, True]),
    )
    def people_write_a_policy(
        self, name: str, mode: str, when_covered: bool, on_delete: str, suspend: bool
    ) -> None:
        spec: Json = {
            "mode": mode,
            "suspend": suspend,
            "unhealthyWhen": {"forSeconds": FOR_SECONDS},
            "remediation": {
                "sourceIPLoss": "Accept",
                "budgets": [{"services": str(MOST), "perSeconds": PER_SECONDS}],
                "triggerIf": {"uncoveredServicesLessThanOrEqualTo": "100%", "stormCooldownSeconds": 0},
                "onDrift": {"maxReverts": 2, "windowSeconds": 600},
            },
            "rollback": {
                "mode": "WhenCovered" if when_covered else "Manual",
                "coveredForSeconds": 60,
                "onDelete": on_delete,
            },
        }
        key = (COVERAGE_POLICY.plural, "default", name)
        if key in self.api.objects:
            self.api.change_spec(key, spec)
        else:
            self.api.create(key, {"spec": spec})

    @rule(name=st.sampled_from(POLICIES))
    def people_delete_a_policy(self, name: str) -> None:
        self.api.objects.pop((COVERAGE_POLICY.plural, "default", name), None)

    @rule(
        name=st.sampled_from(NAMES),
        manager=st.sampled_from(["kubectl-edit", ROLLBACK_MANAGER, "argocd-controller", "helm"]),
        policy=st.sampled_from(["Local", "Local", "Cluster"]),
    )
    def someone_sets_the_policy(self, name: str, manager: str, policy: str) -> None:
        person = manager in ("kubectl-edit", ROLLBACK_MANAGER)
        service, record = self.api.objects["services", "default", name], self.record(name)
        cluster = service["spec"]["externalTrafficPolicy"] == "Cluster"
        ours = cluster and [found.manager for found in setters(service)] == [MANAGER]
        begun = record and record.in_force_for(service["metadata"]["uid"])
        self.overruled.pop(name, None)
        if person and policy == "Local" and ours and begun:
            self.overruled[name] = self.policies()
        self.api.set_policy(name, policy, manager, "Update" if person else "Apply")

    @rule(name=st.sampled_from(NAMES))
    def report_is_lost(self, name: str) -> None:
        """And with it, after a restart, what was spent on that Service: nothing else remembers."""
        self.api.objects.pop((SERVICE_COVERAGE.plural, "default", name), None)
        self.forgotten_by_a_restart.add(name)
        self.overruled.pop(name, None)

    @rule(name=st.sampled_from(NAMES))
    def service_is_created_again(self, name: str) -> None:
        """Its report goes with it, or is still there. What it was given no longer counts after a restart."""
        self.make_service(name)
        self.forgotten_by_a_restart.add(name)

    @rule(stale=st.sampled_from([False, False, False, True]))
    def picture_is_fresh(self, stale: bool) -> None:
        self.api.closed_because = "a list is pending" if stale else None

    @rule(requests=st.integers(0, 12), after=st.booleans())
    def will_be_killed(self, requests: int, after: bool) -> None:
        self.api.kill_in = (requests, after)

    @rule(requests=st.integers(0, 12))
    def answer_will_be_lost(self, requests: int) -> None:
        self.api.lose_answer_in = requests

    @rule(requests=st.integers(0, 12))
    def reports_will_be_published(self, requests: int) -> None:
        self.api.publish_in = requests

    @rule(rounds=st.integers(1, 4))
    def operator_works(self, rounds: int) -> None:
        for _ in range(rounds):
            self.work()

    @rule(rounds=st.integers(2, 16))
    def operator_works_while_the_watch_delivers(self, rounds: int) -> None:
        for _ in range(rounds):
            self.sync_all()
            self.work()
            self.now += 5

    @rule(name=st.sampled_from(NAMES), outcome=st.sampled_from(BAD))
    def traffic_is_lost_for_long(self, name: str, outcome: Outcome) -> None:
        """Without which next to nothing would ever be changed."""
        self.api.closed_because = None
        self.traffic(name, outcome, assessed=True)
        self.operator_works_while_the_watch_delivers(10)

    @rule(name=st.sampled_from(NAMES), killed_in=st.none() | st.integers(0, 20), then=outcomes)
    def traffic_is_covered_for_a_while(self, name: str, killed_in: int | None, then: Outcome) -> None:
        """Without which next to nothing would ever be rolled back for coverage, or lose its reason on the way."""
        self.api.closed_because = None
        self.traffic(name, Outcome.Covered, assessed=True)
        if killed_in is not None:
            self.will_be_killed(killed_in, after=True)
        self.operator_works_while_the_watch_delivers(14)
        self.traffic(name, then, assessed=True)

    @rule(manager=st.sampled_from(["argocd-controller", "helm"]))
    def what_is_changed_is_declared(self, manager: str) -> None:
        """The owners follow our own advice."""
        for name in NAMES:
            if self.owes_revert(name):
                self.api.set_policy(name, "Cluster", manager, "Apply")

    def work(self) -> None:
        try:
            _drive(self.remediator.round())
        except Killed:
            self.restart()
        except Exception as error:
            if type(error).__name__ not in ("ApiError", "NotNow"):
                raise
        self.now += 1

    @invariant()
    def nothing_was_done_that_must_not_be(self) -> None:
        assert not getattr(self, "wrong", None), self.wrong

    @invariant()
    def budgets_hold(self) -> None:
        for at, _, uids in getattr(self, "applied", ()):
            recent = [entry for entry in self.applied if at - PER_SECONDS < entry[0] <= at]
            assert len(recent) <= 2 * MOST, f"the operator's budget: {recent}"
            for uid in uids:
                mine = [entry for entry in recent if uid in entry[2]]
                assert len(mine) <= MOST, f"the budget of {uid}: {mine}"

    @invariant()
    def rollbacks_are_limited(self) -> None:
        for at, _ in getattr(self, "rolled_back", ()):
            recent = [entry for entry in self.rolled_back if at - PER_SECONDS < entry[0] <= at]
            assert len(recent) <= ROLLBACKS, f"rollbacks: {recent}"

    @invariant()
    def never_twice_without_a_way_back(self) -> None:
        """Of one Service under one uid each patch of ours finds what it says it changes: never Cluster twice."""
        for name, flips in getattr(self, "flips", {}).items():
            policies = ["Local", *(policy for _, policy in flips)]
            assert all(a != b for a, b in itertools.pairwise(policies)), f"{name}: {flips}"

    def teardown(self) -> None:
        if not hasattr(self, "api"):
            return
        self.api.closed_because = None
        self.absent.clear()
        self.skew = 0
        self.settle()
        self.nothing_was_done_that_must_not_be()
        self.every_change_is_recorded()
        self.nothing_stays_begun()
        before = {name: len(flips) for name, flips in self.flips.items()}
        for _ in range(30):
            self.quiet_round()
        for name, flips in self.flips.items():
            assert len(flips) <= before.get(name, 0) + 1, f"{name} is fought over: {flips}"
        self.settle()
        promised = [name for name in NAMES if self.owes_revert(name)]
        declared = {name for name in promised if self.adopted(name)}
        event(f"changes: {sum(map(len, self.flips.values()))}")
        event(f"promised: {len(promised)}, declared: {len(declared)}")
        for policy in POLICIES:
            self.people_delete_a_policy(policy)
        self.settle()
        for name in promised:
            found = self.api.objects["services", "default", name]["spec"]["externalTrafficPolicy"]
            put_back = found == ("Cluster" if name in declared else "Local")
            assert put_back, f"{name} is {found}, declared: {declared}: {self.record(name)}"
        self.budgets_hold()

    def owes_revert(self, name: str) -> bool:
        """Whether the Service is remediated and its record promises a revert when its policy is deleted."""
        uid = self.api.objects["services", "default", name]["metadata"]["uid"]
        record = self.record(name)
        return record is not None and record.in_force_for(uid) and record.on_delete == "Revert"

    def adopted(self, name: str) -> str:
        """Who declares what we changed it to, "" if nobody does."""
        service = self.api.objects["services", "default", name]
        return adopter(service) if service["spec"]["externalTrafficPolicy"] == "Cluster" else ""

    def settle(self) -> None:
        self.restart()
        for _ in range(40):
            self.quiet_round()

    def quiet_round(self) -> None:
        self.sync_all()
        self.work()
        self.now += 20

    def every_change_is_recorded(self) -> None:
        policies = [o for key, o in self.api.objects.items() if key[0] == COVERAGE_POLICY.plural]
        if all(policy["spec"]["mode"] == "Observe" for policy in policies):
            return  # a lost record is made again only where a policy governs the Service
        for name in NAMES:
            service = self.api.objects["services", "default", name]
            owners = [found.manager for found in setters(service)]
            if service["spec"]["externalTrafficPolicy"] == "Cluster" and owners == [MANAGER]:
                record = self.record(name)
                known = record is not None and record.in_force_for(service["metadata"]["uid"])
                assert known, f"{name} is changed, and {record} is all that is known"

    def nothing_stays_begun(self) -> None:
        """No record says for ever that something is in progress, unless a suspended policy holds it back."""
        specs = [o["spec"] for key, o in self.api.objects.items() if key[0] == COVERAGE_POLICY.plural]
        held_back = any(spec["suspend"] for spec in specs)
        for name in NAMES:
            uid = self.api.objects["services", "default", name]["metadata"]["uid"]
            record = self.record(name)
            if record is not None and record.service_uid == uid:
                assert record.phase != "Applying", f"{name}: {record}"
                assert held_back or record.phase != "RollingBack", f"{name}: {record}"

    def record(self, name: str) -> Remediation | None:
        raw = self.api.objects.get((SERVICE_COVERAGE.plural, "default", name))
        if raw is None:
            return None
        report = decode_item(SERVICE_COVERAGE, raw)
        return getattr(report, "remediation", None)


def _drive(work: Coroutine[Any, Any, float]) -> None:
    """Run what waits for nothing but its turn, without a loop."""
    try:
        while True:
            work.send(None)
    except StopIteration:
        return
