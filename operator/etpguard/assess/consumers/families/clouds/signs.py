"""The signs by which the load balancers of each provider are recognised, in the order of precedence."""

from __future__ import annotations

from typing import NamedTuple

from etpguard.assess.consumers.shared.ingresses import AKO
from etpguard.assess.consumers.shared.recognition import OUTSCALE_DOMAIN, OUTSCALE_PREFIX

_BETA = "service.beta.kubernetes.io/"


class Signs(NamedTuple):
    """The signs of one provider. Its rules are in the class `family` of the module of this package that has its
    name."""

    provider: str
    """The name in messages."""
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
        "STACKIT",
        "Stackit",
        ("stackit",),
        ("lb.stackit.cloud/", "yawol.stackit.cloud/"),
        hosts=("openstack",),
    ),
    "openstack": Signs(
        "OpenStack Octavia",
        "OpenStack",
        ("openstack",),
        ("loadbalancer.openstack.org/", f"{_BETA}openstack-internal-load-balancer", "loadbalancer.ovhcloud.com/"),
    ),
    "oci": Signs(
        "Oracle Cloud Infrastructure",
        "OracleCloud",
        ("oci",),
        (
            "oci.oraclecloud.com/",
            "oci-network-load-balancer.oraclecloud.com/",
            f"{_BETA}oci-load-balancer-",
        ),
    ),
    "ibm": Signs("IBM Cloud", "IBMCloud", ("ibm",), ("service.kubernetes.io/ibm-load-balancer-cloud-provider-",)),
    "alibaba": Signs(
        "Alibaba Cloud",
        "AlibabaCloud",
        ("alicloud",),
        (f"{_BETA}alibaba-cloud-loadbalancer-", f"{_BETA}alicloud-loadbalancer-"),
        ("alibabacloud.com/nlb",),
    ),
    "tencent": Signs(
        "Tencent Cloud",
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
    "outscale": Signs("Outscale", "Outscale", (), (OUTSCALE_PREFIX,), domains=(OUTSCALE_DOMAIN,)),
    "ako": Signs("Avi Kubernetes Operator", "Ako", classes=(AKO,), ingress_controllers=(AKO,)),
    "huawei": Signs("Huawei Cloud", "HuaweiCloud", ("huaweicloud",), ("kubernetes.io/elb.",)),
    "yandex": Signs("Yandex Cloud", "YandexCloud", ("yandex",), ("yandex.cpi.flant.com/",)),
    "vsphere": Signs("vSphere", "VSphere", ("vsphere",), ("loadbalancer.vmware.io/class",)),
    "hcloud": Signs("Hetzner Cloud", "HetznerCloud", ("hcloud",), ("load-balancer.hetzner.cloud/",)),
    "digitalocean": Signs(
        "DigitalOcean",
        "DigitalOcean",
        ("digitalocean",),
        (
            f"{_BETA}do-loadbalancer-",
            "kubernetes.digitalocean.com/load-balancer-id",
            "service.kubernetes.io/do-loadbalancer-disown",
        ),
    ),
    "linode": Signs("Linode", "Linode", ("linode",), (f"{_BETA}linode-loadbalancer-",)),
    "vultr": Signs("Vultr", "Vultr", ("vultr",), (f"{_BETA}vultr-loadbalancer-",)),
    "scaleway": Signs("Scaleway", "Scaleway", ("scaleway",), (f"{_BETA}scw-loadbalancer-",)),
    "exoscale": Signs("Exoscale", "Exoscale", ("exoscale",), (f"{_BETA}exoscale-loadbalancer-",)),
    "upcloud": Signs("UpCloud", "UpCloud", ("upcloud",), (f"{_BETA}upcloud-load-balancer-",)),
    "civo": Signs("Civo", "Civo", ("civo",), ("kubernetes.civo.com/",)),
    "cloudscale": Signs("cloudscale.ch", "Cloudscale", ("cloudscale",), ("k8s.cloudscale.ch/loadbalancer-",)),
}
