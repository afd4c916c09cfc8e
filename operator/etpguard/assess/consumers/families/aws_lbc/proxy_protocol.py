"""PROXY protocol v2 on target groups of an NLB. The NLB then sends its header in health checks too.

aws-load-balancer-controller v3.5.0: pkg/service/model_build_target_group.go (buildTargetGroupAttributes),
docs/guide/service/nlb.md.
"""

from __future__ import annotations

from msgspec.structs import replace

from etpguard.assess.consumers.families.aws_lbc.annotations import NLB, Annotations, ModelError, parse_port
from etpguard.assess.consumers.families.aws_lbc.health_checks import accepts
from etpguard.assess.consumers.shared.aws_target_groups import PRESERVED, PROXIED
from etpguard.assess.consumers.targets import HealthCheck
from etpguard.assess.go_booleans import BOOLEANS
from etpguard.assess.probe import HealthCheckNodePort, KubeProxyHealthz, PassesNowhere
from etpguard.objects import Service, ServicePort

ATTRIBUTES = "target-group-attributes"

_PER_GROUP, _ALL = "proxy-protocol-per-target-group", "proxy-protocol"
_NOT_UNDERSTOOD = PassesNowhere("kube-proxy does not understand PROXY protocol")


class ProxyProtocol:
    """The ports for which the annotations of the Service `base` of the NLB turn PROXY protocol on. The attributes
    of a port decide first, then those of all ports, then the list of ports, then the annotation for all ports.
    What holds for all ports is read once."""

    def __init__(self, base: Service) -> None:
        self._annotations = annotations = Annotations(NLB, ("Service", base))
        self._common = self._attribute(ATTRIBUTES)
        listed = annotations.get(_PER_GROUP)
        self._listed: frozenset[str] | None = None
        if listed is not None:
            self._listed = frozenset(text.strip() for text in listed.split(",") if text.strip())
            if not all(isinstance(parse_port(text), int) for text in self._listed):
                raise annotations.error(_PER_GROUP, "is no list of port numbers")
        self._everywhere = annotations.get(_ALL)
        if self._everywhere not in (None, "*"):
            raise annotations.error(_ALL, "is not *")

    def is_on(self, port: ServicePort) -> bool:
        """Whether it is on for a port. Raises ModelError for an attribute that is neither true nor false."""
        suffix = f"{ATTRIBUTES}.{port.port}"
        of_port = self._attribute(suffix)
        value, source = (of_port, suffix) if of_port else (self._common, ATTRIBUTES)
        if self._listed is not None:
            value = "true" if str(port.port) in self._listed else "false"
        if self._everywhere is not None:
            value = "true"
        if value not in ("", "true", "false"):
            raise self._annotations.error(source, f"has a {PROXIED} that is neither true nor false")
        return value == "true"

    def _attribute(self, suffix: str) -> str:
        """The attribute as an annotation sets it; with "", the other annotations decide, or the default of AWS,
        which is off."""
        attributes = self._annotations.pairs(suffix)
        if attributes.get(PRESERVED, "true") not in BOOLEANS:
            raise self._annotations.error(suffix, f"has a {PRESERVED} that is no bool")
        return attributes.get(PROXIED, "")


def attribute_is_on(value: str) -> bool:
    """Whether the target group attribute of a TargetGroupConfiguration turns it on; the value is "" where none is
    given."""
    if value not in ("", "true", "false"):
        raise ModelError("MalformedConfiguration", f"{PROXIED} of a TargetGroupConfiguration is {value[:40]!r}")
    return value == "true"


def through(check: HealthCheck) -> HealthCheck:
    """The check with PROXY protocol on. Pods are assumed to accept it, since their traffic uses it. kube-proxy
    does not accept it, nor does Cilium in its place: Go's net/http answers 400 to anything but HTTP."""
    check = replace(check, proxy_protocol=True)
    if check.settings is None or check.settings.protocol != "HTTP":
        return check
    match check.probe:
        case HealthCheckNodePort() if accepts(check.settings.success_codes, 400):
            return replace(check, probe=replace(check.probe, any_answer=True))
        case HealthCheckNodePort():
            return replace(check, probe=_NOT_UNDERSTOOD)
        case KubeProxyHealthz() if not accepts(check.settings.success_codes, 400):
            return replace(check, probe=_NOT_UNDERSTOOD)
        case _:
            return check
