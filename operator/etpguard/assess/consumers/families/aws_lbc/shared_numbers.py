"""Ports of a Service with one number, as the NLB of the Service serves them: a number has one listener.

aws-load-balancer-controller v3.5.0 pkg/service/model_build_listener.go: buildListenersLegacy builds a listener for
each port, of which pkg/model/core/stack.go AddResource keeps the first of each number.
buildListenersWithTCPUDPSupport (since v2.13.0) merges a TCP and a UDP port into one listener. Either way,
LookupServicePort (pkg/k8s/service_utils.go) finds the node port of the first.
"""

from __future__ import annotations

from etpguard.assess.consumers.families.aws_lbc.annotations import NLB
from etpguard.assess.consumers.families.aws_lbc.bindings import PROTOCOLS
from etpguard.assess.consumers.families.aws_lbc.options import DEFAULT, AwsOptions
from etpguard.assess.consumers.shared.load_balancers import no_target
from etpguard.assess.consumers.targets import NodeTargets, UnknownOutcome
from etpguard.assess.go_booleans import BOOLEANS
from etpguard.assess.outcome import Reason
from etpguard.objects import Service, ServicePort

SHARED, OTHER_NODE_PORT = "PortNumberShared", "NodePortOfAnotherPort"
_ENABLE = f"{NLB}enable-tcp-udp-listener"


def as_served(
    service: Service, port: ServicePort, targets: NodeTargets, options: AwsOptions, made: str
) -> NodeTargets | UnknownOutcome:
    """The targets of a port of the Service behind an NLB. `made` is the protocol of the target group for the
    number of the port, "" if no binding shows it."""
    first = next(iter(service.ports_numbered(port.port)), port)
    if port.label == first.label:
        return targets
    listener = f"the NLB has one listener for port number {port.port}"
    if port.transport not in PROTOCOLS.get(made, ()) and not (merged := _merged(service, options, made)):
        detail = f"{listener}, which serves port {first.label or first.port} ({first.transport})"
        if merged is None:
            why = (
                f"{detail} alone, unless the controller runs with --feature-gates=EnableTCPUDPListener=true. The "
                f"annotation {_ENABLE} decides in its place"
            )
            return UnknownOutcome(Reason(SHARED, why), targets.rule, targets.check)
        return no_target(Reason(SHARED, f"{detail}, so nothing sends to this port"))
    if port.node_port != first.node_port:
        detail = (
            f"{listener}, and it sends to node port {first.node_port} of port {first.label or first.port}, not to "
            f"node port {port.node_port} of this one"
        )
        return no_target(Reason(OTHER_NODE_PORT, detail))
    return targets


def _merged(service: Service, options: AwsOptions, made: str) -> bool | None:
    """Whether one listener serves TCP and UDP (shouldUseTCPUDP): the annotation decides, and one that is no bool
    counts as absent. None where only the feature gate decides, which is not known."""
    written = service.annotations.get(_ENABLE)
    if written in BOOLEANS:
        return BOOLEANS[written]
    if made in PROTOCOLS:
        return False
    return None if options.source("tcp_udp_listeners") == DEFAULT else options.tcp_udp_listeners
