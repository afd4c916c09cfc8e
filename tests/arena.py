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

_SEEN_BY_OTHERS = (
    "api/v1/namespaces/{}/services",
    "apis/networking.k8s.io/v1/namespaces/{}/ingresses",
    "apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    "apis/apps/v1/namespaces/{}/deployments",
    "apis/apps/v1/namespaces/{}/daemonsets",
    "apis/coordination.k8s.io/v1/namespaces/{}/leases",
    "apis/etpguard.dev/v1alpha1/namespaces/{}/coveragepolicies",
    "apis/etpguard.dev/v1alpha1/namespaces/{}/servicecoverages",
    "api/v1/namespaces/{}/pods?gracePeriodSeconds=0",
)
"""What an operator or a check of the whole cluster reads."""


def clear_namespace(cluster: Cluster, namespace: str) -> None:
    """Deletes what another test on this control plane could see, pods by force. The namespace stays: its end takes
    the control plane 75 requests or more, which is more than most tests take."""
    for path in _SEEN_BY_OTHERS:
        cluster.request("DELETE", f"/{path.format(namespace)}")


def own_cluster(install: Callable[[Cluster], None]) -> Iterator[Cluster]:
    """A fixture's body: a control plane, with the bodies of writes in its audit log and what `install` adds."""
    with devcluster.start(audit_bodies=True) as cluster:
        install(cluster)
        yield cluster


def own_namespace(arena: Cluster, make: Callable[[Cluster, str], T]) -> Iterator[T]:
    """A fixture's body: what `make` sets up in a new namespace, which is cleared afterwards."""
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    arena.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    made = make(arena, namespace)
    try:
        yield made
    finally:
        made.close()
        clear_namespace(arena, namespace)
