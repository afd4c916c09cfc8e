"""Every console block of the docs shows what the command prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.console import PAGES, ROOT, commands, renewed


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_the_page_shows_what_the_command_prints(page: Path) -> None:
    text = page.read_text()
    assert commands(text)
    assert text == renewed(text), "run: python -m tests.docs.console"


def test_no_other_page_has_console_blocks() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert {page for page in pages if commands(page.read_text())} == set(PAGES)
