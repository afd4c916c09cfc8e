"""The picture's indices, kept change by change, are those of a picture made at once from what is held."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etpguard.assess import picture_for
from etpguard.cluster import Picture, Touched
from etpguard.objects import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NODE,
    SERVICE,
    AnyKind,
    Key,
    Reject,
    Service,
    decode_item,
)
from tests.examples import examples

Json = dict[str, Any]

NAMES = ("a", "b", "c")
KEYS = [Key(namespace, name) for namespace in ("x", "y") for name in NAMES]
NODE_PORTS = (30001, 30002, 30003)
REFERRERS: tuple[AnyKind, ...] = (ENDPOINT_SLICE, INGRESS)
KINDS: tuple[AnyKind, ...] = (SERVICE, ENDPOINT_SLICE, NODE, INGRESS)


def content(kind: AnyKind, target: str, port: int) -> Json:
    """An object that refers to the Service `target`, or holds the node port."""
    if kind is SERVICE:
        return {"metadata": {}, "spec": {"ports": [{"port": 80, "nodePort": port, "protocol": "TCP"}]}}
    if kind is ENDPOINT_SLICE:
        return {"metadata": {"labels": {"kubernetes.io/service-name": target}}, "addressType": "IPv4"}
    if kind is INGRESS:
        return {"metadata": {}, "spec": {"defaultBackend": {"service": {"name": target}}}}
    return {"metadata": {}}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from(KEYS),
        st.sampled_from(("upsert", "upsert", "upsert", "malformed", "delete", "list")),
        st.sampled_from(NAMES),
        st.sampled_from(NODE_PORTS),
    ),
    max_size=40,
)


def play(steps: Sequence[tuple[AnyKind, Key, str, str, int]], lost: Set[int] = frozenset()) -> Picture:
    """The changes of the steps with the numbers `lost` do not reach the indices."""
    picture = picture_for(())
    for version, (kind, key, what, target, port) in enumerate(steps, start=1):
        store = picture.store(kind)
        if not kind.namespaced:
            key = Key("", key.name)
        raw = content(kind, target, port)
        raw["metadata"] |= {"name": key.name, "namespace": key.namespace, "resourceVersion": str(version)}
        if what == "malformed":
            raw["metadata"]["deletionTimestamp"] = 5
        entry = decode_item(kind, raw)
        assert isinstance(entry, Reject) == (what == "malformed")
        if what == "delete":
            changes = [store.delete(key, version)]
        elif what == "list":  # of this one object
            store.begin_list(version)
            changes = [store.list_item(entry), *store.end_list(version, {key})]
        else:
            changes = [store.upsert(entry)]
        if version not in lost:
            picture.absorb(change for change in changes if change is not None)
    return picture


def indices(picture: Picture) -> Json:
    return {
        "referring": {
            (kind.name, key): [record.key for record in picture.referring(kind, key)]
            for kind in REFERRERS
            for key in KEYS
        },
        "rejected slices": {key: {reject.key for reject in picture.rejected_slices(key)} for key in KEYS},
        "rejected referrers": {n: [r.key for r in picture.rejected_referrers(n)] for n in ("x", "y")},
        "owners": {number: [service.key for service in picture.node_port_owners(number)] for number in NODE_PORTS},
        "nodes": picture.nodes.names(picture.nodes.present),
    }


def by_looking_through(picture: Picture) -> Json:
    """The same without any index."""

    def referring(kind: AnyKind, service: Key) -> list[Key]:
        return sorted(record.key for record in picture.store(kind) if service in kind.refers(record))

    def owns(service: Service, number: int) -> bool:
        return any(port.node_port == number for port in service.ports)

    slices, ingresses = picture.store(ENDPOINT_SLICE).rejects, picture.store(INGRESS).rejects
    nodes = picture.store(NODE)
    return {
        "referring": {(kind.name, key): referring(kind, key) for kind in REFERRERS for key in KEYS},
        "rejected slices": {key: {reject.key for reject in slices if reject.service == key} for key in KEYS},
        "rejected referrers": {n: sorted(r.key for r in ingresses if r.key.namespace == n) for n in ("x", "y")},
        "owners": {n: sorted(s.key for s in picture.store(SERVICE) if owns(s, n)) for n in NODE_PORTS},
        # A Node that cannot be read exists all the same.
        "nodes": sorted([*(node.key.name for node in nodes), *(reject.key.name for reject in nodes.rejects)]),
    }


@settings(max_examples=examples(300), deadline=None)
@given(STEPS)
def test_updated_indices_equal_indices_built_from_scratch(steps: list[tuple[AnyKind, Key, str, str, int]]) -> None:
    picture = play(steps)
    fresh = picture_for(())
    for kind in KINDS:
        store = picture.store(kind)
        held = [*store, *store.rejects]
        fresh.absorb(fresh.store(kind).replace(held))
    assert indices(picture) == indices(fresh) == by_looking_through(picture)


@settings(max_examples=examples(100), deadline=None)
@given(STEPS, st.sets(st.integers(1, 40)))
def test_indices_made_anew_need_no_change(steps: list[tuple[AnyKind, Key, str, str, int]], lost: set[int]) -> None:
    picture = play(steps, lost)
    for kind in KINDS:
        picture.index_anew(kind)
    assert indices(picture) == by_looking_through(picture)


def entry_of(kind: AnyKind, raw: Json, version: int) -> Any:
    return decode_item(kind, {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(version)}})


X_A, X_B = Key("x", "a"), Key("x", "b")
SLICE_OF_A = {"metadata": {"name": "s", "namespace": "x", "labels": {"kubernetes.io/service-name": "a"}}}
SLICE_OF_B = {"metadata": {"name": "s", "namespace": "x", "labels": {"kubernetes.io/service-name": "b"}}}


def service_with(node_port: int, protocol: str = "TCP") -> Json:
    port = {"port": 80, "nodePort": node_port, "protocol": protocol}
    return {"metadata": {"name": "a", "namespace": "x"}, "spec": {"ports": [port]}}


@pytest.mark.parametrize(
    ("kind", "before", "after", "touched"),
    [
        pytest.param(ENDPOINT_SLICE, None, SLICE_OF_A, Touched(endpoints={X_A}), id="a slice: its Service"),
        pytest.param(
            ENDPOINT_SLICE, SLICE_OF_A, SLICE_OF_B, Touched(endpoints={X_A, X_B}), id="a slice moves: both"
        ),
        pytest.param(ENDPOINT_SLICE, SLICE_OF_A, SLICE_OF_A, Touched(), id="a slice's resourceVersion: none"),
        pytest.param(SERVICE, None, service_with(30001), Touched({X_A}, node_ports={30001}), id="a Service"),
        pytest.param(
            SERVICE,
            service_with(30001),
            service_with(30002),
            Touched({X_A}, node_ports={30001, 30002}),
            id="a node port changes: both numbers",
        ),
        pytest.param(
            SERVICE,
            service_with(30001, "UDP"),
            service_with(30001),
            Touched({X_A}, node_ports={30001}),
            id="the protocol of a node port changes: its number",
        ),
        pytest.param(NODE, None, {"metadata": {"name": "n"}}, Touched(nodes={"n"}), id="a node"),
        pytest.param(
            INGRESS_CLASS, None, {"metadata": {"name": "c"}}, Touched(everything=True), id="a class: everything"
        ),
        pytest.param(
            INGRESS,
            None,
            {"metadata": {"name": "i", "namespace": "x", "labels": 5}},
            Touched(namespaces={"x"}),
            id="an Ingress that cannot be read: its namespace",
        ),
    ],
)
def test_what_a_change_touches(kind: AnyKind, before: Json | None, after: Json, touched: Touched) -> None:
    picture = picture_for(())
    store = picture.store(kind)
    if before:
        picture.absorb(store.replace([entry_of(kind, before, 1)]))
    assert picture.absorb(store.replace([entry_of(kind, after, 2)])) == touched


def test_why_a_kind_is_unknown() -> None:
    picture = Picture((SERVICE, NODE, INGRESS))
    picture.unread[NODE] = "forbidden"
    picture.unlisted[INGRESS] = "no file has one"
    why = [picture.why_unknown(kind) for kind in (SERVICE, NODE, INGRESS, ENDPOINT_SLICE)]
    assert why == [None, "forbidden", "no file has one", "nobody read them"]


def test_a_node_without_a_name_is_no_node() -> None:
    picture = picture_for(())
    reject = decode_item(NODE, {"metadata": {}})
    picture.absorb(picture.store(NODE).replace([reject]))
    assert picture.nodes.names(picture.nodes.present) == []
