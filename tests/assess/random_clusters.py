"""Random clusters as the API would serve them: plain dicts, each wholly given by its seed.

They hold every shape that kube-proxy's rule distinguishes; `features` counts what a cluster really contains.
One thing is left out, since kube-proxy's own answer to it depends on the order of a Go map: copies of one
ip:port of a Service that are all non-terminating, or all terminating, and yet differ in readiness or node
(endpointslicecache.go:240-249). Copies of one kind agree here; a terminating and a running one may differ.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

Json = dict[str, Any]

_NAMESPACES = ("default", "web")
_PORTS = (("http", "TCP"), ("https", "TCP"), ("dns", "UDP"), ("assoc", "SCTP"))
_TARGET_PORTS = (8080, 8443, 9000)
_FAMILIES = ("IPv4", "IPv6")


@dataclass
class Cluster:
    """What `GET` of the three collections would list."""

    nodes: list[Json] = field(default_factory=list)
    services: list[Json] = field(default_factory=list)
    slices: list[Json] = field(default_factory=list)

    @property
    def node_names(self) -> list[str]:
        return [node["metadata"]["name"] for node in self.nodes]


def random_cluster(seed: int) -> Cluster:
    """One to six nodes, one to four Services, up to four EndpointSlices each."""
    return _Maker(Random(seed)).cluster()


class _Maker:
    def __init__(self, random: Random) -> None:
        self._random = random
        self._version = 0
        self._node_port = 30000

    def cluster(self) -> Cluster:
        made = Cluster()
        count = self._random.randint(1, 6)
        made.nodes = [self._node(number) for number in range(count)]
        # Endpoints may name a node whose Node object is gone, or not there yet.
        names = [*made.node_names, "ghost"] if self._chance(0.3) else made.node_names
        for number in range(self._random.randint(1, 4)):
            service = self._service(number)
            made.services.append(service)
            made.slices += self._slices(service, names)
        self._random.shuffle(made.slices)
        return made

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _meta(self, name: str, namespace: str | None = None, labels: dict[str, str] | None = None) -> Json:
        self._version += 1
        meta: Json = {"name": name, "uid": f"uid-{self._version}", "resourceVersion": str(self._version)}
        if namespace is not None:
            meta["namespace"] = namespace
        if labels:
            meta["labels"] = labels
        return meta

    def _node(self, number: int) -> Json:
        labels = {"topology.kubernetes.io/zone": self._random.choice("ab")}
        ready = self._random.choice(("True", "True", "False", "Unknown"))
        return {
            "metadata": self._meta(f"node{number}", labels=labels),
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }

    def _service(self, number: int) -> Json:
        kind = self._random.choice(("NodePort", "NodePort", "LoadBalancer", "LoadBalancer", "ClusterIP"))
        spec: Json = {"type": kind, "ports": self._service_ports(kind)}
        families = self._random.choice((["IPv4"], ["IPv6"], ["IPv4", "IPv6"], ["IPv6", "IPv4"]))
        addresses = {"IPv4": f"10.96.0.{number + 1}", "IPv6": f"fd00:96::{number + 1}"}
        spec["clusterIP"] = addresses[families[0]]
        if self._chance(0.85):
            spec["clusterIPs"] = [addresses[family] for family in families]
            spec["ipFamilies"] = families
            if self._chance(0.03):
                del spec["clusterIPs"][1:]
        if kind == "ClusterIP" and self._chance(0.15):
            spec["clusterIP"] = "None"
            spec["clusterIPs"] = ["None"]
        if self._chance(0.05):
            spec = {"type": "ExternalName", "externalName": "example.com", "ports": spec["ports"]}
        if kind == "ClusterIP" or self._chance(0.25):
            pool = ["198.51.100.7", "2001:db8::7", "::ffff:198.51.100.8", "not-an-address"]
            spec["externalIPs"] = self._random.sample(pool, self._random.choice((0, 1, 1, 2)))
        if self._chance(0.9):
            spec["externalTrafficPolicy"] = self._random.choice(("Local", "Local", "Local", "Local", "Cluster"))
        if self._chance(0.4):
            spec["internalTrafficPolicy"] = self._random.choice(("Local", "Cluster"))
        service: Json = {"metadata": None, "spec": spec}
        if kind == "LoadBalancer":
            if self._chance(0.8):
                spec["healthCheckNodePort"] = 29000 + number
            service["status"] = {"loadBalancer": {"ingress": self._ingress()}}
        labels = {"service.kubernetes.io/service-proxy-name": ""} if self._chance(0.06) else {}
        service["metadata"] = self._meta(f"service{number}", self._random.choice(_NAMESPACES), labels)
        if self._chance(0.05):
            service["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        return service

    def _service_ports(self, kind: str) -> list[Json]:
        if self._chance(0.2):
            chosen: list[tuple[str | None, str]] = [(self._random.choice(("", None)), "TCP")]
        else:
            chosen = list(self._random.sample(_PORTS, self._random.randint(1, 3)))
        ports = []
        for number, (name, protocol) in enumerate(chosen):
            port: Json = {"port": 80 + number}
            if name is not None:
                port["name"] = name
            if protocol != "TCP" or self._chance(0.8):
                port["protocol"] = protocol
            if kind == "NodePort" or (kind == "LoadBalancer" and self._chance(0.6)):
                self._node_port += 1
                port["nodePort"] = self._node_port
            ports.append(port)
        return ports

    def _ingress(self) -> list[Json]:
        pool: list[Json] = [
            {"ip": "203.0.113.1"},
            {"ip": "203.0.113.2", "ipMode": "VIP"},
            {"ip": "203.0.113.3", "ipMode": "Proxy"},
            {"ip": "2001:db8::1", "ipMode": "VIP"},
            {"hostname": "lb.example.com"},
        ]
        return self._random.sample(pool, self._random.randint(0, 2))

    def _slices(self, service: Json, node_names: list[str]) -> list[Json]:
        meta, spec = service["metadata"], service["spec"]
        names = [port.get("name") or "" for port in spec["ports"]]
        # What one IP is, running and terminating: see the module on copies that differ.
        running: dict[str, Json] = {}
        ending: dict[str, Json] = {}
        made = []
        for number in range(self._random.choice((0, 1, 1, 2, 2, 3, 4))):
            address_type = self._random.choice(spec.get("ipFamilies") or list(_FAMILIES))
            if self._chance(0.1):
                address_type = self._random.choice(("IPv4", "IPv6", "FQDN"))
            labels = {"kubernetes.io/service-name": meta["name"]}
            if self._chance(0.06):
                labels["service.kubernetes.io/headless"] = ""
            if self._chance(0.05):
                labels["service.kubernetes.io/service-proxy-name"] = "other"
            if self._chance(0.04):
                labels["kubernetes.io/service-name"] = "another"
            namespace = meta["namespace"] if self._chance(0.96) else "elsewhere"
            slice_: Json = {
                "metadata": self._meta(f"{meta['name']}-{self._random.randrange(1 << 30):x}-{number}", namespace),
                "addressType": address_type,
                "ports": [port for name in names for port in self._slice_ports(name, spec["ports"])],
                "endpoints": [
                    self._endpoint(address_type, node_names, running, ending)
                    for _ in range(self._random.choice((0, 1, 2, 3, 5)))
                ],
            }
            slice_["metadata"]["labels"] = labels
            if self._chance(0.05):
                slice_["ports"] = None
            made.append(slice_)
        return made

    def _slice_ports(self, name: str, service_ports: list[Json]) -> list[Json]:
        """The slice's ports for one port of the Service: mostly one, sometimes none, two targets under one
        name, another protocol, or one that cannot be used."""
        protocol = next(p.get("protocol") or "TCP" for p in service_ports if (p.get("name") or "") == name)
        port = {"name": name, "protocol": protocol, "port": self._random.choice(_TARGET_PORTS)}
        roll = self._random.random()
        if roll < 0.08:
            return []
        if roll < 0.16:
            return [port, {**port, "port": self._random.choice([n for n in _TARGET_PORTS if n != port["port"]])}]
        if roll < 0.22:
            return [{**port, "protocol": "UDP" if protocol == "TCP" else "TCP"}]
        if roll < 0.26:
            return [{**port, "port": self._random.choice((0, None))}]
        if roll < 0.30:
            return [port, {**port, "name": "extra", "port": 7000}]
        if roll < 0.33:
            return [{key: value for key, value in port.items() if key != "name"}]
        return [port]

    def _endpoint(
        self, address_type: str, node_names: list[str], running: dict[str, Json], ending: dict[str, Json]
    ) -> Json:
        last = self._random.randint(1, 6)
        canonical = {"IPv4": f"10.0.0.{last}", "IPv6": f"2001:db8::{last:x}", "FQDN": f"host{last}.example.com"}
        spellings = {
            "IPv4": ([canonical["IPv4"]] * 9) + [f"10.0.00.0{last}"],
            "IPv6": ([canonical["IPv6"]] * 5) + [f"2001:0DB8::{last:x}", f"2001:db8:0:0:0:0:0:{last:x}"],
            "FQDN": [canonical["FQDN"]],
        }
        terminating = self._chance(0.35)
        seen = ending if terminating else running
        facts = seen.setdefault(canonical[address_type], self._facts(node_names, terminating))
        conditions: Json = {}
        self._say(conditions, "ready", facts["ready"], nil_means=True)
        self._say(conditions, "serving", facts["serving"], nil_means=True)
        self._say(conditions, "terminating", terminating, nil_means=False)
        endpoint: Json = {"addresses": [self._random.choice(spellings[address_type])]}
        if self._chance(0.05):
            endpoint["addresses"].append("10.0.0.99")
        if self._chance(0.03):
            endpoint["addresses"] = []
        if conditions or self._chance(0.5):
            endpoint["conditions"] = conditions
        if facts["node"] is not None:
            endpoint["nodeName"] = facts["node"]
        if self._chance(0.25):
            endpoint["hints"] = self._random.choice(
                ({"forZones": [{"name": "a"}]}, {"forNodes": [{"name": self._random.choice(node_names)}]})
            )
        return endpoint

    def _facts(self, node_names: list[str], terminating: bool) -> Json:
        return {
            # Ready and terminating at once: publishNotReadyAddresses.
            "ready": self._chance(0.15 if terminating else 0.7),
            "serving": self._chance(0.7),
            "node": None if self._chance(0.1) else self._random.choice(node_names),
        }

    def _say(self, conditions: Json, name: str, value: bool, *, nil_means: bool) -> None:
        """A condition that has its default may be null or absent."""
        if value != nil_means or self._chance(0.5):
            conditions[name] = value
        elif self._chance(0.3):
            conditions[name] = None


def features(cluster: Cluster) -> Counter[str]:
    """How often each shape that the rule distinguishes occurs."""
    found: Counter[str] = Counter()
    for service in cluster.services:
        spec, labels = service["spec"], service["metadata"].get("labels") or {}
        found["dual stack"] += len(spec.get("ipFamilies") or ()) == 2
        found["family without a cluster IP"] += len(spec.get("ipFamilies") or ()) > len(
            spec.get("clusterIPs") or ()
        )
        found["no ipFamilies"] += "clusterIP" in spec and not spec.get("ipFamilies")
        found["headless Service"] += spec.get("clusterIP") == "None"
        found["ExternalName"] += spec["type"] == "ExternalName"
        found["service-proxy-name on a Service"] += "service.kubernetes.io/service-proxy-name" in labels
        found["ClusterIP with external IPs"] += spec["type"] == "ClusterIP" and bool(spec.get("externalIPs"))
        found["healthCheckNodePort"] += "healthCheckNodePort" in spec
        found["LoadBalancer without a node port"] += spec["type"] == "LoadBalancer" and not all(
            "nodePort" in port for port in spec["ports"]
        )
        found["internalTrafficPolicy Local"] += spec.get("internalTrafficPolicy") == "Local"
        found["Service being deleted"] += "deletionTimestamp" in service["metadata"]
        found["unnamed port"] += any(not port.get("name") for port in spec["ports"])
        for protocol in ("UDP", "SCTP"):
            found[protocol] += any(port.get("protocol") == protocol for port in spec["ports"])
        ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
        for mode in (None, "VIP", "Proxy"):
            found[f"ingress IP of mode {mode}"] += sum("ip" in i and i.get("ipMode") == mode for i in ingress)
        found["ingress hostname"] += sum("hostname" in i for i in ingress)
    _count_slices(cluster, found)
    return found


def _count_slices(cluster: Cluster, found: Counter[str]) -> None:
    families = {
        (s["metadata"]["namespace"], s["metadata"]["name"]): s["spec"].get("ipFamilies") for s in cluster.services
    }
    copies: dict[tuple[object, ...], list[bool]] = {}
    for slice_ in cluster.slices:
        meta, labels, kind = slice_["metadata"], slice_["metadata"]["labels"], slice_["addressType"]
        owner = (meta["namespace"], labels["kubernetes.io/service-name"])
        found["headless label on a slice"] += "service.kubernetes.io/headless" in labels
        found["service-proxy-name on a slice"] += "service.kubernetes.io/service-proxy-name" in labels
        found["slice of no Service"] += owner not in families
        found["FQDN slice"] += kind == "FQDN"
        found["foreign address type"] += bool(families.get(owner)) and kind not in (families[owner] or ())
        targets: dict[tuple[object, object], set[object]] = {}
        for port in slice_["ports"] or ():
            targets.setdefault((port.get("name"), port["protocol"]), set()).add(port["port"])
            found["port without a number"] += not port["port"]
            found["port with a nil name"] += "name" not in port
            for endpoint in slice_["endpoints"]:
                if endpoint["addresses"]:
                    at = (owner, kind, port.get("name"), port["protocol"], port["port"], endpoint["addresses"][0])
                    ending = bool((endpoint.get("conditions") or {}).get("terminating"))
                    copies.setdefault(at, []).append(ending)
        found["two target ports under one name"] += any(len(numbers) > 1 for numbers in targets.values())
        for endpoint in slice_["endpoints"]:
            conditions = endpoint.get("conditions") or {}
            found["nil nodeName"] += "nodeName" not in endpoint
            found["node without a Node object"] += endpoint.get("nodeName") == "ghost"
            found["nil conditions"] += all(conditions.get(c) is None for c in ("ready", "serving", "terminating"))
            for name in ("ready", "serving", "terminating"):
                found[f"nil {name}"] += conditions.get(name) is None
            found["ready and terminating"] += bool(conditions.get("ready") and conditions.get("terminating"))
            found["no address"] += not endpoint["addresses"]
            found["second address"] += len(endpoint["addresses"]) > 1
            found["topology hint"] += "hints" in endpoint
            found["address in another spelling"] += any("0DB8" in a or ".00." in a for a in endpoint["addresses"])
    found["duplicate ip:port"] += sum(len(endings) > 1 for endings in copies.values())
    found["duplicate ip:port, running and terminating"] += sum(len(set(e)) > 1 for e in copies.values())
