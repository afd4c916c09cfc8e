"""The consumers of each Service, found by the families and kept until what they were read from changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import replace
from typing import TypeVar

from etpguard.assess.consumers.interface import Consumer, ConsumerFamily, View
from etpguard.assess.eligibility import NodeRule
from etpguard.objects import Key, Service

K = TypeVar("K")


class ConsumerIndex:
    """`families` in the order of the registry: an object is the first one's that speaks for it."""

    def __init__(self, families: Sequence[ConsumerFamily], view: View) -> None:
        self._families = tuple(families)
        self._view = view
        self._consumers: dict[Key, tuple[Consumer, ...]] = {}
        self._rules: dict[NodeRule, NodeRule] = {}
        self._read_by: dict[Key, set[Key]] = defaultdict(set)
        self._port_read_by: dict[int, set[Key]] = defaultdict(set)

    def of(self, key: Key, service: Service) -> tuple[Consumer, ...]:
        consumers = self._consumers.get(key)
        if consumers is None:
            consumers = self._consumers[key] = self._find(service)
            for consumer in consumers:
                for read in consumer.reads:
                    self._read_by[read].add(key)
                for number in consumer.reads_node_ports:
                    self._port_read_by[number].add(key)
        return consumers

    def reading(self, service: Key) -> Set[Key]:
        """The Services with a consumer that was read from another Service, `service`."""
        return self._read_by.get(service, frozenset())

    def reading_port(self, number: int) -> Set[Key]:
        """The Services with a consumer that depends on who owns that node port."""
        return self._port_read_by.get(number, frozenset())

    def forget(self, key: Key) -> None:
        for consumer in self._consumers.pop(key, ()):
            for read in consumer.reads:
                _discard(self._read_by, read, key)
            for number in consumer.reads_node_ports:
                _discard(self._port_read_by, number, key)

    def forget_all(self) -> None:
        self._consumers.clear()
        self._rules.clear()
        self._read_by.clear()
        self._port_read_by.clear()

    def _find(self, service: Service) -> tuple[Consumer, ...]:
        found: list[Consumer] = []
        owned: set[tuple[str, str, str]] = set()
        for family in self._families:
            news = [
                replace(consumer, family=family.name, nodes=self._shared(consumer.nodes))
                for consumer in family.find(service, self._view)
                if consumer.object not in owned
            ]
            owned |= {consumer.object for consumer in news}
            found += news
        return tuple(found)

    def _shared(self, rule: NodeRule | None) -> NodeRule | None:
        """One object for all equal rules: a look-up of their nodes then compares nothing."""
        return self._rules.setdefault(rule, rule) if rule else None


def _discard(index: dict[K, set[Key]], at: K, key: Key) -> None:
    index[at].discard(key)
    if not index[at]:
        del index[at]
