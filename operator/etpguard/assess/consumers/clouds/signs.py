"""The signs by which the load balancers of each provider are recognised, in the order of precedence."""

from __future__ import annotations

from typing import NamedTuple

from etpguard.assess.consumers.ingresses import AKO
from etpguard.assess.consumers.load_balancers import OUTSCALE_DOMAIN

_BETA = "service.beta.kubernetes.io/"


class Signs(NamedTuple):
    """The signs of one provider. Its rules are in the class `family` of the module `module` of this package."""

    module: str
    family: str
    schemes: tuple[str, ...] = ()
    """Schemes of the providerIDs of its nodes. Empty if other providers use the same scheme, or if none is
    needed."""
    marks: tuple[str, ...] = ()
    """Prefixes of annotations that only this provider reads or writes."""
    classes: tuple[str, ...] = ()
    """Values of loadBalancerClass."""
    ingress_controllers: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    """Domains of the host names that it gives to its load balancers."""
    hosts: tuple[str, ...] = ()
    """Schemes of further nodes that it serves. Other providers use these schemes too."""


SIGNS = {
    "stackit": Signs(
        "stackit",
        "Stackit",
        ("stackit",),
        ("lb.stackit.cloud/", "yawol.stackit.cloud/"),
        hosts=("openstack",),
    ),
    "openstack": Signs(
        "openstack",
        "OpenStack",
        ("openstack",),
        ("loadbalancer.openstack.org/", f"{_BETA}openstack-internal-load-balancer", "loadbalancer.ovhcloud.com/"),
    ),
    "oci": Signs(
        "oci",
        "OracleCloud",
        ("oci",),
        (
            "oci.oraclecloud.com/",
            "oci-network-load-balancer.oraclecloud.com/",
            f"{_BETA}oci-load-balancer-",
        ),
    ),
    "ibm": Signs("ibm", "IBMCloud", ("ibm",), ("service.kubernetes.io/ibm-load-balancer-cloud-provider-",)),
    "alibaba": Signs(
        "alibaba",
        "AlibabaCloud",
        ("alicloud",),
        (f"{_BETA}alibaba-cloud-loadbalancer-", f"{_BETA}alicloud-loadbalancer-"),
        ("alibabacloud.com/nlb",),
    ),
    "tencent": Signs(
        "tencent",
        "TencentCloud",
        ("qcloud", "tencentcloud"),
        (
            "service.kubernetes.io/qcloud-loadbalancer-",
            "service.kubernetes.io/loadbalance-id",
            "service.kubernetes.io/tke-existed-lbid",
            "service.cloud.tencent.com/",
            "service.kubernetes.io/local-svc-only-bind-node-with-pod",
        ),
    ),
    "outscale": Signs("outscale", "Outscale", (), (f"{_BETA}osc-load-balancer-",), domains=(OUTSCALE_DOMAIN,)),
    "ako": Signs("ako", "Ako", classes=(AKO,), ingress_controllers=(AKO,)),
    "huawei": Signs("huawei", "HuaweiCloud", ("huaweicloud",), ("kubernetes.io/elb.",)),
    "yandex": Signs("yandex", "YandexCloud", ("yandex",), ("yandex.cpi.flant.com/",)),
    "vsphere": Signs("vsphere", "VSphere", ("vsphere",), ("loadbalancer.vmware.io/class",)),
    "hcloud": Signs("hcloud", "HetznerCloud", ("hcloud",), ("load-balancer.hetzner.cloud/",)),
    "digitalocean": Signs(
        "digitalocean",
        "DigitalOcean",
        ("digitalocean",),
        (
            f"{_BETA}do-loadbalancer-",
            "kubernetes.digitalocean.com/load-balancer-id",
            "service.kubernetes.io/do-loadbalancer-disown",
        ),
    ),
    "linode": Signs("linode", "Linode", ("linode",), (f"{_BETA}linode-loadbalancer-",)),
    "vultr": Signs("vultr", "Vultr", ("vultr",), (f"{_BETA}vultr-loadbalancer-",)),
    "scaleway": Signs("scaleway", "Scaleway", ("scaleway",), (f"{_BETA}scw-loadbalancer-",)),
    "exoscale": Signs("exoscale", "Exoscale", ("exoscale",), (f"{_BETA}exoscale-loadbalancer-",)),
    "upcloud": Signs("upcloud", "UpCloud", ("upcloud",), (f"{_BETA}upcloud-load-balancer-",)),
    "civo": Signs("civo", "Civo", ("civo",), ("kubernetes.civo.com/",)),
    "cloudscale": Signs("cloudscale", "Cloudscale", ("cloudscale",), ("k8s.cloudscale.ch/loadbalancer-",)),
}
