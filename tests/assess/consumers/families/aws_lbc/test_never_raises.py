"""Whatever people write into annotations, there is an answer that names the object, and never an exception."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from etpguard.assess import Outcome
from etpguard.assess.consumers.families.aws_lbc import options_from_arguments
from tests.assess.consumers.checks import shown
from tests.assess.consumers.families.aws_lbc.objects import (
    ALB,
    NLB,
    Shop,
    backend,
    binding,
    gateway_owner,
    ingress,
    ingress_owner,
    load_balancer,
    service,
    service_owner,
    target_configuration,
)
from tests.examples import examples

ALB_KEYS = [
    *("target-type", "target-node-labels", "backend-protocol", "backend-protocol-version", "healthcheck-port"),
    *("healthcheck-protocol", "healthcheck-path", "success-codes", "healthcheck-interval-seconds", "listen-ports"),
    *(
        "healthy-threshold-count",
        "ssl-redirect",
        "group.name",
        "ip-address-type",
        "certificate-arn",
        "actions.act",
    ),
    *("conditions.act", "conditions.web", "transforms.web"),
]
NLB_KEYS = [
    *("type", "nlb-target-type", "target-node-labels", "healthcheck-port", "healthcheck-protocol"),
    *("healthcheck-path", "healthcheck-success-codes", "healthcheck-interval", "healthcheck-timeout"),
    *("ip-address-type", "proxy-protocol", "proxy-protocol-per-target-group"),
    *("target-group-attributes", "target-group-attributes.80"),
]

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
names = st.sampled_from(["type", "forwardConfig", "targetGroups", "serviceName", "servicePort", "weight", "field"])
json_values = st.recursive(
    leaves | st.sampled_from(["forward", "web", 80, "host-header"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
values = st.one_of(
    st.text(max_size=40),
    json_values.map(json.dumps),
    st.text("0123456789-+,=\\ abchttp", max_size=20),
    st.integers().map(str),
    st.sampled_from(
        ["instance", "ip", "HTTP", "traffic-port", "10256", "200-599", "[" * 3000, "9" * 6000, "²", "٣"]
    ),
)


def annotated(prefix: str, keys: list[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from([prefix + key for key in keys]), values, max_size=5)


@settings(max_examples=examples(300), deadline=None)
@given(annotated(ALB, ALB_KEYS), annotated(ALB, ALB_KEYS), st.booleans())
def test_annotations_of_ingresses(of_ingress: dict[str, str], of_service: dict[str, str], bound: bool) -> None:
    objects = [
        service(annotations=of_service),
        ingress("web", backend(), backend("act", "use-annotation"), annotations=of_ingress),
        *([binding(owner=ingress_owner())] if bound else []),
    ]
    shop = Shop(*objects)
    for verdict in shop.verdicts():
        if verdict.outcome is Outcome.Unknown:
            assert verdict.reason.detail
            assert len(str(verdict.reason)) < 1000
            assert "\n" not in verdict.reason.detail
        for advice in shop.family.advise(shop.service, verdict, shop.hosts()):
            assert shown(advice)


@settings(max_examples=examples(200), deadline=None)
@given(annotated(NLB, NLB_KEYS), st.none() | values, st.booleans())
def test_annotations_of_services(annotations: dict[str, str], action: str | None, bound: bool) -> None:
    if action is not None:
        annotations = {**annotations, "service.beta.kubernetes.io/actions.TCP-80": action}
    shop = Shop(load_balancer(annotations=annotations), *([binding(owner=service_owner())] if bound else []))
    for verdict in shop.verdicts():
        assert verdict.reason.code
        for advice in shop.family.advise(shop.service, verdict, shop.hosts()):
            assert shown(advice)


@settings(max_examples=examples(100), deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "healthCheckPort": values,
            "healthCheckProtocol": values,
            "healthCheckPath": values,
            "matcher": st.fixed_dictionaries({"httpCode": values, "grpcCode": values}),
        },
    ),
    values,
    st.sampled_from(["alb", "nlb"]),
    st.sampled_from([None, "GRPC", "HTTP2"]),
)
def test_configurations_of_gateways(
    check: dict[str, object], attribute: str, kind: str, version: str | None
) -> None:
    attributes = [{"key": "proxy_protocol_v2.enabled", "value": attribute}]
    configured = target_configuration(
        healthCheckConfig=check, protocolVersion=version, targetGroupAttributes=attributes
    )
    assert Shop(load_balancer(), configured, binding(owner=gateway_owner(kind))).verdicts()


@given(
    st.lists(st.text(max_size=30) | st.sampled_from(["--feature-gates", "--ingress-class=x", "--"]), max_size=6)
)
def test_arguments_are_read_or_refused(args: list[str]) -> None:
    try:
        assert isinstance(options_from_arguments(args), dict)
    except ValueError as error:
        assert str(error).startswith("--")  # noqa: PT017  names the flag
