"""How `etpguard uninstall` handles refusals of one Service, and finds out whether an operator still runs."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from etpguard.cli import uninstall
from etpguard.cli.errors import Failure
from etpguard.cli.rollback import Rollback
from etpguard.cli.service_cleanup import CleanupResult, Sender, ServiceCleanup
from etpguard.cli.uninstall import Uninstall, UninstallOptions, left_behind
from etpguard.kube import operator_leases
from etpguard.kube.conflict_retry import TRIES
from etpguard.kube.connection import Connection
from etpguard.kube.lists import Listing, R
from etpguard.kube.operator_leases import LeaseWatch
from etpguard.kube.writes import Writer
from etpguard.objects import (
    SERVICE,
    SERVICE_COVERAGE,
    Key,
    Kind,
    Service,
    ServiceCoverage,
    decode_item,
    decode_page,
)
from etpguard.objects.leases import Lease
from tests.kube.fake_api import Answer, Call, Clock, FakeApi, failure, ok

KEY = Key("shop", "web")
CONDITION = {"type": "etpguard.dev/Covered", "status": "False", "reason": "Outage", "message": "x"}
REMOVED = "Service shop/web: condition etpguard.dev/Covered removed"
DELETED = "ServiceCoverage shop/web: deleted"


class Api:
    """A Service with the condition and a report. `refusals` are the answers to the next writes of each method."""

    def __init__(self, **refusals: list[Answer | OSError]) -> None:
        self.service: dict[str, Any] = {
            "metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "1"},
            "spec": {"externalTrafficPolicy": "Local"},
            "status": {"conditions": [dict(CONDITION)]},
        }
        self.there = True
        self.carries_out_rollbacks = False
        self.report: dict[str, Any] = {"metadata": {"name": "web", "namespace": "shop", "uid": "r"}}
        self.deletion: dict[str, Any] = {"kind": "Status", "status": "Success"}
        self._refusals = refusals
        self.client = FakeApi(self._answer)

    def _answer(self, call: Call) -> Answer:
        waiting = self._refusals.get(call.method)
        if waiting:
            refusal = waiting.pop(0)
            if isinstance(refusal, OSError):
                self._carry_out(call)
                raise refusal
            return refusal
        if not self.there:
            return failure(404, "NotFound")
        if call.method == "PATCH" and not self.service["status"]["conditions"]:
            return failure(422, "Invalid", "the server rejected our request")
        return self._carry_out(call)

    def _carry_out(self, call: Call) -> Answer:
        if call.method == "GET" and "/servicecoverages/" in call.path:
            return ok(self.report)
        if call.method == "DELETE" and "/servicecoverages/" in call.path:
            return ok(self.deletion)
        if call.method == "PATCH":
            body = json.loads(call.body) if isinstance(call.body, str) else call.body
            where, _, place = body[-1]["path"].rpartition("/")
            service = copy.deepcopy(self.service) if ("dryRun", "All") in call.query else self.service
            fields = service["metadata"].get("managedFields", [])
            if where == "/status/conditions":
                service["status"]["conditions"].pop(int(place))
                # The API server drops a manager that owns nothing any more.
                fields[:] = [entry for entry in fields if entry.get("subresource") != "status"]
            elif where == "/metadata/managedFields":
                fields.pop(int(place))
            elif where == "/spec" and self.carries_out_rollbacks:
                service["spec"]["externalTrafficPolicy"] = body[-1]["value"]
                fields[:] = managed("etpguard-rollback")
            return ok(service)
        return ok(self.service)

    def clean(self, *, dry_run: bool = False) -> CleanupResult:
        clock = Clock()
        writer = Writer(self.client, clock=clock, sleep=clock.sleep)
        service, report = decode_item(SERVICE, self.service), decode_item(SERVICE_COVERAGE, self.report)
        assert isinstance(service, Service)
        assert isinstance(report, ServiceCoverage)
        sender = Sender(writer, dry_run)

        async def clean() -> CleanupResult:
            cleaned = await ServiceCleanup(self.client, sender, KEY, revert=True).run(service, report)
            if cleaned.problem:
                return cleaned
            deleted = await sender.delete(SERVICE_COVERAGE, KEY, uid=report.uid)
            return CleanupResult(cleaned.done + deleted.done, deleted.problem)

        return asyncio.run(clean())

    def sent(self, method: str) -> int:
        return sum(call.method == method for call in self.client.calls)


CONFLICT = failure(409, "Conflict", "the object has been modified")


def test_a_conflict_is_looked_at_again() -> None:
    api = Api(PATCH=[CONFLICT, failure(422, "Invalid", "test failed")])
    assert api.clean() == CleanupResult((REMOVED, DELETED))
    assert api.sent("PATCH") == 3


def test_a_write_that_took_effect_without_an_answer_is_reported() -> None:
    api = Api(PATCH=[ConnectionResetError("reset")])
    assert api.clean() == CleanupResult((REMOVED, DELETED))


@pytest.mark.parametrize(
    ("answer", "writes"),
    [
        pytest.param(CONFLICT, TRIES, id="a conflict each time"),
        pytest.param(failure(403, "Forbidden", "no"), 1, id="forbidden"),
        pytest.param(failure(500, "InternalError", "no"), 3, id="the server's own fault"),
    ],
)
def test_a_refusal_keeps_the_report(answer: Answer, writes: int) -> None:
    api = Api(PATCH=[answer] * 20)
    result = api.clean()
    assert result.done == ()
    assert result.problem.startswith(f"Service shop/web: {answer[0]} ")
    assert api.sent("PATCH") == writes
    assert api.sent("DELETE") == 0


def test_what_is_gone_meanwhile_needs_nothing() -> None:
    api = Api()
    api.there = False
    assert api.clean() == CleanupResult()


def test_a_report_that_now_belongs_to_another_service_is_reported() -> None:
    result = Api(DELETE=[CONFLICT]).clean()
    assert result.done == (REMOVED,)
    assert "409 Conflict" in result.problem


def test_a_report_that_a_finalizer_holds_is_not_deleted() -> None:
    api = Api()
    api.deletion = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b", "c/d"]}}
    assert api.clean() == CleanupResult(
        (REMOVED,), "ServiceCoverage shop/web: it stays until its finalizers are removed: a/b, c/d"
    )


@pytest.mark.parametrize("revert", [False, True])
def test_what_was_done_is_printed_before_the_report_is_deleted(
    revert: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A kill in between loses no name: the report stays, and the next run prints the line again."""
    api = cluster_by("etpguard-remediation")
    api.service["status"]["conditions"].append({**CONDITION, "type": "x"})
    api.carries_out_rollbacks = True
    printed: list[str] = []
    inner = api.client.answer

    def answer(call: Call) -> Answer:
        if call.method == "DELETE":
            printed.append(capsys.readouterr().out)
        return inner(call)

    api.client.answer = answer
    options = UninstallOptions(revert=revert, dry_run=False, force=False, lease="etpguard")
    service, report = decode_item(SERVICE, api.service), decode_item(SERVICE_COVERAGE, api.report)
    assert isinstance(service, Service)
    assert isinstance(report, ServiceCoverage)
    asyncio.run(Uninstall(api.client, Connection.__new__(Connection), options).clean([(KEY, service, report)]))
    (before,) = printed
    assert ("Service shop/web: keeps externalTrafficPolicy Cluster" in before) is not revert
    assert ("Service shop/web: externalTrafficPolicy is Local again" in before) is revert
    assert capsys.readouterr().out == f"{DELETED}\n"


