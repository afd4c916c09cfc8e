"""Antrea with antreaProxy.proxyAll: antrea fc70f2b (2.7) pkg/agent/proxy.

Antrea follows kube-proxy's rule, but a copy of an ip:port replaces another one exactly if it is local. It always
answers: with a RST or an ICMP message by packet-in. Without proxyAll, kube-proxy serves external traffic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from etpguard.assess.data_planes import trackers
from etpguard.assess.data_planes.crowds import crowded
from etpguard.assess.data_planes.inputs import Inputs
from etpguard.assess.data_planes.interface import HEALTHZ_BESIDE, KnownDataPlane
from etpguard.assess.data_planes.rule import (
    GOES_TO_ANY_ENDPOINT,
    Healthz,
    Leaving,
    beside_kube_proxy,
    doubted_at,
    reaches_healthz,
)
from etpguard.assess.data_planes.trackers import is_ready, is_serving, is_terminating
from etpguard.assess.node_states import (
    PROXY_NAME,
    Frontend,
    PortState,
    ServiceStates,
    Uncertain,
    cluster_ip_ports,
    external_ports,
    frontends_of,
    ip_families,
)
from etpguard.assess.outcome import Reason
from etpguard.objects import Endpoint, IPFamily, Service, ServicePort
from etpguard.objects.addresses import canonical

_SKIPPED = Reason(
    "NotServedByAntrea",
    "Antrea leaves this Service to another proxy (skipServices, or the label "
    "service.kubernetes.io/service-proxy-name)",
)
_NO_ADDRESSES = Reason(
    "NotServedByAntrea",
    "with proxyLoadBalancerIPs: false, Antrea does not serve the addresses of load balancers. No API object shows "
    "what serves them instead",
)

_HEALTHZ_SINCE = (2, 5, 0)


class Antrea:
    """The rule of Antrea with proxyAll."""

    misleading = GOES_TO_ANY_ENDPOINT

    def __init__(self, plane: KnownDataPlane) -> None:
        self._proxy_name = plane.setting("serviceProxyName") or ""
        self._skipped = {name.strip() for name in (plane.setting("skipServices") or "").split(",")}
        self._addresses = plane.enabled("proxyLoadBalancerIPs", True)
        self._health_server = not plane.enabled("disableServiceHealthCheckServer", False)
        self._configured = plane.settings is not None
        self._release = plane.release
        self._healthz_address = plane.setting("serviceHealthCheckServerBindAddress") or "0.0.0.0:10256"
        self._beside = plane.setting(HEALTHZ_BESIDE)

    @property
    def healthz(self) -> Healthz:
        """Of Antrea, or of a kube-proxy that runs beside it."""
        return beside_kube_proxy("Antrea", self._own_healthz, self._beside)

    def healthz_before(self, leaving: Leaving) -> Healthz:
        """503, as from kube-proxy: v2.5.0 third_party/proxy/healthcheck/proxy_health.go NodeEligible."""
        return False

    @property
    def _own_healthz(self) -> Healthz:
        """antrea-io/antrea#7371 (2.5) pkg/agent/proxy/proxier.go NewProxyServer."""
        if not self._health_server or (self._configured and not reaches_healthz(self._healthz_address)):
            return False
        if self._release is None:
            return "Antrea answers on port 10256 since 2.5, and the version of Antrea is not known"
        if self._release < _HEALTHZ_SINCE:
            return False
        if not self._configured:
            return "the ConfigMap antrea-config decides whether Antrea answers on port 10256, and it was not read"
        return True

    def states(self, inputs: Inputs) -> ServiceStates:
        service = inputs.service
        by_port = _by_port(inputs)
        ready = dict.fromkeys(ip_families(service), 0)
        for key, found in by_port.items():
            ready[key[0]] |= found.ready
        external = external_ports(service, self._name_on(service))
        ports = self._states(service, external, by_port)
        if not self._addresses:  # proxier.go ifNeedUpdateLoadBalancerFlows
            doubt = Uncertain(-1, _NO_ADDRESSES)
            ports = tuple(
                doubted_at(state, Frontend.VIP, frontends_of(service, port, family), doubt)
                for state, (port, family) in zip(ports, external, strict=True)
            )
        return inputs.tracked._replace(ready=ready).states(
            ports, health_port_open=-1 if self._health_server else 0
        )

    def internal_ports(self, inputs: Inputs) -> tuple[PortState, ...]:
        service = inputs.service
        return self._states(service, cluster_ip_ports(service, self._name_on(service)), _by_port(inputs))

    def _leaves(self, service: Service) -> bool:
        """Whether Antrea leaves the Service to another proxy, which no API object shows. skipServices has names
        and cluster IPs."""
        skipped = not self._skipped.isdisjoint((str(service.key), service.spec.cluster_ip or "-"))
        return skipped or (bool(self._proxy_name) and PROXY_NAME not in service.labels)

    def _name_on(self, service: Service) -> str:
        """The proxy name that the label of a Service must have for Antrea to serve it."""
        return "" if self._leaves(service) else self._proxy_name

    def _states(
        self,
        service: Service,
        ports: Iterable[tuple[ServicePort, IPFamily]],
        by_port: Mapping[trackers.PortKey, _Sets],
    ) -> tuple[PortState, ...]:
        uncertain = (Uncertain(-1, _SKIPPED),) if self._leaves(service) else ()
        made = []
        for port, family in ports:
            found = by_port.get((family, port.label, port.transport), _Sets())
            made.append(
                PortState.of(
                    port,
                    family,
                    found.ready,
                    found.terminating & ~found.ready,
                    found.usable,
                    found.crowded,
                    uncertain=uncertain,
                )
            )
        return tuple(made)


class _Sets:
    __slots__ = ("crowded", "ready", "terminating", "usable")

    def __init__(self) -> None:
        self.ready = self.terminating = 0
        self.crowded: tuple[int, ...] = ()
        self.usable = False


def _by_port(inputs: Inputs) -> dict[trackers.PortKey, _Sets]:
    families = ip_families(inputs.service)
    return trackers.folded(inputs.slices, families, lambda pairs: _fold(pairs, inputs.nodes.bit))


def _fold(pairs: Iterable[trackers.Source], bit: Callable[[str], int]) -> _Sets:
    """The node sets of one port. On each node, of the copies of an ip:port the last local one counts; for the
    whole cluster, the first of all counts."""
    first: dict[tuple[str, int], Endpoint] = {}
    local: dict[tuple[str, int, str], Endpoint] = {}
    for slice_, port in pairs:
        for endpoint in slice_.endpoints or ():
            if endpoint.addresses:
                address = canonical(endpoint.addresses[0])
                first.setdefault((address, port), endpoint)
                if endpoint.node_name is not None:
                    local[address, port, endpoint.node_name] = endpoint
    sets = _Sets()
    for endpoint in (*first.values(), *local.values()):
        sets.usable |= is_ready(endpoint) or (is_terminating(endpoint) and is_serving(endpoint))
    readies: list[int] = []
    endings: list[int] = []
    for (_, _, name), endpoint in local.items():
        if is_ready(endpoint):
            sets.ready |= bit(name)
            readies.append(bit(name))
        elif is_terminating(endpoint) and is_serving(endpoint):
            sets.terminating |= bit(name)
            endings.append(bit(name))
    sets.crowded = crowded(readies, endings)
    return sets
