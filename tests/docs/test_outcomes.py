"""docs/outcomes.md has an example of each outcome, and each example has the outcome that the page names."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from etpguard.assess import Outcome
from tests.docs.console import ROOT, commands, run

PAGE = ROOT / "docs" / "outcomes.md"
FILE = "cluster-state.yaml"
FOLDERS = {
    "not-affected": Outcome.NotAffected,
    "covered": Outcome.Covered,
    "targets-unhealthy": Outcome.TargetsUnhealthy,
    "no-endpoints": Outcome.NoEndpoints,
    "unknown": Outcome.Unknown,
    "uncovered": Outcome.Uncovered,
    "blackhole": Outcome.Blackhole,
    "no-targets": Outcome.NoTargets,
    "outage": Outcome.Outage,
}


def test_there_is_an_example_of_each_outcome() -> None:
    assert set(FOLDERS.values()) == set(Outcome)
    assert all((ROOT / "examples" / folder / FILE).is_file() for folder in FOLDERS)


@pytest.mark.parametrize(("folder", "outcome"), FOLDERS.items())
def test_the_example_has_its_outcome(folder: str, outcome: Outcome) -> None:
    done = run(f"check -f examples/{folder}/{FILE} -o json")
    assert all(line.startswith("etpguard: warning: assumed for ") for line in done.stderr.splitlines())
    (service,) = json.loads(done.stdout)["services"]
    assert service["outcome"] == outcome.name
    assert done.returncode == (1 if outcome >= Outcome.Blackhole else 0)


def codes() -> set[str]:
    """The codes of reasons that the rules contain as text."""
    return {
        node.value
        for file in (ROOT / "operator/etpguard/assess").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[A-Z]\w+", node.value)
    }


def test_the_table_of_unknown_names_codes_that_exist() -> None:
    part = PAGE.read_text().partition("\n## Unknown\n")[2].partition("\n## ")[0]
    named = [
        code for row in re.findall(r"^\| (.+?) \|", part, re.MULTILINE) for code in re.findall("`(.+?)`", row)
    ]
    assert len(named) > 10
    known = codes()
    patterns = {code: re.compile(code.replace("…", r"\w+")) for code in named}
    assert {code for code, pattern in patterns.items() if not any(map(pattern.fullmatch, known))} == set()


def test_the_page_shows_each_example() -> None:
    shown = commands(PAGE.read_text())
    assert [Path(command.split()[-1]).parent.name for command in shown] == list(FOLDERS)