def lease(version: int, holder: str = "pod-1", seconds: int = 15) -> dict[str, Any]:
    return {
        "metadata": {"name": "etpguard", "namespace": "a", "uid": "l", "resourceVersion": str(version)},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": seconds},
    }


@pytest.mark.parametrize(
    ("later", "alive", "after"),
    [
        pytest.param(lambda second: [lease(2 if second > 3 else 1)], True, 4, id="renewed"),
        pytest.param(lambda second: [lease(1)], False, 19, id="left to run out"),
        pytest.param(lambda second: [lease(2 if second > 17 else 1, "pod-2")], True, 18, id="run out and taken"),
        pytest.param(lambda second: [lease(2, "")], False, 5, id="handed over"),
        pytest.param(lambda second: [lease(2, "pod-2")], True, 1, id="taken over"),
        pytest.param(
            lambda second: [lease(3, "pod-2") if second > 3 else lease(2, "")], True, 4, id="handed over and taken"
        ),
        pytest.param(lambda second: [], False, 1, id="deleted"),
    ],
)
def test_whether_a_holder_is_at_work(later: Callable[[float], list[Any]], alive: bool, after: float) -> None:
    found, took, left = watched([lease(1)], later)
    assert (found is not None) == alive
    assert took == pytest.approx(after, abs=0.1)
    assert [str(each.version) for each in left] == [each["metadata"]["resourceVersion"] for each in later(took)]


