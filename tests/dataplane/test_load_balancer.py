"""The load balancer's own rules, without a network."""

from __future__ import annotations

import ast
import inspect
import sys
from typing import Any

import pytest

from devcluster.dataplane import load_balancer
from devcluster.dataplane.load_balancer import Balancer, HealthCheck, Plan, Settings, Target, plan

FAILED = "Target.Timeout: Request timed out"


@pytest.mark.parametrize(
    ("results", "state"),
    [
        pytest.param("", "initial", id="not yet checked"),
        pytest.param("+", "healthy", id="the first success is enough"),
        pytest.param("-", "initial", id="one failure is not enough"),
        pytest.param("--", "unhealthy", id="two in a row are"),
        pytest.param("+-+-", "healthy", id="failures not in a row"),
        pytest.param("+--", "unhealthy", id="out"),
        pytest.param("+--+", "unhealthy", id="one success does not bring it back"),
        pytest.param("+--++", "healthy", id="two do"),
        pytest.param("--+-+", "unhealthy", id="successes not in a row"),
    ],
)
def test_thresholds(results: str, state: str) -> None:
    target = Target("node1", "198.51.100.10", 30851)
    for result in results:
        target.record("" if result == "+" else FAILED, Settings())
    assert target.state == state
    assert target.reason == {"initial": "Elb.InitialHealthChecking", "healthy": "", "unhealthy": FAILED}[state]


@pytest.mark.parametrize(
    ("codes", "passing"),
    [
        pytest.param("200", {200}, id="one"),
        pytest.param("200,302", {200, 302}, id="list"),
        pytest.param("200-299, 503", {200, 299, 503}, id="range and one"),
    ],
)
def test_success_codes(codes: str, passing: set[int]) -> None:
    settings = Settings(success_codes=codes)
    assert {status for status in (199, 200, 299, 300, 302, 503) if settings.success(status)} == passing


def test_routes_to_healthy_targets_and_to_all_when_there_is_none() -> None:
    targets = [Target(f"node{number}", "198.51.100.1", 1) for number in (1, 2, 3)]
    balancer = Balancer(Plan(targets, None), Settings())
    assert balancer.routed() == targets
    targets[1].state = "healthy"
    assert balancer.routed() == [targets[1]]
    targets[1].state = "unhealthy"
    assert balancer.routed() == targets


def _report(health_check: dict[str, Any] | None) -> dict[str, Any]:
    port = {"port": "http", "protocol": "TCP", "family": "IPv4", "nodePort": 30851}
    consumer = {"name": "web", "port": "http", "healthCheck": health_check, "eligibleNodes": ["node1", "node2"]}
    v6 = {**port, "family": "IPv6", "nodePort": 30851}
    admin = {**port, "port": "admin", "nodePort": 30852}
    service = {"namespace": "default", "name": "web", "ports": [v6, port, admin], "consumers": [consumer]}
    return {"services": [{**service, "name": "other", "consumers": []}, service]}


ADDRESSES = {f"node{number}": f"198.51.100.{number}" for number in (1, 2, 3)}


@pytest.mark.parametrize(
    ("health_check", "expected"),
    [
        pytest.param(
            {"port": "traffic-port", "protocol": "HTTP", "path": "/x"}, HealthCheck("HTTP", 30851, "/x"), id="own"
        ),
        pytest.param(
            {"port": "10256", "protocol": "HTTP", "path": ""}, HealthCheck("HTTP", 10256, "/"), id="a number"
        ),
        pytest.param(
            {"port": "admin", "protocol": "TCP", "path": ""}, HealthCheck("TCP", 30852, "/"), id="a port's name"
        ),
        pytest.param(None, None, id="none"),
    ],
)
def test_plan(health_check: dict[str, Any] | None, expected: HealthCheck | None) -> None:
    found = plan(_report(health_check), "default", "web", ADDRESSES)
    assert [(t.node, t.address, t.port) for t in found.targets] == [
        ("node1", "198.51.100.1", 30851),
        ("node2", "198.51.100.2", 30851),
    ]
    assert found.check == expected


@pytest.mark.parametrize(
    ("service", "consumer", "message"),
    [
        pytest.param("missing", "", "no such service", id="no service"),
        pytest.param("other", "", "no such consumer", id="no consumer"),
        pytest.param("web", "elsewhere", "no such consumer", id="another name"),
    ],
)
def test_what_the_report_lacks_is_said(service: str, consumer: str, message: str) -> None:
    with pytest.raises(LookupError, match=message):
        plan(_report(None), "default", service, ADDRESSES, consumer)


def test_it_is_independent_of_etpguard() -> None:
    """Nothing but the standard library, so that it cannot agree with etpguard by sharing its rules."""
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(inspect.getsource(load_balancer)))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
