"""Leader election by a scripted Lease and a clock that only the test moves."""

from __future__ import annotations

import asyncio
import logging

import pytest

from etpguard.kube.lease import Elector, Timing
from etpguard.kube.writes import SHORTEST_SECONDS, WriteLimits, Writer
from etpguard.objects import Key
from tests.kube.fake_api import Answer, Call, failure
from tests.kube.lease_server import LeaseServer

KEY = Key("etpguard", "etpguard")


class Candidate:
    """An elector whose rounds and clock the test drives."""

    def __init__(self, server: LeaseServer, name: str, timing: Timing | None = None) -> None:
        self.now = 1000.0
        self.wall = 1_767_225_600.0
        self.changes: list[bool] = []
        self.unfit = False
        self.elector = Elector(
            server.api,
            KEY,
            name,
            timing=timing,
            unfit=lambda: self.unfit,
            on_change=self.changes.append,
            clock=lambda: self.now,
            wall=lambda: self.wall,
        )

    def round(self, after: float = 0.0) -> bool:
        self.now += after
        asyncio.run(self.elector._turn())
        return self.elector.leading

    def leave(self, quiet: bool | None = None) -> None:
        async def is_quiet(seconds: float) -> bool:
            return bool(quiet)

        asyncio.run(self.elector._leave("asked to", None if quiet is None else is_quiet))


def test_the_first_to_come_leads_and_the_second_waits() -> None:
    server = LeaseServer()
    a, b = Candidate(server, "a"), Candidate(server, "b")
    assert a.round()
    assert not b.round()
    assert (server.spec["holderIdentity"], server.spec["leaseDurationSeconds"]) == ("a", 15)
    assert (a.elector.term, a.changes, b.elector.holder) == (1, [True], "a")


def test_a_lease_is_taken_over_once_its_holder_was_silent_for_its_length_by_our_own_clock() -> None:
    server = LeaseServer()
    a, b = Candidate(server, "a"), Candidate(server, "b")
    a.round()
    b.round()
    assert not b.round(14.9)
    assert b.round(0.2)
    assert (server.spec["holderIdentity"], server.spec["leaseTransitions"]) == ("b", 1)


def test_the_log_of_a_standby_names_each_leader_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = LeaseServer()
    a, b, c = (Candidate(server, name) for name in "abc")
    a.round()
    for _ in range(5):
        c.round(2)
        a.round(2)
    assert caplog.messages == ["Leading as a", "Standing by: a leads"]
    a.leave()
    b.round()
    c.round()
    c.round(2)
    assert caplog.messages[2:] == ["No longer leading: asked to", "Leading as b", "Standing by: b leads"]


def test_the_lease_is_stamped_with_the_wall_clock_that_was_given() -> None:
    server = LeaseServer()
    a = Candidate(server, "a")
    a.round()
    a.wall += 2.5
    a.round(2.5)
    assert server.spec["acquireTime"] == "2026-01-01T00:00:00.000000Z"
    assert server.spec["renewTime"] == "2026-01-01T00:00:02.500000Z"


def test_a_wall_clock_that_differs_changes_nothing() -> None:
    server = LeaseServer()
    a, b = Candidate(server, "a"), Candidate(server, "b")
    a.round()
    assert server.lease is not None
    server.lease["spec"]["renewTime"] = "2001-01-01T00:00:00.000000Z"
    assert not b.round()
    assert not b.round(14)


def test_a_renewal_puts_off_the_others() -> None:
    server = LeaseServer()
    a, b = Candidate(server, "a"), Candidate(server, "b")
    a.round()
    acquired = server.spec["acquireTime"]
    for _ in range(20):
        assert a.round(2)
        assert not b.round(2)
    assert server.spec["acquireTime"] == acquired
    assert server.spec["leaseTransitions"] == 0


@pytest.mark.parametrize(
    ("since_renewal", "left"),
    [
        pytest.param(0.0, 13.0, id="at once"),
        pytest.param(9.0, 4.0, id="later"),
        pytest.param(13.0, 0.0, id="the margin begins"),
        pytest.param(20.0, 0.0, id="expired"),
    ],
)
def test_a_write_has_to_end_before_the_lease_does(since_renewal: float, left: float) -> None:
    a = Candidate(LeaseServer(), "a")
    assert a.elector.time_left() == 0.0
    a.round()
    a.now += since_renewal
    assert a.elector.time_left() == left


def test_a_renewal_counts_from_when_it_was_sent() -> None:
    server = LeaseServer()
    a = Candidate(server, "a")
    plain = server.api.answer

    def slow(call: Call) -> Answer:
        a.now += 2.5
        return plain(call)

    server.api.answer = slow
    a.round()  # a GET and a POST; the POST was sent 2.5 s ago
    assert a.elector.time_left() == 10.5


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(ConnectionRefusedError("refused"), id="no connection"),
        pytest.param(failure(500, "InternalError"), id="500"),
        pytest.param(failure(403, "Forbidden"), id="403"),
        pytest.param((502, b"<html>", {}), id="a proxy's page"),
        pytest.param((200, b"<html>", {}), id="no JSON"),
    ],
)
def test_a_failed_try_is_only_that(fault: Exception | Answer) -> None:
    server = LeaseServer()
    a = Candidate(server, "a")
    a.round()
    server.fault = fault
    assert a.round(5)
    assert a.elector.problem
    assert not a.round(5)
    assert a.changes == [True, False]
    server.fault = None
    assert a.round()
    assert a.elector.problem == ""
    assert a.elector.term == 2


