"""One object as the API server has it now, with its record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from etpguard.kube import verbs
from etpguard.kube.errors import ApiError
from etpguard.kube.verbs import Json, Request
from etpguard.objects import Key, Kind, Record, Reject, decode_item

R = TypeVar("R", bound=Record)


async def present_object(
    send: Callable[[Request], Awaitable[Json]], kind: Kind[R], key: Key
) -> tuple[Json, R | Reject] | None:
    """The raw object and its record, a Reject if it cannot be decoded; None if the object does not exist or its
    kind is not served. `send` sends a read. Raises what it raises, except an ApiError with status 404."""
    try:
        raw = await send(verbs.get(kind, key))
    except ApiError as error:
        if error.status != 404:
            raise
        return None
    return raw, decode_item(kind, raw)
