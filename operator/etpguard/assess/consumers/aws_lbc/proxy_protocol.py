"""PROXY protocol v2 on target groups of an NLB, which then sends its header in health checks too.

aws-load-balancer-controller v3.5.0: pkg/service/model_build_target_group.go (buildTargetGroupAttributes),
docs/guide/service/nlb.md.
"""

from __future__ import annotations

from dataclasses import replace

from etpguard.assess.consumers.aws_lbc.annotations import BOOLEANS, NLB, Annotations, ModelError, parse_port
from etpguard.assess.consumers.aws_lbc.health_checks import Check, accepts
from etpguard.assess.probe import HealthCheckNodePort, KubeProxyHealthz, PassesNowhere
from etpguard.objects import Service, ServicePort

ATTRIBUTE = "proxy_protocol_v2.enabled"

_ATTRIBUTES, _PER_GROUP, _ALL = "target-group-attributes", "proxy-protocol-per-target-group", "proxy-protocol"
_PRESERVE = "preserve_client_ip.enabled"
_SPEAKS_IT_NOT = PassesNowhere("kube-proxy does not speak PROXY protocol")


def is_on(base: Service, port: ServicePort) -> bool:
    """Whether it is on for the target group of that port, by the annotations of the NLB's own Service `base`:
    attributes, those of the port over them, then the list of ports, then the annotation for all."""
    annotations = Annotations(NLB, ("Service", base))
    value = told_by = ""
    for suffix in (_ATTRIBUTES, f"{_ATTRIBUTES}.{port.port}"):
        attributes = annotations.pairs(suffix)
        if attributes.get(_PRESERVE, "true") not in BOOLEANS:
            raise annotations.error(suffix, f"has a {_PRESERVE} that is no bool")
        # What is empty leaves what the other annotation says, or AWS's default, which is off.
        if attributes.get(ATTRIBUTE):
            value, told_by = attributes[ATTRIBUTE], suffix
    listed = annotations.get(_PER_GROUP)
    if listed is not None:
        ports = [text.strip() for text in listed.split(",") if text.strip()]
        if not all(isinstance(parse_port(text), int) for text in ports):
            raise annotations.error(_PER_GROUP, "is no list of port numbers")
        value = "true" if str(port.port) in ports else "false"
    everywhere = annotations.get(_ALL)
    if everywhere is not None:
        if everywhere != "*":
            raise annotations.error(_ALL, "is not *")
        value = "true"
    if value not in ("", "true", "false"):
        raise annotations.error(told_by, f"has a {ATTRIBUTE} that is neither true nor false")
    return value == "true"


def attribute_is_on(value: str) -> bool:
    """The target group attribute as a TargetGroupConfiguration gives it, "" where none does."""
    if value not in ("", "true", "false"):
        raise ModelError("MalformedConfiguration", f"{ATTRIBUTE} of a TargetGroupConfiguration is {value[:40]!r}")
    return value == "true"


def through(check: Check) -> Check:
    """The check as it is with PROXY protocol on. Pods are taken to accept that, since their traffic comes so;
    kube-proxy does not, nor does Cilium in its place: Go's net/http answers 400 to what is no HTTP."""
    check = replace(check, proxy_protocol=True)
    if check.shown is None or check.shown.protocol != "HTTP":
        return check
    match check.probe:
        case HealthCheckNodePort() if accepts(check.shown.success_codes, 400):
            return replace(check, probe=replace(check.probe, any_answer=True))
        case HealthCheckNodePort():
            return replace(check, probe=_SPEAKS_IT_NOT)
        case KubeProxyHealthz() if not accepts(check.shown.success_codes, 400):
            return replace(check, probe=_SPEAKS_IT_NOT)
        case _:
            return check
