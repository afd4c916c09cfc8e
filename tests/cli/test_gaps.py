"""Kinds that a dump lacks, and where the output says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.cli.program import SEED, etpguard, failed

Json = dict[str, Any]

INGRESSES = ["ingresses.networking.k8s.io", "ingressclasses.networking.k8s.io"]
BINDINGS = "targetgroupbindings.elbv2.k8s.aws"
BINDING = {
    "apiVersion": "elbv2.k8s.aws/v1beta1",
    "kind": "TargetGroupBinding",
    "metadata": {"name": "web", "namespace": "other"},
    "spec": {"serviceRef": {"name": "web", "port": 80}, "targetGroupARN": "arn:aws:1", "targetType": "instance"},
}


def seed(*without: str) -> list[Json]:
    items: list[Json] = yaml.load(SEED.read_text(), yaml.CSafeLoader)["items"]
    return [item for item in items if item["kind"] not in without]


def as_list(items: list[Json]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def report(items: list[Json]) -> Json:
    return etpguard("check", "-f", "-", "-o", "json", stdin=as_list(items)).report


def elsewhere(items: list[Json]) -> list[Json]:
    """The same on nodes of no cloud."""
    for item in items:
        if item["kind"] == "Node":
            item["spec"]["providerID"] = f"kind://docker/kind/{item['metadata']['name']}"
    return items


def unclaimed(items: list[Json]) -> list[Json]:
    """With an Ingress and an IngressClass, and none that leads to the Service."""
    for item in items:
        if item["kind"] == "Ingress":
            item["metadata"]["namespace"] = "other"
    return items


@pytest.mark.parametrize(
    ("lacking", "resources"),
    [
        pytest.param(["Node"], "nodes", id="only the Nodes"),
        pytest.param(["Node", "EndpointSlice", "Ingress"], "nodes,endpointslices,ingresses", id="other kinds too"),
    ],
)
def test_local_services_without_any_node(lacking: list[str], resources: str) -> None:
    line = failed(etpguard("check", "-f", "-", stdin=as_list(seed(*lacking))))
    assert line == (
        "etpguard: stdin: there are Services with externalTrafficPolicy Local but no Node; "
        f"add -f more.yaml after `kubectl get {resources} -A -o yaml > more.yaml`"
    )


def test_no_endpoint_slice_at_all_is_unknown() -> None:
    found = report(seed("EndpointSlice"))
    assert found["services"][0]["outcome"] == "Unknown"
    assert found["notRead"] == ["endpointslices.discovery.k8s.io"]
    ports = found["services"][0]["ports"]
    assert [port["nodePort"] for port in ports] == [30851, 32350]
    assert {count for port in ports for count in port["counts"].values()} == {0}, "no state is claimed"
    assert {port["client"] for port in ports} == {None}


def test_without_endpoint_slices_explain_claims_no_state_of_a_node() -> None:
    run = etpguard(
        "explain", "default/nginx-nginx-ingress-controller", "-f", "-", stdin=as_list(seed("EndpointSlice"))
    )
    assert run.out.count("  what each node does is not known, because no EndpointSlice was read\n") == 2
    assert "refused" not in run.out
    assert "kubectl get endpointslices -A -o yaml > endpointslices.yaml" in run.out
    page = etpguard("check", "-o", "html", "-f", "-", stdin=as_list(seed("EndpointSlice"))).out
    assert "rejected on" not in page


def test_one_warning_says_that_endpoints_are_not_read_instead_of_endpoint_slices() -> None:
    """`kubectl get svc,ep,nodes` is a frequent input."""
    endpoints = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "web", "namespace": "default"}}
    found = report([*seed("EndpointSlice"), endpoints])
    assert found["warnings"] == [
        "no endpointslices.discovery.k8s.io in the input: no outcome is known without EndpointSlices, "
        "and Endpoints are not read instead; "
        "add -f more.yaml after `kubectl get endpointslices -A -o yaml > more.yaml`"
    ]


BY_DUMP = "`etpguard dump` reads all kinds"


@pytest.mark.parametrize(
    ("items", "lacking", "named"),
    [
        pytest.param(
            lambda: elsewhere(seed("Ingress", "IngressClass")),
            INGRESSES,
            "no ingresses.networking.k8s.io and ingressclasses.networking.k8s.io in the input",
            id="Ingresses",
        ),
        pytest.param(
            lambda: seed("Ingress", "IngressClass"),
            [*INGRESSES, BINDINGS],
            f"no {INGRESSES[0]}, {INGRESSES[1]} and {BINDINGS} in the input",
            id="Ingresses and, on AWS, TargetGroupBindings",
        ),
        pytest.param(
            lambda: unclaimed(seed()),
            [BINDINGS],
            f"no {BINDINGS} in the input",
            id="TargetGroupBindings alone",
        ),
    ],
)
def test_lacking_kinds_are_named_where_no_consumer_is_known(
    items: Callable[[], list[Json]], lacking: list[str], named: str
) -> None:
    found = report(items())
    assert [service["outcome"] for service in found["services"]] == ["Uncovered"]
    assert found["notRead"] == lacking
    assert found["warnings"] == [f"{named}: 1 Service without a known consumer may have one; {BY_DUMP}"]


@pytest.mark.parametrize(
    ("items", "outcome"),
    [
        pytest.param(lambda: seed(), "TargetsUnhealthy", id="a consumer is known"),
        pytest.param(lambda: elsewhere(unclaimed(seed())), "Uncovered", id="no node is of AWS"),
        pytest.param(lambda: [*unclaimed(seed()), BINDING], "Uncovered", id="there is a TargetGroupBinding"),
    ],
)
def test_nothing_is_said_of_target_group_bindings_where(items: Callable[[], list[Json]], outcome: str) -> None:
    found = report(items())
    assert [service["outcome"] for service in found["services"]] == [outcome]
    assert (found["notRead"], found["warnings"]) == ([], [])


def test_an_ingress_without_its_class_says_how_to_add_it() -> None:
    """`kubectl get svc,endpointslices,nodes,ing -A` is a frequent input."""
    found = report(seed("IngressClass"))
    assert [service["outcome"] for service in found["services"]] == ["Unknown"]
    assert found["notRead"] == ["ingressclasses.networking.k8s.io"]
    assert found["warnings"] == [
        "no ingressclasses.networking.k8s.io in the input: outcomes that depend on them are Unknown; "
        "add -f more.yaml after `kubectl get ingressclasses -A -o yaml > more.yaml`"
    ]


POOL = "metallb.io/ip-allocated-from-pool"
METALLB = [f"{plural}.metallb.io" for plural in ("bgpadvertisements", "ipaddresspools", "l2advertisements")]


def announced(items: list[Json]) -> list[Json]:
    """Served by MetalLB instead of the Ingress."""
    for item in elsewhere(items):
        if item["kind"] == "Service":
            item["metadata"]["annotations"] = {POOL: "pool"}
            item["spec"] |= {"type": "LoadBalancer", "healthCheckNodePort": 31999}
            item["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}
    return [item for item in items if item["kind"] != "Ingress"]


def test_one_warning_names_the_kinds_that_a_consumer_depends_on() -> None:
    found = report(announced(seed()))
    assert [service["outcome"] for service in found["services"]] == ["Unknown"]
    (warning,) = found["warnings"]
    assert all(name in warning for name in METALLB), warning
    assert warning.endswith(f": outcomes that depend on them are Unknown; {BY_DUMP}")
    assert set(METALLB) <= set(found["notRead"])


def test_no_warning_where_somebody_looked_for_the_kinds() -> None:
    """Empty lists of one kind, as from `kubectl get --raw`."""
    kinds = ("L2Advertisement", "BGPAdvertisement", "IPAddressPool")
    empty = [{"apiVersion": "metallb.io/v1beta1", "kind": f"{kind}List", "items": []} for kind in kinds]
    found = report([*announced(seed()), *empty])
    assert not [name for name in METALLB if name in str(found["warnings"])]


def metallb(kind: str, name: str, version: str = "v1beta1", **spec: Any) -> Json:
    metadata = {"name": name, "namespace": "metallb-system"}
    return {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": metadata, "spec": spec}


POOLS = metallb("IPAddressPool", "pool")
PEER = metallb("BGPPeer", "router", "v1beta2")
NOT_FOR_IT: Json = {"ipAddressPools": ["lan"]}
BY_L2, BY_BGP = metallb("L2Advertisement", "lan", **NOT_FOR_IT), metallb("BGPAdvertisement", "wan", **NOT_FOR_IT)
ELSEWHERE = [{"matchLabels": {"no": "node"}}]


@pytest.mark.parametrize(
    ("config", "lacking", "outcome"),
    [
        pytest.param([BY_L2], "BGPAdvertisement", "Unknown", id="an L2Advertisement for another pool"),
        pytest.param([BY_BGP, PEER], "L2Advertisement", "Unknown", id="a BGPAdvertisement for another pool"),
        pytest.param(
            [metallb("L2Advertisement", "lan", serviceSelectors=ELSEWHERE)],
            "BGPAdvertisement",
            "NoTargets",
            id="an L2Advertisement for other Services",
        ),
        pytest.param(
            [metallb("L2Advertisement", "lan", nodeSelectors=ELSEWHERE)],
            "BGPAdvertisement",
            "NoTargets",
            id="an L2Advertisement for other nodes",
        ),
        pytest.param(
            [metallb("BGPAdvertisement", "wan", peers=["typo"]), PEER],
            "L2Advertisement",
            "NoTargets",
            id="a BGPAdvertisement for other peers",
        ),
    ],
)
def test_an_advertisement_of_a_kind_that_was_not_read_may_be_for_the_address(
    config: list[Json], lacking: str, outcome: str
) -> None:
    """Unknown where none was read that is for its pool, else an assumption that the report shows."""
    found = report([*announced(seed()), POOLS, *config])
    (service,) = found["services"]
    assert service["outcome"] == outcome
    for consumer in service["consumers"]:
        assert lacking in (consumer["reason"] if outcome == "Unknown" else str(consumer["assumptions"]))
        assert (consumer["evidence"] == "assumed") is (outcome == "NoTargets")
    assert (f"{lacking.lower()}s.metallb.io" in found["notRead"]) is (outcome == "Unknown")
    both = report([*announced(seed()), POOLS, *config, BY_L2 if lacking.startswith("L2") else BY_BGP, PEER])
    assert [service["outcome"] for service in both["services"]] == ["NoTargets"]
    assert not any("assumptions" in consumer for consumer in both["services"][0]["consumers"])


def test_no_other_advertisement_adds_a_node_to_one_for_all_nodes() -> None:
    """The nodes of the endpoints are gone: whatever announces, there is nothing to announce it."""
    items = announced(seed())
    for item in items:
        for endpoint in item.get("endpoints", ()):
            endpoint["nodeName"] = "gone"
    found = report([*items, POOLS, metallb("L2Advertisement", "lan")])
    assert [service["outcome"] for service in found["services"]] == ["NoTargets"]
    assert found["warnings"] == []
