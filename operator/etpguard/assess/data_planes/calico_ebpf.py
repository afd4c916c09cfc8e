"""Calico's eBPF data plane: calico 87c15906 (3.34-dev), 3.31.7 and 3.32.1 felix/bpf/proxy.

It has kube-proxy's own trackers, but no fallback to terminating endpoints, and an external IP ignores the policy.
Release 3.31 and later narrow the endpoints by topology hints before they look for local ones, so a node may lose
its own endpoint to another zone. Where no endpoint is left it answers with ICMP port-unreachable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess.data_planes import trackers
from etpguard.assess.data_planes.inputs import Inputs, Nodes
from etpguard.assess.data_planes.interface import CALICO_HEALTHZ, HEALTHZ_BESIDE, KnownDataPlane
from etpguard.assess.data_planes.rule import (
    FOLLOWS_INTERNAL_POLICY,
    Healthz,
    Leaving,
    beside_kube_proxy,
    doubt_of,
    doubted_at,
    no_sctp,
)
from etpguard.assess.data_planes.trackers import is_ready, is_terminating
from etpguard.assess.node_states import (
    HEADLESS,
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
from etpguard.objects import Endpoint, EndpointSlice, Requirement, Service
from etpguard.objects.nodes import ZONE_LABEL

_TOPOLOGY = "service.kubernetes.io/topology-mode"
_EXCLUDED = "projectcalico.org/natExcludeService"
_STRATEGY = "lb.projectcalico.org/external-traffic-strategy"
_HINTS_SINCE, _MAGLEV_SINCE = (3, 31, 0), (3, 32, 0)
_INTERNAL_SINCE = (3, 27, 0)
_HEALTHZ_SINCE = (3, 30, 4)

_ENTERPRISE = "The releases of Calico Enterprise have numbers of their own, which etpguard does not compare"
_NOT_HANDLED = Reason(
    "NotServedByCalico",
    f"the Service has the annotation {_EXCLUDED}: Calico does not handle it, and no API object shows what handles "
    "it instead",
)
_VERSION_DECIDES = Reason(
    "CalicoVersionNotKnown",
    "the endpoints have topology hints. Calico 3.31 and later selects the local endpoints by these hints, and the "
    f"version of Calico is not known. {_ENTERPRISE}",
)
_MAGLEV_DECIDES = Reason(
    "CalicoVersionNotKnown",
    f"the Service has the annotation {_STRATEGY}: maglev. With Calico 3.32 and later, every node then forwards "
    "what arrives at the address of the load balancer, and the version of Calico is not known. "
    f"{_ENTERPRISE}",
)
_NO_SCTP = no_sctp("Calico's eBPF data plane")
"""The documentation of Calico, "Enable the eBPF data plane", lists SCTP as not supported."""

_IGNORES_INTERNAL = Reason(
    "InternalPolicyNotKnown",
    "Calico before 3.27 ignores internalTrafficPolicy, unless the release has the fix "
    "(projectcalico/calico#8255). Where Calico ignores the policy, nothing is lost",
)


class CalicoEBPF:
    """The rule of Calico's eBPF data plane, for one release."""

    misleading = FOLLOWS_INTERNAL_POLICY

    def __init__(self, plane: KnownDataPlane) -> None:
        self._release = plane.release
        self._configured = plane.settings is not None
        self._healthz_port = plane.setting(CALICO_HEALTHZ)
        self._beside = plane.setting(HEALTHZ_BESIDE)

    @property
    def healthz(self) -> Healthz:
        """Of Calico, or of a kube-proxy that runs beside it: tigera/operator#4768 writes port 0 for Calico where
        the platform owns kube-proxy, which then answers."""
        return beside_kube_proxy("Calico", self._own_healthz, self._beside)

    def healthz_before(self, leaving: Leaving) -> Healthz:
        """felix/bpf/proxy/health.go: the server of Calico has a Node of its own making, which never leaves. That
        of a kube-proxy beside it answers 503."""
        own = self._own_healthz
        if own is False or self._beside == "true":
            return False
        if own is True and self._beside != "false":
            return (
                "kube-proxy fails health checks of port 10256 on a node that is about to leave, Calico does not, "
                "and no object shows which of them has the port"
            )
        return own

    @property
    def _own_healthz(self) -> Healthz:
        """projectcalico/calico#10947 begins to serve the port, and #11011 makes it an option."""
        if self._healthz_port not in (None, "10256"):
            return False
        if self._release is None:
            return f"Calico answers on port 10256 since 3.30.4, and its version is not known. {_ENTERPRISE}"
        if self._release < _HEALTHZ_SINCE:
            return False
        if not self._configured:
            return (
                f"Calico answers on port 10256 unless {CALICO_HEALTHZ} of the FelixConfiguration has another value"
            )
        return True

    def states(self, inputs: Inputs) -> ServiceStates:
        service = inputs.service
        tracked, narrowed = self._tracked(inputs)
        uncertain = _excluded(service)
        maglev = service.annotations.get(_STRATEGY) == "maglev"
        everywhere = maglev and (self._release is None or self._release >= _MAGLEV_SINCE)
        ports = []
        for port, family in external_ports(service) if HEADLESS not in service.labels else ():
            key = (family, port.label, port.transport)
            plain = tracked.by_port.get(key, trackers.NO_NODES)
            ready = narrowed.get(key, plain.ready)
            doubts = [*uncertain, *doubt_of(port, _NO_SCTP)]
            if self._release is None and ready != plain.ready:
                doubts.append(Uncertain(ready ^ plain.ready, _VERSION_DECIDES, only_local=True))
            anywhere = -1 if plain.any_ready else 0
            kinds = frontends_of(service, port, family)
            through = {Frontend.EXTERNAL_IP: anywhere} if Frontend.EXTERNAL_IP in kinds else {}
            if everywhere and Frontend.VIP in kinds:
                through[Frontend.VIP] = anywhere
            only_by_maglev = Uncertain(anywhere & ~ready, _MAGLEV_DECIDES)
            if not kinds - through.keys():
                ready, through = anywhere, {}
            state = PortState.of(
                port,
                family,
                ready,
                0,
                plain.any_ready,
                plain.crowded if ready == plain.ready else (),
                uncertain=tuple(doubts),
                through=tuple(through.items()),
            )
            unsure = everywhere and self._release is None
            ports.append(doubted_at(state, Frontend.VIP, kinds, only_by_maglev) if unsure else state)
        return tracked.states(ports)

    def internal_ports(self, inputs: Inputs) -> tuple[PortState, ...]:
        """How a connection fails depends on whether the client's node balances at connect time, which no API
        object shows."""
        service = inputs.service
        tracked, narrowed = self._tracked(inputs)
        uncertain = _excluded(service)
        if self._release is not None and self._release < _INTERNAL_SINCE:
            uncertain.append(Uncertain(-1, _IGNORES_INTERNAL))
        if HEADLESS in service.labels:
            return ()
        made = []
        for port, family in cluster_ip_ports(service):
            key = (family, port.label, port.transport)
            plain = tracked.by_port.get(key, trackers.NO_NODES)
            ready = narrowed.get(key, plain.ready)
            doubts = [*uncertain, *doubt_of(port, _NO_SCTP)]
            if self._release is None and ready != plain.ready:
                doubts.append(Uncertain(ready ^ plain.ready, _VERSION_DECIDES))
            made.append(
                PortState.of(port, family, ready, 0, plain.any_ready, unanswered=-1, uncertain=tuple(doubts))
            )
        return tuple(made)

    def _tracked(self, inputs: Inputs) -> tuple[trackers.Tracked, dict[trackers.PortKey, int]]:
        """The endpoints that Calico reads, and, where hints narrow them, the nodes with a local ready endpoint
        that is left."""
        slices = [slice_ for slice_ in inputs.slices if PROXY_NAME not in slice_.labels]
        tracked = inputs.tracked
        if len(slices) < len(inputs.slices):
            tracked = trackers.track(slices, ip_families(inputs.service), inputs.nodes.bit)
        hinted = any(endpoint.hints for slice_ in slices for endpoint in slice_.endpoints or ())
        if hinted and (self._release is None or self._release >= _HINTS_SINCE):
            return tracked, self._narrowed(slices, inputs)
        return tracked, {}

    def _narrowed(self, slices: Sequence[EndpointSlice], inputs: Inputs) -> dict[trackers.PortKey, int]:
        by_zone_alone = inputs.service.annotations.get(_TOPOLOGY, "").lower() == "auto"
        return trackers.folded(
            slices,
            ip_families(inputs.service),
            lambda pairs: _by_hints(list(trackers.merged(pairs)), inputs.nodes, by_zone_alone),
        )


