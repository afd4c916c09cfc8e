"""How long the pure core takes for a large cluster, beside the plainest thing that gives the same node sets.

    python -m bench.core_pass [--nodes N] [--services N] [--local N] [--bindings N] [--rounds N] …

The yardstick is one pass over the same decoded slices that builds, for each Local Service and port, the set of
names of the nodes with a ready endpoint, and subtracts it from the set of the names of the ready nodes: no
outcome, no consumer, no fallback, nothing kept. Times are CPU seconds; medians of `--rounds`.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

from etpguard.assess import Engine, picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cluster import Picture, Touched
from etpguard.objects import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NODE,
    SERVICE,
    AnyKind,
    Key,
    Reject,
    decode_item,
)
from etpguard.objects.aws import TARGET_GROUP_BINDING

Json = dict[str, Any]


def main() -> None:
    options = _options()
    picture, versions = _picture(options), iter(range(10**6, 10**9))
    gc.collect()
    gc.freeze()

    yardstick = _median(options.rounds, lambda: _naive(picture))
    engine = Engine(picture, consumer_families())
    first = _cpu(engine.refresh_all)
    everything = _median(options.rounds, engine.refresh_all)
    nodes = [record.metadata.name for record in picture.store(NODE)]
    keys = list(picture.store(SERVICE).keys())
    cached = _median(options.rounds, lambda: [engine.assess(key) for key in keys])

    def with_resilience() -> list[object]:
        made = [engine.assess(key) for key in keys]
        return [each.resilience for each in made if each is not None]

    resilience = _median(options.rounds, with_resilience)

    def flip(number: int) -> Callable[[], object]:
        ready = "False" if number % 2 == 0 else "True"
        entry = _decoded(NODE, _node(options.nodes // 2, ready, next(versions)))
        return lambda: engine.refresh(_absorbed(picture, NODE, entry))

    def heartbeat(number: int) -> Callable[[], object]:
        raw = _node(7, "True", next(versions))
        raw["metadata"]["labels"]["unused"] = str(number)
        entry = _decoded(NODE, raw)
        return lambda: engine.refresh(_absorbed(picture, NODE, entry))

    def move(number: int) -> Callable[[], object]:
        raw = _slice(number % options.local, options, next(versions))
        raw["endpoints"][0]["nodeName"] = nodes[number]
        entry = _decoded(ENDPOINT_SLICE, raw)
        return lambda: engine.refresh(_absorbed(picture, ENDPOINT_SLICE, entry))

    print(f"{options.nodes} nodes, {options.services} Services of which {options.local} Local and")
    print(f"{options.fronted} of those behind an Ingress and {options.bindings} bound by a TargetGroupBinding,")
    print(f"slices of {options.endpoints} endpoints")
    print(f"yardstick: dict of sets of names          {yardstick * 1e3:9.2f} ms")
    for what, seconds in (
        ("first pass (states, consumers, rules)", first),
        ("the same once more, nothing kept", everything),
        ("pass over all Services, states kept", cached),
        ("the same, with resilience", resilience),
        ("one node's readiness flips", _median_of(options.rounds, flip)),
        ("one node changes a label nothing depends on", _median_of(options.rounds, heartbeat)),
        ("one slice of a Local Service changes", _median_of(20 * options.rounds, move)),
    ):
        print(f"{what:40}  {seconds * 1e3:9.2f} ms  {seconds / yardstick:7.3f} x")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, default in (
        ("nodes", 5_000),
        ("services", 10_000),
        ("local", 2_000),
        ("fronted", 500),
        ("bindings", 2_000),
        ("endpoints", 15),
        ("rounds", 7),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    return parser.parse_args()


def _naive(picture: Picture) -> dict[tuple[Key, str], set[str]]:
    alive = {node.metadata.name for node in picture.store(NODE) if node.ready == "True"}
    local = {s.key: s for s in picture.store(SERVICE) if s.policy == "Local"}
    ready: dict[tuple[Key, str], set[str]] = {(s.key, p.label): set() for s in local.values() for p in s.ports}
    for slice_ in picture.store(ENDPOINT_SLICE):
        service = slice_.service
        if service in local:
            for port in slice_.ports or ():
                names = ready[service, port.name or ""]
                for endpoint in slice_.endpoints or ():
                    if endpoint.node_name and (not endpoint.conditions or endpoint.conditions.ready is not False):
                        names.add(endpoint.node_name)
    return {at: alive - names for at, names in ready.items()}


def _absorbed(picture: Picture, kind: AnyKind, entry: Any) -> Touched:
    change = picture.store(kind).upsert(entry)
    assert change is not None
    return picture.absorb([change])


def _cpu(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _median(rounds: int, work: Callable[[], object]) -> float:
    return statistics.median(_cpu(work) for _ in range(rounds))


def _median_of(rounds: int, make: Callable[[int], Callable[[], object]]) -> float:
    """As `_median`, of work that has to be prepared for each round."""
    return statistics.median(_cpu(make(number)) for number in range(rounds))


def _picture(options: argparse.Namespace) -> Picture:
    picture = picture_for(consumer_families())
    for kind, items in large_cluster(options):
        picture.absorb(picture.store(kind).replace([_decoded(kind, raw) for raw in items]))
    return picture


def large_cluster(options: argparse.Namespace) -> list[tuple[AnyKind, list[Json]]]:
    """The objects by kind. `options` has the numbers that `main` takes."""
    alb = {"metadata": {"name": "alb", "resourceVersion": "1"}, "spec": {"controller": "ingress.k8s.aws/alb"}}
    return [
        (NODE, [_node(i, "True", i + 1) for i in range(options.nodes)]),
        (SERVICE, [_service(i, options, i + 1) for i in range(options.services)]),
        (ENDPOINT_SLICE, [_slice(i, options, i + 1) for i in range(options.services)]),
        (INGRESS_CLASS, [alb]),
        (INGRESS, [_ingress(i, i + 1) for i in range(options.fronted)]),
        (TARGET_GROUP_BINDING, [_binding(i, options, i + 1) for i in range(options.bindings)]),
    ]


def _decoded(kind: AnyKind, raw: Json) -> Any:
    entry = decode_item(kind, raw)
    if isinstance(entry, Reject):
        raise SystemExit(entry.message)
    return entry


def _name(number: int) -> str:
    return f"ip-10-{number // 65536}-{number // 256 % 256}-{number % 256}.ec2.internal"


def _node(number: int, ready: str, version: int) -> Json:
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


def _slice(number: int, options: argparse.Namespace, version: int) -> Json:
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


if __name__ == "__main__":
    main()
