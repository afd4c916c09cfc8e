"""IP addresses as kube-proxy reads them."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from etpguard.objects.endpoints import IPFamily

# Addresses with more than one spelling: IPv6, and IPv4 with leading zeros.
_AMBIGUOUS = re.compile(r":|(?:^|\.)0\d")


@lru_cache(maxsize=8192)
def family_of(address: str) -> IPFamily | None:
    """The family as k8s.io/utils/net IPFamilyOf sees it (an IPv4-mapped address is IPv4), None if invalid."""
    parsed = parse_address(address)
    return None if parsed is None else "IPv4" if isinstance(parsed, IPv4Address) else "IPv6"


def canonical(address: str) -> str:
    """One spelling for each address, as kube-proxy keys endpoints by the parsed IP (k8s.io/kubernetes v1.37.2
    pkg/proxy/endpointslicecache.go:231)."""
    if ":" not in address and ".0" not in address and address[:1] != "0":
        return address  # most addresses; the search takes several times as long
    return _respelt(address) if _AMBIGUOUS.search(address) else address


@lru_cache(maxsize=8192)
def _respelt(address: str) -> str:
    parsed = parse_address(address)
    return address if parsed is None else str(parsed)


@lru_cache(maxsize=256)
def network_of(text: str) -> IPv4Network | IPv6Network | None:
    """A range of addresses; None if invalid."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def parse_address(address: str) -> IPv4Address | IPv6Address | None:
    """As Go's ParseIPSloppy: leading zeros are decimal, an IPv4-mapped IPv6 address is IPv4."""
    try:
        if ":" not in address:
            return IPv4Address(".".join(octet.lstrip("0") or octet[:1] for octet in address.split(".")))
        parsed = ip_address(address)
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed
