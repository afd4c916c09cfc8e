"""Random objects of the kinds that come in protobuf, with each field that etpguard reads set in some of them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from etpguard.objects import ENDPOINT_SLICE, INGRESS, INGRESS_CLASS, NAMESPACE, NODE, AnyKind
from etpguard.objects.network_policies import NETWORK_POLICY
from etpguard.objects.nodes import CILIUM_PREFIX
from etpguard.objects.workloads import CONFIG_KEYS

Object = dict[str, Any]
T = TypeVar("T")

WORDS = ("web", "api", "shop", "zürich", "a/b", "0", "x" * 63, "日本")
NAMES = ("web", "api", "a-b", "0", "x" * 63)
LOADS = ("ready", "serving", "terminating")


class Maker:
    """Makes objects that the API server accepts."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def maybe(self, make: Callable[[], T], chance: float = 0.6) -> T | None:
        return make() if self._random.random() < chance else None

    def some(self, make: Callable[[], T], most: int = 4) -> list[T]:
        return [make() for _ in range(self._random.randint(0, most))]

    def one(self, *of: T) -> T:
        return self._random.choice(of)

    def number(self, most: int = 250) -> int:
        return self._random.randint(1, most)

    def address(self) -> str:
        return f"10.{self.number()}.{self.number()}.{self.number()}"

    def labels(self) -> dict[str, str]:
        return {f"example.com/{self.one(*NAMES)}": self.one("", "a", *NAMES) for _ in range(self.number(4) - 1)}

    def annotations(self) -> dict[str, str]:
        last = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
        arguments = '["server","--disable-kube-proxy"]'
        known = {
            "k3s.io/node-args": arguments,
            "rke2.io/node-args": arguments,
            "k8s.ovn.org/node-chassis-id": "c",
            "k8s.ovn.org/l3-gateway-config": '{"default":{"mode":"local"}}',
            "service.cilium.io/weight": "7",
            "yandex.cpi.flant.com/target-group-name-prefix": "edge",
            **{f"{CILIUM_PREFIX}{key}": "true" for key in CONFIG_KEYS},
        }
        return {
            **{f"example.com/{self.one(*NAMES)}": self.one("", *WORDS) for _ in range(self.number(4) - 1)},
            **(self.maybe(lambda: last, 0.2) or {}),
            **(self.maybe(lambda: known, 0.3) or {}),
        }

    def metadata(self, name: str) -> Object:
        owner: Callable[[], Object] = lambda: {  # noqa: E731
            "apiVersion": "v1",
            "kind": self.one("Pod", "Node"),
            "name": self.one(*NAMES),
            "uid": self.one(*NAMES),
        }
        owners = self.some(owner, 2)
        if owners:
            controller = self.maybe(lambda: self.one(True, False))
            owners[0] |= {} if controller is None else {"controller": controller}
        return given(
            name=name,
            labels=self.maybe(self.labels),
            annotations=self.maybe(self.annotations),
            ownerReferences=self.maybe(lambda: owners),
            finalizers=self.maybe(lambda: ["example.com/hold"], 0.2),
        )

    def object(self, kind: AnyKind, name: str) -> Object:
        make = {
            ENDPOINT_SLICE: self.endpoint_slice,
            NODE: self.node,
            INGRESS: self.ingress,
            INGRESS_CLASS: self.ingress_class,
            NAMESPACE: dict,
            NETWORK_POLICY: self.network_policy,
        }[kind]
        made = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": self.metadata(name), **make()}
        made["metadata"].setdefault("labels", {})
        if kind is ENDPOINT_SLICE and self.maybe(lambda: True):
            made["metadata"]["labels"]["kubernetes.io/service-name"] = self.one(*NAMES)
        return made

    def node(self) -> Object:
        taints = {
            (key, effect): given(key=key, effect=effect, value=self.maybe(lambda: self.one("", "v")))
            for key, effect in self.some(lambda: (self.one("a", "b", "c"), self.one("NoSchedule", "NoExecute")))
        }
        return {
            "spec": given(
                providerID=self.maybe(lambda: f"aws:///zone/i-{self.number()}"),
                taints=self.maybe(lambda: list(taints.values())),
                podCIDRs=self.maybe(lambda: self.one(["10.0.0.0/24"], ["10.0.0.0/24", "2001:db8::/64"])),
            ),
            "status": {
                "conditions": self.some(
                    lambda: given(
                        type=self.one("Ready", "NetworkUnavailable", "Other"),
                        status=self.one("True", "False", "Unknown", ""),
                        reason=self.maybe(lambda: self.one(*WORDS)),
                        message=self.maybe(lambda: self.one(*WORDS)),
                    )
                ),
                "addresses": self.some(
                    lambda: {"type": self.one("InternalIP", "Hostname"), "address": self.address()}
                ),
                "capacity": {"cpu": "4"},
                "images": self.some(lambda: {"names": [self.one(*NAMES)], "sizeBytes": self.number()}),
            },
        }

    def endpoint_slice(self) -> Object:
        pod: Callable[[], Object] = lambda: given(  # noqa: E731
            kind=self.maybe(lambda: "Pod"), name=self.maybe(lambda: self.one(*NAMES)), namespace="default"
        )
        names = list(dict.fromkeys(self.some(lambda: self.one("", "http", "https"), 3)))
        family = self.one("IPv4", "IPv6")
        return {
            "addressType": family,
            "endpoints": [
                given(
                    addresses=[self.address() if family == "IPv4" else f"fd00::{self.number()}"],
                    conditions=self.maybe(
                        lambda: {c: self.one(True, False) for c in LOADS if self.maybe(lambda: True)}
                    ),
                    nodeName=self.maybe(lambda: self.one(*NAMES)),
                    targetRef=self.maybe(pod),
                    hostname=self.maybe(lambda: "h"),
                    zone=self.maybe(lambda: "z"),
                    hints=self.maybe(self.hints),
                )
                for _ in range(self.number(6) - 1)
            ],
            "ports": [
                given(
                    name=name,
                    port=self.maybe(self.number),
                    protocol=self.maybe(lambda: self.one("TCP", "UDP", "SCTP")),
                    appProtocol=self.maybe(lambda: "http"),
                )
                for name in names
            ],
        }

    def hints(self) -> Object:
        def names(of: tuple[str, ...]) -> list[Object]:
            return [{"name": name} for name in of[: self.number(len(of))]]

        return given(
            forZones=self.maybe(lambda: names(("zone-a", "zone-b"))),
            forNodes=self.maybe(lambda: names(("node-a", "node-b"))),
        )

    def backend(self) -> Object:
        if self.one(True, False, False):
            reference = given(apiGroup=self.maybe(lambda: "example.com"), kind="Bucket", name=self.one(*NAMES))
            return {"resource": reference}
        port = self.one({"name": "http"}, {"number": self.number()})
        return {"service": {"name": self.one("web", "api"), "port": port}}

    def ingress(self) -> Object:
        path: Callable[[], Object] = lambda: given(  # noqa: E731
            path=f"/{self.number()}", pathType=self.one("Prefix", "Exact"), backend=self.backend()
        )
        rule: Callable[[], Object] = lambda: given(  # noqa: E731
            host=self.maybe(lambda: f"h{self.number()}.example.com"),
            http=self.maybe(lambda: {"paths": [path(), *self.some(path, 2)]}),
        )
        return {
            "spec": given(
                ingressClassName=self.maybe(lambda: self.one("alb", "nginx")),
                defaultBackend=self.backend(),
                rules=self.some(rule),
                tls=self.maybe(lambda: [{"hosts": ["h.example.com"], "secretName": "s"}]),
            )
        }

    def ingress_class(self) -> Object:
        parameters: Callable[[], Object] = lambda: given(  # noqa: E731
            apiGroup=self.maybe(lambda: "example.com"),
            kind=self.one("Parameters", "Others"),
            name=self.one(*NAMES),
            scope="Cluster",
        )
        controller = f"example.com/{self.one('a', 'b')}"
        return {"spec": given(controller=controller, parameters=self.maybe(parameters))}

    def network_policy(self) -> Object:
        expression: Callable[[], Object] = lambda: self.one(  # noqa: E731
            {"key": "a", "operator": "In", "values": ["b", "c"]}, {"key": "d", "operator": "Exists"}
        )
        selector: Callable[[], Object] = lambda: given(  # noqa: E731
            matchLabels=self.maybe(self.labels), matchExpressions=self.maybe(lambda: self.some(expression))
        )
        peer: Callable[[], Object] = lambda: self.one(  # noqa: E731
            {"ipBlock": {"cidr": f"10.{self.number()}.0.0/16"}}, {"namespaceSelector": {}}
        )
        rule: Callable[[], Object] = lambda: given(**{"from": self.maybe(lambda: self.some(peer))})  # noqa: E731
        return {
            "spec": given(
                podSelector=selector(),
                ingress=self.maybe(lambda: self.some(rule)),
                egress=self.maybe(lambda: [{}]),
            )
        }


def given(**fields: T | None) -> dict[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
