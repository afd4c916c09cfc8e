"""The backends of a Service under Cilium 1.18 and later, folded into node sets.

Read in cilium v1.20.2 pkg/k8s/endpoints.go (ParseEndpointSliceV1), pkg/loadbalancer/reflectors/conversions.go
(convertEndpoints) and pkg/loadbalancer/writer/writer.go (matchesFrontend, DefaultSelectBackends).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, lru_cache, reduce
from ipaddress import ip_address
from operator import or_

from msgspec import Struct

from etpguard.assess.data_planes.crowds import crowded
from etpguard.assess.data_planes.inputs import DUMMY_ADDRESS, DUMMY_PORT
from etpguard.objects import Endpoint, EndpointSlice
from etpguard.objects.nodes import HOSTNAME_LABEL

EVERYWHERE = -1
_PROTOCOLS = ("TCP", "UDP", "SCTP")


class Sets(Struct, frozen=True, dict=True):
    """The nodes of some backends."""

    active: int = 0
    """Nodes on which an ACTIVE backend is local; all nodes if one has no nodeName."""
    terminating: int = 0
    """Nodes on which a TERMINATING backend is local; all nodes if one has no nodeName."""
    any_active: bool = False
    any_terminating: bool = False
    named_active: int = 0
    """Nodes that an ACTIVE backend names."""
    named_terminating: int = 0
    placed: int = 0
    """Nodes that a backend names which is not terminating, whatever its other conditions."""
    addressed: int = 0
    """Nodes that a backend names."""
    actives: tuple[int, ...] = ()
    """The node of each ACTIVE backend."""
    endings: tuple[int, ...] = ()
    """The node of each TERMINATING backend."""
    odd: bool = False
    """Whether Cilium up to 1.17 may read any of them in another way."""

    @cached_property
    def crowded(self) -> tuple[int, ...]:
        """Nodes with at least two backends that get traffic, with at least three, and so on."""
        return crowded(self.actives, self.endings)

    def __or__(self, other: Sets) -> Sets:
        return Sets(
            self.active | other.active,
            self.terminating | other.terminating,
            self.any_active or other.any_active,
            self.any_terminating or other.any_terminating,
            self.named_active | other.named_active,
            self.named_terminating | other.named_terminating,
            self.placed | other.placed,
            self.addressed | other.addressed,
            self.actives + other.actives,
            self.endings + other.endings,
            self.odd or other.odd,
        )


NOTHING = Sets()
Names = frozenset[str]


class Backends:
    """The backends of one Service, by protocol and names of their port."""

    def __init__(self, slices: Sequence[EndpointSlice], bit: Callable[[str], int]) -> None:
        """`slices` are those that Cilium reads, sorted by name: of the copies of an ip:port, the last wins."""
        self._found: dict[tuple[str, str, str], list[Sets]] = {}
        """By family, protocol and a name of the port; "" for a port without a name."""
        self._any: dict[tuple[str, str], list[Sets]] = {}
        """The same, whatever the name."""
        self._joined: dict[tuple[int, ...], Sets] = {}
        self.all = NOTHING
        self.odd = False
        """Whether any of it may mean another thing to Cilium up to 1.17."""
        counted: dict[tuple[int, ...], list[Sets]] = {}
        for (family, protocol, number), sources in _sources(slices).items():
            dummy = number == DUMMY_PORT
            at = (dummy, *(id(slice_) for slice_, _ in sources))
            if at not in counted:
                counted[at] = _fold([slice_ for slice_, _ in sources], bit, dummy)
            self.odd |= any(not names for _, names in sources) or not number
            for (_, names), sets in zip(sources, counted[at], strict=True):
                self._any.setdefault((family, protocol), []).append(sets)
                for name in names or {""}:
                    self._found.setdefault((family, protocol, name), []).append(sets)
        for folded in counted.values():
            for sets in folded:
                self.all |= sets
        self.odd |= self.all.odd

    def of(self, name: str, protocol: str, family: str) -> Sets:
        """The backends that a frontend selects: matchesFrontend. A port without a name matches any."""
        found = self._any.get((family, protocol), [])
        if name:
            nameless = self._found.get((family, protocol, ""), [])
            found = self._found.get((family, protocol, name), []) + nameless
        same = tuple(map(id, found))
        if same not in self._joined:
            self._joined[same] = reduce(or_, found) if found else NOTHING
        return self._joined[same]


def _sources(slices: Iterable[EndpointSlice]) -> dict[tuple[str, str, int], list[tuple[EndpointSlice, Names]]]:
    """The slices of each port number, with the names that it has there."""
    found: dict[tuple[str, str, int], list[tuple[EndpointSlice, Names]]] = {}
    for slice_ in slices:
        if slice_.address_type in ("IPv4", "IPv6"):
            names: dict[tuple[str, int], set[str]] = {}
            for port in slice_.ports or ():
                protocol = port.protocol or "TCP"
                if port.port is not None and protocol in _PROTOCOLS:
                    names.setdefault((protocol, port.port), set()).add(port.name or "")
            for (protocol, number), each in names.items():
                key = (slice_.address_type, protocol, number)
                found.setdefault(key, []).append((slice_, frozenset(each - {""})))
    return found


def _fold(slices: Sequence[EndpointSlice], bit: Callable[[str], int], dummy: bool) -> list[Sets]:
    """The node sets of each slice. An address that a later slice has too counts only there."""
    by_address: dict[str, tuple[int, Endpoint]] = {}
    for index, slice_ in enumerate(slices):
        for endpoint in slice_.endpoints or ():
            for address in endpoint.addresses or ():
                if (parsed := parsed_address(address)) and not (dummy and parsed == DUMMY_ADDRESS):
                    by_address[parsed] = (index, endpoint)
    members: list[list[Endpoint]] = [[] for _ in slices]
    for index, endpoint in by_address.values():
        members[index].append(endpoint)
    copies = sum(len(e.addresses or ()) for s in slices for e in s.endpoints or ()) != len(by_address)
    return [
        _sets(found, _in_maintenance(slice_), copies, bit) for slice_, found in zip(slices, members, strict=True)
    ]


def _sets(endpoints: Iterable[Endpoint], maintenance: bool, odd: bool, bit: Callable[[str], int]) -> Sets:
    """convertEndpoints: ready is ACTIVE, even while terminating; nil ready and nil serving are true."""
    active = terminating = named_active = named_terminating = placed = addressed = 0
    any_active = any_terminating = False
    actives: list[int] = []
    endings: list[int] = []
    for endpoint in endpoints:
        conditions = endpoint.conditions
        name = node_name(endpoint)
        named = bit(name) if name else 0
        ending = bool(conditions and conditions.terminating)
        addressed |= named
        if not ending:
            placed |= named
        if maintenance:
            continue
        local = named if name else EVERYWHERE
        if conditions is None or conditions.ready is not False:
            active |= local
            actives.append(local)
            named_active |= named
            any_active = True
            continue
        odd |= conditions.serving is None or (conditions.serving and not ending)
        if ending and conditions.serving is not False:
            terminating |= local
            endings.append(local)
            named_terminating |= named
            any_terminating = True
    return Sets(
        active,
        terminating,
        any_active,
        any_terminating,
        named_active,
        named_terminating,
        placed,
        addressed,
        tuple(actives),
        tuple(endings),
        odd,
    )


def node_name(endpoint: Endpoint) -> str:
    """The nodeName, or the hostname in deprecatedTopology; "" if there is none."""
    if endpoint.node_name is not None:
        return endpoint.node_name
    return (endpoint.deprecated_topology or {}).get(HOSTNAME_LABEL, "")


def _in_maintenance(slice_: EndpointSlice) -> bool:
    """Whether its weight is 0, as strconv.ParseUint reads it. Another text is ignored."""
    weight = slice_.weight
    return weight is not None and bool(weight) and not weight.strip("0")


_PLAIN = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}", re.ASCII)


def parsed_address(text: str) -> str:
    """One spelling for each address that Go's netip.ParseAddr takes; "" for any other text."""
    return text if _PLAIN.fullmatch(text) else _parsed(text)


@lru_cache(maxsize=8192)
def _parsed(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
