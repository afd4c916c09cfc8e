"""Civo, by civo-cloud-controller-manager."""

from __future__ import annotations

from etpguard.assess.consumers.families.clouds.cloud import Cloud
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.shared.load_balancers import OLDER_CLOUD_NODES
from etpguard.assess.consumers.targets import PossibleNodes, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.outcome import Reason
from etpguard.objects import Service, ServicePort

_NOT_KNOWN = Reason(
    "HealthCheckNotKnown",
    "the controller passes the healthCheckNodePort to Civo's API, and what Civo checks is not known. If Civo "
    "checks that port, nodes without an endpoint get no traffic. If it does not, a share of the requests is lost. "
    "Look at the load balancer in Civo's dashboard",
)


class Civo(Cloud):
    """civo-cloud-controller-manager 0c98dc9 loadbalancer.go:186,439."""

    name = "civo"
    documented = (
        DocumentedConsumer(
            consumer="Civo",
            found_by="`kubernetes.civo.com/` annotation, providerID `civo://`",
            nodes="cloud nodes",
            health_check="unknown",
            with_local="`Unknown` unless all nodes or none are covered",
            evidence=Evidence.DOCUMENTED,
            source="civo-cloud-controller-manager 0c98dc9 loadbalancer.go",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        return PossibleNodes(OLDER_CLOUD_NODES, _NOT_KNOWN, sends_to_one=True)
