"""What a larger cluster would take, by the curve. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fit:
    """value = base + slope * objects."""

    base: float
    slope: float

    def at(self, objects: float) -> float:
        return self.base + self.slope * objects

    def objects_at(self, value: float) -> float:
        """The size at which the value is reached. Raises ZeroDivisionError for a value that does not grow."""
        return (value - self.base) / self.slope


def fit(points: Sequence[tuple[float, float]]) -> Fit:
    """Least squares through (objects, value); at least two sizes."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    return Fit(mean_y - slope * mean_x, slope)
