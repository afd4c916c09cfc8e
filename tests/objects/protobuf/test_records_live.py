"""Records from protobuf against those from JSON, of the same objects in a real API server."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec
import pytest

import devcluster
from devcluster import Cluster
from etpguard.kube.connection import Connection
from etpguard.kube.list_pages import PROTOBUF
from etpguard.kube.lists import list_kind
from etpguard.kube.read_client import ReadClient
from etpguard.objects import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NAMESPACE,
    NODE,
    AnyKind,
    Key,
    Record,
    decode_page,
)
from etpguard.objects.network_policies import NETWORK_POLICY
from etpguard.objects.protobuf import pages
from tests.objects.protobuf.random_objects import Maker

pytestmark = pytest.mark.controlplane

KINDS: tuple[AnyKind, ...] = (
    NODE,
    NAMESPACE,
    INGRESS_CLASS,
    ENDPOINT_SLICE,
    INGRESS,
    NETWORK_POLICY,
)
OF_EACH = 250
SPACES = ("random", "random-2")


@pytest.fixture(scope="module")
def filled() -> Iterator[Cluster]:
    """A cluster with random objects of each kind, some of which are being deleted."""
    with devcluster.start(audit_level="None", controllers=()) as cluster:
        for space in SPACES:
            cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": space}})
        for kind in KINDS:
            make = Maker(random.Random(kind.name))
            objects = [make.object(kind, f"{kind.plural}-{number}") for number in range(OF_EACH)]
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(partial(create, cluster, kind), objects))
        yield cluster


def create(cluster: Cluster, kind: AnyKind, made: dict[str, Any]) -> None:
    folder, _, plural = kind.path.rpartition("/")
    space = SPACES[len(made["metadata"]["labels"]) % 2]
    path = f"{folder}/namespaces/{space}/{plural}" if kind.namespaced else kind.path
    cluster.call("POST", path, made, timeout=60)
    if "finalizers" in made["metadata"]:
        cluster.call("DELETE", f"{path}/{made['metadata']['name']}", timeout=60)


def both(cluster: Cluster, kind: AnyKind) -> tuple[dict[Key, Record], dict[Key, Record]]:
    """The records from JSON and from protobuf, of objects that nobody writes meanwhile."""
    client = ReadClient(Connection(cluster.kubeconfig), (10, 60))
    plain, compact = client.get(kind.path, {}), client.get(kind.path, {}, PROTOBUF)
    client.close()
    json, protobuf = decode_page(kind, plain.body), pages.decode_page(kind, compact.body)
    assert json.rejects == protobuf.rejects == []
    made = [*protobuf.items, *(deferred.record() for deferred in protobuf.deferred)]
    return {record.key: record for record in json.items}, {record.key: record for record in made}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_records_from_protobuf_are_those_from_json(filled: Cluster, kind: AnyKind) -> None:
    json, protobuf = both(filled, kind)
    assert len(json) >= OF_EACH
    assert protobuf == json
    assert list(protobuf) == list(json)
    assert any(record.metadata.deletion_timestamp for record in json.values())  # type: ignore[attr-defined]


# Kubernetes 1.33 and older write no `hints.forNodes`.
@pytest.mark.parametrize(
    "kind",
    [pytest.param(each, marks=pytest.mark.since(34)) if each is ENDPOINT_SLICE else each for each in KINDS],
    ids=str,
)
def test_each_field_that_is_read_is_set_in_some_object(filled: Cluster, kind: AnyKind) -> None:
    """Else the comparison above would not show that a field is forgotten."""
    json, _ = both(filled, kind)
    seen: dict[str, set[Any]] = {}
    for record in json.values():
        note(record, kind.name, seen)
    expected = set(declared(kind.record, kind.name))
    if not kind.namespaced:
        expected.discard(f"{kind.name}.metadata.namespace")
    # Only an EndpointSlice that was written as v1beta1 has this; `test_pages` sets it.
    expected.discard("EndpointSlice.endpoints.deprecated_topology")
    assert {path for path in expected if len(seen.get(path, ())) < 2} == set(), "no two objects differ in these"


def test_the_lists_of_the_operator_come_in_protobuf(filled: Cluster) -> None:
    connection = Connection(filled.kubeconfig)
    for kind in KINDS:
        json, _ = both(filled, kind)
        listing = list_kind(connection, kind, limit=100)
        records = [*listing.items, *(deferred.record() for deferred in listing.deferred)]
        assert {record.key: record for record in records} == json
        assert bool(listing.deferred) == (kind is ENDPOINT_SLICE), "JSON is never deferred"


def declared(type_: Any, path: str) -> Iterator[str]:
    """The paths of all fields of a record that are no parts of their own."""
    info = msgspec.inspect.type_info(type_)
    yield from _declared(info, path)


def _declared(info: msgspec.inspect.Type, path: str) -> Iterator[str]:
    match info:
        case msgspec.inspect.StructType(fields=fields):
            for field in fields:
                yield from _declared(field.type, f"{path}.{field.name}")
        case msgspec.inspect.UnionType(types=types):
            for inner in types:
                if not isinstance(inner, msgspec.inspect.NoneType):
                    yield from _declared(inner, path)
        case msgspec.inspect.ListType(item_type=item) | msgspec.inspect.VarTupleType(item_type=item):
            yield from _declared(item, path)
        case _:
            yield path


def note(value: Any, path: str, seen: dict[str, set[Any]]) -> None:
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            note(getattr(value, name), f"{path}.{name}", seen)
    elif isinstance(value, list | tuple):
        for inner in value:
            note(inner, path, seen)
    else:
        seen.setdefault(path, set()).add(repr(value))
