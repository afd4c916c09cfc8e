"""The navigation of the site is docs/index.md: each heading there with a list of links becomes a part of it.

So docs/index.md reads well in the repository, and there is no second list of pages. Sphinx warns about a page that
the list does not have.
"""

from __future__ import annotations

import posixpath
import re

from sphinx.application import Sphinx

_PART = re.compile(r"^## (?P<caption>.+)\n(?P<body>(?:(?!^## ).*\n?)*)", re.MULTILINE)
_PAGE = re.compile(r"^(?:- |\| )\[(?P<title>[^\]]+)\]\((?P<page>[^)#:]+)\.md\)", re.MULTILINE)


def parts(text: str) -> dict[str, list[tuple[str, str]]]:
    """By heading: the title and the path of each page that an entry of a list or a row of a table begins with.

    A path is relative to the index and has no suffix.
    """
    found = {}
    for part in _PART.finditer(text):
        pages = [(page["title"], page["page"]) for page in _PAGE.finditer(part["body"])]
        if pages:
            found[part["caption"]] = pages
    return found


def with_contents(text: str, folder: str) -> str:
    """The text of the index with a hidden table of contents for each part. `folder` is the folder of the index."""
    blocks = []
    for caption, pages in parts(text).items():
        entries = [f"{title} </{posixpath.normpath(posixpath.join(folder, page))}>" for title, page in pages]
        blocks += ["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *entries, "```"]
    return text + "\n".join(blocks) + "\n"


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == app.config.root_doc:
        source[0] = with_contents(source[0], posixpath.dirname(docname))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
