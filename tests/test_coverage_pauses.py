"""Which tests are measured."""

from __future__ import annotations

import pytest

from tests.coverage_pauses import QUIET, Choice


def measured(*functions: str, new: int | None = None) -> str:
    """A letter for each test: m if it is measured. `new`: the place of a test that reaches something new."""
    choice, shown = Choice(), ""
    for place, function in enumerate(functions):
        if choice.measures(function):
            shown += "m"
            choice.found(place == new)
        else:
            shown += "-"
    return shown


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param(None, 10, id="nothing new: the first rows"),
        pytest.param(0, 11, id="new in the first: as many after it"),
        pytest.param(9, 20, id="new in the last of these: as many after it"),
    ],
)
def test_the_rows_of_a_table(new: int | None, expected: int) -> None:
    assert QUIET == 10
    assert measured(*["table"] * 30, new=new) == "m" * expected + "-" * (30 - expected)


def test_another_table_is_measured_from_its_first_row() -> None:
    assert measured(*["one"] * 12, *["two"] * 2, "three") == "m" * 10 + "--mmm"
