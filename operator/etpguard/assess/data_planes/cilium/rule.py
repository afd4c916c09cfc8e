"""The rule of Cilium's kube-proxy replacement: read in cilium v1.20.2, and for releases before 1.18 in v1.15.19 to
v1.17.0.

A frontend without a backend that it may use is answered with ICMP port-unreachable, whatever the cause
(bpf/lib/nodeport.h, lb.h tail_no_service; since 1.15, PR #28157), unless an option makes it drop the packets.
Topology hints narrow the local backends but never empty them (writer.go DefaultSelectBackends), so they do not
matter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec.structs import replace

from etpguard.assess.data_planes.cilium.backends import NOTHING, Backends, Sets
from etpguard.assess.data_planes.cilium.frontends import (
    NODE,
    NODE_SELECTOR,
    TYPE,
    FrontendPort,
    frontend_ports,
    installing,
    leaves_out_cluster_ip,
    selected,
    selector_not_read,
)
from etpguard.assess.data_planes.cilium.frontends import cluster_ip_ports as cluster_ip_frontends
from etpguard.assess.data_planes.cilium.old_backends import (
    OLD_FILTERS,
    OldBackends,
    SliceFilter,
    is_of_mesh,
    old_filter,
)
from etpguard.assess.data_planes.inputs import Inputs
from etpguard.assess.data_planes.interface import KnownDataPlane
from etpguard.assess.data_planes.rule import Healthz, Leaving, doubt_of, no_sctp, reaches_healthz
from etpguard.assess.node_states import (
    HEADLESS,
    PROXY_NAME,
    Frontend,
    PortState,
    ServiceStates,
    Uncertain,
    cluster_ip_ports,
    external_ports,
)
from etpguard.assess.outcome import Reason
from etpguard.objects import IP_FAMILIES, EndpointSlice, IPFamily, ServicePort

_OTHER_LABELS = frozenset({HEADLESS, PROXY_NAME})
_NEW_PLANE = (1, 18, 0)
"""The first release with the control plane that `backends` renders."""
_ENVOY_IS_HEALTHY = (1, 17, 0)
"""Releases before it may answer 503 for a Service that Envoy serves: PR #33600."""
_INTERNAL_SINCE = (1, 19, 0)
"""The first release without enable-internal-traffic-policy: PR #41238."""
_HEALTHZ = "kube-proxy-replacement-healthz-bind-address"
_HEALTHZ_PANICS = (1, 17, 6)
"""cilium/cilium#40571: the handler reads a store that it was not given, and the client gets no answer."""

_VERSION_DECIDES = Reason(
    "CiliumVersionNotKnown",
    "releases of Cilium read the EndpointSlices of this Service in different ways, and the version is not known",
)
_OPTION_DECIDES = Reason(
    "CiliumOptionNotKnown",
    f"an EndpointSlice of this Service has the label {HEADLESS}. Cilium reads it only if its Ingress or "
    "Gateway API support is enabled. The ConfigMap cilium-config shows this, but it was not read",
)
_ANNOTATION_DECIDES = Reason(
    "CiliumVersionNotKnown",
    "the Service has an annotation service.cilium.io/node, node-selector or type, and it is not known "
    "whether this release of Cilium reads it",
)
_SELECTOR_DECIDES = Reason(
    "SelectorNotUnderstood",
    f"the annotation {NODE_SELECTOR} of the Service compares numbers or is very long, so etpguard does not read "
    "it. Cilium serves the Service only on the nodes that it selects",
)

_ENVOY_INSIDE = Reason(
    "ServedByEnvoy",
    "the Service belongs to an Ingress or a Gateway of Cilium, and its endpoint is a placeholder. It is not "
    "known whether the Envoy of a node serves the cluster IP",
)
_NO_CLUSTER_IP = Reason(
    "NotServedByCilium",
    f"the annotation {TYPE} limits the Service to another kind of address: Cilium does not serve its cluster IP, "
    "and no API object shows what serves it instead",
)

_NO_SCTP = no_sctp(
    "Cilium",
    " From pods to a cluster IP it forwards SCTP, but only if enable-sctp is true and targetPort equals port.",
)
"""Documentation/configuration/sctp.rst, Documentation/network/kubernetes/kubeproxy-free.rst."""
_IGNORES_INTERNAL = Reason(
    "InternalPolicyNotKnown",
    "with enable-internal-traffic-policy: false in cilium-config, Cilium before 1.19 may ignore "
    "internalTrafficPolicy. Where Cilium ignores the policy, nothing is lost",
)

_DELEGATION = "service.cilium.io/proxy-delegation"
_DELEGATED = Reason(
    "ProxyDelegated",
    f"the Service has the annotation {_DELEGATION}. Where a backend has an address of the node, Cilium gives the "
    "packets to a proxy on that node. No API object shows whether such a proxy answers",
)
"""pkg/loadbalancer/service.go GetProxyDelegation; bpf/lib/lb.h SVC_FLAG_L7_DELEGATE;
Documentation/network/kubernetes/kubeproxy-free.rst."""

