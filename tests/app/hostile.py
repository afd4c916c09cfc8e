"""Objects that an editor of one namespace may make, each as large or as many as the API server takes them, to keep
etpguard busy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]
Object = tuple[str, Json]
"""A collection's path, and what is posted there."""
Hostile = Callable[[str], Iterator[Object]]
"""Gives the objects for a namespace."""

ALB = "alb.ingress.kubernetes.io"
SPEC_PORTS = 60
POLICY = {"apiVersion": "etpguard.dev/v1alpha1", "kind": "CoveragePolicy"}


def services(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/services"


def ingresses(namespace: str) -> str:
    return f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses"


def policies(namespace: str) -> str:
    return f"/apis/etpguard.dev/v1alpha1/namespaces/{namespace}/coveragepolicies"


def node_port(name: str, ports: int = 1, **metadata: Any) -> Json:
    numbers = [{"name": f"p{n}", "port": 1000 + n} for n in range(ports)]
    spec = {"type": "NodePort", "externalTrafficPolicy": "Local", "selector": {"app": name}, "ports": numbers}
    return {"metadata": {"name": name, **metadata}, "spec": spec}


def load_balancer(name: str, loadBalancerClass: str | None, ports: int = 1, **metadata: Any) -> Json:  # noqa: N803
    made = node_port(name, ports, **metadata)
    made["spec"]["type"] = "LoadBalancer"
    if loadBalancerClass:
        made["spec"]["loadBalancerClass"] = loadBalancerClass
    return made


def ingress(name: str, backends: list[str], paths: int, **annotations: str) -> Json:
    def path(number: int) -> Json:
        service = {"name": backends[number % len(backends)], "port": {"number": 1000}}
        return {"path": f"/{number}", "pathType": "Prefix", "backend": {"service": service}}

    rule = {"http": {"paths": [path(number) for number in range(paths)]}}
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"ingressClassName": "alb", "rules": [rule]},
    }


def commas_of_node_labels(namespace: str) -> Iterator[Object]:
    annotation = "service.beta.kubernetes.io/aws-load-balancer-target-node-labels"
    annotations = {annotation: "," * 250_000 + "a=b"}
    yield services(namespace), load_balancer("web", "service.k8s.aws/nlb", SPEC_PORTS, annotations=annotations)


def commas_of_attributes(namespace: str) -> Iterator[Object]:
    annotation = "service.beta.kubernetes.io/aws-load-balancer-target-group-attributes"
    annotations = {annotation: "a=b," * 60_000 + ",=" * 5_000}
    yield services(namespace), load_balancer("web", "service.k8s.aws/nlb", SPEC_PORTS, annotations=annotations)


def paths_to_many_services(namespace: str) -> Iterator[Object]:
    names = [f"s{n}" for n in range(200)]
    yield from ((services(namespace), node_port(name)) for name in names)
    yield ingresses(namespace), ingress("web", names, 8_000, **{f"{ALB}/target-type": "instance"})


def conditions_of_one_path(namespace: str) -> Iterator[Object]:
    names = [f"s{n}" for n in range(50)]
    condition = {"field": "path-pattern", "pathPatternConfig": {"values": ["/a*"]}}
    text = json.dumps([condition] * 2_500)[:230_000]
    annotations = {f"{ALB}/conditions.web": text.rpartition(", {")[0] + "]"}
    yield from ((services(namespace), node_port(name)) for name in (*names, "web"))
    yield ingresses(namespace), ingress("web", ["web", *names], 2_000, **annotations)


def deep_json(namespace: str) -> Iterator[Object]:
    annotations = {f"{ALB}/actions.web": "[" * 120_000 + "]" * 120_000}
    yield services(namespace), node_port("web")
    yield ingresses(namespace), ingress("web", ["web"], 500, **annotations)


def a_group_of_ingresses(namespace: str) -> Iterator[Object]:
    yield services(namespace), node_port("web")
    annotations = {f"{ALB}/group.name": "one", f"{ALB}/target-node-labels": "a=b," * 1_000 + "c=d"}
    yield from ((ingresses(namespace), ingress(f"i{n}", ["web"], 50, **annotations)) for n in range(200))


