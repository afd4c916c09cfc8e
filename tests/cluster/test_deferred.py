"""Objects whose records are made when they are first read."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from etpguard.cluster import Picture, Store
from etpguard.objects import ENDPOINT_SLICE, Deferred, EndpointSlice, Key, Reject, decode_item

WEB = Key("default", "web")
KEY = Key("default", "web-1")


class Source:
    """A deferred slice of the Service `web`, and how often its record was made."""

    def __init__(self, version: int = 5, nodes: Iterable[str] = ("n1",), uid: str = "u") -> None:
        self.made = 0
        self.raw = {
            "metadata": {
                "name": KEY.name,
                "namespace": KEY.namespace,
                "uid": uid,
                "resourceVersion": str(version),
                "labels": {"kubernetes.io/service-name": WEB.name},
            },
            "addressType": "IPv4",
            "endpoints": [{"nodeName": node} for node in nodes],
        }
        self.deferred: Deferred[EndpointSlice] = Deferred(KEY, uid, version, WEB, b"", self._decode)

    def _decode(self, source: bytes) -> EndpointSlice:
        self.made += 1
        return self.record

    @property
    def record(self) -> EndpointSlice:
        made = decode_item(ENDPOINT_SLICE, self.raw)
        assert isinstance(made, EndpointSlice)
        return made


def listed(store: Store[EndpointSlice], source: Source, version: int = 9) -> object:
    store.begin_list(version)
    change = store.list_item(source.deferred)
    store.end_list(version, {KEY})
    return change


def test_a_record_is_made_when_it_is_read_and_only_once() -> None:
    store, source = Store(ENDPOINT_SLICE), Source()
    listed(store, source)
    assert (len(store), store.version(KEY), store.keys(), store.rejects) == (1, 5, {KEY}, [])
    assert store.holds(KEY, 5, "u")
    assert source.made == 0
    assert store.get(KEY) == source.record
    assert list(store) == [source.record]
    assert source.made == 1


def test_an_iteration_makes_all_records() -> None:
    store, source = Store(ENDPOINT_SLICE), Source()
    listed(store, source)
    assert list(store) == [source.record]


@pytest.mark.parametrize(
    ("before", "after", "matters"),
    [
        pytest.param(Source(5), Source(6), False, id="only the version differs"),
        pytest.param(Source(5), Source(6, ["n2"]), True, id="endpoints differ"),
        pytest.param(Source(5), Source(6, uid="v"), True, id="another object of the name"),
    ],
)
@pytest.mark.parametrize("live", [True, False], ids=["from a watch", "from a list"])
def test_a_change_compares_records(before: Source, after: Source, matters: bool, live: bool) -> None:
    store = Store(ENDPOINT_SLICE)
    listed(store, before)
    change = store.upsert(after.record) if live else store.list_item(after.deferred)
    assert change is not None
    assert change.matters == matters


def test_the_picture_knows_the_service_without_the_record() -> None:
    picture, source = Picture([ENDPOINT_SLICE]), Source()
    touched = picture.absorb(picture.store(ENDPOINT_SLICE).replace([source.deferred]))
    assert touched.endpoints == {WEB}
    assert source.made == 0
    assert picture.slices(WEB) == [source.record]
    gone = picture.store(ENDPOINT_SLICE).delete(KEY, 7)
    assert gone is not None
    assert picture.absorb([gone]).endpoints == {WEB}
    assert picture.slices(WEB) == []


def test_a_deferred_slice_takes_the_place_of_one_that_could_not_be_read() -> None:
    picture = Picture([ENDPOINT_SLICE])
    store = picture.store(ENDPOINT_SLICE)
    picture.absorb(store.replace([Reject("EndpointSlice", KEY, "u", 4, "malformed", WEB)]))
    assert picture.rejected_slices(WEB)
    picture.absorb(store.replace([Source().deferred]))
    assert picture.rejected_slices(WEB) == store.rejects == []
