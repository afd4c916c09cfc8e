"""Clusters as the offerings of clouds make them."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import yaml

from tests.assess.data_planes.clusters import Json

CASES = Path(__file__).parents[2] / "cases" / "data_planes"
EXPECTED: dict[str, dict[str, Any]] = json.loads((CASES / "expected.json").read_text())


@functools.cache
def items(case: str) -> tuple[Json, ...]:
    return tuple(yaml.load((CASES / f"{case}.yaml").read_text(), yaml.CSafeLoader)["items"])
