"""What families read of the picture."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess.consumers.view import View
from etpguard.assess.probe import NotModelled, OwnNodePort, Probe
from etpguard.objects import INGRESS
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


@pytest.mark.parametrize(
    ("unread", "unlisted", "expected"),
    [
        pytest.param(None, None, None, id="the picture has all objects of the kind"),
        pytest.param("forbidden", None, "forbidden", id="the kind cannot be read"),
        pytest.param(None, "not in the input", "not in the input", id="nobody looked for the kind"),
        pytest.param("forbidden", "not in the input", "forbidden", id="why it cannot be read comes first"),
    ],
)
def test_what_is_unseen(unread: str | None, unlisted: str | None, expected: str | None) -> None:
    picture = picture_with(service())
    picture.unread |= {INGRESS: unread} if unread else {}
    picture.unlisted |= {INGRESS: unlisted} if unlisted else {}
    assert View(picture).unseen(INGRESS) == expected
