"""The load balancers of cloud providers that have a service controller: a family for each provider."""

from __future__ import annotations

from etpguard.assess.consumers.clouds.ako import Ako
from etpguard.assess.consumers.clouds.alibaba import AlibabaCloud
from etpguard.assess.consumers.clouds.civo import Civo
from etpguard.assess.consumers.clouds.cloudscale import Cloudscale
from etpguard.assess.consumers.clouds.digitalocean import DigitalOcean
from etpguard.assess.consumers.clouds.exoscale import Exoscale
from etpguard.assess.consumers.clouds.hcloud import HetznerCloud
from etpguard.assess.consumers.clouds.huawei import HuaweiCloud
from etpguard.assess.consumers.clouds.ibm import IBMCloud
from etpguard.assess.consumers.clouds.linode import Linode
from etpguard.assess.consumers.clouds.not_modelled import NotModelledCloud
from etpguard.assess.consumers.clouds.oci import OracleCloud
from etpguard.assess.consumers.clouds.openstack import OpenStack
from etpguard.assess.consumers.clouds.outscale import Outscale
from etpguard.assess.consumers.clouds.scaleway import Scaleway
from etpguard.assess.consumers.clouds.stackit import Stackit
from etpguard.assess.consumers.clouds.tencent import TencentCloud
from etpguard.assess.consumers.clouds.upcloud import UpCloud
from etpguard.assess.consumers.clouds.vsphere import VSphere
from etpguard.assess.consumers.clouds.vultr import Vultr
from etpguard.assess.consumers.clouds.yandex import YandexCloud
from etpguard.assess.consumers.interface import ConsumerFamily


def cloud_families() -> tuple[ConsumerFamily, ...]:
    """The last one takes the clouds whose rules are not known."""
    return (
        OpenStack(),
        OracleCloud(),
        IBMCloud(),
        AlibabaCloud(),
        TencentCloud(),
        Outscale(),
        Ako(),
        HuaweiCloud(),
        YandexCloud(),
        VSphere(),
        HetznerCloud(),
        DigitalOcean(),
        Linode(),
        Vultr(),
        Scaleway(),
        Exoscale(),
        UpCloud(),
        Civo(),
        Cloudscale(),
        Stackit(),
        NotModelledCloud(),
    )