def test_a_released_lease_may_still_be_taken_by_a_standby() -> None:
    found, took, _ = watched([lease(1, "")], lambda second: [lease(2, "pod-2") if second > 2 else lease(1, "")])
    assert found is not None
    assert found.holder == "pod-2"
    assert took == pytest.approx(3, abs=0.1)


def test_without_a_lease_there_is_nothing_to_wait_for() -> None:
    assert watched([], lambda second: []) == (None, 0, [])


def watched(first: list[Any], later: Callable[[float], list[Any]]) -> tuple[Lease | None, float, list[Lease]]:
    """Who was found at work, after how many seconds, and the Leases as last seen; `later` gives the Leases that
    there are after so many seconds."""
    clock = Clock()
    began = clock.now
    items = list(first)
    api = FakeApi(lambda call: ok({"metadata": {"resourceVersion": "9"}, "items": items}))

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        items[:] = later(clock.now - began)

    watch = LeaseWatch(Writer(api, clock=clock, sleep=sleep), "etpguard", clock=clock, sleep=sleep)

    async def look() -> Lease | None:
        await watch.look()
        return await watch.renewed()

    found = asyncio.run(look())
    assert ("fieldSelector", "metadata.name=etpguard") in api.calls[0].query
    return found, clock.now - began, watch.seen


