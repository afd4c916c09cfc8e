"""When the picture is whole and fresh, and which problems are reported otherwise."""

from __future__ import annotations

import pytest

from etpguard.intake.freshness import Access, Freshness
from etpguard.objects import INGRESS, NODE, SERVICE, AnyKind

INTERVAL = 600.0
NOW = 10_000.0


def freshness() -> Freshness:
    """One required kind and one that is not, both just listed."""
    made = Freshness([SERVICE, INGRESS], INTERVAL, lambda: NOW)
    for status in made.kinds.values():
        status.access, status.began = Access.READ, NOW - 10
    return made


def set_status(made: Freshness, kind: AnyKind, **fields: object) -> None:
    for name, value in fields.items():
        setattr(made.kinds[kind], name, value)


def test_all_listed_and_nothing_pending_is_whole_and_fresh() -> None:
    assert freshness().picture_status() == (True, True, ())
    assert freshness().not_ready() == ()


@pytest.mark.parametrize(
    ("kind", "fields", "whole", "fresh", "ready", "words"),
    [
        pytest.param(
            SERVICE, {"access": Access.UNTRIED, "began": None}, False, False, False, "services: not listed yet",
            id="a required kind never listed",
        ),
        pytest.param(
            SERVICE, {"access": Access.UNTRIED, "began": None, "problem": "no route"}, False, False, False,
            "services: no route", id="the reason why not",
        ),
        pytest.param(
            SERVICE, {"access": Access.FORBIDDEN, "began": None, "problem": "403: no"}, False, False, False,
            "services: 403: no", id="a required kind forbidden from the start",
        ),
        pytest.param(
            SERVICE, {"access": Access.FORBIDDEN, "problem": "403: no"}, True, False, False,
            "services: 403: no", id="a required kind forbidden later",
        ),
        pytest.param(
            SERVICE, {"began": NOW - 2 * INTERVAL}, True, False, False, "services: last listed 1200 s ago",
            id="two intervals old",
        ),
        pytest.param(
            SERVICE, {"began": NOW - 2 * INTERVAL, "problem": "no route"}, True, False, False,
            "services: last listed 1200 s ago: no route", id="two intervals old, and why",
        ),
        pytest.param(
            SERVICE, {"pending": True}, True, False, True, "services: a list is pending", id="a list pending"
        ),
        pytest.param(
            INGRESS, {"access": Access.UNTRIED, "began": None}, True, False, False,
            "ingresses.networking.k8s.io: not listed yet", id="another kind not tried",
        ),
        pytest.param(
            INGRESS, {"access": Access.FORBIDDEN, "began": None, "problem": "403: no"}, True, True, True,
            "ingresses.networking.k8s.io: 403: no", id="another kind forbidden",
        ),
        pytest.param(
            INGRESS, {"access": Access.FAILING, "began": None, "problem": "503"}, True, True, True,
            "ingresses.networking.k8s.io: 503", id="another kind failing for long",
        ),
        pytest.param(
            INGRESS, {"began": NOW - 2 * INTERVAL}, True, False, True,
            "ingresses.networking.k8s.io: last listed 1200 s ago", id="another kind two intervals old",
        ),
        pytest.param(
            INGRESS, {"pending": True}, True, False, True, "ingresses.networking.k8s.io: a list is pending",
            id="another kind's list pending",
        ),
    ],
)  # fmt: skip
def test_what_is_missing(
    kind: AnyKind, fields: dict[str, object], whole: bool, fresh: bool, ready: bool, words: str
) -> None:
    made = freshness()
    set_status(made, kind, **fields)
    assert made.picture_status() == (whole, fresh, (words,))
    assert (made.not_ready() == ()) is ready


def test_a_kind_that_is_not_served_lacks_nothing() -> None:
    made = freshness()
    set_status(made, INGRESS, access=Access.ABSENT, began=None)
    assert made.picture_status() == (True, True, ())
    assert made.not_ready() == ()


def test_a_required_kind_that_is_not_served_does() -> None:
    made = freshness()
    set_status(made, SERVICE, access=Access.ABSENT, began=None)
    assert made.picture_status() == (False, False, ("services: the API server does not serve it",))
    assert made.not_ready() == ("services: the API server does not serve it",)


def test_just_younger_than_two_intervals_is_fresh() -> None:
    made = freshness()
    set_status(made, SERVICE, began=NOW - 2 * INTERVAL + 0.1)
    assert made.picture_status().fresh


@pytest.mark.parametrize(
    ("access", "unread"),
    [
        (Access.UNTRIED, None),
        (Access.READ, None),
        (Access.ABSENT, None),
        (Access.FORBIDDEN, "no"),
        (Access.FAILING, "no"),
    ],
)
def test_what_is_unread(access: Access, unread: str | None) -> None:
    made = freshness()
    set_status(made, INGRESS, access=access, problem="no")
    assert made.kinds[INGRESS].unread == unread


@pytest.mark.parametrize(
    ("access", "served"),
    [(access, access in (Access.READ, Access.FAILING)) for access in Access],
)
def test_a_kind_that_fails_is_no_kind_without_objects(access: Access, served: bool) -> None:
    made = freshness()
    set_status(made, INGRESS, access=access)
    assert made.served(INGRESS) is served
    assert not made.served(NODE)
