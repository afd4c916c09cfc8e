"""kube-vip: who announces an address depends on a setting of its DaemonSet that no API object shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess.consumers.interface import (
    Advice,
    BaseFamily,
    Consumer,
    ConsumerVerdict,
    PossibleNodes,
    View,
)
from etpguard.assess.consumers.load_balancers import EVERY_NODE, Balancer, classless
from etpguard.assess.consumers.remedies import ClientIP, cluster, spread
from etpguard.assess.outcome import Outcome, Reason
from etpguard.objects import Node, Service

CLASS = "kube-vip.io/kube-vip-class"
_PREFIX = "kube-vip.io/"

_ELECTION = Reason(
    "ServicesElectionNotKnown",
    "with services election, kube-vip announces only from nodes with an endpoint; without it, one leader "
    "announces "
    "all addresses and drops this one while it has no endpoint itself; no API object shows the setting",
)
"""pkg/endpoints/endpoints_generic.go:88-103 and endpoints.go:114-123."""


class KubeVip(BaseFamily):
    name = "kube-vip"

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        how = _recognised(service)
        if how is not None:
            yield from Balancer(service, "kube-vip", how, "node").consumers(PossibleNodes(EVERY_NODE, _ELECTION))

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.outcome is not Outcome.Unknown:
            return
        yield Advice(
            "Set svc_election to true in the environment of the kube-vip DaemonSet",
            "kube-vip then announces each address from a node with an endpoint.",
        )
        yield spread(service, "every node that kube-vip runs on")
        yield cluster(service, ClientIP.LOST)


def _recognised(service: Service) -> str | None:
    """How kube-vip is recognised as the one that serves the Service; None if it does not."""
    if service.type == "LoadBalancer" and service.spec.load_balancer_class == CLASS:
        return f"recognised by its loadBalancerClass {CLASS}"
    if not classless(service) or any(entry.hostname for entry in service.load_balancer_ingress):
        return None
    if service.labels.get("implementation") == "kube-vip":
        return "recognised by its label implementation=kube-vip"
    marked = sorted(key for key in service.annotations if key.startswith(_PREFIX))
    return f"recognised by its annotation {marked[0]}" if marked else None
