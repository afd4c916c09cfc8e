"""The address plan, all of it from the ranges for documentation (RFC 5737, RFC 3849).

198.51.100.0/25   the network that joins nodes, client and load balancer
198.51.100.128/25 external IPs and load balancer addresses: routed to a node of the client's choice
203.0.113.0/24    pods, a /28 for each node

and the same below 2001:db8::/32.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

Family = Literal["IPv4", "IPv6"]
FAMILIES: tuple[Family, Family] = ("IPv4", "IPv6")

MAX_NODES = 12
PODS_PER_NODE = 12

POD_CIDRS = ("203.0.113.0/24", "2001:db8:113::/48")
FABRIC_LENGTHS = {"IPv4": 25, "IPv6": 64}
VIP_RANGES = {"IPv4": "198.51.100.128/25", "IPv6": "2001:db8:52::/64"}


@dataclass(frozen=True, slots=True)
class Addresses:
    """One IPv4 and one IPv6 address of the same thing."""

    ipv4: str
    ipv6: str

    def of(self, family: Family) -> str:
        return self.ipv4 if family == "IPv4" else self.ipv6

    @property
    def both(self) -> tuple[str, str]:
        return self.ipv4, self.ipv6


def _fabric(host: int) -> Addresses:
    return Addresses(str(IPv4Address("198.51.100.0") + host), str(IPv6Address("2001:db8:51::") + host))


API = _fabric(1)
CLIENT = _fabric(2)
LOAD_BALANCER = _fabric(3)
NOBODY = _fabric(126)  # nothing answers here


def node(index: int) -> Addresses:
    """Of the node number 1 … MAX_NODES."""
    if not 1 <= index <= MAX_NODES:
        raise ValueError(f"node {index}: the address plan has room for 1 to {MAX_NODES}")
    return _fabric(9 + index)


def gateway(node_index: int) -> Addresses:
    """Where the pods of a node send their packets."""
    return _pod_network(node_index, 1)


def pod(node_index: int, slot: int) -> Addresses:
    """Of the pod in slot 0 … PODS_PER_NODE - 1 of a node."""
    if not 0 <= slot < PODS_PER_NODE:
        raise ValueError(f"slot {slot}: the address plan has room for {PODS_PER_NODE} pods a node")
    return _pod_network(node_index, 2 + slot)


def pod_cidrs(node_index: int) -> Addresses:
    network = _pod_network(node_index, 0)
    return Addresses(f"{network.ipv4}/28", f"{network.ipv6}/64")


def vip(number: int) -> Addresses:
    """An address that no interface has: for externalIPs and status.loadBalancer."""
    return Addresses(str(IPv4Address("198.51.100.128") + number), str(IPv6Address("2001:db8:52::") + number))


def family_of(address: str) -> Family:
    return "IPv4" if ip_address(address).version == 4 else "IPv6"


def _pod_network(node_index: int, host: int) -> Addresses:
    return Addresses(
        str(IPv4Address("203.0.113.0") + 16 * node_index + host),
        str(IPv6Address("2001:db8:113::") + (node_index << 64) + host),
    )
