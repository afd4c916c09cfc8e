"""Measures how long an outcome has lasted, so that a flapping outcome is not published. Pure: the caller gives the
time."""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from etpguard.assess import Outcome

K = TypeVar("K", bound=Hashable)


class View(Protocol):
    """The part of an assessment that decides when it is published. The node sets are integers."""

    @property
    def outcome(self) -> Outcome: ...
    @property
    def eligible(self) -> int: ...
    @property
    def uncovered(self) -> int: ...


@dataclass(slots=True)
class Track:
    """What a key has at present, and since when, in seconds of the caller's clock. `since`: this outcome.
    `severe_since`: outcomes that lose requests, without a break. `nodes_since`: the same eligible and uncovered
    nodes. `unsteady_since`: no outcome lasted for the hold; `ended`: when each of those that came and went since
    then ended last."""

    outcome: Outcome | None
    since: float
    severe_since: float
    nodes: tuple[int, int]
    nodes_since: float
    unsteady_since: float
    ended: dict[Outcome | None, float] = field(default_factory=dict)


class Debounce(Generic[K]):
    """A change is due `hold` seconds after it began, or `urgent` seconds for an outcome that loses requests.

    While the outcome keeps changing, the present one is due two holds after the published one was last seen, so
    that an outcome that ended long ago does not stay published.

    `observe` is called for each change when it happens; `due` and `nodes_since` only read.
    """

    def __init__(self, hold: float, urgent: float) -> None:
        self._hold = hold
        self._urgent = urgent
        self._tracks: dict[K, Track] = {}

    def observe(self, key: K, view: View | None, now: float) -> None:
        outcome = view.outcome if view else None
        nodes = (view.eligible, view.uncovered) if view else (0, 0)
        track = self._tracks.get(key)
        if track is None:
            self._tracks[key] = Track(outcome, now, now, nodes, now, now)
            return
        if outcome != track.outcome:
            if not (severe(outcome) and severe(track.outcome)):
                track.severe_since = now
            if now - track.since >= self._hold:
                track.unsteady_since, track.ended = now, {}
            else:
                track.ended[track.outcome] = now
            track.outcome, track.since = outcome, now
        if nodes != track.nodes:
            track.nodes, track.nodes_since = nodes, now

    def due(self, key: K, published: Outcome | None, now: float) -> float:
        """When the present outcome may be published. `published` is the outcome that was published last. If
        NoTargets, Blackhole and Outage follow one another, requests are lost without a break, so the time counts
        from the first of them. If the key was never observed, its hold begins now."""
        track = self._tracks.get(key)
        if track is None:
            return now + self._hold
        if severe(track.outcome):
            held = (track.since if severe(published) else track.severe_since) + self._urgent
        else:
            held = track.since + self._hold
        if track.outcome == published:
            return held
        return min(held, track.ended.get(published, track.unsteady_since) + 2 * self._hold)

    def nodes_since(self, key: K, now: float) -> float:
        track = self._tracks.get(key)
        return now if track is None else track.nodes_since

    def forget(self, keys: Iterable[K]) -> None:
        for key in keys:
            self._tracks.pop(key, None)

    def retain(self, keys: Container[K]) -> None:
        """Forget all other keys."""
        self._tracks = {key: track for key, track in self._tracks.items() if key in keys}

    def __len__(self) -> int:
        return len(self._tracks)


def severe(outcome: Outcome | None) -> bool:
    """Whether requests are lost now."""
    return outcome is not None and outcome.loses_requests
