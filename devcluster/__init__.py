"""A real Kubernetes control plane on one machine."""

from devcluster.client import Response
from devcluster.cluster import Cluster, start
from devcluster.commands import DEFAULT_CONTROLLERS
from devcluster.errors import ApiError, DevclusterError, KubectlError, MissingToolError, StartError

__all__ = [
    "DEFAULT_CONTROLLERS",
    "ApiError",
    "Cluster",
    "DevclusterError",
    "KubectlError",
    "MissingToolError",
    "Response",
    "StartError",
    "start",
]
