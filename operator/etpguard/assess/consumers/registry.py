"""The families, in the order in which they may claim an object. To add a family, add its line here."""

from __future__ import annotations

from msgspec import Struct, field

from etpguard.assess.consumers.aws_cloud_provider import AwsCloudProvider
from etpguard.assess.consumers.aws_lbc import AwsLoadBalancerController, AwsOptions
from etpguard.assess.consumers.azure import AzureApplicationGateway, AzureLoadBalancer
from etpguard.assess.consumers.cilium.family import Cilium
from etpguard.assess.consumers.clouds import cloud_families
from etpguard.assess.consumers.contested import Contested
from etpguard.assess.consumers.eks_auto import EksAuto
from etpguard.assess.consumers.gke.ingress import GkeIngress
from etpguard.assess.consumers.gke.passthrough import GkeLoadBalancer
from etpguard.assess.consumers.in_cluster_proxies import InClusterProxies
from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.assess.consumers.k3s_servicelb import K3sServiceLB
from etpguard.assess.consumers.kube_vip import KubeVip
from etpguard.assess.consumers.metallb import MetalLB
from etpguard.assess.consumers.node_dns import ExternalDns, IstioGateways
from etpguard.assess.consumers.on_premises import Calico, on_premises_families
from etpguard.assess.consumers.traefik import TraefikRoutes
from etpguard.assess.consumers.unknown_controller import UnknownController


class ConsumerOptions(Struct, frozen=True):
    """Options of the controllers that no API object shows, a field for each family that has some."""

    aws: AwsOptions = field(default_factory=AwsOptions)


def consumer_families(options: ConsumerOptions | None = None) -> tuple[ConsumerFamily, ...]:
    """Families that recognise a mark on the object come before those that recognise the nodes. The last family
    takes the objects that no other one claims."""
    options = options or ConsumerOptions()
    return (
        Calico(),
        Contested(),
        MetalLB(),
        KubeVip(),
        Cilium(),
        *on_premises_families(),
        EksAuto(),
        AwsLoadBalancerController(options.aws),
        GkeIngress(),
        AzureApplicationGateway(),
        InClusterProxies(),
        TraefikRoutes(),
        IstioGateways(),
        ExternalDns(),
        *cloud_families(),
        GkeLoadBalancer(),
        AzureLoadBalancer(),
        AwsCloudProvider(),
        K3sServiceLB(),
        UnknownController(),
    )
