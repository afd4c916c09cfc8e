"""Sentences of advice that several families give, each with what to copy, filled in; at most 1 KiB each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from enum import Enum

from etpguard.assess.consumers.interface import ConsumerVerdict
from etpguard.assess.eligibility import EXCLUDE_LABEL
from etpguard.assess.outcome import Outcome
from etpguard.objects import Node, Service

LIMIT = 1024


class ClientIP(Enum):
    """What a change to `Cluster` does to the client's address on a path."""

    LOST = "pods then see the node's address instead of the client's"
    FORWARDED = (
        "the client's address stays in X-Forwarded-For, but the peer that pods see, and must trust for it, is "
        "then a node instead of the load balancer"
    )
    UNCHANGED = "nothing on this path"
    HIDDEN = (
        "the client's address is not lost by it: this load balancer hides it already, but for X-Forwarded-For and "
        "PROXY protocol, which stay"
    )
    VARIES = "pods may then see the node's address instead of the client's"


def spread(service: Service, limit_to: str = "every target node") -> str:
    """Run an endpoint on every node that is sent to."""
    selector = service.spec.selector or {}
    labels = json.dumps(dict(sorted(selector.items())))
    constraint = (
        '"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", '
        f'"whenUnsatisfiable": "DoNotSchedule", "labelSelector": {{"matchLabels": {labels}}}}}]'
    )
    text = (
        f"Run a ready pod on {limit_to}: make the workload behind Service {service.key} a DaemonSet, or give it "
        "at least as many replicas as there are such nodes and, in its pod template's spec, "
    )
    return bounded(text + constraint) if selector else bounded(text + "a spread over kubernetes.io/hostname")


def unpin(annotation: str) -> str:
    """Goes before a change to `Cluster` where the check is set by hand to the healthCheckNodePort."""
    return f"First take {annotation} away: the port that it names is gone then, and every target turns unhealthy."


def cluster(service: Service, cost: ClientIP, extra: str = "") -> str:
    """Change the policy, and what that costs on this path."""
    patch = """-p '{"spec":{"externalTrafficPolicy":"Cluster"}}'"""
    return bounded(
        f"Let every node forward: {kubectl(service, 'patch service', patch)}. "
        f"It costs a hop, and {cost.value}.{' ' + extra if extra else ''}"
    )


def drop_annotation(service: Service, annotation: str, why: str) -> str:
    """Take an annotation of the Service away; `why` is a clause that ends the sentence."""
    return bounded(f"{kubectl(service, 'annotate service', annotation + '-')}: {why}.")


def annotate(service: Service, annotation: str, value: str, why: str) -> str:
    command = kubectl(service, "annotate service --overwrite", f"'{annotation}={value}'")
    return bounded(f"{command}: {why}.")


def named(nodes: Sequence[Node], most: int = 5, room: int = 260) -> list[str]:
    """The names of as many of the nodes as leave room for the rest of a sentence, of the first at any rate."""
    names = [node.metadata.name for node in nodes[:most]]
    return [name for i, name in enumerate(names) if not i or sum(map(len, names[: i + 1])) <= room]


def admit_nodes(service: Service, nodes: Sequence[Node], label: str) -> Iterable[str]:
    """Let those of the nodes that host endpoints be sent to which a label keeps from it."""
    kept_out = [node for node in nodes if label in node.labels]
    if kept_out:
        yield bounded(
            f"Nodes with endpoints of Service {service.key} are not sent to for their label. Unless they are "
            f"about to go, admit them: kubectl label node {' '.join(named(kept_out))} {label}-; or move the pods "
            "to nodes that are sent to."
        )


def health_checked(
    service: Service,
    verdict: ConsumerVerdict,
    nodes: Sequence[Node],
    cost: ClientIP = ClientIP.LOST,
    extra: str = "",
) -> Iterable[str]:
    """For a load balancer that would know which nodes have endpoints, if its health check lets it; `extra`
    goes with the change to `Cluster`."""
    match verdict.outcome:
        case Outcome.NoTargets:
            yield from admit_nodes(service, nodes, EXCLUDE_LABEL)
        case Outcome.Outage if nodes:
            yield from admit_nodes(service, nodes, EXCLUDE_LABEL)
            yield spread(service)
            yield cluster(service, cost, extra)
        case Outcome.TargetsUnhealthy:
            yield spread(service)
            yield (
                "Or leave it: the health check keeps traffic off these nodes, which show as unhealthy by design. "
                "When the last pod of a node stops, requests are lost until the check has failed there."
            )
            yield cluster(service, cost, extra)
        case Outcome.Blackhole | Outcome.Unknown:
            yield spread(service)
            yield cluster(service, cost, extra)
        case _:
            return


def kubectl(service: Service, verb: str, rest: str) -> str:
    return f"kubectl -n {service.key.namespace} {verb} {service.key.name} {rest}"


def bounded(text: str) -> str:
    """At most `LIMIT` bytes of UTF-8, cut at the end if need be."""
    encoded = text.encode()
    if len(encoded) <= LIMIT:
        return text
    return encoded[: LIMIT - 3].decode(errors="ignore") + "…"
