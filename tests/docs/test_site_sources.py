"""What docs/site makes of Markdown and of links, and the man page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devcluster import MissingToolError
from docs.site.navigation import parts, with_contents
from docs.site.pictures import as_images
from etpguard.cli.main import cli
from tests.docs.console import ROOT

INDEX = ROOT / "docs" / "index.md"


class TestNavigation:
    def test_each_heading_with_links_is_a_part(self) -> None:
        text = (
            "# T\n\n- [Not of a part](x.md)\n\n## Start\n\nA [link](no.md).\n\n- [A b](a.md): text [c](c.md)\n"
            "- [Up](../UP.md#part)\n\n## Text only\n\nNothing.\n\n## Last\n\n- [Up](../UP.md)\n- [Web](https://x.md)\n"
        )
        assert parts(text) == {"Start": [("A b", "a")], "Last": [("Up", "../UP")]}
        made = with_contents(text, "docs")
        assert made.startswith(text)
        assert ":caption: Start\n\nA b </docs/a>\n```" in made
        assert ":caption: Last\n\nUp </UP>\n```" in made

    def test_the_index_has_every_page(self) -> None:
        """Sphinx says so too. This test names the page without a build."""
        listed = {
            (INDEX.parent / f"{path}.md").resolve()
            for pages in parts(INDEX.read_text()).values()
            for _, path in pages
        }
        pages = {*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "manifests/chart/etpguard/README.md"}
        assert pages - listed == {INDEX}
        assert "(docs/index.md)" in (ROOT / "README.md").read_text()

    def test_an_entry_has_the_title_of_its_page(self) -> None:
        """An entry omits what follows a colon. The title of a README is the name of the project."""
        wrong = {
            path: title
            for pages in parts(INDEX.read_text()).values()
            for title, path in pages
            if not path.endswith("/README")
            and title != (INDEX.parent / f"{path}.md").read_text().splitlines()[0].removeprefix("# ").split(":")[0]
        }
        assert wrong == {}


def test_a_picture_for_each_scheme() -> None:
    text = (
        'a\n<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="d.webp">\n'
        '  <img src="l.webp" width="720" alt="The\n  page">\n</picture>\nb'
    )
    light = "```{image} l.webp\n:class: only-light\n:alt: The page\n```\n"
    dark = "```{image} d.webp\n:class: only-dark\n:alt: The page\n```\n"
    assert as_images(text) == f"a\n{light}\n{dark}\nb"
    assert "<picture>" not in as_images((ROOT / "README.md").read_text())


SOURCE = """# Page

- [folder](../examples)
- [file](../LICENSE)
- [web](https://example.com/a)
"""


def sphinx(builder: str, source: Path, target: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "-c", str(ROOT / "docs/site"), "-b", builder, *options,
         str(source), str(target)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


class TestLinks:
    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        folder = tmp_path / "source"
        (folder / "docs").mkdir(parents=True)
        (folder / "examples").mkdir()
        (folder / "LICENSE").write_text("text")
        (folder / "docs" / "index.md").write_text(SOURCE)
        return folder

    def test_files_lead_to_the_repository_and_other_hosts_are_listed(self, source: Path, tmp_path: Path) -> None:
        done = sphinx("html", source, tmp_path / "made", "-D", "repository_url=https://git.example.com/blob/v1/")
        assert done.returncode == 0, done.stderr
        made = (tmp_path / "made/docs/index.html").read_text()
        assert 'href="https://git.example.com/blob/v1/examples"' in made
        assert 'href="https://git.example.com/blob/v1/LICENSE"' in made
        listed = (tmp_path / "made/external-links.txt").read_text().splitlines()
        assert "https://example.com/a" in listed

    def test_a_link_that_leads_nowhere_fails_the_build(self, source: Path, tmp_path: Path) -> None:
        links = ("none.md", "index.md#none", "#none", "../none.yaml")
        (source / "docs" / "index.md").write_text("# Page\n" + "".join(f"\n[x]({link})\n" for link in links))
        done = sphinx("html", source, tmp_path / "made")
        assert done.returncode == 1
        for line in range(3, 3 + 2 * len(links), 2):
            assert f"index.md:{line}: WARNING" in done.stderr


@pytest.fixture(scope="module")
def man_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man")
    done = sphinx("man", ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder / "etpguard.1"


class TestManPage:
    def test_it_has_every_command_and_option(self, man_page: Path) -> None:
        text = man_page.read_text().replace("\\-", "-")
        for name, command in cli.commands.items():
            assert f".SH ETPGUARD {name.upper()}" in text
            for parameter in command.params:
                assert all(option in text for option in parameter.opts if option.startswith("-")), parameter
        assert ".TS" not in text  # a table cannot break the long names of options

    def test_groff_renders_it_without_a_warning(self, man_page: Path) -> None:
        groff = shutil.which("groff")
        if groff is None:
            raise MissingToolError("groff is not installed (Debian's package groff-base has it)")
        done = subprocess.run(
            [groff, "-man", "-Tutf8", "-ww", "-Kutf8", str(man_page)], capture_output=True, text=True, timeout=60,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert done.stderr == ""
        shown = re.sub(r".\x08|\x1b\[\d*m", "", done.stdout)  # bold and underlined
        assert "--fail-on OUTCOME" in shown
