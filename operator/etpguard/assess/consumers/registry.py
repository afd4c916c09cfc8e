"""The families, in the order in which they may claim an object. To add a family, add its line here."""

from __future__ import annotations

from msgspec import Struct, field

from etpguard.assess.consumers.contested import Contested
from etpguard.assess.consumers.families.aws_cloud_provider import AwsCloudProvider
from etpguard.assess.consumers.families.aws_lbc import AwsLoadBalancerController, AwsOptions
from etpguard.assess.consumers.families.azure import AzureApplicationGateway, AzureLoadBalancer
from etpguard.assess.consumers.families.cilium.family import Cilium
from etpguard.assess.consumers.families.clouds import cloud_families
from etpguard.assess.consumers.families.eks_auto import EksAuto
from etpguard.assess.consumers.families.gke.ingress import GkeIngress
from etpguard.assess.consumers.families.gke.passthrough import GkeLoadBalancer
from etpguard.assess.consumers.families.in_cluster_proxies import InClusterProxies
from etpguard.assess.consumers.families.k3s_servicelb import K3sServiceLB
from etpguard.assess.consumers.families.kube_vip import KubeVip
from etpguard.assess.consumers.families.metallb import MetalLB
from etpguard.assess.consumers.families.node_dns import ExternalDns, IstioGateways
from etpguard.assess.consumers.families.on_premises import Calico, on_premises_families
from etpguard.assess.consumers.families.traefik import TraefikRoutes
from etpguard.assess.consumers.families.unknown_controller import UnknownController
from etpguard.assess.consumers.interface import ConsumerFamily


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
