"""The record of OpenShift's own API that a rule reads, group operator.openshift.io."""

from __future__ import annotations

from etpguard.objects.kinds import cluster_wide_kind
from etpguard.objects.records import BareMeta, Record, Shape


class DefaultNetwork(Shape, frozen=True):
    type: str | None = None


class NetworkSpec(Shape, frozen=True):
    default_network: DefaultNetwork | None = None
    deploy_kube_proxy: bool | None = None


class OpenShiftNetwork(Record, frozen=True):
    """The configuration of the OpenShift network operator."""

    metadata: BareMeta
    spec: NetworkSpec | None = None

    @property
    def type(self) -> str:
        return (self.spec and self.spec.default_network and self.spec.default_network.type) or ""

    @property
    def deploy_kube_proxy(self) -> bool | None:
        return self.spec.deploy_kube_proxy if self.spec else None

    @property
    def substance(self) -> object:
        return self.spec


OPENSHIFT_NETWORK = cluster_wide_kind("Network", "networks", "operator.openshift.io", "v1", OpenShiftNetwork)
