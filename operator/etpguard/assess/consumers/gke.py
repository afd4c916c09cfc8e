"""Google Cloud: Ingress on instance groups or network endpoint groups, and passthrough load balancers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from etpguard.assess.consumers.ingresses import Handler, backends
from etpguard.assess.consumers.interface import BaseFamily, Consumer, ConsumerVerdict, HealthCheck, View
from etpguard.assess.consumers.load_balancers import (
    CLOUD_NODES,
    Balancer,
    classless,
    of_class,
    sole_cloud,
    standard_check,
)
from etpguard.assess.consumers.remedies import ClientIP, annotate, cluster, health_checked, spread
from etpguard.assess.eligibility import EXCLUDE_LABEL, NodeRule, Readiness
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.platforms import GKE
from etpguard.assess.probe import HealthCheckNodePort, NotModelled, OwnNodePort
from etpguard.objects import Ingress, Key, Node, Requirement, Service
from etpguard.objects.gke import BACKEND_CONFIG

NEG, NEG_STATUS = "cloud.google.com/neg", "cloud.google.com/neg-status"
BACKEND_CONFIGS = ("cloud.google.com/backend-config", "beta.cloud.google.com/backend-config")
L4_CLASSES = (
    "networking.gke.io/l4-regional-external",
    "networking.gke.io/l4-regional-internal",
    "networking.gke.io/l4-regional-internal-legacy",
)
_INTERNAL = ("networking.gke.io/load-balancer-type", "cloud.google.com/load-balancer-type")
_BACKEND_SERVICE = "service.kubernetes.io/backend-service"

INSTANCE_GROUP_NODES = NodeRule(
    requirements=(
        Requirement("node-role.kubernetes.io/master", "DoesNotExist"),
        Requirement("alpha.service-controller.kubernetes.io/exclude-balancer", "DoesNotExist"),
        Requirement(EXCLUDE_LABEL, "DoesNotExist"),
    ),
)
"""ingress-gce pkg/utils/zonegetter nodePredicateInternal, as CandidateNodesFilter calls it."""

SUBSET_NODES = replace(
    INSTANCE_GROUP_NODES,
    requirements=(
        *INSTANCE_GROUP_NODES.requirements,
        Requirement("operation.gke.io/type", "NotIn", ("drain",)),
    ),
    readiness=Readiness.IGNORED,
    follows_endpoints=True,
)
"""The same, as CandidateAndUnreadyNodesFilter calls it: nodes that are not Ready are in, those that GKE drains
for an upgrade are out."""


class GkeIngress(BaseFamily):
    """ingress-gce: instance groups hold every candidate node and check the node port, since the policy is
    never read (pkg/healthchecks/healthchecks.go:97-101); groups of endpoints hold pods."""

    name = "gke-ingress"
    kinds = (BACKEND_CONFIG,)

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        for served, consumer in backends(service, view, lambda ingress, by: _is_gce(ingress, by, view)):
            yield _backend(replace(consumer, controller="ingress-gce"), service, served, view)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[str]:
        if verdict.outcome < Outcome.TargetsUnhealthy or verdict.outcome is Outcome.NoEndpoints:
            return
        yield annotate(
            service,
            NEG,
            '{"ingress": true}',
            "pods are then the targets, the policy is not on the path, and the client's address stays in "
            "X-Forwarded-For; it needs a VPC-native cluster, and replaces the backends",
        )
        yield spread(service)
        yield cluster(service, ClientIP.FORWARDED)


class GkeLoadBalancer(BaseFamily):
    """pkg/l4/healthchecks/healthchecksl4.go:122-136: an HTTP check of the healthCheckNodePort; with subsetting
    the group lists only nodes that host pods (pkg/neg/syncers/endpoints_calculator.go:36-43)."""

    name = "gke-l4"

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        by_class = of_class(service, *L4_CLASSES)
        if not by_class and not (classless(service) and sole_cloud(view) == "gce"):
            return
        how = (
            f"told by its loadBalancerClass {service.spec.load_balancer_class}"
            if by_class
            else "the nodes' providerIDs (gce://) tell that a controller of Google Cloud serves it"
        )
        rule = CLOUD_NODES
        if _subset(service):
            rule = SUBSET_NODES
            how += "; by subsetting its targets are the nodes that host pods"
        elif _BACKEND_SERVICE in service.annotations:
            rule = INSTANCE_GROUP_NODES
            how += f"; the annotation {_BACKEND_SERVICE} is that of a controller that fills instance groups"
        check = standard_check(service)
        for _, consumer in Balancer(service, "gke-l4", how).ports():
            yield replace(consumer, nodes=rule, health_check=check, probe=HealthCheckNodePort())

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[str]:
        yield from health_checked(service, verdict, nodes)


def _is_gce(ingress: Ingress, served: Handler, view: View) -> bool:
    """pkg/utils/utils.go IsGCEIngress: by annotation, or on GKE without annotation and class name."""
    if served.controller == "ingress-gce":
        return True
    named = ingress.spec.ingress_class_name if ingress.spec else None
    return GKE in view.platforms and not served.class_name and named is None


def _backend(consumer: Consumer, service: Service, served: Handler, view: View) -> Consumer:
    if consumer.unknown is not None:
        return consumer
    groups = _endpoint_groups(service)
    if groups is None:
        return replace(
            consumer, unknown=Reason("InvalidAnnotation", f"{NEG} is no JSON object with a bool `ingress`")
        )
    if groups:
        return replace(consumer, target_type="ip", source=f"told by the annotation {NEG}")
    if served.class_name in ("gce-internal", "gce-regional-external"):
        detail = f"class {served.class_name} takes only Services with {NEG}: '{{\"ingress\": true}}'"
        return replace(consumer, unknown=Reason("EndpointGroupsRequired", detail))
    consumer = replace(
        consumer,
        nodes=INSTANCE_GROUP_NODES,
        health_check=HealthCheck("traffic-port", "HTTP", "/"),
        probe=OwnNodePort(consumer.port),
    )
    return _configured(consumer, service, view)


def _configured(consumer: Consumer, service: Service, view: View) -> Consumer:
    """What a BackendConfig says of the health check: pkg/annotations/service.go GetBackendConfigs, by port
    name, port number or default; its port is one of the node (pkg/healthchecks/healthchecks.go)."""
    annotation = next((key for key in BACKEND_CONFIGS if key in service.annotations), None)
    if annotation is None:
        return consumer
    names = _string_map(service.annotations[annotation])
    if names is None:
        detail = f"{annotation} is no JSON object of names"
        return replace(consumer, unknown=Reason("InvalidAnnotation", detail))
    numbers = [str(port.port) for port in service.ports if port.label == consumer.port]
    name = next((names[key] for key in (f"ports.{p}" for p in (consumer.port, *numbers)) if key in names), None)
    name = name or names.get("default")
    if name is None:
        return consumer
    if why := view.unread(BACKEND_CONFIG):
        return replace(consumer, probe=NotModelled(f"cannot read {BACKEND_CONFIG}: {why}"))
    config = view.get(BACKEND_CONFIG, Key(service.key.namespace, name))
    if config is None:
        return replace(consumer, probe=NotModelled(f"its BackendConfig {name} was not found"))
    check = config.spec and config.spec.health_check
    if not check:
        return consumer
    shown = HealthCheck(str(check.port or "traffic-port"), check.type or "HTTP", check.request_path or "/")
    if not check.port:
        return replace(consumer, health_check=shown)
    probe, others = view.probe_of(check.port, service)
    ports = frozenset({check.port})
    return replace(consumer, health_check=shown, probe=probe, reads=others, reads_node_ports=ports)


def _string_map(written: str) -> dict[str, str] | None:
    """`{"default": name, "ports": {port: name}}` as one map, with "ports." before a port; None for other JSON."""
    try:
        given = json.loads(written)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict):
        return None
    ports = {} if given.get("ports") is None else given["ports"]
    if not isinstance(ports, dict):
        return None
    found = {"default": given.get("default") or "", **{f"ports.{port}": name for port, name in ports.items()}}
    if not all(isinstance(name, str) for name in found.values()):
        return None
    return {key: name for key, name in found.items() if name}


def _endpoint_groups(service: Service) -> bool | None:
    """Whether the Ingress controller uses endpoint groups: pkg/annotations/service.go NEGAnnotation, whose
    decoder takes keys in any case. None for what that decoder rejects."""
    written = service.annotations.get(NEG)
    if written is None:
        return False
    try:
        given = json.loads(written)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict):
        return False if given is None else None
    asked = [value for key, value in given.items() if key.lower() == "ingress"]
    if not all(value is None or isinstance(value, bool) for value in asked):
        return None
    return bool(asked and asked[-1])


def _subset(service: Service) -> bool:
    """Whether the group of an internal load balancer lists only nodes with pods: by class, or by the
    annotation that only the controller for subsets writes (IsSubsettingL4ILBService)."""
    if service.spec.load_balancer_class is not None:
        return service.spec.load_balancer_class == "networking.gke.io/l4-regional-internal"
    internal = any(service.annotations.get(key, "").lower() == "internal" for key in _INTERNAL)
    return internal and _BACKEND_SERVICE in service.annotations
