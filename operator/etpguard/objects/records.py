"""The records, shaped like the API objects but holding only the fields that a rule reads.

JSON null is the zero value everywhere, as in the API server's own Go decoding, hence `| None` on every
field that the API lets one omit. A value of another type is an error that `decode` turns into a `Reject`.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

Family = Literal["IPv4", "IPv6"]

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Key(NamedTuple):
    """Namespace and name; the namespace is "" for cluster-scoped objects."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Shape(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Base of every record and of its parts."""


class OwnerReference(Shape, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class BareMeta(Shape, frozen=True):
    """The metadata that identifies a version of an object."""

    name: str
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None


class LabelledMeta(BareMeta, frozen=True):
    labels: dict[str, str] | None = None
    deletion_timestamp: str | None = None


class FullMeta(LabelledMeta, frozen=True):
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None
    generation: int | None = None

    def __post_init__(self) -> None:
        # A second copy of the whole object, up to 256 KiB, that no rule reads.
        if self.annotations is not None:
            self.annotations.pop(_LAST_APPLIED, None)


class Record(Shape, frozen=True):
    """A top-level object. `substance` is what rules read of it: two versions with equal substance are the
    same to etpguard, however often a heartbeat or a resourceVersion moved."""

    metadata: BareMeta

    @property
    def key(self) -> Key:
        return Key(self.metadata.namespace or "", self.metadata.name)

    @property
    def uid(self) -> str:
        return self.metadata.uid or ""

    @property
    def version(self) -> int:
        """resourceVersion as the integer by which versions of one kind are ordered (KEP-5504); 0 if none."""
        return int(self.metadata.resource_version or 0)

    @property
    def substance(self) -> object:
        raise NotImplementedError


class LabelledRecord(Record, frozen=True):
    metadata: LabelledMeta

    @property
    def labels(self) -> dict[str, str]:
        return self.metadata.labels or {}

    @property
    def deleting(self) -> bool:
        return self.metadata.deletion_timestamp is not None


class AnnotatedRecord(LabelledRecord, frozen=True):
    metadata: FullMeta

    @property
    def annotations(self) -> dict[str, str]:
        return self.metadata.annotations or {}

    @property
    def _meta_substance(self) -> tuple[object, ...]:
        meta = self.metadata
        return (meta.uid, meta.labels, meta.annotations, self.deleting, meta.owner_references)


class Requirement(Shape, frozen=True):
    """One `matchExpressions` entry of a label selector."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] | None = None

    def admits(self, labels: dict[str, str]) -> bool:
        """As k8s.io/apimachinery pkg/labels/selector.go: NotIn also admits an absent key."""
        match self.operator:
            case "In":
                return self.key in labels and labels[self.key] in (self.values or ())
            case "NotIn":
                return self.key not in labels or labels[self.key] not in (self.values or ())
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


class Selector(Shape, frozen=True):
    """A `LabelSelector`; the empty one admits everything."""

    match_labels: dict[str, str] | None = None
    match_expressions: tuple[Requirement, ...] | None = None

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """All of the selector in one form, hashable; `matchLabels` sorted by key."""
        labels = sorted((self.match_labels or {}).items())
        return (*(Requirement(k, "In", (v,)) for k, v in labels), *(self.match_expressions or ()))

    def admits(self, labels: dict[str, str]) -> bool:
        return all(requirement.admits(labels) for requirement in self.requirements)


class Condition(Shape, frozen=True):
    type: str
    status: str = "Unknown"
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None


class ServicePort(Shape, frozen=True):
    port: int
    name: str | None = None
    protocol: str | None = None
    target_port: int | str | None = None
    node_port: int | None = None

    @property
    def label(self) -> str:
        """The port's name, "" for the unnamed one."""
        return self.name or ""

    @property
    def transport(self) -> str:
        return self.protocol or "TCP"


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
    load_balancer_ip: str | None = msgspec.field(name="loadBalancerIP", default=None)


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


class Service(AnnotatedRecord, frozen=True):
    metadata: ServiceMeta
    spec: ServiceSpec
    status: ServiceStatus | None = None

    @property
    def substance(self) -> object:
        return (*self._meta_substance, self.spec, self.status, self.managers)

    @property
    def managers(self) -> frozenset[str]:
        """The field managers that own anything of it."""
        return frozenset(m.manager for m in self.metadata.managed_fields or () if m.manager)

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
        """The port called so, or with that `port` number (never targetPort): AWS LBC
        pkg/k8s/service_utils.go:10-26 LookupServicePort."""
        for port in self.ports:
            if (port.port if isinstance(reference, int) else port.label) == reference:
                return port
        return None

    def under_local(self, health_check_node_port: int | None) -> Service:
        """This Service as it would be with `externalTrafficPolicy: Local` and that healthCheckNodePort."""
        spec = msgspec.structs.replace(
            self.spec,
            external_traffic_policy="Local",
            health_check_node_port=health_check_node_port or self.spec.health_check_node_port,
        )
        return msgspec.structs.replace(self, spec=spec)


class EndpointConditions(Shape, frozen=True):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetRef(Shape, frozen=True):
    kind: str | None = None
    name: str | None = None


class Endpoint(Shape, frozen=True):
    addresses: list[str] | None = None
    conditions: EndpointConditions | None = None
    node_name: str | None = None
    target_ref: TargetRef | None = None


class EndpointPort(Shape, frozen=True):
    name: str | None = None
    protocol: str | None = None
    port: int | None = None


class EndpointSlice(LabelledRecord, frozen=True):
    address_type: str = ""
    endpoints: list[Endpoint] | None = None
    ports: list[EndpointPort] | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.labels, self.address_type, self.endpoints, self.ports)

    @property
    def service(self) -> Key | None:
        """Binding is the namespace and this label alone: kube-proxy 1.37.2 endpointslicecache.go:311-320."""
        name = self.labels.get("kubernetes.io/service-name")
        return Key(self.metadata.namespace or "", name) if name else None


