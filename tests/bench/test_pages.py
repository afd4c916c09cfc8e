"""The docs show the figures of the files that the benchmarks wrote, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import machine, pages, tables
from tests.docs.console import ROOT


@pytest.mark.parametrize("file", [pytest.param(file, id=file.name) for file in pages.files()])
def test_a_file_made_from_the_figures_is_current(file: Path) -> None:
    assert file.read_text() == pages.files()[file], "renew it: python -m bench.pages"


def test_every_block_is_on_a_page_and_no_other_page_has_one() -> None:
    found = [name for page in pages.PAGES for name in pages.names(page.read_text())]
    assert sorted(found) == sorted(tables.BLOCKS)
    every = {*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")}
    assert {page for page in every if pages.names(page.read_text())} == set(pages.PAGES)


def test_a_machine_with_other_work_is_named() -> None:
    about = {**machine.description(), "nodes": 10, "services": 20, "local": 4, "cores": 2}
    quiet = {"machine": {**about, "load": 0.1}, "figures": {}}
    busy = {"machine": {**about, "load": 9.0}, "figures": {}}
    assert "other work" not in tables.BLOCKS["check"].of({"check": quiet}).replace("\n", " ")
    assert "The machine had other work" in tables.BLOCKS["check"].of({"check": busy}).replace("\n", " ")


def test_a_block_that_was_not_measured_stays_as_it_is() -> None:
    page = "before\n<!-- figures: check -->\nas measured by hand\n<!-- end of figures -->\nafter"
    assert pages.renewed(page, {}) == page
