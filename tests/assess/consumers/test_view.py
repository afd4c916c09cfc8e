"""What families read of the picture."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess.consumers.targets import CheckSettings
from etpguard.assess.consumers.view import View
from etpguard.assess.probe import KubeProxyHealthz, NotModelled, OwnNodePort, PassesNowhere, Probe
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


NO_TLS = PassesNowhere("kube-proxy answers plain HTTP there")


@pytest.mark.parametrize(
    ("settings", "success", "expected"),
    [
        pytest.param(None, 200, KubeProxyHealthz(), id="settings that no API object shows"),
        pytest.param(("TCP", ""), 200, KubeProxyHealthz(), id="TCP connects"),
        pytest.param(("HTTP", "/healthz"), 200, KubeProxyHealthz(), id="healthz"),
        pytest.param(("HTTP", "/livez?x=1"), 200, KubeProxyHealthz(), id="livez, with a query"),
        pytest.param(("HTTP", "/healthz"), 301, PassesNowhere("kube-proxy answers 200 to /healthz"), id="not 200"),
        pytest.param(("HTTP", "/x"), 200, PassesNowhere("kube-proxy answers 404 to /x"), id="another path"),
        pytest.param(("HTTP", "healthz"), 200, KubeProxyHealthz(), id="a path without the first slash"),
        pytest.param(("HTTP", ""), 200, PassesNowhere("kube-proxy answers 404 to /"), id="an empty path is /"),
        pytest.param(("HTTP", "/x"), 404, KubeProxyHealthz(), id="404 is success"),
        pytest.param(("HTTPS", "/healthz"), 200, NO_TLS, id="HTTPS"),
        pytest.param(("SSL", ""), 200, NO_TLS, id="TLS alone"),
        pytest.param(("HTTP2", "/healthz"), 200, NO_TLS, id="HTTP/2, which is over TLS"),
    ],
)
def test_who_answers_on_10256(settings: tuple[str, str] | None, success: int, expected: Probe) -> None:
    """pkg/proxy/healthcheck/proxy_health.go Run."""
    given = CheckSettings("10256", *settings) if settings else None
    probed = service()
    check = View(picture_with(probed)).check_on(10256, probed, given, lambda status: status == success)
    assert check.probe == expected


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
