"""Read, change, write: the same again where another client wrote to the object in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from etpguard.kube.exchange import ApiError

T = TypeVar("T")

TRIES = 4


def is_conflict(error: ApiError) -> bool:
    """Whether the object is not as the request expects it.

    The API server answers 409 for a precondition that does not hold, and 422 for a failed `test` of a JSON Patch.
    """
    return error.status in (409, 422)


async def retry_on_conflict(attempt: Callable[[], Awaitable[T]], tries: int = TRIES) -> T:
    """The result of `attempt`, which reads the object again each time before it writes.

    Calls it up to `tries` times. Raises the ApiError of the last conflict, and at once whatever else `attempt`
    raises.
    """
    for _ in range(tries - 1):
        try:
            return await attempt()
        except ApiError as error:
            if not is_conflict(error):
                raise
    return await attempt()
