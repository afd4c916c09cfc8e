"""The record of a Pod of k3s ServiceLB: k3s 0821db5 pkg/cloudprovider/servicelb.go newDaemonSet."""

from __future__ import annotations

from collections.abc import Iterable

from etpguard.objects.kinds import NODE, Kind, Subset
from etpguard.objects.nodes import Node
from etpguard.objects.records import Condition, Key, LabelledRecord, Shape

SERVICE_NAME = "svccontroller.k3s.cattle.io/svcname"
SERVICE_NAMESPACE = "svccontroller.k3s.cattle.io/svcnamespace"


class SvclbPodSpec(Shape, frozen=True):
    node_name: str | None = None


class SvclbPodStatus(Shape, frozen=True):
    conditions: list[Condition] | None = None


class SvclbPod(LabelledRecord, frozen=True):
    """A Pod of the DaemonSet that k3s makes for one Service. It has the ports of the Service as host ports."""

    spec: SvclbPodSpec | None = None
    status: SvclbPodStatus | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.service, self.deleting, self.node, self.ready)

    @property
    def service(self) -> Key:
        return Key(self.labels.get(SERVICE_NAMESPACE, ""), self.labels.get(SERVICE_NAME, ""))

    @property
    def node(self) -> str:
        """ "" while it is Pending because no node has its host ports free, for example."""
        return (self.spec and self.spec.node_name) or ""

    @property
    def ready(self) -> bool:
        conditions = (self.status and self.status.conditions) or ()
        return any(each.type == "Ready" and each.status == "True" for each in conditions)


def _service(pod: SvclbPod) -> Iterable[Key]:
    return (pod.service,)


def _of_k3s(node: Node) -> bool:
    return node.provider_id.startswith("k3s://")


SVCLB_POD = Kind(
    "Pod",
    "pods",
    "",
    "v1",
    SvclbPod,
    refers=_service,
    refines=True,
    subset=Subset(
        namespace="kube-system",
        interval=30.0,
        needed_by=NODE,
        needs=_of_k3s,
        label=SERVICE_NAME,
        needs_permission=False,
    ),
)
"""In the namespace of k3s' `--servicelb-namespace`, by default. Those of RKE2 are not read: their labels have the
name of that program."""
