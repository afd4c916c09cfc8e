"""The load balancer classes of Cilium, and the labels by which its objects select a Service."""

from __future__ import annotations

from etpguard.objects import Service

L2, BGP, NODE_IPAM = "io.cilium/l2-announcer", "io.cilium/bgp-control-plane", "io.cilium/node"

# Labels that LB IPAM and the policies match in place of the Service's name and namespace.
_NAME, _NAMESPACE = "io.kubernetes.service.name", "io.kubernetes.service.namespace"


def service_labels(service: Service) -> dict[str, str]:
    return {**service.labels, _NAME: service.key.name, _NAMESPACE: service.key.namespace}
