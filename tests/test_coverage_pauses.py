"""Which tests are measured."""

from __future__ import annotations

import pytest

from tests.coverage_pauses import QUIET, Choice


def measured(*tests: str, new: str = "") -> str:
    """A letter for each test, a `FILE FUNCTION`: m if it is measured. `new`: the places of the measured tests
    that reach something new."""
    choice, shown = Choice(), ""
    for place, test in enumerate(tests):
        file, function = test.split()
        if choice.measures(file, function):
            shown += "m"
            choice.found(str(place) in new)
        else:
            shown += "-"
    return shown


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param("", "mmmmm---", id="nothing new: the first rows"),
        pytest.param("4", "mmmmmmmm", id="new in the last of these: the next rows too"),
    ],
)
def test_the_rows_of_a_table(new: str, expected: str) -> None:
    assert QUIET == 5
    assert measured(*["file table"] * 8, new=new) == expected


def test_the_first_row_of_each_function_is_measured_and_what_it_reaches_counts() -> None:
    quiet = ["file one"] * 6
    assert measured(*quiet, "file two", "file two", "file three", "file three") == "mmmmm-m-m-"
    assert measured(*quiet, "file two", "file two", "file two", new="6") == "mmmmm-mmm"


def test_another_file_is_measured_from_its_start() -> None:
    assert measured(*["file one"] * 6, "other one", "other one") == "mmmmm-mm"
