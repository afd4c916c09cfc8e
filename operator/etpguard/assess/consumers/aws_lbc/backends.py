"""Which ports of which Services an Ingress forwards to.

aws-load-balancer-controller v3.5.0: pkg/ingress/reference_indexer.go:55-83, enhanced_backend_builder.go,
config_types.go. JSON is read as Go's decoder reads it: keys in any case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from etpguard.assess.consumers.aws_lbc.annotations import ALB, Annotations, ModelError, field, parse_port
from etpguard.assess.consumers.aws_lbc.weights import Action, Target
from etpguard.objects import Backend, Ingress, Key

_USE_ANNOTATION = "use-annotation"
_CONDITIONS = {
    "host-header": "hostHeaderConfig",
    "path-pattern": "pathPatternConfig",
    "http-header": "httpHeaderConfig",
    "http-request-method": "httpRequestMethodConfig",
    "query-string": "queryStringConfig",
    "source-ip": "sourceIPConfig",
}


def actions(ingress: Ingress) -> tuple[list[Action], ModelError | None]:
    """One for the default backend and for each path that can be read, and the first error, which makes the
    controller refuse the whole Ingress."""
    made: list[Action] = []
    first: ModelError | None = None
    for backend in ingress.backends:
        try:
            made.append(_action(ingress, backend))
        except ModelError as error:
            first = first or error
    return made, first


def services_of(ingress: Ingress) -> Iterable[Key]:
    """The Services that the Ingress's action annotations name, as far as these can be read."""
    if not any(map(_uses_annotation, ingress.backends)):
        return
    for action in actions(ingress)[0]:
        yield from (Key(ingress.key.namespace, target.service) for target in action.targets)


def _uses_annotation(backend: Backend) -> bool:
    port = backend.service and backend.service.port
    return bool(port and port.name == _USE_ANNOTATION)


def _action(ingress: Ingress, backend: Backend) -> Action:
    service = backend.service
    if service is None:
        raise ModelError(
            "BackendResource",
            f"a backend of Ingress {ingress.key} is a resource and no Service, so the controller refuses "
            "the whole Ingress",
        )
    annotations = Annotations(ALB, ("Ingress", ingress))
    _check_conditions(annotations, f"conditions.{service.name}")
    _check_list(annotations, f"transforms.{service.name}")
    if _uses_annotation(backend):
        return _annotated(annotations, f"actions.{service.name}")
    port = service.port
    reference: int | str = (port.name or port.number or 0) if port else 0
    return Action((Target(service.name, reference),), 1)


def _annotated(annotations: Annotations, suffix: str) -> Action:
    """enhanced_backend_builder.go:129-139, :201-267. An annotation that is not there answers 503."""
    if annotations.get(suffix) is None:
        return Action()
    raw = annotations.json(suffix)
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        raise annotations.error(suffix, "is no JSON object")
    kind = field(raw, "type")
    if kind in ("redirect", "fixed-response"):
        return Action()
    if kind != "forward":
        raise annotations.error(suffix, "has no type forward, redirect or fixed-response")
    config = field(raw, "forwardConfig")
    direct = field(raw, "targetGroupARN") is not None or field(raw, "targetGroupName") is not None
    if direct == (config is not None):
        raise annotations.error(suffix, "needs precisely one of targetGroupARN and forwardConfig")
    if direct:
        return Action((), 1)
    groups = (field(config, "targetGroups") or []) if isinstance(config, dict) else None
    if not isinstance(groups, list):
        raise annotations.error(suffix, "has a malformed forwardConfig")
    targets = [_target(annotations, suffix, group, len(groups)) for group in groups]
    heaviest = max((target.weight or 0 for target in targets), default=0)
    return Action(tuple(target for target in targets if target.service), len(targets), heaviest)


def _target(annotations: Annotations, suffix: str, raw: Any, groups: int) -> Target:
    """config_types.go: a TargetGroupTuple; one that names no Service has "" for its name."""
    if not isinstance(raw, dict):
        raise annotations.error(suffix, "has a target group that is no JSON object")
    name, port, weight = field(raw, "serviceName"), field(raw, "servicePort"), field(raw, "weight")
    by_group = field(raw, "targetGroupARN") is not None or field(raw, "targetGroupName") is not None
    if by_group == (name is not None):
        raise annotations.error(suffix, "needs precisely one of targetGroupARN and serviceName in each group")
    if groups > 1 and weight is None:
        raise annotations.error(suffix, "has several target groups and one without weight")
    if isinstance(weight, bool) or not isinstance(weight, int | None):
        raise annotations.error(suffix, "has a weight that is no integer")
    if name is None:
        return Target("", 0, weight)
    if not isinstance(name, str) or not name:
        raise annotations.error(suffix, "has a serviceName that is no name")
    if isinstance(port, bool) or not isinstance(port, int | str):
        raise annotations.error(suffix, f"has no servicePort for Service {name[:63]}")
    # For the sake of old configurations: "80" is 80.
    return Target(name, parse_port(port) if isinstance(port, str) else port, weight)


def _check_conditions(annotations: Annotations, suffix: str) -> None:
    for condition in _check_list(annotations, suffix):
        config = _CONDITIONS.get(str(field(condition, "field")))
        if config is None:
            continue
        values = field(condition, config)
        if not isinstance(values, dict) or not field(values, "values"):
            raise annotations.error(suffix, f"has a condition without {config}.values")


def _check_list(annotations: Annotations, suffix: str) -> Iterator[dict[str, Any]]:
    raw = annotations.json(suffix)
    if raw is None:
        return iter(())
    if not isinstance(raw, list) or not all(isinstance(entry, dict) for entry in raw):
        raise annotations.error(suffix, "is no JSON list of objects")
    return iter(raw)
