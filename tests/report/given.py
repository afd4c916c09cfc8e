"""Assessments to report on: the nginx case, and ones of any size."""

from __future__ import annotations

from typing import Any

from etpguard.assess import Assessment, Engine, Outcome, PortState, picture_for
from etpguard.assess.consumers.consumer import Consumer, ConsumerVerdict
from etpguard.assess.consumers.registry import consumer_families
from etpguard.assess.consumers.targets import PodTargets
from etpguard.assess.outcome import Reason
from etpguard.cluster import NodeTable
from etpguard.objects import INGRESS, INGRESS_CLASS, Key
from tests.assess.build import endpoint, endpoint_slice, node, record, service

Json = dict[str, Any]


def nginx() -> tuple[Assessment, NodeTable]:
    """Three nodes, the ingress controller's only pod on node1, an ALB with instance targets in front."""
    consumers = consumer_families()
    picture = picture_for(consumers)
    name = "nginx-nginx-ingress-controller"
    ports = [
        {"name": "http", "port": 80, "targetPort": "http", "nodePort": 30851},
        {"name": "https", "port": 443, "targetPort": "https", "nodePort": 32350},
    ]
    targets = [
        {"name": "http", "protocol": "TCP", "port": 80},
        {"name": "https", "protocol": "TCP", "port": 443},
    ]
    backend = {"service": {"name": name, "port": {"name": "http"}}}
    ingress: Json = {
        "metadata": {
            "name": "web",
            "namespace": "default",
            "annotations": {"alb.ingress.kubernetes.io/healthcheck-path": "/nginx-health"},
        },
        "spec": {"ingressClassName": "alb", "rules": [{"http": {"paths": [{"path": "/", "backend": backend}]}}]},
    }
    class_ = {"metadata": {"name": "alb"}, "spec": {"controller": "ingress.k8s.aws/alb"}}
    objects = [
        *(node(n, provider_id=f"aws:///eu-west-1a/i-000000000000000{n[-1]}") for n in ("node1", "node2", "node3")),
        service(name, ports),
        endpoint_slice([endpoint("node1")], targets, name=f"{name}-1", of=name),
    ]
    for each in objects:
        kind = next(k for k in picture.kinds if k.record is type(each))
        picture.absorb(picture.store(kind).replace([each]))
    picture.absorb(picture.store(INGRESS).replace([record(INGRESS, ingress)]))
    picture.absorb(picture.store(INGRESS_CLASS).replace([record(INGRESS_CLASS, class_)]))
    engine = Engine(picture, consumers)
    engine.refresh_all()
    return engine.assessments[Key("default", name)], picture.nodes


def table_of(count: int) -> NodeTable:
    table = NodeTable()
    for number in range(count):
        table.add(f"node-{number:04}.{'x' * 40}.example.com")
    return table


def verdict(number: int, nodes: int, **fields: Any) -> ConsumerVerdict:
    base: Json = {"name": f"lb-{number}", "port": "p0", "targets": PodTargets()}
    consumer = Consumer("Ingress", "default", controller="c", target_type="instance", **{**base, **fields})
    return ConsumerVerdict(consumer, Outcome.Outage, Reason("Outage"), nodes, nodes, nodes)


def big(ports: int, consumers: int, table: NodeTable, **fields: Any) -> Assessment:
    """A Service whose ports are all in different states."""
    everything = table.present
    states = tuple(
        PortState(f"p{n}", n, "TCP", "IPv4", 30000 + n, ready=n, terminating=0, usable=True, silent=-1)
        for n in range(1, ports + 1)
    )
    verdicts = tuple(verdict(number, everything, **fields) for number in range(consumers))
    return Assessment(
        Key("default", "big"),
        "u",
        "NodePort",
        "Local",
        Outcome.Outage,
        Reason("Outage"),
        states,
        verdicts,
        everything,
        everything,
        everything,
    )
