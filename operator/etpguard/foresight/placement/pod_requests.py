"""What a pod requests of its node: resources and host ports. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction

from etpguard.foresight.placement.quantity import quantity
from etpguard.objects.pods import PodContainer, PodSpec


def requests(spec: PodSpec) -> dict[str, Fraction]:
    """component-helpers resource/helpers.go PodRequests: the sum of the containers and of the sidecars, at least
    what each init container needs beside the sidecars before it."""
    total: dict[str, Fraction] = defaultdict(Fraction)
    for container in spec.containers or ():
        _add(total, container)
    sidecars: dict[str, Fraction] = defaultdict(Fraction)
    peak: dict[str, Fraction] = defaultdict(Fraction)
    for container in spec.init_containers or ():
        if container.restart_policy == "Always":
            _add(total, container)
            _add(sidecars, container)
            needed: Mapping[str, Fraction] = sidecars
        else:
            single: dict[str, Fraction] = defaultdict(Fraction, sidecars)
            _add(single, container)
            needed = single
        for name, value in needed.items():
            peak[name] = max(peak[name], value)
    for name, value in peak.items():
        total[name] = max(total[name], value)
    for name, given in (spec.overhead or {}).items():
        total[name] += quantity(given) or 0
    return dict(total)


def _add(total: dict[str, Fraction], container: PodContainer) -> None:
    for name, given in ((container.resources and container.resources.requests) or {}).items():
        total[name] += quantity(given) or 0


def host_ports(spec: PodSpec) -> set[tuple[int, str]]:
    """On a host network, every container port is a host port."""
    return {
        (number, port.protocol or "TCP")
        for container in spec.containers or ()
        for port in container.ports or ()
        if (number := port.host_port or (port.container_port if spec.host_network else 0))
    }
