"""Whether the operator is confined, judged by what the API server answers to a write that it must refuse."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml

from etpguard.kube.confinement import Confined, ConfinementCheck, forbidden_writes
from tests.kube.fake_api import Answer, Call, FakeApi, failure, ok

POLICY = failure(
    403,
    "Forbidden",
    "services \"kubernetes\" is forbidden: ValidatingAdmissionPolicy 'etpguard-services' with binding "
    "'etpguard-services' denied request: etpguard may change only its condition",
)
WEBHOOK = failure(403, "Forbidden", 'admission webhook "x" denied the request: no')
OTHER_POLICY = failure(
    422,
    "Invalid",
    "services \"kubernetes\" is forbidden: ValidatingAdmissionPolicy 'x' with binding 'x' denied request: no",
)
RBAC = failure(
    403, "Forbidden", 'services "kubernetes" is forbidden: User "u" cannot patch resource "services" in …'
)
NO_DRY_RUN = failure(400, "BadRequest", 'admission webhook "x" does not support dry run')


class Check:
    """A check on an API server that gives the answers in turn, the last one for ever."""

    def __init__(self, *answers: Answer, rbac_proves: bool = True) -> None:
        left = list(answers)
        self.api = FakeApi(lambda call: left.pop(0) if len(left) > 1 else left[0])
        self.results: list[Confined] = []
        self.check = ConfinementCheck(
            self.api,
            conditions=True,
            remediation=True,
            rbac_proves=rbac_proves,
            interval=600,
            on_result=self.results.append,
        )

    def once(self) -> Confined:
        return asyncio.run(self.check.check())


@pytest.mark.parametrize(
    ("answers", "confined", "problem"),
    [
        pytest.param([POLICY], Confined.CONFINED, "", id="an admission policy refuses"),
        pytest.param([WEBHOOK, ok(), POLICY], Confined.CONFINED, "", id="a webhook refuses this alone"),
        pytest.param([OTHER_POLICY, ok(), POLICY], Confined.CONFINED, "", id="another policy refuses this alone"),
        pytest.param([WEBHOOK], Confined.UNKNOWN, "not known", id="a webhook refuses what changes nothing, too"),
        pytest.param([POLICY, OTHER_POLICY], Confined.UNKNOWN, "not known", id="another policy refuses all"),
        pytest.param([WEBHOOK, RBAC, POLICY], Confined.UNKNOWN, "not known", id="a permission that ended between"),
        pytest.param(
            [WEBHOOK, WEBHOOK, ok()], Confined.OPEN, "permits", id="a webhook refuses all of one resource"
        ),
        pytest.param([POLICY, RBAC], Confined.CONFINED, "", id="RBAC refuses the other"),
        pytest.param(
            [ok()], Confined.OPEN, "permits etpguard to patch services/status beyond", id="both are permitted"
        ),
        pytest.param(
            [POLICY, ok()], Confined.OPEN, "permits etpguard to patch services beyond", id="one is permitted"
        ),
        pytest.param([NO_DRY_RUN, POLICY], Confined.UNKNOWN, "not known", id="a webhook without dry run"),
        pytest.param(
            [failure(404, "NotFound", "no"), POLICY], Confined.UNKNOWN, "not known", id="no such Service"
        ),
        pytest.param([failure(500, "InternalError", "etcd")], Confined.UNKNOWN, "not known", id="500"),
        pytest.param([failure(403, "Forbidden", "terminating")], Confined.UNKNOWN, "not known", id="another 403"),
        pytest.param([failure(500, "InternalError", "etcd"), ok()], Confined.OPEN, "permits", id="500, permitted"),
    ],
)
def test_what_an_answer_means(answers: list[Answer], confined: Confined, problem: str) -> None:
    check = Check(*answers)
    assert check.once() is confined
    assert check.results == [confined]
    assert all(problem in each for each in check.check.problems())
    assert bool(check.check.problems()) == bool(problem)


def test_no_answer_proves_nothing() -> None:
    def silent(call: Call) -> Answer:
        raise ConnectionResetError("reset")

    check = Check(POLICY)
    check.api.answer = silent
    assert check.once() is Confined.UNKNOWN


def test_rbac_in_one_namespace_proves_nothing_about_others() -> None:
    check = Check(RBAC, rbac_proves=False)
    assert check.once() is Confined.UNKNOWN
    assert Check(POLICY, rbac_proves=False).once() is Confined.CONFINED
    assert Check(ok(), rbac_proves=False).once() is Confined.OPEN


def test_every_write_is_a_dry_run() -> None:
    check = Check(POLICY)
    check.once()
    assert len(check.api.calls) == 2
    assert all(("dryRun", "All") in call.query for call in check.api.calls)


def test_what_another_refuses_is_tried_without_its_change() -> None:
    check = Check(WEBHOOK, ok(), WEBHOOK, ok())
    check.once()
    status, status_unchanged, labels, unchanged = check.api.calls
    assert all(("dryRun", "All") in call.query for call in check.api.calls)
    assert (status_unchanged.path, unchanged.path) == (status.path, labels.path)
    name = {"name": "kubernetes", "namespace": "default"}
    for call in (status_unchanged, unchanged):
        assert call.body == {"apiVersion": "v1", "kind": "Service", "metadata": name}


POLICIES = Path(__file__).parents[2] / "manifests" / "base" / "admission-policy.yaml"


def test_a_refusal_by_the_policy_of_the_manifests_needs_no_other_request() -> None:
    """The two validations that refuse the dry runs, in its words."""
    says = "ValidatingAdmissionPolicy 'x' with binding 'x' denied request"
    policy, *_ = yaml.load_all(POLICIES.read_text(), yaml.CSafeLoader)
    said = [each["message"] for each in policy["spec"]["validations"]]
    for words in ("changes no metadata", "may change only the conditions"):
        (message,) = (each for each in said if words in each)
        check = Check(failure(403, "Forbidden", f"{says}: {message}"))
        assert (check.once(), len(check.api.calls)) == (Confined.CONFINED, 2)


@pytest.mark.parametrize(
    ("conditions", "remediation", "resources"),
    [
        pytest.param(True, True, ["services/status", "services"], id="both"),
        pytest.param(True, False, ["services/status"], id="conditions"),
        pytest.param(False, True, ["services"], id="remediation"),
        pytest.param(False, False, [], id="neither"),
    ],
)
def test_only_what_the_operator_may_write_is_tried(
    conditions: bool, remediation: bool, resources: list[str]
) -> None:
    writes = forbidden_writes(conditions=conditions, remediation=remediation)
    assert [write.resource for write in writes] == resources


def test_a_problem_is_logged_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    check = Check(ok(), ok(), POLICY)
    for _ in range(3):
        check.once()
    assert check.results == [Confined.OPEN, Confined.OPEN, Confined.CONFINED]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert check.check.problems() == []
