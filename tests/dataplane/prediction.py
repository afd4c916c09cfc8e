"""What etpguard says, in the words of the comparison."""

from __future__ import annotations

from devcluster import Cluster
from devcluster.dataplane.matrix import PortKey, State
from etpguard.assess.node_states import service_states
from etpguard.cluster import NodeTable
from etpguard.objects import ENDPOINT_SLICE, NODE, SERVICE
from etpguard.objects.decode import decode_page


def predicted(cluster: Cluster, namespace: str) -> dict[PortKey, dict[str, State]]:
    """The state of every Node for each externally served port of the namespace's Services with Local."""
    services = decode_page(SERVICE, cluster.request("GET", SERVICE.path).body).items
    slices = decode_page(ENDPOINT_SLICE, cluster.request("GET", ENDPOINT_SLICE.path).body).items
    nodes = decode_page(NODE, cluster.request("GET", NODE.path).body).items
    table = NodeTable()
    for node in nodes:
        table.add(node.key.name)
    told: dict[PortKey, dict[str, State]] = {}
    for service in services:
        if service.key.namespace != namespace or service.spec.external_traffic_policy != "Local":
            continue
        own = [
            s
            for s in slices
            if s.key.namespace == namespace and s.labels.get("kubernetes.io/service-name") == service.key.name
        ]
        for port in service_states(service, own, table.bit).ports:
            key = PortKey(namespace, service.key.name, port.port, port.protocol, port.family)
            by_state: dict[State, int] = {
                "ready": port.ready & table.present,
                "terminating": port.terminating & table.present,
                "dropped": port.dropped(table.present),
                "rejected": port.rejected(table.present),
            }
            told[key] = {node: state for state, bits in by_state.items() for node in table.names(bits)}
    return told
