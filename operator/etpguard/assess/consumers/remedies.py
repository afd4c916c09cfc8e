"""Advice that several families give."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from etpguard.assess.consumers import changes
from etpguard.assess.consumers.changes import Step, WorkloadChange
from etpguard.assess.consumers.changes import kubectl as kubectl
from etpguard.assess.consumers.consumer import Advice, ConsumerVerdict
from etpguard.assess.consumers.consumer import ClientIP as ClientIP
from etpguard.assess.consumers.targets import CheckSettings
from etpguard.assess.node_rule import AUTOSCALER_TAINT, EXCLUDE_LABEL, VIRTUAL_NODE_LABEL
from etpguard.assess.outcome import Outcome
from etpguard.objects import Node, Service


def spread(service: Service, where: str = "every node that gets the traffic") -> Advice:
    """Run an endpoint on every node that gets traffic.

    Without `nodeTaintsPolicy: Honor` a tainted node counts as an empty one, and a rollout hangs. Without
    `matchLabelKeys` the pods of the old ReplicaSet count, and the new ones are uneven after each rollout
    (k8s.io/api v0.37 core/v1 TopologySpreadConstraint; kubernetes issue 127199).
    """
    labels = dict(sorted((service.spec.selector or {}).items()))
    if not labels:
        return Advice(
            f"Have a ready endpoint on {where}",
            f"Service {service.key} has no selector. Let whoever writes its EndpointSlices give each of these "
            "nodes an endpoint with its name in nodeName: without it, an endpoint is local to no node.",
        )
    patch = f"{_BEFORE_LABELS}{json.dumps(labels)}{_AFTER_LABELS}"
    scaled = kubectl("-n", service.key.namespace, "scale", "deployment", "DEPLOYMENT", "--replicas", "NUMBER")
    patched = kubectl("-n", service.key.namespace, "patch", "deployment", "DEPLOYMENT", "-p", patch)
    return Advice(
        f"Run a ready pod on {where}",
        f"Make the workload behind Service {service.key} a DaemonSet. Or scale its Deployment to at least the "
        "number of these nodes, and let it spread its pods:",
        "Cost: the second command replaces all pods of the Deployment (a rollout).",
        f"{scaled}\n{patched}",
        WorkloadChange.SPREAD,
    )


_CONSTRAINT = {
    "maxSkew": 1,
    "topologyKey": "kubernetes.io/hostname",
    "whenUnsatisfiable": "DoNotSchedule",
    "nodeTaintsPolicy": "Honor",
    "matchLabelKeys": ["pod-template-hash"],
    "labelSelector": {"matchLabels": "LABELS"},
}
_PATCH = {"spec": {"template": {"spec": {"topologySpreadConstraints": [_CONSTRAINT]}}}}
_BEFORE_LABELS, _AFTER_LABELS = json.dumps(_PATCH).split('"LABELS"')


def as_of_last_sync(annotation: str) -> str:
    """k8s.io/cloud-provider 4666611 controllers/service/controller.go:693-711: a changed label alone starts no
    sync."""
    return f"; its nodes are those that {annotation} selects by the labels as of the last sync of the controller"


def unpin(annotation: str) -> str:
    """The step before a change to `Cluster`, if a person set the check to the healthCheckNodePort."""
    return f"First remove {annotation}: Cluster removes the port that it names, and every target turns unhealthy."


def asks_the_pods(settings: CheckSettings | None) -> str:
    """What an HTTP check does once it is on the node port; "" where it is none, or its settings are not known."""
    if settings is None or settings.protocol == "TCP":
        return ""
    path, answer = settings.path[:80] or "/", settings.success_codes[:40] or "success"
    return (
        f"The check then asks {path} of the pods by {settings.protocol}: if they do not answer it with {answer}, "
        "change the check first."
    )


_MAKERS = {
    "gateway.envoyproxy.io/owning-gateway-name": (
        "Envoy Gateway makes this Service, and may revert the change: set "
        "spec.provider.kubernetes.envoyService.externalTrafficPolicy of the EnvoyProxy."
    ),
    "gateway.envoyproxy.io/owning-gatewayclass": (
        "Envoy Gateway makes this Service, and may revert the change: set "
        "spec.provider.kubernetes.envoyService.externalTrafficPolicy of the EnvoyProxy."
    ),
    "projectcontour.io/owning-gateway-name": (
        "Contour makes this Service, and may revert the change: set "
        "spec.envoy.networkPublishing.externalTrafficPolicy of the ContourDeployment."
    ),
    "ingresscontroller.operator.openshift.io/owning-ingresscontroller": (
        "The ingress operator of OpenShift makes this Service and sets Local, and may revert the change: choose "
        "another endpointPublishingStrategy of the IngressController if it does."
    ),
    "gateway.networking.k8s.io/gateway-name": (
        "The controller of a Gateway makes this Service, and may revert the change: set the policy where the "
        "controller takes it from, for example the NginxProxy of NGINX Gateway Fabric."
    ),
}
"""By a label, who writes the policy of a Service and where it takes it from: Envoy Gateway d32f282
kubernetes_helpers.go:98, Contour 31c4bb3 model.go:56, OpenShift ingress operator acca964
load_balancer_service.go:599, NGINX Gateway Fabric e55bfe3 objects.go:50. The first label counts."""


_APP_ROUTING = (
    "The application routing add-on of AKS makes this Service with Local, and reverts the change. Let pods run on "
    "every node instead, or use an ingress controller of your own."
)
"""Azure aks-app-routing-operator pkg/manifests/nginx.go newNginxIngressControllerService, applied by force."""


def _maker(service: Service) -> str:
    """Who may revert a change of the policy, and where to change it; "" if nothing shows that."""
    labels = service.labels
    if note := next((note for label, note in _MAKERS.items() if label in labels), ""):
        return note
    if labels.get("app.kubernetes.io/managed-by") == "aks-app-routing-operator":
        return _APP_ROUTING
    owners = service.metadata.owner_references or ()
    if owner := next((owner for owner in owners if owner.controller), None):
        named = f"{owner.kind[:63]} {owner.name[:100]}"
        return f"{named} controls this Service, and its controller may revert the change: change it there."
    return ""


def cluster(service: Service, cost: ClientIP, extra: str = "") -> Advice:
    """Change the policy. `cost` says what that costs on this path."""
    return Advice(
        "Let every node forward",
        f"{_maker(service)} {extra}".strip(),
        cost_of_cluster(cost),
        *changes.service_spec(service.key, "externalTrafficPolicy", "Cluster"),
        cost,
    )


def cost_of_cluster(cost: ClientIP) -> str:
    return f"Cost: one extra network hop. {cost.value}"


def annotate_service(service: Service, *pairs: str) -> Step:
    """Set annotations `name=value` of the Service."""
    named_values = (pair.partition("=") for pair in pairs)
    return changes.annotated("Service", service.key, {name: value for name, _, value in named_values})


def drop_annotation(service: Service, annotation: str, effect: str) -> Advice:
    step = changes.annotated("Service", service.key, {annotation: None})
    return Advice(f"Remove the annotation {annotation}", effect, "", *step)


def annotate(service: Service, annotation: str, value: str, effect: str, cost: str = "") -> Advice:
    step = annotate_service(service, f"{annotation}={value}")
    return Advice(f"Set the annotation {annotation}", effect, cost, *step)


def named(nodes: Sequence[Node], most: int = 5, room: int = 260) -> list[str]:
    """The names of the first nodes: `most` at most, and no more than fit into `room` characters, but one at
    least."""
    names = [node.metadata.name for node in nodes[:most]]
    return [name for i, name in enumerate(names) if not i or sum(map(len, names[: i + 1])) <= room]


_LEAVING = frozenset(
    {
        AUTOSCALER_TAINT,
        "DeletionCandidateOfClusterAutoscaler",
        "karpenter.sh/disrupted",
        "karpenter.sh/disruption",
    }
)
"""Taints of nodes that an autoscaler is about to remove."""
_NTH = "aws-node-termination-handler"
"""It sets the exclude label to its name and cordons the node, and uncordons it after a reboot. Its taints begin
with the name: aws/aws-node-termination-handler pkg/node/node.go."""
_CORDONED = "node.kubernetes.io/unschedulable"


def may_admit(node: Node) -> bool:
    """Whether a person may let load balancers send to the node: not where an autoscaler keeps them away, which
    removes the node next (Karpenter sets the exclude label to its own name), and not on a virtual node, which has
    no kube-proxy."""
    labels = node.labels
    fargate = labels.get("eks.amazonaws.com/compute-type") == "fargate"
    virtual = fargate or labels.get("type") == "virtual-kubelet" or VIRTUAL_NODE_LABEL in labels
    return not virtual and not _is_leaving(node)


def _is_leaving(node: Node) -> bool:
    excluded_by = node.labels.get(EXCLUDE_LABEL)
    taints = {taint.key for taint in node.taints}
    if node.deleting or excluded_by == "karpenter" or _LEAVING & taints:
        return True
    drained = excluded_by == _NTH and _CORDONED in taints
    return drained or any(key.startswith(f"{_NTH}/") for key in taints)


NEW_NODE = "A new node without a pod gets traffic until its check has failed."
"""An NLB sends to a target that it has not checked yet: cloud-provider-aws issue 87. An ALB and a Classic Load
Balancer do not."""
MAYBE_NEW_NODE = "Some load balancers send to a new node without a pod until its check has failed."
"""Where it is not known which do."""


def admit_nodes(service: Service, nodes: Sequence[Node], label: str) -> Iterable[Advice]:
    """Remove a label that keeps nodes with endpoints from getting traffic."""
    kept_out = [node for node in nodes if label in node.labels and may_admit(node)]
    if kept_out:
        yield Advice(
            "Admit the nodes that host the pods",
            f"The label {label} keeps nodes with endpoints of Service {service.key} from getting traffic. Remove "
            "it unless the nodes are about to be deleted, or move the pods to nodes that get traffic.",
            "",
            *changes.without_label(named(kept_out), label),
        )


def leave(title: str, new_node: str) -> Advice:
    """For a health check that finds the nodes without an endpoint."""
    return Advice(
        title,
        "The health check keeps traffic off these nodes, which show as unhealthy by design.",
        "Cost: when the last pod of a node stops, requests are lost until the check has failed there. "
        f"{new_node}".rstrip(),
        change=WorkloadChange.HAND_OVER,
    )


def health_checked(
    service: Service,
    verdict: ConsumerVerdict,
    nodes: Sequence[Node],
    cost: ClientIP = ClientIP.LOST,
    extra: str = "",
    new_node: str = MAYBE_NEW_NODE,
) -> Iterable[Advice]:
    """Advice for a load balancer whose health check can find the nodes with endpoints. `extra` is added to the
    change to `Cluster`. `new_node` says what a new node without a pod gets."""
    match verdict.outcome:
        case Outcome.NoTargets:
            yield from admit_nodes(service, nodes, EXCLUDE_LABEL)
        case Outcome.Outage if nodes:
            yield from admit_nodes(service, nodes, EXCLUDE_LABEL)
            yield spread(service)
            yield cluster(service, cost, extra)
        case Outcome.TargetsUnhealthy:
            yield leave("Leave it as it is: nothing is lost while the pods stay on their nodes", new_node)
            yield spread(service)
            yield cluster(service, cost, extra)
        case Outcome.Blackhole | Outcome.Unknown:
            yield spread(service)
            yield cluster(service, cost, extra)
        case _:
            return
