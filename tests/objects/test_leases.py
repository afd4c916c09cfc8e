"""How a Lease is read."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.objects import decode_item
from etpguard.objects.leases import LEASE, Lease

TIME = "2026-01-01T00:00:00.000000Z"


def read(spec: Any) -> Lease:
    metadata = {"name": "etpguard", "namespace": "etpguard", "resourceVersion": "7"}
    found = decode_item(LEASE, {"metadata": metadata, **({} if spec is ... else {"spec": spec})})
    assert isinstance(found, Lease)
    return found


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {"holderIdentity": "a", "leaseDurationSeconds": 3, "acquireTime": TIME, "leaseTransitions": 2},
            ("a", 3, TIME, 2),
            id="held",
        ),
        pytest.param({"holderIdentity": "", "leaseDurationSeconds": 1}, ("", 1, "", 0), id="released"),
        pytest.param({"holderIdentity": "a"}, ("a", 15, "", 0), id="without a duration: that of client-go"),
        pytest.param({"holderIdentity": None}, ("", 15, "", 0), id="null is the zero value"),
        pytest.param(None, ("", 15, "", 0), id="a null spec"),
        pytest.param(..., ("", 15, "", 0), id="no spec"),
    ],
)
def test_absent_fields_have_their_defaults(spec: Any, expected: tuple[str, int, str, int]) -> None:
    lease = read(spec)
    assert (lease.holder, lease.seconds, lease.acquired, lease.transitions) == expected
