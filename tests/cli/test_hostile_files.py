"""Objects that one tenant writes to stop the check: it answers soon, and reports the other tenant's Service."""

from __future__ import annotations

import json
import resource
import shlex
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.program import etpguard, started

Json = dict[str, Any]

ALB, NLB = "alb.ingress.kubernetes.io/", "service.beta.kubernetes.io/aws-load-balancer-"
CPU_SECONDS = 2.0
"""Of the whole command, from its start. The time of day says nothing on a busy machine."""


def service(name: str, namespace: str = "hostile", ports: int = 1, first: int = 20000, **more: Any) -> Json:
    spec: Json = {
        "type": "NodePort",
        "clusterIP": "10.0.0.1",
        "externalTrafficPolicy": "Local",
        "selector": {"app": name},
        "ports": [{"name": f"p{i}", "port": 80 + i, "nodePort": first + i} for i in range(ports)],
    }
    annotations = more.pop("annotations", {})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {**spec, **more},
    }


def endpoint_slice(of: str, namespace: str = "hostile", **more: Any) -> Json:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": of, "namespace": namespace, "labels": {"kubernetes.io/service-name": of}},
        "addressType": "IPv4",
        "ports": [{"name": "p0", "port": 8080}],
        "endpoints": [{"addresses": ["10.1.0.1"], "nodeName": "a", "conditions": {"ready": True}}],
        **more,
    }


def ingress(name: str, backends: list[tuple[str, Json]], annotations: dict[str, str] | None = None) -> Json:
    paths = [
        {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": to, "port": port}}}
        for to, port in backends
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "hostile", "annotations": annotations or {}},
        "spec": {"ingressClassName": "alb", "rules": [{"http": {"paths": paths}}]},
    }


def binding(name: str, **spec: Any) -> Json:
    return {
        "apiVersion": "elbv2.k8s.aws/v1beta1",
        "kind": "TargetGroupBinding",
        "metadata": {"name": name, "namespace": "hostile", "labels": spec.pop("labels", {})},
        "spec": {"targetType": "instance", "serviceRef": {"name": "web", "port": 80}, **spec},
    }


P0: Json = {"name": "p0"}
WEB = [service("web"), endpoint_slice("web")]


def nlb(ports: int, **annotations: str) -> list[Json]:
    keys = {f"{NLB}{key.replace('_', '-')}": value for key, value in annotations.items()}
    made = service(
        "web", ports=ports, type="LoadBalancer", loadBalancerClass="service.k8s.aws/nlb", annotations=keys
    )
    return [made, endpoint_slice("web")]


def crowd(size: int) -> list[Json]:
    return [{"addresses": [f"10.1.{i // 250}.{i % 250}"], "nodeName": "a"} for i in range(size)]


def unknown_annotations() -> list[Json]:
    balancer, _ = nlb(3000, **{f"unknown_{i:02}_of_the_tenant": "" for i in range(50)})
    ports = [{"name": f"p{i}", "port": 8080} for i in range(3000)]
    return [balancer, endpoint_slice("web", ports=ports)]


def shared_address() -> list[Json]:
    made: list[Json] = []
    for i in range(300):
        annotations = {"metallb.io/allow-shared-ip": "all"}
        first = service(f"s{i}", ports=2, first=20000 + 2 * i, type="LoadBalancer", annotations=annotations)
        slices = [endpoint_slice(f"s{i}"), endpoint_slice(f"s{i}", ports=[{"name": "p1", "port": 8080}])]
        slices[1]["metadata"]["name"] += "-b"
        slices[1]["endpoints"] = [{"addresses": ["10.1.0.2"], "nodeName": "b"}]
        made += [{**first, "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.5"}]}}}, *slices]
    return made


def paths_to_services() -> list[Json]:
    names = [f"s{i}" for i in range(400)]
    members = [service(name, first=20000 + i) for i, name in enumerate(names)]
    return [
        *members,
        *map(endpoint_slice, names),
        ingress("many", [(names[i % 400], P0) for i in range(8000)]),
    ]


