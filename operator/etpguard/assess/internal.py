"""What happens on each node to clients in the cluster of a Service with `internalTrafficPolicy: Local`. Pure.

A client reaches only the endpoints on its own node. On a node without one, every connection to the cluster IP
fails: k8s.io/kubernetes v1.37.2 pkg/proxy/iptables/proxier.go:888-916. The table and the fallback to serving and
terminating endpoints are those of external traffic. Any Ready node may run a client, so every Ready node is
eligible, whatever its labels and taints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from etpguard.assess.node_states import PortState, unaddressed
from etpguard.assess.outcome import Outcome, Reason
from etpguard.objects import IPFamily, Key, Requirement, Service

VIRTUAL = (Requirement("type", "In", ("virtual-kubelet",)),)
"""The labels of nodes that virtual-kubelet provides."""

NOTHING_PROXIES = Reason(
    "ServiceProxyNotKnown",
    "virtual-kubelet nodes and edge nodes of KubeEdge run no kube-proxy by default, and no API object shows what "
    "serves cluster IPs there",
)

_COVERED, _UNCOVERED = Reason(Outcome.Covered.name), Reason(Outcome.Uncovered.name)
_NO_ENDPOINTS = Reason(Outcome.NoEndpoints.name)
_NO_READY_NODE = Reason("NoReadyNode", "no node is Ready, so no client is known that the policy affects")


def applies(service: Service) -> bool:
    """Whether clients in the cluster reach only the endpoints on their own node. The policy has no meaning for a
    headless Service and for one of type ExternalName."""
    spec = service.spec
    return spec.internal_traffic_policy == "Local" and service.type != "ExternalName" and spec.cluster_ip != "None"


class InternalPort(Struct, frozen=True):
    """One service port in one family. `uncovered`: the Ready nodes that certainly do not forward, although usable
    endpoints exist elsewhere. `unknown`: the Ready nodes whose state is not known."""

    state: PortState
    outcome: Outcome
    reason: Reason
    uncovered: int
    unknown: int


class InternalAssessment(Struct, frozen=True):
    """The result for clients in the cluster of one Service. Node sets are integers of the picture's `NodeTable` in
    its `epoch`.

    `outcome` is the worst of the ports: Covered, NoEndpoints, Unknown or Uncovered. `eligible` are all Ready
    nodes. `uncovered` and `unknown` are those of all ports together.
    """

    key: Key
    uid: str
    type: str
    outcome: Outcome
    reason: Reason
    ports: tuple[InternalPort, ...]
    eligible: int = 0
    uncovered: int = 0
    unknown: int = 0
    epoch: int = 0
    assumptions: tuple[str, ...] = ()
    """What the outcome assumes without proof, one sentence each."""


class Circumstances(Struct, frozen=True):
    """What is common to the Services of one picture. `unproxied`: Ready nodes of which it is not known whether
    anything serves cluster IPs there. `unreadable`: Nodes that cannot be read and may be Ready, and the reason for
    Unknown where one of them may be uncovered. `blind`: why no endpoint of the Service is known. `lacking`: by
    family, the nodes that have addresses, and none in it."""

    ready: int
    unproxied: int = 0
    unreadable: int = 0
    unreadable_reason: Reason | None = None
    blind: Reason | None = None
    epoch: int = 0
    lacking: Mapping[IPFamily, int] = MappingProxyType({})
    assumptions: tuple[str, ...] = ()


def assess_internal(
    service: Service, states: Sequence[PortState], circumstances: Circumstances
) -> InternalAssessment | None:
    """The assessment of a Service to which the policy `applies`, from the states of its cluster IPs. None if no
    data plane serves them."""
    if not states:
        return None
    ports = tuple(
        _port(state, circumstances, circumstances.ready & ~without)
        for state, without in zip(states, unaddressed(states, circumstances.lacking), strict=True)
    )
    worst = max(ports, key=lambda port: (port.outcome, port.uncovered.bit_count()))
    uncovered = unknown = 0
    for port in ports:
        uncovered |= port.uncovered
        unknown |= port.unknown
    return InternalAssessment(
        key=service.key,
        uid=service.uid,
        type=service.type,
        outcome=worst.outcome,
        reason=worst.reason,
        ports=ports,
        eligible=circumstances.ready,
        uncovered=uncovered,
        unknown=unknown,
        epoch=circumstances.epoch,
        assumptions=circumstances.assumptions,
    )


def _port(state: PortState, circumstances: Circumstances, ready: int) -> InternalPort:
    """`ready`: the nodes on which clients may use this port."""
    if circumstances.blind is not None:
        return InternalPort(state, Outcome.Unknown, circumstances.blind, 0, ready)
    unknown = ready & (state.doubtful | (circumstances.unproxied if state.usable else 0))
    uncovered = state.dropped(ready) & ~unknown
    if uncovered:
        return InternalPort(state, Outcome.Uncovered, _UNCOVERED, uncovered, unknown)
    if unknown:
        reason = state.doubt(ready) or NOTHING_PROXIES
        return InternalPort(state, Outcome.Unknown, reason, 0, unknown)
    if circumstances.unreadable_reason and state.dropped(circumstances.unreadable):
        return InternalPort(state, Outcome.Unknown, circumstances.unreadable_reason, 0, 0)
    if not state.usable:
        return InternalPort(state, Outcome.NoEndpoints, _NO_ENDPOINTS, 0, 0)
    if not ready:
        return InternalPort(state, Outcome.Unknown, _NO_READY_NODE, 0, 0)
    return InternalPort(state, Outcome.Covered, _COVERED, 0, 0)
