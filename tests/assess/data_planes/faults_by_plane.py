"""One fault each in a line of a rule, which the comparison with the oracles must catch."""

from __future__ import annotations

FAULTS: dict[str, list[tuple[str, str, str]]] = {
    "cilium": [
        (
            "data_planes.cilium.backends",
            "local = named if name else EVERYWHERE",
            "local = named",
        ),
        (
            "data_planes.cilium.backends",
            "if ending and conditions.serving is not False",
            "if ending and conditions.serving",
        ),
        (
            "data_planes.cilium.backends",
            " + nameless",
            "",
        ),
        (
            "data_planes.cilium.backends",
            "        if name:\n",
            "        if True:\n",
        ),
        (
            "data_planes.cilium.backends",
            'return weight is not None and bool(weight) and not weight.strip("0")',
            'return weight == "0"',
        ),
        (
            "data_planes.cilium.backends",
            "if maintenance:",
            "if False:",
        ),
        (
            "data_planes.cilium.backends",
            'return (endpoint.deprecated_topology or {}).get(HOSTNAME_LABEL, "")',
            'return ""',
        ),
        (
            "data_planes.cilium.backends",
            "for address in endpoint.addresses or ():",
            "for address in (endpoint.addresses or ())[:1]:",
        ),
        (
            "data_planes.cilium.backends",
            "by_address[parsed] = (index, endpoint)",
            "by_address.setdefault(parsed, (index, endpoint))",
        ),
        (
            "data_planes.cilium.backends",
            'frozenset(each - {""})',
            "frozenset(each)",
        ),
        (
            "data_planes.cilium.frontends",
            "return frozenset(spec.ip_families)",
            "return frozenset(spec.ip_families[:1])",
        ),
        (
            "data_planes.cilium.frontends",
            "for ip in spec.cluster_ips or (spec.cluster_ip,)",
            "for ip in (spec.cluster_ip,)",
        ),
        (
            "data_planes.cilium.frontends",
            "if HEADLESS in service.labels or",
            "if",
        ),
        (
            "data_planes.cilium.frontends",
            "served.add(Frontend.EXTERNAL_IP)",
            "pass",
        ),
        (
            "data_planes.cilium.frontends",
            "return -1 if selector is None else",
            "return 0 if selector is None else",
        ),
        (
            "data_planes.cilium.frontends",
            'if value is None else nodes.having((Requirement(NODE, "In", (value,)),))',
            "",
        ),
        (
            "data_planes.cilium.frontends",
            'Frontend.NODE_PORT: only in (None, "NodePort")',
            "Frontend.NODE_PORT: True",
        ),
        (
            "data_planes.cilium.rule",
            "and not is_of_mesh(slice_)",
            "",
        ),
        (
            "data_planes.cilium.rule",
            "if HEADLESS in labels and not self._reads_headless:",
            "if False:",
        ),
        (
            "data_planes.cilium.rule",
            "Sets(active=-1, any_active=True) if of_envoy else found.sets",
            "found.sets",
        ),
    ],
    "cilium with Gateway API": [
        (
            "data_planes.cilium.rule",
            "if HEADLESS in labels and not self._reads_headless:",
            "if HEADLESS in labels:",
        ),
    ],
    "cilium 1.15": [
        (
            "data_planes.cilium.old_backends",
            "return bool(endpoint.conditions and endpoint.conditions.serving)",
            "return bool(endpoint.conditions and endpoint.conditions.serving is not False)",
        ),
        (
            "data_planes.cilium.old_backends",
            "local = named if name else EVERYWHERE",
            "local = named",
        ),
        (
            "data_planes.cilium.old_backends",
            "if ending and not is_ready(endpoint):",
            "if not is_ready(endpoint):",
        ),
        (
            "data_planes.cilium.old_backends",
            "if name in names and own == family",
            "if (name in names or not names) and own == family",
        ),
        (
            "data_planes.cilium.old_backends",
            "if name in names and own == family",
            "if own == family",
        ),
        (
            "data_planes.cilium.rule",
            "< _NEW_PLANE",
            "< (1, 15, 0)",
        ),
    ],
    "cilium 1.17": [
        (
            "data_planes.cilium.old_backends",
            "SliceFilter((1, 16, 5), of_mesh=False, headless=True)",
            "SliceFilter((1, 16, 5), of_mesh=True, headless=True)",
        ),
    ],
    "cilium 1.15 without terminating endpoints": [
        (
            "data_planes.cilium.old_backends",
            "and not (terminating and _is_serving(endpoint))",
            "and not _is_serving(endpoint)",
        ),
    ],
    "calico 3.32": [
        (
            "data_planes.calico_ebpf",
            "if by_zone_alone and not (hints and hints.for_zones):",
            "if False:",
        ),
        (
            "data_planes.calico_ebpf",
            "if not is_ready(endpoint) and not is_terminating(endpoint):",
            "if not is_ready(endpoint):",
        ),
        (
            "data_planes.calico_ebpf",
            "    if not by_zone_alone:\n        for node_name",
            "    if True:\n        for node_name",
        ),
        (
            "data_planes.calico_ebpf",
            "if not kinds - through.keys():",
            "if False:",
        ),
        (
            "data_planes.calico_ebpf",
            "if PROXY_NAME not in slice_.labels]",
            "]",
        ),
        (
            "data_planes.calico_ebpf",
            "if HEADLESS not in service.labels else ()",
            "",
        ),
        (
            "data_planes.calico_ebpf",
            "if everywhere and Frontend.VIP in kinds:",
            "if False:",
        ),
        (
            "data_planes.calico_ebpf",
            "anywhere = -1 if plain.any_ready else 0",
            "anywhere = -1 if plain.usable else 0",
        ),
    ],
    "calico 3.30": [
        (
            "data_planes.calico_ebpf",
            "self._release >= _HINTS_SINCE",
            "True",
        ),
        (
            "data_planes.calico_ebpf",
            "self._release >= _MAGLEV_SINCE",
            "True",
        ),
    ],
    "ovn-kubernetes": [
        (
            "data_planes.ovn_kubernetes",
            "return is_terminating(endpoint) and (is_ready(endpoint) if serving is None else serving)",
            "return is_terminating(endpoint) and (True if serving is None else serving)",
        ),
        (
            "data_planes.ovn_kubernetes",
            "if self._publish_not_ready or is_ready(endpoint):",
            "if is_ready(endpoint):",
        ),
        (
            "data_planes.ovn_kubernetes",
            "[slice_ for slice_ in inputs.slices if HEADLESS not in slice_.labels]",
            "list(inputs.slices)",
        ),
        (
            "data_planes.ovn_kubernetes",
            "for entry in service.load_balancer_ingress if entry.ip]",
            "for entry in service.load_balancer_ingress if entry.ip and not entry.ip_mode]",
        ),
        (
            "data_planes.ovn_kubernetes",
            "elif _is_fallback(endpoint):",
            "elif False:",
        ),
        (
            "data_planes.ovn_kubernetes",
            'lambda q: (q.name or "", q.protocol or "TCP")',
            'lambda q: (q.name or "", "TCP")',
        ),
    ],
    "ovn-kubernetes of OpenShift": [
        (
            "data_planes.ovn_kubernetes",
            "ready |= elsewhere",
            "pass",
        ),
        (
            "data_planes.ovn_kubernetes",
            "in service.annotations and sets.usable:",
            "in service.annotations:",
        ),
    ],
    "antrea": [
        (
            "data_planes.antrea",
            "local[address, port, endpoint.node_name] = endpoint",
            "local.setdefault((address, port, endpoint.node_name), endpoint)",
        ),
        (
            "data_planes.antrea",
            "for endpoint in (*first.values(), *local.values()):",
            "for endpoint in local.values():",
        ),
        (
            "data_planes.antrea",
            "elif is_terminating(endpoint) and is_serving(endpoint):",
            "elif is_terminating(endpoint):",
        ),
        (
            "data_planes.antrea",
            "ready[key[0]] |= found.ready",
            "pass",
        ),
        (
            "data_planes.antrea",
            "first.setdefault((address, port), endpoint)",
            "first[address, port] = endpoint",
        ),
    ],
    "kube-router": [
        (
            "data_planes.kube_router",
            "is_ready = conditions is not None and conditions.ready is True",
            "is_ready = conditions is None or conditions.ready is not False",
        ),
        (
            "data_planes.kube_router",
            "and conditions.serving is True):\n                continue",
            "and conditions.serving is not False):\n                continue",
        ),
        (
            "data_planes.kube_router",
            'lambda q: q.name or ""',
            'lambda q: q.name or "" if q.protocol != "UDP" else "-"',
        ),
        (
            "data_planes.kube_router",
            "health_not_known=some & ~all_ports",
            "health_not_known=0",
        ),
        (
            "data_planes.kube_router",
            "if not (conditions and conditions.terminating):",
            "if True:",
        ),
        (
            "data_planes.kube_router",
            "                ready = kept = 0",
            "                pass",
        ),
    ],
    "winkernel": [
        (
            "data_planes.winkernel",
            "own.of_node,\n                0,",
            "own.of_node,\n                found.terminating,",
        ),
        (
            "data_planes.winkernel",
            "key = (family, port.label, port.transport)",
            'key = (family, port.label, "TCP")',
        ),
        (
            "data_planes.winkernel",
            "is_ready(endpoint) and is_serving(endpoint)",
            "is_ready(endpoint)",
        ),
        (
            "data_planes.winkernel",
            "                found.usable,",
            "                found.any_ready,",
        ),
    ],
}
"""For each data plane: the module below `etpguard.assess`, what it says, and the fault."""
