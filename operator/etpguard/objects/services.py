"""The record of a Service."""

from __future__ import annotations

import msgspec

from etpguard.objects.records import AnnotatedRecord, Condition, FullMeta, Shape


class ServicePort(Shape, frozen=True):
    port: int
    name: str | None = None
    protocol: str | None = None
    node_port: int | None = None
    app_protocol: str | None = None

    @property
    def label(self) -> str:
        """The port's name, "" for the unnamed one."""
        return self.name or ""

    @property
    def transport(self) -> str:
        return self.protocol or "TCP"


class _PortIndex:
    """The ports of a Service by what refers to them; the first of equal ones. A Service may have thousands of
    ports, and a rule looks one up for each of them."""

    def __init__(self, ports: list[ServicePort]) -> None:
        self.by_reference: dict[int | str, ServicePort] = {}
        self.by_lower_name: dict[str, ServicePort] = {}
        self.by_number: dict[int, list[ServicePort]] = {}
        self.by_tcp_node_port: dict[int, ServicePort] = {}
        for port in ports:
            self.by_reference.setdefault(port.port, port)
            self.by_reference.setdefault(port.label, port)
            self.by_number.setdefault(port.port, []).append(port)
            self.by_lower_name.setdefault(port.label.lower(), port)
            if port.node_port and port.transport == "TCP":
                self.by_tcp_node_port.setdefault(port.node_port, port)
        self.node_ports = frozenset(port.node_port for port in ports if port.node_port)


_indices: dict[int, tuple[list[ServicePort], _PortIndex]] = {}
"""By the identity of the list of ports, which the entry keeps alive."""
_MOST_INDICES = 64


class ServiceSpec(Shape, frozen=True):
    type: str | None = None
    cluster_ip: str | None = msgspec.field(name="clusterIP", default=None)
    cluster_ips: list[str] | None = msgspec.field(name="clusterIPs", default=None)
    ip_families: list[str] | None = None
    ports: list[ServicePort] | None = None
    selector: dict[str, str] | None = None
    external_ips: list[str] | None = msgspec.field(name="externalIPs", default=None)
    external_traffic_policy: str | None = None
    health_check_node_port: int | None = None
    load_balancer_class: str | None = None
    allocate_load_balancer_node_ports: bool | None = None
    publish_not_ready_addresses: bool | None = None
    session_affinity: str | None = None
    internal_traffic_policy: str | None = None


class LoadBalancerIngress(Shape, frozen=True):
    ip: str | None = None
    hostname: str | None = None
    ip_mode: str | None = None


class LoadBalancerStatus(Shape, frozen=True):
    ingress: list[LoadBalancerIngress] | None = None


class ServiceStatus(Shape, frozen=True):
    load_balancer: LoadBalancerStatus | None = None
    conditions: list[Condition] | None = None


class ManagedFields(Shape, frozen=True):
    manager: str | None = None


class ServiceMeta(FullMeta, frozen=True):
    managed_fields: list[ManagedFields] | None = None
    finalizers: list[str] | None = None


class Service(AnnotatedRecord, frozen=True):
    metadata: ServiceMeta
    spec: ServiceSpec
    status: ServiceStatus | None = None

    @property
    def substance(self) -> object:
        return (*self._meta_substance, self.spec, self.status, self.managers, self.finalizers)

    @property
    def managers(self) -> frozenset[str]:
        """The field managers that own a field of it."""
        return frozenset(m.manager for m in self.metadata.managed_fields or () if m.manager)

    @property
    def finalizers(self) -> frozenset[str]:
        return frozenset(self.metadata.finalizers or ())

    @property
    def type(self) -> str:
        return self.spec.type or "ClusterIP"

    @property
    def ports(self) -> list[ServicePort]:
        return self.spec.ports or []

    @property
    def policy(self) -> str:
        return self.spec.external_traffic_policy or "Cluster"

    @property
    def load_balancer_ingress(self) -> list[LoadBalancerIngress]:
        status = self.status and self.status.load_balancer
        return (status and status.ingress) or []

    def port(self, reference: int | str) -> ServicePort | None:
        """The port with that name, or with that `port` number (never targetPort): AWS LBC
        pkg/k8s/service_utils.go:10-26 LookupServicePort."""
        return self._index.by_reference.get(reference)

    def ports_numbered(self, number: int) -> list[ServicePort]:
        """The ports with that `port` number: one for each protocol that has it."""
        return self._index.by_number.get(number, [])

    def port_in_any_case(self, name: str) -> ServicePort | None:
        """The first port whose name is that, in upper or lower case."""
        return self._index.by_lower_name.get(name.lower())

    def has_node_port(self, number: int) -> bool:
        return number in self._index.node_ports

    def tcp_port_on(self, node_port: int) -> ServicePort | None:
        """The TCP port with that node port."""
        return self._index.by_tcp_node_port.get(node_port)

    @property
    def _index(self) -> _PortIndex:
        ports = self.ports
        kept = _indices.get(id(ports))
        if kept is None or kept[0] is not ports:
            if len(_indices) >= _MOST_INDICES:
                _indices.pop(next(iter(_indices)), None)
            kept = _indices[id(ports)] = (ports, _PortIndex(ports))
        return kept[1]

    def under_local(self, health_check_node_port: int | None) -> Service:
        """This Service with `externalTrafficPolicy: Local` and that healthCheckNodePort."""
        spec = msgspec.structs.replace(
            self.spec,
            external_traffic_policy="Local",
            health_check_node_port=health_check_node_port or self.spec.health_check_node_port,
        )
        return msgspec.structs.replace(self, spec=spec)
