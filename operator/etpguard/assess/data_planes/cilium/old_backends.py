"""The backends of a Service under Cilium up to 1.17, folded into node sets.

Read in cilium v1.15.19 pkg/k8s/endpoints.go (ParseEndpointSliceV1, GetEndpoints) and pkg/k8s/watchers/watcher.go
(genCartesianProduct). Where the answer depends on the order of a Go map (copies of one address in several slices
that differ), the slice whose name sorts first wins here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from etpguard.assess.data_planes.cilium.backends import EVERYWHERE, Sets, node_name, parsed_address
from etpguard.assess.data_planes.cilium.frontends import go_family_of
from etpguard.assess.data_planes.trackers import is_ready
from etpguard.assess.node_states import HEADLESS
from etpguard.objects import Endpoint, EndpointSlice

_MANAGED_BY, _MESH = "endpointslice.kubernetes.io/managed-by", "endpointslice-mesh-controller.cilium.io"


def is_of_mesh(slice_: EndpointSlice) -> bool:
    """Whether Cilium's cluster mesh made the slice, with the endpoints of another cluster. The backends of other
    clusters come to Cilium by another way."""
    return slice_.labels.get(_MANAGED_BY) == _MESH


class SliceFilter(NamedTuple):
    """Which EndpointSlices with a label of their own are read, from the release `since`."""

    since: tuple[int, int, int]
    of_mesh: bool
    headless: bool

    def reads(self, slice_: EndpointSlice) -> bool:
        return (self.of_mesh or not is_of_mesh(slice_)) and (self.headless or HEADLESS not in slice_.labels)


OLD_FILTERS = (
    SliceFilter((0, 0, 0), of_mesh=True, headless=False),
    SliceFilter((1, 16, 0), of_mesh=False, headless=False),
    SliceFilter((1, 16, 5), of_mesh=False, headless=True),
)
"""pkg/k8s/utils/utils.go GetEndpointSliceListOptionsModifier and daemon/k8s/resources.go of v1.15.19, v1.16.0,
v1.16.4, v1.16.5 and v1.17.0. The label of the mesh came with the controller that sets it, in v1.16.0."""


def old_filter(release: tuple[int, int, int]) -> SliceFilter:
    """The filter of a release before 1.18."""
    return [each for each in OLD_FILTERS if each.since <= release][-1]


class OldBackends:
    """The backends of one Service, by name of their port."""

    def __init__(self, slices: Sequence[EndpointSlice], bit: Callable[[str], int], terminating: bool) -> None:
        """`terminating` is the option enable-k8s-terminating-endpoint."""
        self._bit = bit
        by_address: dict[str, tuple[Endpoint, frozenset[str]]] = {}
        for slice_ in slices:
            if slice_.address_type not in ("IPv4", "IPv6"):
                continue
            names = frozenset(port.name or "" for port in slice_.ports or () if port.port is not None)
            for endpoint in slice_.endpoints or ():
                if not is_ready(endpoint) and not (terminating and _is_serving(endpoint)):
                    continue
                for address in endpoint.addresses or ():
                    if parsed := parsed_address(address):
                        first, known = by_address.get(parsed, (endpoint, names))
                        by_address[parsed] = first, known if known is names else known | names
        self.all = self._sets([endpoint for endpoint, _ in by_address.values()])
        self._alike: dict[tuple[str | None, frozenset[str]], list[Endpoint]] = {}
        """The endpoints of the addresses of one family with the same names of ports."""
        for address, (endpoint, names) in by_address.items():
            self._alike.setdefault((go_family_of(address), names), []).append(endpoint)
        self._folded: dict[tuple[int, ...], Sets] = {}

    def of(self, name: str, family: str) -> Sets:
        """The backends of one port name in one family."""
        found = [each for (own, names), each in self._alike.items() if name in names and own == family]
        same = tuple(map(id, found))
        if same not in self._folded:
            self._folded[same] = self._sets([endpoint for each in found for endpoint in each])
        return self._folded[same]

    def _sets(self, found: Iterable[Endpoint]) -> Sets:
        """An endpoint that is not ready, serves and does not terminate is ACTIVE."""
        active = terminating = named_active = named_terminating = placed = addressed = 0
        any_active = any_terminating = False
        actives: list[int] = []
        endings: list[int] = []
        for endpoint in found:
            name = node_name(endpoint)
            named = self._bit(name) if name else 0
            local = named if name else EVERYWHERE
            ending = bool(endpoint.conditions and endpoint.conditions.terminating)
            addressed |= named
            if not ending:
                placed |= named
            if ending and not is_ready(endpoint):
                terminating |= local
                endings.append(local)
                named_terminating |= named
                any_terminating = True
            else:
                active |= local
                actives.append(local)
                named_active |= named
                any_active = True
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
        )


def _is_serving(endpoint: Endpoint) -> bool:
    """For an endpoint that is not ready: nil serving inherits ready."""
    return bool(endpoint.conditions and endpoint.conditions.serving)
