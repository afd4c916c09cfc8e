"""What counts as growth in a soak."""

from __future__ import annotations

import pytest

from bench.growth import Growth, Minute, Sample, growth, leader_change_due, minutes, per_hour


def sample(at: float, memory: float = 100.0, requests: float = 0.0, threads: int = 8) -> Sample:
    return Sample(at, memory, round(1000 * memory), threads, 30, requests, at / 100, leading=False)


def test_both_replicas_were_cut_off_before_growth_counts_and_then_every_ten_minutes() -> None:
    assert [leader_change_due(changes, 600) / 60 for changes in range(6)] == [5, 10, 20, 30, 40, 50]


def test_a_minute_has_the_least_memory_and_the_most_threads() -> None:
    (minute,) = minutes([sample(0, 110, 10, 8), sample(20, 100, 20, 9), sample(40, 120, 30, 8)])
    assert minute == Minute(0, 100, 100_000, 9, 30, requests=30.0, cpu=0.6, leading=False)


def test_a_minute_with_one_sample_is_left_out() -> None:
    assert [each.minute for each in minutes([sample(0), sample(30), sample(60)])] == [0]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        pytest.param([], 0.0, id="nothing"),
        pytest.param([(15, 3.0, True)], 0.0, id="one minute"),
        pytest.param([(15, 100.0, True), (30, 100.5, True), (45, 101.0, True)], 2.0, id="two an hour"),
        pytest.param([(m, 100.0 + 50 * (m == 30), True) for m in range(15, 60)], 0.0, id="one odd minute"),
        pytest.param([(m, 100.0 - m / 60, False) for m in range(15, 60)], -1.0, id="it shrinks"),
        pytest.param([(m, 30.0 if m > 30 else 20.0, m > 30) for m in range(15, 60)], 0.0, id="it leads later"),
    ],
)
def test_growth_per_hour(points: list[tuple[int, float, bool]], expected: float) -> None:
    assert per_hour(points) == pytest.approx(expected)


def series(memory: float = 0.0, blocks: float = 0.0, threads: float = 0.0, requests: float = 0.0) -> list[Minute]:
    """An hour that grows by so much per hour, after a quarter of an hour that grows quickly."""
    return [
        Minute(
            m,
            memory_mb=50 + 5.0 * min(m, 15) + memory * m / 60,
            blocks=round(500_000 + 1_000 * min(m, 15) + blocks * m / 60),
            threads=8 + round(threads * m / 60),
            descriptors=30,
            requests=100 * (1 + requests * m / 60),
            cpu=1.0,
            leading=True,
        )
        for m in range(61)
    ]


@pytest.mark.parametrize(
    ("grown", "faults"),
    [
        pytest.param(series(), 0, id="steady"),
        pytest.param(series(memory=0.9), 0, id="less than 1 MB an hour"),
        pytest.param(series(memory=1.1), 1, id="more than 1 MB an hour"),
        pytest.param(series(blocks=9_000), 0, id="a few blocks"),
        pytest.param(series(blocks=11_000), 1, id="blocks"),
        pytest.param(series(threads=20), 1, id="threads"),
        pytest.param(series(requests=0.2), 1, id="requests"),
        pytest.param(series(memory=-5, requests=-0.2), 0, id="less of all"),
    ],
)
def test_what_grows_is_a_fault(grown: list[Minute], faults: int) -> None:
    assert len(growth(grown).faults()) == faults


def test_no_requests_are_no_growth() -> None:
    assert growth([]) == Growth(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_steps_at_a_change_of_the_leader_are_not_a_leak() -> None:
    """Ten minutes each, three megabytes more after each change: that grows, but not between the changes."""
    steps = [
        Minute(
            m,
            100.0 + 3 * (m // 10),
            blocks=500_000,
            threads=8,
            descriptors=30,
            requests=100,
            cpu=1.0,
            leading=m // 10 % 2 == 0,
        )
        for m in range(60)
    ]
    assert growth(steps).memory_mb > 10
    assert growth(steps).steady_memory_mb == 0.0
