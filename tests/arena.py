"""For packages whose Nodes must be theirs alone, since those of other tests would count as eligible."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import devcluster
from devcluster import Cluster


class _Closing(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=_Closing)


def own_cluster(install: Callable[[Cluster], None]) -> Iterator[Cluster]:
    """A fixture's body: a control plane, with the bodies of writes in its audit log and what `install` adds."""
    with devcluster.start(audit_bodies=True) as cluster:
        install(cluster)
        yield cluster


def own_namespace(arena: Cluster, make: Callable[[Cluster, str], T]) -> Iterator[T]:
    """A fixture's body: what `make` sets up in a new namespace, which is deleted afterwards and not waited for."""
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    arena.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    made = make(arena, namespace)
    try:
        yield made
    finally:
        made.close()
        arena.request("DELETE", f"/api/v1/namespaces/{namespace}")