def long_condition() -> list[Json]:
    values = [f"host-{i}.example.com" for i in range(9000)]
    condition = json.dumps([{"field": "host-header", "hostHeaderConfig": {"values": values}}])
    return [*WEB, ingress("conditions", [("web", P0)] * 4000, {f"{ALB}conditions.web": condition})]


def group_of_many() -> list[Json]:
    annotations = {
        f"{ALB}group.name": "shared",
        f"{ALB}listen-ports": '[{"HTTP": 80}, {"HTTPS": 443}]',
        f"{ALB}ssl-redirect": "443",
    }
    return [*WEB, *(ingress(f"i{i}", [("web", P0)], annotations) for i in range(1500))]


def nested_action() -> list[Json]:
    annotations = {f"{ALB}actions.deep": '{"a":' * 40_000}
    return [*WEB, ingress("deep", [("web", P0), ("deep", {"name": "use-annotation"})] * 500, annotations)]


def unreadable_slices() -> list[Json]:
    names = [f"s{i}" for i in range(1500)]
    bad = [endpoint_slice(name, endpoints=7) for name in names]
    return [*(service(name, first=20000 + i) for i, name in enumerate(names)), *bad]


def control_characters() -> list[Json]:
    text = "x\n2026-11-27 INFO forged\x1b[2J\u202e"
    return [
        service("web", annotations={f"{ALB}healthcheck-port": text, f"{ALB}healthcheck-path": text}),
        endpoint_slice("web"),
        ingress("marks", [("web", P0)]),
    ]


def selectors_of_bindings() -> list[Json]:
    selector = {"matchLabels": {"pool": "$(touch /tmp/owned); '"}}
    return [*WEB, *(binding(f"b{i}", nodeSelector=selector) for i in range(1500))]


def routes_of_a_gateway() -> list[Json]:
    labels = {"gateway.k8s.aws.nlb/stack-namespace": "hostile", "gateway.k8s.aws.nlb/stack-name": "gw"}
    routes = [{"targetGroupProps": {"healthCheckConfig": {"healthCheckPort": str(1 + i)}}} for i in range(10_000)]
    configuration = {
        "apiVersion": "gateway.k8s.aws/v1beta1",
        "kind": "TargetGroupConfiguration",
        "metadata": {"name": "web", "namespace": "hostile"},
        "spec": {"targetReference": {"name": "web"}, "routeConfigurations": routes},
    }
    return [*WEB, configuration, binding("b", labels=labels)]


def numbers_of_many_digits() -> list[Json]:
    digits = "9" * 200_000
    annotations = {f"{ALB}listen-ports": f'[{{"HTTP": {digits}}}]', f"{ALB}healthcheck-interval-seconds": digits}
    return [*WEB, ingress("digits", [("web", P0)] * 2000, annotations)]


INPUTS: dict[str, Callable[[], list[Json]]] = {
    "commas before a pair, for each of 60 ports": lambda: nlb(60, target_node_labels="," * 250_000 + "a=b"),
    "8,000 paths to 400 Services": paths_to_services,
    "a condition of 230 KB for each of 4,000 paths": long_condition,
    "success codes of 250 KB for each of 60 ports": lambda: nlb(
        60, healthcheck_protocol="HTTP", healthcheck_success_codes=",".join(["200"] * 62_000)
    ),
    "3,000 ports with an NLB": lambda: nlb(3000, ssl_cert="arn", ssl_ports=",".join(map(str, range(80, 3080)))),
    "3,000 ports with an NLB and 50 unknown annotations": unknown_annotations,
    "12,000 endpoints on one node": lambda: [service("web"), endpoint_slice("web", endpoints=crowd(12_000))],
    "300 Services that share one address": shared_address,
    "1,500 members of one group": group_of_many,
    "JSON of 40,000 levels": nested_action,
    "1,500 Services with unreadable EndpointSlices": unreadable_slices,
    "newlines, control characters and bidirectional marks": control_characters,
    "1,500 bindings whose selectors are shell code": selectors_of_bindings,
    "10,000 routes that each set another health check": routes_of_a_gateway,
    "numbers of 200,000 digits": numbers_of_many_digits,
}

