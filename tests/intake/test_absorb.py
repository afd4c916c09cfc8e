"""Messages through the inbox into a real picture and engine: order, slices, and what each receiver gets."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from etpguard.assess import Assessment, Engine, Outcome
from etpguard.cluster import Picture
from etpguard.cluster.store import Store
from etpguard.intake.absorb import Absorber
from etpguard.intake.corrections import Corrections, What
from etpguard.intake.inbox import (
    AssessAll,
    Inbox,
    KindLost,
    ListBegins,
    ListEnds,
    ListItems,
    Message,
    WatchEvent,
    WatchRelisted,
)
from etpguard.intake.merge import Merger
from etpguard.kube.failures import Failures, Part
from etpguard.objects import (
    ENDPOINT_SLICE,
    INGRESS,
    NAMESPACE,
    NODE,
    SERVICE,
    AnyKind,
    Key,
    Record,
    Reject,
    decode_item,
)
from etpguard.objects.network_policies import NETWORK_POLICY
from etpguard.objects.scope import EVERYWHERE, NamespaceScope
from tests.intake.fakes import endpoint_slice, node, service
from tests.intake.rig import until

WEB = Key("default", "web")


@dataclass
class Rig:
    """A running absorber, with what it passed on."""

    offered: dict[Key, Assessment | None] = field(default_factory=dict)
    touched: set[Key] = field(default_factory=set)
    seconds: list[float] = field(default_factory=list)
    gaps: list[AnyKind] = field(default_factory=list)
    counted: list[What] = field(default_factory=list)
    restored: int = 0
    offers: int = 0
    failed: list[Part] = field(default_factory=list)
    scope: NamespaceScope = EVERYWHERE

    def __post_init__(self) -> None:
        self.picture = Picture([SERVICE, ENDPOINT_SLICE, NODE, INGRESS, NAMESPACE, NETWORK_POLICY])
        self.engine = Engine(self.picture, ())
        self.inbox = Inbox()
        self.corrections = Corrections(lambda kind, what: self.counted.append(what), lambda kind: None)
        self.absorber = Absorber(
            picture=self.picture,
            engine=self.engine,
            inbox=self.inbox,
            corrections=self.corrections,
            receivers=(self,),
            observe=self.seconds.append,
            watch_relisted=self.gaps.append,
            etcd_restored=self._restore,
            scope=self.scope,
            failures=Failures(self.failed.append),
        )

    def offer(self, changed: Mapping[Key, Assessment | None], touched: Collection[Key]) -> None:
        self.offers += 1
        self.offered |= changed
        self.touched |= set(touched)

    def _restore(self) -> None:
        self.restored += 1

    def put(self, *messages: Message) -> None:
        for message in messages:
            self.inbox.put(message)

    def live(self, kind: AnyKind, entry: Record | Reject, *, deleted: bool = False) -> None:
        self.put(WatchEvent(kind, entry, deleted, time.monotonic()))

    async def listed(self, kind: AnyKind, version: int, *entries: Record, watched: bool = False) -> None:
        absorbed = asyncio.Event()
        at_least = self.picture.store(kind).newest
        self.put(
            ListBegins(kind, version, at_least, watched),
            ListItems(kind, list(entries)),
            ListEnds(kind, version, {entry.key for entry in entries}, absorbed),
        )
        await absorbed.wait()

    async def begin(self) -> None:
        assessed = asyncio.Event()
        self.put(AssessAll(assessed))
        await assessed.wait()

    async def idle(self) -> None:
        """Until all is absorbed and assessed."""
        await self.listed(NAMESPACE, self.picture.store(NAMESPACE).newest + 1)


Scene = Callable[[Rig], Coroutine[Any, Any, None]]


def play(scene: Scene, scope: NamespaceScope = EVERYWHERE) -> Rig:
    async def run() -> Rig:
        rig = Rig(scope=scope)
        consumer = asyncio.create_task(rig.absorber.run())
        try:
            async with asyncio.timeout(60):
                await scene(rig)
        finally:
            consumer.cancel()
            await asyncio.gather(consumer, return_exceptions=True)
        return rig

    return asyncio.run(run())


FIRST = endpoint_slice("web-1", "web", ["n1"], 4)
BOTH = endpoint_slice("web-2", "web", ["n1", "n2"], 11)


async def the_case(rig: Rig) -> None:
    """Two nodes, a Service with Local, its endpoint on n1."""
    await rig.listed(NODE, 10, node("n1", 1), node("n2", 2))
    await rig.listed(SERVICE, 10, service("web", 3))
    await rig.listed(ENDPOINT_SLICE, 10, FIRST)


def test_nothing_is_assessed_before_it_may_begin_and_everything_then() -> None:
    async def scene(rig: Rig) -> None:
        await the_case(rig)
        assert rig.offered == {}
        assert rig.engine.assessments == {}
        await rig.begin()
        assert rig.engine.assessments[WEB].outcome is Outcome.Uncovered

    rig = play(scene)
    (assessment,) = rig.offered.values()
    assert assessment is not None
    assert assessment.uncovered.bit_count() == 1


def test_a_live_event_is_assessed_offered_and_timed() -> None:
    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.begin()
        rig.offered.clear()
        rig.live(ENDPOINT_SLICE, endpoint_slice("web-1", "web", ["n1", "n2"], 11))
        await rig.idle()

    rig = play(scene)
    assert {key: a and a.outcome for key, a in rig.offered.items()} == {WEB: Outcome.Covered}
    assert len(rig.seconds) == 1
    assert 0 <= rig.seconds[0] < 5


def test_many_events_of_one_service_are_each_timed_and_only_the_last_state_remains() -> None:
    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.begin()
        for version in range(11, 211):
            rig.live(ENDPOINT_SLICE, endpoint_slice("web-1", "web", ["n1", "n2"][: 1 + version % 2], version))
        await rig.idle()

    rig = play(scene)
    assert len(rig.seconds) == 200
    assert rig.engine.assessments[WEB].outcome is Outcome.Uncovered


def test_touched_services_are_offered_even_where_their_assessment_is_the_same() -> None:
    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.begin()
        rig.offered.clear()
        rig.touched.clear()
        rig.live(SERVICE, service("web", 12, labels={"a": "b"}))
        await rig.idle()

    rig = play(scene)
    assert rig.offered == {}
    assert rig.touched == {WEB}


def test_services_out_of_scope_are_assessed_and_not_offered() -> None:
    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.begin()
        rig.live(SERVICE, service("web", 12, labels={"a": "b"}))
        await rig.idle()
        assert WEB in rig.engine.assessments

    rig = play(scene, NamespaceScope(skipped=frozenset({"default"})))
    assert (rig.offered, rig.touched) == ({}, set())


def test_receivers_hear_of_an_object_that_no_assessment_depends_on() -> None:
    """A NetworkPolicy for example: remediation depends on it."""

    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.begin()
        before = rig.offers
        rig.touched.clear()
        policy = decode_item(
            NETWORK_POLICY, {"metadata": {"namespace": "default", "name": "p", "resourceVersion": "9"}}
        )
        rig.live(NETWORK_POLICY, policy)
        await until(lambda: rig.offers > before)

    assert play(scene).touched == set()


def test_receivers_that_come_later_get_what_was_assessed_before() -> None:
    class Late:
        offered: dict[Key, Assessment | None] = {}  # noqa: RUF012
        touched: set[Key] = set()  # noqa: RUF012

        def offer(self, changed: Mapping[Key, Assessment | None], touched: Collection[Key]) -> None:
            self.offered |= changed
            self.touched |= set(touched)

    late = Late()

    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.listed(SERVICE, 11, service("web", 3), service("other", 4, policy="Cluster"))
        await rig.begin()
        await rig.absorber.add_receivers([late])
        assert late.offered == dict(rig.engine.assessments)
        rig.live(SERVICE, service("web", 12), deleted=True)
        await rig.idle()

    play(scene)
    assert late.offered == {WEB: None}
    assert late.touched == {WEB, Key("default", "other")}


def test_a_deleted_service_is_offered_as_none() -> None:
    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.begin()
        rig.live(SERVICE, service("web", 12), deleted=True)
        await rig.idle()

    assert play(scene).offered == {WEB: None}


def test_a_change_that_only_a_list_shows_is_a_correction() -> None:
    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.listed(NODE, 20, node("n1", 1), node("n3", 15), watched=True)
        rig.corrections.settle(time.monotonic() + 60)
        assert rig.picture.store(NODE).keys() == {Key("", "n1"), Key("", "n3")}

    assert sorted(play(scene).counted) == ["added", "removed"]


def test_what_the_watch_delivers_too_is_none() -> None:
    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.listed(NODE, 20, node("n1", 1), node("n3", 15), watched=True)
        rig.live(NODE, node("n3", 15))
        rig.live(NODE, node("n2", 14), deleted=True)
        await rig.idle()
        rig.corrections.settle(time.monotonic() + 60)

    assert play(scene).counted == []


def test_kopf_s_own_lists_are_signs_of_a_gap() -> None:
    async def scene(rig: Rig) -> None:
        rig.live(NODE, node("n1", 2))
        rig.put(WatchRelisted(SERVICE))
        await rig.idle()

    assert play(scene).gaps == [SERVICE]


def test_a_kind_that_may_not_be_read_makes_consumers_unknown_and_back() -> None:
    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.begin()
        rig.put(KindLost(INGRESS, "may not list ingresses"))
        await rig.idle()
        assert rig.engine.assessments[WEB].outcome is Outcome.Unknown
        await rig.listed(INGRESS, 30)
        assert rig.picture.unread == {}
        assert rig.engine.assessments[WEB].outcome is Outcome.Uncovered

    assert play(scene).offered.keys() == {WEB}


def test_another_reason_why_a_kind_cannot_be_read_reaches_every_service() -> None:
    async def scene(rig: Rig) -> None:
        merger = Merger(rig.picture, rig.corrections, rig.gaps.append, lambda: None, Failures())
        for reason, everything in (("403", True), ("503", True), ("503", False), (None, True), (None, False)):
            merger.merge(KindLost(INGRESS, reason))
            assert merger.take_touched().everything is everything, reason

    play(scene)


def test_a_kind_no_longer_served_has_no_objects_and_is_not_unread() -> None:
    async def scene(rig: Rig) -> None:
        await the_case(rig)
        rig.put(KindLost(NODE, None))
        await rig.idle()
        assert len(rig.picture.store(NODE)) == 0

    assert play(scene).picture.unread == {}


def test_a_restore_replaces_what_was_known(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(rig: Rig) -> None:
        await rig.listed(NODE, 1000, node("n1", 900), node("n2", 950))
        await rig.listed(NODE, 500, node("n1", 400, ready="False"))
        (left,) = rig.picture.store(NODE)
        assert left.version == 400

    assert play(scene).restored == 1
    assert "nodes: listed at resourceVersion 500 after 1000: etcd was restored" in caplog.text


def test_a_restore_concerns_all_kinds_and_is_announced_once() -> None:
    """Otherwise each kind's list would restart the watch and delay the lists of the other kinds."""

    async def scene(rig: Rig) -> None:
        await rig.listed(NODE, 1000, node("n1", 900))
        await rig.listed(SERVICE, 1000, service("web", 990))
        await rig.listed(NODE, 500, node("n1", 400))
        assert rig.picture.store(SERVICE).get(WEB) is not None, "it stays until its list says otherwise"
        await rig.listed(SERVICE, 501, service("other", 300))
        assert [record.key.name for record in rig.picture.store(SERVICE)] == ["other"]

    assert play(scene).restored == 1


