"""Signs of data planes in named objects."""

from __future__ import annotations

from tests.assess.data_planes.clusters import (
    Json,
    config_map,
    daemon_set,
)

AKS: Json = {"kubernetes.azure.com/cluster": "MC_x"}
AKS_CILIUM: Json = AKS | {"kubernetes.azure.com/ebpf-dataplane": "cilium"}
MIGRATED: Json = {"io.cilium.migration/kube-proxy-replacement": "true"}
KPR = config_map("cilium-config", **{"kube-proxy-replacement": "true"})
NO_KPR = config_map("cilium-config", **{"kube-proxy-replacement": "false"})
CILIUM = daemon_set("cilium", "quay.io/cilium/cilium:v1.20.2@sha256:00")
KUBE_PROXY = daemon_set("kube-proxy", "registry.k8s.io/kube-proxy:v1.34.1")
CALICO = daemon_set("calico-node", "quay.io/calico/node:v3.31.0", "calico-system")
FELIX = ("FelixConfiguration", "crd.projectcalico.org/v1", "default")
