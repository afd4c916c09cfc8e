"""Clouds that etpguard recognises by the providerIDs of the nodes, and whose rules it does not know."""

from __future__ import annotations

from collections.abc import Iterable

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.shared.load_balancers import SOME_NODES, Balancer
from etpguard.assess.consumers.shared.recognition import CLOUDS, by_nodes, classless, sole_cloud
from etpguard.assess.consumers.targets import not_modelled
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.objects import Service


class NotModelledCloud(BaseFamily):
    """Last of the clouds."""

    name = "cloud-not-modelled"
    balancers_only = True
    documented = (
        DocumentedConsumer(
            consumer="Any other cloud",
            found_by="no class, providerID",
            nodes="any",
            health_check="unknown",
            with_local="`Unknown` unless all nodes are covered",
            evidence=Evidence.ASSUMED,
            source="–",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        cloud = sole_cloud(view)
        if cloud not in CLOUDS - {"aws", "azure", "gce"} or not classless(service):
            return
        recognition = by_nodes(service, view, cloud, cloud)
        if recognition is not None:
            detail = f"to which nodes the load balancer of {cloud} sends, and how it checks them, is not known"
            targets = not_modelled(EVERY_NODE, detail, fewest=SOME_NODES)
            yield from Balancer.of(service, f"cloud-provider/{cloud}", recognition).consumers(targets)
