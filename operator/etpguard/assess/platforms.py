"""The clouds and distributions of the nodes, updated node by node.

Often only the nodes show which load balancer serves a Service: the cloud's own controller takes
every `type: LoadBalancer` without a class (k8s.io/cloud-provider v0.37.2 controllers/service/controller.go:862).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from etpguard.assess.node_rule import CONTROL_PLANE_TAINTS, VIRTUAL_NODE_LABEL, barring
from etpguard.objects import Node

GKE = "gke"
EKS_AUTO = "eks-auto"
CILIUM = "cilium"
"""Cilium runs the network of some node. No Node shows whether it replaces kube-proxy."""
SERVICELB_LABELLED = {"k3s": "k3s-servicelb-nodes", "rke2": "rke2-servicelb-nodes"}
"""A node has the label that makes ServiceLB of that distribution run only on labelled nodes."""

TAINTED = "tainted"
"""Some node has a taint, other than that of a control plane, that keeps the pods of a DaemonSet off it unless they
tolerate it."""

HETZNER_ROBOT = "hetzner-robot"
"""Some node is a dedicated server of Hetzner."""

OKE_VIRTUAL = "oke-virtual-nodes"
"""Some node is a virtual node of Oracle's OKE."""

BESIDE_SCHEMES = frozenset(
    {GKE, EKS_AUTO, CILIUM, *SERVICELB_LABELLED.values(), TAINTED, HETZNER_ROBOT, OKE_VIRTUAL}
)
"""The platforms that are no schemes of providerIDs."""

EXOSCALE_POOL = "exoscale-pool/"
"""With the id of a node pool of Exoscale: some node is in it. Without an id: some node of Exoscale has no label
that names its node pool."""

EXOSCALE_POOL_LABEL = "node.exoscale.net/nodepool-id"
"""Of the nodes of Exoscale SKS. A node pool has one instance pool, with another id."""

SERVICELB_LABELS = {
    "k3s": "svccontroller.k3s.cattle.io/enablelb",
    "rke2": "svccontroller.rke2.cattle.io/enablelb",
}
SERVICELB_POOLS = {
    "k3s": "svccontroller.k3s.cattle.io/lbpool",
    "rke2": "svccontroller.rke2.cattle.io/lbpool",
}
"""The labels of the distributions with ServiceLB, by the scheme of their providerIDs: k3s 0821db5
pkg/cloudprovider/servicelb.go, with pkg/version Program."""


class Platforms:
    """The platforms of all nodes: schemes of providerIDs ("aws", "gce", "azure", "k3s", …), and the marks
    above. They hardly ever change."""

    def __init__(self) -> None:
        self._of_node: dict[str, frozenset[str]] = {}
        self._count: Counter[str] = Counter()
        self.present: frozenset[str] = frozenset()

    def reset(self, nodes: Iterable[Node]) -> None:
        self._of_node = {node.metadata.name: platforms_of(node) for node in nodes}
        self._count.clear()
        for platforms, number in Counter(self._of_node.values()).items():
            self._count.update(dict.fromkeys(platforms, number))
        self.present = frozenset(self._count)

    def update(self, name: str, node: Node | None) -> bool:
        """A node appeared, changed, or (None) went away. True if the set of platforms changed."""
        before = self._of_node.pop(name, frozenset())
        after = platforms_of(node) if node else frozenset[str]()
        if node:
            self._of_node[name] = after
        if before == after:
            return False
        for platform in before - after:
            self._count[platform] -= 1
        for platform in after - before:
            self._count[platform] += 1
        present = frozenset(platform for platform, count in self._count.items() if count > 0)
        changed, self.present = present != self.present, present
        return changed


_SAME = {"hrobot": "hcloud", "alibabacloud": "alicloud"}
"""Schemes of one cloud that has several."""
_ALIBABA = re.compile(r"[a-z]+(?:-[a-z0-9]+)+\.i-[a-z0-9]+")


def _scheme(provider_id: str) -> str:
    """The cloud of a providerID, "" if it names none. Two clouds write no scheme: "ocid1.instance…" of OCI, and
    "REGION.i-…" of Alibaba Cloud."""
    scheme, separator, _ = provider_id.partition("://")
    if separator:
        return _SAME.get(scheme, scheme)
    if provider_id.startswith("ocid1."):
        return "oci"
    return "alicloud" if _ALIBABA.fullmatch(provider_id) else ""


def platforms_of(node: Node) -> frozenset[str]:
    """The platforms of one node; empty for one without a providerID or another known mark."""
    scheme = _scheme(node.provider_id)
    found = {scheme} if scheme else set()
    # hcloud-cloud-controller-manager 6485324 internal/providerid/providerid.go; the second form is an older one.
    if node.provider_id.startswith(("hrobot://", "hcloud://bm-")):
        found.add(HETZNER_ROBOT)
    # By Cilium's operator, unless its option set-cilium-is-up-condition is false.
    if node.network == "CiliumIsUp":
        found.add(CILIUM)
    labels = node.labels
    if "cloud.google.com/gke-nodepool" in labels:
        found.add(GKE)
    if labels.get("eks.amazonaws.com/compute-type") == "auto":
        found.add(EKS_AUTO)
    if any(taint.key not in CONTROL_PLANE_TAINTS for taint in barring(node)):
        found.add(TAINTED)
    if scheme == "exoscale":
        found.add(f"{EXOSCALE_POOL}{labels.get(EXOSCALE_POOL_LABEL, '')}")
    if VIRTUAL_NODE_LABEL in labels:
        found.add(OKE_VIRTUAL)
    for program, label in SERVICELB_LABELS.items():
        if label in labels:
            found.add(SERVICELB_LABELLED[program])
    return frozenset(found)
