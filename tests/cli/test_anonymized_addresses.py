"""Networks stay networks, and nothing of a public address but its first and last octet stays."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etpguard.cli.dump.addresses import Addresses

ADDRESSES = Addresses(b"salt")


def replaced(text: str) -> str:
    found = ADDRESSES.replace(text)
    assert found is not None
    return found


@given(st.ip_addresses(), st.data())
def test_an_address_stays_in_its_network_and_outside_others(address: object, data: st.DataObject) -> None:
    version = ip_address(str(address)).version
    other = data.draw(st.ip_addresses(v=version))
    length = data.draw(st.integers(0, 24 if version == 4 else 112))
    network = ip_network(f"{other}/{length}", strict=False)
    after = ip_network(f"{replaced(str(network.network_address))}/{length}", strict=False)
    assert (ip_address(replaced(str(address))) in after) == (address in network)


@given(st.lists(st.ip_addresses(v=4), unique=True))
def test_different_addresses_stay_different(addresses: list[object]) -> None:
    assert len({replaced(str(address)) for address in addresses}) == len(addresses)


@given(st.ip_addresses())
def test_private_stays_private(address: object) -> None:
    before, after = ip_address(str(address)), ip_address(replaced(str(address)))
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10"):
        assert (after in ip_network(network)) == (before in ip_network(network))


@pytest.mark.parametrize("text", ["None", "shop", "10.0.0", "1.2.3.4.5", ""])
def test_other_text(text: str) -> None:
    assert ADDRESSES.replace(text) is None


def test_unchanged() -> None:
    assert replaced("0.0.0.0/0") == "0.0.0.0/0"
    assert replaced("127.0.0.1") == "127.0.0.1"


def test_another_salt_gives_other_addresses() -> None:
    assert len({Addresses(bytes([number])).replace("203.0.113.45") for number in range(20)}) > 10
