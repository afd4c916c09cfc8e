"""At which addresses of a node kube-proxy serves node ports. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from etpguard.assess.data_planes.kube_proxy import PRIMARY
from etpguard.assess.eligible_nodes import EligibleNodes
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.node_states import Uncertain
from etpguard.assess.outcome import Reason
from etpguard.assess.state_cache import NodeStateCache
from etpguard.objects import IPFamily

_ONE_ADDRESS = Reason(
    "NodeAddressNotKnown",
    "kube-proxy may serve node ports only at the InternalIP of a node, by its nodePortAddresses or by the default "
    "of nftables mode. Then traffic that is sent to the ExternalIP is lost, unless the cloud translates the "
    "address. Nothing is lost if the traffic is sent to the InternalIP. Compare with etpguard verify, or set "
    "nodePortAddresses",
)
_OUTSIDE = Reason(
    "NodeAddressNotKnown",
    "kube-proxy serves node ports only at the addresses of its nodePortAddresses, and the InternalIPs of some "
    "nodes are none of them. Traffic that is sent there is lost, whatever the traffic policy is. Add the "
    "InternalIPs to nodePortAddresses, or compare with etpguard verify",
)


class NodePortAddresses:
    """Finds the nodes that do not serve node ports at all of their addresses, as they are at the time of each
    call."""

    def __init__(self, eligible: EligibleNodes, states: NodeStateCache) -> None:
        self._eligible = eligible
        self._states = states

    def doubts(self, family: IPFamily, external: bool) -> tuple[Uncertain, ...]:
        """Nodes that may not serve the address to which traffic is sent. `external`: whether it may be sent to
        ExternalIPs."""
        found = []
        for ranges, nodes in self._states.rules.node_port_ranges[family]:
            if PRIMARY not in ranges:
                found.append(Uncertain(nodes & self._eligible.of(replace(EVERY_NODE, outside=ranges)), _OUTSIDE))
            if external:
                found.append(
                    Uncertain(nodes & self._eligible.of(replace(EVERY_NODE, second_address=family)), _ONE_ADDRESS)
                )
        return tuple(found)
