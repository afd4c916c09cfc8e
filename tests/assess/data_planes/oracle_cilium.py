"""Cilium's kube-proxy replacement once more, from its source: cilium v1.20.2, v1.15.19 and v1.17.0."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.assess.data_planes.oracle_words import (
    FAMILIES,
    HEADLESS,
    PROXY_NAME,
    Answer,
    Json,
    PortKey,
    condition,
    kube_proxy_ports,
    labels,
    name,
    notes_of,
    ports,
    slices_of,
    takes_policy,
    vips,
)

ACTIVE, TERMINATING, NEVER = "ACTIVE", "TERMINATING", "never"


@functools.cache
def go_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def go_family(text: str) -> str:
    parsed = go_address(text)
    return "" if not parsed else "IPv6" if ":" in parsed else "IPv4"


@dataclass
class Frontend:
    port: str
    protocol: str
    family: str
    kinds: set[str] = field(default_factory=set)


@dataclass
class Backend:
    node: str
    state: str
    names: set[str]


@dataclass
class Cilium:
    """One cluster. `envoy` says whether Ingress or Gateway API support is on."""

    nodes: list[Json]
    slices: list[Json]
    envoy: bool = False
    proxy_name: str = ""

    def answers(self, service: Json, node: str) -> dict[PortKey, Answer]:
        frontends = self._frontends(service)
        backends = self._backends(service)
        envoy = of_envoy(service, self.slices)
        installed = self._installed(service, next(each for each in self.nodes if name(each) == node))
        found = {}
        for fe in frontends:
            matching = [
                be
                for (protocol, address, _), be in backends.items()
                if protocol == fe.protocol
                and go_family(address) == fe.family
                and (fe.port == "" or not be.names or fe.port in be.names)
            ]
            usable = envoy or any(be.state != NEVER for be in matching)
            local = [be for be in matching if be.node in ("", node)]
            count = sum(be.state == ACTIVE for be in local) or sum(be.state == TERMINATING for be in local)
            found[fe.port, fe.protocol, fe.family] = Answer(installed and (envoy or count > 0), usable)
        return found

    def healthy(self, service: Json, node: str) -> bool:
        if not self._installed(service, next(each for each in self.nodes if name(each) == node)):
            return False
        if of_envoy(service, self.slices):
            return True
        return any(be.state == ACTIVE and be.node in ("", node) for be in self._backends(service).values())

    def _selected(self, thing: Json) -> bool:
        if self.proxy_name:
            return bool(labels(thing).get(PROXY_NAME) == self.proxy_name)
        return PROXY_NAME not in labels(thing)

    def _frontends(self, service: Json) -> list[Frontend]:
        spec = service["spec"]
        if not self._selected(service) or HEADLESS in labels(service) or not takes_policy(service):
            return []
        if (spec.get("clusterIP") or "").lower() == "none":
            return []
        only = notes_of(service).get("service.cilium.io/type")
        if only not in ("ClusterIP", "NodePort", "LoadBalancer"):
            only = None
        families = spec.get("ipFamilies")
        if not families:
            addresses = spec.get("clusterIPs") or [spec["clusterIP"]] if spec.get("clusterIP") else []
            families = [go_family(address) for address in addresses]
        found: dict[PortKey, Frontend] = {}

        def add(port: str, protocol: str, family: str, kind: str) -> None:
            if family in FAMILIES:
                made = found.setdefault((port, protocol, family), Frontend(port, protocol, family))
                made.kinds.add(kind)

        for port, protocol, node_port in ports(service):
            if spec["type"] in ("NodePort", "LoadBalancer") and node_port and only in (None, "NodePort"):
                for family in families:
                    add(port, protocol, family, "nodePort")
            if spec["type"] == "LoadBalancer" and only in (None, "LoadBalancer"):
                for vip in vips(service):
                    add(port, protocol, go_family(vip), "vip")
            for address in spec.get("externalIPs") or ():
                add(port, protocol, go_family(address), "externalIP")
        return list(found.values())

    def _installed(self, service: Json, node: Json) -> bool:
        notes = notes_of(service)
        if "service.cilium.io/node-selector" in notes:
            return _matches(notes["service.cilium.io/node-selector"], labels(node))
        if "service.cilium.io/node" in notes:
            return bool(labels(node).get("service.cilium.io/node") == notes["service.cilium.io/node"])
        return True

    def _read(self, service: Json) -> Iterable[Json]:
        for each in slices_of(service, self.slices):
            own = labels(each)
            if not self._selected(each) or (HEADLESS in own and not self.envoy):
                continue
            if own.get("endpointslice.kubernetes.io/managed-by") == "endpointslice-mesh-controller.cilium.io":
                continue
            if each["addressType"] in FAMILIES:
                yield each

    def _backends(self, service: Json) -> dict[tuple[str, str, int], Backend]:
        found: dict[tuple[str, str, int], Backend] = {}
        for each in self._read(service):
            names: dict[tuple[str, int], set[str]] = {}
            for port in each.get("ports") or ():
                if port.get("port") is not None:
                    at = (port.get("protocol") or "TCP", port["port"])
                    names.setdefault(at, set()).add(port.get("name") or "")
            weight = notes_of(each).get("service.cilium.io/weight")
            maintenance = weight is not None and weight.isdecimal() and int(weight) == 0
            for endpoint in each.get("endpoints") or ():
                for written in endpoint.get("addresses") or ():
                    address = go_address(written)
                    for (protocol, number), own in names.items():
                        if not address or (address, number) == ("192.192.192.192", 9999):
                            continue
                        found[protocol, address, number] = Backend(
                            self._node(endpoint), self._state(endpoint, maintenance), own - {""}
                        )
        return found

    def _node(self, endpoint: Json) -> str:
        if endpoint.get("nodeName") is not None:
            return str(endpoint["nodeName"])
        return str((endpoint.get("deprecatedTopology") or {}).get("kubernetes.io/hostname", ""))

    def _state(self, endpoint: Json, maintenance: bool) -> str:
        ready, serving = condition(endpoint, "ready") is not False, condition(endpoint, "serving") is not False
        terminating = condition(endpoint, "terminating") is True
        if maintenance:
            return NEVER
        if ready:
            return ACTIVE
        return TERMINATING if terminating and serving else NEVER


def of_envoy(service: Json, slices: list[Json]) -> bool:
    if service["spec"].get("selector"):
        return False
    return any(
        "192.192.192.192" in (endpoint.get("addresses") or ())
        for each in slices_of(service, slices)
        if any(port.get("port") == 9999 for port in each.get("ports") or ())
        for endpoint in each.get("endpoints") or ()
    )


def _matches(selector: str, own: Json) -> bool:
    """The selectors that the random clusters have: equality, inequality, in, existence. One that cannot be parsed
    is ignored, so the Service is installed."""
    if "(" in selector and ")" not in selector:
        return True
    for part in re.split(r",(?![^(]*\))", selector):
        if not part.strip():
            continue
        if found := re.fullmatch(r"\s*(\S+)\s+in\s*\((.*)\)\s*", part):
            if own.get(found[1]) not in [value.strip() for value in found[2].split(",")]:
                return False
        elif "!=" in part:
            key, value = part.split("!=")
            if own.get(key.strip()) == value.strip():
                return False
        elif "=" in part:
            key, value = part.replace("==", "=").split("=")
            if own.get(key.strip()) != value.strip():
                return False
        elif part.strip() not in own:
            return False
    return True


@dataclass
class OldCilium:
    """Up to 1.17, as 1.15: ports match by name alone, and the first of the copies of an address wins."""

    slices: list[Json]
    terminating_endpoints: bool = True
    envoy_healthy: bool | None = None
    """What healthCheckNodePort of a Service that Envoy serves answers: not known before 1.17."""
    labels_of_1_17: bool = False
    """Whether slices of the cluster mesh are skipped and headless ones read, as from 1.16.5."""

    def answers(self, service: Json, node: str) -> dict[PortKey, Answer]:
        if HEADLESS in labels(service):
            return {}
        found = {}
        for key, _ in kube_proxy_ports(service):
            port, _, family = key
            matching = [be for address, be in self._backends(service).items() if go_family(address) == family]
            matching = [be for be in matching if port in be.names]
            local = [be for be in matching if be.node in ("", node)]
            count = sum(be.state == ACTIVE for be in local) or sum(be.state == TERMINATING for be in local)
            if of_envoy(service, self.slices):
                found[key] = Answer(True, True)
            else:
                found[key] = Answer(count > 0, bool(matching))
        return found

    def healthy(self, service: Json, node: str) -> bool | None:
        if of_envoy(service, self.slices):
            return self.envoy_healthy
        return any(be.state == ACTIVE and be.node in ("", node) for be in self._backends(service).values())

    def _backends(self, service: Json) -> dict[str, Backend]:
        found: dict[str, Backend] = {}
        for each in slices_of(service, self.slices):
            if each["addressType"] not in FAMILIES:
                continue
            if self.labels_of_1_17:
                if labels(each).get("endpointslice.kubernetes.io/managed-by", "").startswith("endpointslice-mesh"):
                    continue
            elif HEADLESS in labels(each):
                continue
            names = {port.get("name") or "" for port in each.get("ports") or () if port.get("port") is not None}
            for endpoint in each.get("endpoints") or ():
                ready = condition(endpoint, "ready") is not False
                serving = condition(endpoint, "serving")
                serving = ready if serving is None else serving
                terminating = condition(endpoint, "terminating") is True
                if not ready and not (self.terminating_endpoints and serving):
                    continue
                state = TERMINATING if not ready and terminating else ACTIVE
                for written in endpoint.get("addresses") or ():
                    if address := go_address(written):
                        made = Backend(str(Cilium([], [])._node(endpoint)), state, set())
                        found.setdefault(address, made).names.update(names)
        return found
