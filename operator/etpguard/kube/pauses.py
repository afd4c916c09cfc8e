"""Pauses that the API server asks for: a 429 with Retry-After. Pure: the caller reads the clocks."""

from __future__ import annotations

from etpguard.kube.errors import ApiError
from etpguard.kube.verbs import Request
from etpguard.objects.times import rfc3339

LONGEST_SECONDS = 300.0
"""A longer Retry-After counts as this long."""


class Pauses:
    """For each verb and resource, until when no request is sent. Requests with other verbs or resources continue.

    `now` is of a monotonic clock, `wall` in seconds since the epoch.
    """

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], float] = {}

    def left(self, request: Request, now: float) -> float:
        """Seconds until a request of this verb and resource may be sent, 0.0 if one may."""
        return max(0.0, self._until.get((request.verb, request.resource), 0.0) - now)

    def note(self, request: Request, error: ApiError, now: float, wall: float) -> str | None:
        """Record a failed request. Returns a message for the log if a pause begins."""
        if error.status != 429 or not error.retry_after:
            return None
        begins = not self.left(request, now)
        until = now + min(error.retry_after, LONGEST_SECONDS)
        at = (request.verb, request.resource)
        self._until[at] = max(until, self._until.get(at, 0.0))
        return self.reason(request, now, wall) if begins else None

    def reason(self, request: Request, now: float, wall: float) -> str:
        """Why a request of this verb and resource is not sent."""
        return _sentence((request.verb, request.resource), wall + self.left(request, now))

    def problems(self, now: float, wall: float) -> list[str]:
        """One sentence for each pause that lasts."""
        self._until = {at: until for at, until in self._until.items() if until > now}
        return sorted(_sentence(at, wall + until - now) for at, until in self._until.items())


def _sentence(at: tuple[str, str], until: float) -> str:
    return f"{' '.join(at)} is paused until {rfc3339(until)}: the API server answered 429 and asked for the pause"