VICTIM = [
    service("shop", "victim", first=30080),
    endpoint_slice("shop", "victim"),
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "alb"},
        "spec": {"controller": "ingress.k8s.aws/alb"},
    },
    {  # without one, the input does not say that etpguard looked for Ingresses
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "other", "namespace": "victim"},
        "spec": {
            "ingressClassName": "nginx",
            "defaultBackend": {"service": {"name": "other", "port": {"number": 80}}},
        },
    },
    *(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name},
            "spec": {"providerID": f"aws:///z/i-{name}"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
        for name in "abc"
    ),
]


def listed(objects: list[Json]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [*objects, *VICTIM]})


@pytest.mark.parametrize("name", INPUTS)
def test_the_check_answers_soon_and_reports_the_other_tenant(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = started("check", "-A", "-f", "-", "-o", "json", stdin=listed(INPUTS[name]()))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert run.code in (0, 1), run.err[:2000]
    found = {(s["namespace"], s["name"]): s["outcome"] for s in run.report["services"]}
    assert found["victim", "shop"] == "Uncovered"
    assert any(namespace == "hostile" for namespace, _ in found)
    assert all(line.isprintable() for line in run.err.splitlines())
    assert cpu < CPU_SECONDS


def test_an_annotation_that_is_too_long_is_named() -> None:
    run = etpguard(
        "check", "-A", "-f", "-", "-o", "json", stdin=listed(nlb(1, target_node_labels="," * 250_000 + "a=b"))
    )
    (hostile,) = [s for s in run.report["services"] if s["namespace"] == "hostile"]
    assert hostile["outcome"] == "Unknown"
    assert "aws-load-balancer-target-node-labels" in hostile["reason"]
    assert "250003 characters" in hostile["reason"]


@pytest.mark.parametrize("output", ["table", "wide", "junit", "markdown", "html"])
def test_no_output_has_control_characters(output: str) -> None:
    host = "\u001b]0;x\u0007\u202e"
    objects = [
        *control_characters(),
        service("vip", first=20010, type="LoadBalancer", annotations={"kube-vip.io/vipHost": host}),
        endpoint_slice("vip"),
    ]
    run = etpguard("check", "-A", "-f", "-", "-o", output, stdin=listed(objects))
    assert run.code in (0, 1), run.err
    assert [line for line in run.out.split("\n") if not line.isprintable()] == []


def test_commands_to_copy_are_words_of_a_shell() -> None:
    run = etpguard("explain", "hostile/web", "-f", "-", stdin=listed([*WEB, *selectors_of_bindings()[-1:]]))
    assert run.code == 0, run.err
    commands = [line.strip() for line in run.out.splitlines() if line.strip().startswith("kubectl ")]
    (look,) = [command for command in commands if "get nodes -l" in command]
    assert shlex.split(look) == ["kubectl", "get", "nodes", "-l", "pool=$(touch /tmp/owned); '"]


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x85", "\u2028"])
def test_a_command_to_copy_is_one_line(end: str) -> None:
    selector = {"matchLabels": {"pool": f"x'{end}kubectl delete namespace prod{end}"}}
    objects = listed([*WEB, binding("b", nodeSelector=selector)])
    run = etpguard("explain", "hostile/web", "-f", "-", stdin=objects)
    assert run.code == 0, run.err
    commands = [line.strip() for line in run.out.splitlines() if line.strip().startswith("kubectl ")]
    assert not [command for command in commands if command.startswith("kubectl delete")]
    (look,) = [command for command in commands if "get nodes -l" in command]
    words = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {look}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    given = ["kubectl", "get", "nodes", "-l", f"pool={selector['matchLabels']['pool']}"]
    assert words.stdout.decode().split("\0")[:-1] == given
    assert look.isprintable()
