"""Reads the settings of a health check from annotations, and notes where each comes from. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from etpguard.objects.records import AnnotatedRecord

_WHOLE = re.compile(r"[0-9]{1,6}")
_PART = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SHOWN = 40
"""Characters of a value that a message repeats."""


@dataclass(frozen=True, slots=True)
class NotKnown:
    """Why a timing is not known, as a clause."""

    why: str


class Unclear(Exception):  # noqa: N818  it never leaves this package
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.reason = NotKnown(why)


class Settings:
    """The annotations of some objects, named by their kinds. The first object that has a key decides."""

    def __init__(self, *objects: tuple[str, AnnotatedRecord]) -> None:
        self._objects = objects
        self._clauses: list[str] = []

    def __str__(self) -> str:
        """The settings that were read, with their sources, as a clause."""
        return ", ".join(self._clauses)

    def seconds(self, what: str, *keys: str, default: float | None, least: float = 1, most: float = 3600) -> float:
        """A whole number of seconds, by the first of these keys that is there. A `default` of None is not known.
        Raises Unclear, also for a value outside of the bounds."""
        return self._read(what, keys, default, (least, most), " s", _whole)

    def milliseconds(self, what: str, *keys: str, default: float | None) -> float:
        """In seconds, from a number of milliseconds. Raises Unclear."""
        return self._read(what, keys, default, (0.001, 3600), " s", _milliseconds)

    def duration(self, what: str, *keys: str, default: float | None) -> float:
        """In seconds, from a duration as Go writes it, or from a number of seconds. Raises Unclear."""
        return self._read(what, keys, default, (0.001, 3600), " s", _duration)

    def count(self, what: str, *keys: str, default: int | None, least: int = 1, most: int = 1000) -> int:
        """A number without a unit. Raises Unclear, also for a value outside of the bounds."""
        return int(self._read(what, keys, default, (least, most), "", _whole))

    def has(self, key: str) -> bool:
        return any(key in record.annotations for _, record in self._objects)

    def text(self, key: str) -> str:
        """The annotation as written; "" if there is none."""
        return next((record.annotations[key] for _, record in self._objects if key in record.annotations), "")

    def _read(
        self,
        what: str,
        keys: tuple[str, ...],
        default: float | None,
        bounds: tuple[float, float],
        unit: str,
        parse: Callable[[str], float | None],
    ) -> float:
        for key, (kind, record) in product(keys, self._objects):
            if key not in record.annotations:
                continue
            text = record.annotations[key]
            where = f"annotation {key} of {kind} {record.key}"
            value = parse(text.strip())
            if value is None or not bounds[0] <= value <= bounds[1]:
                raise Unclear(f"the {where} is {text[:_SHOWN]!r}, which is no valid value")
            self._clauses.append(f"{what} {value:g}{unit} ({where})")
            return value
        if default is None:
            raise Unclear(f"the {what} of its health check is set by no annotation, and the default is not known")
        self._clauses.append(f"{what} {default:g}{unit} (default)")
        return default


def _whole(text: str) -> float | None:
    return float(text) if _WHOLE.fullmatch(text) else None


def _milliseconds(text: str) -> float | None:
    number = _whole(text)
    return None if number is None else number / 1000


def _duration(text: str) -> float | None:
    """time.ParseDuration for values without a sign, and a plain number for seconds."""
    if _WHOLE.fullmatch(text):
        return float(text)
    parts = _PART.findall(text[:_SHOWN])
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
