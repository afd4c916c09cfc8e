"""A data plane of network namespaces: nodes with a real kube-proxy each, pods, a client outside, a load balancer.

Everything happens in namespaces that a run made itself; the namespace of the caller is never changed, so
several runs may stand side by side. Needs root and these Debian packages: iproute2, iptables, nftables.

- `addresses`, `netns`, `topology`: the address plan, namespaces, and the links between them
- `servers`, `pods`: what answers inside the pods, and the pods' API objects
- `nodes`: Node objects and the kube-proxies
- `settle`: waits until what was written to the API is in the rules of every node
- `probe`, `matrix`: what a client outside got from each node, and how that compares with what was predicted
- `load_balancer`: a health checker and router with an ALB's behaviour; reads etpguard's JSON report only
- `traffic`, `sender`: requests from outside through it, a number at once or one after the other, and what was lost
- `lab`: all of it together
"""

from __future__ import annotations

import os
import shutil

DEBIAN_PACKAGES = ("iproute2", "iptables", "nftables")


def lacking() -> str | None:
    """Why no data plane can run here, in one line; None when it can."""
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    missing = [tool for tool in ("ip", "nft", "iptables", "ip6tables") if shutil.which(tool) is None]
    if missing:
        return f"needs {', '.join(missing)} (Debian packages: {', '.join(DEBIAN_PACKAGES)})"
    return None
