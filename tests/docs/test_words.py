"""Docs, manifests and code use the words of the field: docs/architecture.md and CONTRIBUTING.md show them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.console import ROOT

_AVOIDED = re.compile(r"\b(mend|told|dialled|heed|speaks? of|to be had|anew)\b", re.IGNORECASE)
_FOLDERS = ("docs", "manifests", "crds", "examples", "demo", "operator")
_FILES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "Dockerfile", "kind-config.yaml")


def _texts(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".webp":
            yield path


@pytest.mark.parametrize("name", [*_FILES, *_FOLDERS])
def test_no_word_that_a_reader_has_to_decode(name: str) -> None:
    place = ROOT / name
    paths = _texts(place) if place.is_dir() else [place]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if _AVOIDED.search(line)
    ]
    assert not found, "\n".join(found)
