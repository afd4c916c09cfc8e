"""What is remembered of Services that are gone, or not in the picture as they are."""

from __future__ import annotations

from etpguard.objects import Key, Remediation
from etpguard.remediate.memory import RemediationMemory
from tests.remediate.given import record

KEY = Key("default", "web")
HOUR = 3600.0
WEEK = 604800.0


def spent(uid: str = "u1") -> Remediation:
    return record(service_uid=uid, intents=("2026-11-26T00:00:00Z",))


def remembering(uid: str = "u1") -> RemediationMemory:
    memory = RemediationMemory()
    memory.note(KEY, spent(uid), 7, 0.0, (uid, 5))
    return memory


def test_what_was_spent_on_a_service_that_stands_is_told_by_its_report_alone() -> None:
    assert remembering().departed({KEY: "u1"}, 1.0) == []


def test_what_was_spent_on_one_that_is_gone_counts_for_the_longest_window() -> None:
    memory = remembering()
    assert memory.departed({}, 1.0) == [spent()]
    assert memory.departed({}, WEEK) == [spent()]
    assert memory.departed({}, WEEK + 2) == []


def test_one_that_is_made_anew_takes_no_account_with_it() -> None:
    """The picture shows another uid under the name: whichever of the two is the older, it was spent."""
    memory = remembering()
    for now in (1.0, 2.0, HOUR + 1, HOUR + 2):
        assert memory.departed({KEY: "u2"}, now) == [spent()], now


def test_a_report_that_is_gone_takes_no_account_with_it() -> None:
    memory = remembering()
    memory.note(KEY, None, 0, 1.0, ("u1", 9))
    assert memory.departed({KEY: "u1"}, 2.0) == [spent()]


def test_nor_does_it_once_the_new_one_was_read() -> None:
    memory = remembering()
    memory.note(KEY, None, 0, 1.0, ("u2", 9))
    assert memory.departed({KEY: "u2"}, 2.0) == [spent()]
    assert memory.departed({KEY: "u1"}, 3.0) == [spent()]  # the picture is behind