class Taint(Shape, frozen=True):
    key: str
    effect: str = ""
    value: str | None = None


class NodeSpec(Shape, frozen=True):
    provider_id: str | None = msgspec.field(name="providerID", default=None)
    taints: list[Taint] | None = None


class NodeAddress(Shape, frozen=True):
    type: str
    address: str


class NodeCondition(Shape, frozen=True):
    type: str
    status: str = "Unknown"


class NodeStatus(Shape, frozen=True):
    conditions: list[NodeCondition] | None = None
    addresses: list[NodeAddress] | None = None


class Node(LabelledRecord, frozen=True):
    spec: NodeSpec | None = None
    status: NodeStatus | None = None

    @property
    def substance(self) -> object:
        addresses = self.status and self.status.addresses
        return (self.metadata.uid, self.labels, self.deleting, self.spec, self.ready, addresses)

    @property
    def ready(self) -> str | None:
        """Status of the Ready condition ("True", "False", "Unknown"), None where there is none."""
        for condition in (self.status and self.status.conditions) or ():
            if condition.type == "Ready":
                return condition.status
        return None

    @property
    def taints(self) -> list[Taint]:
        return (self.spec and self.spec.taints) or []

    @property
    def provider_id(self) -> str:
        return (self.spec and self.spec.provider_id) or ""


class BackendPort(Shape, frozen=True):
    name: str | None = None
    number: int | None = None


class BackendService(Shape, frozen=True):
    name: str
    port: BackendPort | None = None


class Backend(Shape, frozen=True):
    service: BackendService | None = None
    resource: Any = None


class IngressPath(Shape, frozen=True):
    backend: Backend | None = None
    path: str | None = None


class IngressHTTP(Shape, frozen=True):
    paths: list[IngressPath] | None = None


class IngressRule(Shape, frozen=True):
    host: str | None = None
    http: IngressHTTP | None = None


class IngressSpec(Shape, frozen=True):
    ingress_class_name: str | None = None
    default_backend: Backend | None = None
    rules: list[IngressRule] | None = None


class Ingress(AnnotatedRecord, frozen=True):
    spec: IngressSpec | None = None

    @property
    def substance(self) -> object:
        return (*self._meta_substance, self.spec)

    @property
    def backends(self) -> list[Backend]:
        """Default backend first, then the paths' in their order; rules without `http` have none."""
        if self.spec is None:
            return []
        paths = (path for rule in self.spec.rules or () for path in (rule.http and rule.http.paths) or ())
        found = [self.spec.default_backend, *(path.backend for path in paths)]
        return [backend for backend in found if backend is not None]


class ClassParameters(Shape, frozen=True):
    api_group: str | None = None
    kind: str = ""
    name: str = ""


class IngressClassSpec(Shape, frozen=True):
    controller: str | None = None
    parameters: ClassParameters | None = None


class IngressClass(AnnotatedRecord, frozen=True):
    spec: IngressClassSpec | None = None

    @property
    def substance(self) -> object:
        return (*self._meta_substance, self.spec)

    @property
    def controller(self) -> str:
        return (self.spec and self.spec.controller) or ""


class Namespace(LabelledRecord, frozen=True):
    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.labels, self.deleting)


class Reject(NamedTuple):
    """What stands in the place of an object that could not be read, so that its key stays taken.

    `message` is one line that names the object and the field. `service` is the Service that a rejected
    EndpointSlice would have belonged to, as far as that can still be told.
    """

    kind: str
    key: Key
    uid: str
    version: int
    message: str
    service: Key | None = None