def test_an_unreadable_object_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    def broken(version: int) -> Reject:
        return Reject(
            "Service", WEB, "u", version, "Service default/web: spec.ports[0].port: expected int, got str"
        )

    async def scene(rig: Rig) -> None:
        for version in (11, 12, 13):
            rig.live(SERVICE, broken(version))
        await rig.idle()

    with caplog.at_level(logging.WARNING):
        play(scene)
    assert caplog.text.count("spec.ports[0].port: expected int") == 1


def test_a_large_picture_leaves_the_loop_its_turn() -> None:
    """3,000 Services are assessed because one kind became unreadable; a ticker runs beside it."""
    gaps: list[float] = []

    async def scene(rig: Rig) -> None:
        await rig.listed(NODE, 10, *(node(f"n{i}", i + 1) for i in range(200)))
        await rig.listed(SERVICE, 10, *(service(f"s{i}", 3) for i in range(3000)))
        names = [f"n{i}" for i in range(20)]
        await rig.listed(ENDPOINT_SLICE, 10, *(endpoint_slice(f"e{i}", f"s{i}", names, 4) for i in range(3000)))

        async def tick() -> None:
            last = time.perf_counter()
            while True:
                await asyncio.sleep(0)
                now = time.perf_counter()
                gaps.append(now - last)
                last = now

        ticker = asyncio.create_task(tick())
        began = time.perf_counter()
        await rig.begin()
        took = time.perf_counter() - began
        ticker.cancel()
        assert len(rig.engine.assessments) == 3000
        assert took > 0.04, "too quick for this test to show anything"
        assert len(gaps) > took / 0.2

    play(scene)


