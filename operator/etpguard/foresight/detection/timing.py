"""The timing of a health check. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor

MARGIN = 2
"""Seconds until healthCheckNodePort shows a deletion, at the latest: the API server, the data plane and the health
server each take some time."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a load balancer needs, in whole seconds.

    From the moment when the health check begins to fail, the load balancer stops to send after at least
    (threshold - 1) times the interval. At most it needs threshold times the interval, plus the time-out where the
    probe gets no answer, plus the lag of the load balancer.
    """

    stops: tuple[int, int]
    """The least and the most until it sends no new connection, where the health check gets an answer."""
    unanswered: int
    """How much longer it needs at most where the health check gets no answer."""
    starts: int | None
    """The most until a new target that serves gets traffic; None if that is not known."""
    settings: str = ""
    """What the times are computed from, as a clause."""
    lag_known: bool = True
    """Whether it is known how long it sends on after its health check has failed. If not, `stops` has no lag."""
    cuts: str = ""
    """The setting by which it resets the open connections of a node when its health check has failed; "" if it
    does not, or if that is not known."""

    @classmethod
    def of(
        cls,
        interval: float,
        timeout: float,
        unhealthy: int,
        healthy: int | None,
        *,
        lag: float | None = 0,
        settings: str = "",
    ) -> Timing:
        """From the settings, in seconds and counts. A `lag` of None is not known."""
        return cls(
            (floor((unhealthy - 1) * interval), ceil(unhealthy * interval + (lag or 0))),
            ceil(timeout),
            None if healthy is None else ceil(healthy * interval + timeout),
            settings,
            lag is not None,
        )

    def down(self, *, dropped: bool) -> tuple[int, int]:
        """The least and the most seconds until it stops; `dropped`: whether the probe gets no answer."""
        least, most = self.stops
        return least, most + (self.unanswered if dropped else 0)

    @property
    def stopped(self) -> str:
        """What has happened after the seconds of `down`, as a clause."""
        return "the load balancer stops" if self.lag_known else "its check has failed"

    def bounded(self, most: int) -> int | None:
        """The number of seconds as a bound: None where a lag that is not known comes on top."""
        return most if self.lag_known else None

    def or_(self, other: Timing) -> Timing:
        """The timing where it is not known which of the two holds. The settings are those of this one."""
        known = self.starts is not None and other.starts is not None
        return replace(
            self,
            stops=(min(self.stops[0], other.stops[0]), max(self.stops[1], other.stops[1])),
            unanswered=max(self.unanswered, other.unanswered),
            starts=max(self.starts or 0, other.starts or 0) if known else None,
            lag_known=self.lag_known and other.lag_known,
            cuts=self.cuts or other.cuts,
        )
