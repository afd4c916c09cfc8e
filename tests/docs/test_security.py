"""SECURITY.md names tests that exist, and a test, or "–", for each row."""

from __future__ import annotations

import re

import pytest

from tests.docs.console import ROOT

TEXT = (ROOT / "SECURITY.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)))
ROWS = [
    line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith(("| could", "| who |"))
]


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_named_test_exists(file: str, test: str) -> None:
    text = (ROOT / file).read_text()
    assert not test or re.search(rf"^(?:async )?def {test}\(", text, re.MULTILINE)


def test_each_row_has_a_test_or_says_that_it_has_none() -> None:
    assert len(ROWS) > 20
    for row in ROWS:
        last = row.rstrip(" |").rpartition(" | ")[2]
        assert last == "–" or last.startswith("`tests/"), row
