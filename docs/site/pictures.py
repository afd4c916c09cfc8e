"""`<picture>` in Markdown, with a picture for dark and one for light pages, becomes two images of the theme."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

_PICTURE = re.compile(
    r'<picture>\s*<source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>[^"]+)">\s*'
    r'<img src="(?P<light>[^"]+)"(?: width="\d+")? alt="(?P<alt>[^"]+)">\s*</picture>'
)


def as_images(text: str) -> str:
    """The text with two image directives for each `<picture>`. The theme shows the one that fits its colours."""
    return _PICTURE.sub(_images, text)


def _images(found: re.Match[str]) -> str:
    alt = " ".join(found["alt"].split())
    return "\n".join(
        f"```{{image}} {found[scheme]}\n:class: only-{scheme}\n:alt: {alt}\n```\n" for scheme in ("light", "dark")
    )


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = as_images(source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
