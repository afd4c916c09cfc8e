"""The documentation site in a real Chromium, served from loopback: search, console, other hosts, accessibility."""

from __future__ import annotations

import functools
import http.server
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.console import ROOT
from tests.page.browser import Tab

PAGES = ("docs/index", "README", "docs/concepts", "docs/cli", "docs/runbooks/EtpguardTrafficLost")

pytestmark = pytest.mark.browser


def build(builder: str, folder: Path) -> Path:
    """What `make docs` and `make man` run. A warning fails the build."""
    options = ("--quiet", "--nitpicky", "--fail-on-warning", "-c", "docs/site", "-b", builder)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, ".", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    return folder


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the built site. BUILT_SITE names a folder where `make docs` has just built it."""
    built = os.environ.get("BUILT_SITE")
    folder = ROOT / built if built else build("html", tmp_path_factory.mktemp("site"))
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def asks_no_other_host(tab: Tab, site: str) -> None:
    assert [url for url in tab.requests if not url.startswith((f"{site}/", "data:"))] == []


def test_the_root_leads_to_the_index(site: str) -> None:
    with urllib.request.urlopen(f"{site}/", timeout=10) as answer:
        text = answer.read().decode()
    (target,) = re.findall(r'content="0; url=([^"]+)"', text)
    with urllib.request.urlopen(f"{site}/{target}", timeout=10) as answer:
        assert "<h1>etpguard" in answer.read().decode()


@pytest.mark.parametrize(
    ("word", "page"),
    [
        ("NoTargets", "/docs/outcomes.html#notargets"),
        ("DwellTime", "/docs/remediation.html"),
        ("honorLabels", "/docs/paging.html"),
    ],
)
def test_the_search_finds_a_word(tab: Tab, site: str, word: str, page: str) -> None:
    tab.open(f"{site}/search.html?q={word}")
    tab.wait("document.querySelectorAll('#search-results li a').length > 0")
    tab.wait("document.querySelector('#search-results .search-summary').innerText.includes('found')")
    links = tab.value("[...document.querySelectorAll('#search-results li a')].map((a) => new URL(a.href))"
                      ".map((url) => url.pathname + url.hash)")  # fmt: skip
    assert any(link.startswith(page) for link in links), links
    assert tab.problems == []
    asks_no_other_host(tab, site)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_complete_and_accessible(tab: Tab, site: str, page: str) -> None:
    tab.open(f"{site}/{page}.html")
    # The theme hides one of the two pictures for light and dark, and the browser loads a picture when it is near.
    tab.value("document.querySelectorAll('img').forEach((each) => { each.loading = 'eager'; })")
    tab.wait("[...document.images].every((each) => each.complete && each.naturalWidth)")
    assert tab.value("[...document.images].filter((each) => !each.alt).map((each) => each.src)") == []
    for scheme in ("light", "dark"):
        tab.show(scheme=scheme)
        assert tab.violations() == []
    assert tab.problems == []
    asks_no_other_host(tab, site)


def test_it_can_be_read_on_a_phone(tab: Tab, site: str) -> None:
    tab.show(width=360)
    for page in PAGES:
        tab.open(f"{site}/{page}.html")
        assert tab.value("document.documentElement.scrollWidth") <= 360, page
