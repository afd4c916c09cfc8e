"""The Application Gateway Ingress Controller."""

from __future__ import annotations

from collections.abc import Iterable

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.shared.ingresses import backends
from etpguard.assess.consumers.targets import PodTargets, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.objects import Service

POD_CONTROLLERS = {
    "azure/application-gateway": "pkg/appgw/backendaddresspools.go:99-181: pools hold pod addresses",
    "alb.networking.azure.io/alb-controller": "Application Gateway for Containers sends to pod addresses",
}


class AzureApplicationGateway(BaseFamily):
    name = "azure-application-gateway"
    documented = (
        DocumentedConsumer(
            consumer="Azure Application Gateway",
            found_by="Ingress of `azure/application-gateway` or `alb.networking.azure.io/alb-controller`",
            nodes="pods",
            health_check="does not matter",
            with_local="`NotAffected`",
            evidence=Evidence.DOCUMENTED,
            source="application-gateway-kubernetes-ingress pkg/appgw/backendaddresspools.go",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        for backend in backends(service, view, lambda _, by: by.controller in POD_CONTROLLERS):
            source = backend.handler.how or POD_CONTROLLERS[backend.handler.controller]
            targets: Targets = UnknownOutcome(backend.missing) if backend.missing else PodTargets()
            yield backend.consumer(targets, target_type="ip", source=source)
