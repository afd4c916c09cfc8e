"""The page in a real Chromium: what a person sees and does."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path

import pytest
import yaml

from etpguard.page import page_view, render
from etpguard.web.listener import Limits
from tests.assess.build import endpoint, endpoint_slice, node, service
from tests.cli.program import SEED, etpguard
from tests.page.browser import Tab
from tests.page.server import LiveServer
from tests.page.worlds import ZONE, large, page_of, small, zoned

IMAGES = Path(__file__).parents[2] / "docs" / "images"
OPEN_SECONDS = 2.0
CHANGE_SECONDS = 2.0
PHONE_WIDTH = 360

pytestmark = pytest.mark.browser


def written(folder: Path, text: str) -> str:
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    return file.as_uri()


def example(folder: Path) -> str:
    run = etpguard("check", "-f", SEED.relative_to(Path.cwd()), "-o", "html")  # the page shows the path
    assert run.code == 0, run.err
    return written(folder, run.out)


def table(tab: Tab) -> list[list[str]]:
    return tab.value(  # type: ignore[no-any-return]
        "[...document.querySelectorAll('#matrix tbody tr')]"
        ".map((row) => [...row.cells].map((c) => c.innerText.trim()))"
    )


def test_what_is_shown_is_the_report(tab: Tab, tmp_path: Path) -> None:
    report = etpguard("check", "-f", SEED, "-o", "json", "--max-nodes", "0").report
    tab.open(example(tmp_path))
    (shown,) = report["services"]
    name = f"{shown['namespace']}/{shown['name']}"
    assert tab.texts("#summary .cards li") == [f"1 {shown['outcome']}"]
    letters = {node: letter for port in shown["ports"][:1] for letter, state in (("R", "ready"), ("U", "dropped"))
               for node in port[state]}  # fmt: skip
    heads = tab.texts("#matrix thead tr:last-child th")
    assert sorted(heads) == sorted(letters)
    first, second = table(tab)
    assert first == [name, "http 80→30851/TCP", shown["outcome"], *(letters[node] for node in heads)]
    assert second == ["https 443→32350/TCP", "R", "D", "D"]
    tab.value("document.querySelector('details').open = true")
    (story,) = tab.texts("details")
    (consumer,) = shown["consumers"]
    for part in (shown["reason"], consumer["reason"], consumer["controller"], consumer["evidence"]):
        assert part in story
    assert f"uncovered: {', '.join(consumer['uncoveredNodes'])}" in story
    assert tab.problems == []
    assert [url for url in tab.requests if not url.startswith(("file:", "data:"))] == []


HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


def test_hostile_names_are_shown_as_text(tab: Tab, tmp_path: Path) -> None:
    state = yaml.load(SEED.read_text(), yaml.CSafeLoader)
    text = json.dumps(state).replace("nginx-nginx-ingress-controller", json.dumps(HOSTILE)[1:-1])
    file = tmp_path / "state.json"
    file.write_text(text.replace("/nginx-health", json.dumps(HOSTILE)[1:-1]))
    run = etpguard("check", "-f", file, "-o", "html")
    assert run.code == 0, run.err
    tab.open(written(tmp_path, run.out))
    assert table(tab)[0][0] == f"default/{HOSTILE}"
    tab.value("document.querySelector('#matrix a').click()")
    tab.wait("document.querySelector('details').open")
    assert HOSTILE in tab.texts("details")[0]
    assert tab.value("document.title").startswith("etpguard")
    assert tab.problems == []
    assert [url for url in tab.requests if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(tab: Tab, tmp_path: Path, scheme: str) -> None:
    tab.show(scheme=scheme)
    tab.open(example(tmp_path))
    tab.value("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert tab.violations() == []
    every = [
        *(zoned(f"n{number}", "ab"[number % 2]) for number in range(4)),
        *(service(name) for name in ("covered", "ending", "none")),
        endpoint_slice([endpoint(f"n{number}") for number in range(4)], name="a", of="covered"),
        endpoint_slice([endpoint("n0", ready=False, serving=True, terminating=True)], name="b", of="ending"),
    ]
    with LiveServer(*every, node("n9", "False", labels={ZONE: "b"})) as server:
        server.problems = ["nodes: last listed 700 s ago"]
        tab.show(scheme=scheme, width=PHONE_WIDTH)
        tab.open(server.url)
        tab.value("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert tab.violations() == []


def test_the_keyboard_reaches_everything(tab: Tab, tmp_path: Path) -> None:
    tab.open(written(tmp_path, render(page_view(page_of(*small())))))
    reached = []
    for _ in range(8):
        tab.press("Tab")
        reached.append(
            tab.value("((e) => e.getAttribute('name') || e.getAttribute('href') || e.className || e.localName)"
                      "(document.activeElement)")
        )  # fmt: skip
    assert reached == [
        "#services", "text", "outcome", "scroll", "#default/api", "#default/web", "summary", "summary",
    ]  # fmt: skip
    tab.press("Enter", "\r")
    tab.wait("document.getElementById('default/web').open")
    tab.value("document.querySelector('input').focus()")
    for letter in "API":
        tab.press(letter, letter)
    tab.wait("document.querySelector('output').value === '1 shown'")
    assert [row[0] for row in visible_rows(tab)] == ["default/api"]
    tab.value("document.querySelector('#matrix a').focus()")
    tab.press("Enter", "\r")
    tab.wait(
        "document.activeElement.parentElement.id === 'default/api' && document.activeElement.parentElement.open"
    )


def visible_rows(tab: Tab) -> list[list[str]]:
    return tab.value(  # type: ignore[no-any-return]
        "[...document.querySelectorAll('#matrix tbody tr')].filter((row) => row.checkVisibility())"
        ".map((row) => [...row.cells].map((c) => c.innerText.trim()))"
    )


def test_the_filter_by_outcome(tab: Tab, tmp_path: Path) -> None:
    tab.open(written(tmp_path, render(page_view(page_of(*small(), service("lost"))))))
    tab.value(
        "document.querySelector('select').value = 'NoEndpoints';"
        "document.querySelector('form').dispatchEvent(new Event('input', {bubbles: true}))"
    )
    assert [row[0] for row in visible_rows(tab)] == ["default/lost"]
    assert tab.texts("output") == ["1 shown"]


def test_a_phone_shows_all_without_moving_the_page_sideways(tab: Tab, tmp_path: Path) -> None:
    tab.show(width=PHONE_WIDTH)
    tab.open(example(tmp_path))
    tab.value("document.querySelector('details').open = true")
    assert tab.value("document.documentElement.scrollWidth") <= PHONE_WIDTH


def test_paper_shows_every_story(tab: Tab, tmp_path: Path) -> None:
    tab.open(example(tmp_path))
    hidden = "document.querySelector('details p').checkVisibility()"
    assert not tab.value(hidden)
    tab.show(media="print", scheme="dark")
    assert tab.value(hidden)
    assert tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


COVERED = endpoint_slice([endpoint(f"n{number}") for number in range(1, 6)])


def test_a_change_appears_and_what_the_reader_opened_stays_open(tab: Tab) -> None:
    with LiveServer(*small()) as server:
        tab.open(server.url)
        tab.wait("document.getElementById('connection').textContent.startsWith('Live')")
        tab.value(
            "document.getElementById('default/api').open = true;"
            "document.querySelector('[id=\"default/api\"] summary').focus();"
            "window.before = document.getElementById('default/api')"
        )
        server.put(COVERED)
        tab.wait("document.getElementById('default/web').dataset.outcome === 'Covered'")
        assert {row[0]: row[2] for row in table(tab)} == {"default/api": "Uncovered", "default/web": "Covered"}
        assert tab.value("document.getElementById('default/api') === window.before && window.before.open")
        assert tab.value("document.activeElement.parentElement === window.before")
        server.problems = ["nodes: last listed 700 s ago"]
        tab.wait("document.getElementById('summary').innerText.includes('last listed 700 s ago')")
        assert "not fresh" in " ".join(tab.texts("#summary dd"))
        server.put(service("third"))
        tab.wait("document.getElementById('default/third') !== null")
        assert tab.problems == []
        assert {url.rpartition("/")[0] for url in tab.requests if not url.startswith("data:")} == {server.url[:-1]}
    tab.wait("document.getElementById('connection').textContent.startsWith('Not connected')")


def test_a_reader_who_was_refused_follows_once_there_is_room(tab: Tab) -> None:
    with LiveServer(*small()) as server, contextlib.ExitStack() as others:
        port = int(server.url.rpartition(":")[2].rstrip("/"))
        for _ in range(Limits().streams):
            follower = others.enter_context(socket.create_connection(("127.0.0.1", port)))
            follower.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 200 " in follower.recv(100)
        tab.open(server.url)
        tab.wait("document.getElementById('connection').textContent.startsWith('Not connected. ')")
        others.close()
        tab.wait("document.getElementById('connection').textContent.startsWith('Live')")


def test_services_appear_on_a_page_without_any(tab: Tab) -> None:
    with LiveServer(node("n1")) as server:
        tab.open(server.url)
        assert "No Service" in tab.texts(".verdict")[0]
        server.put(service())
        tab.wait("document.querySelector('#matrix tbody') !== null")
        assert tab.problems == []


@pytest.mark.timing
def test_a_change_appears_soon(tab: Tab) -> None:
    with LiveServer(*small()) as server:
        tab.open(server.url)
        tab.wait("document.getElementById('connection').textContent.startsWith('Live')")
        began = time.monotonic()
        server.put(COVERED)
        tab.wait("document.getElementById('default/web').dataset.outcome === 'Covered'")
        assert time.monotonic() - began < CHANGE_SECONDS


@pytest.mark.timing
def test_the_page_of_a_large_cluster_opens_soon(tab: Tab, tmp_path: Path) -> None:
    """From the start of the navigation to the first frame after all of it is there; the best of three."""
    url = written(tmp_path, render(page_view(large())))
    painted = "new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
    for _ in range(3):
        tab.open(url)
        took = tab.value(painted)
        if took < OPEN_SECONDS * 1000:
            break
    assert took < OPEN_SECONDS * 1000
    assert tab.value("document.querySelectorAll('details[id]').length") == 2_000


@pytest.mark.skipif("RENEW_PICTURES" not in os.environ, reason="RENEW_PICTURES=1 renews docs/images")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_of_the_readme(tab: Tab, tmp_path: Path, scheme: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    tab.show(scheme=scheme, width=1000, height=860)
    tab.open(example(tmp_path))
    tab.picture(IMAGES / f"page-file-{scheme}.webp")
    with LiveServer(*small()) as server:
        tab.open(server.url)
        tab.wait("document.getElementById('connection').textContent.startsWith('Live')")
        tab.picture(IMAGES / f"page-live-{scheme}.webp")
