"""When a change that met a conflict is made again."""

from __future__ import annotations

import asyncio

import pytest

from etpguard.kube.conflict_retry import retry_on_conflict
from etpguard.kube.errors import ApiError

CONFLICT = ApiError(409, "Conflict", "the object has been modified")
TEST_FAILED = ApiError(422, "Invalid", "testing value /metadata/resourceVersion failed")


def run(*outcomes: Exception | str, tries: int = 3) -> tuple[str, int]:
    left = list(outcomes)

    async def attempt() -> str:
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    try:
        return asyncio.run(retry_on_conflict(attempt, tries)), len(outcomes) - len(left)
    except ApiError as error:
        return f"raised {error.status}", len(outcomes) - len(left)


@pytest.mark.parametrize(
    ("outcomes", "result", "attempts"),
    [
        pytest.param(["done", "x"], "done", 1, id="no conflict"),
        pytest.param([CONFLICT, "done", "x"], "done", 2, id="a conflict"),
        pytest.param([TEST_FAILED, CONFLICT, "done", "x"], "done", 3, id="both kinds of conflict"),
        pytest.param([CONFLICT, CONFLICT, CONFLICT, "x"], "raised 409", 3, id="a conflict each time"),
        pytest.param([ApiError(403, "Forbidden", "no"), "x"], "raised 403", 1, id="what is no conflict"),
        pytest.param([ApiError(0, "Timeout", "no answer"), "x"], "raised 0", 1, id="no answer"),
    ],
)
def test_only_a_conflict_is_tried_again(outcomes: list[Exception | str], result: str, attempts: int) -> None:
    assert run(*outcomes) == (result, attempts)
