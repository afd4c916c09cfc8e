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
    """All parts of the benchmark, and the soak as one more."""
    return {**json.loads(BENCH.read_text()), "soak": json.loads(SOAK.read_text())}


def renewed(text: str, measured: dict[str, Any]) -> str:
    """The page with its figures. Raises KeyError for a block with an unknown name."""

    def block(match: re.Match[str]) -> str:
        return match["begin"] + tables.BLOCKS[match["name"]](measured) + "\n" + match["end"]

    return _BLOCK.sub(block, text)


def names(text: str) -> list[str]:
    return [match["name"] for match in _BLOCK.finditer(text)]


def files() -> dict[Path, str]:
    """Each file that is made from the figures, with its content."""
    measured = load()
    pages = {page: renewed(page.read_text(), measured) for page in PAGES}
    return {**pages, **{PICTURES / name: draw(measured) for name, draw in tables.PICTURES.items()}}


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for file, text in files().items():
        file.write_text(text)
