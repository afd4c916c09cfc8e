"""The record of a Node."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from etpguard.objects.addresses import network_of, parse_address
from etpguard.objects.arguments import kept_arguments
from etpguard.objects.endpoints import IPFamily
from etpguard.objects.records import LabelledMeta, LabelledRecord, Shape

HOSTNAME_LABEL = "kubernetes.io/hostname"
ZONE_LABEL = "topology.kubernetes.io/zone"
KUBE_PROXY_ARGUMENTS = ("disable-kube-proxy", "kube-proxy-arg")
"""Arguments of `k3s server` and `rke2 server` that a rule reads, without their dashes."""


CILIUM_PREFIX = "config.cilium.io/"
"""Labels and annotations that override keys of cilium-config on one node, if the agent reads them. Cilium 1.20.2
pkg/option/resolver/resolver.go readNodeOverrides."""


def _cilium(key: str) -> str | None:
    found: str | None = msgspec.field(name=CILIUM_PREFIX + key, default=None)
    return found


class NodeAnnotations(Shape, frozen=True):
    """The annotations that show the data plane of a node, and its load balancers. Others are not decoded. Those of
    Cilium are the keys `CONFIG_KEYS` of its ConfigMap.

    The two forms of `node-args` and `l3_gateway_config` hold JSON and are reduced to what a rule reads, in the
    same format. So a record of 1 KiB of arguments takes a few bytes, and a dump has no addresses from them.
    """

    chassis_id: str | None = msgspec.field(name="k8s.ovn.org/node-chassis-id", default=None)
    l3_gateway_config: str | None = msgspec.field(name="k8s.ovn.org/l3-gateway-config", default=None)
    k3s_args: str | None = msgspec.field(name="k3s.io/node-args", default=None)
    rke2_args: str | None = msgspec.field(name="rke2.io/node-args", default=None)
    yandex_target_group: str | None = msgspec.field(
        name="yandex.cpi.flant.com/target-group-name-prefix", default=None
    )
    cilium_replacement: str | None = _cilium("kube-proxy-replacement")
    cilium_healthz: str | None = _cilium("kube-proxy-replacement-healthz-bind-address")
    cilium_node_port: str | None = _cilium("enable-node-port")
    cilium_envoy: str | None = _cilium("enable-envoy-config")
    cilium_internal: str | None = _cilium("enable-internal-traffic-policy")
    cilium_no_backend: str | None = _cilium("service-no-backend-response")
    cilium_routable: str | None = _cilium("enable-no-service-endpoints-routable")
    cilium_health_check: str | None = _cilium("enable-health-check-nodeport")
    cilium_terminating: str | None = _cilium("enable-k8s-terminating-endpoint")
    cilium_ingress: str | None = _cilium("enable-ingress-controller")
    cilium_gateway: str | None = _cilium("enable-gateway-api")
    cilium_proxy_name: str | None = _cilium("k8s-service-proxy-name")
    cilium_topology: str | None = _cilium("enable-service-topology")
    cilium_bgp: str | None = _cilium("enable-bgp-control-plane")

    def __post_init__(self) -> None:
        if self.l3_gateway_config is not None:
            msgspec.structs.force_setattr(self, "l3_gateway_config", _reduced_gateway(self.l3_gateway_config))
        if self.k3s_args is not None:
            msgspec.structs.force_setattr(self, "k3s_args", _reduced_arguments(self.k3s_args))
        if self.rke2_args is not None:
            msgspec.structs.force_setattr(self, "rke2_args", _reduced_arguments(self.rke2_args))


def _reduced_arguments(text: str) -> str:
    """k3s pkg/nodeconfig/nodeconfig.go getNodeArgs: the command, then its arguments, with those of the
    configuration file. "[]" for what is no list of strings."""
    try:
        command, *arguments = msgspec.json.decode(text, type=list[str])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return "[]"
    return msgspec.json.encode([command, *kept_arguments(arguments, KUBE_PROXY_ARGUMENTS)]).decode()


class _Bridge(msgspec.Struct, gc=False, rename="kebab", omit_defaults=True):
    mode: str = ""
    node_port_enable: str = ""


_bridge = msgspec.json.Decoder(_Bridge)


def _reduced_gateway(text: str) -> str:
    """ovn-kubernetes go-controller/pkg/util/node_annotations.go L3GatewayConfig, of the default network. "{}" for
    what is no such object."""
    try:
        networks = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        default = _bridge.decode(networks["default"])
    except (KeyError, msgspec.MsgspecError, ValueError, RecursionError):
        return "{}"
    return msgspec.json.encode({"default": default}).decode()


_CILIUM_FIELDS = [
    (each.name, each.encode_name)
    for each in msgspec.structs.fields(NodeAnnotations)
    if each.encode_name.startswith(CILIUM_PREFIX)
]


class NodeMeta(LabelledMeta, frozen=True):
    annotations: NodeAnnotations | None = None


class Taint(Shape, frozen=True):
    key: str
    effect: str = ""
    value: str | None = None


class NodeSpec(Shape, frozen=True):
    provider_id: str | None = msgspec.field(name="providerID", default=None)
    taints: list[Taint] | None = None
    pod_cidrs: list[str] | None = msgspec.field(name="podCIDRs", default=None)


class NodeAddress(Shape, frozen=True):
    type: str
    address: str


class NodeCondition(Shape, frozen=True):
    type: str
    status: str = "Unknown"
    reason: str | None = None


class NodeStatus(Shape, frozen=True):
    conditions: list[NodeCondition] | None = None
    addresses: list[NodeAddress] | None = None


class Node(LabelledRecord, frozen=True):
    metadata: NodeMeta
    spec: NodeSpec | None = None
    status: NodeStatus | None = None

    @property
    def substance(self) -> object:
        addresses = self.status and self.status.addresses
        network = (self.network, self.network_unavailable)
        meta = (self.metadata.uid, self.labels, self.metadata.annotations)
        return (*meta, self.deleting, self.spec, self.ready, network, addresses)

    @property
    def annotations(self) -> NodeAnnotations:
        return self.metadata.annotations or NO_ANNOTATIONS

    @property
    def cilium_overrides(self) -> dict[str, str]:
        """Values of the labels and annotations `config.cilium.io/KEY`, by KEY. An annotation outranks a label."""
        found = {key: value for key, value in self.labels.items() if key.startswith(CILIUM_PREFIX)}
        if (annotations := self.metadata.annotations) is not None:
            for field, key in _CILIUM_FIELDS:
                if (value := getattr(annotations, field)) is not None:
                    found[key] = value
        return {key.removeprefix(CILIUM_PREFIX): value for key, value in found.items()}

    @property
    def ready(self) -> str | None:
        """The status of the Ready condition ("True", "False", "Unknown"); None without one."""
        found = self._condition("Ready")
        return found.status if found else None

    @property
    def network(self) -> str:
        """The reason of the condition NetworkUnavailable. Network plugins write it when they are ready."""
        found = self._condition("NetworkUnavailable")
        return (found and found.reason) or ""

    @property
    def network_unavailable(self) -> bool:
        """Whether the condition NetworkUnavailable is True."""
        found = self._condition("NetworkUnavailable")
        return found is not None and found.status == "True"

    @property
    def windows(self) -> bool:
        return self.labels.get("kubernetes.io/os") == "windows"

    @property
    def addresses(self) -> list[str]:
        """Of each type, host names too."""
        return [each.address for each in (self.status and self.status.addresses) or ()]

    @property
    def external_ipv4(self) -> bool:
        """Whether it has an IPv4 address of the type ExternalIP."""
        return "IPv4" in self.external_families

    @property
    def external_families(self) -> frozenset[IPFamily]:
        """The families of its addresses of the type ExternalIP."""
        return frozenset(map(_family, self._addresses("ExternalIP")))

    @property
    def internal_families(self) -> frozenset[IPFamily]:
        """The families of its addresses of the type InternalIP."""
        return frozenset(map(_family, self._addresses("InternalIP")))

    @property
    def second_families(self) -> frozenset[IPFamily]:
        """The families in which it has an InternalIP, and an ExternalIP that is another address."""
        internal = self._addresses("InternalIP")
        others = frozenset(map(_family, set(self._addresses("ExternalIP")) - set(internal)))
        return others & self.internal_families

    def lacks(self, family: IPFamily) -> bool:
        """Whether it has addresses, and none of this family."""
        found = self.internal_families | self.external_families
        return bool(found) and family not in found

    def is_second_address(self, address: str) -> bool:
        """Whether this is an ExternalIP and no InternalIP, and it has an InternalIP of the same family."""
        internal = self._addresses("InternalIP")
        return address not in internal and _family(address) in map(_family, internal)

    def is_outside(self, ranges: Sequence[str]) -> bool:
        """Whether it has addresses in the family of these ranges, and none in them. InternalIPs count, or else
        ExternalIPs."""
        found = [each for each in map(network_of, ranges) if each]
        for type_ in ("InternalIP", "ExternalIP"):
            parsed = [each for text in self._addresses(type_) if (each := parse_address(text))]
            own = [each for each in parsed if found and each.version == found[0].version]
            if own:
                return not any(address in each for address in own for each in found)
        return False

    def _addresses(self, type_: str) -> list[str]:
        return [each.address for each in (self.status and self.status.addresses) or () if each.type == type_]

    @property
    def other_hostname(self) -> str:
        """A hostname of the Node that differs from its name, ignoring case; "" if there is none."""
        name = self.metadata.name.lower()
        hosts = [self.labels.get("kubernetes.io/hostname", "")]
        hosts += [a.address for a in (self.status and self.status.addresses) or () if a.type == "Hostname"]
        return next((host for host in hosts if host and host.lower() != name), "")

    @property
    def taints(self) -> list[Taint]:
        return (self.spec and self.spec.taints) or []

    @property
    def provider_id(self) -> str:
        return (self.spec and self.spec.provider_id) or ""

    def _condition(self, type_: str) -> NodeCondition | None:
        for condition in (self.status and self.status.conditions) or ():
            if condition.type == type_:
                return condition
        return None


def _family(address: str) -> IPFamily:
    return "IPv6" if ":" in address else "IPv4"


NO_ANNOTATIONS = NodeAnnotations()
