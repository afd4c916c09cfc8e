"""What is remembered of Services that are gone, or not in the picture as they are."""

from __future__ import annotations

import pytest

from etpguard.assess import picture_for
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key, Remediation, decode_item
from etpguard.remediate.kinds import REMEDIATION_KINDS
from etpguard.remediate.memory import CREATED_AGAIN, RemediationMemory
from etpguard.report.service_coverage import LONGEST_BUDGET as WEEK
from etpguard.report.service_coverage import LONGEST_DRIFT as MONTH
from tests.remediate.given import NOW, record

KEY = Key("default", "web")
HOUR = 3600.0


def spent(uid: str = "u1") -> Remediation:
    return record(service_uid=uid, intents=("2026-11-26T00:00:00Z",))


class Remembering:
    """A memory that has seen a record of a Service, and the picture that it is compared with."""

    def __init__(self) -> None:
        self.now = 0.0
        self.picture = picture_for((), REMEDIATION_KINDS)
        self.memory = RemediationMemory(self.picture, lambda: self.now, lambda: NOW + self.now)
        self.memory.note(KEY, spent(), 7, "u1", 5)

    def services(self, *uids: str) -> None:
        """The picture has the Service under this uid, or none."""
        store = self.picture.store(SERVICE)
        store.clear()
        for uid in uids:
            meta = {"namespace": KEY.namespace, "name": KEY.name, "uid": uid, "resourceVersion": "1"}
            store.replace([decode_item(SERVICE, {"metadata": meta, "spec": {}})])

    def departed(self, *uids: str, at: float) -> list[Remediation]:
        self.now = at
        self.services(*uids)
        return self.memory.departed()


def test_what_was_spent_on_a_service_that_exists_is_in_its_report_alone() -> None:
    assert Remembering().departed("u1", at=1.0) == []


def test_what_was_spent_on_one_that_is_gone_counts_for_the_longest_window() -> None:
    given = Remembering()
    assert given.departed(at=1.0) == [spent()]
    assert given.departed(at=WEEK) == [spent()]
    assert given.departed(at=WEEK + 2) == []


def test_a_service_that_is_made_again_takes_no_account_with_it() -> None:
    """The picture shows another uid under the name: whichever of the two is the older, it was spent."""
    given = Remembering()
    for at in (1.0, 2.0, HOUR + 1, HOUR + 2):
        assert given.departed("u2", at=at) == [spent()], at


def test_a_report_that_is_gone_takes_no_account_with_it() -> None:
    given = Remembering()
    given.now = 1.0
    given.memory.note(KEY, None, 0, "u1", 9)
    assert given.departed("u1", at=2.0) == [spent()]


def test_nor_does_it_once_the_new_service_was_read() -> None:
    given = Remembering()
    given.now = 1.0
    given.memory.note(KEY, None, 0, "u2", 9)
    assert given.departed("u2", at=2.0) == [spent()]
    assert given.departed("u1", at=3.0) == [spent()]  # the picture is behind


def test_a_restore_of_etcd_undoes_what_was_seen_and_not_what_was_spent() -> None:
    given = Remembering()
    given.memory.note(KEY, spent(), 9, "u1", 9)
    given.services("u1")
    service = given.picture.get(SERVICE, KEY)
    assert service is not None
    given.picture.store(SERVICE_COVERAGE).begin_list(3)
    given.picture.store(SERVICE_COVERAGE).end_list(3, set())
    assert given.memory.behind(service)
    assert given.memory.remediation(KEY) == spent()
    given.memory.etcd_restored()
    assert not given.memory.behind(service)
    assert given.memory.remediation(KEY) is None
    assert given.departed("u1", at=1.0) == [spent()]


@pytest.mark.parametrize(
    ("list_version", "known"),
    [
        pytest.param(6, True, id="a list from before the write does not show it yet"),
        pytest.param(7, False, id="a list from after the write shows that the report is gone"),
    ],
)
def test_not_shown_yet_is_not_gone(list_version: int, known: bool) -> None:
    given = Remembering()
    store = given.picture.store(SERVICE_COVERAGE)
    store.begin_list(list_version)
    store.end_list(list_version, set())
    assert given.memory.remediation(KEY) == (spent() if known else None)


def test_a_delete_of_the_report_is_noticed_at_once() -> None:
    given = Remembering()
    given.picture.store(SERVICE_COVERAGE).delete(KEY, 8)
    assert given.memory.remediation(KEY) is None


def test_a_service_created_again_counts_as_a_revert_although_the_name_was_free_for_a_while() -> None:
    given = Remembering()
    given.departed(at=1.0)
    assert given.memory.former_reverts(KEY) == ()
    given.services("u2")
    assert [revert.manager for revert in given.memory.former_reverts(KEY)] == [CREATED_AGAIN]
    assert len(given.memory.former_reverts(KEY)) == 1, "it counts once"


def test_nor_does_it_matter_for_how_long_the_service_was_steady() -> None:
    given = Remembering()
    given.departed(at=WEEK + 1)
    given.services("u2")
    assert [revert.manager for revert in given.memory.former_reverts(KEY)] == [CREATED_AGAIN]


def test_a_service_that_was_out_of_sight_is_none_that_was_created_again() -> None:
    given = Remembering()
    given.departed(at=1.0)
    given.services("u1")
    assert given.memory.former_reverts(KEY) == ()


def test_a_name_that_was_free_for_longer_than_the_longest_window_starts_without_history() -> None:
    given = Remembering()
    given.departed(at=1.0)
    given.departed(at=WEEK + 1)
    given.services("u2")
    assert given.memory.former_reverts(KEY) == ()


def test_reverts_count_while_a_service_has_the_name_and_for_the_longest_drift_after_it_is_gone() -> None:
    given = Remembering()
    given.memory.note(KEY, None, 0, "u2", 9)
    given.departed("u2", at=MONTH + 1)
    assert [revert.manager for revert in given.memory.former_reverts(KEY)] == [CREATED_AGAIN]
    given.departed(at=MONTH + 2)
    given.departed(at=MONTH + WEEK + 1)
    assert given.memory.former_reverts(KEY) != (), "another Service may still take the name"
    given.departed(at=MONTH + WEEK + 2)
    assert given.memory.former_reverts(KEY) == ()


def test_reverts_of_a_name_that_is_free_again_stay_for_the_longest_drift() -> None:
    given = Remembering()
    given.departed(at=1.0)
    given.services("u2")
    assert given.memory.former_reverts(KEY) != ()
    given.departed(at=MONTH)
    assert given.memory.former_reverts(KEY) != ()
    given.departed(at=MONTH + 1)
    assert given.memory.former_reverts(KEY) == ()
