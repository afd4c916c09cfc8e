"""How the listeners of the NLB of a Service share their traffic with other Services, by annotation.

aws-load-balancer-controller v3.5.0: pkg/service/config_types.go, model_build_target_group.go
(buildTargetGroupTuples), model_build_listener.go (buildListenerSpec).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from etpguard.assess.consumers.families.aws_lbc.annotations import NLB, Annotations, ModelError, field
from etpguard.assess.consumers.families.aws_lbc.weights import Action, Actions, Target
from etpguard.objects import Key, Service, ServicePort

_PREFIX = "service.beta.kubernetes.io/"
_SUFFIX = re.compile(r"actions\.([A-Za-z_]+)-([0-9]{1,5})")


def listener_actions(base: Service) -> Actions:
    """The targets of the listeners of each port of `base`, with `base` itself first. An error makes the controller
    refuse `base`."""
    made: list[Action] = []
    first: ModelError | None = None
    suffixes, certified = _suffixes(base), _Certified(base)
    for port in base.ports:
        shared = False
        for protocol, suffix in suffixes.get(str(port.port), ()):
            try:
                made.append(_action(base, port, suffix))
            except ModelError as error:
                first = first or error
            else:
                shared |= protocol == certified.protocol(port)
        if not shared:
            made.append(Action((Target(base.key.name, port.port),), 1))
    return Actions.of(made, first or certified.error)


def weighted_services(base: Service) -> Iterable[Key]:
    """The other Services to which the listeners of an NLB forward, as far as the annotations can be read."""
    if any(key.startswith(f"{_PREFIX}actions.") for key in base.annotations):
        for action in listener_actions(base).made:
            yield from (Key(base.key.namespace, target.service) for target in action.targets[1:])


def _suffixes(base: Service) -> dict[str, list[tuple[str, str]]]:
    """By port number, the protocols and suffixes of the annotations `actions.<protocol>-<port>`. One for a
    protocol that no listener of the port has may have no effect; its other Services count anyway."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for key in base.annotations:
        match = _SUFFIX.fullmatch(key.removeprefix(_PREFIX)) if key.startswith(_PREFIX) else None
        if match:
            found[match[2]].append((match[1], match[0]))
    return found


class _Certified:
    """The ports of an NLB whose listeners use TLS: all with a certificate, or those that an annotation lists."""

    def __init__(self, base: Service) -> None:
        annotations = Annotations(NLB, ("Service", base))
        self.error: ModelError | None = None
        self._listed: frozenset[str] = frozenset()
        self._certified = False
        try:
            listed = (text.strip() for text in (annotations.get("ssl-ports") or "").split(","))
            self._listed = frozenset(text for text in listed if text)
            known = {text for port in base.ports for text in (port.label, str(port.port))}
            if self._listed - known:  # validateTLSPortsSet
                raise annotations.error("ssl-ports", "names a port that the Service does not have")
            self._certified = bool((annotations.get("ssl-cert") or "").strip(" ,"))
        except ModelError as error:
            self.error = error

    def protocol(self, port: ServicePort) -> str:
        listed = not self._listed or port.label in self._listed or str(port.port) in self._listed
        return "TLS" if port.transport == "TCP" and self._certified and listed else port.transport


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
    """The name is "" for a target group by ARN."""
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
