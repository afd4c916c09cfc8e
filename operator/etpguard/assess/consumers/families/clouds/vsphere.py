"""vSphere: NSX-T load balancers of the vSphere cloud provider.

The rules come from cloud-provider-vsphere 60f6c5d, pkg/cloudprovider/vsphere/loadbalancer.
"""

from __future__ import annotations

from etpguard.assess.consumers.families.clouds.cloud import Cloud
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP
from etpguard.assess.consumers.shared.load_balancers import CLOUD_NODES, UNCHECKED
from etpguard.assess.consumers.targets import CheckSettings, HealthCheck, NodeTargets, Targets, not_modelled
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.probe import OwnNodePort
from etpguard.objects import Service, ServicePort

CLASS = "loadbalancer.vmware.io/class"

_WHICH = (
    "the nodes run on vSphere, and no API object shows which load balancer serves the Service. NSX-T checks the "
    "node port of TCP ports, and takes the nodes without an endpoint out of use. Avi may send to pods. How the "
    "Supervisor sends to nodes and checks them is not known, and a share of the requests may be lost. Find out "
    "which load balancer has the address of the Service"
)


class VSphere(Cloud):
    name = "vsphere"
    client_ip = ClientIP.HIDDEN
    """access.go:276-287: SNAT by default (automap), also under Local. Only snatDisabled in the cloud config
    disables it."""
    without_address = "the IP pool of the class is exhausted, or the class is not in the cloud config"
    documented = (
        DocumentedConsumer(
            consumer="NSX-T load balancer of the vSphere cloud provider",
            found_by=f"`{CLASS}` annotation; providerID `vsphere://` alone shows no load balancer",
            nodes="cloud nodes",
            health_check="TCP on the node port; none for UDP",
            with_local="`TargetsUnhealthy`; `Blackhole` for UDP; `Unknown` by providerID alone",
            evidence=Evidence.DOCUMENTED,
            source="cloud-provider-vsphere 60f6c5d pkg/cloudprovider/vsphere/loadbalancer/state.go, access.go",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        """state.go:244-258 getTCPMonitor: a monitor for each TCP port, on its node port; none for others."""
        if CLASS not in service.annotations:
            return not_modelled(EVERY_NODE, _WHICH)
        if port.transport != "TCP":
            return NodeTargets(CLOUD_NODES, UNCHECKED)
        settings = CheckSettings(str(port.node_port or "node port"), "TCP")
        return NodeTargets(CLOUD_NODES, HealthCheck(OwnNodePort(port.label), settings))