def test_a_service_whose_assessment_raises_is_unknown_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Engine.assess_steps

    def assess_steps(engine: Engine, key: Key) -> Generator[None, None, Assessment | None]:
        if key == WEB:
            raise ZeroDivisionError("of this Service")
        return (yield from real(engine, key))

    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.listed(SERVICE, 11, service("web", 3), service("other", 4))
        monkeypatch.setattr(Engine, "assess_steps", assess_steps)
        await rig.begin()
        failed = rig.engine.assessments[WEB]
        assert (failed.outcome, failed.reason.code) == (Outcome.Unknown, "AssessmentFailed")
        assert rig.engine.assessments[Key("default", "other")].outcome is not Outcome.Unknown
        rig.live(SERVICE, service("web", 12, labels={"a": "b"}))
        await rig.idle()
        monkeypatch.undo()
        rig.live(SERVICE, service("web", 13))
        await rig.idle()
        assert rig.engine.assessments[WEB].outcome is Outcome.Uncovered

    rig = play(scene)
    assert rig.failed == ["assessment", "assessment"]
    assert caplog.text.count("assessment of default/web failed: ZeroDivisionError: of this Service") == 1


def test_an_object_whose_references_cannot_be_computed_makes_its_namespace_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(ingress: object) -> list[Key]:
        raise RecursionError

    def ingress(version: int) -> Record:
        raw = {"metadata": {"namespace": "default", "name": "i", "resourceVersion": str(version)}, "spec": {}}
        return cast(Record, decode_item(INGRESS, {**raw, "spec": {"ingressClassName": f"none-{version}"}}))

    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.listed(SERVICE, 11, service("web", 3), service("web", 4, namespace="elsewhere"))
        await rig.begin()
        with monkeypatch.context() as patch:
            patch.setitem(cast(Any, rig.picture)._referrers, INGRESS, (broken,))
            rig.live(INGRESS, ingress(20))
            await rig.idle()
            outcomes = {str(key): a.outcome.name for key, a in rig.engine.assessments.items()}
            assert outcomes == {"default/web": "Unknown", "elsewhere/web": "NoEndpoints"}
        rig.live(INGRESS, ingress(21))
        await rig.idle()
        assert rig.engine.assessments[WEB].outcome is Outcome.Uncovered

    assert play(scene).failed == ["merge"]


