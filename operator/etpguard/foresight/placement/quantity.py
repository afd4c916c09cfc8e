"""Quantities of resources, such as "250m" and "2Gi". Pure."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

_WRITTEN = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)$")
_SUFFIX = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    **{letter: Fraction(1000**power) for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Fraction(1024**power) for power, letter in enumerate("KMGTPE", 1)},
}


@lru_cache(maxsize=4096)
def quantity(given: str | int | float) -> Fraction | None:
    """The value of a quantity of k8s.io/apimachinery pkg/api/resource; None for what is none. A number of YAML is
    what is written: 0.1 is a tenth, and not the nearest binary fraction."""
    found = _WRITTEN.fullmatch(str(given).strip())
    if found is None:
        return None
    number, exponent, suffix = found.groups()
    value = Fraction(number)
    return value * Fraction(10) ** int(exponent) if exponent else value * _SUFFIX[suffix or ""]
