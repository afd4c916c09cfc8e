"""The contracts are those of the snapshot: JSON of `check`, CRD schemas, metrics, names in other objects.

snapshot.json is what the tree had when the contracts were fixed; it is never made again. To change a contract,
write a line into allowed.yaml instead.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.observed import promised

FOLDER = Path(__file__).parent
SNAPSHOT: dict[str, list[str]] = json.loads((FOLDER / "snapshot.json").read_text())


@functools.cache
def today() -> dict[str, list[str]]:
    """No fixture, since coverage measures the fixtures of a test with `no_cover` too."""
    return promised()


def allowed(kind: str, section: str) -> dict[str, str]:
    """Line to reason."""
    every: dict[str, Any] = yaml.load((FOLDER / "allowed.yaml").read_text(), yaml.CSafeLoader)
    return dict(every[kind].get(section, {}))


STORED = "stored objects"
"""The section that the take-over test compares, since it needs an operator."""


@pytest.mark.no_cover
@pytest.mark.parametrize("section", sorted(SNAPSHOT.keys() - {STORED}))
def test_the_contract_is_that_of_the_snapshot(section: str) -> None:
    before, now = set(SNAPSHOT[section]), set(today()[section])
    assert now - before == allowed("added", section).keys()
    assert before - now == allowed("removed", section).keys()


def test_each_difference_has_a_reason() -> None:
    for kind in ("added", "removed"):
        for section in SNAPSHOT:
            assert all(len(reason) > 20 for reason in allowed(kind, section).values())
