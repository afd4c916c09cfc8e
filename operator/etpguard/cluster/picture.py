"""All stores together, and the indices from a change to the Services it touches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, TypeVar

from msgspec import Struct, field

from etpguard.cluster.nodes import NodeTable
from etpguard.cluster.store import Change, Store
from etpguard.objects import (
    ENDPOINT_SLICE,
    NODE,
    SERVICE,
    SERVICE_COVERAGE,
    Deferred,
    EndpointSlice,
    Key,
    Kind,
    Reach,
    Record,
    Reject,
    Service,
    Subset,
)

R = TypeVar("R", bound=Record)
Referrer = Callable[[Any], Iterable[Key]]

# Kinds that describe their own Service, and no consumer of it.
_DESCRIBE_SERVICES = (SERVICE, ENDPOINT_SLICE, SERVICE_COVERAGE)
_NO_KEYS = frozenset[Key]()
_NO_PORTS = frozenset[tuple[int, str]]()


class Touched(Struct):
    """What must be assessed again. Grows by `add`; `services` and `namespaces` name Services, `nodes` the
    Node names that changed, `node_ports` the numbers that changed hands. `endpoints` names Services of which
    EndpointSlices changed: their consumers are as before."""

    services: set[Key] = field(default_factory=set)
    endpoints: set[Key] = field(default_factory=set)
    namespaces: set[str] = field(default_factory=set)
    nodes: set[str] = field(default_factory=set)
    node_ports: set[int] = field(default_factory=set)
    everything: bool = False

    def __bool__(self) -> bool:
        return bool(
            self.services or self.endpoints or self.namespaces or self.nodes or self.node_ports or self.everything
        )

    def add(self, other: Touched) -> None:
        self.services |= other.services
        self.endpoints |= other.endpoints
        self.namespaces |= other.namespaces
        self.nodes |= other.nodes
        self.node_ports |= other.node_ports
        self.everything |= other.everything


class Picture:
    """The known state of the cluster. `refers` gives further functions, beyond the kind's own, that
    give the Services an object refers to (in an annotation that one controller reads, for example)."""

    def __init__(
        self, kinds: Iterable[Kind[Any]], refers: Mapping[Kind[Any], Sequence[Referrer]] | None = None
    ) -> None:
        self.nodes = NodeTable()
        self.unread: dict[Kind[Any], str] = {}
        """Kinds that cannot be read at present, with the reason. An absent CRD is not among them: it is
        known that there are no such objects."""
        self.unlisted: dict[Kind[Any], str] = {}
        """Kinds that were not listed, with the reason: files without any object of the kind. Empty for a live
        cluster, where each kind is listed."""
        self.switched_off: frozenset[Kind[Any]] = frozenset()
        """Those of `unread` that a setting excludes. A consumer that depends on them is Unknown, but they are not
        taken to hide one."""
        self.unresolved: dict[tuple[Kind[Any], Key], Exception] = {}
        """Objects whose references to Services could not be computed, with what was raised."""
        self._stores: dict[Kind[Any], Store[Any]] = {kind: Store(kind) for kind in kinds}
        self._referrers = {kind: (kind.refers, *(refers or {}).get(kind, ())) for kind in self._stores}
        self._rejected_referrers: dict[str, dict[tuple[Kind[Any], Key], Reject]] = defaultdict(dict)
        self._rejected_slices: dict[Key, dict[Key, Reject]] = defaultdict(dict)
        self._referring: dict[Kind[Any], dict[Key, set[Key]]] = {kind: defaultdict(set) for kind in self._stores}
        self._node_ports: dict[int, set[Key]] = defaultdict(set)

    def twin(self) -> Picture:
        """An empty picture of the same kinds, with the same references."""
        kinds = list(self._stores)
        twin = Picture(kinds, {kind: self._referrers[kind][1:] for kind in kinds})
        twin.switched_off = self.switched_off
        return twin

    @property
    def kinds(self) -> Iterable[Kind[Any]]:
        return self._stores.keys()

    def store(self, kind: Kind[R]) -> Store[R]:
        return self._stores[kind]

    def get(self, kind: Kind[R], key: Key) -> R | None:
        store: Store[R] | None = self._stores.get(kind)
        return None if store is None else store.get(key)

    def why_unknown(self, kind: Kind[Any]) -> str | None:
        """Why the objects of `kind` are not known: nobody read or listed them. None if they are known."""
        if kind not in self._stores:
            return "nobody read them"
        return self.unread.get(kind) or self.unlisted.get(kind)

    def incomplete(self, kind: Kind[Any]) -> str | None:
        """Why the picture may lack objects of `kind` that exist: none of them, or one of them, cannot be read. For
        a kind that is found through references, see `rejected_referrers`."""
        if kind in self.unread or kind.reach is not Reach.EVERYTHING or kind not in self._stores:
            return self.unread.get(kind)
        rejects = self._stores[kind].rejects
        return rejects[0].message if rejects else None

    def referring(self, kind: Kind[R], service: Key) -> list[R]:
        """The objects of `kind` that refer to that Service, by key."""
        index = self._referring.get(kind)
        keys = index.get(service) if index else None
        if not keys:
            return []
        store = self._stores[kind]
        found = map(store.get, sorted(keys) if len(keys) > 1 else keys)
        return [record for record in found if record is not None]

    def is_referred_to(self, kind: Kind[Any], key: Key) -> bool:
        return bool(self._referring.get(kind, {}).get(key))

    def has_referrers(self, key: Key) -> bool:
        """Whether an object of any kind refers to the key."""
        return any(key in index for index in self._referring.values())

    def needs(self, subset: Subset) -> bool:
        """Whether an object shows that those of the subset can decide something."""
        store = self._stores.get(subset.needed_by)
        return store is not None and any(map(subset.needs, store))

    def slices(self, service: Key) -> list[EndpointSlice]:
        return self.referring(ENDPOINT_SLICE, service)

    def rejected_slices(self, service: Key) -> list[Reject]:
        found = self._rejected_slices.get(service)
        return _in_order(found) if found else []

    def rejected_referrers(self, namespace: str) -> list[Reject]:
        """The objects of the namespace that could not be read and might refer to any Service there."""
        found = self._rejected_referrers.get(namespace)
        return _in_order(found) if found else []

    def node_port_owners(self, number: int) -> list[Service]:
        """The Services that hold a node port of that number (one for each protocol at most)."""
        found = (self.get(SERVICE, key) for key in sorted(self._node_ports.get(number, ())))
        return [service for service in found if service is not None]

    def absorb(self, changes: Iterable[Change[Any]]) -> Touched:
        """Bring the indices up to date with changes that a store reported. Returns what they touch."""
        touched = Touched()
        for change in changes:
            if change.matters:
                self._absorb(change, touched)
        return touched

    def index_anew(self, kind: Kind[Any]) -> None:
        """Make the indices of a kind from its store alone, where some changes did not reach them."""
        self._referring[kind].clear()
        self.unresolved = {place: error for place, error in self.unresolved.items() if place[0] != kind}
        for namespace, found in tuple(self._rejected_referrers.items()):
            for place in [each for each in found if each[0] == kind]:
                _discard(self._rejected_referrers, namespace, place)
        if kind == ENDPOINT_SLICE:
            self._rejected_slices.clear()
        elif kind is SERVICE:
            self._node_ports.clear()
        elif kind is NODE:
            for name in self.nodes.names(self.nodes.present):
                self.nodes.discard(name)
        self.absorb(self._stores[kind].all_as_new())

    def _absorb(self, change: Change[Any], touched: Touched) -> None:
        kind, key = change.kind, change.key
        before = _NO_KEYS if change.old is None else self._indexed_references(change)
        after = self._references(kind, change.new)
        rejected = change.new if isinstance(change.new, Reject) else None
        if isinstance(after, Exception):
            assert change.new is not None
            self.unresolved[kind, key] = after
            message = (
                f"{kind.name} {key}: etpguard cannot tell which Services it refers to ({type(after).__name__})"
            )
            rejected = Reject(kind.name, key, change.new.uid, change.new.version, message)
            after = _NO_KEYS
        was_rejected = (rejected is not None or change.old is not None) and self._note_rejected(change, rejected)
        if before or after:
            self._move_references(self._referring[kind], key, before, after)
        self._note_touched(kind, key, before, after, touched)
        if kind.reach is Reach.SERVICES and (rejected or was_rejected):
            touched.namespaces.add(key.namespace)
        if kind is NODE and key.name:
            if change.new is None:
                self.nodes.discard(key.name)
            else:
                self.nodes.add(key.name)
        elif kind is SERVICE:
            self._move_node_ports(change, touched)

    @staticmethod
    def _move_references(index: dict[Key, set[Key]], key: Key, before: Set[Key], after: Set[Key]) -> None:
        for service in before - after:
            index[service].discard(key)
            if not index[service]:
                del index[service]
        for service in after - before if before else after:
            index[service].add(key)

    @staticmethod
    def _note_touched(kind: Kind[Any], key: Key, before: Set[Key], after: Set[Key], touched: Touched) -> None:
        match kind.reach:
            case Reach.SERVICES:
                (touched.endpoints if kind is ENDPOINT_SLICE else touched.services).update(before, after)
            case Reach.NAMESPACE:
                touched.namespaces.add(key.namespace or key.name)
            case Reach.NODES:
                touched.nodes.add(key.name)
                touched.services |= before ^ after
            case Reach.EVERYTHING:
                touched.everything = True
            case Reach.NOTHING:
                pass

    def _indexed_references(self, change: Change[Any]) -> Set[Key]:
        """The Services under which the index has the old version."""
        if self.unresolved.pop((change.kind, change.key), None):
            return _NO_KEYS
        found = self._references(change.kind, change.old)
        return _NO_KEYS if isinstance(found, Exception) else found

    def _note_rejected(self, change: Change[Any], rejected: Reject | None) -> bool:
        """Index what could not be read; whether the old version could not be read either."""
        kind, key = change.kind, change.key
        if kind == ENDPOINT_SLICE:
            if isinstance(change.old, Reject) and change.old.service:
                _discard(self._rejected_slices, change.old.service, key)
            if rejected and rejected.service:
                self._rejected_slices[rejected.service][key] = rejected
            return isinstance(change.old, Reject)
        if kind.reach is not Reach.SERVICES or kind in _DESCRIBE_SERVICES:
            return isinstance(change.old, Reject)
        was_rejected = _discard(self._rejected_referrers, key.namespace, (kind, key))
        if rejected:
            self._rejected_referrers[key.namespace][kind, key] = rejected
        return was_rejected

    def _references(self, kind: Kind[Any], entry: Record | Deferred[Any] | Reject | None) -> Set[Key] | Exception:
        """What a referrer raises is a fault of etpguard that one object shows: returned, so that it stays one
        object's failure."""
        if entry is None:
            return _NO_KEYS
        if isinstance(entry, Deferred):
            return {entry.service} if entry.service else _NO_KEYS
        if isinstance(entry, Reject):
            return {entry.service} if entry.service else ({entry.key} if kind is SERVICE else _NO_KEYS)
        try:
            found: set[Key] = set()
            for refers in self._referrers[kind]:
                found.update(refers(entry))
            return found
        except Exception as error:
            return error

    def _move_node_ports(self, change: Change[Any], touched: Touched) -> None:
        ports_before, ports_after = _node_ports(change.old), _node_ports(change.new)
        if not ports_before and not ports_after:
            return
        before, after = {number for number, _ in ports_before}, {number for number, _ in ports_after}
        for number in before - after:
            self._node_ports[number].discard(change.key)
            if not self._node_ports[number]:
                del self._node_ports[number]
        for number in after - before:
            self._node_ports[number].add(change.key)
        touched.node_ports.update(number for number, _ in ports_before ^ ports_after)


def _in_order(rejects: Mapping[Any, Reject]) -> list[Reject]:
    return sorted(rejects.values(), key=lambda reject: (reject.kind, reject.key))


def _discard(index: dict[Any, dict[Any, Reject]], place: Any, key: Any) -> bool:
    """Remove an entry, and its place if that is empty then; whether there was one."""
    found = index.get(place)
    if found is None or found.pop(key, None) is None:
        return False
    if not found:
        del index[place]
    return True


def _node_ports(service: Service | Deferred[Service] | Reject | None) -> Set[tuple[int, str]]:
    """Numbers with protocols: a health check over TCP does not reach a port that is served over UDP."""
    if not isinstance(service, Service):
        return _NO_PORTS
    return {(port.node_port, port.transport) for port in service.ports if port.node_port}
