"""k8s.io/utils net/net.go IPFamilyOf, net/parse.go ParseIPSloppy."""

from __future__ import annotations

import pytest

from etpguard.objects.addresses import family_of


@pytest.mark.parametrize(
    ("address", "family"),
    [
        ("10.0.0.1", "IPv4"),
        ("010.000.0.01", "IPv4"),
        ("::ffff:10.0.0.1", "IPv4"),
        ("2001:DB8::1", "IPv6"),
        ("", None),
        ("10..0.1", None),
        ("lb.example.com", None),
        ("10.0.0.256", None),
    ],
)
def test_family_of(address: str, family: str | None) -> None:
    assert family_of(address) == family