_LAYER_7 = "service.cilium.io/lb-l7"
_BY_ENVOY = Reason(
    "BalancedByEnvoy",
    f"the Service has the annotation {_LAYER_7}: enabled. If Cilium runs with loadBalancer.l7.backend=envoy, the "
    "Envoy of each node takes its packets and may send them to an endpoint of another node, so that nothing is "
    "lost. If not, a node without an endpoint loses them. Look at `kubectl get ciliumenvoyconfigs -A`",
)
"""operator/pkg/ciliumenvoyconfig of 1.20.2, Documentation/network/servicemesh/envoy-load-balancing.rst; PR
#21244."""


class _State(NamedTuple):
    """One port in one family; the fields are those of `PortState`."""

    port: ServicePort
    family: IPFamily
    sets: Sets
    through: tuple[tuple[Frontend, int], ...] = ()

    @property
    def essence(self) -> object:
        """What decides where traffic is forwarded, and whether anything is usable."""
        usable = self.sets.any_active or self.sets.any_terminating
        return self.port.label, self.family, self.sets.active, self.sets.terminating, usable, self.through


class Cilium:
    """The rule of Cilium, for one release and configuration."""

    misleading = (
        "A request from a node or from a pod proves nothing: traffic that starts in the cluster follows "
        "internalTrafficPolicy, also to localhost:{port}. Only a request from another machine to the node's own "
        "address shows what clients get."
    )

    def __init__(self, plane: KnownDataPlane) -> None:
        self._release = plane.release
        self._configured = plane.settings is not None
        self._proxy_name = plane.setting("k8s-service-proxy-name") or ""
        self._reads_headless = plane.enabled("enable-ingress-controller", False) or plane.enabled(
            "enable-gateway-api", False
        )
        self._terminating = plane.enabled("enable-k8s-terminating-endpoint", True)
        self._serves_health = plane.enabled("enable-health-check-nodeport", True)
        self._ignores_internal = not plane.enabled("enable-internal-traffic-policy", True) and (
            self._release is None or self._release < _INTERNAL_SINCE
        )
        self._silent = (
            plane.setting("service-no-backend-response") == "drop"
            or not plane.enabled("enable-no-service-endpoints-routable", True)
            or (self._release is not None and self._release < (1, 15, 0))
        )
        self._healthz = plane.setting(_HEALTHZ)

    @property
    def healthz(self) -> Healthz:
        if not self._configured:
            return f"Cilium answers on port 10256 only with {_HEALTHZ} set"
        return reaches_healthz(self._healthz or "") and self._release != _HEALTHZ_PANICS

    def healthz_before(self, leaving: Leaving) -> Healthz:
        """1.17.7 and later answers 503 on a node that is being deleted (cilium/cilium#40166, #40317), and reads no
        taint."""
        if leaving is not Leaving.DELETED or self.healthz is False:
            return self.healthz
        if self._release is None:
            return (
                "Cilium 1.17.7 and later fails health checks of port 10256 on a node that is being deleted, and "
                "the version of Cilium is not known"
            )
        return self._release < _HEALTHZ_PANICS and self.healthz

    def states(self, inputs: Inputs) -> ServiceStates:
        service = inputs.service
        found, everything, installed, uncertain = self._known(
            inputs,
            lambda: frontend_ports(service, self._proxy_name),
            lambda: external_ports(service, self._proxy_name),
        )
        delegated = service.annotations.get(_DELEGATION, "").lower() == "delegate-if-local"
        if delegated:
            uncertain = (*uncertain, Uncertain(everything.active | everything.terminating, _DELEGATED))
        ports = tuple(self._port_state(each, installed, inputs.of_envoy, uncertain) for each in found)
        balanced = service.annotations.get(_LAYER_7, "").lower() == "enabled"
        if balanced:
            ports = tuple(map(_perhaps_by_envoy, ports))
        healthy = (-1 if inputs.of_envoy else everything.active) & installed if self._serves_health else 0
        envoy_fails = inputs.of_envoy and (self._release is None or self._release < _ENVOY_IS_HEALTHY)
        return ServiceStates(
            ports,
            dict.fromkeys(IP_FAMILIES, healthy),
            everything.placed,
            everything.addressed,
            everything.named_active | everything.named_terminating,
            everything.named_active,
            health_port_open=installed if self._serves_health else 0,
            health_not_known=-1 if envoy_fails or delegated or balanced else 0,
        )

    def internal_ports(self, inputs: Inputs) -> tuple[PortState, ...]:
        """A connection that the socket load balancer cannot place fails at once with EHOSTUNREACH. Where packets
        are balanced instead, the answer is the external one."""
        service = inputs.service
        found, _, installed, uncertain = self._known(
            inputs,
            lambda: cluster_ip_frontends(service, self._proxy_name),
            lambda: cluster_ip_ports(service, self._proxy_name),
        )
        if inputs.of_envoy:
            uncertain = (*uncertain, Uncertain(-1, _ENVOY_INSIDE))
        if self._ignores_internal:
            uncertain = (*uncertain, Uncertain(-1, _IGNORES_INTERNAL))
        if leaves_out_cluster_ip(service):
            uncertain = (*uncertain, Uncertain(-1, _NO_CLUSTER_IP))
        unanswered = -1 if self._silent else ~installed
        return tuple(
            replace(
                self._port_state(each, installed, inputs.of_envoy, uncertain),
                crowded=(),
                silent=0,
                unanswered=unanswered,
            )
            for each in found
        )

    def _known(
        self,
        inputs: Inputs,
        new_ports: Callable[[], Iterable[FrontendPort]],
        old_ports: Callable[[], Iterable[tuple[ServicePort, IPFamily]]],
    ) -> tuple[list[_State], Sets, int, tuple[Uncertain, ...]]:
        """The states of these ports, the backends of all ports, the nodes that install the Service, and what is
        not known. `new_ports` are those of release 1.18 and later, `old_ports` those of earlier ones."""
        uncertain: list[Uncertain] = []
        service = inputs.service
        if self._release is not None and self._release < _NEW_PLANE:
            if self._release >= (1, 16, 0) and {NODE, NODE_SELECTOR, TYPE} & service.annotations.keys():
                uncertain.append(Uncertain(-1, _ANNOTATION_DECIDES))
            return *self._old(inputs, old_ports(), old_filter(self._release)), -1, tuple(uncertain)
        found, backends = self._new(inputs, new_ports())
        if self._release is None and _may_differ(inputs, backends, found):
            essence = [each.essence for each in found]
            for slice_filter in OLD_FILTERS:
                old, _ = self._old(inputs, old_ports(), slice_filter)
                if [each.essence for each in old] != essence:
                    uncertain.append(Uncertain(-1, _VERSION_DECIDES))
                    break
        if not self._configured and any(HEADLESS in slice_.labels for slice_ in inputs.slices):
            uncertain.append(Uncertain(-1, _OPTION_DECIDES))
        if selector_not_read(service):
            uncertain.append(Uncertain(-1, _SELECTOR_DECIDES))
        return found, backends.all, installing(service, inputs.nodes), tuple(uncertain)

    def _port_state(
        self, found: _State, installed: int, of_envoy: bool, uncertain: tuple[Uncertain, ...]
    ) -> PortState:
        sets = Sets(active=-1, any_active=True) if of_envoy else found.sets
        return PortState.of(
            found.port,
            found.family,
            sets.active & installed,
            sets.terminating & ~sets.active & installed,
            sets.any_active or sets.any_terminating,
            tuple(nodes & installed for nodes in sets.crowded),
            silent=installed if self._silent else 0,
            uncertain=(*uncertain, *doubt_of(found.port, _NO_SCTP)),
            through=found.through,
        )

    def _new(self, inputs: Inputs, ports: Iterable[FrontendPort]) -> tuple[list[_State], Backends]:
        slices = [slice_ for slice_ in inputs.slices if self._reads(slice_)]
        backends = Backends(slices, inputs.nodes.bit)
        found = []
        for port, family, _, left_out in ports:
            sets = backends.of(port.label, port.transport, family)
            found.append(_State(port, family, sets, tuple((kind, 0) for kind in Frontend if kind in left_out)))
        return found, backends

    def _old(
        self, inputs: Inputs, ports: Iterable[tuple[ServicePort, IPFamily]], slice_filter: SliceFilter
    ) -> tuple[list[_State], Sets]:
        slices = [slice_ for slice_ in inputs.slices if slice_filter.reads(slice_)]
        backends = OldBackends(slices, inputs.nodes.bit, self._terminating)
        if HEADLESS in inputs.service.labels:
            ports = ()
        return [_State(port, family, backends.of(port.label, family)) for port, family in ports], backends.all

    def _reads(self, slice_: EndpointSlice) -> bool:
        """daemon/k8s/resources.go, pkg/k8s/utils/utils.go GetEndpointSliceListOptionsModifier."""
        labels = slice_.labels
        if HEADLESS in labels and not self._reads_headless:
            return False
        return selected(labels, self._proxy_name) and not is_of_mesh(slice_)


def _perhaps_by_envoy(port: PortState) -> PortState:
    """What the nodes without an endpoint do is not known."""
    if not port.usable:
        return port
    return replace(port, uncertain=(*port.uncertain, Uncertain(~port.forwarding, _BY_ENVOY)))


def _may_differ(inputs: Inputs, backends: Backends, found: Iterable[_State]) -> bool:
    """Whether the objects have anything that a release before 1.18 may read in another way. Only then the readings
    of all releases are compared."""
    spec = inputs.service.spec
    return (
        backends.odd
        or any(each.sets == NOTHING for each in found)
        or any(_OTHER_LABELS & slice_.labels.keys() or slice_.weight is not None for slice_ in inputs.slices)
        or any(is_of_mesh(slice_) for slice_ in inputs.slices)
        or any(not port.name for port in inputs.service.ports)
        or bool(spec.external_ips or TYPE in inputs.service.annotations)
        or len(spec.ip_families or ()) != len(spec.cluster_ips or ())
        or any(entry.ip_mode not in (None, "VIP") for entry in inputs.service.load_balancer_ingress)
    )
