"""The endpoints of a Service as kube-proxy's trackers hold them, folded into node sets.

Several data planes use these trackers. The rule is read in k8s.io/kubernetes v1.37.2; file names are under
pkg/proxy there, line numbers alone in endpointslicecache.go."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from typing import NamedTuple, TypeVar

from etpguard.assess.data_planes.crowds import levels
from etpguard.assess.node_states import HEADLESS, PortState, ServiceStates
from etpguard.objects import Endpoint, EndpointSlice, IPFamily
from etpguard.objects.addresses import canonical
from etpguard.objects.endpoints import EndpointConditions

T = TypeVar("T")

_FAMILIES: dict[str, IPFamily] = {"IPv4": "IPv4", "IPv6": "IPv6"}

PortKey = tuple[IPFamily, str, str]
"""Family, port name and protocol."""
Source = tuple[EndpointSlice, int]
"""A slice and the number of the port in it."""


class NodeSets(NamedTuple):
    """The nodes of the endpoints of one port."""

    ready: int
    """Nodes with a ready endpoint."""
    terminating: int
    """Nodes without a ready endpoint, and with a serving and terminating one."""
    usable: bool
    """Whether any endpoint is ready, or serving and terminating, on whatever node."""
    any_ready: bool = False
    """Whether any endpoint is ready, on whatever node."""
    crowded: tuple[int, ...] = ()
    """Nodes with at least two endpoints that get traffic, with at least three, and so on."""
    placed: int = 0
    """Nodes with an endpoint that is not terminating, ready or not."""
    addressed: int = 0
    """Nodes with an endpoint, whatever its conditions."""
    undefined: int = 0
    """Nodes whose state depends on which of several slices kube-proxy reads last."""


NO_NODES = NodeSets(0, 0, False)


class Tracked(NamedTuple):
    """The node sets of all ports that the slices have."""

    by_port: dict[PortKey, NodeSets]
    ready: dict[IPFamily, int]
    """For each family, nodes with a ready endpoint of any port, also of one that the Service does not have
    (endpointschangetracker.go:268-307)."""
    hosting: int
    hosting_ready: int
    placed: int
    addressed: int

    def states(
        self,
        ports: Iterable[PortState],
        *,
        health_port_open: int = -1,
        healthz_only: int = 0,
        health_not_known: int = 0,
    ) -> ServiceStates:
        """The states of a Service with these ports. healthCheckNodePort answers 200 on the nodes with a ready
        endpoint. For the other parameters see `ServiceStates`."""
        return ServiceStates(
            tuple(ports),
            self.ready,
            self.placed,
            self.addressed,
            self.hosting,
            self.hosting_ready,
            health_port_open,
            healthz_only,
            health_not_known,
        )


def track(slices: Sequence[EndpointSlice], families: Sequence[IPFamily], bit: Callable[[str], int]) -> Tracked:
    """Fold the slices, sorted by name, into node sets.

    Topology hints, trafficDistribution and internalTrafficPolicy do not matter here (topology.go:48-154). Where
    kube-proxy's own answer depends on the order of a Go map (copies of one ip:port that differ), the slice whose
    name sorts last wins here, and the nodes are `undefined`.
    """

    def fold(pairs: list[Source]) -> NodeSets:
        found = _node_sets(merged(pairs), bit)
        return found._replace(undefined=_undefined(pairs, bit)) if len(pairs) > 1 else found

    by_port = folded(slices, families, fold)
    ready = dict.fromkeys(families, 0)
    hosting = placed = addressed = 0
    for (family, _, _), found in by_port.items():
        ready[family] |= found.ready
        hosting |= found.ready | found.terminating
        placed |= found.placed
        addressed |= found.addressed
    hosting_ready = 0
    for nodes in ready.values():
        hosting_ready |= nodes
    return Tracked(by_port, ready, hosting, hosting_ready, placed, addressed)


def folded(
    slices: Sequence[EndpointSlice], families: Container[IPFamily | None], fold: Callable[[list[Source]], T]
) -> dict[PortKey, T]:
    """What `fold` makes of the endpoints of each port; see `sources`. Ports that the same slices have share it:
    the port numbers do not matter to the nodes, only which of them are the same."""
    made: dict[tuple[tuple[int, int], ...], T] = {}
    found: dict[PortKey, T] = {}
    for key, pairs in sources(slices, families).items():
        shape = _shape(pairs)
        if shape not in made:
            made[shape] = fold(pairs)
        found[key] = made[shape]
    return found


def endpoints_by_node(slices: Iterable[EndpointSlice], port: PortState) -> dict[str, list[Endpoint]] | None:
    """The endpoints that kube-proxy knows for a port, ready or not, by the name of their node; those without a
    nodeName under "". None where no slice has the port."""
    ordered = sorted(slices, key=lambda slice_: slice_.metadata.name)
    pairs = sources(ordered, (port.family,)).get((port.family, port.port, port.protocol))
    if pairs is None:
        return None
    found: dict[str, list[Endpoint]] = {}
    for endpoint in merged(pairs):
        found.setdefault(endpoint.node_name or "", []).append(endpoint)
    return found


def sources(slices: Iterable[EndpointSlice], families: Container[IPFamily | None]) -> dict[PortKey, list[Source]]:
    """By family, port name and protocol, the slices that have the port, with its number there. A port without a
    number is ignored (L178-181). The API server makes "" of no name and TCP of no protocol
    (pkg/apis/discovery/v1/defaults.go), and files may lack both."""
    found: dict[PortKey, list[Source]] = {}
    for slice_ in slices:
        family = _FAMILIES.get(slice_.address_type)
        if family in families and HEADLESS not in slice_.labels:
            for q in slice_.ports or ():
                if family and q.port:
                    key = (family, q.name or "", q.protocol or "TCP")
                    found.setdefault(key, []).append((slice_, q.port))
    return found


def merged(pairs: Iterable[Source]) -> Iterable[Endpoint]:
    """The endpoints of all slices, one for each ip:port, by its first address (L168-253)."""
    found: dict[tuple[str, int], Endpoint] = {}
    for slice_, port in pairs:
        for endpoint in slice_.endpoints or ():
            if endpoint.addresses:
                at = (canonical(endpoint.addresses[0]), port)
                # L247: a copy that is terminating never replaces another one.
                if at not in found or not is_terminating(endpoint):
                    found[at] = endpoint
    return found.values()


def _undefined(pairs: Iterable[Source], bit: Callable[[str], int]) -> int:
    """The nodes of copies of one ip:port that differ and do not terminate, unless another endpoint there is ready:
    L247, "the result is undefined"."""
    copies: dict[tuple[str, int], list[Endpoint]] = {}
    for slice_, port in pairs:
        for endpoint in slice_.endpoints or ():
            if endpoint.addresses and not is_terminating(endpoint):
                copies.setdefault((canonical(endpoint.addresses[0]), port), []).append(endpoint)
    odd = 0
    certain: list[Endpoint] = []
    for same in copies.values():
        if len(same) > 1 and len({(each.node_name, is_ready(each), is_serving(each)) for each in same}) > 1:
            odd |= _of(same, bit)
        else:
            certain.append(same[0])
    return odd & ~_of(filter(is_ready, certain), bit) if odd else 0


def _of(endpoints: Iterable[Endpoint], bit: Callable[[str], int]) -> int:
    found = 0
    for endpoint in endpoints:
        if endpoint.node_name is not None:
            found |= bit(endpoint.node_name)
    return found


def is_ready(endpoint: Endpoint) -> bool:
    """L211: nil is true."""
    ready = endpoint.conditions.ready if endpoint.conditions else None
    return True if ready is None else ready


def is_serving(endpoint: Endpoint) -> bool:
    """L212: nil is true, and does not inherit ready."""
    serving = endpoint.conditions.serving if endpoint.conditions else None
    return True if serving is None else serving


def is_terminating(endpoint: Endpoint) -> bool:
    return bool(endpoint.conditions and endpoint.conditions.terminating)


def _node_sets(endpoints: Iterable[Endpoint], bit: Callable[[str], int]) -> NodeSets:
    """topology.go:96-123: ready endpoints, and per node the fallback to serving and terminating ones. Without a
    nodeName an endpoint is local nowhere (L209,255)."""
    # Most endpoints have the same conditions, which are then read once.
    alike: defaultdict[EndpointConditions | None, list[Endpoint]] = defaultdict(list)
    for endpoint in endpoints:
        alike[endpoint.conditions].append(endpoint)
    ready = terminating = placed = addressed = 0
    any_ready = any_terminating = False
    readies: list[str] = []
    endings: list[str] = []
    for same in alike.values():
        names = [endpoint.node_name for endpoint in same if endpoint.node_name is not None]
        nodes = 0
        for name in names:
            nodes |= bit(name)
        ending = is_terminating(same[0])
        addressed |= nodes
        if not ending:
            placed |= nodes
        if is_ready(same[0]):
            any_ready = True
            ready |= nodes
            readies += names
        elif ending and is_serving(same[0]):
            any_terminating = True
            terminating |= nodes
            endings += names
    terminating &= ~ready
    again = [bit(name) for name in _repeated(readies)]
    again += (local for name in _repeated(endings) if (local := bit(name)) & terminating)
    crowded = levels(again) if again else ()  # most nodes have one
    return NodeSets(ready, terminating, any_ready or any_terminating, any_ready, crowded, placed, addressed)


def _repeated(names: Sequence[str]) -> list[str]:
    """Each name as often as it comes after the first time."""
    if len(set(names)) == len(names):
        return []
    counts = Counter(names)
    return [name for name, count in counts.items() for _ in range(count - 1)]


def _shape(pairs: Iterable[Source]) -> tuple[tuple[int, int], ...]:
    numbers: dict[int, int] = {}
    return tuple((id(slice_), numbers.setdefault(port, len(numbers))) for slice_, port in pairs)
