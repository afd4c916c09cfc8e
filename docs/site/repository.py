"""Links that leave the site: to files of the repository, which must exist, and to other hosts, which are listed.

A build has no network. `external-links.txt` beside the pages has every address that was not checked.
"""

from __future__ import annotations

import posixpath
from pathlib import Path
from urllib.parse import unquote

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

LIST = "external-links.txt"
_log = logging.getLogger(__name__)


class RepositoryLinks(SphinxTransform):
    """A link to a file or folder that is no page leads to the repository. Without its address, it is only text.

    Sphinx warns about all other links that lead nowhere.
    """

    default_priority = 100

    def apply(self, **kwargs: object) -> None:
        found = [
            *self.document.findall(addnodes.download_reference),
            *(link for link in self.document.findall(addnodes.pending_xref) if link["refdomain"] is None),
        ]
        for link in found:
            path = _in_repository(self.env.docname, unquote(link["reftarget"]))
            if (Path(self.env.srcdir) / path).exists():
                link.replace_self(self._link(path, link))

    def _link(self, path: str, link: nodes.Element) -> nodes.Node:
        text = link.astext()
        base = self.config.repository_url.rstrip("/")
        if base:
            return nodes.reference(text, text, refuri=f"{base}/{path}")
        return nodes.inline(text, text)


def _in_repository(docname: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(docname), target.partition("#")[0]))


def _list_external(app: Sphinx, failure: Exception | None) -> None:
    if failure or app.builder.name != "html":
        return
    addresses = {
        reference["refuri"]
        for page in app.env.all_docs
        for reference in app.env.get_doctree(page).findall(nodes.reference)
        if reference.get("refuri", "").startswith(("http://", "https://"))
    }
    file = Path(app.outdir) / LIST
    file.write_text("".join(f"{address}\n" for address in sorted(addresses)))
    _log.info("%d links to other hosts were not checked: %s", len(addresses), file)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("repository_url", "", "env", str)
    app.add_transform(RepositoryLinks)
    app.connect("build-finished", _list_external)
    return {"parallel_read_safe": True}
