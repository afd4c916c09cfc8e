"""Replace IP addresses so that networks stay networks. Pure.

Two addresses with a common prefix get addresses with a common prefix of the same length, as Crypto-PAn does it. An
address is therefore in the replaced network exactly if it was in the original one. Bits that a rule may read stay:
the special networks of RFC 6890, and the last bits, so that a range within a network stays a range.
"""

from __future__ import annotations

import hmac
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_PRIVATE = tuple(
    map(
        ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/10"),
    )
)
_UNCHANGED = tuple(
    map(ip_network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/8", "ff00::/8"))
)
_PARTLY_SPECIAL = frozenset({100, 169, 172, 192})
"""First octets of networks of which a part is special. The second octet stays, so no replacement gets into the
special part."""
_LAST_BITS = {4: 8, 6: 16}


class Addresses:
    """The replacements of one dump. `salt` is secret, and different for each dump."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._flips = cache(self._flip)

    def replace(self, text: str) -> str | None:
        """The replacement of an address, or of a network such as 10.0.0.0/8; None for other text."""
        host, slash, length = text.partition("/")
        try:
            address = ip_address(host)
        except ValueError:
            return None
        return f"{self._replaced(address)}{slash}{length}"

    def _replaced(self, address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
        if any(address in network for network in _UNCHANGED):
            return address
        original = replaced = int(address)
        bits, version = address.max_prefixlen, address.version
        for position in range(_first_bit(address), bits - _LAST_BITS[version]):
            if self._flips(version, position, original >> (bits - position)):
                replaced ^= 1 << (bits - position - 1)
        return type(address)(replaced)

    def _flip(self, version: int, position: int, prefix: int) -> bool:
        """Whether the bit that follows this prefix of the original address changes."""
        message = f"{version}/{position}/{prefix}".encode()
        return bool(hmac.digest(self._salt, message, "sha256")[0] & 1)


def _first_bit(address: IPv4Address | IPv6Address) -> int:
    """The first bit that may change."""
    for network in _PRIVATE:
        if address in network:
            return network.prefixlen
    return 16 if address.version == 6 or address.packed[0] in _PARTLY_SPECIAL else 8