def policies_times_services(namespace: str) -> Iterator[Object]:
    expressions = [{"key": f"k{n}", "operator": "NotIn", "values": [f"v{m}" for m in range(20)]} for n in range(8)]
    spec = {"mode": "DryRun", "serviceSelector": {"matchExpressions": expressions}}
    yield from ((services(namespace), node_port(f"s{n}")) for n in range(200))
    for n in range(500):
        yield policies(namespace), {**POLICY, "metadata": {"name": f"p{n}"}, "spec": spec}


def expensive_schedules(namespace: str) -> Iterator[Object]:
    minutes = ",".join(str(n) for n in range(0, 60, 7))
    schedule = f"{minutes} 0-23 29 2 {','.join(str(n) for n in range(7))}"
    budgets = [
        {"schedule": schedule, "timeZone": "America/St_Johns", "durationSeconds": 604800, "perSeconds": 60 + n}
        for n in range(16)
    ]
    remediation = {"sourceIPLoss": "Accept", "budgets": budgets}
    spec = {"mode": "DryRun", "serviceTypes": ["NodePort"], "remediation": remediation}
    yield from ((services(namespace), node_port(f"s{n}")) for n in range(100))
    yield policies(namespace), {**POLICY, "metadata": {"name": "p"}, "spec": spec}


def endpoints_times_ports(namespace: str) -> Iterator[Object]:
    yield services(namespace), {**node_port("web", 100)}
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    ports = [{"name": f"p{n}", "port": 1000 + n, "protocol": "TCP"} for n in range(100)]
    for n in range(10):
        endpoints = [
            {"addresses": [f"10.{n}.{i // 250}.{1 + i % 250}"], "nodeName": f"node-{i}"} for i in range(1000)
        ]
        yield (
            path,
            {
                "metadata": {"name": f"web-{n}", "labels": {"kubernetes.io/service-name": "web"}},
                "addressType": "IPv4",
                "ports": ports,
                "endpoints": endpoints,
            },
        )


def network_policies(namespace: str) -> Iterator[Object]:
    path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
    blocks = [
        {"ipBlock": {"cidr": f"10.{n}.0.0/16", "except": [f"10.{n}.{m}.0/24" for m in range(20)]}}
        for n in range(100)
    ]
    rule = {"from": blocks}
    spec = {"podSelector": {"matchLabels": {f"k{n}": "v" for n in range(50)}}, "ingress": [rule]}
    yield from ((services(namespace), node_port(f"s{n}")) for n in range(100))
    yield from ((path, {"metadata": {"name": f"n{n}"}, "spec": spec}) for n in range(300))


def providers_annotations(namespace: str) -> Iterator[Object]:
    """Of every provider, as long as they may be."""
    deep = '{"a":' * 12_000 + "1" + "}" * 12_000
    names = {
        "cloud.google.com/backend-config": deep,
        "cloud.google.com/neg": deep,
        "metallb.universe.tf/loadBalancerIPs": "10.0.0.1," * 10_000,
        "service.beta.kubernetes.io/azure-load-balancer-health-probe-port": "9" * 5_000,
        "kube-vip.io/loadbalancerIPs": "," * 10_000,
    }
    for n in range(20):
        made = load_balancer(f"s{n}", None, 20, annotations={**names, "n": str(n)})
        yield services(namespace), made


INPUTS: dict[str, Hostile] = {
    "250,000 commas in target-node-labels": commas_of_node_labels,
    "60,000 target group attributes": commas_of_attributes,
    "8,000 paths to 200 Services": paths_to_many_services,
    "230 KB of conditions": conditions_of_one_path,
    "JSON nested 120,000 deep": deep_json,
    "a group of 200 Ingresses": a_group_of_ingresses,
    "500 policies times 200 Services": policies_times_services,
    "16 budgets with an expensive schedule": expensive_schedules,
    "10,000 endpoints of 100 ports": endpoints_times_ports,
    "300 NetworkPolicies of 2,000 address ranges": network_policies,
    "long annotations of every provider": providers_annotations,
}
