"""Sphinx settings of the site and of the man page: `make docs`.

The source folder is the root of the repository. So the links between pages, README.md and the chart are the same
on the site and in the repository, and the address of a page is its path.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "operator")]

from etpguard import __version__  # noqa: E402

project = "etpguard"
author = "the authors of etpguard"
release = version = __version__
language = "en"

extensions = [
    "myst_parser",
    "docs.site.pictures",
    "docs.site.navigation",
    "docs.site.repository",
    "docs.site.manual",
]

root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "manifests/chart/etpguard/README.md"]
exclude_patterns = [
    ".*", "**/.*", "bench", "build", "demo", "devcluster", "dist", "examples", "node_modules", "operator", "tests",
    "docs/site",
]  # fmt: skip

myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]
suppress_warnings = [
    "misc.highlighting_failure"
]  # the lexer of PromQL does not know the colons of recording rules

html_theme = "furo"
html_favicon = "favicon.svg"
html_title = f"etpguard {release}"
templates_path = ["templates"]
html_extra_path = ["extra"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": False}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

repository_url = os.environ.get("ETPGUARD_REPOSITORY_URL", "")
"""Where the files of this version are on the web, such as https://git.example.com/net/etpguard/blob/v1. Without
it, a link to a file that is no page is only text."""

_PURPOSE = "find the nodes that lose external traffic to Services with externalTrafficPolicy: Local"
man_pages: list[tuple[str, str, str, list[str], int]] = [("docs/cli", "etpguard", _PURPOSE, [], 1)]
man_show_urls = False
