"""Small clusters for the tests of consumer families: API objects as dicts, and an Engine over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from etpguard.assess import Assessment, Engine, Options, picture_for
from etpguard.assess.consumers.consumer import ConsumerVerdict
from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cluster import Picture, Touched
from etpguard.objects import NODE, SERVICE, Key, Kind, Reject, decode_item
from tests.assess.consumers.checks import shown
from tests.assess.consumers.lost_kinds import note

Json = dict[str, Any]

NAMESPACE, NAME = "shop", "web"
KEY = Key(NAMESPACE, NAME)
HEALTH_CHECK_NODE_PORT = 32000


def node(
    name: str,
    provider_id: str = "",
    *,
    labels: Mapping[str, str] | None = None,
    ready: str = "True",
    taints: Sequence[tuple[str, str]] = (),
    deleting: bool = False,
    addresses: Sequence[str] = (),
    external: Sequence[str] = (),
    network: str = "",
    network_down: bool = False,
) -> Json:
    """`network` is the reason of the condition NetworkUnavailable, which is True if `network_down`."""
    conditions = [{"type": "Ready", "status": ready}]
    if network or network_down:
        conditions.append({"type": "NetworkUnavailable", "status": str(network_down), "reason": network})
    metadata: Json = {"name": name, "labels": dict(labels or {})}
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {
        "kind": "Node",
        "metadata": metadata,
        "spec": {
            "providerID": provider_id or None,
            "taints": [{"key": key, "effect": effect} for key, effect in taints],
        },
        "status": {
            "conditions": conditions,
            "addresses": [
                *({"type": "InternalIP", "address": address} for address in addresses),
                *({"type": "ExternalIP", "address": address} for address in external),
            ],
        },
    }


def k3s(name: str, program: str = "k3s", **more: Any) -> Json:
    """A node of k3s, or of RKE2."""
    return node(name, f"{program}://{name}", addresses=[f"198.51.100.{ord(name) - 96}"], **more)


def nodes(scheme: str, *names: str, **common: Any) -> list[Json]:
    """Nodes of one cloud; of none with scheme ""."""
    prefix = {"aws": "aws:///eu-west-1a/i-", "": ""}.get(scheme, f"{scheme}://")
    return [node(name, f"{prefix}{name}" if prefix else "", **common) for name in names or ("a", "b", "c")]


def port(name: str = "http", number: int = 80, node_port: int = 30080, protocol: str = "TCP") -> Json:
    return {"name": name, "port": number, "nodePort": node_port, "protocol": protocol}


def service(
    name: str = NAME,
    *,
    type: str = "LoadBalancer",  # noqa: A002  the API's own name for it
    annotations: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    ports: Iterable[Json] = (),
    ingress: Sequence[Json] = (),
    conditions: Sequence[Json] = (),
    in_cluster: bool = False,
    **spec: Any,
) -> Json:
    """With an address, or `in_cluster`, the Service lives in a cluster; otherwise it is a manifest, without a
    uid, and is judged as if it were served."""
    uid = {"uid": f"uid-{name}"} if in_cluster or ingress else {}
    made: Json = {
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE, **uid},
        "spec": {
            "type": type,
            "clusterIP": "10.96.0.10",
            "selector": {"app": name},
            "externalTrafficPolicy": "Local",
            "ports": list(ports) or [port()],
            **spec,
        },
        "status": {"loadBalancer": {"ingress": list(ingress)}, "conditions": list(conditions)},
    }
    made["metadata"] |= {"annotations": dict(annotations or {}), "labels": dict(labels or {})}
    if type == "LoadBalancer":
        made["spec"].setdefault("healthCheckNodePort", HEALTH_CHECK_NODE_PORT)
    return made


def endpoints(
    *on: str,
    of: str = NAME,
    ports: Sequence[str] = ("http",),
    terminating: Sequence[str] = (),
    family: str = "IPv4",
    protocol: str = "TCP",
) -> Json:
    """A slice with one endpoint on each node: ready on `on`, serving and terminating on `terminating`."""
    where = [(name, True) for name in on] + [(name, False) for name in terminating]
    prefix = "10.1.0." if family == "IPv4" else "2001:db8::"
    return {
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{of}-{'-'.join(ports)}-{family.lower()}",
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": of},
        },
        "addressType": family,
        "ports": [{"name": name, "port": 8080 + i, "protocol": protocol} for i, name in enumerate(ports)],
        "endpoints": [
            {
                "addresses": [f"{prefix}{i + 1}"],
                "nodeName": name,
                "conditions": {"ready": ready, "serving": True, "terminating": not ready},
            }
            for i, (name, ready) in enumerate(where)
        ],
    }


def not_ready(*on: str) -> Json:
    """A slice besides that of `endpoints`, with an endpoint on each node that is not ready."""
    made = endpoints(*on)
    made["metadata"]["name"] = f"{NAME}-not-ready"
    for i, each in enumerate(made["endpoints"]):
        each["addresses"] = [f"10.9.0.{i + 1}"]
        each["conditions"] = {"ready": False, "serving": False, "terminating": False}
    return made


def ingress(
    name: str = "shop",
    *,
    class_name: str | None = None,
    annotations: Mapping[str, str] | None = None,
    to: str = NAME,
    to_port: Json | None = None,
) -> Json:
    backend = {"service": {"name": to, "port": to_port or {"number": 80}}}
    return {
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": NAMESPACE, "annotations": dict(annotations or {})},
        "spec": {
            "ingressClassName": class_name,
            "rules": [{"http": {"paths": [{"path": "/", "backend": backend}]}}],
        },
    }


def ingress_class(name: str, controller: str, *, default: bool = False) -> Json:
    marks = {"ingressclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {
        "kind": "IngressClass",
        "metadata": {"name": name, "annotations": marks},
        "spec": {"controller": controller},
    }


@dataclass(frozen=True)
class World:
    """A picture, the engine over it, and the families that the engine asks."""

    picture: Picture
    engine: Engine
    families: tuple[ConsumerFamily, ...]

    def put(self, *objects: Json) -> dict[Key, Assessment | None]:
        """Add or change objects; what differs after that."""
        return self.engine.refresh(self._absorb(objects, malformed=False))

    def outdated_by(self, *objects: Json) -> set[Key]:
        """Add or change objects; the Services that the engine assesses again then."""
        return set(self.engine.invalidate(self._absorb(objects, malformed=False)))

    def put_malformed(self, *objects: Json) -> dict[Key, Assessment | None]:
        """As `put`, for objects that cannot be decoded."""
        return self.engine.refresh(self._absorb(objects, malformed=True))

    def _absorb(self, objects: Sequence[Json], *, malformed: bool) -> Touched:
        touched = Touched()
        kinds: dict[str, Kind[Any]] = {kind.name: kind for kind in self.picture.kinds}
        for made in objects:
            entry = decode_item(kinds[made["kind"]], made)
            assert isinstance(entry, Reject) is malformed, entry
            touched.add(self.picture.absorb(self.picture.store(kinds[made["kind"]]).replace([entry])))
        return touched

    def names(self, members: int) -> str:
        return "".join(self.picture.nodes.names(members))

    @property
    def assessment(self) -> Assessment:
        found = self.engine.assessments[KEY]
        assert not any(v.reason.code == "FamilyFailed" for v in found.consumers), found.consumers
        return found

    def consumer(self, port_name: str = "http") -> ConsumerVerdict:
        """The one consumer of that port."""
        (found,) = [v for v in self.assessment.consumers if v.consumer.port == port_name]
        return found

    def advice(self) -> list[str]:
        """What the families advise on the consumers of the Service that each of them finds."""
        subject = self.picture.get(SERVICE, KEY)
        assert subject is not None
        ready = 0
        for state in self.assessment.ports:
            ready |= state.ready
        names = self.picture.nodes.names(ready & self.picture.nodes.present)
        hosting = [node for name in names if (node := self.picture.get(NODE, Key("", name))) is not None]
        return [
            shown(advice)
            for verdict in self.assessment.consumers
            for family in self.families
            if verdict.consumer.family == family.name
            for advice in family.advise(subject, verdict, hosting)
        ]


def world(
    *objects: Json,
    known: Sequence[ConsumerFamily] | None = None,
    options: Options | None = None,
    unread: Mapping[str, str] | None = None,
) -> World:
    """A world of these objects; `unread` maps names of kinds to why they cannot be read."""
    members = tuple(consumer_families() if known is None else known)
    picture = picture_for(members)
    made = World(picture, Engine(picture, members, options), members)
    kinds: dict[str, Kind[Any]] = {kind.name: kind for kind in picture.kinds}
    picture.unread.update({kinds[name]: why for name, why in (unread or {}).items()})
    made.put(*objects)
    made.engine.refresh_all()
    note(picture, members, options)
    return made


class Seen(NamedTuple):
    """The report about one consumer. Each node has one letter as its name, in order."""

    outcome: str
    reason: str
    eligible: str
    uncovered: str


def seen(*objects: Json, port_name: str = "http", **kwargs: Any) -> Seen:
    made = world(*objects, **kwargs)
    verdict = made.consumer(port_name)
    return Seen(
        verdict.outcome.name, verdict.reason.code, made.names(verdict.eligible), made.names(verdict.uncovered)
    )


EXTERNAL_IPS = [
    pytest.param(
        {"a": ["203.0.113.1"]},
        Seen("Covered", "Covered", "a", ""),
        Seen("Outage", "Outage", "a", "a"),
        id="one hides the InternalIPs of the other nodes",
    ),
    pytest.param(
        {"a": ["203.0.113.1"], "b": ["203.0.113.2"]},
        Seen("Blackhole", "Blackhole", "ab", "b"),
        Seen("Blackhole", "Blackhole", "ab", "a"),
        id="of both",
    ),
    pytest.param(
        {"c": ["203.0.113.3"]},
        Seen("Blackhole", "Blackhole", "ab", "b"),
        Seen("Blackhole", "Blackhole", "ab", "a"),
        id="of a node without an endpoint",
    ),
]
"""The ExternalIPs of nodes, and what is seen of the ports `http` on node a and `admin` on node b where one hides
all InternalIPs."""