def _excluded(service: Service) -> list[Uncertain]:
    return [Uncertain(-1, _NOT_HANDLED)] if service.annotations.get(_EXCLUDED) == "true" else []


def _by_hints(endpoints: Sequence[Endpoint], nodes: Nodes, by_zone_alone: bool) -> int:
    """The nodes with a local ready endpoint. On each node, only the endpoints count that its topology hints leave:
    see topology.go, FilterEpsByTopologyAwareRouting with `by_zone_alone`, and FilterEpsByTrafficDistribution
    without. Where no hint fits the node, all endpoints are left. A terminating endpoint fits too, although it gets
    no traffic."""
    ready = _local_ready(endpoints, nodes)
    zones: dict[str, list[Endpoint]] = {}
    by_node: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        if not is_ready(endpoint) and not is_terminating(endpoint):
            continue
        hints = endpoint.hints
        if by_zone_alone and not (hints and hints.for_zones):
            return ready
        for zone in (hints and hints.for_zones) or ():
            zones.setdefault(zone.name, []).append(endpoint)
        for node in (hints and hints.for_nodes) or ():
            by_node.setdefault(node.name, []).append(endpoint)
    narrowed = ready
    for zone_name, fitting in zones.items():
        there = nodes.having((Requirement(ZONE_LABEL, "In", (zone_name,)),))
        narrowed = narrowed & ~there | _local_ready(fitting, nodes) & there
    if not by_zone_alone:
        for node_name, fitting in by_node.items():
            there = nodes.bit(node_name)
            narrowed = narrowed & ~there | _local_ready(fitting, nodes) & there
    return narrowed


def _local_ready(endpoints: Iterable[Endpoint], nodes: Nodes) -> int:
    found = 0
    for endpoint in endpoints:
        if endpoint.node_name is not None and is_ready(endpoint):
            found |= nodes.bit(endpoint.node_name)
    return found
