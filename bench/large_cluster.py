"""The objects of a large cluster, and the options for its size."""

from __future__ import annotations

import argparse
from typing import Any

from etpguard.objects import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NODE,
    SERVICE,
    AnyKind,
)
from etpguard.objects.aws import TARGET_GROUP_BINDING

Json = dict[str, Any]


def size_options(description: str, *, rounds: int) -> argparse.ArgumentParser:
    """A parser with the size of the cluster."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    for name, default in (
        ("nodes", 5_000),
        ("services", 10_000),
        ("local", 2_000),
        ("fronted", 500),
        ("bindings", 2_000),
        ("endpoints", 15),
        ("rounds", rounds),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    return parser


def large_cluster(options: argparse.Namespace) -> list[tuple[AnyKind, list[Json]]]:
    """The objects by kind. `options` has the numbers that `main` takes."""
    alb = {"metadata": {"name": "alb", "resourceVersion": "1"}, "spec": {"controller": "ingress.k8s.aws/alb"}}
    return [
        (NODE, [node(i, "True", i + 1) for i in range(options.nodes)]),
        (SERVICE, [_service(i, options, i + 1) for i in range(options.services)]),
        (ENDPOINT_SLICE, [endpoint_slice(i, options, i + 1) for i in range(options.services)]),
        (INGRESS_CLASS, [alb]),
        (INGRESS, [_ingress(i, i + 1) for i in range(options.fronted)]),
        (TARGET_GROUP_BINDING, [_binding(i, options, i + 1) for i in range(options.bindings)]),
    ]


def _name(number: int) -> str:
    return f"ip-10-{number // 65536}-{number // 256 % 256}-{number % 256}.ec2.internal"


def node(number: int, ready: str, version: int) -> Json:
    return {
        "metadata": {
            "name": _name(number),
            "resourceVersion": str(version),
            "labels": {
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/zone": f"eu-west-1{'abc'[number % 3]}",
            },
        },
        "spec": {"providerID": f"aws:///eu-west-1a/i-{number:017x}"},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def _service(number: int, options: argparse.Namespace, version: int) -> Json:
    local = number < options.local
    ports: list[Json] = [{"name": "http", "port": 80}, {"name": "https", "port": 443}]
    if local:
        for offset, port in enumerate(ports):
            port["nodePort"] = 30000 + 2 * number + offset
    return {
        "metadata": {
            "name": f"service-{number}",
            "namespace": f"team-{number % 50}",
            "resourceVersion": str(version),
        },
        "spec": {
            "type": "NodePort" if local else "ClusterIP",
            "externalTrafficPolicy": "Local" if local else None,
            "clusterIP": "10.96.0.1",
            "clusterIPs": ["10.96.0.1"],
            "ipFamilies": ["IPv4"],
            "ports": ports,
        },
    }


def endpoint_slice(number: int, options: argparse.Namespace, version: int) -> Json:
    return {
        "metadata": {
            "name": f"service-{number}-x",
            "namespace": f"team-{number % 50}",
            "resourceVersion": str(version),
            "labels": {"kubernetes.io/service-name": f"service-{number}"},
        },
        "addressType": "IPv4",
        "ports": [
            {"name": "http", "protocol": "TCP", "port": 80},
            {"name": "https", "protocol": "TCP", "port": 443},
        ],
        "endpoints": [
            {
                "addresses": [f"10.{number % 250}.{number // 250}.{each}"],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": _name((number * 17 + each * 331) % options.nodes),
            }
            for each in range(options.endpoints)
        ],
    }


def _ingress(number: int, version: int) -> Json:
    backend = {"service": {"name": f"service-{number}", "port": {"name": "http"}}}
    return {
        "metadata": {
            "name": f"front-{number}",
            "namespace": f"team-{number % 50}",
            "resourceVersion": str(version),
        },
        "spec": {"ingressClassName": "alb", "rules": [{"http": {"paths": [{"path": "/", "backend": backend}]}}]},
    }


def _binding(number: int, options: argparse.Namespace, version: int) -> Json:
    """Made by the controller for the Ingress, where there is one, and else by a person."""
    owner = "ingress.k8s.aws/stack"
    team, front = f"team-{number % 50}", f"front-{number}"
    made = {f"{owner}-namespace": team, f"{owner}-name": front} if number < options.fronted else {}
    return {
        "metadata": {
            "name": f"binding-{number}",
            "namespace": team,
            "resourceVersion": str(version),
            "labels": made,
        },
        "spec": {"serviceRef": {"name": f"service-{number}", "port": "http"}, "targetType": "instance"},
    }
