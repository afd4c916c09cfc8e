"""Renews the figures and pictures of the docs from the files that the benchmarks write: `python -m bench.pages`.

A page holds blocks between `<!-- figures: NAME -->` and `<!-- end of figures -->`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from bench import tables
from bench.checkouts import HERE
from bench.results import BENCH, FIGURES

SOAK = FIGURES / "soak.json"
PAGES = (HERE / "docs" / "scale.md", HERE / "docs" / "install.md")
PICTURES = HERE / "docs" / "pictures"

_BLOCK = re.compile(
    r"(?P<begin><!-- figures: (?P<name>[\w-]+) -->\n).*?(?P<end><!-- end of figures -->)", re.DOTALL
)


def load() -> dict[str, Any]:
    """All parts that were measured; the soak is one more part."""
    measured: dict[str, Any] = json.loads(BENCH.read_text()) if BENCH.exists() else {}
    return {**measured, "soak": json.loads(SOAK.read_text())} if SOAK.exists() else measured


def renewed(text: str, measured: dict[str, Any]) -> str:
    """The page with its figures. A block whose parts were not all measured stays as it is. Raises KeyError for a
    block with an unknown name."""

    def block(match: re.Match[str]) -> str:
        made = tables.BLOCKS[match["name"]]
        return f"{match['begin']}{made.of(measured)}\n{match['end']}" if made.measured(measured) else match[0]

    return _BLOCK.sub(block, text)


def names(text: str) -> list[str]:
    return [match["name"] for match in _BLOCK.finditer(text)]


def files() -> dict[Path, str]:
    """Each file that is made from the figures, with its content."""
    measured = load()
    pages = {page: renewed(page.read_text(), measured) for page in PAGES}
    pictures = {
        PICTURES / name: picture.of(measured)
        for name, picture in tables.PICTURES.items()
        if picture.measured(measured)
    }
    return {**pages, **pictures}


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for file, text in files().items():
        file.write_text(text)
