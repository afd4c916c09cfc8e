"""Line charts as SVG: panels side by side, each with its own scale from zero. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#1f5fa8", "#b3541e", "#2f7d4f", "#6b4c9a")
_WIDTH, _HEIGHT = 300, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 34, 44


@dataclass(frozen=True)
class Line:
    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """`marks` are places on the x axis that get a vertical line."""

    title: str
    x_label: str
    lines: Sequence[Line]
    marks: Sequence[float] = ()


def svg(title: str, panels: Sequence[Panel], columns: int) -> str:
    """The whole file. Raises ValueError for a panel without points."""
    rows = math.ceil(len(panels) / columns)
    names = list(dict.fromkeys(line.name for panel in panels for line in panel.lines))
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    width, height = columns * _WIDTH, rows * _HEIGHT + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="11" fill="#222">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for place, panel in enumerate(panels):
        x, y = place % columns * _WIDTH, place // columns * _HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *_panel(panel, colours), "</g>"]
    for place, name in enumerate(names):
        x = _LEFT + place * 150
        y = height - 10
        parts.append(f'<rect x="{x}" y="{y - 8}" width="14" height="4" fill="{colours[name]}"/>')
        parts.append(f'<text x="{x + 19}" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel, colours: dict[str, str]) -> list[str]:
    points = [point for line in panel.lines for point in line.points]
    if not points:
        raise ValueError(f"{panel.title}: nothing to draw")
    x_step, y_step = nice_step(max(x for x, _ in points)), nice_step(max(y for _, y in points))
    x_most = x_step * math.ceil(max(x for x, _ in points) / x_step) or 1.0
    y_most = y_step * math.ceil(max(y for _, y in points) / y_step) or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + x / x_most * (_WIDTH - _LEFT - _RIGHT)
        return round(across, 1), round(_HEIGHT - _BOTTOM - y / y_most * (_HEIGHT - _TOP - _BOTTOM), 1)

    parts = [f'<text x="{_LEFT}" y="20" font-weight="bold">{escape(panel.title)}</text>']
    for tick in _ticks(y_most, y_step):
        left, y = at(0, tick)
        right = _WIDTH - _RIGHT
        parts.append(f'<line x1="{left}" y1="{y}" x2="{right}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 5}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
    bottom = _HEIGHT - _BOTTOM
    for tick in _ticks(x_most, x_step):
        x, _ = at(tick, 0)
        parts.append(f'<text x="{x}" y="{bottom + 15}" text-anchor="middle">{tick:g}</text>')
    for mark in panel.marks:
        x, _ = at(mark, 0)
        parts.append(f'<line x1="{x}" y1="{_TOP}" x2="{x}" y2="{bottom}" stroke="#bbb" stroke-dasharray="3 3"/>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{bottom + 31}" text-anchor="middle">{escape(panel.x_label)}</text>')
    for line in panel.lines:
        places = [at(x, y) for x, y in line.points]
        drawn = " ".join(f"{x},{y}" for x, y in places)
        colour = colours[line.name]
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        if len(places) <= 12:
            parts += [f'<circle cx="{x}" cy="{y}" r="2.8" fill="{colour}"/>' for x, y in places]
    return parts


def nice_step(most: float) -> float:
    """A round number of which four to eight reach `most`."""
    if most <= 0:
        return 1.0
    power: float = 10 ** math.floor(math.log10(most / 4))
    return next(
        power * factor
        for factor in (1, 2, 2.5, 5, 10)
        if power * factor * 8 >= most and most / (power * factor) <= 8
    )


def _ticks(most: float, step: float) -> list[float]:
    return [round(number * step, 10) for number in range(round(most / step) + 1)]