def test_a_renewal_whose_answer_was_lost_is_no_loss_and_no_gain() -> None:
    server = LeaseServer()
    a = Candidate(server, "a")
    a.round()
    server.lose_answers = True
    assert a.round(2)  # it is in the API, but a does not know
    assert a.elector.time_left() == 11.0
    server.lose_answers = False
    assert a.round(2)
    assert a.elector.time_left() == 13.0
    assert a.changes == [True]


def test_a_leader_that_was_replaced_follows() -> None:
    server = LeaseServer()
    a, b = Candidate(server, "a"), Candidate(server, "b")
    a.round()
    b.round()
    b.round(16)
    assert b.elector.leading
    assert not a.round()
    assert a.elector.time_left() == 0.0
    assert a.elector.holder == "b"


def test_of_two_that_reach_for_it_at_once_one_gets_it() -> None:
    server = LeaseServer()
    b, c = Candidate(server, "b"), Candidate(server, "c")
    Candidate(server, "a").round()
    b.round()
    c.round()
    plain = server.api.answer
    raced: list[bool] = []

    def race(call: Call) -> Answer:
        if call.method == "PUT" and not raced:
            raced.append(True)
            server.api.answer = plain
            body = {**call.body, "spec": {**call.body["spec"], "holderIdentity": "c"}}
            plain(Call("PUT", call.path, [], "", body))
        return plain(call)

    server.api.answer = race
    assert not b.round(16)
    assert server.spec["holderIdentity"] == "c"


def test_a_deleted_lease_is_made_again() -> None:
    server = LeaseServer()
    a = Candidate(server, "a")
    a.round()
    server.lease = None
    assert a.round(2)
    assert server.spec["holderIdentity"] == "a"


def test_a_hand_over_is_taken_up_at_the_next_look() -> None:
    server = LeaseServer()
    a, b = Candidate(server, "a"), Candidate(server, "b")
    a.round()
    b.round()
    a.leave()
    assert (server.spec["holderIdentity"], a.changes) == ("", [True, False])
    assert a.elector.time_left() == 0.0
    assert b.round(1)
    assert server.spec["leaseTransitions"] == 1


def test_nothing_is_handed_over_while_a_write_may_be_under_way() -> None:
    server = LeaseServer()
    a = Candidate(server, "a")
    a.round()
    a.leave(quiet=False)
    assert server.spec["holderIdentity"] == "a"
    assert not a.elector.leading


def test_who_does_not_lead_hands_nothing_over() -> None:
    server = LeaseServer()
    a, b = Candidate(server, "a"), Candidate(server, "b")
    a.round()
    b.round()
    b.leave()
    assert server.spec["holderIdentity"] == "a"


def test_a_leader_that_is_unfit_for_long_leaves_the_lease_to_a_standby_that_is_not() -> None:
    server = LeaseServer()
    a, b = Candidate(server, "a"), Candidate(server, "b")
    a.round()
    a.unfit = True
    for _ in range(60):
        assert a.round(2)
        assert not b.round(2)
    assert not a.round(2)
    assert server.spec["holderIdentity"] == ""
    assert not a.round(2)
    assert b.round(1)
    a.unfit = False
    assert not a.round(2)
    assert server.spec["holderIdentity"] == "b"


def test_who_is_unfit_for_a_moment_only_keeps_the_lease() -> None:
    server = LeaseServer()
    a = Candidate(server, "a")
    for _ in range(60):
        a.unfit = not a.unfit
        assert a.round(5)
    assert a.changes == [True]


def test_where_all_are_unfit_nobody_leads_until_one_is_not() -> None:
    server = LeaseServer()
    a, b = Candidate(server, "a"), Candidate(server, "b")
    a.unfit = b.unfit = True
    assert a.round()  # not for long yet
    for _ in range(62):
        b.round(2)
        a.round(2)
    assert not a.elector.leading
    assert not b.elector.leading
    b.unfit = False
    assert b.round(1)
    assert b.elector.term == 1


@pytest.mark.parametrize("lease", [3, 5, 15, 60])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_the_leader_may_write_at_any_time_however_slow_its_renewals_are(lease: int, share: float) -> None:
    """`share`: how long each renewal takes, of the longest time after which it still counts as answered."""
    timing = Timing.of(lease)
    server = LeaseServer()
    a = Candidate(server, "a", timing)
    writer = Writer(server.api, time_left=a.elector.time_left, limits=WriteLimits(timing.write_timeout))
    plain = server.api.answer

    def slow(call: Call) -> Answer:
        for _ in range(10):
            a.now += share * (timing.renew_deadline - timing.retry) / 2 / 10
            assert not a.elector.leading or writer.closed() is None
        return plain(call)

    server.api.answer = slow
    for _ in range(5):
        assert a.round(timing.retry)
        assert writer.closed() is None


@pytest.mark.parametrize("lease", [3, 5, 15, 60])
def test_after_a_request_without_an_answer_another_one_fits_before_the_leader_gives_up(lease: int) -> None:
    timing = Timing.of(lease)
    server = LeaseServer()
    Candidate(server, "a", timing).round()
    longest = max(server.api.timeouts)
    assert longest + timing.retry + longest == pytest.approx(timing.renew_deadline)


@pytest.mark.parametrize("lease", [3, 5, 15, 60])
def test_the_leader_may_write_until_it_gives_up(lease: int) -> None:
    timing = Timing.of(lease)
    assert timing.renew_deadline + SHORTEST_SECONDS < timing.lease - timing.margin


def test_the_defaults_are_those_of_15_seconds_and_less_than_3_is_refused() -> None:
    assert Timing.of(15) == Timing()
    with pytest.raises(ValueError, match="3 s at least"):
        Timing.of(2)
