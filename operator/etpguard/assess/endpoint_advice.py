"""What to do where no endpoint of a Service is usable, or none of some of its ports and families."""

from __future__ import annotations

from collections.abc import Sequence

from etpguard.assess.consumers.consumer import Advice
from etpguard.assess.consumers.remedies import kubectl
from etpguard.assess.node_states import PortState
from etpguard.objects import Service


def find_endpoints(service: Service, ports: Sequence[PortState]) -> Advice:
    """Where to look, by the ports of the Service, of which at least one has no usable endpoint."""
    namespace = service.key.namespace
    label = f"kubernetes.io/service-name={service.key.name}"
    slices = kubectl("-n", namespace, "get", "endpointslices", "-o", "yaml", "-l", label)
    selector = ",".join(f"{k}={v}" for k, v in sorted((service.spec.selector or {}).items()))
    pods = kubectl("-n", namespace, "get", "pods", "-o", "wide", "-l", selector) if selector else ""
    commands = "\n".join(filter(None, (pods, slices)))
    if lacking := _lacking(ports):
        more = f" There are {len(lacking) - 3} more." if len(lacking) > 3 else ""
        return Advice(
            "Find out why some ports or families have no endpoint, although others have one",
            f"{' '.join(lacking[:3])}{more}",
            "",
            commands,
        )
    if not selector:
        return Advice(
            "Find out who writes the EndpointSlices of the Service",
            "The Service has no selector, and no endpoint is usable anywhere.",
            "",
            commands,
        )
    return Advice(
        "Find out why no pod is ready",
        "No endpoint is usable anywhere. Look at the pods, and at their readiness as Kubernetes sees it.",
        "",
        commands,
    )


def _lacking(ports: Sequence[PortState]) -> list[str]:
    """The ports and families without a usable endpoint, each with the cause to look for; empty if no port has
    one."""
    usable = {port.port for port in ports if port.usable}
    return [_usual_cause(port, port.port in usable) for port in ports if not port.usable] if usable else []


def _usual_cause(port: PortState, other_family: bool) -> str:
    cause = (
        f"no pod has an {port.family} address"
        if other_family
        else "its targetPort is no port of a ready container"
    )
    return f"Port {port.port or port.number}/{port.protocol} over {port.family}: the usual cause is that {cause}."
