"""When the status of a policy is written; the API server is a script."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from etpguard.kube.writes import Writer
from etpguard.objects.policies import CoveragePolicy
from etpguard.remediate.facts import Round
from etpguard.remediate.policy_statuses import PolicyStatuses
from tests.kube.fake_api import Call, FakeApi, ok
from tests.remediate.given import NOW, POLICY_UID, case, ledger, policy

Json = dict[str, Any]


class Given:
    """One policy, with its status as the API server keeps it."""

    def __init__(self, of_cluster_policies: bool = True) -> None:
        self.now = 1000.0
        self.version = 10
        self.policy: CoveragePolicy = policy()
        self.writes = 0
        self.statuses = PolicyStatuses(
            Writer(FakeApi(self._answer), clock=lambda: self.now),
            5,
            0.01,
            lambda: self.now,
            lambda: NOW,
            of_cluster_policies=of_cluster_policies,
        )

    def round(self) -> None:
        key = case().service.key
        of = self.policy
        self.now += 60
        made = Round({key: case(of)}, ledger(), (of,), {POLICY_UID: (key,)})
        asyncio.run(self.statuses.write(made, {}))

    def edit(self, status: Json) -> None:
        self.version += 1
        meta = msgspec.structs.replace(self.policy.metadata, resource_version=str(self.version))
        self.policy = msgspec.structs.replace(self.policy, metadata=meta, status=status)

    def reword(self) -> None:
        text = json.dumps(self.policy.status)
        assert '"message": "' in text
        self.edit(json.loads(text.replace('"message": "', '"message": "In other words: ')))

    def _answer(self, call: Call) -> Any:
        self.writes += 1
        body = json.loads(call.body) if isinstance(call.body, str) else call.body
        self.edit(body["status"])
        return ok({"metadata": {"resourceVersion": str(self.version)}})


def test_a_status_is_written_once() -> None:
    given = Given()
    for _ in range(3):
        given.round()
    assert given.writes == 1


def test_of_two_installations_neither_writes_the_status_of_a_policy_for_the_cluster(
    caplog: pytest.LogCaptureFixture,
) -> None:
    given = Given(of_cluster_policies=False)
    given.round()
    assert given.writes == 1, "of a policy for a namespace"
    meta = msgspec.structs.replace(given.policy.metadata, namespace=None)
    given.policy = msgspec.structs.replace(given.policy, metadata=meta, status=None)
    for _ in range(3):
        given.round()
    assert given.writes == 1
    (said,) = caplog.messages
    assert said.startswith("No status of a ClusterCoveragePolicy is written: ")
    assert "--second-installation allow, another installation may" in said


def test_another_release_that_words_it_differently_is_taken_over_from_without_a_write() -> None:
    given = Given()
    given.round()
    given.reword()
    given.statuses.clear()
    for _ in range(3):
        given.round()
    assert given.writes == 1


def test_words_that_another_client_overwrites_are_put_back() -> None:
    given = Given()
    given.round()
    given.round()
    given.reword()
    given.round()
    assert given.writes == 2
    assert "In other words" not in json.dumps(given.policy.status)


def test_a_fact_that_another_client_overwrites_is_put_back_after_a_new_term_too() -> None:
    given = Given()
    given.round()
    given.edit({**(given.policy.status or {}), "matchedServices": 99})
    given.statuses.clear()
    given.round()
    assert given.writes == 2
    assert (given.policy.status or {})["matchedServices"] == 1


def test_a_status_that_fails_as_nobody_foresaw_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    given, tries = Given(), []

    async def fail(*request: object) -> int:
        tries.append(request)
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(given.statuses, "_write", fail)
        given.round()
        given.round()
    assert len(tries) == 2
    given.round()
    assert given.writes == 1
