"""When a difference of words alone is written."""

from __future__ import annotations

import pytest

from etpguard.report.statuses import Json
from etpguard.report.wording import Wording


def status(words: str, fact: int = 1) -> Json:
    return {"fact": fact, "words": words, "time": "now"}


def wording() -> Wording[str]:
    return Wording(
        lambda status: {name: value for name, value in status.items() if name != "time"},
        lambda existing, wanted: existing["fact"] == wanted["fact"],
    )


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([(None, status("a"))], [False], id="nothing there"),
        pytest.param([(status("a"), status("a"))], [True], id="the same"),
        pytest.param([(status("old"), status("a"))] * 3, [True] * 3, id="words of another release"),
        pytest.param([(status("a", 2), status("a"))], [False], id="other facts"),
        pytest.param([(status("old", 2), status("a"))], [False], id="other facts in other words"),
        pytest.param(
            [(status("a"), status("a")), (status("a"), status("b"))], [True, False], id="new words of ours"
        ),
        pytest.param(
            [(status("a"), status("a")), (status("x"), status("a"))], [True, False], id="words overwritten"
        ),
        pytest.param(
            [(status("old"), status("a")), (status("old"), status("b")), (status("b"), status("b"))],
            [True, False, True],
            id="words of another release, then new words of ours",
        ),
        pytest.param(
            [(status("old"), status("a")), (status("x"), status("a"))],
            [True, False],
            id="words of another release, overwritten",
        ),
    ],
)
def test_same(looks: list[tuple[Json | None, Json]], expected: list[bool]) -> None:
    kept = wording()
    assert [kept.same("key", existing, wanted) for existing, wanted in looks] == expected


def test_keys_are_independent_and_forgotten() -> None:
    kept = wording()
    kept.same("a", status("a"), status("a"))
    kept.same("b", status("a"), status("a"))
    assert not kept.same("a", status("x"), status("a"))
    kept.retain({"b"})
    assert len(kept) == 1
    assert kept.same("a", status("x"), status("a")), "as if another release had written it"
    kept.clear()
    assert len(kept) == 0
