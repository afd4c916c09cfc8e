"""Objects as the API gives them, made short, and a cluster of them that is assessed by the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etpguard.assess import Assessment, Engine, Options, picture_for
from etpguard.assess.consumers.consumer import Consumer, ConsumerVerdict
from etpguard.assess.consumers.families.aws_lbc import AwsLoadBalancerController, AwsOptions
from etpguard.assess.consumers.registry import ConsumerOptions, consumer_families
from etpguard.assess.outcome import Outcome
from etpguard.cluster import Picture
from etpguard.objects import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NAMESPACE,
    NODE,
    SERVICE,
    AnyKind,
    Key,
    Node,
    Reject,
    Service,
    decode_item,
)
from etpguard.objects.aws import INGRESS_CLASS_PARAMS, TARGET_GROUP_BINDING
from etpguard.objects.gateways import (
    GATEWAY,
    GATEWAY_CLASS,
    LOAD_BALANCER_CONFIGURATION,
    TARGET_GROUP_CONFIGURATION,
)
from tests.assess.consumers.checks import shown
from tests.assess.consumers.lost_kinds import note

Json = dict[str, Any]

ALB = "alb.ingress.kubernetes.io/"
NLB = "service.beta.kubernetes.io/aws-load-balancer-"
SHOP = "shop"
WEB = Key(SHOP, "web")
NODE_PORT = 30851
CHECK_PORT = 32100

KINDS: dict[str, AnyKind] = {
    kind.name: kind
    for kind in (
        ENDPOINT_SLICE,
        GATEWAY,
        GATEWAY_CLASS,
        INGRESS,
        INGRESS_CLASS,
        INGRESS_CLASS_PARAMS,
        LOAD_BALANCER_CONFIGURATION,
        NAMESPACE,
        NODE,
        SERVICE,
        TARGET_GROUP_BINDING,
        TARGET_GROUP_CONFIGURATION,
    )
}


def meta(name: str, namespace: str | None = SHOP, **fields: Any) -> Json:
    return {"name": name, "namespace": namespace, "uid": f"uid-{namespace}-{name}", **fields}


def node(name: str, *, ready: str | None = "True", **fields: Any) -> Json:
    """`labels`, `taints`, `provider_id`."""
    conditions = [] if ready is None else [{"type": "Ready", "status": ready}]
    return {
        "kind": "Node",
        "metadata": meta(name, None, labels=fields.get("labels", {})),
        "spec": {
            "providerID": fields.get("provider_id", f"aws:///eu-central-1a/i-0{name}"),
            "taints": fields.get("taints", []),
        },
        "status": {"conditions": conditions},
    }


def port(number: int = 80, name: str | None = "http", node_port: int | None = NODE_PORT, **fields: Any) -> Json:
    return {"port": number, "name": name, "nodePort": node_port, "targetPort": 8080, **fields}


def service(name: str = "web", *, type_: str = "NodePort", **fields: Any) -> Json:
    """`annotations`, `ports`, and any field of the spec. A load balancer is `served`: its status has an
    address."""
    served = fields.pop("served", type_ == "LoadBalancer")
    return {
        "kind": "Service",
        "metadata": meta(name, annotations=fields.pop("annotations", {})),
        "spec": {
            "type": type_,
            "clusterIP": "10.0.0.1",
            "selector": {"app": name},
            "externalTrafficPolicy": "Local",
            "ports": fields.pop("ports", [port()]),
            **fields,
        },
        "status": {"loadBalancer": {"ingress": [{"hostname": "lb.example.net"}] if served else []}},
    }


def load_balancer(name: str = "web", **fields: Any) -> Json:
    """A Service of type LoadBalancer that the controller takes by its class."""
    given = {"loadBalancerClass": "service.k8s.aws/nlb", "healthCheckNodePort": CHECK_PORT, **fields}
    return service(name, type_="LoadBalancer", **given)


def endpoints(of: str, *nodes: str, ports: Sequence[Json] = (), family: str = "IPv4") -> Json:
    """A slice with one ready endpoint on each of `nodes`."""
    prefix = "10.1.0." if family == "IPv4" else "2001:db8::"
    return {
        "kind": "EndpointSlice",
        "metadata": meta(f"{of}-{family.lower()}", labels={"kubernetes.io/service-name": of}),
        "addressType": family,
        "endpoints": [
            {"addresses": [f"{prefix}{i + 1}"], "nodeName": name, "conditions": {"ready": True}}
            for i, name in enumerate(nodes)
        ],
        "ports": list(ports) or [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def backend(name: str = "web", of_port: int | str = 80) -> Json:
    return {"service": {"name": name, "port": {"name" if isinstance(of_port, str) else "number": of_port}}}


def ingress(name: str = "web", *backends: Json, class_name: str | None = "alb", **fields: Any) -> Json:
    """One rule with a path for each backend. `annotations` without their prefix unless they hold a "/";
    `default_backend`, `metadata`."""
    annotations = {k if "/" in k else ALB + k: v for k, v in fields.get("annotations", {}).items()}
    paths = [
        {"path": "/", "backend": one} for one in backends or ([] if "default_backend" in fields else [backend()])
    ]
    return {
        "kind": "Ingress",
        "metadata": meta(name, annotations=annotations, **fields.get("metadata", {})),
        "spec": {
            "ingressClassName": class_name,
            "defaultBackend": fields.get("default_backend"),
            "rules": [{"http": {"paths": paths}}],
        },
    }


def ingress_class(
    name: str = "alb", controller: str = "ingress.k8s.aws/alb", *, default: bool = False, **fields: Any
) -> Json:
    """`params`: the name of IngressClassParams; `parameters`: the whole reference."""
    params = fields.get("params")
    reference = {"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": params} if params else None
    return {
        "kind": "IngressClass",
        "metadata": meta(
            name,
            None,
            annotations={"ingressclass.kubernetes.io/is-default-class": "true"} if default else {},
        ),
        "spec": {"controller": controller, "parameters": fields.get("parameters", reference)},
    }


def class_params(name: str = "params", **spec: Any) -> Json:
    return {"kind": "IngressClassParams", "metadata": meta(name, None), "spec": spec}


def namespace(name: str = SHOP, **labels: str) -> Json:
    return {"kind": "Namespace", "metadata": meta(name, None, labels=labels)}


def binding(
    name: str = "k8s-shop-web",
    to: str = "web",
    of_port: int | str = 80,
    *,
    owner: Mapping[str, str] | None = None,
    **spec: Any,
) -> Json:
    """A TargetGroupBinding; `owner` are its owner labels."""
    return {
        "kind": "TargetGroupBinding",
        "metadata": meta(name, labels=dict(owner or {})),
        "spec": {"serviceRef": {"name": to, "port": of_port}, "targetType": "instance", **spec},
    }


def service_owner(name: str = "web", namespace: str = SHOP) -> dict[str, str]:
    return {"service.k8s.aws/stack-namespace": namespace, "service.k8s.aws/stack-name": name}


def gateway_owner(load_balancer: str = "nlb", name: str = "gw", namespace: str = SHOP) -> dict[str, str]:
    prefix = f"gateway.k8s.aws.{load_balancer}"
    return {f"{prefix}/stack-namespace": namespace, f"{prefix}/stack-name": name}


def ingress_owner(name: str = "web", namespace: str = SHOP) -> dict[str, str]:
    return {"ingress.k8s.aws/stack-namespace": namespace, "ingress.k8s.aws/stack-name": name}


def target_configuration(
    name: str = "tgc", *, of: str | None = "web", routes: Sequence[Json] = (), **props: Any
) -> Json:
    """A TargetGroupConfiguration; `props` are its default ones, `routes` those of route configurations."""
    spec: Json = {
        "defaultConfiguration": props,
        "routeConfigurations": [{"routeIdentifier": {}, "targetGroupProps": one} for one in routes],
    }
    return {
        "kind": "TargetGroupConfiguration",
        "metadata": meta(name),
        "spec": spec | ({"targetReference": {"name": of}} if of else {}),
    }


def load_balancer_configuration(name: str = "lbc", default: str | None = None, **spec: Any) -> Json:
    named = {"defaultTargetGroupConfiguration": {"name": default}} if default else {}
    return {"kind": "LoadBalancerConfiguration", "metadata": meta(name), "spec": {**named, **spec}}


def gateway(configuration: str | None = None) -> Json:
    reference = {"group": "gateway.k8s.aws", "kind": "LoadBalancerConfiguration", "name": configuration}
    infrastructure = {"parametersRef": reference} if configuration else None
    return {
        "kind": "Gateway",
        "metadata": meta("gw"),
        "spec": {"gatewayClassName": "aws", "infrastructure": infrastructure},
    }


def gateway_class(configuration: str | None = None) -> Json:
    reference = {"kind": "LoadBalancerConfiguration", "name": configuration, "namespace": SHOP}
    return {
        "kind": "GatewayClass",
        "metadata": meta("aws", None),
        "spec": {
            "controllerName": "gateway.k8s.aws/nlb",
            "parametersRef": {"group": "gateway.k8s.aws", **reference} if configuration else None,
        },
    }


class Shop:
    """A cluster. Unless others are given it has three nodes a, b, c, the Service shop/web with an endpoint
    on a, and IngressClass alb."""

    def __init__(
        self,
        *objects: Json,
        on: Iterable[str] = ("a",),
        options: AwsOptions | None = None,
        unread: Mapping[AnyKind, str] | None = None,
        engine: Options | None = None,
    ) -> None:
        self.family = AwsLoadBalancerController(options)
        self.picture: Picture = picture_for([self.family])
        self.picture.unread.update(unread or {})
        given = {(o["kind"], o["metadata"]["name"]) for o in objects}
        kinds = {kind for kind, _ in given}
        defaults: list[Json] = [] if "Node" in kinds else [node(name) for name in "abc"]
        defaults += [] if ("Service", "web") in given else [service()]
        defaults += [] if "EndpointSlice" in kinds else [endpoints("web", *on)]
        defaults += [] if "IngressClass" in kinds or INGRESS_CLASS in (unread or {}) else [ingress_class()]
        self.engine = Engine(self.picture, [self.family], engine)
        note(self.picture, consumer_families(ConsumerOptions(aws=self.family.options)), engine)
        self.apply(*defaults, *objects)

    def apply(self, *objects: Json) -> None:
        """Take objects into the picture and assess what they touch."""
        for raw in objects:
            self._take(raw, malformed=False)

    def apply_malformed(self, raw: Json) -> None:
        """As `apply`, for an object that cannot be decoded."""
        self._take(raw, malformed=True)

    def _take(self, raw: Json, *, malformed: bool) -> None:
        kind = KINDS[raw["kind"]]
        entry = decode_item(kind, raw)
        assert isinstance(entry, Reject) is malformed, entry
        self.engine.refresh(self.picture.absorb(self.picture.store(kind).replace([entry])))

    def remove(self, raw: Json) -> None:
        kind = KINDS[raw["kind"]]
        key = Key(raw["metadata"].get("namespace") or "", raw["metadata"]["name"])
        change = self.picture.store(kind).delete(key, 1 << 40)
        assert change is not None
        self.engine.refresh(self.picture.absorb([change]))

    def assessment(self, key: Key = WEB) -> Assessment:
        found = self.engine.assessments[key]
        assert not any(v.reason.code == "FamilyFailed" for v in found.consumers), found.consumers
        assert found == Engine(self.picture, [self.family], self.engine._options).assess(key)
        return found

    def verdicts(self, key: Key = WEB) -> list[ConsumerVerdict]:
        return list(self.assessment(key).consumers)

    def consumers(self, key: Key = WEB) -> list[Consumer]:
        return [verdict.consumer for verdict in self.verdicts(key)]

    def names(self, nodes: int) -> list[str]:
        return self.picture.nodes.names(nodes)

    def hosts(self, key: Key = WEB) -> list[Node]:
        """The nodes with a ready endpoint, as advice is given them."""
        ready = 0
        for state in self.assessment(key).ports:
            ready |= state.ready
        found = (self.picture.get(NODE, Key("", name)) for name in self.names(ready))
        return [each for each in found if each is not None]

    def advice(self, key: Key = WEB) -> list[str]:
        """On the one consumer of the Service."""
        found = self.picture.get(SERVICE, key)
        assert found is not None
        return [shown(advice) for advice in self.family.advise(found, only(self, key), self.hosts(key))]

    @property
    def service(self) -> Service:
        found = self.picture.get(SERVICE, WEB)
        assert found is not None
        return found


def only(shop: Shop, key: Key = WEB) -> ConsumerVerdict:
    (verdict,) = shop.verdicts(key)
    return verdict


def outcome(*objects: Json, **given: Any) -> Outcome:
    """The outcome of shop/web in a Shop of these objects."""
    return Shop(*objects, **given).assessment().outcome