def test_a_message_that_cannot_be_merged_makes_its_kind_unreadable_until_the_next_list(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(store: object, entry: object) -> None:
        raise MemoryError

    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.listed(INGRESS, 11)
        await rig.begin()
        with monkeypatch.context() as patch:
            patch.setattr(Store, "list_item", broken)
            ingress = {"metadata": {"namespace": "default", "name": "i", "resourceVersion": "12"}, "spec": {}}
            await rig.listed(INGRESS, 12, cast(Record, decode_item(INGRESS, ingress)))
        assert rig.gaps == [INGRESS], "another list is requested"
        assert rig.engine.assessments[WEB].outcome is Outcome.Unknown
        await rig.listed(INGRESS, 13)
        assert rig.engine.assessments[WEB].outcome is Outcome.Uncovered

    assert play(scene).failed == ["merge"]
    assert "merge of ingresses.networking.k8s.io failed: MemoryError" in caplog.text


@pytest.mark.parametrize(
    ("kind", "entry", "deleted", "now"),
    [
        pytest.param(ENDPOINT_SLICE, BOTH, False, [FIRST, BOTH], id="an EndpointSlice that came"),
        pytest.param(NODE, node("n2", 11), True, [node("n1", 1)], id="a Node that went"),
    ],
)
def test_the_next_list_repairs_what_the_indices_missed(
    monkeypatch: pytest.MonkeyPatch, kind: AnyKind, entry: Record, deleted: bool, now: list[Record]
) -> None:
    """The store has the change already, so the list shows none."""

    def broken(picture: Picture, changes: object) -> None:
        raise MemoryError

    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.begin()
        with monkeypatch.context() as patch:
            patch.setattr(Picture, "absorb", broken)
            rig.live(kind, entry, deleted=deleted)
            await until(lambda: rig.gaps == [kind])
        assert rig.engine.assessments[WEB].outcome is not Outcome.Covered
        await rig.listed(kind, 12, *now)
        assert rig.engine.assessments[WEB].outcome is Outcome.Covered
        nodes = rig.picture.nodes
        assert nodes.names(nodes.present) == sorted(each.metadata.name for each in rig.picture.store(NODE))

    assert play(scene).failed == ["merge"]


def test_assessments_that_fail_as_a_whole_are_said_to_be_stale_until_they_succeed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(engine: Engine, touched: object) -> list[Key]:
        raise LookupError("index")

    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.begin()
        with monkeypatch.context() as patch:
            patch.setattr(Engine, "invalidate", broken)
            rig.live(ENDPOINT_SLICE, endpoint_slice("web-1", "web", ["n1", "n2"], 11))
            await until(lambda: bool(rig.absorber.problem))
            assert rig.engine.assessments[WEB].outcome is Outcome.Uncovered
        await until(lambda: not rig.absorber.problem)
        assert rig.engine.assessments[WEB].outcome is Outcome.Covered

    assert "assessment" in play(scene).failed


def test_a_receiver_that_raises_silences_no_other() -> None:
    class Broken:
        def offer(self, changed: object, touched: object) -> None:
            raise KeyError

    async def scene(rig: Rig) -> None:
        cast(Any, rig.absorber)._receivers = (Broken(), rig)
        await the_case(rig)
        await rig.begin()

    rig = play(scene)
    assert rig.offered.keys() == {WEB}
    assert set(rig.failed) == {"publish"}


def test_when_nodes_are_renumbered_every_assessment_follows() -> None:
    async def scene(rig: Rig) -> None:
        await the_case(rig)
        await rig.listed(NODE, 20, node("n1", 1), node("n2", 2), *(node(f"gone{i}", 15) for i in range(3000)))
        await rig.begin()
        epoch = rig.picture.nodes.epoch
        await rig.listed(NODE, 30, node("n1", 1), node("n2", 2))
        assert rig.picture.nodes.epoch > epoch
        assessment = rig.engine.assessments[WEB]
        assert rig.picture.nodes.names(assessment.uncovered) == ["n2"]
        assert rig.offered[WEB] == assessment

    play(scene)
