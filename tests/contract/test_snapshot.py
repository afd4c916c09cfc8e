"""The contracts are those of the snapshot: JSON of `check`, CRD schemas, metrics, names in other objects.

snapshot.json is what the tree had when the contracts were fixed; it is never made again. To change a contract,
write a line into allowed.yaml instead.
"""

from __future__ import annotations

import functools

import pytest

from tests.contract.observed import promised
from tests.contract.snapshot import SNAPSHOT, STORED, allowed


@functools.cache
def today() -> dict[str, list[str]]:
    """No fixture, since coverage measures the fixtures of a test with `no_cover` too."""
    return promised()


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
