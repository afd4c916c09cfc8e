"""How the listeners of the NLB of a Service share their traffic with other Services, by annotation.

aws-load-balancer-controller v3.5.0: pkg/service/config_types.go, model_build_target_group.go
(buildTargetGroupTuples), model_build_listener.go (buildListenerSpec).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from etpguard.assess.consumers.aws_lbc.annotations import NLB, Annotations, ModelError, field
from etpguard.assess.consumers.aws_lbc.weights import Action, Target
from etpguard.objects import Key, Service, ServicePort

_PREFIX = "service.beta.kubernetes.io/"
_SUFFIX = re.compile(r"actions\.([A-Za-z_]+)-([0-9]{1,5})")


def listener_actions(base: Service) -> tuple[list[Action], ModelError | None]:
    """What the listeners of each port of `base` forward to, with `base` itself first, and the first error,
    which makes the controller refuse `base`."""
    made: list[Action] = []
    first: ModelError | None = None
    for port in base.ports:
        shared = False
        for protocol, suffix in _suffixes(base, port):
            try:
                made.append(_action(base, port, suffix))
            except ModelError as error:
                first = first or error
            else:
                shared |= protocol == _protocol(base, port)
        if not shared:
            made.append(Action((Target(base.key.name, port.port),), 1))
    return made, first


def weighted_services(base: Service) -> Iterable[Key]:
    """The other Services to which the listeners of an NLB forward, as far as the annotations can be read."""
    for action in listener_actions(base)[0]:
        yield from (Key(base.key.namespace, target.service) for target in action.targets[1:])


def _suffixes(base: Service, port: ServicePort) -> Iterator[tuple[str, str]]:
    """Protocols and suffixes of the annotations `actions.<protocol>-<port>` for a port. One for a protocol that
    no listener of it has may be without effect; its other Services are counted all the same."""
    for key in base.annotations:
        match = _SUFFIX.fullmatch(key.removeprefix(_PREFIX)) if key.startswith(_PREFIX) else None
        if match and match[2] == str(port.port):
            yield match[1], match[0]


def _protocol(base: Service, port: ServicePort) -> str:
    """That of its listener: TLS where there is a certificate, for all ports or for those that are listed."""
    annotations = Annotations(NLB, ("Service", base))
    listed = [text.strip() for text in (annotations.get("ssl-ports") or "").split(",") if text.strip()]
    certified = (annotations.get("ssl-cert") or "").strip(" ,")
    if port.transport == "TCP" and certified and (not listed or {port.label, str(port.port)} & set(listed)):
        return "TLS"
    return port.transport


def _action(base: Service, port: ServicePort, suffix: str) -> Action:
    annotations = Annotations(_PREFIX, ("Service", base))
    raw = annotations.json(suffix)
    if not isinstance(raw, dict) or field(raw, "type") != "forward":
        raise annotations.error(suffix, "is no JSON object of type forward")
    config = field(raw, "forwardConfig")
    groups = (field(config, "targetGroups") or []) if isinstance(config, dict) else None
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise annotations.error(suffix, "has a malformed forwardConfig")
    own = Target(base.key.name, port.port, _weight(annotations, suffix, field(config, "baseServiceWeight")))
    targets = [own]
    weights = [own.weight]
    for group in groups:
        target = _target(annotations, suffix, group)
        weights.append(target.weight)
        if len(groups) > 1 and target.weight is None:
            raise annotations.error(suffix, "has several target groups and one without weight")
        if target.service:
            targets.append(target)
    return Action(tuple(targets), len(weights), max(weight or 0 for weight in weights))


def _target(annotations: Annotations, suffix: str, group: dict[str, Any]) -> Target:
    """A target group by ARN has no Service: "" is its name."""
    name, port = field(group, "serviceName"), field(group, "servicePort")
    if (name is None) == (field(group, "targetGroupARN") is None):
        raise annotations.error(suffix, "needs precisely one of targetGroupARN and serviceName in each group")
    weight = _weight(annotations, suffix, field(group, "weight"))
    if name is None:
        return Target("", 0, weight)
    if not isinstance(name, str) or not name or isinstance(port, bool) or not isinstance(port, int | str):
        raise annotations.error(suffix, "has a target group without a servicePort")
    return Target(name, port, weight)


def _weight(annotations: Annotations, suffix: str, raw: Any) -> int | None:
    if raw is None:
        return None
    if isinstance(raw, bool) or not isinstance(raw, int) or not 0 <= raw <= 999:
        raise annotations.error(suffix, "has a weight that is no integer from 0 to 999")
    return raw
