"""Steps that failed, and when each may be tried again. Pure; the caller gives times of a monotonic clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from etpguard.objects import Key

PauseAfter = Callable[[int], float]
"""Seconds to wait after this many failures in a row. `kube.backoff.Backoff.pause` is one."""


class _Failure(NamedTuple):
    """`refused` is why the API server refused the last try; "" after a first failure, which may be a race."""

    until: float
    pause: float
    failures: int
    refused: str


class Postponed:
    """`kept`: seconds for which a failure is remembered after its pause, at least."""

    def __init__(self, pause: PauseAfter, kept: float = 0.0) -> None:
        self._pause = pause
        self._kept = kept
        self._failures: dict[Key, _Failure] = {}

    def failed(self, key: Key, refused: str, now: float) -> None:
        """`refused`: why the API server refused it, "" if it did not. A later failure keeps the reason of an
        earlier one."""
        before = self._failures.get(key)
        failures = before.failures + 1 if before else 1
        pause = self._pause(failures)
        said = (refused or before.refused) if before else ""
        self._failures[key] = _Failure(now + pause, pause, failures, said)

    def wait(self, key: Key, seconds: float, now: float) -> None:
        """Do not try before `seconds` have passed. It is no failure of the object's."""
        before = self._failures.get(key)
        failures, refused = (before.failures, before.refused) if before else (0, "")
        self._failures[key] = _Failure(now + seconds, seconds, failures, refused)

    def done(self, key: Key) -> None:
        self._failures.pop(key, None)

    def refusal(self, key: Key) -> str:
        """Why the API server refuses it, "" if it does not."""
        failure = self._failures.get(key)
        return failure.refused if failure else ""

    def waits(self, key: Key, now: float) -> bool:
        failure = self._failures.get(key)
        return failure is not None and failure.until > now

    def pauses(self, now: float) -> list[float]:
        """In how many seconds each that waits may be tried again."""
        return [failure.until - now for failure in self._failures.values() if failure.until > now]

    def expire(self, known: Callable[[Key], bool], now: float) -> None:
        """Forget Services that are gone, and steps that were not tried again for twice their pause and for
        `kept`."""
        self._failures = {
            key: failure
            for key, failure in self._failures.items()
            if failure.until + max(2 * failure.pause, self._kept) > now and known(key)
        }
