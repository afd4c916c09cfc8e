"""A cluster with an object of every kind that `check` reads, and Services whose outcomes depend on them."""

from __future__ import annotations

from typing import Any

from etpguard.assess import picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.objects import AnyKind
from etpguard.objects.k3s import SVCLB_POD

Json = dict[str, Any]

NODES = ("ip-10-20-0-11.ec2.internal", "ip-10-20-0-12.ec2.internal", "ip-10-20-1-13.ec2.internal")
SHOP, BILLING = "acme-shop", "acme-billing"
LBC = "service.beta.kubernetes.io/aws-load-balancer-"
ALB = "alb.ingress.kubernetes.io/"


def kinds() -> list[AnyKind]:
    return list(picture_for(consumer_families()).kinds)


def node(number: int) -> Json:
    name = NODES[number]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/zone": f"eu-west-1{'abc'[number]}",
                "acme.example/pool": "edge" if number < 2 else "batch",
            },
        },
        "spec": {"providerID": f"aws:///eu-west-1{'abc'[number]}/i-0acme{number}23456789abcd"},
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ok"}],
            "addresses": [
                {"type": "InternalIP", "address": f"10.20.0.{11 + number}"},
                {"type": "Hostname", "address": name},
            ],
        },
    }


def service(name: str, namespace: str = SHOP, node_port: int = 31080, **changes: Any) -> Json:
    annotations, address = changes.pop("annotations", {}), changes.pop("address", None)
    made: Json = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app": name, "team": "checkout"},
            "annotations": {"acme.example/owner": "jane.doe@acme.example", **annotations},
        },
        "spec": {
            "type": "LoadBalancer" if address else "NodePort",
            "externalTrafficPolicy": "Local",
            "selector": {"app": name},
            "ports": [
                {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP", "nodePort": node_port},
            ],
            **({"healthCheckNodePort": node_port + 1000} if address else {}),
            **changes,
        },
    }
    if address:
        made["status"] = {"loadBalancer": {"ingress": [address]}}
    return made


def slice_of(name: str, namespace: str = SHOP, *nodes: int) -> Json:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-x7k2p",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": "tests"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [
            {"addresses": [f"10.244.{n}.7"], "nodeName": NODES[n], "conditions": {"ready": True}}
            for n in nodes or (0,)
        ],
    }


def ingress(name: str, target: str, **annotations: str) -> Json:
    backend = {"service": {"name": target, "port": {"name": "http"}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": name,
            "namespace": SHOP,
            "annotations": {
                f"{ALB}target-type": "instance",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
                **{f"{ALB}{key.replace('_', '-')}": value for key, value in annotations.items()},
            },
        },
        "spec": {
            "ingressClassName": "acme-alb",
            "rules": [
                {
                    "host": f"{name}.acme.example",
                    "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
                }
            ],
        },
    }


def custom(kind: str, version: str, name: str, namespace: str = "", **content: Any) -> Json:
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": meta, **content}


def objects() -> list[Json]:
    """Every kind at least once: those that nothing here needs have only a name."""
    alb_class = {"controller": "ingress.k8s.aws/alb"}
    parameters = {"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": "acme-params"}
    pool = "metallb.io/ip-allocated-from-pool"
    made = [
        *(custom("Namespace", "v1", name) for name in (SHOP, BILLING, "metallb-system")),
        *map(node, range(3)),
        service("storefront", node_port=31080),
        slice_of("storefront"),
        ingress("storefront", "storefront", healthcheck_port="31090", healthcheck_path="/ready"),
        service("probe", node_port=31090, externalTrafficPolicy="Cluster"),
        slice_of("probe", SHOP, 0, 1),
        service("cart", node_port=31081),
        slice_of("cart"),
        ingress("cart", "cart", **{"group.name": "acme-group", "healthcheck_port": "traffic-port"}),
        service(
            "payments",
            BILLING,
            31082,
            annotations={
                f"{LBC}nlb-target-type": "instance",
                f"{LBC}target-node-labels": "acme.example/pool=edge",
            },
            loadBalancerClass="service.k8s.aws/nlb",
            address={"hostname": "k8s-acme-payments-0123456789.elb.eu-west-1.amazonaws.com"},
        ),
        slice_of("payments", BILLING, 2),
        service("invoices", BILLING, 31083, annotations={pool: "acme-pool"}, address={"ip": "203.0.113.45"}),
        slice_of("invoices", BILLING),
        service("tickets", BILLING, 31084),
        slice_of("tickets", BILLING),
        custom("IngressClass", "networking.k8s.io/v1", "acme-alb", spec={**alb_class, "parameters": parameters}),
        custom("IngressClassParams", "elbv2.k8s.aws/v1beta1", "acme-params", spec={"targetType": "instance"}),
        custom(
            "TargetGroupBinding",
            "elbv2.k8s.aws/v1beta1",
            "tickets",
            BILLING,
            spec={
                "serviceRef": {"name": "tickets", "port": 80},
                "targetType": "instance",
                "nodeSelector": {"matchLabels": {"acme.example/pool": "batch"}},
                "targetGroupARN": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/acme/0123",
            },
        ),
        service(
            "wiki",
            BILLING,
            31086,
            loadBalancerClass="io.cilium/l2-announcer",
            address={"ip": "203.0.113.46"},
        ),
        slice_of("wiki", BILLING),
        custom("CiliumL2AnnouncementPolicy", "cilium.io/v2alpha1", "acme-lan", spec={"loadBalancerIPs": True}),
        custom(
            "Lease",
            "coordination.k8s.io/v1",
            f"cilium-l2announce-{BILLING}-wiki",
            "kube-system",
            spec={"holderIdentity": NODES[1]},
        ),
        custom("IPAddressPool", "metallb.io/v1beta1", "acme-pool", "metallb-system", spec={"addresses": []}),
        custom(
            "L2Advertisement",
            "metallb.io/v1beta1",
            "acme-l2",
            "metallb-system",
            spec={
                "ipAddressPools": ["acme-pool"],
                "nodeSelectors": [{"matchLabels": {"acme.example/pool": "batch"}}],
            },
        ),
    ]
    present = {(item["apiVersion"], item["kind"]) for item in made}
    for kind in kinds():
        if kind == SVCLB_POD:
            continue  # no node here is of k3s
        if (kind.api_version, kind.name) not in present:
            made.append(custom(kind.name, kind.api_version, f"acme-{kind.plural}", SHOP * kind.namespaced))
    return made
