"""Which ports of which Services an Ingress forwards to.

aws-load-balancer-controller v3.5.0: pkg/ingress/reference_indexer.go:55-83, enhanced_backend_builder.go,
config_types.go. JSON is read as Go's decoder reads it: keys in any case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from etpguard.assess.consumers.families.aws_lbc.annotations import ALB, Annotations, ModelError, field, parse_port
from etpguard.assess.consumers.families.aws_lbc.weights import Action, Actions, Target
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
_BY_REGEX = ("hostHeaderConfig", "pathPatternConfig", "httpHeaderConfig")
"""These may have regexValues in place of values, since v2.14.1."""


def ingress_actions(ingress: Ingress) -> Actions:
    """The action of the default backend and of each path. An error makes the controller refuse the whole
    Ingress."""
    annotations = Annotations(ALB, ("Ingress", ingress))
    made: dict[tuple[str, int | str | None], Action | None] = {}
    first: ModelError | None = None
    for backend in ingress.backends:
        service = backend.service
        if service is None:
            first = first or _resource(ingress)
            continue
        annotated = _uses_annotation(backend)
        reference: int | str = (service.port.name or service.port.number or 0) if service.port else 0
        key = (service.name, None if annotated else reference)
        if key not in made:
            made[key], error = _action(annotations, *key)
            first = first or error
    return Actions.of(filter(None, made.values()), first)


def services_of(ingress: Ingress) -> Iterable[Key]:
    """The Services that the Ingress's action annotations name, as far as these can be read."""
    if any(map(_uses_annotation, ingress.backends)):
        for name in ingress_actions(ingress).by_service:
            yield Key(ingress.key.namespace, name)


def _uses_annotation(backend: Backend) -> bool:
    port = backend.service and backend.service.port
    return bool(port and port.name == _USE_ANNOTATION)


def _resource(ingress: Ingress) -> ModelError:
    return ModelError(
        "BackendResource",
        f"a backend of Ingress {ingress.key} is a resource and no Service, so the controller refuses the whole "
        "Ingress",
    )


def _action(
    annotations: Annotations, name: str, reference: int | str | None
) -> tuple[Action | None, ModelError | None]:
    """The action that forwards to a port of the Service `name`, and the first error. Where `reference` is None,
    the annotation `actions.NAME` defines the action, which is None if it cannot be read."""
    action = None if reference is None else Action((Target(name, reference),), 1)
    first: ModelError | None = None
    try:
        _check_conditions(annotations, f"conditions.{name}")
        _check_list(annotations, f"transforms.{name}")
    except ModelError as error:
        first = error
    try:
        action = action or _annotated(annotations, f"actions.{name}")
    except ModelError as error:
        first = first or error
    return action, first


def _annotated(annotations: Annotations, suffix: str) -> Action:
    """enhanced_backend_builder.go:129-139, :201-267. Without the annotation the listener answers 503."""
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
    """config_types.go TargetGroupTuple. The name is "" for a target group that names no Service."""
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
    # As the controller does for old configurations: "80" is 80.
    return Target(name, parse_port(port) if isinstance(port, str) else port, weight)


def _check_conditions(annotations: Annotations, suffix: str) -> None:
    for condition in _check_list(annotations, suffix):
        config = _CONDITIONS.get(str(field(condition, "field")))
        if config is None:
            continue
        given = field(condition, config)
        given = given if isinstance(given, dict) else {}
        by_pattern = bool(field(given, "regexValues")) and config in _BY_REGEX
        if bool(field(given, "values")) == by_pattern:
            either = f"precisely one of {config}.values and regexValues" if by_pattern else f"{config}.values"
            raise annotations.error(suffix, f"has a condition without {either}")


def _check_list(annotations: Annotations, suffix: str) -> Iterator[dict[str, Any]]:
    raw = annotations.json(suffix)
    if raw is None:
        return iter(())
    if not isinstance(raw, list) or not all(isinstance(entry, dict) for entry in raw):
        raise annotations.error(suffix, "is no JSON list of objects")
    return iter(raw)
