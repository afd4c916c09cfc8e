"""How long an outcome has stood, so that what flaps is not told. Pure; the clock is the caller's."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from etpguard.assess import Assessment, Outcome

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Track:
    """Since when, in seconds of the caller's clock: the outcome, an outcome that loses traffic, and the very
    set of nodes."""

    outcome: Outcome | None
    since: float
    severe_since: float
    nodes: tuple[int, int]
    nodes_since: float


class Debounce(Generic[K]):
    """A change is due `hold` seconds after it began, `urgent` seconds for Blackhole and Outage."""

    def __init__(self, hold: float, urgent: float) -> None:
        self._hold = hold
        self._urgent = urgent
        self._tracks: dict[K, Track] = {}

    def observe(self, key: K, view: Assessment | None, now: float) -> Track:
        outcome = view.outcome if view else None
        nodes = (view.eligible, view.uncovered) if view else (0, 0)
        track = self._tracks.get(key)
        if track is None:
            track = self._tracks[key] = Track(outcome, now, now, nodes, now)
            return track
        if outcome != track.outcome:
            if not (severe(outcome) and severe(track.outcome)):
                track.severe_since = now
            track.outcome, track.since = outcome, now
        if nodes != track.nodes:
            track.nodes, track.nodes_since = nodes, now
        return track

    def due(self, key: K, stands: Outcome | None) -> float:
        """When the present outcome may be told, `stands` being what was told last. Traffic that is lost without
        a break is told although Blackhole and Outage take turns."""
        track = self._tracks[key]
        if not severe(track.outcome):
            return track.since + self._hold
        return (track.since if severe(stands) else track.severe_since) + self._urgent

    def nodes_since(self, key: K) -> float:
        return self._tracks[key].nodes_since

    def forget(self, keys: Iterable[K]) -> None:
        for key in keys:
            self._tracks.pop(key, None)

    def keys(self) -> list[K]:
        return list(self._tracks)


def severe(outcome: Outcome | None) -> bool:
    return outcome in (Outcome.Blackhole, Outcome.Outage)
