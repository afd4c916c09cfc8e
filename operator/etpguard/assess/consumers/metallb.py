"""MetalLB: an address is announced, by ARP or BGP, only from nodes that have an endpoint themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from etpguard.assess.consumers.family import Family
from etpguard.assess.consumers.interface import Consumer, ConsumerVerdict, View
from etpguard.assess.consumers.load_balancers import Balancer, classless
from etpguard.assess.consumers.remedies import ClientIP, admit_nodes, cluster, spread
from etpguard.assess.eligibility import EXCLUDE_LABEL, NodeRule, Readiness
from etpguard.assess.outcome import Outcome
from etpguard.assess.probe import NoHealthCheck
from etpguard.objects import Requirement, Service

CLASSES = ("metallb", "metallb.io/metallb", "metallb.universe.tf/metallb")
_PREFIXES = ("metallb.io/", "metallb.universe.tf/")

NODES = NodeRule(
    requirements=(Requirement(EXCLUDE_LABEL, "DoesNotExist"),),
    taints=(),
    readiness=Readiness.IGNORED,
    follows_endpoints=True,
)
"""speaker/layer2_controller.go nodesWithEndpoint and speakersForPool, speaker/bgp_controller.go:195: nodes with
a ready or serving endpoint, whatever its port or family, without the exclude label (whatever its value)."""


class MetalLB(Family):
    name = "metallb"

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        how = _recognised(service)
        if how is None:
            return
        source = f"{how}; nodeSelectors of advertisements are not read"
        for _, consumer in Balancer(service, "metallb", source).ports():
            yield replace(consumer, nodes=NODES, probe=NoHealthCheck())

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[str]) -> Iterable[str]:
        match verdict.outcome:
            case Outcome.NoTargets:
                yield admit_nodes(service, nodes, EXCLUDE_LABEL)
                yield cluster(service, ClientIP.LOST)
            case Outcome.Blackhole | Outcome.Outage:
                yield (
                    f"MetalLB announces Service {service.key} from a node with an endpoint of any of its ports. "
                    f"Give port {verdict.consumer.port or '(unnamed)'} a Service and an address of its own, or "
                    "run the pods of all ports on the same nodes."
                )
                yield spread(service, "every node that announces it")
                yield cluster(service, ClientIP.LOST)
            case _:
                return


def _recognised(service: Service) -> str | None:
    """How it is known that MetalLB serves the Service, None if it does not."""
    chosen = service.spec.load_balancer_class
    if service.type == "LoadBalancer" and chosen in CLASSES:
        return f"its loadBalancerClass is {chosen}"
    if not classless(service) or any(entry.hostname for entry in service.load_balancer_ingress):
        return None  # MetalLB gives addresses, never a host name
    for annotation in sorted(service.annotations):
        if annotation.startswith(_PREFIXES):
            return f"its annotation {annotation}"
    return None
