"""Values of a policy that are a number or a percentage."""

from __future__ import annotations

import pytest

from etpguard.remediate.amounts import allowance, amount


@pytest.mark.parametrize(
    ("value", "whole", "expected"),
    [("40%", 10, 4), ("40%", 9, 3), ("40%", 1, 1), ("0%", 10, 0), (0, 10, 0), (7, 3, 7), ("100%", 0, 1)],
)
def test_amounts_round_down_but_to_one(value: int | str, whole: int, expected: int) -> None:
    assert amount(value, whole) == expected


@pytest.mark.parametrize(
    ("services", "whole", "expected"), [("0", 9, 0), ("0%", 9, 0), ("10%", 9, 1), ("3", 9, 3)]
)
def test_allowances_round_up(services: str, whole: int, expected: int) -> None:
    assert allowance(services, whole) == expected
