"""The kinds that etpguard reads: where the API serves them, their record, and which Services they reach."""

from __future__ import annotations

import enum
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from etpguard.objects.coverage import GROUP, VERSION, ServiceCoverage
from etpguard.objects.endpoints import EndpointSlice
from etpguard.objects.ingresses import Ingress, IngressClass
from etpguard.objects.namespaces import Namespace
from etpguard.objects.nodes import Node
from etpguard.objects.records import Key, LabelledRecord, Record
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
class Subset:
    """The part of a resource that is read: the objects of one namespace that have a prefix in their names or a
    label, while they can decide. They are listed once per `interval`, in seconds, and not watched, because they
    change too often or because Kopf cannot select them."""

    namespace: str
    interval: float
    needed_by: AnyKind
    """The kind whose objects make them necessary."""
    needs: Callable[[Any], bool] = field(default=lambda record: True)
    """Whether an object of that kind makes them necessary."""
    prefix: str = ""
    """The prefix of the names of the objects; "" for any name."""
    label: str = ""
    """The key of a label that the objects have; "" for any labels."""
    switched_with: str = ""
    """The API group with which `--skip-api-groups` switches them off; "" for none."""
    needs_permission: bool = True
    """Whether the operator reports a permission that it lacks. If not, it works without these objects."""

    @property
    def name(self) -> str:
        """What selects the objects, as part of a name."""
        return self.label or f"{self.prefix}*"


@dataclass(frozen=True, eq=False)
class Kind(Generic[R]):
    """A resource of the API, or a part of one, with the record that is made of its objects. `required` kinds must
    have been listed before anything is reported. There is one instance for each record type, compared by identity:
    kinds are keys wherever an object passes."""

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
    beyond_namespace: bool = False
    """Whether its objects also decide for Services of other namespaces. Those of the namespace of a Service are
    then not enough to assess it."""
    equal_versions: tuple[str, ...] = ()
    """Other API versions with the same fields, as GROUP/VERSION, in the order of preference. A cluster that does
    not serve its own version is read in the first of these that it serves. Files may have each of them."""
    subset: Subset | None = None
    """The part of the resource that is read; None for all of it."""
    protobuf: bool = False
    """Whether its lists are requested in protobuf, which the API server can give for its own kinds.

    Seconds of CPU time of the client and of the API server (1.37.2), with gzip, for 5,000 Nodes of 50 images,
    10,000 Services and 10,000 EndpointSlices of which 2,000 are read:

    | | JSON | protobuf |
    |---|---|---|
    | Nodes | 0.18 + 0.31 | 0.17 + 0.18 |
    | Services | 0.06 + 0.19 | 0.17 + 0.13 |
    | EndpointSlices | 0.22 + 0.26 | 0.22 + 0.20 |

    msgspec makes a record from JSON in one call; from protobuf, Python reads each field. So protobuf pays for
    objects that are large beside their records, and not for Services.
    """

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def at(self, api_version: str) -> Kind[R]:
        """The kind as this API version has it, for requests alone: records belong to the kind itself."""
        return self if api_version == self.api_version else _at(self, api_version)

    def served(self, known: Container[str] | None) -> list[Kind[R]]:
        """The kind in those of its API versions that an API server serves, in the order of preference. In all of
        them if its versions are not known, or if it is of the core group."""
        versions = (self.api_version, *self.equal_versions)
        return [self.at(each) for each in versions if known is None or not self.group or each in known]

    @property
    def resource(self) -> str:
        """`plural.group`, as `kubectl` and RBAC name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def path(self) -> str:
        """The path of the collection of all namespaces."""
        prefix = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{prefix}/{self.plural}"

    def path_in(self, namespace: str) -> str:
        """The path of the collection of one namespace; of all with "", and for a kind without namespaces."""
        if not namespace or not self.namespaced:
            return self.path
        head, _, plural = self.path.rpartition("/")
        return f"{head}/namespaces/{quote(namespace, safe='')}/{plural}"

    def path_of(self, key: Key) -> str:
        """The path of one object."""
        return f"{self.path_in(key.namespace)}/{quote(key.name, safe='')}"

    @property
    def switch(self) -> str:
        """The API group by which a setting excludes it."""
        return self.subset.switched_with if self.subset else self.group

    def holds(self, record: Record) -> bool:
        """Whether an object of the resource is one of those that are read, wherever it is."""
        subset = self.subset
        if subset is None:
            return True
        labels = record.labels if isinstance(record, LabelledRecord) else {}
        return record.metadata.name.startswith(subset.prefix) and (not subset.label or subset.label in labels)

    def __str__(self) -> str:
        return self.resource


AnyKind = Kind[Any]


@cache
def _at(kind: AnyKind, api_version: str) -> AnyKind:
    group, _, version = api_version.rpartition("/")
    return replace(kind, group=group, version=version, equal_versions=())


def _own_service(slice_: EndpointSlice) -> Iterable[Key]:
    return () if slice_.service is None else (slice_.service,)


def _backends(ingress: Ingress) -> Iterable[Key]:
    namespace = ingress.metadata.namespace or ""
    return {Key(namespace, b.service.name) for b in ingress.backends if b.service}


SERVICE = Kind("Service", "services", "", "v1", Service, required=True, refers=lambda s: (s.key,))
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


def cluster_wide_kind(name: str, plural: str, group: str, version: str, record: type[Record]) -> AnyKind:
    """A kind without namespaces whose objects are read by name, and that no index has."""
    return Kind(name, plural, group, version, record, namespaced=False, reach=Reach.NOTHING)
