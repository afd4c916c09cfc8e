"""docs/stacks.md names the outcome of each of its files."""

from __future__ import annotations

import re

import pytest

from etpguard.cli.input.sources import Sources, assess
from tests.docs.console import ROOT

PAGE = (ROOT / "docs" / "stacks.md").read_text()
ROWS = re.findall(r"^\| (.+?) \| `(examples/\S+)` \| `(\w+)` \|", PAGE, re.MULTILINE)


def test_each_file_is_in_a_row_and_each_row_has_a_file() -> None:
    named = [file for _, file, _ in ROWS]
    assert len(named) == len(set(named)) == PAGE.count("\n| ") - 1
    files = {f"examples/stacks/{file.name}" for file in (ROOT / "examples" / "stacks").iterdir()}
    assert files == {file for file in named if file.startswith("examples/stacks/")}


@pytest.mark.parametrize(("file", "outcome"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_file_has_the_outcome(file: str, outcome: str) -> None:
    (found,) = assess(Sources(files=[str(ROOT / file)])).assessments.values()
    assert found.outcome.name == outcome
