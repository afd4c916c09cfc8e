"""Objects for tests, through the decoders, and the shortest way from them to assessments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from etpguard.assess import AllNodes, Assessment, DataPlane, Engine, KnownDataPlane, Options, picture_for
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.assess.consumers.targets import (
    HealthCheck,
    NodeTargets,
    PodTargets,
    PossibleNodes,
    Targets,
    UnknownOutcome,
)
from etpguard.assess.consumers.view import View
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import OwnNodePort, Probe
from etpguard.cluster import Picture
from etpguard.cluster.picture import Referrer
from etpguard.objects import (
    ENDPOINT_SLICE,
    INGRESS,
    NODE,
    SERVICE,
    SERVICE_COVERAGE,
    AnyKind,
    EndpointSlice,
    Ingress,
    Key,
    Kind,
    Node,
    Record,
    Reject,
    Service,
    ServiceCoverage,
    decode_item,
)

Json = dict[str, Any]

OWN_PORT = OwnNodePort("http")
_ANY_NODE = NodeRule()
_versions = count(1000)


def one_plane(name: DataPlane, **fields: Any) -> AllNodes:
    """The detector of a cluster whose nodes all have that data plane."""
    return AllNodes(KnownDataPlane(name, **fields))


def record(kind: AnyKind, raw: Json) -> Any:
    """The record of `raw`, whose metadata gets what the API server would add."""
    version = next(_versions)
    meta = {"uid": f"uid-{raw['metadata']['name']}", "resourceVersion": str(version), **raw["metadata"]}
    made = decode_item(kind, {**raw, "metadata": meta})
    assert not isinstance(made, Reject), made.message
    return made


def service(
    name: str = "web",
    ports: Sequence[Json] = ({"name": "http", "port": 80, "nodePort": 30080},),
    *,
    namespace: str = "default",
    meta: Mapping[str, object] | None = None,
    status: Json | None = None,
    **spec: object,
) -> Service:
    base = {
        "type": "NodePort",
        "externalTrafficPolicy": "Local",
        "clusterIP": "10.96.0.1",
        "clusterIPs": ["10.96.0.1"],
        "ipFamilies": ["IPv4"],
        "ports": list(ports),
    }
    raw: Json = {"metadata": {"name": name, "namespace": namespace, **(meta or {})}, "spec": {**base, **spec}}
    made: Service = record(SERVICE, raw if status is None else {**raw, "status": status})
    return made


def endpoint(node: str | None, address: str = "", **conditions: bool | None) -> Json:
    """Ready by default; without an address, the address follows from the node."""
    if not address:
        address = f"10.0.{sum(map(ord, node or '-')) % 250}.{len(node or '')}"
    made: Json = {"addresses": [address], "conditions": conditions}
    return made if node is None else {**made, "nodeName": node}


def endpoint_slice(
    endpoints: Iterable[Json] = (),
    ports: Iterable[Json] = ({"name": "http", "protocol": "TCP", "port": 8080},),
    *,
    name: str = "web-1",
    of: str = "web",
    namespace: str = "default",
    family: str = "IPv4",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> EndpointSlice:
    raw: Json = {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": of, **(labels or {})},
            **({"annotations": dict(annotations)} if annotations else {}),
        },
        "addressType": family,
        "ports": list(ports),
        "endpoints": list(endpoints),
    }
    made: EndpointSlice = record(ENDPOINT_SLICE, raw)
    return made


def node(
    name: str,
    ready: str | None = "True",
    *,
    labels: Mapping[str, str] | None = None,
    taints: Sequence[Json] = (),
    provider_id: str | None = None,
    deleting: bool = False,
) -> Node:
    raw: Json = {
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": {"taints": list(taints), "providerID": provider_id},
        "status": {"conditions": [] if ready is None else [{"type": "Ready", "status": ready}]},
    }
    if deleting:
        raw["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    made: Node = record(NODE, raw)
    return made


def ingress(name: str = "web", *, of: str = "web", namespace: str = "default", **annotations: str) -> Ingress:
    raw: Json = {
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {"defaultBackend": {"service": {"name": of, "port": {"name": "http"}}}},
    }
    made: Ingress = record(INGRESS, raw)
    return made


_KINDS: dict[type[Record], AnyKind] = {
    Service: SERVICE,
    EndpointSlice: ENDPOINT_SLICE,
    Node: NODE,
    Ingress: INGRESS,
    ServiceCoverage: SERVICE_COVERAGE,
}


class Given:
    """A family whose consumers are those that it was made with, each by the name of its Service."""

    name = "given"
    balancers_only = False
    kinds: Sequence[Kind[Any]] = ()
    refers: Mapping[Kind[Any], Sequence[Referrer]] = {}

    def __init__(self, **consumers: Sequence[Consumer]) -> None:
        self._consumers = consumers

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        return self._consumers.get(service.key.name, ())

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        return ()


def kind_of(each: Record) -> AnyKind:
    return _KINDS[type(each)]


def picture_with(*objects: Record | Reject, families: Sequence[ConsumerFamily] = ()) -> Picture:
    picture = picture_for(families)
    for each in objects:
        kind = SERVICE if isinstance(each, Reject) else _KINDS[type(each)]
        if isinstance(each, Reject):
            kind = next(k for k in picture.kinds if k.name == each.kind)
        picture.absorb(picture.store(kind).replace([each]))
    return picture


def assess(
    *objects: Record | Reject,
    consumers: Sequence[Consumer] | None = None,
    options: Options | None = None,
    unread: Mapping[AnyKind, str] | None = None,
    of: str = "default/web",
) -> tuple[Assessment | None, Picture]:
    """The assessment of one Service, with the picture that has its nodes."""
    family = Given(web=consumers or ())
    picture = picture_with(*objects, families=[family])
    picture.unread.update(unread or {})
    engine = Engine(picture, [family], options)
    engine.refresh_all()
    return engine.assessments.get(Key(*of.split("/"))), picture


WEB = Key("default", "web")
NODES = [node("n1"), node("n2"), node("n3")]
ON_N1 = endpoint_slice([endpoint("n1")])


def consumer(
    name: str = "lb",
    probe: Probe = OWN_PORT,
    *,
    nodes: NodeRule | None = _ANY_NODE,
    unknown: Reason | None = None,
    unless_covered: Reason | None = None,
    max_targets: int = 0,
    **fields: Any,
) -> Consumer:
    """One that sends to the port `http` of all nodes, or to pods with `nodes` None, and whose check has that
    probe."""
    targets: Targets = NodeTargets(nodes, HealthCheck(probe), max_targets) if nodes else PodTargets()
    if unknown is not None:
        targets = UnknownOutcome(unknown, nodes, HealthCheck(probe))
    elif unless_covered is not None and nodes:
        targets = PossibleNodes(nodes, unless_covered)
    base: Json = {"port": "http", "targets": targets}
    return Consumer("Ingress", "default", name, "example.com/lb", "instance", **{**base, **fields})


class Watched:
    """An engine that is refreshed after each change; `outcome` and `reason` are those of the Service `web`."""

    def __init__(self, *objects: Record, family: ConsumerFamily | None = None) -> None:
        families = [family or Given(web=[consumer()])]
        self.picture = picture_with(*objects, families=families)
        self.engine = Engine(self.picture, families)
        self.engine.refresh_all()

    def put(self, each: Record) -> Mapping[Key, Assessment | None]:
        store = self.picture.store(_KINDS[type(each)])
        return self.engine.refresh(self.picture.absorb(store.replace([each])))

    @property
    def outcome(self) -> str:
        return self.engine.assessments[WEB].outcome.name

    @property
    def reason(self) -> str:
        return self.engine.assessments[WEB].reason.code
