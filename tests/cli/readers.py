"""A reader with few permissions."""

from __future__ import annotations

from pathlib import Path

from devcluster import Cluster

CORE = ["services", "nodes", "endpointslices.discovery.k8s.io"]
ROUTES = ["ingresses.networking.k8s.io", "ingressclasses.networking.k8s.io"]


def reader(
    cluster: Cluster, namespace: str, name: str, resources: list[str], *, cluster_wide: bool = True
) -> Path:
    """A kubeconfig of a service account that may list just these resources."""
    kubectl = cluster.kubectl
    kubectl("-n", namespace, "create", "serviceaccount", name)
    kind = "clusterrole" if cluster_wide else "role"
    space = [] if cluster_wide else ["-n", namespace]
    kubectl(*space, "create", kind, name, "--verb=list", f"--resource={','.join(resources)}")
    kubectl(*space, "create", f"{kind}binding", name, f"--{kind}={name}", f"--serviceaccount={namespace}:{name}")
    return cluster.kubeconfig_for(namespace=namespace, service_account=name)
