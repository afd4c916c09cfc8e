"""Kinds that show the data plane, in a cluster."""

from __future__ import annotations

from devcluster import Cluster
from devcluster.objects import wait_for


def define(
    cluster: Cluster, group: str, kind: str, plural: str, *, version: str = "v1", namespaced: bool = False
) -> None:
    """A CustomResourceDefinition that keeps every field."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    crd = {
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": names,
            "scope": "Namespaced" if namespaced else "Cluster",
            "versions": [served],
        },
    }
    cluster.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    path = f"/apis/{group}/{version}/{plural}"
    wait_for(lambda: cluster.request("GET", path).ok, 60, f"{plural} to be served")
