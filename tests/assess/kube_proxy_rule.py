"""kube-proxy's rule a second time, written from its Go source, to compare etpguard with.

Kubernetes 1.37.2, paths under pkg/proxy unless they begin elsewhere. One `Proxier` is one kube-proxy on one
node for one IP family, with the maps and loops that the Go code has; nothing is imported from the package under
test, and no thought is given to speed. Input is what the API serves, as plain dicts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Json = dict[str, Any]

READY, TERMINATING, DROPPED, REJECTED = "ready", "terminating", "dropped", "rejected"


class NamespacedName(NamedTuple):
    namespace: str
    name: str


class ServicePortName(NamedTuple):
    """types.go ServicePortName."""

    service: NamespacedName
    port: str
    protocol: str


@dataclass
class ServicePortInfo:
    """serviceport.go BaseServicePortInfo."""

    node_port: int
    load_balancer_vips: list[str]
    external_ips: list[str]
    external_policy_local: bool
    internal_policy_local: bool
    health_check_node_port: int

    def externally_accessible(self) -> bool:
        return self.node_port != 0 or len(self.load_balancer_vips) != 0 or len(self.external_ips) != 0

    def uses_cluster_endpoints(self) -> bool:
        return not self.internal_policy_local or self.externally_accessible()

    def uses_local_endpoints(self) -> bool:
        return self.internal_policy_local or (self.external_policy_local and self.externally_accessible())


@dataclass
class Endpoint:
    """endpoint.go BaseEndpointInfo."""

    ip: str
    port: int
    is_local: bool
    ready: bool
    serving: bool
    terminating: bool
    zone_hints: set[str] = field(default_factory=set)
    node_hints: set[str] = field(default_factory=set)

    def string(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


class Categorized(NamedTuple):
    cluster: list[Endpoint]
    local: list[Endpoint]
    has_any: bool


class Proxier:
    """kube-proxy on `node_name`, for one family ("IPv4" or "IPv6")."""

    def __init__(self, node_name: str, family: str, zone: str = "") -> None:
        self.node_name = node_name
        self.family = family
        self.zone = zone
        self.service_map: dict[ServicePortName, ServicePortInfo] = {}
        self.endpoints_map: dict[ServicePortName, list[Endpoint]] = {}

    def sync(self, services: Iterable[Json], endpoint_slices: Iterable[Json]) -> None:
        for service in services:
            if watched_service(service):
                self.service_map.update(self._service_to_service_map(service))
        by_service: dict[NamespacedName, dict[str, Json]] = {}
        for slice_ in endpoint_slices:
            if watched_slice(slice_) and slice_["addressType"] == self.family:
                # endpointslicecache.go:311 endpointSliceCacheKeys
                service_name = (slice_["metadata"].get("labels") or {}).get("kubernetes.io/service-name", "")
                if service_name:
                    nn = NamespacedName(slice_["metadata"]["namespace"], service_name)
                    by_service.setdefault(nn, {})[slice_["metadata"]["name"]] = slice_
        for nn, slices in by_service.items():
            self.endpoints_map.update(self._get_endpoints_map(nn, slices))

    def external_states(self) -> dict[ServicePortName, str]:
        """What happens to external traffic for each ServicePort whose external policy is Local and that can
        be reached from outside (iptables/proxier.go:861-916, 1009-1045)."""
        states = {}
        for name, info in self.service_map.items():
            if not (info.external_policy_local and info.externally_accessible()):
                continue
            found = self._categorize_endpoints(self.endpoints_map.get(name, []), info)
            if not found.has_any:
                states[name] = REJECTED
            elif not found.local:
                states[name] = DROPPED
            elif all(endpoint.ready for endpoint in found.local):
                states[name] = READY
            else:
                states[name] = TERMINATING
        return states

    def internal_states(self) -> dict[ServicePortName, str]:
        """What happens to a connection from this node to the cluster IP of each ServicePort whose internal policy
        is Local (iptables/proxier.go:888-916)."""
        states = {}
        for name, info in self.service_map.items():
            if not info.internal_policy_local:
                continue
            found = self._categorize_endpoints(self.endpoints_map.get(name, []), info)
            if not found.has_any:
                states[name] = REJECTED
            elif not found.local:
                states[name] = DROPPED
            else:
                states[name] = READY if all(endpoint.ready for endpoint in found.local) else TERMINATING
        return states

    def health_check_counts(self) -> dict[NamespacedName, int]:
        """For each Service with a healthCheckNodePort the count that its server answers with: 200 iff not 0
        (healthcheck/service_health.go; servicechangetracker.go HealthCheckNodePorts;
        endpointschangetracker.go:268-314)."""
        ports = {
            n.service: i.health_check_node_port for n, i in self.service_map.items() if i.health_check_node_port
        }
        local_ips: dict[NamespacedName, set[str]] = {}
        for name, endpoints in self.endpoints_map.items():
            for endpoint in endpoints:
                if not endpoint.ready:
                    continue
                if endpoint.is_local:
                    local_ips.setdefault(name.service, set()).add(endpoint.ip)
        return {nn: len(local_ips.get(nn, ())) for nn in ports}

    def _service_to_service_map(self, service: Json) -> dict[ServicePortName, ServicePortInfo]:
        """servicechangetracker.go serviceToServiceMap and serviceport.go newBaseServiceInfo."""
        meta, spec = service["metadata"], service["spec"]
        if should_skip_service(service):
            return {}
        if get_cluster_ip_by_family(self.family, service) == "":
            return {}
        service_map = {}
        nn = NamespacedName(meta["namespace"], meta["name"])
        for port in spec.get("ports") or []:
            vips = []
            for ingress in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []:
                if not ingress.get("ip") or not is_vip_mode(ingress):
                    continue
                if family_of(ingress["ip"]) == self.family:
                    vips.append(ingress["ip"])
            name = ServicePortName(nn, port.get("name") or "", port.get("protocol") or "TCP")
            service_map[name] = ServicePortInfo(
                node_port=port.get("nodePort") or 0,
                load_balancer_vips=vips,
                external_ips=[ip for ip in spec.get("externalIPs") or [] if family_of(ip) == self.family],
                external_policy_local=external_policy_local(service),
                internal_policy_local=spec.get("internalTrafficPolicy") == "Local",
                health_check_node_port=(
                    (spec.get("healthCheckNodePort") or 0)
                    if spec["type"] == "LoadBalancer" and external_policy_local(service)
                    else 0
                ),
            )
        return service_map

    def _get_endpoints_map(
        self, nn: NamespacedName, slices: dict[str, Json]
    ) -> dict[ServicePortName, list[Endpoint]]:
        """endpointslicecache.go:163-255: endpointInfoByServicePort and addEndpoints."""
        by_port: dict[ServicePortName, dict[str, Endpoint]] = {}
        for slice_ in slices.values():
            for port in slice_.get("ports") or []:
                if port.get("port") is None or port["port"] == 0:
                    continue
                # A nil name reaches kube-proxy as "": discovery/v1/defaults.go.
                name = ServicePortName(nn, port.get("name") or "", port.get("protocol") or "TCP")
                by_port[name] = self._add_endpoints(port["port"], by_port.get(name), slice_.get("endpoints") or [])
        return {name: list(endpoints.values()) for name, endpoints in by_port.items() if len(endpoints) > 0}

    def _add_endpoints(
        self, port_num: int, endpoint_set: dict[str, Endpoint] | None, endpoints: list[Json]
    ) -> dict[str, Endpoint]:
        if endpoint_set is None:
            endpoint_set = {}
        for raw in endpoints:
            if len(raw.get("addresses") or []) == 0:
                continue
            node_name = raw.get("nodeName")
            conditions = raw.get("conditions") or {}
            terminating = conditions.get("terminating") is not None and conditions["terminating"]
            hints = raw.get("hints") or {}
            endpoint = Endpoint(
                ip=parse_ip_sloppy(raw["addresses"][0]),
                port=port_num,
                is_local=node_name is not None and self._is_local(node_name),
                ready=conditions.get("ready") is None or conditions["ready"],
                serving=conditions.get("serving") is None or conditions["serving"],
                terminating=terminating,
                zone_hints={zone["name"] for zone in hints.get("forZones") or []},
                node_hints={node["name"] for node in hints.get("forNodes") or []},
            )
            if endpoint.string() not in endpoint_set or not terminating:
                endpoint_set[endpoint.string()] = endpoint
        return endpoint_set

    def _is_local(self, node_name: str) -> bool:
        return len(self.node_name) > 0 and node_name == self.node_name

    def _categorize_endpoints(self, endpoints: list[Endpoint], info: ServicePortInfo) -> Categorized:
        """topology.go:48-154 CategorizeEndpoints."""
        cluster: list[Endpoint] = []
        local: list[Endpoint] = []
        has_any = False
        if len(endpoints) == 0:
            return Categorized(cluster, local, has_any)

        if info.uses_cluster_endpoints():
            available = self._topology(endpoints)
            cluster = [ep for ep in endpoints if ep.ready and available(ep)]
            if len(cluster) == 0:
                cluster = [ep for ep in endpoints if ep.serving and ep.terminating]
            if len(cluster) > 0:
                has_any = True

        if not info.uses_local_endpoints():
            return Categorized(cluster, local, has_any)

        has_local_ready = has_local_serving_terminating = False
        for ep in endpoints:
            if ep.ready:
                has_any = True
                if ep.is_local:
                    has_local_ready = True
            elif ep.serving and ep.terminating:
                has_any = True
                if ep.is_local:
                    has_local_serving_terminating = True

        if has_local_ready:
            local = [ep for ep in endpoints if ep.is_local and ep.ready]
        elif has_local_serving_terminating:
            local = [ep for ep in endpoints if ep.is_local and ep.serving and ep.terminating]
        return Categorized(cluster, local, has_any)

    def _topology(self, endpoints: list[Endpoint]) -> Callable[[Endpoint], bool]:
        """topology.go:156-240 topologyModeFromHints and availableForTopology."""
        ready = [ep for ep in endpoints if ep.ready]
        if ready and all(ep.node_hints for ep in ready) and any(self.node_name in ep.node_hints for ep in ready):
            return lambda ep: self.node_name in ep.node_hints
        if ready and all(ep.zone_hints for ep in ready) and any(self.zone in ep.zone_hints for ep in ready):
            return lambda ep: self.zone in ep.zone_hints
        return lambda ep: True


def watched_service(service: Json) -> bool:
    """cmd/kube-proxy/app/server.go:564-608: the selectors of the Service informer."""
    return (
        "service.kubernetes.io/service-proxy-name" not in (service["metadata"].get("labels") or {})
        and service["spec"].get("clusterIP") != "None"
    )


def watched_slice(slice_: Json) -> bool:
    """cmd/kube-proxy/app/server.go:592-596: the selector of the EndpointSlice informer."""
    return "service.kubernetes.io/headless" not in (slice_["metadata"].get("labels") or {})


def should_skip_service(service: Json) -> bool:
    """util/utils.go:56-68 ShouldSkipService."""
    if service["spec"].get("clusterIP") in (None, "", "None"):
        return True
    return bool(service["spec"]["type"] == "ExternalName")


def get_cluster_ip_by_family(family: str, service: Json) -> str:
    """util/utils.go:188-212 GetClusterIPByFamily."""
    spec = service["spec"]
    if len(spec.get("ipFamilies") or []) == 0:
        cluster_ip: str = spec.get("clusterIP") or ""
        if cluster_ip in ("", "None"):
            return ""
        if (family == "IPv6") == (family_of(cluster_ip) == "IPv6"):
            return cluster_ip
        return ""
    for index, each in enumerate(spec["ipFamilies"]):
        if each == family and index < len(spec.get("clusterIPs") or []):
            return str(spec["clusterIPs"][index])
    return ""


def external_policy_local(service: Json) -> bool:
    """pkg/api/v1/service/util.go:71-86 ExternallyAccessible and ExternalPolicyLocal."""
    spec = service["spec"]
    accessible = spec["type"] in ("LoadBalancer", "NodePort") or (
        spec["type"] == "ClusterIP" and len(spec.get("externalIPs") or []) > 0
    )
    return accessible and spec.get("externalTrafficPolicy") == "Local"


def is_vip_mode(ingress: Json) -> bool:
    """util/utils.go IsVIPMode."""
    return ingress.get("ipMode") is None or ingress["ipMode"] == "VIP"


def parse_ip_sloppy(text: str) -> str:
    """ParseIPSloppy(text).String() of k8s.io/utils/net: "<nil>" for what is no IP, as net.IP prints nil."""
    if ":" not in text:
        octets = text.split(".")
        if len(octets) != 4 or not all(o.isdecimal() and int(o) < 256 for o in octets):
            return "<nil>"
        return ".".join(str(int(octet)) for octet in octets)
    try:
        address = ipaddress.IPv6Address(text)
    except ipaddress.AddressValueError:
        return "<nil>"
    return str(address.ipv4_mapped or address)


def family_of(text: str) -> str:
    """IPFamilyOf(ParseIPSloppy(text)); "" for unknown."""
    parsed = parse_ip_sloppy(text)
    return "" if parsed == "<nil>" else "IPv6" if ":" in parsed else "IPv4"
