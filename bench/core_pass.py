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

from bench.large_cluster import endpoint_slice, large_cluster, node, size_options
from etpguard.assess import Engine, picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cluster import Picture, Touched
from etpguard.objects import ENDPOINT_SLICE, NODE, SERVICE, AnyKind, Key, Reject, decode_item

Json = dict[str, Any]


def main() -> None:
    options = size_options(__doc__ or "", rounds=7).parse_args()
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
        entry = _decoded(NODE, node(options.nodes // 2, ready, next(versions)))
        return lambda: engine.refresh(_absorbed(picture, NODE, entry))

    def heartbeat(number: int) -> Callable[[], object]:
        raw = node(7, "True", next(versions))
        raw["metadata"]["labels"]["unused"] = str(number)
        entry = _decoded(NODE, raw)
        return lambda: engine.refresh(_absorbed(picture, NODE, entry))

    def move(number: int) -> Callable[[], object]:
        raw = endpoint_slice(number % options.local, options, next(versions))
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


def _decoded(kind: AnyKind, raw: Json) -> Any:
    entry = decode_item(kind, raw)
    if isinstance(entry, Reject):
        raise SystemExit(entry.message)
    return entry


if __name__ == "__main__":
    main()
