"""What the oracles of all data planes share: how they read plain objects, and the words of their answers.

An oracle is a second rendering of one data plane's rule, made from its description. It imports nothing of the
package under test. It answers for one node at a time, without any care for speed. Where a data plane leaves the
order of EndpointSlices open, oracles read them by name."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

Json = dict[str, Any]
FAMILIES = ("IPv4", "IPv6")
PROXY_NAME = "service.kubernetes.io/service-proxy-name"
HEADLESS = "service.kubernetes.io/headless"
ZONE = "topology.kubernetes.io/zone"


class Answer(NamedTuple):
    """For one service port on one node."""

    forwards: bool
    """Through its node port or a load balancer's address, or, if it has neither, its external IPs."""
    usable: bool
    """Whether any endpoint anywhere may get its traffic."""


PortKey = tuple[str, str, str]
"""Port name, protocol, family."""


def labels(thing: Json) -> Json:
    return thing["metadata"].get("labels") or {}


def notes_of(thing: Json) -> Json:
    return thing["metadata"].get("annotations") or {}


def name(thing: Json) -> str:
    found: str = thing["metadata"]["name"]
    return found


def slices_of(service: Json, slices: Iterable[Json]) -> list[Json]:
    meta = service["metadata"]
    own = [
        each
        for each in slices
        if each["metadata"]["namespace"] == meta["namespace"]
        and labels(each).get("kubernetes.io/service-name") == meta["name"]
    ]
    return sorted(own, key=name)


def condition(endpoint: Json, which: str) -> bool | None:
    value: bool | None = (endpoint.get("conditions") or {}).get(which)
    return value


def ports(service: Json) -> Iterator[tuple[str, str, int]]:
    """Name, protocol and node port of each port."""
    for port in service["spec"].get("ports") or ():
        yield port.get("name") or "", port.get("protocol") or "TCP", port.get("nodePort") or 0


def sloppy(text: str) -> str:
    """Go's ParseIPSloppy: leading zeros are decimal, an IPv4-mapped address is IPv4. "" for no address."""
    if ":" not in text:
        parts = text.split(".")
        if len(parts) != 4 or not all(part.isdecimal() and int(part) < 256 for part in parts):
            return ""
        return ".".join(str(int(part)) for part in parts)
    try:
        parsed = ipaddress.IPv6Address(text)
    except ValueError:
        return ""
    return str(parsed.ipv4_mapped or parsed)


def sloppy_family(text: str) -> str:
    parsed = sloppy(text)
    return "" if not parsed else "IPv6" if ":" in parsed else "IPv4"


def kube_proxy_families(service: Json) -> list[str]:
    """GetClusterIPByFamily: the families that have a cluster IP."""
    spec = service["spec"]
    if not spec.get("ipFamilies"):
        return [family for family in FAMILIES if sloppy_family(spec.get("clusterIP") or "") == family]
    addresses = spec.get("clusterIPs") or []
    return [family for family in FAMILIES if family in spec["ipFamilies"][: len(addresses)]]


def vips(service: Json, *, any_mode: bool = False) -> list[str]:
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return [i["ip"] for i in ingress if i.get("ip") and (any_mode or i.get("ipMode") in (None, "VIP"))]


def takes_policy(service: Json) -> bool:
    kind = service["spec"]["type"]
    return kind in ("NodePort", "LoadBalancer") or (
        kind == "ClusterIP" and bool(service["spec"].get("externalIPs"))
    )


def watched(service: Json) -> bool:
    """kube-proxy's selectors, and ShouldSkipService."""
    spec = service["spec"]
    if PROXY_NAME in labels(service) or spec["type"] == "ExternalName":
        return False
    return spec.get("clusterIP") not in (None, "", "None")


def kube_proxy_ports(service: Json) -> Iterator[tuple[PortKey, set[str]]]:
    """The externally reachable ports, with what reaches them: "nodePort", "vip", "externalIP"."""
    if not watched(service) or not takes_policy(service):
        return
    for family in kube_proxy_families(service):
        for port, protocol, node_port in ports(service):
            kinds = {"nodePort"} if node_port else set()
            if any(sloppy_family(ip) == family for ip in vips(service)):
                kinds.add("vip")
            if any(sloppy_family(ip) == family for ip in service["spec"].get("externalIPs") or ()):
                kinds.add("externalIP")
            if kinds:
                yield (port, protocol, family), kinds


class Tracked(NamedTuple):
    """An endpoint as kube-proxy's trackers have it."""

    node: str | None
    ready: bool
    serving: bool
    terminating: bool
    raw: Json


def tracked(slices: Iterable[Json], key: PortKey) -> list[Tracked]:
    """kube-proxy.md 1.3: the endpoint map of one ServicePort."""
    port, protocol, family = key
    found: dict[tuple[str, int], Tracked] = {}
    for each in slices:
        if HEADLESS in labels(each) or each["addressType"] != family:
            continue
        for q in each.get("ports") or ():
            if not q.get("port"):
                continue
            if (q.get("name") or "", q.get("protocol") or "TCP") != (port, protocol):
                continue
            for endpoint in each.get("endpoints") or ():
                if not endpoint.get("addresses"):
                    continue
                made = Tracked(
                    endpoint.get("nodeName"),
                    condition(endpoint, "ready") is not False,
                    condition(endpoint, "serving") is not False,
                    condition(endpoint, "terminating") is True,
                    endpoint,
                )
                at = (sloppy(endpoint["addresses"][0]), q["port"])
                if at not in found or not made.terminating:
                    found[at] = made
    return list(found.values())
