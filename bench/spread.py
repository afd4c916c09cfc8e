"""Figures as a reader can judge them: median, least and most of several runs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Spread:
    median: float
    min: float
    max: float
    runs: int

    @classmethod
    def of(cls, values: Sequence[float], digits: int = 3) -> Spread:
        """Raises StatisticsError without values."""
        median, least, most = statistics.median(values), min(values), max(values)
        return cls(round(median, digits), round(least, digits), round(most, digits), len(values))

    def shown(self, digits: int = 2) -> str:
        return f"{self.median:.{digits}f} ({self.min:.{digits}f} to {self.max:.{digits}f})"

    def stored(self) -> dict[str, float]:
        return asdict(self)


def ratios(ours: Sequence[float], others: Sequence[float]) -> Spread:
    """Of pairs: each run is divided by the run beside it."""
    return Spread.of([a / b for a, b in zip(ours, others, strict=True)])
