"""Advice about which nodes are targets: remove labels that exclude the nodes of the pods, register only those
nodes, or correct a selector that selects no node."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from etpguard.assess.consumers import changes
from etpguard.assess.consumers.changes import NO_STEP, Step, with_labels
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.families.aws_lbc.annotations import ALB, NLB
from etpguard.assess.consumers.families.aws_lbc.commands import annotate, configuration, patch_binding
from etpguard.assess.consumers.families.aws_lbc.node_rules import (
    DEFAULT_REQUIREMENTS,
    EXCLUDING_LABELS,
    FARGATE,
    node_rule,
)
from etpguard.assess.consumers.families.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.remedies import admit_nodes, kubectl, named
from etpguard.assess.node_rule import EXCLUDE_LABEL
from etpguard.assess.outcome import Outcome
from etpguard.objects import Key, Node, Requirement, Service

_ANY = node_rule(None, AwsOptions())


def on_fargate(node: Node) -> bool:
    """Whether only the pods of the node can be targets, and never the node itself."""
    return not FARGATE.admits(node.labels)


def admit(service: Service, nodes: Sequence[Node]) -> Iterator[Advice]:
    """Remove the labels that keep the nodes of the pods from being targets."""
    for label in EXCLUDING_LABELS:
        yield from admit_nodes(service, nodes, label)


def narrow(service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterator[Advice]:
    """Register only the nodes that host the pods. No advice where none of them can be registered."""
    consumer = verdict.consumer
    hosts = [node for node in nodes if _ANY.selects(node) and _ANY.identified(node)]
    if nodes and not hosts:
        return
    kept = own = _own(consumer)
    if verdict.outcome is Outcome.Outage:
        # A selector is ANDed, so the labels that keep the hosts out now would do so with the new label too.
        kept = [r for r in own if all(r.admits(host.labels) for host in hosts)]
    labels = {r.key: r.values[0] for r in kept if _is_label(r) and r.values}
    # A key of its own, since a node may have pods of several Services. As its prefix, the namespace has room.
    key, value = f"{service.key.namespace}.lb-target/{service.key.name}", "true"
    labels[key] = value
    step = _select(service, consumer, labels, [r for r in own if r not in kept])
    shown = named(hosts, most=8)
    others = " Label the other nodes with pods too." if len(hosts) > len(shown) else ""
    label = kubectl("label", "node", *(shown or ["NODE"]), f"{key}={value}")
    # The labels come first, so the selector is no change that can be applied by itself, and no command either: a
    # selector that selects no node empties the target group.
    yield Advice(
        "Or target only the nodes of the pods",
        "Label these nodes, select the label, and keep the pods there by nodeSelector "
        f"{json.dumps({key: value})} in their template.{others}",
        "Cost: fewer targets to fail over to, and a pod on another node gets no traffic.",
        f"{label} && {step.command}",
        labels_nodes=True,
    )


def select(service: Service, consumer: Consumer, labels: Mapping[str, str], *, keep: bool) -> Step | None:
    """Target only nodes with these labels. With `keep`, in addition to the present selector; None where that has
    more than labels."""
    own = _own(consumer)
    if not keep:
        return _select(service, consumer, labels, own)
    if not all(_is_label(each) for each in own):
        return None
    return _select(service, consumer, {**{r.key: r.values[0] for r in own if r.values}, **labels}, [])


def _select(
    service: Service, consumer: Consumer, labels: Mapping[str, str], dropped: Sequence[Requirement]
) -> Step:
    """Set the selector to these labels, instead of those that are dropped."""
    match consumer.kind:
        case "Ingress" | "Service":
            return annotate(service, consumer, target_node_labels=with_labels("", labels, keep=False))
        case "Gateway":
            whole = {"nodeSelector": {"matchLabels": dict(labels)}}
            return configuration(service, consumer, {"nodeSelector": _patch(labels, dropped)}, only_new=whole)
        case _:
            return patch_binding(consumer, {"nodeSelector": _patch(labels, dropped)})


def _patch(labels: Mapping[str, str], dropped: Sequence[Requirement]) -> dict[str, object]:
    """A merge patch keeps what it does not name."""
    selector: dict[str, object] = {"matchLabels": {**{r.key: None for r in dropped}, **labels}}
    return {**selector, "matchExpressions": None} if dropped else selector


def no_node_selected(service: Service, consumer: Consumer) -> Advice:
    selected = [f"{r.key}={r.values[0]}" for r in _own(consumer) if _is_label(r) and r.values]
    if not selected:
        return Advice(
            "Find out why no node is a target",
            "The controller takes Ready nodes without the autoscaler's taint and without the labels "
            f"node-role.kubernetes.io/master, {EXCLUDE_LABEL} (any value excludes, false too) and "
            f"{FARGATE.key}=fargate.",
            "",
            kubectl("get", "nodes", "--show-labels"),
        )
    look = kubectl("get", "nodes", "-l", ",".join(selected))
    effect = "No eligible node has the labels that the consumer selects."
    step = NO_STEP
    match consumer.kind:
        case "Ingress" | "Service":
            prefix = NLB if consumer.kind == "Service" else ALB
            key = Key(consumer.namespace, consumer.name)
            step = changes.annotated(consumer.kind, key, {f"{prefix}target-node-labels": None})
            if consumer.kind == "Ingress":
                effect += f" Service {service.key.name} may have the annotation instead of the Ingress."
        case "Gateway":
            effect += f" They come from nodeSelector in the TargetGroupConfiguration of Service {service.key}."
        case _:
            step = patch_binding(consumer, {"nodeSelector": None})
    command = "\n".join(filter(None, (look, step.command)))
    title = "Correct the labels that select the nodes, or remove them"
    return Advice(title, effect, "", command, step.change)


def _own(consumer: Consumer) -> list[Requirement]:
    """The requirements of the consumer, without those that apply to every consumer."""
    requirements = consumer.targets.rule.requirements if consumer.targets.rule else ()
    return [r for r in requirements if r not in DEFAULT_REQUIREMENTS]


def _is_label(requirement: Requirement) -> bool:
    return requirement.operator == "In" and len(requirement.values or ()) == 1
