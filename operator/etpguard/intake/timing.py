"""Time constants of the intake that are not settings, in seconds. Tests use shorter ones."""

from __future__ import annotations

from dataclasses import dataclass

from etpguard.kube.backoff import Backoff

_LIST_BACKOFF = Backoff(1.0, 30.0, jitter=0.2)
_WATCH_BACKOFF = Backoff(1.0, 60.0)
_NOT_STARTED_BACKOFF = Backoff(30.0, 600.0)


@dataclass(frozen=True, slots=True)
class ListTiming:
    """When a kind is listed."""

    quiet: float = 2.0
    """A list follows this long after the last sign of a gap."""
    longest_burst: float = 60.0
    """A list follows this long after the first sign of a gap, even if more signs come."""
    watch_start: float = 20.0
    """A watch that has not begun after this time is not waited for: a list closes the gap. An API server that
    starts does not show all kinds in discovery at once, and Kopf watches only those that it finds there."""
    forbidden: float = 30.0
    """A kind that was read counts as forbidden after this time. API servers answer 403 while they start."""
    start_failing: float = 30.0
    """At the start, the operator waits this long for a kind that is optional and fails."""
    failing: float = 300.0
    """Later, an optional kind counts as unreadable after it fails for this long. The outcomes that it could change
    are Unknown then, and each Service says so. A replaced conversion webhook should not cause that."""
    backoff: Backoff = _LIST_BACKOFF
    longest_retry_after: float = 300.0
    """The bound on a Retry-After. During the start `start_failing` is the bound."""
    look_again: float = 60.0
    """Interval between tries to list a kind that is not served, forbidden or failing. For a kind that is read:
    interval between requests that check whether it may still be read and whether etcd was restored."""


@dataclass(frozen=True, slots=True)
class WatchTiming:
    """When the watch is restarted."""

    backoff: Backoff = _WATCH_BACKOFF
    steady: float = 120.0
    """A run that lasted this long resets the count of failures."""
    settle: float = 2.0
    """After the set of kinds changed, further changes are awaited for this long before the watch restarts."""
    stop: float = 3.0
    """A run has this long to end after it was asked to."""
    dead: float = 300.0
    """A run counts as hung when its loop is blocked for this long, or does not end for this long."""
    forbidden: float = 600.0
    """A kind that may be listed but not watched is left out for this long."""
    not_started: Backoff = _NOT_STARTED_BACKOFF
    """The shortest time between two restarts because the watch of some kind has not started: each restart lists
    every kind."""
    look: float = 15.0
    """Interval between looks at conditions that no event reports: a time above is over, a watch has not
    started."""
