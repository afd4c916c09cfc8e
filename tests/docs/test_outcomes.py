"""docs/outcomes.md has an example of each outcome, and each example has the outcome that the page names."""

from __future__ import annotations

import json
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


def test_the_page_shows_each_example() -> None:
    shown = commands(PAGE.read_text())
    assert [Path(command.split()[-1]).parent.name for command in shown] == list(FOLDERS)
