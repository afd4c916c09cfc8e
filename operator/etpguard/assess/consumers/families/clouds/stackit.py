"""STACKIT, by cloud-provider-stackit."""

from __future__ import annotations

from etpguard.assess.consumers.families.clouds.cloud import Cloud
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.shared.load_balancers import CLOUD_NODES
from etpguard.assess.consumers.targets import PossibleNodes, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.outcome import Reason
from etpguard.objects import Service, ServicePort

_NOT_KNOWN = Reason(
    "HealthCheckNotKnown",
    "STACKIT documents that Local is not supported. The controller sets no health check, and whether the load "
    "balancer has one is not known. If a check finds the nodes without an endpoint, they get no traffic. If none "
    "does, a share of the requests is lost. Look at the load balancer in the STACKIT portal",
)


class Stackit(Cloud):
    """cloud-provider-stackit d561f8e pkg/ccm/loadbalancer_spec.go; docs/load-balancer.md:20 says that Local is not
    supported."""

    name = "stackit"
    documented = (
        DocumentedConsumer(
            consumer="STACKIT",
            found_by="`lb.stackit.cloud/` or `yawol.stackit.cloud/` annotation, providerID `stackit://`",
            nodes="cloud nodes",
            health_check="unknown",
            with_local="`Unknown` unless all nodes or none are covered; STACKIT does not support Local",
            evidence=Evidence.DOCUMENTED,
            source="cloud-provider-stackit d561f8e pkg/ccm/loadbalancer_spec.go, docs/load-balancer.md",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        return PossibleNodes(CLOUD_NODES, _NOT_KNOWN, sends_to_one=True)
