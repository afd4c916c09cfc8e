"""Huawei Cloud: elastic load balancers (ELB), by the cloud controller manager for clusters that users run
themselves.

The rules come from cloud-provider-huaweicloud 037c910, pkg/cloudprovider/huaweicloud/dedicatedloadbalancer.go
unless another file is named. Cloud Container Engine (CCE) has another controller, whose source is not public.
"""

from __future__ import annotations

from msgspec.structs import replace

from etpguard.assess.consumers.families.clouds.cloud import FOLLOWS_PODS, Cloud
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.shared.load_balancers import OLDER_CLOUD_NODES, UNCHECKED
from etpguard.assess.consumers.shared.recognition import Recognition, sole_cloud
from etpguard.assess.consumers.targets import (
    CheckSettings,
    HealthCheck,
    NodeTargets,
    PodTargets,
    Targets,
    not_modelled,
)
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EVERY_NODE, Hosts
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import NotModelled, OwnNodePort
from etpguard.objects import Service, ServicePort

(_PREFIX,) = SIGNS["huawei"].marks
CHECK_FLAG, CHECK_OPTION = f"{_PREFIX}health-check-flag", f"{_PREFIX}health-check-option"

_NODES = replace(OLDER_CLOUD_NODES, hosts=Hosts.NOT_TERMINATING)
"""502-560 addOrRemoveMembers: the nodes of active pods, ready or not, under each policy."""

_MANAGED = (
    "no Node has a providerID huaweicloud://, so Cloud Container Engine may serve the Service. Its controller is "
    "not public. If it sends only to the nodes with pods, nothing is lost. If it also sends to other nodes, a "
    "share of the requests may be lost. Look at the members of the load balancer in Huawei Cloud"
)

_FAILS = Reason(
    "NoMatchingNodes",
    "no node with an active pod is admitted, so the controller fails and leaves the members of the load balancer "
    "as they were. If those nodes forward, traffic arrives. If they do not, all is lost",
)


class HuaweiCloud(Cloud):
    name = "huawei"
    reads = (CHECK_FLAG, CHECK_OPTION)
    needs_node_ports = False
    without_address = "an annotation such as elb.class, elb.id or elb.availability-zones is missing or wrong"
    documented = (
        DocumentedConsumer(
            consumer="Huawei Cloud ELB of the cloud controller manager",
            found_by=f"`{_PREFIX}` annotation with providerID `huaweicloud://`",
            nodes="nodes with an active pod, ready or not; pods where the port has no node port",
            health_check="TCP on the node port; none with `health-check-flag` other than `on`",
            with_local="`Covered`; with a pod that is not ready `TargetsUnhealthy`, or `Blackhole` without a "
            "check; `Unknown` on CCE",
            evidence=Evidence.DOCUMENTED,
            source="cloud-provider-huaweicloud 037c910 dedicatedloadbalancer.go, sharedloadbalancer.go",
        ),
    )

    def recognise(self, service: Service, view: View) -> Recognition | None:
        found = super().recognise(service, view)
        follows = found and sole_cloud(view) == self.scheme
        return found._replace(how=found.how + FOLLOWS_PODS) if found and follows else found

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        """617-657 getMemberIP: pods, if the Service has no node ports. sharedloadbalancer.go:1050-1066
        getHealthCheckOptionFromAnnotation."""
        if sole_cloud(view) != self.scheme:
            return not_modelled(EVERY_NODE, _MANAGED)
        if not port.node_port and service.uid:
            return PodTargets()
        if service.annotations.get(CHECK_FLAG, "on") not in ("", "on"):
            return NodeTargets(_NODES, UNCHECKED, keeps_targets=_FAILS)
        settings = CheckSettings(str(port.node_port or "node port"), "TCP")
        check = HealthCheck(OwnNodePort(port.label), settings)
        if CHECK_OPTION in service.annotations:
            check = HealthCheck(NotModelled(f"{CHECK_OPTION} may change the check, and etpguard does not read it"))
        elif port.transport != "TCP":
            check = HealthCheck(NotModelled(f"how {port.transport} ports are checked is not known"))
        return NodeTargets(_NODES, check, keeps_targets=_FAILS)
