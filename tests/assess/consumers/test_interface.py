"""What families read of the picture."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess.consumers.interface import View
from etpguard.assess.probe import NotModelled, OwnNodePort, Probe
from tests.assess.build import picture_with, service

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        pytest.param([{"name": "a", "port": 1, "nodePort": 30099}], OwnNodePort("a"), id="its own TCP port"),
        pytest.param(
            [
                {"name": "u", "port": 1, "nodePort": 30099, "protocol": "UDP"},
                {"name": "t", "port": 1, "nodePort": 30099},
            ],
            OwnNodePort("t"),
            id="of two protocols the TCP port answers",
        ),
        pytest.param(
            [{"name": "u", "port": 1, "nodePort": 30099, "protocol": "UDP"}],
            NotModelled("no API object shows what answers on port 30099"),
            id="a UDP port alone does not",
        ),
    ],
)
def test_who_answers_a_health_check(ports: list[Json], expected: Probe) -> None:
    probed = service(ports=ports)
    assert View(picture_with(probed)).check_on(30099, probed, None).probe == expected
