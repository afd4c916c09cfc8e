"""Whether an operator may compete for its Lease, by what the API server answers to its look at other Leases."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from etpguard.app.other_installation import OtherInstallation
from etpguard.kube.errors import ApiError
from etpguard.objects import Key


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        pytest.param(ApiError(0, "Timeout", "no answer within 10 s"), True, id="no answer"),
        pytest.param(ApiError(429, "TooManyRequests", "later"), True, id="throttled"),
        pytest.param(ApiError(503, "ServiceUnavailable", "later"), True, id="a fault of the server"),
        pytest.param(ApiError(403, "Forbidden", "no permission"), False, id="no permission"),
    ],
)
def test_it_waits_only_while_another_look_may_succeed(error: ApiError, waits: bool) -> None:
    async def read_page(*args: Any, **options: Any) -> Any:
        raise error

    other = OtherInstallation(cast(Any, SimpleNamespace(read_page=read_page)), Key("etpguard-system", "etpguard"))
    assert asyncio.run(other.leads()) is waits
    assert ("cannot look for another etpguard installation" in other.problem) is waits
