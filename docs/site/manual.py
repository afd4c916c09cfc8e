"""The man page is the page of the command line, in the forms that man pages have.

A table of two columns becomes a list of terms, because `man` cannot break the long names of options in a table. A
link to another page becomes its text.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform


class ManualForms(SphinxPostTransform):
    default_priority = 900  # after references are resolved
    builders = ("man",)

    def run(self, **kwargs: object) -> None:
        for table in list(self.document.findall(nodes.table)):
            rows = [list(row.children) for row in table.findall(nodes.row)][1:]
            if all(len(row) == 2 for row in rows):
                table.replace_self(_terms(rows))
        for link in list(self.document.findall(nodes.reference)):
            if not link.get("refuri"):
                link.replace_self(link.children)


def _terms(rows: list[list[nodes.Node]]) -> nodes.definition_list:
    terms = nodes.definition_list()
    for term, meaning in rows:
        named = nodes.term("", "", *(child for paragraph in term.children for child in paragraph.children))
        terms += nodes.definition_list_item("", named, nodes.definition("", *meaning.children))
    return terms


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_post_transform(ManualForms)
    return {"parallel_read_safe": True}
