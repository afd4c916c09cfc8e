"""What the implementations of `type: LoadBalancer` have in common: the nodes that the cloud-provider contract
names, their health checks, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.shared.recognition import Recognition, addressed_by_ip
from etpguard.assess.consumers.targets import CheckSettings, HealthCheck, NodeTargets, Targets, UnknownOutcome
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EXCLUDE_LABEL, NodeRule, Readiness
from etpguard.assess.node_states import ip_families
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import HealthCheckNodePort, NoHealthCheck, NotModelled, Probe
from etpguard.objects import IPFamily, Requirement, Service, ServicePort

CLOUD_NODES = NodeRule(
    readiness=Readiness.IGNORED, exclude_label_as_bool=True, skip_deleting=True, as_of_last_sync=True
)
"""k8s.io/cloud-provider v0.37.2 controllers/service/controller.go:1001-1048 stableNodeSetPredicates: not being
deleted, the exclude label absent or parsed as false, no autoscaler taint. Readiness, cordons and roles do not
matter. Only a change of the label or of the providerID, a new Node, one that is gone and a change of the Service
make it look: shouldSyncUpdatedNode."""

OLDER_CLOUD_NODES = replace(CLOUD_NODES, exclude_label_as_bool=False, exclude_label_by_presence=True)
"""The same before v0.34.0, where controller.go nodeIncludedPredicate does not read the value of the label. The
go.mod of a controller names its version."""

SOME_NODES = NodeRule(requirements=(Requirement(EXCLUDE_LABEL, "DoesNotExist"),))
"""The nodes to which most load balancers send. Where there is none, an unknown one may have no target."""

NO_NODE = NodeRule(any_of=((Requirement("kubernetes.io/hostname", "In", ()),),))
"""No node at all."""

UNCHECKED = HealthCheck(NoHealthCheck())


def no_node_port(port: ServicePort, controller: str) -> NodeTargets:
    """For a port without a node port, of a load balancer that sends to node ports: it has no target."""
    why = f"{controller} sends to node ports, and port {port.label or port.port} has none"
    return no_target(Reason("NoNodePort", why))


def no_target(reason: Reason) -> NodeTargets:
    """For a port to which the load balancer sends nothing."""
    return NodeTargets(NO_NODE, HealthCheck(NotModelled(reason.detail)), no_target=reason)


def no_node_of(provider: str, scheme: str) -> Reason:
    """Why it is not known where the traffic goes: the controller skips the nodes of other providers, and no node
    is one of its own."""
    detail = (
        f"no Node has a providerID of {provider} ({scheme}), and its controller skips all others. If it serves "
        "the Service, all is lost. Another controller may serve it. Look at the targets of the load balancer"
    )
    return Reason("NoNodeOfProvider", detail)


def refused(code: str, cause: str) -> Reason:
    """The reason for all ports of a Service that the controller refuses as a whole."""
    effect = "The controller fails: it serves no port of the Service, or leaves the load balancer as it was"
    return Reason(code, f"{cause}. {effect}")


def refused_affinity(service: Service, rule: NodeRule) -> UnknownOutcome | None:
    """The targets where the controller refuses each sessionAffinity but None, and the Service has another one."""
    affinity = service.spec.session_affinity or "None"
    if affinity == "None":
        return None
    reason = refused("SessionAffinityNotServed", f"the Service has sessionAffinity {affinity[:63]}")
    return UnknownOutcome(reason, rule)


def served_families(service: Service) -> tuple[IPFamily, ...]:
    """The families of the load balancer's addresses; the Service's while it has none."""
    own = ip_families(service)
    if not addressed_by_ip(service):
        return own
    given = {"IPv6" if ":" in (entry.ip or "") else "IPv4" for entry in service.load_balancer_ingress}
    return tuple(family for family in own if family in given) or own


@dataclass(frozen=True, slots=True)
class Balancer:
    """The load balancer of a Service of type LoadBalancer, which is one consumer for each port."""

    service: Service
    controller: str
    source: str
    target_type: str = "instance"
    """"node" where nodes announce an address and no target is registered."""
    evidence: Evidence = Evidence.DOCUMENTED
    assumptions: tuple[str, ...] = ()
    without_address: str = ""
    keeps_address: tuple[IPFamily, ...] = ()
    """See `Consumer`."""
    _families: tuple[IPFamily, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_families", served_families(self.service))

    @classmethod
    def of(
        cls,
        service: Service,
        controller: str,
        recognition: Recognition,
        target_type: str = "instance",
        *,
        without_address: str = "",
        keeps_address: tuple[IPFamily, ...] = (),
    ) -> Balancer:
        how, evidence, assumptions = recognition
        given = (how, target_type, evidence, assumptions, without_address, keeps_address)
        return cls(service, controller, *given)

    def consumer(self, port: ServicePort, targets: Targets) -> Consumer:
        return Consumer(
            kind="Service",
            namespace=self.service.key.namespace,
            name=self.service.key.name,
            controller=self.controller,
            target_type=self.target_type,
            port=port.label,
            targets=targets,
            ip_families=self._families,
            source=self.source,
            evidence=self.evidence,
            assumptions=self.assumptions,
            keeps_address=self.keeps_address,
            without_address=self.without_address,
        )

    def consumers(self, targets: Targets) -> Iterator[Consumer]:
        """One for each port, all with the same targets."""
        for port in self.service.ports:
            yield self.consumer(port, targets)


def standard_settings(service: Service) -> CheckSettings:
    """HTTP on the healthCheckNodePort, path /healthz: k8s.io/cloud-provider v0.37.2 service/helpers/helper.go
    GetServiceHealthCheckPathPort."""
    return CheckSettings(str(service.spec.health_check_node_port or "healthCheckNodePort"), "HTTP", "/healthz")


def standard_check(service: Service) -> HealthCheck:
    return HealthCheck(HealthCheckNodePort(), standard_settings(service))


def on_health_check_node_port(protocol: str) -> Probe:
    """kube-proxy answers plain HTTP on the healthCheckNodePort of every node. A check that only connects passes on
    all of them; a check that uses TLS passes on none."""
    match protocol.upper():
        case "HTTP":
            return HealthCheckNodePort()
        case "TCP":
            return HealthCheckNodePort(any_answer=True)
        case other:
            return NotModelled(f"the check uses {other}, and the healthCheckNodePort answers plain HTTP")


def port_number(text: str) -> int | None:
    """The port that an annotation names by number; None for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    return int(text) if 0 < int(text) <= 65535 else None
