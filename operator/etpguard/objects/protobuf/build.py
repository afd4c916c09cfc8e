"""From messages to records, equal to those that JSON gives.

The API server's JSON leaves out what is empty (`omitempty` in Go), its protobuf writes it. An empty value is None
here, except where JSON writes it too, and except for pointers in Go, whose presence counts: they are `optional` in
kubernetes.proto. Two things have no record: a label selector with an unknown operator, and a time beyond the year
9999. For these, functions raise ValueError.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import msgspec

from etpguard.objects.endpoints import (
    Endpoint,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    EndpointSlice,
    Hint,
    SliceMeta,
    TargetRef,
)
from etpguard.objects.ingresses import (
    Backend,
    BackendPort,
    BackendService,
    ClassParameters,
    Ingress,
    IngressClass,
    IngressClassSpec,
    IngressHTTP,
    IngressPath,
    IngressRule,
    IngressSpec,
)
from etpguard.objects.namespaces import Namespace
from etpguard.objects.network_policies import IngressPeers, IPBlock, NetworkPolicy, NetworkPolicySpec, Peer
from etpguard.objects.nodes import (
    Node,
    NodeAddress,
    NodeAnnotations,
    NodeCondition,
    NodeMeta,
    NodeSpec,
    NodeStatus,
    Taint,
)
from etpguard.objects.protobuf import kubernetes_pb2 as pb
from etpguard.objects.records import (
    OPERATORS,
    FullMeta,
    LabelledMeta,
    OwnerReference,
    Requirement,
    Selector,
)
from etpguard.objects.times import rfc3339


def namespace(message: pb.Namespace) -> Namespace:
    return Namespace(LabelledMeta(*_labelled(message.metadata)))


def node(message: pb.Node) -> Node:
    spec, status = message.spec, message.status
    taints = [Taint(taint.key, taint.effect, taint.value or None) for taint in spec.taints]
    return Node(
        NodeMeta(*_labelled(message.metadata), _node_annotations(message.metadata.annotations)),
        NodeSpec(spec.providerID or None, taints or None, list(spec.podCIDRs) or None),
        NodeStatus(
            [_node_condition(each.type, each.status, each.reason) for each in status.conditions] or None,
            [NodeAddress(each.type, each.address) for each in status.addresses] or None,
        ),
    )


_NODE_ANNOTATIONS = tuple(field.encode_name for field in msgspec.structs.fields(NodeAnnotations))


def _node_annotations(given: Mapping[str, str]) -> NodeAnnotations | None:
    return NodeAnnotations(*(given.get(name) for name in _NODE_ANNOTATIONS)) if given else None


@cache
def _node_condition(type_: str, status: str, reason: str) -> NodeCondition:
    """Nodes have few different ones."""
    return NodeCondition(type_, status, reason or None)


def endpoint_slice(message: pb.EndpointSlice) -> EndpointSlice:
    return EndpointSlice(
        SliceMeta(*_labelled(message.metadata), _strings(message.metadata.annotations)),
        message.addressType,
        [_endpoint(each) for each in message.endpoints] or None,
        [_endpoint_port(each) for each in message.ports] or None,
    )


# A large cluster has hundreds of thousands of endpoints. A value that is not empty is present: this takes half the
# time of a HasField for each field.


def _endpoint(message: pb.Endpoint) -> Endpoint:
    conditions, reference = message.conditions, message.targetRef
    kind, name = reference.kind, reference.name
    return Endpoint(
        message.addresses[:] or None,
        _endpoint_conditions(
            conditions.ready or (False if conditions.HasField("ready") else None),
            conditions.serving or (False if conditions.HasField("serving") else None),
            conditions.terminating or (False if conditions.HasField("terminating") else None),
        ),
        message.nodeName or ("" if message.HasField("nodeName") else None),
        TargetRef(kind or None, name or None) if kind or name or message.HasField("targetRef") else None,
        _hints(message.hints) if message.HasField("hints") else None,
        _strings(message.deprecatedTopology),
    )


def _hints(message: pb.EndpointHints) -> EndpointHints:
    return EndpointHints(
        [Hint(each.name) for each in message.forZones] or None,
        [Hint(each.name) for each in message.forNodes] or None,
    )


@cache
def _endpoint_conditions(ready: bool | None, serving: bool | None, terminating: bool | None) -> EndpointConditions:
    return EndpointConditions(ready, serving, terminating)


def _endpoint_port(message: pb.EndpointPort) -> EndpointPort:
    return EndpointPort(
        message.name or ("" if message.HasField("name") else None),
        message.protocol or ("" if message.HasField("protocol") else None),
        message.port or (0 if message.HasField("port") else None),
    )


def ingress(message: pb.Ingress) -> Ingress:
    spec = message.spec
    return Ingress(
        FullMeta(*_full(message.metadata)),
        IngressSpec(
            spec.ingressClassName if spec.HasField("ingressClassName") else None,
            _backend(spec.defaultBackend) if spec.HasField("defaultBackend") else None,
            [_rule(each) for each in spec.rules] or None,
        ),
    )


def _rule(message: pb.IngressRule) -> IngressRule:
    value = message.ingressRuleValue
    if not value.HasField("http"):
        return IngressRule(message.host or None)
    paths = [IngressPath(_backend(path.backend), path.path or None) for path in value.http.paths]
    return IngressRule(message.host or None, IngressHTTP(paths or None))


def _backend(message: pb.IngressBackend) -> Backend:
    service = resource = None
    if message.HasField("service"):
        port = message.service.port
        service = BackendService(message.service.name, BackendPort(port.name or None, port.number or None))
    if message.HasField("resource"):
        given = message.resource
        group = given.apiGroup if given.HasField("apiGroup") else None
        resource = {"apiGroup": group, "kind": given.kind, "name": given.name}
    return Backend(service, resource)


def ingress_class(message: pb.IngressClass) -> IngressClass:
    spec = message.spec
    parameters = None
    if spec.HasField("parameters"):
        given = spec.parameters
        group = given.aPIGroup if given.HasField("aPIGroup") else None
        parameters = ClassParameters(group, given.kind, given.name)
    return IngressClass(FullMeta(*_full(message.metadata)), IngressClassSpec(spec.controller or None, parameters))


def network_policy(message: pb.NetworkPolicy) -> NetworkPolicy:
    spec = message.spec
    rules = [IngressPeers([_peer(peer) for peer in getattr(rule, "from")] or None) for rule in spec.ingress]
    return NetworkPolicy(
        LabelledMeta(*_labelled(message.metadata)),
        NetworkPolicySpec(_selector(spec.podSelector), rules or None),
    )


def _peer(message: pb.NetworkPolicyPeer) -> Peer:
    return Peer(IPBlock(message.ipBlock.cidr) if message.HasField("ipBlock") else None)


def _selector(message: pb.LabelSelector) -> Selector:
    expressions = tuple(_requirement(each) for each in message.matchExpressions)
    return Selector(_strings(message.matchLabels), expressions or None)


def _requirement(message: pb.LabelSelectorRequirement) -> Requirement:
    # Not by msgspec.convert: in a thread, it needs the lock of objects.decode.
    operator = OPERATORS.get(message.operator)
    if operator is None:
        raise ValueError(f"operator: invalid enum value {message.operator!r}")
    return Requirement(message.key, operator, tuple(message.values) or None)


_Labelled = tuple[str, str | None, str | None, str | None, dict[str, str] | None, str | None]
_Full = tuple[*_Labelled, dict[str, str] | None, list[OwnerReference] | None, int | None]


def _labelled(message: pb.ObjectMeta) -> _Labelled:
    """The fields of LabelledMeta in their order."""
    return (
        message.name,
        message.namespace or None,
        message.uid or None,
        message.resourceVersion or None,
        _strings(message.labels),
        time(message.deletionTimestamp) if message.HasField("deletionTimestamp") else None,
    )


def _full(message: pb.ObjectMeta) -> _Full:
    """The fields of FullMeta in their order."""
    return (
        *_labelled(message),
        _strings(message.annotations),
        [_owner(each) for each in owners] if (owners := message.ownerReferences) else None,
        message.generation or None,
    )


def _strings(given: Mapping[str, str]) -> dict[str, str] | None:
    """`dict(given)` takes half as long again."""
    return {key: given[key] for key in given} if given else None


def _owner(message: pb.OwnerReference) -> OwnerReference:
    controller = message.controller if message.HasField("controller") else None
    return OwnerReference(message.kind, message.name, message.uid, controller)


def time(message: pb.Time) -> str | None:
    """Raises ValueError for a time beyond the year 9999."""
    if not message.HasField("seconds"):
        return None
    try:
        return rfc3339(message.seconds)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{message.seconds} seconds since 1970 are no time") from None
