"""The gate: when a write goes out, when not, and what is learned from an answer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import ServerDisconnectedError
from aiohttp.http_exceptions import TransferEncodingError

from etpguard.kube import verbs
from etpguard.kube.errors import ApiError, BadKubeconfig
from etpguard.kube.verbs import Request
from etpguard.kube.writes import NotNow, OutOfScope, WriteLimits, Writer
from etpguard.objects import NODE, SERVICE, SERVICE_COVERAGE, Key
from etpguard.objects.scope import EVERYWHERE, NamespaceScope
from tests.kube.fake_api import Answer, Call, Clock, FakeApi, failure, ok

RBAC = 'services "web" is forbidden: User "system:serviceaccount:a:b" cannot patch resource "services/status" in …'


def patch(namespace: str = "ns", name: str = "web") -> Request:
    return verbs.apply(SERVICE, Key(namespace, name), {"status": {}}, subresource="status")


class Gate:
    """A writer on a scripted API, with the knobs of its gate."""

    def __init__(
        self,
        *answers: Answer | Exception,
        limits: WriteLimits | None = None,
        scope: NamespaceScope = EVERYWHERE,
    ) -> None:
        script: Iterator[Answer | Exception] = iter(answers)
        self.time_left = math.inf
        self.stale: str | None = None
        self.clock = Clock()
        self.seen: list[tuple[str, str, int]] = []
        self.before_each: Callable[[], None] = lambda: None

        def answer(call: Call) -> Answer:
            self.before_each()
            found = next(script, ok({}))
            if isinstance(found, Exception):
                raise found
            return found

        self.api = FakeApi(answer)
        self.writer = Writer(
            self.api,
            time_left=lambda: self.time_left,
            stale=lambda: self.stale,
            limits=limits,
            scope=scope,
            on_request=lambda verb, resource, code: self.seen.append((verb, resource, code)),
            clock=self.clock,
            wall=lambda: self.clock.now - 1000 + 1_767_225_600,
            sleep=self.clock.sleep,
        )

    def write(self, request: Request | None = None, attempts: int = 3) -> Any:
        return asyncio.run(self.writer.write(request or patch(), attempts=attempts))


@pytest.mark.parametrize(
    ("time_left", "stale", "reason"),
    [
        pytest.param(0.0, None, "not the leader", id="not leading"),
        pytest.param(0.4, None, "not the leader", id="the Lease is about to expire"),
        pytest.param(math.inf, "the list of nodes is old", "the list of nodes is old", id="stale"),
    ],
)
def test_a_closed_gate_sends_nothing(time_left: float, stale: str | None, reason: str) -> None:
    gate = Gate()
    gate.time_left, gate.stale = time_left, stale
    with pytest.raises(NotNow, match=reason) as held:
        gate.write()
    assert not held.value.refusal
    assert gate.writer.closed() == reason
    assert gate.api.calls == []


def test_the_gate_is_asked_again_before_each_try() -> None:
    gate = Gate(failure(503, "ServiceUnavailable"))
    gate.before_each = lambda: setattr(gate, "time_left", 0.0)
    with pytest.raises(NotNow):
        gate.write()
    assert len(gate.api.calls) == 1


@pytest.mark.parametrize(
    ("time_left", "timeout"),
    [
        pytest.param(math.inf, 10.0, id="no Lease"),
        pytest.param(11.0, 10.0, id="a Lease that lasts longer"),
        pytest.param(1.5, 1.5, id="a Lease that expires before"),
    ],
)
def test_a_write_must_end_before_the_lease_does(time_left: float, timeout: float) -> None:
    gate = Gate()
    gate.time_left = time_left
    gate.write()
    asyncio.run(gate.writer.read(verbs.get(SERVICE, Key("ns", "web"))))
    assert gate.api.timeouts == [timeout, 10.0]


def test_a_read_passes_a_closed_gate() -> None:
    gate = Gate(ok({"a": 1}))
    gate.time_left = 0.0
    assert asyncio.run(gate.writer.read(verbs.get(SERVICE, Key("ns", "web")))) == {"a": 1}


@pytest.mark.parametrize(
    ("answers", "sent"),
    [
        pytest.param([failure(500, "InternalError"), ok({"a": 1})], 2, id="500"),
        pytest.param([failure(503, ""), failure(504, "Timeout"), ok({"a": 1})], 3, id="503 and 504"),
        pytest.param([ConnectionResetError("reset"), ok({"a": 1})], 2, id="no answer"),
        pytest.param([BadKubeconfig("the plugin failed"), ok({"a": 1})], 2, id="no credentials"),
        pytest.param([ServerDisconnectedError(), ok({"a": 1})], 2, id="disconnected"),
        pytest.param([TransferEncodingError("a chunk"), ok({"a": 1})], 2, id="a broken answer"),
        pytest.param([RuntimeError("can't start new thread"), ok({"a": 1})], 2, id="no thread is left"),
        pytest.param([failure(429, "TooManyRequests"), ok({"a": 1})], 2, id="429"),
    ],
)
def test_what_may_pass_is_tried_again(answers: list[Answer | Exception], sent: int) -> None:
    gate = Gate(*answers)
    assert gate.write() == {"a": 1}
    assert len(gate.api.calls) == sent
    waits = gate.clock.slept
    assert len(waits) == sent - 1
    for i, wait in enumerate(waits, 1):
        assert 0.25 * 2**i <= wait <= 0.5 * 2**i
    assert gate.writer.problems() == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(failure(409, "Conflict"), id="409"),
        pytest.param(failure(422, "Invalid"), id="422"),
        pytest.param(failure(403, "Forbidden", 'admission webhook "x" denied the request'), id="denied"),
        pytest.param(failure(404, "NotFound"), id="404"),
        pytest.param(failure(400, "BadRequest"), id="400"),
    ],
)
def test_what_the_server_decided_is_not_tried_again_and_holds_for_nothing_else(answer: Answer) -> None:
    gate = Gate(answer)
    with pytest.raises(ApiError) as raised:
        gate.write()
    assert raised.value.status == answer[0]
    assert gate.writer.problems() == []
    gate.write()
    assert len(gate.api.calls) == 2


def test_it_gives_up_after_the_tries_it_was_given() -> None:
    gate = Gate(*[failure(500, "InternalError")] * 5)
    with pytest.raises(ApiError):
        gate.write(attempts=2)
    assert len(gate.api.calls) == 2


def test_a_short_retry_after_of_a_429_holds_for_every_write_of_that_kind() -> None:
    gate = Gate(failure(429, "TooManyRequests", retry_after=7), ok(), ok())
    with pytest.raises(ApiError):
        gate.write(attempts=1)
    gate.write(patch(name="other"))
    assert sum(gate.clock.slept) == pytest.approx(7)


def test_retry_after_of_a_503_holds_for_the_next_try() -> None:
    gate = Gate(failure(503, "", retry_after=10), ok())
    gate.write()
    assert sum(gate.clock.slept) == pytest.approx(10)


@pytest.mark.parametrize("code", [429, 503])
def test_a_write_that_would_wait_for_minutes_is_not_sent_without_deciding_again(code: int) -> None:
    gate = Gate(failure(code, "", retry_after=300), ok())
    with pytest.raises(ApiError) as raised:
        gate.write()
    assert raised.value.status == code
    assert gate.clock.slept == []
    assert len(gate.api.calls) == 1


def test_a_write_decided_during_a_pause_is_handed_back_until_the_pause_ends() -> None:
    gate = Gate(failure(429, "", retry_after=300), ok())
    with pytest.raises(ApiError):
        gate.write()
    gate.clock.now += 100
    with pytest.raises(NotNow, match=r"^patch services/status is paused until 2026-01-01T00:05:00Z: ") as held:
        gate.write(patch(name="other"))
    assert held.value.retry_in == pytest.approx(200)
    assert not held.value.refusal
    assert len(gate.api.calls) == 1
    gate.clock.now += 201
    gate.write()
    assert len(gate.api.calls) == 2


def test_no_try_starts_later_than_the_longest_age_after_the_write_was_decided() -> None:
    gate = Gate(*[ConnectionResetError("reset")] * 9, limits=WriteLimits(max_age=15))
    starts: list[float] = []

    def slow() -> None:
        starts.append(gate.clock.now - 1000)
        gate.clock.now += 10  # until its time-out

    gate.before_each = slow
    with pytest.raises(ApiError, match="reset"):
        gate.write(attempts=9)
    assert starts[0] == 0
    assert len(starts) == 2
    assert starts[1] <= 15


def test_a_write_that_waits_for_its_turn_for_too_long_is_handed_back() -> None:
    gate = Gate(limits=WriteLimits(rate=0.05, burst=1, max_age=15))
    gate.write()
    with pytest.raises(NotNow, match="would start too long after it was decided"):
        gate.write()
    assert len(gate.api.calls) == 1


def test_a_pause_is_that_of_one_kind_of_write_and_is_reported_until_it_ends() -> None:
    gate = Gate(failure(429, "", retry_after=300))
    with pytest.raises(ApiError):
        gate.write()
    gate.write(verbs.apply(SERVICE_COVERAGE, Key("ns", "web"), {}))
    gate.write(verbs.json_patch(SERVICE, Key("ns", "web"), []))
    assert gate.clock.slept == []
    [problem] = gate.writer.problems()
    assert problem.startswith("patch services/status is paused until 2026-01-01T00:05:00Z: ")
    gate.clock.now += 300
    assert gate.writer.problems() == []


def test_a_pause_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate(failure(429, "", retry_after=60), failure(429, "", retry_after=90))
    with pytest.raises(ApiError):
        gate.write()
    for _ in range(3):
        with pytest.raises(NotNow):
            gate.write()
    assert [r.getMessage() for r in caplog.records] == [
        "patch services/status is paused until 2026-01-01T00:01:00Z: "
        "the API server answered 429 and asked for the pause"
    ]


@pytest.mark.parametrize(
    ("scope", "namespace", "sent"),
    [
        pytest.param(NamespaceScope(only=frozenset({"a"})), "a", True, id="the only namespace"),
        pytest.param(NamespaceScope(only=frozenset({"a"})), "b", False, id="not among --namespaces"),
        pytest.param(NamespaceScope(skipped=frozenset({"b"})), "b", False, id="among --skip-namespaces"),
        pytest.param(NamespaceScope(skipped=frozenset({"b"})), "a", True, id="not among --skip-namespaces"),
        pytest.param(NamespaceScope(only=frozenset({"a"})), "", True, id="a cluster-scoped object"),
    ],
)
def test_a_write_outside_the_scope_is_never_sent_and_a_read_is(
    scope: NamespaceScope, namespace: str, sent: bool
) -> None:
    gate = Gate(scope=scope)
    requests = [
        verbs.apply(SERVICE, Key(namespace, "web"), {}, subresource="status"),
        verbs.json_patch(SERVICE, Key(namespace, "web"), []),
        verbs.create(SERVICE_COVERAGE, Key(namespace, "web"), {}),
        verbs.delete(SERVICE_COVERAGE, Key(namespace, "web")),
    ]
    for request in requests:
        if sent:
            gate.write(request)
        else:
            with pytest.raises(OutOfScope, match="out of scope"):
                gate.write(request)
    assert len(gate.api.calls) == (len(requests) if sent else 0)
    asyncio.run(gate.writer.read(verbs.get(SERVICE, Key(namespace, "web"))))


def test_writes_are_spread_by_the_rate() -> None:
    gate = Gate(limits=WriteLimits(rate=10, burst=2))
    for _ in range(12):
        gate.write()
    assert gate.clock.now - 1000 == pytest.approx(1.0)


def test_a_forbidden_write_is_logged_once_paused_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate(failure(403, "Forbidden", RBAC), ok(), failure(403, "Forbidden", RBAC), ok())
    with pytest.raises(ApiError):
        gate.write()
    with pytest.raises(NotNow) as held:
        gate.write(patch(name="other"))
    assert held.value.refusal
    assert held.value.retry_in == pytest.approx(60)
    [problem] = gate.writer.problems()
    assert problem.startswith("may not patch services/status: ")
    gate.write(patch(namespace="elsewhere"))  # a Role may allow it there
    gate.clock.now += 60
    with pytest.raises(ApiError):
        gate.write()
    assert gate.writer.problems() == [problem]
    gate.clock.now += 60
    gate.write()
    assert gate.writer.problems() == []
    assert [r.levelname for r in caplog.records if "may not" in r.message] == ["WARNING"]
    assert gate.seen[0] == ("patch", "services/status", 403)


def test_forbidden_in_many_namespaces_is_taken_as_forbidden_in_all() -> None:
    gate = Gate(*[failure(403, "Forbidden", RBAC)] * 100)
    refused = 0
    for i in range(100):
        try:
            gate.write(patch(namespace=f"ns{i}"))
        except ApiError:
            refused += 1
        except NotNow:
            pass
    assert refused == len(gate.api.calls) == 8


def test_a_resource_that_is_not_served_is_no_missing_object(caplog: pytest.LogCaptureFixture) -> None:
    report = verbs.apply(SERVICE_COVERAGE, Key("ns", "web"), {})
    gate = Gate((404, b"404 page not found\n", {}), ok())
    with pytest.raises(ApiError) as raised:
        gate.write(report)
    assert raised.value.kind_absent
    [problem] = gate.writer.problems()
    assert problem.startswith("servicecoverages.etpguard.dev is not served")
    with pytest.raises(NotNow):
        gate.write(verbs.apply(SERVICE_COVERAGE, Key("elsewhere", "web"), {}))
    gate.write()  # others pass
    gate.clock.now += 61
    gate.write(report)
    assert gate.writer.problems() == []


def test_silence_is_a_problem_until_an_answer() -> None:
    gate = Gate(ConnectionRefusedError("refused"), failure(409, "Conflict"))
    with pytest.raises(ApiError) as raised:
        gate.write(attempts=1)
    assert raised.value.status == 0
    assert gate.writer.problems() == ["the API server does not answer requests: refused"]
    with pytest.raises(ApiError):
        gate.write()
    assert gate.writer.problems() == []


def test_a_fault_of_etpguard_is_not_silence_of_the_api_server() -> None:
    """It is raised as it is, and the same request is not sent again."""
    gate = Gate(TypeError("an operand of our own"), ok())
    with pytest.raises(TypeError):
        gate.write()
    assert gate.writer.problems() == []
    assert gate.write() == {}


@pytest.mark.parametrize(
    ("failure_", "raised"),
    [
        pytest.param(ConnectionResetError("reset"), ApiError, id="no answer"),
        pytest.param(TypeError("after it was sent"), TypeError, id="a fault of etpguard"),
    ],
)
def test_a_request_given_up_is_in_doubt_for_its_time_out(failure_: Exception, raised: type[Exception]) -> None:
    gate = Gate(failure_)
    assert asyncio.run(gate.writer.quiet(1))
    with pytest.raises(raised):
        gate.write(attempts=1)
    assert not asyncio.run(gate.writer.quiet(1))
    gate.clock.now += 10
    assert asyncio.run(gate.writer.quiet(1))


def test_it_is_quiet_only_when_the_last_request_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    call_api = gate.api.call_api

    async def three_looks() -> list[bool]:
        one, other = asyncio.Event(), asyncio.Event()
        waits = iter((one, other))

        async def held(*parts: Any, **options: Any) -> Any:
            await next(waits).wait()
            return await call_api(*parts, **options)

        monkeypatch.setattr(gate.api, "call_api", held)
        writes = [asyncio.create_task(gate.writer.write(patch(name=name))) for name in ("a", "b")]
        await asyncio.sleep(0)
        looks = [await gate.writer.quiet(0.01)]
        one.set()
        await writes[0]
        looks.append(await gate.writer.quiet(0.01))
        other.set()
        await writes[1]
        return [*looks, await gate.writer.quiet(0.01)]

    assert asyncio.run(three_looks()) == [False, False, True]


@pytest.mark.parametrize(
    ("request_", "method", "path", "query", "content_type"),
    [
        pytest.param(
            verbs.apply(SERVICE, Key("a", "b"), {}, subresource="status"),
            "PATCH",
            "/api/v1/namespaces/a/services/b/status",
            [("fieldManager", "etpguard"), ("force", "true")],
            "application/apply-patch+yaml",
            id="apply",
        ),
        pytest.param(
            verbs.dry_run(verbs.json_patch(SERVICE, Key("a", "b"), [], manager="m")),
            "PATCH",
            "/api/v1/namespaces/a/services/b",
            [("fieldManager", "m"), ("dryRun", "All")],
            "application/json-patch+json",
            id="JSON Patch, dry run",
        ),
        pytest.param(
            verbs.delete(SERVICE_COVERAGE, Key("a", "b"), uid="u"),
            "DELETE",
            "/apis/etpguard.dev/v1alpha1/namespaces/a/servicecoverages/b",
            [],
            "application/json",
            id="delete",
        ),
        pytest.param(
            verbs.list_page(NODE, limit=5, token="t"),
            "GET",
            "/api/v1/nodes",
            [("limit", "5"), ("continue", "t")],
            "application/json",
            id="list",
        ),
        pytest.param(verbs.get(NODE, Key("", "n")), "GET", "/api/v1/nodes/n", [], "application/json", id="get"),
    ],
)
def test_on_the_wire(
    request_: Request, method: str, path: str, query: list[tuple[str, str]], content_type: str
) -> None:
    gate = Gate(ok())
    gate.write(request_)
    [call] = gate.api.calls
    assert (call.method, call.path, call.query, call.content_type) == (method, path, query, content_type)


def test_an_apply_names_its_object_and_what_it_is_pinned_to() -> None:
    request = verbs.apply(
        SERVICE_COVERAGE, Key("a", "b"), {"metadata": {"labels": {"x": "y"}}}, uid="u", version="7"
    )
    assert request.body == {
        "apiVersion": "etpguard.dev/v1alpha1",
        "kind": "ServiceCoverage",
        "metadata": {"labels": {"x": "y"}, "name": "b", "namespace": "a", "uid": "u", "resourceVersion": "7"},
    }
