"""Load balancers with the marks of two controllers. Which of them serves is not known."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.aws_cloud_provider import annotations as aws_cloud_provider
from etpguard.assess.consumers.families.cilium.family import REQUESTS
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.families.gke.passthrough import RBS
from etpguard.assess.consumers.families.kube_vip import VIP_HOST
from etpguard.assess.consumers.families.metallb.advertisements import POOL
from etpguard.assess.consumers.families.metallb.family import MARKS
from etpguard.assess.consumers.families.on_premises import antrea, purelb
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.shared.load_balancers import Balancer
from etpguard.assess.consumers.shared.recognition import classless, first_mark
from etpguard.assess.consumers.targets import PossibleNodes
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.outcome import Reason
from etpguard.objects import Service


class _Marks(Struct, frozen=True):
    """Annotations of one controller: prefixes of those that people set, and those that it writes itself."""

    controller: str
    prefixes: tuple[str, ...]
    written: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    """For a cloud: the schemes of its nodes' providerIDs. Its marks count only in a cluster with such nodes,
    because charts carry the annotations of several clouds."""


_WRITTEN = {
    "openstack": ("loadbalancer.openstack.org/load-balancer-id",),
    "digitalocean": ("kubernetes.digitalocean.com/load-balancer-id",),
}
_MARKS = (
    _Marks("MetalLB", MARKS, POOL),
    _Marks("kube-vip", ("kube-vip.io/",), (VIP_HOST,)),
    _Marks("Cilium LB IPAM", REQUESTS),
    _Marks("OpenELB", ("lb.kubesphere.io/", "eip.openelb.kubesphere.io/", "protocol.openelb.kubesphere.io/")),
    _Marks("PureLB", (purelb.MARK,), (f"{purelb.MARK}allocated-by",)),
    _Marks("Antrea", (antrea.POOL,)),
    _Marks("AWS", (aws_cloud_provider.PREFIX,), schemes=("aws",)),
    _Marks("Azure", ("service.beta.kubernetes.io/azure-",), schemes=("azure",)),
    _Marks("GCE", ("networking.gke.io/load-balancer-", RBS), schemes=("gce",)),
    *(
        _Marks(signs.provider, signs.marks, _WRITTEN.get(name, ()), signs.schemes)
        for name, signs in SIGNS.items()
        if signs.schemes
    ),
)


class Contested(BaseFamily):
    """The first of the registry: it takes the objects that several other families would claim."""

    name = "contested"
    balancers_only = True
    documented = (
        DocumentedConsumer(
            consumer="A Service with the marks of two load balancers",
            found_by="annotations of two load balancers",
            nodes="any",
            health_check="unknown",
            with_local="`Unknown` unless all nodes are covered",
            evidence=Evidence.DOCUMENTED,
            source="–",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        if not classless(service):
            return
        found = _claims(service, view)
        if len(found) < 2:
            return
        names = " and ".join(name for name, _ in found)
        marks = ", ".join(mark[:253] for _, mark in found)
        detail = (
            f"{names} may both serve it: it has the annotations {marks}. Remove those of the one that does not "
            "serve it"
        )
        balancer = Balancer(service, names, "", "", evidence=Evidence.DOCUMENTED)
        yield from balancer.consumers(PossibleNodes(EVERY_NODE, Reason("SeveralControllers", detail)))


def _claims(service: Service, view: View) -> list[tuple[str, str]]:
    """The controllers whose marks the Service has, each with one of the marks. If any of them wrote a mark itself,
    only those count. If only a cloud wrote one, the controllers in the cluster with a mark count too, since their
    families claim the Service before those of clouds."""
    named = any(entry.hostname for entry in service.load_balancer_ingress)
    able = [
        each
        for each in _MARKS
        if (
            not view.platforms.isdisjoint(each.schemes)
            if each.schemes
            else not named or each.controller == "Antrea"
        )
    ]
    wrote = [(each, mark) for each in able if (mark := _written(service, each))]
    marked = [(each, mark) for each in able if (mark := first_mark(service, *each.prefixes))]
    if wrote and all(each.schemes for each, _ in wrote):
        wrote += [(each, mark) for each, mark in marked if not each.schemes]
    return [(each.controller, mark) for each, mark in wrote or marked]


def _written(service: Service, marks: _Marks) -> str:
    return next((key for key in marks.written if key in service.annotations), "")
