"""Ingress of Google Cloud, on instance groups or on network endpoint groups."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.families.gke.backend_configs import BACKEND_CONFIGS, config_name, config_names
from etpguard.assess.consumers.families.gke.nodes import INSTANCE_GROUP_NODES
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.remedies import (
    ClientIP,
    annotate,
    asks_the_pods,
    cluster,
    leave,
    spread,
    unpin,
)
from etpguard.assess.consumers.shared.ingresses import Handler, IngressBackend, backends
from etpguard.assess.consumers.shared.load_balancers import on_health_check_node_port
from etpguard.assess.consumers.targets import (
    CheckSettings,
    HealthCheck,
    NodeTargets,
    PodTargets,
    UnknownOutcome,
)
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.platforms import GKE
from etpguard.assess.probe import NotModelled, OwnNodePort
from etpguard.objects import INGRESS_CLASS, Ingress, Key, Node, Service
from etpguard.objects.gke import BACKEND_CONFIG

NEG = "cloud.google.com/neg"


class GkeIngress(BaseFamily):
    """ingress-gce. Instance groups hold every candidate node and check the node port, since the controller never
    reads the policy (pkg/healthchecks/healthchecks.go:97-101). Network endpoint groups hold pods."""

    name = "gke-ingress"
    documented = (
        DocumentedConsumer(
            consumer="Google Cloud Ingress, instance groups",
            found_by="class annotation `gce`, or no class on GKE",
            nodes="Ready nodes without the exclude label or the role master",
            health_check="HTTP `/` on the node port; a BackendConfig changes it",
            with_local="depends on the health check",
            evidence=Evidence.DOCUMENTED,
            source="ingress-gce acbcf5d pkg/healthchecks/healthchecks.go",
        ),
        DocumentedConsumer(
            consumer="Google Cloud Ingress, endpoint groups",
            found_by="annotation `cloud.google.com/neg`",
            nodes="pods",
            health_check="does not matter",
            with_local="`NotAffected`",
            evidence=Evidence.DOCUMENTED,
            source="ingress-gce acbcf5d pkg/annotations/service.go",
        ),
    )
    kinds = (BACKEND_CONFIG,)

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        for backend in backends(service, view, lambda ingress, by: _is_gce(ingress, by, view)):
            yield _consumer(backend, view)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.outcome < Outcome.TargetsUnhealthy or verdict.outcome is Outcome.NoEndpoints:
            return
        check, before = verdict.consumer.check, ""
        if verdict.outcome is Outcome.TargetsUnhealthy:
            yield leave("Leave it as it is", new_node="")
        yield _to_endpoint_groups(service, check)
        yield spread(service)
        if check is not None and check.pins_health_check_node_port:
            before = f"{unpin('healthCheck.port of its BackendConfig')} {asks_the_pods(check.settings)}"
        yield cluster(service, ClientIP.FORWARDED, before)


def _to_endpoint_groups(service: Service, check: HealthCheck | None) -> Advice:
    """pkg/neg/controller.go processService: the annotation names standalone groups too, and the controller stops
    to fill those that it no longer names. mergeStandaloneNEGsPortInfo: a custom name beside `ingress` is an error.
    pkg/healthchecks/healthchecks.go sync: a BackendConfig sets the port of the check for endpoint groups too."""
    effect = (
        "Pods are then the targets, the traffic policy is not on the path, and the client's address stays in "
        "X-Forwarded-For."
    )
    if check and check.settings and check.settings.port.isdigit():
        effect = (
            f"First set healthCheck.port of its BackendConfig from {check.settings.port} to a port of the pods, "
            f"which the check then asks. {effect}"
        )
    cost = "Cost: it needs a VPC-native cluster, and it replaces the backends."
    if "exposed_ports" not in service.annotations.get(NEG, "").lower():
        return annotate(service, NEG, '{"ingress": true}', effect, cost)
    return Advice(
        f'Add "ingress": true to the annotation {NEG}',
        f"{effect} Keep its exposed_ports: without them, the controller no longer fills those endpoint groups. It "
        "refuses both if exposed_ports gives a group a name: then let the Ingress use a second Service.",
        cost,
    )


def _is_gce(ingress: Ingress, served: Handler, view: View) -> bool:
    """pkg/utils/utils.go IsGCEIngress: by annotation, or on GKE without annotation and class name. Where the
    classes are not known, a default one may make another controller serve it."""
    if served.controller == "ingress-gce":
        return True
    named = ingress.spec.ingress_class_name if ingress.spec else None
    if GKE not in view.platforms or served.class_name or named is not None:
        return False
    return view.unseen(INGRESS_CLASS) is None


def _consumer(backend: IngressBackend, view: View) -> Consumer:
    def unknown(reason: Reason) -> Consumer:
        return backend.consumer(UnknownOutcome(reason), controller="ingress-gce")

    if backend.missing:
        return unknown(backend.missing)
    groups = view.once(NEG, backend.service, _endpoint_groups)
    if groups is None:
        return unknown(Reason("InvalidAnnotation", f"{NEG} is no JSON object with a bool `ingress`"))
    if groups:
        source = f"by the annotation {NEG}"
        return backend.consumer(PodTargets(), controller="ingress-gce", target_type="ip", source=source)
    class_name = backend.handler.class_name
    if class_name in ("gce-internal", "gce-regional-external"):
        detail = f"class {class_name} takes only Services with {NEG}: '{{\"ingress\": true}}'"
        return unknown(Reason("EndpointGroupsRequired", detail))
    standard = HealthCheck(OwnNodePort(backend.port), CheckSettings("traffic-port", "HTTP", "/"))
    return backend.consumer(_configured(standard, backend, view), controller="ingress-gce")


def _configured(standard: HealthCheck, backend: IngressBackend, view: View) -> NodeTargets | UnknownOutcome:
    """The settings of a BackendConfig: pkg/annotations/service.go GetBackendConfigs, by port name, port number or
    default. Its port is one of the node (pkg/healthchecks/healthchecks.go)."""
    service = backend.service
    unchanged = NodeTargets(INSTANCE_GROUP_NODES, standard)
    annotation = next((key for key in BACKEND_CONFIGS if key in service.annotations), None)
    if annotation is None:
        return unchanged
    names = view.once(annotation, service, lambda one: config_names(one.annotations[annotation]))
    if names is None:
        reason = Reason("InvalidAnnotation", f"{annotation} is no JSON object of names")
        return UnknownOutcome(reason, INSTANCE_GROUP_NODES, standard)
    name = config_name(names, service, backend.port)
    if name is None:
        return unchanged
    if why := view.unread(BACKEND_CONFIG):
        unclear = NotModelled(f"cannot read {BACKEND_CONFIG}: {why}")
        return NodeTargets(INSTANCE_GROUP_NODES, replace(standard, probe=unclear))
    config = view.get(BACKEND_CONFIG, Key(service.key.namespace, name))
    if config is None:
        unclear = NotModelled(f"its BackendConfig {name[:253]} was not found")
        return NodeTargets(INSTANCE_GROUP_NODES, replace(standard, probe=unclear))
    check = config.spec and config.spec.health_check
    if not check:
        return unchanged
    settings = CheckSettings(str(check.port or "traffic-port"), check.type or "HTTP", check.request_path or "/")
    if not check.port:
        return NodeTargets(INSTANCE_GROUP_NODES, replace(standard, settings=settings))
    if check.port == service.spec.health_check_node_port:
        probe = on_health_check_node_port(settings.protocol)
        return NodeTargets(INSTANCE_GROUP_NODES, HealthCheck(probe, settings, pins_health_check_node_port=True))
    return NodeTargets(INSTANCE_GROUP_NODES, view.check_on(check.port, service, settings))


def _endpoint_groups(service: Service) -> bool | None:
    """Whether the Ingress controller uses endpoint groups: pkg/annotations/service.go NEGAnnotation, whose decoder
    takes keys in any case. None if that decoder rejects the annotation."""
    written = service.annotations.get(NEG)
    if written is None:
        return False
    try:
        given = json.loads(written)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict):
        return False if given is None else None
    values = [value for key, value in given.items() if key.lower() == "ingress"]
    if not all(value is None or isinstance(value, bool) for value in values):
        return None
    return bool(values and values[-1])
