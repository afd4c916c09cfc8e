"""What to do about a Service with `internalTrafficPolicy: Local` that clients on some nodes do not reach. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from etpguard.assess.consumers.changes import ObjectChange, WorkloadChange, service_spec
from etpguard.assess.consumers.consumer import Advice
from etpguard.assess.consumers.remedies import kubectl
from etpguard.assess.endpoint_advice import find_endpoints
from etpguard.assess.internal import InternalAssessment
from etpguard.assess.node_rule import barring
from etpguard.assess.outcome import Outcome
from etpguard.cluster import Picture
from etpguard.objects import NODE, SERVICE, Key, Node, Service

MAX_TAINTS = 4
"""Tolerations in one item of advice."""
SURGING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
"""`spec.updateStrategy` of a DaemonSet that starts each new pod before the old one ends."""
_PLACEHOLDER = "DAEMONSET"


class InternalAdvisor:
    """Advice for the internal assessments of one picture."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    def __call__(self, assessment: InternalAssessment) -> list[Advice]:
        service = self._picture.get(SERVICE, assessment.key)
        if service is None:
            return []
        names = self._picture.nodes.names(assessment.uncovered)
        nodes = (self._picture.get(NODE, Key("", name)) for name in names)
        return internal_advice(service, assessment, [node for node in nodes if node is not None])


def internal_advice(
    service: Service,
    assessment: InternalAssessment,
    uncovered: Sequence[Node],
    daemon_set: str = _PLACEHOLDER,
) -> list[Advice]:
    """The advice for one Service, the most effective first. `uncovered` are the uncovered nodes; `daemon_set` is
    the name of the DaemonSet behind the Service, if it is known."""
    match assessment.outcome:
        case Outcome.NoEndpoints:
            return [find_endpoints(service, [port.state for port in assessment.ports])]
        case Outcome.Uncovered:
            if not service.spec.selector:
                return [any_endpoint(service)]
            tolerated = tolerate(service, uncovered, daemon_set)
            return [prefer_same_node(service), *([tolerated] if tolerated else []), surge(service, daemon_set)]
        case _:
            return []


def prefer_same_node(service: Service) -> Advice:
    """The local endpoint first, else any other one: KEP-3015, beta in Kubernetes 1.34, GA in 1.35."""
    patch = {"spec": {"internalTrafficPolicy": "Cluster", "trafficDistribution": "PreferSameNode"}}
    return Advice(
        "Prefer the endpoint on the client's node instead of requiring it",
        "With trafficDistribution: PreferSameNode, kube-proxy sends a client to a ready endpoint on its node, or "
        "to an endpoint on another node if there is none. PreferSameNode is GA in Kubernetes 1.35 and beta in "
        "1.34. Kubernetes 1.31 to 1.33 refuses it. 1.30 and older ignore the field, and a data plane that ignores "
        "topology hints does too: they send to any endpoint.",
        "Cost: a connection may reach a pod on another node. An agent that assumes that each client is on its "
        "own node then attributes data to the wrong node.",
        kubectl("-n", service.key.namespace, "patch", "service", service.key.name, "-p", json.dumps(patch)),
        (ObjectChange("v1", "Service", service.key, json.dumps(patch)),),
    )


def any_endpoint(service: Service) -> Advice:
    """For a Service without a selector. kubernetes v1.37.2 pkg/proxy/topology.go topologyModeFromHints:
    PreferSameNode counts only if each ready endpoint has a hint for a node. pkg/controller/endpointslice writes
    these only for Services with a selector."""
    return Advice(
        "Let clients reach the endpoints on other nodes",
        "With internalTrafficPolicy: Cluster, kube-proxy sends a client to any ready endpoint. The Service has no "
        "selector, so Kubernetes writes no hints into its EndpointSlices. PreferSameNode has an effect only if "
        "whoever writes them sets hints.forNodes for each endpoint. To keep the policy, have an endpoint on each "
        "node that has clients.",
        "Cost: a connection may reach an endpoint on another node, also where there is one on the node of the "
        "client.",
        *service_spec(service.key, "internalTrafficPolicy", "Cluster"),
    )


def tolerate(service: Service, uncovered: Sequence[Node], daemon_set: str = _PLACEHOLDER) -> Advice | None:
    """Run the DaemonSet on tainted nodes too; None if no uncovered node has a taint that keeps it off."""
    found = dict.fromkeys((taint.key, taint.effect) for node in uncovered for taint in barring(node))
    if not found:
        return None
    wanted = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in list(found)[:MAX_TAINTS]]
    tainted = sum(1 for node in uncovered if barring(node))
    keep, them = ("has a taint that keeps", "it") if tainted == 1 else ("have taints that keep", "them")
    more = f" There are {len(found) - MAX_TAINTS} more taints." if len(found) > MAX_TAINTS else ""
    return Advice(
        "Let the DaemonSet tolerate the taints of the uncovered nodes",
        f"{tainted} of the uncovered nodes {keep} pods off unless they tolerate {them}. "
        f"Add to spec.template.spec.tolerations: {json.dumps(wanted)}.{more}",
        "Cost: a pod on each of these nodes, which their taints reserve for other pods.",
        kubectl("-n", service.key.namespace, "edit", "daemonset", daemon_set),
        WorkloadChange.TOLERATE,
    )


def surge(service: Service, daemon_set: str = _PLACEHOLDER) -> Advice:
    """Start each new pod before the old one ends: spec.updateStrategy of a DaemonSet, stable since 1.25."""
    patch = {"spec": {"updateStrategy": SURGING}}
    only = " This is for pods of a DaemonSet only." if daemon_set == _PLACEHOLDER else ""
    return Advice(
        "Let rollouts of the DaemonSet start the new pod before the old one ends",
        f"Without a surge, each rollout leaves each node without an endpoint until its new pod is ready.{only}",
        "Cost: two pods on a node during a rollout. With a hostPort or hostNetwork, the two pods cannot run side "
        "by side, and the rollout waits.",
        kubectl("-n", service.key.namespace, "patch", "daemonset", daemon_set, "-p", json.dumps(patch)),
        WorkloadChange.SURGE,
    )
