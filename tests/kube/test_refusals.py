"""Which refusals hold for more than the object they were about, where, and until when."""

from __future__ import annotations

import pytest

from etpguard.kube import verbs
from etpguard.kube.errors import ApiError
from etpguard.kube.refusals import Refusals
from etpguard.kube.verbs import Request
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key

RBAC = ApiError(403, "Forbidden", 'services "web" is forbidden: User "u" cannot patch resource "services"')
HOLD = 60.0


def patch(namespace: str = "ns", name: str = "web") -> Request:
    return verbs.json_patch(SERVICE, Key(namespace, name), [], manager="tests")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(RBAC, f"may not patch services: {RBAC.message}", id="the authorizer's word"),
        pytest.param(
            ApiError(404, "", "404 page not found"),
            "services is not served: its CustomResourceDefinition is not installed",
            id="a path that is unknown",
        ),
        pytest.param(
            ApiError(404, "NotFound", 'services "web" not found'), None, id="an object that is not there"
        ),
        pytest.param(
            ApiError(403, "Forbidden", 'admission webhook "x" denied the request'),
            None,
            id="an admission plugin's",
        ),
        pytest.param(
            ApiError(403, "Forbidden", "unable to create: namespace ns is being terminated"),
            None,
            id="a namespace's end",
        ),
        pytest.param(ApiError(409, "Conflict", 'User "u" cannot win'), None, id="a conflict"),
        pytest.param(ApiError(0, "", "no answer"), None, id="silence"),
    ],
)
def test_what_is_a_refusal_of_more_than_one_object(error: ApiError, expected: str | None) -> None:
    refusals = Refusals(HOLD)
    assert refusals.note(patch(), error, 0) == expected
    assert refusals.problems(0) == ([expected] if expected else [])
    assert refusals.of(patch(name="other"), 1) == ((expected, 59.0) if expected else None)


def test_it_is_news_once() -> None:
    refusals = Refusals(HOLD)
    assert refusals.note(patch(), RBAC, 0)
    assert refusals.note(patch(), RBAC, 1) is None
    assert refusals.note(patch("elsewhere"), RBAC, 2) is None


@pytest.mark.parametrize(
    ("request_", "now", "held"),
    [
        pytest.param(patch(), 59, True, id="as long as it holds"),
        pytest.param(patch(), 60, False, id="no longer"),
        pytest.param(patch("elsewhere"), 1, False, id="another namespace"),
        pytest.param(verbs.get(SERVICE, Key("ns", "web")), 1, False, id="another verb"),
        pytest.param(
            verbs.json_patch(SERVICE_COVERAGE, Key("ns", "web"), [], manager="tests"), 1, False, id="another kind"
        ),
    ],
)
def test_where_and_how_long_rbac_holds(request_: Request, now: float, held: bool) -> None:
    refusals = Refusals(HOLD)
    refusals.note(patch(), RBAC, 0)
    assert (refusals.of(request_, now) is not None) is held


def test_a_kind_that_is_not_served_is_so_in_every_namespace() -> None:
    refusals = Refusals(HOLD)
    refusals.note(patch(), ApiError(404, "", "404 page not found"), 0)
    assert refusals.of(patch("elsewhere"), 59)
    assert refusals.of(patch("elsewhere"), 60) is None


def test_refused_in_eight_namespaces_it_is_taken_as_refused_in_all() -> None:
    refusals = Refusals(HOLD)
    for number in range(7):
        refusals.note(patch(f"ns{number}"), RBAC, number)
    assert refusals.of(patch("elsewhere"), 10) is None
    refusals.note(patch("ns7"), RBAC, 7)
    found = refusals.of(patch("elsewhere"), 10)
    assert found is not None
    assert found[1] == 57.0, "as long as the last of them"


def test_unless_one_namespace_allows_it() -> None:
    refusals = Refusals(HOLD)
    for number in range(9):
        refusals.note(patch(f"ns{number}"), RBAC, 0)
    assert refusals.allowed(patch("ns0")) is None, "the others stand"
    assert refusals.of(patch("elsewhere"), 1) is None
    assert refusals.of(patch("ns1"), 1)


def test_the_last_success_ends_it_and_says_so() -> None:
    refusals = Refusals(HOLD)
    refusals.note(patch("a"), RBAC, 0)
    refusals.note(patch("b"), RBAC, 0)
    assert refusals.allowed(patch("a")) is None
    assert refusals.allowed(patch("b")) == "may patch services again"
    assert refusals.problems(0) == []
    assert refusals.allowed(patch("b")) is None, "nothing was wrong"


def test_a_refusal_that_does_not_recur_is_reported_for_a_quarter_of_an_hour() -> None:
    """Of what is not wanted any more no success will ever tell."""
    refusals = Refusals(HOLD)
    refusals.note(patch(), RBAC, 0)
    refusals.note(patch(), RBAC, 700)
    assert refusals.problems(1599)
    assert refusals.problems(1600) == []
    assert refusals.note(patch(), RBAC, 1601), "then it is news again"
