"""The objects on which the assessments of one namespace depend. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from etpguard.assess import Engine
from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.cluster import Picture
from etpguard.objects import SERVICE, Key


def needed_services(picture: Picture, families: Sequence[ConsumerFamily], namespace: str) -> frozenset[Key]:
    """The Services whose endpoints decide the assessments of this namespace: those of the namespace, and Services
    elsewhere whose ports a health check asks."""
    engine = Engine(picture, families)
    needed: set[Key] = set()
    for key in picture.store(SERVICE).keys():  # noqa: SIM118  a Store, not a dict
        if key.namespace == namespace:
            needed.add(key)
            assessment = engine.assess(key)
            for verdict in assessment.consumers if assessment else ():
                needed.update(_others(picture, verdict.consumer))
    return frozenset(needed)


def _others(picture: Picture, consumer: Consumer) -> Iterator[Key]:
    yield from consumer.reads
    if consumer.check:
        yield from consumer.check.reads
        for number in consumer.check.reads_node_ports:
            yield from (owner.key for owner in picture.node_port_owners(number))
