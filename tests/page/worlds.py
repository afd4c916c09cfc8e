"""Pages of small and large clusters."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.large_cluster import large_cluster
from etpguard.assess import Engine, picture_for
from etpguard.assess.advice import Advisor
from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cluster import Picture
from etpguard.objects import Key, Record, Reject, decode_item
from etpguard.page import PageContents
from etpguard.report import Contents
from tests.assess.build import Given, endpoint, endpoint_slice, node, picture_with, service

Json = dict[str, Any]

ZONE = "topology.kubernetes.io/zone"
MADE = "2026-01-01T00:00:00Z"


def zoned(name: str, zone: str = "") -> Record:
    return node(name, labels={ZONE: zone} if zone else {})


def small() -> list[Record]:
    """Four nodes in two zones, and one without a zone; the Services web and api with pods on one node each."""
    return [
        *(zoned(name, zone) for name, zone in (("n1", "a"), ("n2", "a"), ("n3", "a"), ("n4", "b"), ("n5", ""))),
        service("web"),
        endpoint_slice([endpoint("n1")]),
        service("api", [{"name": "grpc", "port": 443, "nodePort": 30443}]),
        endpoint_slice(
            [endpoint("n2", ready=False, serving=True, terminating=True)],
            [{"name": "grpc", "protocol": "TCP", "port": 8443}],
            name="api-1",
            of="api",
        ),
    ]


def contents_of(
    picture: Picture, engine: Engine, advisor: Callable[..., Any] = lambda assessment: (), **more: Any
) -> PageContents:
    contents = Contents(
        planes=engine.planes,
        nodes=picture.nodes.present,
        assessments=list(engine.assessments.values()),
        internal=list(engine.internal.values()),
        table=picture.nodes,
        advice=lambda assessment: (),
    )
    page = PageContents(contents, engine.zones, advisor, "a test", MADE)
    return replace(page, **more)


def page_of(
    *objects: Record | Reject, consumers: Mapping[str, Sequence[Consumer]] | None = None, **more: Any
) -> PageContents:
    """The page of these objects, with these consumers by the name of their Service."""
    family = Given(**(consumers or {}))
    picture = picture_with(*objects, families=[family])
    engine = Engine(picture, [family])
    engine.refresh_all()
    return contents_of(picture, engine, **more)


def recorded(**statuses: Json) -> dict[Key, Json]:
    """Statuses of ServiceCoverages by the name of their Service."""
    return {Key("default", name): status for name, status in statuses.items()}


def large(nodes: int = 5_000, services: int = 2_000) -> PageContents:
    """A large cluster whose Services are all Local and behind a load balancer, with three pods each."""
    families = consumer_families()
    picture = picture_for(families)
    size = argparse.Namespace(
        nodes=nodes, services=services, local=services, fronted=services, bindings=services, endpoints=3
    )
    for kind, items in large_cluster(size):
        picture.absorb(picture.store(kind).replace([decode_item(kind, raw) for raw in items]))
    engine = Engine(picture, families)
    engine.refresh_all()
    return contents_of(picture, engine, Advisor(picture, families))
