"""What to do about which nodes are targets: admit those that host the pods, register no others, correct a
selector that selects none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from etpguard.assess.consumers.aws_lbc.annotations import ALB, NLB
from etpguard.assess.consumers.aws_lbc.commands import annotate, configuration, patch_binding
from etpguard.assess.consumers.aws_lbc.node_rules import DEFAULT_REQUIREMENTS, EXCLUDING_LABELS, node_rule
from etpguard.assess.consumers.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.interface import Consumer, ConsumerVerdict
from etpguard.assess.consumers.remedies import admit_nodes, bounded, named
from etpguard.assess.outcome import Outcome
from etpguard.objects import Node, Requirement, Service

_MARK = "lb-target"
_ANY = node_rule(None, AwsOptions())


def admit(service: Service, nodes: Sequence[Node]) -> Iterator[str]:
    """Take away the labels that keep the nodes of the pods from being targets."""
    for label in EXCLUDING_LABELS:
        yield from admit_nodes(service, nodes, label)


def narrow(service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterator[str]:
    """Register only the nodes that host the pods; nothing where none of them could be registered for it."""
    consumer = verdict.consumer
    hosts = [node for node in nodes if _ANY.selects(node) and _ANY.identified(node)]
    if nodes and not hosts:
        return
    kept = own = _own(consumer)
    if verdict.outcome is Outcome.Outage:
        # A selector is ANDed, so what keeps the hosts out now would keep them out with the new label too.
        kept = [r for r in own if all(r.admits(host.labels) for host in hosts)]
    labels = {r.key: r.values[0] for r in kept if _is_label(r) and r.values}
    key, value = _MARK, service.key.name[:63].rstrip("-.")
    labels[key] = value
    match consumer.kind:
        case "Ingress" | "Service":
            written = ",".join(f"{k}={v}" for k, v in labels.items())
            fix = annotate(service, consumer, f"target-node-labels={written}")
        case "Gateway":
            fix = configuration(service, {"nodeSelector": {"matchLabels": labels}})
        case _:
            dropped = [r for r in own if r not in kept]
            selector: dict[str, object] = {"matchLabels": {**{r.key: None for r in dropped}, **labels}}
            # A merge patch keeps what it does not name.
            fix = patch_binding(
                consumer, {"nodeSelector": {**selector, "matchExpressions": None} if dropped else selector}
            )
    shown = named(hosts, most=8)
    more = " (and the others with pods)" if len(hosts) > len(shown) else ""
    yield bounded(
        f"Or target only the nodes of the pods: kubectl label node {' '.join(shown) or 'NODE'}{more} "
        f"{key}={value}; {fix}; and keep the pods there by nodeSelector {json.dumps({key: value})} in their "
        "template. It costs targets to fail over to, and a pod that lands elsewhere gets no traffic."
    )


def no_node_selected(service: Service, consumer: Consumer) -> str:
    selected = [f"{r.key}={r.values[0]}" for r in _own(consumer) if _is_label(r) and r.values]
    if not selected:
        return bounded(
            "It takes Ready nodes without the labels node-role.kubernetes.io/master and "
            "node.kubernetes.io/exclude-from-external-load-balancers (any value excludes, false too) "
            "and without the "
            "autoscaler's taint; there is none: kubectl get nodes --show-labels."
        )
    lead = (
        f"No eligible node has the labels that it selects: kubectl get nodes -l '{','.join(selected)}'. Correct "
        "them, or take them away: "
    )
    match consumer.kind:
        case "Ingress" | "Service":
            prefix, kind = (NLB, "service") if consumer.kind == "Service" else (ALB, "ingress")
            fix = f"kubectl -n {consumer.namespace} annotate {kind} {consumer.name} {prefix}target-node-labels-"
            if consumer.kind == "Ingress":
                fix += f" (or of Service {service.key.name}, where that one has it)"
        case "Gateway":
            fix = f"nodeSelector in the TargetGroupConfiguration of Service {service.key}"
        case _:
            fix = patch_binding(consumer, {"nodeSelector": None})
    return bounded(f"{lead}{fix}.")


def _own(consumer: Consumer) -> list[Requirement]:
    """What the consumer selects nodes by, beyond what holds for all."""
    requirements = consumer.nodes.requirements if consumer.nodes else ()
    return [r for r in requirements if r not in DEFAULT_REQUIREMENTS]


def _is_label(requirement: Requirement) -> bool:
    return requirement.operator == "In" and len(requirement.values or ()) == 1