@pytest.mark.parametrize(
    ("leases", "reports", "warned"),
    [
        pytest.param(
            [], [{"metadata": {"name": "web", "namespace": "shop", "uid": "r"}}], True, id="of another name"
        ),
        pytest.param([], [], False, id="and nothing to remove"),
        pytest.param(
            [lease(1, "")], [{"metadata": {"name": "web", "namespace": "shop", "uid": "r"}}], False, id="released"
        ),
    ],
)
def test_a_lease_that_is_missing_is_named(
    leases: list[Any],
    reports: list[Any],
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def answer(call: Call) -> Answer:
        return ok({"metadata": {"resourceVersion": "9"}, "items": leases} if call.method == "GET" else {})

    assert run_uninstall(answer, reports, monkeypatch) == 0
    assert ("no Lease is named etpguard" in capsys.readouterr().err) is warned


def test_a_forced_run_says_that_it_cannot_read_the_leases(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It then neither knows that no operator runs nor that no Lease is left."""
    assert run_uninstall(lambda call: failure(403, "Forbidden", "no"), [], monkeypatch, force=True) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "etpguard: the Lease stays, because Leases cannot be read: 403 Forbidden: no\n"


def run_uninstall(
    answer: Callable[[Call], Answer], reports: list[Any], monkeypatch: pytest.MonkeyPatch, *, force: bool = False
) -> int:
    """Of a cluster without Services."""

    def listed(connection: Connection, kind: Kind[R]) -> Listing[R]:
        items = reports if kind.name == "ServiceCoverage" else []
        page = decode_page(kind, json.dumps({"metadata": {"resourceVersion": "9"}, "items": items}).encode())
        return Listing(page.items, page.rejects)

    monkeypatch.setattr(uninstall, "list_kind", listed)
    monkeypatch.setattr(operator_leases, "STANDBY_SECONDS", 0.0)
    options = UninstallOptions(revert=False, dry_run=False, force=force, lease="etpguard")
    return asyncio.run(Uninstall(FakeApi(answer), Connection.__new__(Connection), options).run())


def test_the_report_of_a_service_that_cannot_be_read_is_kept() -> None:
    def meta(name: str) -> dict[str, Any]:
        return {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1"}

    def listing(kind: Kind[R], items: list[Any]) -> Listing[R]:
        page = decode_page(kind, json.dumps({"metadata": {"resourceVersion": "9"}, "items": items}).encode())
        return Listing(page.items, page.rejects)

    services = listing(SERVICE, [{"metadata": meta("odd"), "spec": "?"}, {"metadata": meta("plain"), "spec": {}}])
    reports = listing(SERVICE_COVERAGE, [{"metadata": meta(name)} for name in ("plain", "odd", "gone")])
    assert [reject.key.name for reject in services.rejects] == ["odd"]
    assert [
        (key.name, service is not None, report is not None)
        for key, service, report in left_behind(services, reports)
    ] == [("gone", False, True), ("plain", True, True)]


REMEDIATED = {"status": {"remediation": {"phase": "Applied", "serviceUID": "u"}}}
UNREADABLE = {"status": {"remediation": {"phase": "PhaseOfALaterVersion", "serviceUID": "u"}}}


@pytest.mark.parametrize("managers", [(), ("etpguard-remediation",)])
def test_a_record_of_a_later_version_is_not_lost(managers: tuple[str, ...]) -> None:
    """Only the record has the former healthCheckNodePort, and may be the only trace of the remediation."""
    api = cluster_by(*managers)
    api.report |= UNREADABLE
    result = api.clean()
    assert result.done == ()
    assert "has a record that this version of etpguard cannot read" in result.problem
    assert (api.sent("PATCH"), api.sent("DELETE")) == (0, 0)


def test_a_forced_rollback_goes_without_such_a_record() -> None:
    api = cluster_by("etpguard-remediation")
    api.report |= UNREADABLE
    api.carries_out_rollbacks = True
    back = asyncio.run(Rollback(api.client, KEY, force=True).run())
    assert (back.changed, back.recorded) == (True, False)


@pytest.mark.parametrize(
    ("report", "recorded"),
    [
        pytest.param(REMEDIATED, True, id="the report has the record"),
        pytest.param({}, False, id="the report was deleted, and another one was made"),
        pytest.param(
            {"status": {"remediation": {"phase": "Applied", "serviceUID": "another"}}},
            False,
            id="the record is that of a former Service",
        ),
    ],
)
def test_a_rollback_knows_whether_an_operator_will_leave_the_service_alone(
    report: dict[str, Any], recorded: bool
) -> None:
    api = cluster_by("etpguard-remediation")
    api.report |= report
    api.carries_out_rollbacks = True
    back = asyncio.run(Rollback(api.client, KEY).run())
    assert (back.changed, back.recorded) == (True, recorded)


def test_a_service_that_takes_no_policy_any_more_needs_no_rollback() -> None:
    api = Api()
    api.service["spec"] = {"type": "ClusterIP"}
    api.report |= REMEDIATED
    assert api.clean() == CleanupResult((REMOVED, DELETED))


def test_a_rollback_of_what_takes_no_policy_says_so() -> None:
    api = Api()
    api.service["spec"] = {"type": "ClusterIP"}
    with pytest.raises(Failure, match=r"^Service shop/web: type ClusterIP has no externalTrafficPolicy$"):
        asyncio.run(Rollback(api.client, KEY).run())
    assert api.sent("PATCH") == 0


def test_a_failure_names_the_service_once() -> None:
    api = Api()
    api.service["spec"] = {"type": "NodePort", "externalTrafficPolicy": "Cluster"}
    api.report |= REMEDIATED
    api.there = False
    assert api.clean() == CleanupResult((), "Service shop/web does not exist")


def managed(*managers: str) -> list[dict[str, Any]]:
    """managedFields in which these managers own externalTrafficPolicy."""
    owned: dict[str, Any] = {"f:spec": {"f:externalTrafficPolicy": {}}}
    return [
        {"manager": manager, "operation": "Update", "time": f"2026-01-01T00:00:0{n}Z", "fieldsV1": owned}
        for n, manager in enumerate(managers)
    ]


def cluster_by(*managers: str) -> Api:
    api = Api()
    api.service["spec"] = {"type": "NodePort", "externalTrafficPolicy": "Cluster"}
    api.service["metadata"]["managedFields"] = managed(*managers)
    return api


MANAGES_NOTHING = "Service shop/web: etpguard manages no field any more"


def with_a_condition_of_its_own() -> Api:
    """The operator wrote only the condition: the removal of the condition ends its ownership too."""
    api = Api()
    owned: dict[str, Any] = {"f:status": {"f:conditions": {'k:{"type":"etpguard.dev/Covered"}': {}}}}
    entry = {"manager": "etpguard", "operation": "Apply", "subresource": "status", "fieldsV1": owned}
    api.service["metadata"]["managedFields"] = [entry]
    return api


def remediated_by_record() -> Api:
    """Another client has cleared managedFields: only the rollback makes an entry that has to go."""
    api = Api()
    api.service["spec"] = {"type": "NodePort", "externalTrafficPolicy": "Cluster"}
    api.report |= REMEDIATED
    api.carries_out_rollbacks = True
    return api


@pytest.mark.parametrize(
    ("api", "first"),
    [
        pytest.param(with_a_condition_of_its_own, (), id="a condition"),
        pytest.param(
            remediated_by_record, ("Service shop/web: externalTrafficPolicy is Local again",), id="a remediation"
        ),
    ],
)
def test_a_dry_run_and_the_real_run_print_the_same_lines(api: Callable[[], Api], first: tuple[str, ...]) -> None:
    lines = (*first, REMOVED, MANAGES_NOTHING, DELETED)
    assert api().clean(dry_run=True) == CleanupResult(lines)
    assert api().clean() == CleanupResult(lines)


def test_a_rollback_leaves_what_the_owner_declares_by_now() -> None:
    api = cluster_by("etpguard-remediation", "helm")
    back = asyncio.run(Rollback(api.client, KEY).run())
    assert str(back) == "keeps externalTrafficPolicy Cluster, because helm declares it now"
    assert api.sent("PATCH") == 0


def test_an_entry_that_the_api_server_merged_declares_nothing() -> None:
    """Beyond ten managers the API server merges the oldest entries (apimachinery v0.37.2 capmanagers.go)."""
    api = cluster_by("ancient-changes")
    api.report |= REMEDIATED
    api.carries_out_rollbacks = True
    assert asyncio.run(Rollback(api.client, KEY).run()).changed


def test_a_forced_rollback_does_not() -> None:
    api = cluster_by("etpguard-remediation", "helm")
    with pytest.raises(Failure, match="still has externalTrafficPolicy Cluster"):  # this API keeps Cluster
        asyncio.run(Rollback(api.client, KEY, force=True).run())
    assert api.sent("PATCH") == 1


def test_a_rollback_that_the_api_server_accepts_and_does_not_carry_out_is_a_failure() -> None:
    api = cluster_by("etpguard-remediation")
    with pytest.raises(Failure, match="a mutating webhook or admission policy sets it"):
        asyncio.run(Rollback(api.client, KEY).run())


def test_the_login_page_of_a_proxy_is_a_problem_of_the_service() -> None:
    api = cluster_by("etpguard-remediation")
    api.client.answer = lambda call: (200, b"<html>log in</html>", {})
    result = api.clean()
    assert result.done == ()
    assert result.problem.startswith("Service shop/web: the server answered 200 with something else")


def test_both_conditions_are_removed() -> None:
    api = Api()
    inside = "etpguard.dev/CoveredInternally"
    api.service["status"]["conditions"] = [{**CONDITION, "type": inside}, {**CONDITION, "type": "x"}, CONDITION]
    removed = f"Service shop/web: condition {inside} removed"
    assert api.clean() == CleanupResult((REMOVED, removed, DELETED))
    assert [condition["type"] for condition in api.service["status"]["conditions"]] == ["x"]
