"""The order of the outcomes, and each row of their table."""

from __future__ import annotations

import pytest

from etpguard.assess.outcome import NO_HEALTHY_TARGET, Outcome, Verdict, through_consumer, without_consumer

NONE = 0


def test_order_from_best_to_worst() -> None:
    names = [outcome.name for outcome in sorted(Outcome)]
    assert names == [
        "NotAffected",
        "Covered",
        "TargetsUnhealthy",
        "NoEndpoints",
        "Unknown",
        "Uncovered",
        "Blackhole",
        "NoTargets",
        "Outage",
    ]


@pytest.mark.parametrize(
    ("eligible", "forwarding", "passes", "expected"),
    [
        pytest.param(0b111, 0b111, NONE, Verdict(Outcome.Covered, 0b111, 0), id="Covered: N > 0, U = 0"),
        pytest.param(0b011, 0b111, NONE, Verdict(Outcome.Covered, 0b011, 0), id="Covered: only targets count"),
        pytest.param(
            0b111, 0b001, 0b001, Verdict(Outcome.TargetsUnhealthy, 0b111, 0b110), id="TargetsUnhealthy: all fail"
        ),
        pytest.param(0b111, 0b001, 0b011, Verdict(Outcome.Blackhole, 0b111, 0b110), id="Blackhole: one passes"),
        pytest.param(0b111, 0b001, 0b111, Verdict(Outcome.Blackhole, 0b111, 0b110), id="Blackhole: all pass"),
        pytest.param(
            0b111,
            0b001,
            NONE,
            Verdict(Outcome.Blackhole, 0b111, 0b110, NO_HEALTHY_TARGET),
            id="Blackhole: none passes, so all are sent to",
        ),
        pytest.param(
            0b111,
            0b001,
            0b1000,
            Verdict(Outcome.Blackhole, 0b111, 0b110, NO_HEALTHY_TARGET),
            id="Blackhole: one that is no target passes",
        ),
        pytest.param(
            0b111, 0b001, 0b1001, Verdict(Outcome.TargetsUnhealthy, 0b111, 0b110), id="a pass elsewhere is nothing"
        ),
        pytest.param(0b110, 0b001, NONE, Verdict(Outcome.Outage, 0b110, 0b110), id="Outage: U = N, all fail"),
        pytest.param(0b110, 0b001, 0b110, Verdict(Outcome.Outage, 0b110, 0b110), id="Outage: U = N, all pass"),
        pytest.param(0, 0b001, NONE, Verdict(Outcome.NoTargets, 0, 0), id="NoTargets: N = 0"),
        pytest.param(0b111, -1, NONE, Verdict(Outcome.Covered, 0b111, 0), id="an endpoint local everywhere"),
    ],
)
def test_through_consumer(eligible: int, forwarding: int, passes: int, expected: Verdict) -> None:
    assert through_consumer(eligible, forwarding, True, passes) == expected


@pytest.mark.parametrize("eligible", [0, 0b111])
def test_no_endpoints_comes_before_all_else(eligible: int) -> None:
    assert through_consumer(eligible, 0, False, 0b111) == Verdict(Outcome.NoEndpoints, eligible, 0)
    assert without_consumer(eligible, 0, False) == Verdict(Outcome.NoEndpoints, eligible, 0)


@pytest.mark.parametrize(
    ("eligible", "forwarding", "expected"),
    [
        pytest.param(0b111, 0b111, Verdict(Outcome.Covered, 0b111, 0), id="Covered"),
        pytest.param(0b111, 0b001, Verdict(Outcome.Uncovered, 0b111, 0b110), id="Uncovered: some"),
        pytest.param(0b110, 0b001, Verdict(Outcome.Uncovered, 0b110, 0b110), id="Uncovered: even all"),
        pytest.param(0, 0b001, Verdict(Outcome.NoTargets, 0, 0), id="NoTargets"),
    ],
)
def test_without_consumer(eligible: int, forwarding: int, expected: Verdict) -> None:
    assert without_consumer(eligible, forwarding, True) == expected
