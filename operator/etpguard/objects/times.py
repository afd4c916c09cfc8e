"""Every format of time that etpguard writes, and the one parser. Seconds are seconds since the Unix epoch. Pure:
the caller has the clock."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(seconds: float) -> str:
    """A metav1.Time: UTC in whole seconds, "2026-01-01T00:00:00Z"."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_time(seconds: float) -> str:
    """A metav1.MicroTime: UTC with six digits after the point, "2026-01-01T00:00:00.000000Z"."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str | None) -> float | None:
    """The seconds of an RFC 3339 time, metav1.Time and metav1.MicroTime among them. None for any other text, and
    for a time without an offset, which names no moment."""
    try:
        moment = datetime.fromisoformat(text or "")
        return None if moment.tzinfo is None else moment.timestamp()
    except ValueError:
        return None
