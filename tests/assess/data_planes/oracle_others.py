"""The data planes other than Cilium once more, from their descriptions."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.assess.data_planes.oracle_words import (
    FAMILIES,
    HEADLESS,
    PROXY_NAME,
    ZONE,
    Answer,
    Json,
    PortKey,
    Tracked,
    condition,
    kube_proxy_families,
    kube_proxy_ports,
    labels,
    name,
    notes_of,
    ports,
    slices_of,
    sloppy,
    sloppy_family,
    takes_policy,
    tracked,
    vips,
    watched,
)


class Oracle(Protocol):
    def answers(self, service: Json, node: str) -> dict[PortKey, Answer]: ...

    def healthy(self, service: Json, node: str) -> bool | None:
        """Whether healthCheckNodePort answers 200 on IPv4; None if that is not known."""
        ...


def _local_ready_anywhere(service: Json, slices: Sequence[Json], node: str, family: str = "IPv4") -> bool:
    """kube-proxy.md 2: ready and local, of any port in the slices."""
    own = slices_of(service, slices)
    keys = {
        (q.get("name") or "", q.get("protocol") or "TCP", family) for each in own for q in each.get("ports") or ()
    }
    if family not in kube_proxy_families(service):
        return False
    return any(e.ready and e.node == node for key in keys for e in tracked(own, key))


@dataclass
class Calico:
    nodes: list[Json]
    slices: list[Json]
    hints: bool = True
    """Release 3.31 and later."""

    def answers(self, service: Json, node: str) -> dict[PortKey, Answer]:
        found: dict[PortKey, Answer] = {}
        if HEADLESS in labels(service):
            return found
        own = self._own(service)
        maglev = notes_of(service).get("lb.projectcalico.org/external-traffic-strategy") == "maglev"
        for key, kinds in kube_proxy_ports(service):
            eps = tracked(own, key)
            every = [e for e in eps if e.ready]
            left = self._topology(service, eps, node) if self.hints else eps
            local = [e for e in left if e.ready and e.node == node]
            # An external IP ignores the policy, and so does a load balancer's address with maglev.
            ignoring = {"externalIP"} | ({"vip"} if maglev and self.hints else set())
            forwards = bool(local) if kinds - ignoring else bool(every)
            found[key] = Answer(forwards, bool(every))
        return found

    def healthy(self, service: Json, node: str) -> bool:
        return _local_ready_anywhere(service, self._own(service), node)

    def _own(self, service: Json) -> list[Json]:
        return [each for each in slices_of(service, self.slices) if PROXY_NAME not in labels(each)]

    def _topology(self, service: Json, eps: list[Tracked], node: str) -> list[Tracked]:
        zone = next(labels(each).get(ZONE, "") for each in self.nodes if name(each) == node)

        def hints(e: Tracked, which: str) -> list[str]:
            return [hint["name"] for hint in (e.raw.get("hints") or {}).get(which) or ()]

        candidates = [e for e in eps if e.ready or e.terminating]
        by_zone = [e for e in candidates if zone in hints(e, "forZones")]
        if (notes_of(service).get("service.kubernetes.io/topology-mode") or "").lower() == "auto":
            if any(not hints(e, "forZones") for e in candidates):
                return eps
            return by_zone or eps
        return [e for e in candidates if node in hints(e, "forNodes")] or by_zone or eps


@dataclass
class OVNKubernetes:
    slices: list[Json]
    openshift: bool = False

    def answers(self, service: Json, node: str) -> dict[PortKey, Answer]:
        found: dict[PortKey, Answer] = {}
        spec = service["spec"]
        if not watched(service) or not takes_policy(service):
            return found
        addressed = [*vips(service, any_mode=True), *(spec.get("externalIPs") or ())]
        for family in FAMILIES:
            for port, protocol, node_port in ports(service):
                served = node_port and family in kube_proxy_families(service)
                if not served and family not in [sloppy_family(address) for address in addressed]:
                    continue
                every = self._eligible(service, (port, protocol, family), None)
                here = self._eligible(service, (port, protocol, family), node)
                fallback = "traffic-policy.network.alpha.openshift.io/local-with-fallback" in notes_of(service)
                forwards = here or (self.openshift and fallback and every)
                found[port, protocol, family] = Answer(forwards, every)
        return found

    def healthy(self, service: Json, node: str) -> bool:
        return any(
            endpoint.get("nodeName") == node
            and endpoint.get("addresses")
            and condition(endpoint, "ready") is not False
            for each in slices_of(service, self.slices)
            if HEADLESS not in labels(each) and each.get("ports")
            for endpoint in each.get("endpoints") or ()
        )

    def _eligible(self, service: Json, key: PortKey, node: str | None) -> bool:
        """Whether any endpoint is eligible, on that node or (None) anywhere, for any target port number."""
        port, protocol, family = key
        by_number: dict[int, list[Json]] = {}
        for each in slices_of(service, self.slices):
            if HEADLESS in labels(each):
                continue
            for q in each.get("ports") or ():
                if q.get("port") and (q.get("name") or "", q.get("protocol") or "TCP") == (port, protocol):
                    by_number.setdefault(q["port"], []).extend(each.get("endpoints") or ())
        for endpoints in by_number.values():
            here = [
                e
                for e in endpoints
                if (node is None or e.get("nodeName") == node)
                and any(sloppy_family(address) == family for address in e.get("addresses") or ())
            ]
            if service["spec"].get("publishNotReadyAddresses") and here:
                return True
            ready = [e for e in here if condition(e, "ready") is not False]
            draining = []
            for e in here:
                serving = condition(e, "serving")
                serving = condition(e, "ready") is not False if serving is None else serving
                if serving and condition(e, "terminating"):
                    draining.append(e)
            if ready or draining:
                return True
        return False


@dataclass
class Antrea:
    slices: list[Json]

    def answers(self, service: Json, node: str) -> dict[PortKey, Answer]:
        return {key: self._answer(service, key, node) for key, _ in kube_proxy_ports(service)}

    def healthy(self, service: Json, node: str) -> bool:
        own = slices_of(service, self.slices)
        keys = {
            (q.get("name") or "", q.get("protocol") or "TCP", "IPv4")
            for each in own
            for q in each.get("ports") or ()
        }
        if "IPv4" not in kube_proxy_families(service):
            return False
        return any(e.ready and e.node == node for key in keys for e in self._endpoints(service, key, node))

    def _answer(self, service: Json, key: PortKey, node: str) -> Answer:
        def usable(e: Tracked) -> bool:
            return e.ready or (e.serving and e.terminating)

        here = [e for e in self._endpoints(service, key, node) if e.node == node and usable(e)]
        # What is usable depends on the node that looks; a node that holds no copy looks too.
        names = {e.get("nodeName") for each in self.slices for e in each.get("endpoints") or ()}
        lookers = [each for each in names if each is not None] + ["a node without endpoints"]
        anywhere = any(usable(e) for looker in lookers for e in self._endpoints(service, key, looker))
        return Answer(bool(here), anywhere)

    def _endpoints(self, service: Json, key: PortKey, node: str) -> list[Tracked]:
        """On one node: a copy of an ip:port replaces another one exactly if it is local."""
        port, protocol, _ = key
        found: dict[tuple[str, int], Tracked] = {}
        for each in slices_of(service, self.slices):
            for q in each.get("ports") or ():
                if (q.get("name") or "", q.get("protocol") or "TCP") != (port, protocol):
                    continue
                for endpoint in each.get("endpoints") or ():
                    single = {**each, "ports": [q], "endpoints": [endpoint]}
                    for made in tracked([single], key):
                        at = (sloppy(endpoint["addresses"][0]), q["port"])
                        if at not in found or made.node == node:
                            found[at] = made
        return list(found.values())


@dataclass
class KubeRouter:
    slices: list[Json]
    ranges: tuple[str, ...] = ()

    def answers(self, service: Json, node: str) -> dict[PortKey, Answer]:
        found = {}
        for key, kinds in kube_proxy_ports(service):
            port, _, family = key
            kept = self._kept(service, port, family)
            forwards = any(e.get("nodeName") == node for e in kept)
            if kinds == {"externalIP"} and self.ranges:
                own = [a for a in service["spec"]["externalIPs"] if sloppy_family(a) == family]
                forwards = forwards and any(
                    ipaddress.ip_address(a) in ipaddress.ip_network(r)
                    for a in own
                    for r in self.ranges
                    if ipaddress.ip_address(a).version == ipaddress.ip_network(r).version
                )
            found[key] = Answer(forwards, bool(kept))
        return found

    def healthy(self, service: Json, node: str) -> bool | None:
        by_port = [
            any(
                e.get("nodeName") == node and not condition(e, "terminating")
                for family in FAMILIES
                for e in self._kept(service, port, family)
            )
            for port, _, _ in ports(service)
        ]
        return by_port[0] if len(set(by_port)) == 1 else None

    def _kept(self, service: Json, port: str, family: str) -> list[Json]:
        return [
            e
            for each in slices_of(service, self.slices)
            if any(q.get("port") and (q.get("name") or "") == port for q in each.get("ports") or ())
            for e in each.get("endpoints") or ()
            if (condition(e, "ready") is True or condition(e, "serving") is True)
            and any(sloppy_family(address) == family for address in e.get("addresses") or ())
        ]


@dataclass
class Winkernel:
    slices: list[Json]

    def answers(self, service: Json, node: str) -> dict[PortKey, Answer]:
        found = {}
        for key, _ in kube_proxy_ports(service):
            eps = tracked(slices_of(service, self.slices), key)
            local = [e for e in eps if e.node == node and e.ready and e.serving]
            found[key] = Answer(bool(local), any(e.ready or (e.serving and e.terminating) for e in eps))
        return found

    def healthy(self, service: Json, node: str) -> bool:
        return _local_ready_anywhere(service, self.slices, node)


@dataclass
class KubeProxy:
    slices: list[Json]

    def answers(self, service: Json, node: str) -> dict[PortKey, Answer]:
        found = {}
        for key, _ in kube_proxy_ports(service):
            eps = tracked(slices_of(service, self.slices), key)
            usable = [e for e in eps if e.ready or (e.serving and e.terminating)]
            found[key] = Answer(any(e.node == node for e in usable), bool(usable))
        return found

    def healthy(self, service: Json, node: str) -> bool:
        return _local_ready_anywhere(service, self.slices, node)
