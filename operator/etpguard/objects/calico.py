"""The records of Calico's own API that a rule reads, and the one of its operator, operator.tigera.io."""

from __future__ import annotations

import msgspec

from etpguard.objects.kinds import Kind, Reach, cluster_wide_kind
from etpguard.objects.records import BareMeta, LabelledRecord, Record, Shape


class ServiceBlock(Shape, frozen=True):
    cidr: str = ""


class BGPConfigurationSpec(Shape, frozen=True):
    service_load_balancer_ips: list[ServiceBlock] | None = msgspec.field(
        name="serviceLoadBalancerIPs", default=None
    )
    service_load_balancer_aggregation: str | None = None
    """"Enabled", the default, or "Disabled", since Calico 3.32: then no node advertises a block of load
    balancers."""
    service_external_ips: list[ServiceBlock] | None = msgspec.field(name="serviceExternalIPs", default=None)


class BGPConfiguration(LabelledRecord, frozen=True):
    """The object "default" is for the cluster, each other one for one node. Calico 3.32 may keep its objects as
    projectcalico.org/v3 alone. Before that, its API server shows those of crd.projectcalico.org as v3 too."""

    spec: BGPConfigurationSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)


BGP_CONFIGURATION = Kind(
    "BGPConfiguration",
    "bgpconfigurations",
    "crd.projectcalico.org",
    "v1",
    BGPConfiguration,
    equal_versions=("projectcalico.org/v3",),
    namespaced=False,
    reach=Reach.EVERYTHING,
    refines=True,
)


class CalicoNetwork(Shape, frozen=True):
    linux_dataplane: str | None = None


class InstallationSpec(Shape, frozen=True):
    variant: str | None = None
    calico_network: CalicoNetwork | None = None


class Installation(Record, frozen=True):
    """The installation that the Tigera operator makes. `linuxDataplane` is Iptables, BPF, VPP or Nftables."""

    metadata: BareMeta
    spec: InstallationSpec | None = None

    @property
    def enterprise(self) -> bool:
        """Whether it installs Calico Enterprise: `variant` is TigeraSecureEnterprise or CalicoEnterprise."""
        return (self.spec and self.spec.variant) not in (None, "", "Calico")

    @property
    def linux_dataplane(self) -> str:
        return (self.spec and self.spec.calico_network and self.spec.calico_network.linux_dataplane) or ""

    @property
    def substance(self) -> object:
        return self.spec


class FelixConfigurationSpec(Shape, frozen=True):
    bpf_enabled: bool | None = None
    bpf_kube_proxy_healthz_port: int | None = None
    local_subnet_l2_reachability: str | None = None


class FelixConfiguration(Record, frozen=True):
    metadata: BareMeta
    spec: FelixConfigurationSpec | None = None

    @property
    def bpf_enabled(self) -> bool | None:
        return self.spec.bpf_enabled if self.spec else None

    @property
    def answers_arp(self) -> bool:
        """Whether Felix answers ARP requests for the addresses of load balancers: PodsAndLoadBalancers."""
        return "LoadBalancers" in ((self.spec and self.spec.local_subnet_l2_reachability) or "")

    @property
    def healthz_port(self) -> int | None:
        """The port on which Felix answers health checks in place of kube-proxy; 0 if it does not."""
        return self.spec.bpf_kube_proxy_healthz_port if self.spec else None

    @property
    def node(self) -> str:
        """The node that the object configures; "" for all nodes."""
        name = self.metadata.name
        return name.removeprefix(NODE_PREFIX) if name.startswith(NODE_PREFIX) else ""

    @property
    def of_single_nodes(self) -> bool:
        """Whether it sets a field that a rule reads, for a single node."""
        return bool(self.node) and self.bpf_enabled is not None

    @property
    def substance(self) -> object:
        return self.spec


NODE_PREFIX = "node."
"""The FelixConfiguration `node.NAME` is for that node alone. It overrides `default`."""
INSTALLATION = cluster_wide_kind("Installation", "installations", "operator.tigera.io", "v1", Installation)

FELIX_CONFIGURATION = cluster_wide_kind(
    "FelixConfiguration", "felixconfigurations", "crd.projectcalico.org", "v1", FelixConfiguration
)

FELIX_CONFIGURATION_V3 = cluster_wide_kind(
    "FelixConfiguration", "felixconfigurations", "projectcalico.org", "v3", FelixConfiguration
)
