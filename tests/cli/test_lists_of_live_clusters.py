# ruff: noqa: F811  fixtures of another module
"""The lists of a live command, against a server on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etpguard.assess import picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cli.input import live
from etpguard.cli.input.live import Lists
from etpguard.cli.input.sources import Assessed, Sources, assess
from etpguard.kube.connection import Connection
from etpguard.kube.errors import Forbidden, NotServed
from etpguard.kube.lists import Listing
from etpguard.objects import AnyKind, Key, Reach, decode_item
from etpguard.objects.cilium import CILIUM_BGP_ADVERTISEMENT
from etpguard.objects.gateways import GATEWAY, LOAD_BALANCER_CONFIGURATION
from etpguard.objects.metallb import L2_ADVERTISEMENT
from etpguard.settings import Settings
from tests.assess.consumers.families.aws_lbc.objects import (
    binding,
    endpoints,
    gateway_owner,
    load_balancer,
    node,
    service,
)
from tests.cli.every_kind import custom
from tests.kube.list_server import Answer, Server, connection, kubeconfig, server  # noqa: F401

KINDS = list(picture_for(consumer_families()).kinds)
SERVED = ("", "networking.k8s.io", "discovery.k8s.io")
EMPTY: dict[str, Any] = {"metadata": {"resourceVersion": "1"}, "items": []}
GROUPS: dict[str, Any] = {"groups": [{"versions": [{"groupVersion": f"{group}/v1"}]} for group in SERVED if group]}


def read(connection: Connection) -> dict[str, Any]:
    lists = Lists(connection)
    lists.rest(KINDS)
    return {str(kind): outcome for kind, outcome in lists.results()}


@pytest.mark.parametrize(
    ("discovery", "requested"),
    [
        pytest.param(GROUPS, False, id="a kind that is not served costs no request"),
        pytest.param({}, True, id="without discovery each kind is requested"),
    ],
)
def test_absent_kinds(server: Server, connection: Connection, discovery: dict[str, Any], requested: bool) -> None:
    """Each answer is a list of groups and an empty list of objects, because requests come from several threads."""
    server.answer = lambda parameters, number: Answer(
        {"metadata": {"resourceVersion": "1"}, "items": [], **discovery}
    )
    outcomes = read(connection)
    others = {str(kind) for kind in KINDS if kind.subset is None and kind.group not in SERVED}
    not_served = {name for name, outcome in outcomes.items() if isinstance(outcome, NotServed)}
    assert not_served == (set() if requested else others)
    assert others, "no kind that a cluster may lack"
    asked = {request["path"] for request in server.requests}
    assert any(path.startswith("/apis/elbv2.k8s.aws/") for path in asked) is requested


@pytest.mark.parametrize("known", [True, False])
def test_a_kind_is_read_in_the_version_that_is_served(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """Cilium 1.16 has v2alpha1 alone. An AWS Load Balancer Controller may have v1 alone."""
    served = frozenset({"cilium.io/v2alpha1", "gateway.k8s.aws/v1"})
    asked: list[str] = []

    def list_kind(connection: Connection, kind: AnyKind, **_: object) -> Listing[Any]:
        asked.append(kind.path)
        if kind.required or kind.api_version in served:
            return Listing([], [])
        raise NotServed("no")

    monkeypatch.setattr(live, "list_kind", list_kind)
    monkeypatch.setattr(live, "served_versions", lambda connection, timeout: served if known else None)
    lists = Lists(connection)
    lists.rest([CILIUM_BGP_ADVERTISEMENT, LOAD_BALANCER_CONFIGURATION, L2_ADVERTISEMENT])
    found = {kind: outcome for kind, outcome in lists.results() if not kind.required}
    assert isinstance(found[CILIUM_BGP_ADVERTISEMENT], Listing)
    assert isinstance(found[LOAD_BALANCER_CONFIGURATION], Listing)
    assert isinstance(found[L2_ADVERTISEMENT], NotServed)
    assert any(path.startswith("/apis/cilium.io/v2/") for path in asked) is not known


Json = dict[str, Any]
POOLED = {"metallb.io/ip-allocated-from-pool": "lan"}
CROSSING = [
    load_balancer(loadBalancerClass="none/here"),
    binding(owner=gateway_owner("alb", "edge", "infra")),
    custom(
        "Gateway",
        "gateway.networking.k8s.io/v1",
        "edge",
        "infra",
        spec={
            "gatewayClassName": "aws",
            "infrastructure": {
                "parametersRef": {"group": "gateway.k8s.aws", "kind": "LoadBalancerConfiguration", "name": "edge"}
            },
        },
    ),
    custom("GatewayClass", "gateway.networking.k8s.io/v1", "aws", spec={}),
    custom(
        "LoadBalancerConfiguration",
        "gateway.k8s.aws/v1beta1",
        "edge",
        "infra",
        spec={"defaultTargetGroupConfiguration": {"name": "edge"}},
    ),
    custom(
        "TargetGroupConfiguration",
        "gateway.k8s.aws/v1beta1",
        "edge",
        "infra",
        spec={"defaultConfiguration": {"healthCheckConfig": {"healthCheckPort": "10256"}}},
    ),
]
METALLB = [
    load_balancer(loadBalancerClass="metallb", annotations=POOLED),
    custom("IPAddressPool", "metallb.io/v1beta1", "lan", "metallb-system"),
    custom("L2Advertisement", "metallb.io/v1beta1", "lan", "metallb-system", spec={}),
]


def traefik(namespace: str) -> list[Json]:
    """A route that sends to every node, without a health check."""
    used = {"name": "web", "namespace": "shop", "port": 80, "nodePortLB": True}
    spec = {"routes": [{"services": [used]}]}
    return [service(), custom("IngressRoute", "traefik.io/v1alpha1", "web", namespace, spec=spec)]


def in_one_namespace(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objects: list[Json]
) -> Assessed:
    """By a person who may list in namespace shop and, of the whole cluster, only what no namespace has."""
    world = [*objects, endpoints("web", "a"), node("a"), node("b")]

    def list_kind(connection: Connection, kind: AnyKind, *, namespace: str = "", **_: object) -> Listing[Any]:
        found = [item for item in world if item["kind"] == kind.name]
        if not found and kind.group and not kind.group.endswith("k8s.io"):
            raise NotServed(f"{kind.resource} is not served")
        if kind.namespaced and namespace != "shop":
            raise Forbidden(f"may not list {kind.resource}: no")
        if kind.namespaced:
            found = [item for item in found if item["metadata"]["namespace"] == namespace]
        records: list[Any] = [decode_item(kind, item) for item in found]
        return Listing(records, [])

    server.answer = lambda parameters, number: Answer({}, 404)
    monkeypatch.setattr(live, "list_kind", list_kind)
    settings = Settings(kubeconfig=str(kubeconfig(tmp_path, server.url)))
    return assess(Sources(namespaces=("shop",), settings=settings))


@pytest.mark.parametrize(
    ("objects", "outcome", "unread"),
    [
        pytest.param(CROSSING, "Unknown", GATEWAY, id="a Gateway of another namespace sets the health check"),
        pytest.param(METALLB, "Unknown", L2_ADVERTISEMENT, id="MetalLB is configured in its own namespace"),
        pytest.param(traefik("infra"), "Uncovered", None, id="a route of another namespace does not count"),
        pytest.param(traefik("shop"), "Blackhole", None, id="a route of the namespace counts"),
        pytest.param([service()], "Uncovered", None, id="no kind of which other namespaces could have objects"),
    ],
)
def test_what_other_namespaces_have_is_not_absent(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    objects: list[Json],
    outcome: str,
    unread: AnyKind | None,
) -> None:
    found = in_one_namespace(server, tmp_path, monkeypatch, objects)
    assert found.assessments[Key("shop", "web")].outcome.name == outcome
    assert unread is None or unread.resource in found.loaded.not_read
    assert len(found.loaded.not_read) == len(set(found.loaded.not_read))


def test_all_services_depend_on_no_kind_that_one_namespace_is_enough_for() -> None:
    decide = [kind for kind in KINDS if kind.namespaced and kind.reach is Reach.EVERYTHING]
    assert decide
    assert all(kind.beyond_namespace for kind in decide)
