"""Google Cloud: Ingress on instance groups or network endpoint groups, and passthrough load balancers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.ingresses import Handler, IngressBackend, backends
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.load_balancers import (
    CLOUD_NODES,
    Balancer,
    Recognition,
    by_class,
    by_mark,
    by_nodes,
    classless,
    of_class,
    sole_cloud,
    standard_check,
)
from etpguard.assess.consumers.remedies import ClientIP, annotate, cluster, health_checked, spread
from etpguard.assess.consumers.targets import (
    CheckSettings,
    HealthCheck,
    NodeTargets,
    NoneHealthy,
    Otherwise,
    PodTargets,
    PossibleNodes,
    Targets,
    UnknownOutcome,
)
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EXCLUDE_LABEL, NodeRule, Readiness
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.platforms import GKE
from etpguard.assess.probe import NotModelled, OwnNodePort
from etpguard.cluster import Picture
from etpguard.objects import INGRESS_CLASS, Ingress, Key, Node, Requirement, Service
from etpguard.objects.gke import BACKEND_CONFIG, BackendConfig

NEG = "cloud.google.com/neg"
BACKEND_CONFIGS = ("cloud.google.com/backend-config", "beta.cloud.google.com/backend-config")
_CLASS = "networking.gke.io/"
_STANDALONE = f"{_CLASS}standalone-passthrough-lb-neg"
"""The controller only makes the group; a person makes the load balancer."""
_FINALIZER = "gke.networking.io/"
_INTERNAL = ("networking.gke.io/load-balancer-type", "cloud.google.com/load-balancer-type")
_BACKEND_SERVICE = "service.kubernetes.io/backend-service"
"""Written by the controller of backend services, which is ingress-gce."""
_RBS = "cloud.google.com/l4-rbs"

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
    follows_ready=True,
)
"""The nodes of endpoints that do not terminate (pkg/neg/types/types.go:381), as CandidateAndUnreadyNodesFilter
passes them: nodes that are not Ready are in, those that GKE drains for an upgrade are out. An endpoint that is not
ready keeps its node in the group too; its check fails there, so that it gets no traffic beside a ready one."""


_DRAINED_TOO = Otherwise(
    replace(SUBSET_NODES, requirements=INSTANCE_GROUP_NODES.requirements),
    Reason(
        "DrainingNodesNotKnown",
        "a flag of the controller, which no API object shows, decides whether nodes that GKE drains stay in the "
        "group",
    ),
)
"""ingress-gce PR #3128."""


