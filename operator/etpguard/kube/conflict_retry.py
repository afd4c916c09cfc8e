"""Read, change, write; and again if another client wrote to the object in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from etpguard.kube.errors import ApiError

T = TypeVar("T")

TRIES = 4


async def retry_on_conflict(attempt: Callable[[], Awaitable[T]], tries: int = TRIES) -> T:
    """The result of `attempt`, which reads the object again each time before it writes.

    Calls `attempt` up to `tries` times. Raises the ApiError of the last conflict. Any other error of `attempt` is
    raised at once.
    """
    for _ in range(tries - 1):
        try:
            return await attempt()
        except ApiError as error:
            if not error.conflict:
                raise
    return await attempt()
