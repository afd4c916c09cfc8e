"""What the publisher of Events keeps, and for how long."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from etpguard.assess import Assessment, InternalAssessment, Outcome
from etpguard.cluster import Picture
from etpguard.kube.writes import Writer
from etpguard.objects import INGRESS, SERVICE, AnyKind, Key, decode_item
from etpguard.publish.event_publisher import EventPublisher
from etpguard.publish.settings import PublishSettings
from etpguard.report.service_condition import CONDITION
from tests.kube.fake_api import Call, FakeApi
from tests.publish.given import KEY, assessment, internal, verdict

O = Outcome  # noqa: E741

NO_EVENTS = {"kind": "EventList", "metadata": {"resourceVersion": "7"}, "items": []}
COVERED = assessment(O.Covered, uncovered=0)
BLACKHOLE = assessment(O.Blackhole, verdict(O.Blackhole))
AT_ONCE = PublishSettings(hold=0, urgent_hold=0, event_interval=0)


class Given:
    """A Service behind an Ingress, and an API server that takes every Event."""

    def __init__(self, settings: PublishSettings = AT_ONCE) -> None:
        self.now = 1000.0
        self.picture = Picture([SERVICE, INGRESS])
        for name in ("node1", "node2", "node3"):
            self.picture.nodes.add(name)
        self.created: list[str] = []
        self.reasons: list[str] = []
        self.notes: list[str] = []
        writer = Writer(FakeApi(self._answer), clock=lambda: self.now)
        self.events = EventPublisher(writer, self.picture, settings, lambda: self.now, lambda: self.now)
        self.take(SERVICE, "uid-web")

    def take(self, kind: AnyKind, uid: str, *conditions: dict[str, str], **spec: str) -> None:
        self.take_named(kind, {"web": uid}, *conditions, **spec)

    def take_named(self, kind: AnyKind, uids: dict[str, str], *conditions: dict[str, str], **spec: str) -> None:
        """The objects of this kind, by name."""
        status = {"conditions": list(conditions)} if kind is SERVICE else {}
        made = [{"metadata": {"name": name, "namespace": "default", "uid": uid}} for name, uid in uids.items()]
        store = self.picture.store(kind)
        found = [decode_item(store.kind, {**raw, "spec": spec, "status": status}) for raw in made]
        self.picture.absorb(store.replace(found))

    async def settle(
        self, assessed: Assessment | None = BLACKHOLE, inside: InternalAssessment | None = None
    ) -> None:
        self.events.observe(KEY, assessed, self.now, inside)
        while (write := self.events.look(KEY, assessed, self.now, inside)) is not None and write.due <= self.now:
            await write.send()

    def _answer(self, call: Call) -> tuple[int, object, dict[str, str]]:
        if call.method == "GET":
            return 200, NO_EVENTS, {}
        if call.method == "POST":
            self.created.append(call.body["regarding"]["uid"])
            self.notes.append(call.body["note"])
            self.reasons.append(call.body["reason"])
        return 200, call.body, {}


def test_an_ingress_that_is_created_ten_thousand_times_leaves_nothing_behind() -> None:
    given = Given()

    async def run() -> None:
        await given.events.load()
        for number in range(10_000):
            given.take(INGRESS, f"uid-{number}")
            given.events.observe(KEY, BLACKHOLE, given.now)
            if number % 100 == 0:
                await given.settle()
            given.now += 1
        assert len(set(given.created)) == 101, "one on the Service, and 100 on Ingresses"
        assert len(given.events._debounce) == 2, "the Service, and the Ingress that exists"
        given.events.retain({KEY})

    asyncio.run(run())
    events = given.events
    assert len(events._sent) <= 2
    assert len(events._buckets) <= 2
    assert events._recovering <= {"uid-web"}


def test_of_a_service_that_is_gone_nothing_is_left() -> None:
    given = Given()

    async def run() -> None:
        await given.events.load()
        given.take(INGRESS, "uid-ingress")
        given.events.note_recovery("uid-web", CONDITION, "Blackhole")
        await given.settle()

    asyncio.run(run())
    assert given.created == ["uid-web", "uid-ingress"]
    service = Key("default", "web")
    given.picture.absorb([*given.picture.store(SERVICE).clear(), *given.picture.store(INGRESS).clear()])
    given.events.observe(service, None, given.now)
    given.events.retain(())
    events = given.events
    assert (len(events._sent), len(events._debounce), events._tracks) == (0, 0, {})
    assert (len(events._buckets), events._recovering) == (0, set())


def condition(status: str, reason: str) -> dict[str, str]:
    return {"type": CONDITION, "status": status, "reason": reason}


def test_a_recovery_that_is_sent_before_the_condition_turns_is_sent_once() -> None:
    given = Given()
    given.take(SERVICE, "uid-web", condition("False", "Blackhole"))

    async def run() -> None:
        await given.events.load()
        await given.settle(BLACKHOLE)
        given.now += 60
        await given.settle(COVERED)
        given.events.note_recovery("uid-web", CONDITION, "Blackhole")
        given.take(SERVICE, "uid-web", condition("True", "Covered"))
        for _ in range(30):
            await given.settle(COVERED)
            given.now += 600
            given.events.retain({KEY})

    asyncio.run(run())
    assert given.reasons == ["TrafficBlackhole", "NodesCovered"]


def test_a_condition_of_the_time_before_conditions_were_switched_off_announces_no_recovery() -> None:
    given = Given(replace(AT_ONCE, conditions=False))
    given.take(SERVICE, "uid-web", condition("False", "Blackhole"))

    async def run() -> None:
        await given.events.load()
        for _ in range(30):
            await given.settle(COVERED)
            given.now += 600
            given.events.retain({KEY})

    asyncio.run(run())
    assert given.reasons == []


def test_an_ingress_that_recovers_gets_its_recovery_however_many_others_there_are() -> None:
    """Once all are covered, it is the last of them."""
    names = [f"a{number:02}" for number in range(20)] + ["z"]
    covered = [verdict(O.Covered, name=name, uncovered=0) for name in names]
    given = Given()
    given.take_named(INGRESS, {name: f"uid-{name}" for name in names})

    async def run() -> None:
        await given.events.load()
        await given.settle(assessment(O.Blackhole, *covered[:-1], verdict(O.Blackhole, name="z")))
        given.now += 60
        for _ in range(3):
            await given.settle(assessment(O.Covered, *covered, uncovered=0))
            given.now += 600

    asyncio.run(run())
    sent = list(zip(given.created, given.reasons, strict=True))
    assert sent == [
        (uid, reason) for reason in ("TrafficBlackhole", "NodesCovered") for uid in ("uid-web", "uid-z")
    ]


def test_a_warning_that_lasts_is_renewed_although_its_nodes_never_settle() -> None:
    """An autoscaler replaces nodes all the time. The API server forgets an Event after an hour."""
    given = Given(PublishSettings())
    for number in range(4, 13):
        given.picture.nodes.add(f"node{number}")
    times: list[float] = []

    async def run() -> None:
        await given.events.load()
        for second in range(7200):
            sent = len(given.reasons)
            await given.settle(assessment(O.Blackhole, eligible=0xFFF, uncovered=1 + second // 50))
            times.extend([given.now] * (len(given.reasons) - sent))
            given.now += 1

    asyncio.run(run())
    assert set(given.reasons) == {"TrafficBlackhole"}
    gaps = [after - before for before, after in zip(times, [*times[1:], given.now], strict=True)]
    assert all(gap <= 1860 for gap in gaps), gaps
    assert len(times) <= 5, "and it is not one Event for each set of nodes"


def test_a_policy_that_a_person_changes_is_a_recovery_and_the_next_loss_a_new_warning() -> None:
    """The Warning of before would otherwise stand for the next loss too, for half an hour."""
    given = Given(replace(AT_ONCE, hold=30.0))
    given.take(INGRESS, "uid-ingress")

    async def run() -> None:
        await given.events.load()
        await given.settle(BLACKHOLE)
        for _ in range(4):
            given.now += 20
            await given.settle(None)
            given.events.retain({KEY})
        given.now += 20
        await given.settle(BLACKHOLE)

    asyncio.run(run())
    assert given.created == ["uid-web", "uid-ingress"] * 3
    assert given.reasons == ["TrafficBlackhole"] * 2 + ["NodesCovered"] * 2 + ["TrafficBlackhole"] * 2
    assert given.notes[2:4] == [
        "NotAffected: the Service does not have externalTrafficPolicy Local any more",
        "Service web: NotAffected: the Service does not have externalTrafficPolicy Local any more",
    ]


def test_a_service_that_is_ignored_keeps_its_warning() -> None:
    given = Given()
    given.take(SERVICE, "uid-web", externalTrafficPolicy="Local")

    async def run() -> None:
        await given.events.load()
        await given.settle(BLACKHOLE)
        given.now += 60
        await given.settle(None)

    asyncio.run(run())
    assert given.reasons == ["TrafficBlackhole"]
    assert not list(given.events.tracked)


@pytest.mark.parametrize(("policy", "reasons"), [("Cluster", ["NodesCoveredInternally"]), ("Local", [])])
def test_an_internal_policy_that_a_person_changes_is_a_recovery(policy: str, reasons: list[str]) -> None:
    given = Given()
    lost = internal(O.Uncovered)

    async def run() -> None:
        await given.events.load()
        await given.settle(None, lost)
        given.take(SERVICE, "uid-web", internalTrafficPolicy=policy)
        given.now += 60
        await given.settle(None)

    asyncio.run(run())
    assert given.reasons == ["NodesUncoveredInternally", *reasons]
