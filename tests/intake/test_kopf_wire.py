"""What Kopf gets in place of a list and of a watch's lines, and that its handler finds the record again."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etpguard.intake import kopf_wire
from etpguard.intake.kopf_wire import MOST_PARKED, ParkedRecords, WatchContent, without_objects
from etpguard.objects import NODE, Reject, decode_item


def node(name: str, version: int) -> dict[str, Any]:
    meta = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version), "finalizers": ["example.com/x"]}
    return {"kind": "Node", "apiVersion": "v1", "metadata": meta, "status": {"images": [{"names": ["a"] * 50}]}}


def line(what: str, body: dict[str, Any]) -> bytes:
    return json.dumps({"type": what, "object": body}).encode()


@pytest.mark.parametrize("what", ["ADDED", "MODIFIED", "DELETED"])
def test_an_event_is_its_version_and_the_way_to_its_record(what: str) -> None:
    parked = ParkedRecords()
    small = json.loads(parked.stand_in(NODE, line(what, node("n1", 7))))
    assert small["type"] == what
    meta = small["object"]["metadata"]
    assert (meta["uid"], meta["resourceVersion"]) == ("nodes", "7")
    assert meta.keys() == {"uid", "name", "resourceVersion"}
    entry = parked.take(NODE, small["object"])
    assert entry == decode_item(NODE, node("n1", 7))


def test_events_of_one_object_are_each_found_in_any_order() -> None:
    parked = ParkedRecords()
    small = [json.loads(parked.stand_in(NODE, line("MODIFIED", node("n1", v)))) for v in (7, 8, 9)]
    assert [parked.take(NODE, small[i]["object"]).version for i in (2, 0, 1)] == [9, 7, 8]
    with pytest.raises(KeyError):
        parked.take(NODE, small[0]["object"])


@pytest.mark.parametrize(
    "given_line",
    [
        pytest.param(line("BOOKMARK", {"metadata": {"resourceVersion": "9"}}), id="a bookmark"),
        pytest.param(line("ERROR", {"kind": "Status", "code": 410}), id="an error"),
        pytest.param(line("ADDED", {"metadata": {"name": 7}}), id="an object that cannot be read"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>", id="no JSON"),
        pytest.param(b"\xff", id="no text"),
        pytest.param(b'{"type": 7}', id="no event"),
    ],
)
def test_what_is_no_event_of_a_readable_object_passes_as_it_is(given_line: bytes) -> None:
    assert ParkedRecords().stand_in(NODE, given_line) == given_line


def test_an_object_that_came_as_it_is_is_read_by_the_handler() -> None:
    parked = ParkedRecords()
    assert parked.take(NODE, node("n1", 7)) == decode_item(NODE, node("n1", 7))
    rejected = parked.take(NODE, {"metadata": {"name": "n1", "labels": 7}})
    assert isinstance(rejected, Reject)
    assert "metadata.labels" in rejected.message


class Chunks:
    """A StreamReader's part in it."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks
        self.total = sum(map(len, chunks))

    async def iter_chunked(self, n: int) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


def read(*chunks: bytes) -> tuple[ParkedRecords, bytes]:
    parked = ParkedRecords()
    small = WatchContent(cast(aiohttp.StreamReader, Chunks(*chunks)), NODE, parked)

    async def all_of_it() -> bytes:
        return b"".join([data async for data in small.iter_chunked(1024)])

    assert small.total == sum(map(len, chunks))  # else it is the whole object
    return parked, asyncio.run(all_of_it())


@given(cuts=st.lists(st.integers(0, 2000)), versions=st.lists(st.integers(1, 10**9), max_size=4))
def test_lines_are_whole_wherever_the_chunks_end(cuts: list[int], versions: list[int]) -> None:
    whole = b"".join(line("MODIFIED", node("n1", version)) + b"\n" for version in versions)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    parked, passed = read(*(whole[a:b] for a, b in itertools.pairwise(places)))
    objects = [json.loads(each)["object"] for each in passed.splitlines()]
    assert [parked.take(NODE, each).version for each in objects] == versions


def test_a_line_that_was_cut_off_is_passed_on_for_what_it_is() -> None:
    _, passed = read(line("BOOKMARK", {}) + b"\n", b'{"type": "ADD')
    assert passed.splitlines() == [line("BOOKMARK", {}), b'{"type": "ADD']


def events(many: int) -> bytes:
    return b"".join(line("MODIFIED", node("n1", version)) + b"\n" for version in range(1, many + 1))


def test_a_watch_is_not_read_on_while_many_records_wait_for_their_handlers() -> None:
    """The events of a break come all at once."""
    parked = ParkedRecords()
    content = WatchContent(cast(aiohttp.StreamReader, Chunks(events(1000))), NODE, parked)
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    most = 0

    async def handle() -> None:
        nonlocal most
        while True:
            given_object = await queue.get()
            most = max(most, len(parked))
            parked.take(NODE, given_object)
            await asyncio.sleep(0)  # Kopf has some turns of the loop for each event

    async def watch() -> int:
        handling = asyncio.create_task(handle())
        passed = 0
        async for data in content.iter_chunked(1024):
            for each in data.splitlines():
                queue.put_nowait(json.loads(each)["object"])
                passed += 1
        handling.cancel()
        return passed

    assert asyncio.run(watch()) == 1000
    assert most < 2 * MOST_PARKED


def test_records_that_nobody_asks_for_do_not_end_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kopf_wire, "LONGEST_PAUSE_SECONDS", 0.001)
    parked, passed = read(events(3 * MOST_PARKED))
    assert len(passed.splitlines()) == len(parked) == 3 * MOST_PARKED


META = {"resourceVersion": "70", "continue": "token", "remainingItemCount": 24_999}


def test_the_list_at_its_version_whole_and_empty() -> None:
    body = {"kind": "NodeList", "apiVersion": "v1", "metadata": META, "items": [{"metadata": {"name": "n1"}}]}
    assert json.loads(without_objects(json.dumps(body).encode())) == {
        "kind": "NodeList",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "70"},
        "items": [],
    }


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>", id="a proxy's page"),
        pytest.param(b"\xff", id="no text"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b'{"kind": "Status", "apiVersion": "v1", "metadata": {}, "code": 500}', id="no version"),
    ],
)
def test_what_is_no_list_is_left_to_who_asked(body: bytes) -> None:
    assert without_objects(body) == body
