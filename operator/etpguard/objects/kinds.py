"""The kinds that etpguard reads: where the API serves them, their record, and which Services they reach."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from etpguard.objects.coverage import GROUP, VERSION, ServiceCoverage
from etpguard.objects.endpoints import EndpointSlice
from etpguard.objects.ingresses import Ingress, IngressClass
from etpguard.objects.namespaces import Namespace
from etpguard.objects.nodes import Node
from etpguard.objects.records import Key, Record
from etpguard.objects.services import Service

R = TypeVar("R", bound=Record)


class Reach(enum.Enum):
    """Which Services must be assessed again when an object of a kind changes."""

    SERVICES = "the Services that the object refers to"
    NAMESPACE = "the Services of the object's namespace (of that name, for a Namespace)"
    NODES = "the Services whose nodes it changes"
    EVERYTHING = "all Services"
    NOTHING = "none: assessments do not read it"


@dataclass(frozen=True, eq=False)
class Kind(Generic[R]):
    """One resource of the API. `required` kinds must have been listed before anything is reported.
    There is one instance of each, compared by identity: kinds are keys wherever an object passes."""

    name: str
    plural: str
    group: str
    version: str
    record: type[R]
    namespaced: bool = True
    required: bool = False
    reach: Reach = Reach.SERVICES
    refers: Callable[[R], Iterable[Key]] = field(default=lambda record: ())
    refines: bool = False
    """Whether its objects only add detail to consumers that other objects show: while they cannot be
    read, no consumer stays unseen."""
    protobuf: bool = False
    """Whether the API server can give its objects in protobuf, as it can for its own kinds."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """`plural.group`, as `kubectl` and RBAC name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def path(self) -> str:
        """The cluster-wide collection's path."""
        prefix = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{prefix}/{self.plural}"

    def __str__(self) -> str:
        return self.resource


AnyKind = Kind[Any]


def _own_service(slice_: EndpointSlice) -> Iterable[Key]:
    return () if slice_.service is None else (slice_.service,)


def _backends(ingress: Ingress) -> Iterable[Key]:
    namespace = ingress.metadata.namespace or ""
    return {Key(namespace, b.service.name) for b in ingress.backends if b.service}


SERVICE = Kind("Service", "services", "", "v1", Service, required=True, refers=lambda s: (s.key,), protobuf=True)
ENDPOINT_SLICE = Kind(
    "EndpointSlice",
    "endpointslices",
    "discovery.k8s.io",
    "v1",
    EndpointSlice,
    required=True,
    refers=_own_service,
    protobuf=True,
)
NODE = Kind("Node", "nodes", "", "v1", Node, namespaced=False, required=True, reach=Reach.NODES, protobuf=True)
INGRESS = Kind("Ingress", "ingresses", "networking.k8s.io", "v1", Ingress, refers=_backends, protobuf=True)
INGRESS_CLASS = Kind(
    "IngressClass",
    "ingressclasses",
    "networking.k8s.io",
    "v1",
    IngressClass,
    namespaced=False,
    reach=Reach.EVERYTHING,
    protobuf=True,
)
NAMESPACE = Kind(
    "Namespace",
    "namespaces",
    "",
    "v1",
    Namespace,
    namespaced=False,
    reach=Reach.NAMESPACE,
    refines=True,
    protobuf=True,
)
SERVICE_COVERAGE = Kind(
    "ServiceCoverage",
    "servicecoverages",
    GROUP,
    VERSION,
    ServiceCoverage,
    refers=lambda report: (report.key,),
)