class GkeIngress(BaseFamily):
    """ingress-gce. Instance groups hold every candidate node and check the node port, since the controller never
    reads the policy (pkg/healthchecks/healthchecks.go:97-101). Network endpoint groups hold pods."""

    name = "gke-ingress"
    documented = (
        DocumentedConsumer(
            consumer="Google Cloud Ingress, instance groups",
            found_by="class annotation `gce`, or no class on GKE",
            nodes="Ready nodes, not excluded, no master",
            health_check="HTTP `/` on the node port; a BackendConfig changes it",
            with_local="depends on the health check",
            evidence=Evidence.DOCUMENTED,
            source="ingress-gce acbcf5d pkg/healthchecks/healthchecks.go",
        ),
        DocumentedConsumer(
            consumer="Google Cloud Ingress, endpoint groups",
            found_by="annotation `cloud.google.com/neg`",
            nodes="pods",
            health_check="–",
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
        yield annotate(
            service,
            NEG,
            '{"ingress": true}',
            "Pods are then the targets, the policy is not on the path, and the client's address stays in "
            "X-Forwarded-For.",
            "Cost: it needs a VPC-native cluster, and it replaces the backends.",
        )
        yield spread(service)
        yield cluster(service, ClientIP.FORWARDED)


_BY_FINALIZER = {
    f"{_FINALIZER}l4-ilb-v2": SUBSET_NODES,
    f"{_FINALIZER}l4-netlb-v3": SUBSET_NODES,
    f"{_FINALIZER}l4-netlb-v2": INSTANCE_GROUP_NODES,
    f"{_FINALIZER}l4-ilb-v1": INSTANCE_GROUP_NODES,
    f"{_FINALIZER}l4-netlb-v1": CLOUD_NODES,
}
"""pkg/utils/common/finalizer.go:38: the controller and the backend that it made. The newest first, since a
migration leaves the others for a while."""

_BY_CLASS = {
    f"{_CLASS}l4-regional-external": SUBSET_NODES,
    f"{_CLASS}l4-regional-internal": SUBSET_NODES,
    f"{_CLASS}l4-regional-external-legacy": CLOUD_NODES,
    f"{_CLASS}l4-regional-internal-legacy": INSTANCE_GROUP_NODES,
}
"""pkg/l4/annotations/gce_annotations.go:44-62."""

L4_CLASSES = (*_BY_CLASS, _STANDALONE)

_ALL_TERMINATE = Reason(
    "NoReadyEndpoint",
    "the group lists the nodes of endpoints that do not terminate, and none of these is ready on a node that may "
    "be in it",
)
_BACKEND_NOT_KNOWN = Reason(
    "BackendNotKnown",
    "without a finalizer gke.networking.io/l4-… it is not known whether the targets are all nodes or those with "
    "endpoints",
)


class GkeLoadBalancer(BaseFamily):
    """ingress-gce acbcf5d. An HTTP check of the healthCheckNodePort (pkg/l4/healthchecks/healthchecksl4.go:44-51,
    122-136). Groups of endpoints under Local list only nodes with a pod (pkg/neg/types/types.go:381). Without a
    healthy target, a passthrough load balancer sends to all (Google Cloud documentation; failover policy
    dropTrafficIfUnhealthy is off)."""

    name = "gke-l4"
    balancers_only = True
    documented = (
        DocumentedConsumer(
            consumer="GKE passthrough load balancer",
            found_by="finalizer `gke.networking.io/l4-…`, class `networking.gke.io/…`, providerID `gce://`",
            nodes="by finalizer, then class: nodes with endpoints (NEG), Ready nodes or cloud nodes",
            health_check="HTTP healthCheckNodePort `/healthz`, 3 s × 2",
            with_local="`Covered` with NEG, else `TargetsUnhealthy`; sends to all while none is healthy",
            evidence=Evidence.DOCUMENTED,
            source="ingress-gce acbcf5d pkg/utils/common/finalizer.go, pkg/neg/types/types.go",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        recognition = _recognition(service, view)
        if recognition is None:
            return
        if of_class(service, _STANDALONE):
            detail = f"a person makes the load balancer of class {_STANDALONE}, and no API object shows its check"
            targets: Targets = PossibleNodes(SUBSET_NODES, Reason("ControllerNotModelled", detail))
        else:
            rule, otherwise = _backend(service)
            check = standard_check(service)
            none = _ALL_TERMINATE if rule is SUBSET_NODES else None
            targets = NodeTargets(
                rule, check, none_healthy=NoneHealthy.SENDS_TO_ALL, no_target=none, otherwise=otherwise
            )
        yield from Balancer.of(service, "gke-l4", recognition).consumers(targets)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        yield from health_checked(service, verdict, nodes)


def _recognition(service: Service, view: View) -> Recognition | None:
    if service.type != "LoadBalancer":
        return None
    if found := min((one for one in service.finalizers if one in _BY_FINALIZER), default=""):
        return Recognition(f"recognised by its finalizer {found}")
    if recognised := by_class(service, *L4_CLASSES):
        return recognised
    if not classless(service) or sole_cloud(view) != "gce":
        return None
    return by_mark(service, *_INTERNAL, _BACKEND_SERVICE, _RBS) or by_nodes(service, view, "gce", "Google Cloud")


def _backend(service: Service) -> tuple[NodeRule, Otherwise | None]:
    """The finalizer decides, then the class, then what the controller of backend services wrote."""
    for finalizer, rule in _BY_FINALIZER.items():
        if finalizer in service.finalizers:
            return rule, _draining(rule)
    if (by_its_class := _BY_CLASS.get(service.spec.load_balancer_class or "")) is not None:
        return by_its_class, _draining(by_its_class)
    internal = any(service.annotations.get(key, "").lower() == "internal" for key in _INTERNAL)
    if _BACKEND_SERVICE in service.annotations:
        if internal:
            return SUBSET_NODES, _DRAINED_TOO
        return INSTANCE_GROUP_NODES, Otherwise(SUBSET_NODES, _BACKEND_NOT_KNOWN)
    return CLOUD_NODES, Otherwise(SUBSET_NODES, _BACKEND_NOT_KNOWN)


def _draining(rule: NodeRule) -> Otherwise | None:
    return _DRAINED_TOO if rule is SUBSET_NODES else None


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
    names = view.once(annotation, service, lambda one: _string_map(one.annotations[annotation]))
    if names is None:
        reason = Reason("InvalidAnnotation", f"{annotation} is no JSON object of names")
        return UnknownOutcome(reason, INSTANCE_GROUP_NODES, standard)
    name = _config_name(names, service, backend.port)
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
    return NodeTargets(INSTANCE_GROUP_NODES, view.check_on(check.port, service, settings))


def backend_config(service: Service, label: str, picture: Picture) -> BackendConfig | None:
    """The BackendConfig of the port with that label; None if there is none, or if it is not known."""
    annotation = next((key for key in BACKEND_CONFIGS if key in service.annotations), None)
    names = _string_map(service.annotations[annotation]) if annotation else None
    name = _config_name(names, service, label) if names else None
    return picture.get(BACKEND_CONFIG, Key(service.key.namespace, name)) if name else None


def _config_name(names: Mapping[str, str], service: Service, label: str) -> str | None:
    port = service.port(label)
    wanted = [f"ports.{label}", f"ports.{port.port if port else ''}", "default"]
    return next((names[key] for key in wanted if key in names), None)


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
