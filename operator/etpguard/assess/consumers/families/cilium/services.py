"""The load balancer classes of Cilium."""

from __future__ import annotations

L2, BGP, NODE_IPAM = "io.cilium/l2-announcer", "io.cilium/bgp-control-plane", "io.cilium/node"
