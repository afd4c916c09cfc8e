"""docs/architecture.md names functions and files that exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests.docs.console import ROOT

PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "operator" / "etpguard"
_PACKAGES = sorted(path.stem for path in PACKAGE.iterdir() if not path.name.startswith("_"))
_NAME = re.compile(rf"`((?:{'|'.join(_PACKAGES)})(?:\.\w+)+)`")
_FILE = re.compile(r"`([\w./-]+/[\w./-]*)`")

NAMES = sorted(set(_NAME.findall(PAGE.read_text())))
FILES = sorted(set(_FILE.findall(PAGE.read_text())))


@pytest.mark.parametrize("name", NAMES)
def test_a_function_exists(name: str) -> None:
    parts = name.split(".")
    found: object = importlib.import_module(f"etpguard.{parts.pop(0)}")
    for depth, part in enumerate(parts, 1):
        if not hasattr(found, part):
            importlib.import_module(f"etpguard.{'.'.join(name.split('.')[: depth + 1])}")
        found = getattr(found, part)


@pytest.mark.parametrize("name", FILES)
def test_a_file_exists(name: str) -> None:
    assert any((folder / name).exists() for folder in (ROOT, PACKAGE)), name


def test_each_step_of_the_trip_names_its_function() -> None:
    steps = re.findall(r"^\| (\d+) \| (.+?) \|", PAGE.read_text(), re.MULTILINE)
    assert [int(number) for number, _ in steps] == list(range(1, len(steps) + 1))
    assert len(steps) >= 10
    for _, functions in steps:
        assert functions
        assert all(_NAME.fullmatch(each) for each in functions.split(", ")), functions


def test_the_handler_is_where_the_page_says() -> None:
    assert "async def event_to_inbox" in (Path(PACKAGE) / "intake" / "kopf_watch.py").read_text()
