"""IBM Cloud: load balancers for VPC.

The rules come from cloud-provider-ibm 568c208 (2024), pkg/vpcctl/vpc_config.go unless another file is named.
That version makes only application load balancers. It does not show the rules of later versions, of network load
balancers for VPC, and of load balancers on classic infrastructure.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from etpguard.assess.consumers import changes
from etpguard.assess.consumers.changes import Step, with_labels
from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.clouds.cloud import Cloud
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP
from etpguard.assess.consumers.shared.load_balancers import OLDER_CLOUD_NODES, refused
from etpguard.assess.consumers.shared.recognition import addressed_by_ip
from etpguard.assess.consumers.targets import (
    CheckSettings,
    HealthCheck,
    NodeTargets,
    Targets,
    UnknownOutcome,
    not_modelled,
)
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import HealthCheckNodePort
from etpguard.objects import Requirement, Service, ServicePort

(_PREFIX,) = SIGNS["ibm"].marks
NODE_SELECTOR = f"{_PREFIX}vpc-node-selector"
ZONE = f"{_PREFIX}zone"
FEATURES = f"{_PREFIX}enable-features"

_ZONE_LABEL = "ibm-cloud.kubernetes.io/zone"
_EDGE = (Requirement("dedicated", "In", ("edge",)),)
_SELECTABLE = frozenset(
    {
        *(
            "ibm-cloud.kubernetes.io/" + key
            for key in ("internal-ip", "machine-type", "os", "region", "subnet-id")
        ),
        *("ibm-cloud.kubernetes.io/worker-" + key for key in ("id", "pool-id", "pool-name", "version")),
        *(_ZONE_LABEL, "kubernetes.io/arch", "kubernetes.io/hostname", "kubernetes.io/os"),
        *("node.kubernetes.io/instance-type", "topology.kubernetes.io/region", "topology.kubernetes.io/zone"),
    }
)
"""62-80 memberNodeLabelsAllowed."""


class IBMCloud(Cloud):
    name = "ibm"
    node_selectors = (NODE_SELECTOR, ZONE)
    reads = (NODE_SELECTOR, ZONE, FEATURES)
    client_ip = ClientIP.HIDDEN
    """An application load balancer is a proxy."""
    without_address = (
        "no node matches, a port of the Service is not TCP, the subnet or the zone of an annotation is not one of "
        "the cluster's"
    )
    documented = (
        DocumentedConsumer(
            consumer="IBM Cloud application load balancer for VPC",
            found_by=f"`{_PREFIX}` annotation, providerID `ibm://`, a host name as address",
            nodes="cloud nodes with the label of `vpc-node-selector`; without this annotation, those of `zone`, "
            "and of these only the nodes with the label `dedicated=edge` if there are any",
            health_check="HTTP `/` on healthCheckNodePort",
            with_local="`TargetsUnhealthy`; `Unknown` for a network load balancer and on classic infrastructure",
            evidence=Evidence.DOCUMENTED,
            source="cloud-provider-ibm 568c208 pkg/vpcctl/vpc_config.go, vpc_lbaas.go, vpc_sdk_gen2.go",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        """All ports have the same health check, and so the same targets."""
        return view.once("ibm", service, _targets)

    def target_nodes(
        self, service: Service, consumer: Consumer, labels: Mapping[str, str], *, keep: bool
    ) -> Step | None:
        """The annotation takes one label, whose key is in `_SELECTABLE`. It has precedence over the annotation for
        the zone."""
        if len(labels) != 1 or not labels.keys() <= _SELECTABLE:
            return None
        if keep and any(_compact(service, key) for key in (NODE_SELECTOR, ZONE)):
            return None
        return changes.annotated("Service", service.key, {NODE_SELECTOR: with_labels("", labels, keep=False)})


def _targets(service: Service) -> Targets:
    """vpc_sdk_gen2.go:272-292 genLoadBalancerHealthMonitor: HTTP, path "/", which kube-proxy answers like
    /healthz. vpc_config.go:354-362 validateService: one port that is not TCP fails the Service."""
    rule = node_rule(service)
    features = _features(service)
    if addressed_by_ip(service) or features - {"proxy-protocol", ""}:
        detail = (
            "the load balancer is not an application load balancer for VPC, which has a host name. How a network "
            "load balancer, or one on classic infrastructure, selects nodes and checks them is not known"
        )
        return not_modelled(OLDER_CLOUD_NODES, detail)
    if any(port.transport != "TCP" for port in service.ports):
        cause = (
            "the Service has a port that is not TCP, which an application load balancer for VPC does not support"
        )
        return UnknownOutcome(refused("ProtocolNotServed", cause), rule)
    settings = CheckSettings(str(service.spec.health_check_node_port or "healthCheckNodePort"), "HTTP", "/")
    return NodeTargets(rule, HealthCheck(HealthCheckNodePort(), settings), keeps_targets=_FAILS)


_FAILS = Reason(
    "NoMatchingNodes",
    "no node matches, so the controller fails with 'There are no available nodes' and leaves the members of the "
    "load balancer as they were. If those nodes forward, traffic arrives. If they do not, all is lost",
)
"""vpc_lbaas.go:531-541 UpdateLoadBalancer."""


def node_rule(service: Service) -> NodeRule:
    """vpc_lbaas.go:349-358, vpc_config.go:190-210, 292-310: the controller removes spaces. A selector that
    is not one `k=v`, or whose key is not in the list, has no effect."""
    key, equals, value = _compact(service, NODE_SELECTOR).partition("=")
    if equals and "=" not in value and key in _SELECTABLE:
        return replace(OLDER_CLOUD_NODES, requirements=(Requirement(key, "In", (value,)),))
    zone = _compact(service, ZONE)
    in_zone = (Requirement(_ZONE_LABEL, "In", (zone,)),) if zone else ()
    return replace(OLDER_CLOUD_NODES, requirements=in_zone, prefers=_EDGE)


def _features(service: Service) -> frozenset[str]:
    return frozenset(_compact(service, FEATURES).lower().split(","))


def _compact(service: Service, key: str) -> str:
    return service.annotations.get(key, "").replace(" ", "")
