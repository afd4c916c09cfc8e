"""The consumers of each Service: found by the families, and kept until an object changes that they were read
from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Sequence, Set
from typing import TypeVar

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.assess.consumers.targets import Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.eligible_nodes import MOST_RULES
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.outcome import Reason
from etpguard.assess.turns import CONSUMERS_A_TURN
from etpguard.objects import Key, Service
from etpguard.objects.text import describe

K = TypeVar("K")
T = TypeVar("T")


class ConsumerIndex:
    """`families` in the order of the registry: an object belongs to the first one that finds a consumer for it."""

    def __init__(self, families: Sequence[ConsumerFamily], view: View) -> None:
        self._families = tuple(families)
        self._for_all_types = tuple(family for family in families if not family.balancers_only)
        self._view = view
        self._consumers: dict[Key, tuple[Consumer, ...]] = {}
        self._rules: dict[NodeRule, NodeRule] = {}
        self._last: tuple[NodeRule | None, NodeRule] = (None, NodeRule())
        # Consumers of one Ingress share one set of keys, so a set is entered once, not once for each consumer.
        self._readers: dict[frozenset[Key], set[Key]] = {}
        self._sets_with: dict[Key, set[frozenset[Key]]] = defaultdict(set)
        self._port_read_by: dict[int, set[Key]] = defaultdict(set)

    def of(self, key: Key, service: Service) -> Generator[None, None, tuple[Consumer, ...]]:
        """The consumers, with a yield after some of them."""
        consumers = self._consumers.get(key)
        if consumers is None:
            consumers = yield from self._find(service)
            self._consumers[key] = consumers
            for consumer in consumers:
                self._enter(key, consumer)
        return consumers

    def reading(self, key: Key) -> Set[Key]:
        """The Services with a consumer that was read from that other Service, or from the objects of that key."""
        return {reader for keys in self._sets_with.get(key, ()) for reader in self._readers[keys]}

    def reading_port(self, number: int) -> Set[Key]:
        """The Services with a consumer that depends on who owns that node port."""
        return self._port_read_by.get(number, frozenset())

    def forget(self, key: Key) -> None:
        for consumer in self._consumers.pop(key, ()):
            for keys in _key_sets(consumer):
                readers = self._readers.get(keys)
                if readers is None:
                    continue
                readers.discard(key)
                if not readers:
                    del self._readers[keys]
                    for read in keys:
                        _discard(self._sets_with, read, keys)
            if consumer.check:
                for number in consumer.check.reads_node_ports:
                    if key in self._port_read_by.get(number, ()):
                        _discard(self._port_read_by, number, key)

    def forget_all(self) -> None:
        self._consumers.clear()
        self._rules.clear()
        self._last = (None, NodeRule())
        self._readers.clear()
        self._sets_with.clear()
        self._port_read_by.clear()

    def _enter(self, key: Key, consumer: Consumer) -> None:
        for keys in _key_sets(consumer):
            if keys not in self._readers:
                self._readers[keys] = set()
                for read in keys:
                    self._sets_with[read].add(keys)
            self._readers[keys].add(key)
        if consumer.check:
            for number in consumer.check.reads_node_ports:
                self._port_read_by[number].add(key)

    def _find(self, service: Service) -> Generator[None, None, tuple[Consumer, ...]]:
        found: list[Consumer] = []
        owned: set[tuple[str, str, str]] = set()
        for family in self._families if service.type == "LoadBalancer" else self._for_all_types:
            own: list[Consumer] = []
            try:
                for number, consumer in enumerate(family.find(service, self._view), 1):
                    if number % CONSUMERS_A_TURN == 0:
                        yield
                    if consumer.object not in owned:
                        targets = self._shared(consumer.targets)
                        own.append(replace(consumer, family=family.name, targets=targets))
            except Exception as error:
                own.append(_failed(service, family, error))
            if own:
                owned |= {consumer.object for consumer in own}
                found += own
        return tuple(found)

    def _shared(self, targets: Targets) -> Targets:
        """The consumer with the same object for equal rules, so that a look-up of their nodes compares no
        fields."""
        if targets.rule is None:
            return targets
        if targets.rule is not self._last[0]:
            if len(self._rules) >= MOST_RULES:  # perhaps of consumers that are gone
                self._rules.clear()
            # Rules may be long, and all ports of a Service have the same one: compare it once.
            self._last = (targets.rule, self._rules.setdefault(targets.rule, targets.rule))
        rule = self._last[1]
        return targets if rule is targets.rule else replace(targets, rule=rule)


def _failed(service: Service, family: ConsumerFamily, error: Exception) -> Consumer:
    """A consumer whose outcome is Unknown, for a family that failed to find its consumers."""
    detail = f"etpguard failed to read the consumers of family {family.name}: {describe(error)}"
    return Consumer(
        kind="Service",
        namespace=service.key.namespace,
        name=service.key.name,
        controller=family.name,
        target_type="",
        port="",
        targets=UnknownOutcome(Reason("FamilyFailed", detail[:500])),
        family=family.name,
    )


def _key_sets(consumer: Consumer) -> tuple[frozenset[Key], ...]:
    of_check = consumer.check.reads if consumer.check else frozenset[Key]()
    return tuple(keys for keys in (consumer.reads, of_check) if keys)


def _discard(index: dict[K, set[T]], at: K, member: T) -> None:
    index[at].discard(member)
    if not index[at]:
        del index[at]
