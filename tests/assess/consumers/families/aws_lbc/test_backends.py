"""Which ports of which Services an Ingress forwards to: pkg/ingress/reference_indexer.go:55-83,
enhanced_backend_builder.go, config_types.go."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etpguard.assess import Outcome
from etpguard.objects import Key
from tests.assess.consumers.families.aws_lbc.objects import Json, Shop, backend, ingress, only, port, service

OTHER = service("other", ports=[port(node_port=30900)])
ACTION = backend("act", "use-annotation")


def action(value: Any, **more: str) -> Json:
    """An Ingress with one backend that takes its action from the annotation."""
    raw = value if isinstance(value, str) else json.dumps(value)
    return ingress("web", ACTION, annotations={"actions.act": raw, **more})


def forward(*groups: Json) -> Json:
    return {"type": "forward", "forwardConfig": {"targetGroups": list(groups)}}


def group(name: str = "web", of_port: Any = 80, **more: Any) -> Json:
    return {"serviceName": name, "servicePort": of_port, **more}


ARN = "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/x/1"


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([ingress("web", backend())], id="path-by-number"),
        pytest.param([ingress("web", backend("web", "http"))], id="path-by-name"),
        pytest.param([ingress("web", default_backend=backend())], id="default-backend"),
        pytest.param(
            [ingress("web", backend("other"), default_backend=backend()), OTHER], id="default-beside-path"
        ),
        pytest.param([action(forward(group()))], id="action-forwards"),
        pytest.param([action(forward(group(of_port="http")))], id="action-port-by-name"),
        pytest.param([action(forward(group(of_port="80")))], id="action-port-as-a-string-of-digits-is-a-number"),
        pytest.param(
            [
                action(
                    '{"Type":"forward","ForwardConfig":{"TargetGroups":'
                    '[{"ServiceName":"web","SERVICEPORT":80,"Weight":1}]}}'
                )
            ],
            id="action-keys-in-any-case",
        ),
        pytest.param([action(forward(group(weight=90), group("other", weight=10))), OTHER], id="action-weighted"),
        pytest.param(
            [action(forward(group(weight=1), {"targetGroupARN": ARN, "weight": 0}))], id="action-beside-an-arn"
        ),
        pytest.param(
            [
                action(
                    forward(group()),
                    **{"conditions.act": '[{"field":"host-header","hostHeaderConfig":{"values":["a"]}}]'},
                )
            ],
            id="conditions-only-alter-matching",
        ),
        pytest.param(
            [
                ingress(
                    annotations={
                        "conditions.web": json.dumps(
                            [
                                {"field": "host-header", "hostHeaderConfig": {"regexValues": ["a.+"]}},
                                {"field": "path-pattern", "pathPatternConfig": {"regexValues": ["/a.+"]}},
                                {"field": "http-header", "httpHeaderConfig": {"regexValues": ["a.+"]}},
                            ]
                        )
                    }
                )
            ],
            id="conditions-by-regular-expression",
        ),
        pytest.param(
            [ingress(annotations={"actions.web": "{broken"})], id="action-is-inert-without-use-annotation"
        ),
        pytest.param([ingress("web", backend(), backend("missing"))], id="a-missing-service-alone-is-a-503-rule"),
    ],
)
def test_reaches_the_service(objects: list[Json]) -> None:
    verdict = only(Shop(*objects))
    assert verdict.outcome is Outcome.TargetsUnhealthy
    assert verdict.consumer.port == "http"


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param(
            [ingress("web", backend("web", "use-annotation"))], id="the-like-named-service-is-no-backend"
        ),
        pytest.param([action({"type": "redirect", "redirectConfig": {"statusCode": "301"}})], id="redirect"),
        pytest.param(
            [action({"type": "fixed-response", "fixedResponseConfig": {"statusCode": "503"}})], id="fixed-response"
        ),
        pytest.param([action({"type": "forward", "targetGroupARN": ARN})], id="forward-to-an-arn"),
        pytest.param([action({"type": "forward", "TargetGroupArn": ARN})], id="forward-to-an-arn-in-any-case"),
        pytest.param(
            [action({"type": "forward", "targetGroupName": "x"})], id="forward-to-a-target-group-by-name"
        ),
        pytest.param([action(forward({"targetGroupARN": ARN}))], id="forward-config-with-an-arn-alone"),
        pytest.param([ingress("web", ACTION)], id="a-missing-action-is-a-503-rule"),
        pytest.param([action(forward(group("other"))), OTHER], id="action-to-another-service"),
        pytest.param(
            [ingress("web") | {"spec": {"ingressClassName": "alb", "rules": [{"host": "a"}]}}],
            id="rules-without-http-are-skipped",
        ),
    ],
)
def test_does_not_reach_the_service(objects: list[Json]) -> None:
    assert Shop(*objects).consumers() == []


def broken_action(value: Any, **more: str) -> Json:
    """An Ingress that names the Service directly, and has a broken action beside."""
    raw = value if isinstance(value, str) else json.dumps(value)
    return ingress("web", backend(), ACTION, annotations={"actions.act": raw, **more})


FINE = json.dumps(forward(group()))
BY_BOTH = json.dumps([{"field": "host-header", "hostHeaderConfig": {"values": ["a"], "regexValues": ["a"]}}])


@pytest.mark.parametrize(
    ("objects", "code", "named"),
    [
        pytest.param([ingress("web", backend(of_port=8080))], "PortNotFound", "8080", id="target-port-is-no-port"),
        pytest.param([ingress("web", backend(of_port="htpp"))], "PortNotFound", "htpp", id="port-name-missing"),
        pytest.param([action(forward(group(of_port=81)))], "PortNotFound", "81", id="action-port-missing"),
        pytest.param(
            [ingress("web", backend(), {"resource": {"kind": "Bucket", "name": "x"}})],
            "BackendResource",
            "shop/web",
            id="backend-resource-fails-the-ingress",
        ),
        pytest.param([broken_action("{broken")], "MalformedAnnotation", "actions.act", id="action-is-no-json"),
        pytest.param([broken_action("[]")], "MalformedAnnotation", "actions.act", id="action-is-no-object"),
        pytest.param([broken_action("null")], "MalformedAnnotation", "actions.act", id="action-is-null"),
        pytest.param([broken_action({})], "MalformedAnnotation", "actions.act", id="action-without-type"),
        pytest.param([broken_action({"type": "x"})], "MalformedAnnotation", "actions.act", id="action-of-no-type"),
        pytest.param(
            [broken_action({"type": "forward"})], "MalformedAnnotation", "precisely one", id="forward-to-nothing"
        ),
        pytest.param(
            [broken_action({**forward(group()), "targetGroupARN": ARN})],
            "MalformedAnnotation",
            "precisely one",
            id="forward-to-an-arn-and-a-config",
        ),
        pytest.param(
            [broken_action(forward({"serviceName": "web", "servicePort": 80, "targetGroupARN": ARN}))],
            "MalformedAnnotation",
            "precisely one",
            id="group-with-service-and-arn",
        ),
        pytest.param(
            [broken_action(forward({"serviceName": "web"}))],
            "MalformedAnnotation",
            "servicePort",
            id="group-without-port",
        ),
        pytest.param(
            [broken_action(forward(group(), group("other"))), OTHER],
            "MalformedAnnotation",
            "weight",
            id="several-groups-need-weights",
        ),
        pytest.param(
            [broken_action(forward(group(weight=True)))],
            "MalformedAnnotation",
            "weight",
            id="weight-is-no-integer",
        ),
        pytest.param(
            [broken_action(forward(group("", weight=1)))], "MalformedAnnotation", "serviceName", id="empty-name"
        ),
        pytest.param(
            [broken_action(forward(group(weight=1), group("missing", weight=1)))],
            "BackendNotFound",
            "missing",
            id="one-missing-service-among-several-fails-the-ingress",
        ),
        pytest.param(
            [broken_action(FINE, **{"conditions.act": "{"})],
            "MalformedAnnotation",
            "conditions.act",
            id="malformed-conditions-fail-the-ingress",
        ),
        pytest.param(
            [broken_action(FINE, **{"conditions.web": '[{"field":"host-header"}]'})],
            "MalformedAnnotation",
            "conditions.web",
            id="a-condition-without-its-config-fails-the-ingress",
        ),
        pytest.param(
            [ingress(annotations={"conditions.web": '[{"field":"host-header"}]'})],
            "MalformedAnnotation",
            "conditions.web",
            id="the-malformed-conditions-of-the-only-backend",
        ),
        pytest.param(
            [ingress(annotations={"conditions.web": BY_BOTH})],
            "MalformedAnnotation",
            "precisely one",
            id="values-and-a-regular-expression",
        ),
        pytest.param(
            [broken_action(FINE, **{"transforms.act": '"x"'})],
            "MalformedAnnotation",
            "transforms.act",
            id="malformed-transforms-fail-the-ingress",
        ),
        pytest.param(
            [service(type_="ClusterIP", externalIPs=["198.51.100.7"], ports=[port(node_port=None)]), ingress()],
            "NoNodePort",
            "node port",
            id="instance-target-with-node-port-0",
        ),
        pytest.param(
            [ingress("web", backend(), backend("other")), service("other", ports=[port(node_port=None)])],
            "NoNodePort",
            "shop/other",
            id="another-backend-without-node-port-fails-the-whole-ingress",
        ),
        pytest.param(
            [ingress("web", backend(), backend("other", 99)), OTHER],
            "PortNotFound",
            "shop/other",
            id="another-backend-with-a-missing-port-fails-the-whole-ingress",
        ),
    ],
)
def test_the_controller_refuses(objects: list[Json], code: str, named: str) -> None:
    verdict = only(Shop(*objects))
    assert (verdict.outcome, verdict.reason.code) == (Outcome.Unknown, code)
    assert named in verdict.reason.detail


def test_name_and_number_of_one_port_are_two_target_groups_and_one_consumer() -> None:
    shop = Shop(ingress("web", backend(), backend("web", "http")))
    assert [c.port for c in shop.consumers()] == ["http"]


def test_each_port_is_a_consumer_of_its_own() -> None:
    ports = [port(), port(443, "https", 30443)]
    shop = Shop(service(ports=ports), ingress("web", backend(), backend("web", "https")))
    assert sorted(c.port for c in shop.consumers()) == ["http", "https"]


def test_a_service_that_an_action_names_is_assessed_again_when_the_other_one_appears() -> None:
    shop = Shop(action(forward(group(weight=1), group("other", weight=1))))
    assert shop.assessment().reason.code == "BackendNotFound"
    shop.apply(OTHER)
    assert shop.assessment().outcome is Outcome.TargetsUnhealthy
    shop.remove(OTHER)
    assert shop.assessment().reason.code == "BackendNotFound"


def test_an_ingress_only_reaches_services_of_its_own_namespace() -> None:
    foreign = ingress()
    foreign["metadata"]["namespace"] = "elsewhere"
    assert Shop(foreign).consumers() == []
    assert Shop(foreign).consumers(Key("shop", "web")) == []
