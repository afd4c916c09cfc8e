"""OVN-Kubernetes: 8871cd9 go-controller/pkg/ovn/controller/services/lb_config.go, pkg/util/{kube,util}.go.

Its load balancers reject (reject=true) where a node has no endpoint. The endpoints of a node are chosen for each
target port number on its own: ready ones, or else serving and terminating ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

from etpguard.assess.data_planes.crowds import crowded
from etpguard.assess.data_planes.inputs import ByPort, Inputs
from etpguard.assess.data_planes.interface import KnownDataPlane
from etpguard.assess.data_planes.rule import FOLLOWS_INTERNAL_POLICY, Healthz, Leaving, reaches_healthz
from etpguard.assess.data_planes.trackers import is_ready, is_terminating
from etpguard.assess.node_states import (
    HEADLESS,
    PROXY_NAME,
    Frontend,
    PortState,
    ServiceStates,
    Uncertain,
    cluster_ip_ports,
    ip_families,
    policy_applies,
    proxied,
)
from etpguard.assess.outcome import Reason
from etpguard.objects import IP_FAMILIES, Endpoint, EndpointSlice, IPFamily, Service, ServicePort
from etpguard.objects.addresses import family_of
from etpguard.objects.openshift import LOCAL_WITH_FALLBACK

_IDLED = "idling.alpha.openshift.io/idled-at"

_FALLBACK = Reason(
    "LocalWithFallback",
    f"with the annotation {LOCAL_WITH_FALLBACK}, a node without an endpoint forwards to other nodes if its data "
    "plane is the OVN-Kubernetes of OpenShift, and nothing is lost. With the upstream OVN-Kubernetes, it rejects "
    "the traffic. It is not known which of the two runs here. Look for the network operator of OpenShift: kubectl "
    "get network.operator.openshift.io cluster",
)


class OVNKubernetes:
    """The rule of OVN-Kubernetes, for one gateway mode and configuration."""

    misleading = FOLLOWS_INTERNAL_POLICY

    def __init__(self, plane: KnownDataPlane) -> None:
        self._mode = plane.mode
        self._openshift = plane.enabled("openshift", False)
        self._configured = plane.settings is not None
        self._node_ports = plane.enabled("node-port-enable", True)
        self._healthz = plane.setting("healthz-bind-address")
        self._unidles = plane.enabled("ovn-empty-lb-events", self._openshift)

    @property
    def healthz(self) -> Healthz:
        if self._healthz is None:
            return "OVN-Kubernetes answers on port 10256 only if healthz-bind-address names it"
        return reaches_healthz(self._healthz)

    def healthz_before(self, leaving: Leaving) -> Healthz:
        """The answer depends on the pod of OVN-Kubernetes alone (pkg/node/healthcheck_node.go)."""
        return self.healthz

    def states(self, inputs: Inputs) -> ServiceStates:
        service = inputs.service
        every = _Endpoints(inputs)
        ports = tuple(self._port_state(service, port, family, every) for port, family in _external_ports(service))
        healthy = every.ready()
        return ServiceStates(
            ports,
            dict.fromkeys(IP_FAMILIES, healthy),
            every.all(lambda endpoint: not is_terminating(endpoint)),
            every.all(lambda endpoint: True),
            every.all(lambda endpoint: is_ready(endpoint) or _is_fallback(endpoint)),
            healthy,
        )

    def internal_ports(self, inputs: Inputs) -> tuple[PortState, ...]:
        """lb_config.go: the load balancers of the cluster IPs are then those of each node, too."""
        service = inputs.service
        every = _Endpoints(inputs)
        wakes_up = self._wakes_up(service)
        made = []
        for port, family in cluster_ip_ports(service):
            sets = every.of(port, family)
            made.append(
                PortState.of(
                    port,
                    family,
                    sets.ready,
                    sets.terminating,
                    sets.usable,
                    silent=-1 if wakes_up and not sets.usable else 0,
                )
            )
        return tuple(made)

    def _wakes_up(self, service: Service) -> bool:
        """Whether traffic wakes the Service up: the load balancer holds the first packet of an idled Service, and
        an event wakes it."""
        return self._unidles and _IDLED in service.annotations

    def _port_state(self, service: Service, port: ServicePort, family: IPFamily, every: _Endpoints) -> PortState:
        sets = every.of(port, family)
        ready, terminating = sets.ready, sets.terminating
        uncertain: tuple[Uncertain, ...] = ()
        if LOCAL_WITH_FALLBACK in service.annotations and sets.usable:
            elsewhere = ~(ready | terminating)
            if self._openshift:
                ready |= elsewhere
            elif not self._configured:
                uncertain = (Uncertain(elsewhere, _FALLBACK, only_local=True),)
        # In gateway mode local, no rule exists for an address without node port and without local endpoint.
        unruled = self._mode == "local" and not port.node_port
        closed = not self._node_ports and bool(port.node_port)
        return PortState.of(
            port,
            family,
            ready,
            terminating,
            sets.usable,
            sets.crowded,
            silent=-1 if self._wakes_up(service) and not sets.usable else 0,
            unanswered=-1 if unruled else 0,
            uncertain=uncertain,
            through=((Frontend.NODE_PORT, 0),) if closed else (),
        )


def _external_ports(service: Service) -> list[tuple[ServicePort, IPFamily]]:
    """The ports as kube-proxy has them, with two differences: the ipMode of a load balancer address does not
    matter, and an address of a family that the Service does not have is served too."""
    if PROXY_NAME in service.labels or not proxied(service) or not policy_applies(service):
        return []
    addresses = [entry.ip for entry in service.load_balancer_ingress if entry.ip]
    addressed = {family_of(address) for address in (*addresses, *(service.spec.external_ips or ()))}
    families = ip_families(service)
    return [
        (port, family)
        for family in IP_FAMILIES
        for port in service.ports
        if (port.node_port and family in families) or family in addressed
    ]


class _Sets(NamedTuple):
    ready: int
    terminating: int
    usable: bool
    crowded: tuple[int, ...]


class _Endpoints:
    """The endpoints of a Service with each of their addresses. The address decides on the family, not the
    slice."""

    def __init__(self, inputs: Inputs) -> None:
        self._slices = [slice_ for slice_ in inputs.slices if HEADLESS not in slice_.labels]
        self._bit = inputs.nodes.bit
        self._publish_not_ready = bool(inputs.service.spec.publish_not_ready_addresses)
        self._by_port = ByPort(self._slices, lambda q: (q.name or "", q.protocol or "TCP"), self._folded)

    def of(self, port: ServicePort, family: IPFamily) -> _Sets:
        return self._by_port.of((port.label, port.transport))[family]

    def _folded(self, slices: Iterable[EndpointSlice]) -> Mapping[IPFamily, _Sets]:
        readies: dict[IPFamily, list[int]] = {family: [] for family in IP_FAMILIES}
        endings: dict[IPFamily, list[int]] = {family: [] for family in IP_FAMILIES}
        for slice_ in slices:
            for endpoint in slice_.endpoints or ():
                if self._publish_not_ready or is_ready(endpoint):
                    found = readies
                elif _is_fallback(endpoint):
                    found = endings
                else:
                    continue
                for family in {family for address in endpoint.addresses or () if (family := family_of(address))}:
                    found[family].append(self._node(endpoint))
        return {family: _sets(readies[family], endings[family]) for family in IP_FAMILIES}

    def ready(self) -> int:
        """Nodes with a ready endpoint of any port, in any family: pkg/node/healthcheck_service.go."""
        return self.all(is_ready)

    def all(self, wanted: Callable[[Endpoint], bool]) -> int:
        nodes = 0
        for slice_ in self._slices:
            if slice_.ports:
                for endpoint in slice_.endpoints or ():
                    if endpoint.addresses and wanted(endpoint):
                        nodes |= self._node(endpoint)
        return nodes

    def _node(self, endpoint: Endpoint) -> int:
        return self._bit(endpoint.node_name) if endpoint.node_name is not None else 0


def _sets(readies: Sequence[int], endings: Sequence[int]) -> _Sets:
    ready, terminating = reduce(or_, readies, 0), reduce(or_, endings, 0)
    return _Sets(ready, terminating & ~ready, bool(readies or endings), crowded(readies, endings))


def _is_fallback(endpoint: Endpoint) -> bool:
    """Serving and terminating; nil serving inherits ready."""
    serving = endpoint.conditions.serving if endpoint.conditions else None
    return is_terminating(endpoint) and (is_ready(endpoint) if serving is None else serving)
