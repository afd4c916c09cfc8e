"""Objects of Cilium that announce addresses."""

from __future__ import annotations

from typing import Any

from etpguard.objects import Key
from etpguard.objects.cilium import l2_lease
from tests.assess.consumers.worlds import KEY, Json

L2, BGP, NODE_IPAM = "io.cilium/l2-announcer", "io.cilium/bgp-control-plane", "io.cilium/node"
ASSIGNED = {"type": "cilium.io/IPAMRequestSatisfied", "status": "True"}


def policy(name: str = "lan", **spec: object) -> Json:
    return {
        "kind": "CiliumL2AnnouncementPolicy",
        "metadata": {"name": name},
        "spec": {"loadBalancerIPs": True, **spec},
    }


def advertisement(labels: dict[str, str] | None = None, **more: Any) -> Json:
    advertised = {
        "advertisementType": "Service",
        "service": {"addresses": ["LoadBalancerIP"]},
        "selector": {},
        **more,
    }
    return {
        "kind": "CiliumBGPAdvertisement",
        "metadata": {"name": "lb", "labels": {"advertise": "bgp"} if labels is None else labels},
        "spec": {"advertisements": [advertised]},
    }


PEER = {"name": "tor", "peerASN": 64513, "peerAddress": "192.0.2.1"}


def cluster_config(*peers: Json, name: str = "lab", **spec: Any) -> Json:
    instance = {"name": "one", "localASN": 64512, "peers": list(peers)}
    return {
        "kind": "CiliumBGPClusterConfig",
        "metadata": {"name": name},
        "spec": {"bgpInstances": [instance], **spec},
    }


def to_peer(**spec: Any) -> Json:
    """A CiliumBGPClusterConfig with one peer, which has a configuration."""
    return cluster_config({**PEER, "peerConfigRef": {"name": "pc"}}, **spec)


def family(afi: str = "ipv4", labels: dict[str, str] | None = None, **more: Any) -> Json:
    selector = {"matchLabels": labels or {"advertise": "bgp"}}
    return {"afi": afi, "safi": "unicast", "advertisements": selector, **more}


def peer_config(*families: Json, name: str = "pc") -> Json:
    return {
        "kind": "CiliumBGPPeerConfig",
        "metadata": {"name": name},
        "spec": {"families": list(families)} if families else {},
    }


V1_19, V1_20_2 = "v1.19.4", "v1.20.2"


def lease(holder: str | None, *, of: Key = KEY, namespace: str = "kube-system") -> Json:
    return {
        "kind": "Lease",
        "metadata": {"name": l2_lease(of), "namespace": namespace},
        "spec": {"holderIdentity": holder, "renewTime": "2026-01-01T00:00:00.000000Z", "leaseTransitions": 3},
    }
