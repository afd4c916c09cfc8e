"""What the package is made of, and what it must never hold."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_operator_stays_a_plain_folder() -> None:
    # As a package it would shadow the standard library's module of that name for whatever runs from here.
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_the_source_distribution_names_folders_of_the_root_alone() -> None:
    # Without the leading slash hatchling takes folders of that name from anywhere, from tests/ too.
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = settings["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert included
    assert [path for path in included if not path.startswith("/") or not (ROOT / path[1:]).exists()] == []
