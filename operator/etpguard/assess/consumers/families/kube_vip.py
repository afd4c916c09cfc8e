"""kube-vip: who announces an address depends on a setting of its DaemonSet that no API object shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP, cluster, spread
from etpguard.assess.consumers.shared.load_balancers import UNCHECKED, Balancer
from etpguard.assess.consumers.shared.recognition import Recognition, by_class, by_mark, classless
from etpguard.assess.consumers.targets import PossibleNodes, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.outcome import Outcome, Reason
from etpguard.objects import Node, Service

CLASS = "kube-vip.io/kube-vip-class"
PREFIX = "kube-vip.io/"
IGNORE, VIP_HOST, LEASE_NAME = "kube-vip.io/ignore", "kube-vip.io/vipHost", "kube-vip.io/leaseName"

_ELECTION = (
    "with services election, kube-vip announces the address only from a node with an endpoint. Without it, ARP "
    "and BGP differ. With ARP, one leader has all addresses: while the leader has no endpoint, no node announces "
    "this address, and all is lost. With BGP, nodes with an endpoint announce it. etpguard does not read these "
    "settings. Look for svc_election, vip_arp and bgp_enable in the DaemonSet of kube-vip"
)
"""Who announces under Local, kube-vip bee5cfe:

- with svc_election, a node waits for an endpoint of its own before it takes part in the election, and leaves it
  with its last one (pkg/services/leader.go:97-103, pkg/endpoints/endpoints_generic.go:66-71);
- without, ARP always has one leader (pkg/manager/worker/arp.go:61-67). It starts the address with its first
  endpoint and stops it without one (pkg/endpoints/endpoints.go:78-124);
- without, BGP has no leader (pkg/manager/worker/bgp.go:111-121). A node withdraws the address with its last
  endpoint, unless vip_leaderelection is on (pkg/endpoints/endpoints_bgp.go:48-72);
- without, the routing table has a leader as ARP does if vip_leaderelection is on, and else announces as BGP does
  (pkg/manager/worker/table.go:72-83)."""
_LEASE_REFUSED = Reason(
    "CommonLeaseRefused",
    f"kube-vip refuses {LEASE_NAME} with Local and does not serve the Service. It is not known what still "
    "announces its address. Remove the annotation",
)


class KubeVip(BaseFamily):
    """kube-vip bee5cfe. Without an election and with BGP, the last node that announced writes `vipHost`; the
    routing table mode does not write it (pkg/services/services.go:852). So it shows the announcer with ARP
    alone."""

    name = "kube-vip"
    balancers_only = True
    documented = (
        DocumentedConsumer(
            consumer="kube-vip",
            found_by="class `kube-vip.io/kube-vip-class`, `kube-vip.io/` annotation, label `implementation`",
            nodes="those with an endpoint, or with ARP one leader: `svc_election` decides",
            health_check="none",
            with_local="`Unknown` unless all nodes are covered",
            evidence=Evidence.DOCUMENTED,
            source="kube-vip bee5cfe pkg/endpoints/endpoints_generic.go, pkg/services/services.go",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        recognition = _recognised(service)
        if recognition is None:
            return
        causes = (
            "no address is requested and no kube-vip cloud provider gives one; kube-vip runs on no node with an "
            "endpoint; another controller serves Services without a class (lb_class_only)"
        )
        balancer = Balancer.of(service, "kube-vip", recognition, "node", without_address=causes)
        yield from balancer.consumers(_targets(service))

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.outcome is not Outcome.Unknown or verdict.reason.code == "NoAddress":
            return
        if verdict.reason.code == "ServicesElectionNotKnown":
            yield Advice(
                "Set svc_election to true in the environment of the kube-vip DaemonSet, unless it is set",
                "kube-vip then announces each address from a node with an endpoint.",
            )
        yield spread(service, "every node that kube-vip runs on")
        yield cluster(service, ClientIP.LOST)


def _targets(service: Service) -> Targets:
    if LEASE_NAME in service.annotations:
        return UnknownOutcome(_LEASE_REFUSED, EVERY_NODE, UNCHECKED)
    detail = _ELECTION
    if host := service.annotations.get(VIP_HOST):
        detail += (
            f". {VIP_HOST} names {host[:253]}. With ARP, that node announces the address, and all is lost if it "
            "has no endpoint. With BGP, the annotation proves nothing"
        )
    return PossibleNodes(EVERY_NODE, Reason("ServicesElectionNotKnown", detail))


def _recognised(service: Service) -> Recognition | None:
    """By what it is known that kube-vip serves the Service; None if it does not."""
    if service.annotations.get(IGNORE) == "true":
        return None
    if recognition := by_class(service, CLASS):
        return recognition
    if not classless(service) or any(entry.hostname for entry in service.load_balancer_ingress):
        return None
    if service.labels.get("implementation") == "kube-vip":
        return Recognition("recognised by its label implementation=kube-vip")
    return by_mark(service, PREFIX)
