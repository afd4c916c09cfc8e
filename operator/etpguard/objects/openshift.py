"""What a rule reads of OpenShift: an annotation of Services, and the record of its API operator.openshift.io."""

from __future__ import annotations

from etpguard.objects.kinds import cluster_wide_kind
from etpguard.objects.records import BareMeta, Record, Shape

LOCAL_WITH_FALLBACK = "traffic-policy.network.alpha.openshift.io/local-with-fallback"
"""Set by the ingress operator of OpenShift on the Services of its routers. Its presence counts, and only for the
OVN-Kubernetes of OpenShift, which has a patch for it: openshift/ovn-kubernetes lb_config.go;
openshift/cluster-ingress-operator acca964 load_balancer_service.go:599-650, nodeport_service.go:149."""


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
