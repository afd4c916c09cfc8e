"""What the publisher outlives, and where it writes; the API server is a script."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from etpguard.assess import Assessment, Outcome, picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cluster import Picture
from etpguard.kube.backoff import Backoff
from etpguard.kube.writes import Writer
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key, decode_item
from etpguard.objects.scope import NamespaceScope
from etpguard.publish import event_plan, event_publisher
from etpguard.publish.publisher import Publisher
from etpguard.publish.settings import PublishSettings, WorkerSettings
from tests.kube.fake_api import Call, FakeApi
from tests.publish.given import assessment, verdict
from tests.publish.stage import advice

O = Outcome  # noqa: E741

WEB_PAGE = b"<html>log in</html>"
NO_EVENTS = b'{"kind": "EventList", "metadata": {"resourceVersion": "7"}, "items": []}'
FAST = PublishSettings(
    hold=0,
    urgent_hold=0,
    poll_interval=0.01,
    reload=Backoff(0.05, 0.4, jitter=0.0),
    sweep_interval=0.1,
    worker=WorkerSettings(idle=0.01, longest_backoff=0.05),
)


def api_of(answer: Callable[[Call], Any] | None = None) -> FakeApi:
    """Takes every write, and has no Events."""
    version = iter(range(10, 10_000))

    def answered(call: Call) -> Any:
        if call.method == "GET":
            return 200, NO_EVENTS, {}
        body = call.body if isinstance(call.body, dict) else {}
        meta = {"uid": "u", **body.get("metadata", {}), "resourceVersion": str(next(version))}
        return 200, {**body, "metadata": meta}, {}

    return FakeApi(answer or answered)


def picture_with(*keys: Key) -> Picture:
    """With a Service, and a report of it, under each of `keys`."""
    picture = picture_for(consumer_families())
    for name in ("node1", "node2", "node3"):
        picture.nodes.add(name)
    for key in keys:
        condition = {"type": "etpguard.dev/Covered", "status": "True", "reason": "Covered"}
        metadata = {"name": key.name, "namespace": key.namespace, "uid": f"uid-{key.name}", "resourceVersion": "5"}
        service = {"metadata": metadata, "spec": {}, "status": {"conditions": [condition]}}
        picture.absorb(picture.store(SERVICE).replace([decode_item(SERVICE, service)]))
        report = {"metadata": metadata, "status": {}}
        picture.absorb(picture.store(SERVICE_COVERAGE).replace([decode_item(SERVICE_COVERAGE, report)]))
    return picture


def play(publisher: Publisher, scene: Callable[[], Awaitable[None]]) -> None:
    """`scene` beside a publisher that runs and must not end before it."""

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(publisher.run(stop))
        async with asyncio.timeout(60):
            await scene()
            assert not running.done()
            stop.set()
            await running

    asyncio.run(run())


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110  polls what the code under test changes
        await asyncio.sleep(0.01)


def writes(api: FakeApi) -> list[Call]:
    return [call for call in api.calls if call.method != "GET"]


def test_events_that_are_answered_with_a_web_page() -> None:
    body = WEB_PAGE

    async def scene() -> None:
        nonlocal body
        await until(lambda: len(api.calls) > 1)
        body = NO_EVENTS
        await until(lambda: publisher._events.loaded)

    api = FakeApi(lambda call: (200, body, {}))
    writer = Writer(api, sleep=lambda seconds: asyncio.sleep(0))
    publisher = Publisher(writer, picture_for(consumer_families()), {}, advice, FAST)
    play(publisher, scene)


@pytest.mark.parametrize("times", [1, 1000], ids=["once", "always"])
def test_an_error_that_nobody_foresaw_ends_no_events(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    key = Key("ns", "web")
    assessments = {key: assessment(O.Blackhole, verdict(O.Blackhole), key=key)}
    api = api_of()
    publisher = Publisher(Writer(api), picture_with(key), assessments, advice, FAST)
    load, left = publisher._events.load, times

    async def fail() -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise RuntimeError
        await load()

    monkeypatch.setattr(publisher._events, "load", fail)

    async def scene() -> None:
        publisher.offer(assessments)
        await until(lambda: any(call.path.endswith("/events") for call in writes(api)))

    play(publisher, scene)


def test_events_that_take_too_long_to_list_do_not_prevent_new_ones(caplog: pytest.LogCaptureFixture) -> None:
    """The API server filters Events after it has read all of them, so a list of a large cluster may never end in
    time. It must not be asked without a pause."""
    key = Key("ns", "web")
    assessments = {key: assessment(O.Blackhole, verdict(O.Blackhole), key=key)}
    listed: list[float] = []
    genuine = api_of()

    def answer(call: Call) -> Any:
        if call.method == "GET" and call.path.endswith("/events"):
            listed.append(time.monotonic())
            raise TimeoutError
        return genuine.answer(call)

    api = FakeApi(answer)
    publisher = Publisher(Writer(api), picture_with(key), assessments, advice, FAST)

    async def scene() -> None:
        publisher.offer(assessments)
        await until(lambda: len(listed) > 5)
        await until(lambda: any(call.path.endswith("/events") for call in writes(api)))

    play(publisher, scene)
    gaps = [later - earlier for earlier, later in itertools.pairwise(listed)]
    assert all(gap >= least for gap, least in zip(gaps, (0.05, 0.1, 0.2, 0.4, 0.4), strict=False))
    assert len([r for r in caplog.records if "Cannot list the Events that exist" in r.message]) == 1


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param(NamespaceScope(only=frozenset({"mine"})), id="--namespaces"),
        pytest.param(NamespaceScope(skipped=frozenset({"other"})), id="--skip-namespaces"),
    ],
)
def test_nothing_is_written_outside_the_scope_neither_at_start_nor_in_a_new_term(
    scope: NamespaceScope, caplog: pytest.LogCaptureFixture
) -> None:
    """Although assessments, Services with a condition and reports of another instance are there."""
    mine, other, left = Key("mine", "web"), Key("other", "api"), Key("other", "left")
    assessments = {key: assessment(O.Blackhole, verdict(O.Blackhole), key=key) for key in (mine, other)}
    api, terms = api_of(), [1]
    publisher = Publisher(
        Writer(api),
        picture_with(mine, other, left),
        assessments,
        advice,
        dataclasses.replace(FAST, scope=scope),
        term=lambda: terms[0],
    )

    async def scene() -> None:
        for term in (1, 2):
            terms[0] = term
            publisher.offer(assessments, [mine, other, left])
            await until(lambda: publisher._own_term == terms[0] and publisher._events.loaded)
            await until(lambda: {"conditions", "Event"} <= {kind_of(call) for call in writes(api)})
            await asyncio.sleep(0.3)  # several sweeps
            assert {namespace_of(call) for call in writes(api)} == {"mine"}

    def kind_of(call: Call) -> str:
        return "conditions" if "/services/" in call.path else str((call.body or {}).get("kind"))

    def namespace_of(call: Call) -> str:
        return call.path.split("/namespaces/")[1].split("/")[0]

    play(publisher, scene)
    lines = [record.message for record in caplog.records if "neither updates nor removes" in record.message]
    assert len(lines) == 2, "once per term"
    assert "have a condition or report of etpguard: 2. " in lines[0]


def test_what_other_namespaces_have_is_no_matter_where_all_are_in_scope(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        await until(lambda: publisher._events.loaded)

    publisher = Publisher(Writer(api_of()), picture_with(Key("other", "left")), {}, advice, FAST)
    play(publisher, scene)
    assert "neither updates nor removes" not in caplog.text


@pytest.mark.parametrize("where", ["advice", "subjects", "assessments"])
def test_what_one_assessment_raises_is_the_failure_of_its_service(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = Key("ns", "bad"), Key("ns", "good")
    assessments: dict[Key, Assessment] = {
        key: assessment(O.Blackhole, verdict(O.Blackhole), key=key) for key in (bad, good)
    }
    if where == "assessments":
        # A consumer of a form that nobody foresaw.
        assessments[bad] = replace(assessments[bad], consumers=(None,))

    def advise(assessed: Assessment) -> tuple[str, ...]:
        if where == "advice" and assessed.key == bad:
            raise RecursionError("deep")
        return ()

    if where == "subjects":
        genuine = event_plan.subjects

        def failing(assessed: Assessment, *finders: Any) -> Any:
            if assessed.key == bad:
                raise ZeroDivisionError
            return genuine(assessed, *finders)

        monkeypatch.setattr(event_publisher, "subjects", failing)

    api = api_of()
    publisher = Publisher(Writer(api), picture_with(bad, good), assessments, advise, FAST)

    async def scene() -> None:
        publisher.offer(assessments)
        await until(lambda: publisher._own_term == 1)
        for kind in ("/services/good", "/servicecoverages/good", "/events"):
            await until(lambda kind=kind: any(kind in call.path for call in writes(api)))  # type: ignore[misc]

    play(publisher, scene)


def test_what_a_sweep_raises_does_not_end_the_publisher() -> None:
    publisher = Publisher(Writer(api_of()), picture_with(), {}, advice, FAST)
    genuine, swept = publisher._conditions.retain, 0

    def failing(keys: Any) -> None:
        nonlocal swept
        swept += 1
        if swept < 3:
            raise OSError("no file descriptor")
        genuine(keys)

    publisher._retain = (failing,)
    play(publisher, lambda: until(lambda: swept >= 3))


def test_without_the_lead_nothing_piles_up() -> None:
    """Of Services that come and go while another replica leads."""
    publisher = Publisher(Writer(api_of(), time_left=lambda: 0.0), picture_with(), {}, advice, FAST)

    async def scene() -> None:
        for number in range(2000):
            key = Key("ns", f"web-{number}")
            publisher.offer({key: assessment(O.Blackhole, verdict(O.Blackhole), key=key)})
            publisher.offer({key: None})
        queues = [worker._queue for worker in publisher._workers.values()]
        await until(lambda: not any(map(len, queues)) and not len(publisher._debounce))
        assert publisher._events._tracks == {}

    play(publisher, scene)
