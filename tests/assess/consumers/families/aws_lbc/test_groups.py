"""Ingress groups: pkg/ingress/model_builder.go buildSSLRedirectConfig, model_build_listener_rules.go:20-22."""

from __future__ import annotations

import pytest

from etpguard.assess import Outcome
from etpguard.objects.aws import INGRESS_CLASS_PARAMS
from tests.assess.consumers.families.aws_lbc.objects import (
    Json,
    Shop,
    backend,
    class_params,
    ingress,
    ingress_class,
    namespace,
    only,
    port,
    service,
)

BOTH = '[{"HTTP": 80}, {"HTTPS": 443}]'
GROUP = {"group.name": "shared"}
OTHER = service("other", ports=[port(node_port=30900)])


def member(**annotations: str) -> Json:
    """Another member of the group, which does not reach the Service."""
    named = {key.replace("_", "-"): value for key, value in annotations.items()}
    return ingress("member", backend("other"), annotations=GROUP | named)


@pytest.mark.parametrize(
    ("annotations", "others"),
    [
        pytest.param({"ssl-redirect": "443", "listen-ports": BOTH}, [], id="own-https-listener"),
        pytest.param({"ssl-redirect": "443", "certificate-arn": "arn:x"}, [], id="a-certificate-means-https"),
        pytest.param(
            GROUP | {"listen-ports": BOTH},
            [member(ssl_redirect="443", listen_ports=BOTH)],
            id="https-in-a-redirected-group",
        ),
        pytest.param(GROUP, [member(listen_ports=BOTH)], id="http-alone-in-a-group-without-redirect"),
        pytest.param(
            {}, [member(ssl_redirect="443", listen_ports=BOTH)], id="redirect-of-a-group-that-it-is-not-in"
        ),
    ],
)
def test_rules_are_built(annotations: dict[str, str], others: list[Json]) -> None:
    shop = Shop(ingress(annotations=annotations), OTHER, *others)
    assert [v.outcome for v in shop.verdicts()] == [Outcome.TargetsUnhealthy]


def test_a_member_on_http_alone_registers_nothing_once_the_group_redirects() -> None:
    shop = Shop(ingress(annotations=GROUP), OTHER)
    assert not only(shop).consumer.incidental
    shop.apply(member(ssl_redirect="443", listen_ports=BOTH))
    verdict = only(shop)
    assert verdict.consumer.incidental
    assert verdict.reason.code == "NotRegistered"
    assert shop.assessment().outcome is Outcome.Uncovered
    shop.remove(member())
    assert not only(shop).consumer.incidental


def test_the_same_in_a_group_by_the_params_of_the_class() -> None:
    shop = Shop(ingress(), ingress_class(params="params"), class_params(group={"name": "shared"}), OTHER)
    assert not only(shop).consumer.incidental
    shop.apply(ingress("member", backend("other"), annotations={"ssl-redirect": "443", "listen-ports": BOTH}))
    assert only(shop).consumer.incidental


@pytest.mark.parametrize(
    ("annotations", "redirect", "registered"),
    [
        pytest.param({"certificate-arn": "arn:x"}, "443", True, id="on-https"),
        pytest.param({"listen-ports": BOTH}, "443", True, id="on-both"),
        pytest.param({}, "x", True, id="a-port-that-is-no-number-is-no-redirect"),
        pytest.param({"ssl-redirect": "443"}, "x", True, id="and-undoes-the-annotation"),
        pytest.param({}, "", True, id="none"),
        pytest.param(GROUP, "443", False, id="on-http-alone-in-a-group-with-https"),
    ],
)
def test_a_redirect_by_the_params_of_the_class(
    annotations: dict[str, str], redirect: str, registered: bool
) -> None:
    params = class_params(sslRedirectPort=redirect)
    others = [member(listen_ports=BOTH)] if annotations is GROUP else []
    shop = Shop(ingress(annotations=annotations), ingress_class(params="params"), params, OTHER, *others)
    assert (only(shop).outcome is Outcome.TargetsUnhealthy) is registered
    assert (only(shop).reason.code == "NotRegistered") is not registered


def test_the_params_of_the_class_go_before_the_annotation() -> None:
    made = ingress(annotations={"ssl-redirect": "8443", "listen-ports": BOTH})
    shop = Shop(made, ingress_class(params="params"), class_params(sslRedirectPort="443"))
    assert only(shop).outcome is Outcome.TargetsUnhealthy


def test_each_member_has_the_params_of_its_own_class() -> None:
    foreign = ingress("member", backend("other"), class_name="secure", annotations=GROUP | {"listen-ports": BOTH})
    secure = ingress_class("secure", params="redirecting")
    shop = Shop(ingress(annotations=GROUP), OTHER, foreign, ingress_class(), secure)
    assert only(shop).outcome is Outcome.TargetsUnhealthy
    shop.apply(class_params("redirecting", sslRedirectPort="443"))
    assert only(shop).reason.code == "NotRegistered"


def test_params_that_were_not_read_may_bring_a_member_that_redirects() -> None:
    """They may name the group."""
    made = ingress("member", backend("other"), class_name="secure", annotations={"listen-ports": BOTH})
    params = class_params("grouped", group={"name": "shared"}, sslRedirectPort="443")
    objects = [ingress(annotations=GROUP), OTHER, made, ingress_class(), ingress_class("secure", params="grouped")]
    assert only(Shop(*objects, params)).reason.code == "NotRegistered"
    found = only(Shop(*objects, unread={INGRESS_CLASS_PARAMS: "forbidden"}))
    assert (found.outcome, found.reason.code) == (Outcome.Unknown, "IngressClassParamsNotReadable")
    assert "IngressClassParams grouped of IngressClass secure cannot be read" in found.reason.detail
    others = [*objects[:-1], ingress_class("secure", "k8s.io/ingress-nginx", params="grouped")]
    found = only(Shop(*others, unread={INGRESS_CLASS_PARAMS: "forbidden"}))
    assert found.outcome is Outcome.TargetsUnhealthy


@pytest.mark.parametrize(
    ("annotations", "others", "code"),
    [
        pytest.param(
            {"ssl-redirect": "443"}, [], "SslRedirectWithoutListener", id="redirect-without-https-listener"
        ),
        pytest.param(
            {"ssl-redirect": "80", "listen-ports": BOTH}, [], "SslRedirectWithoutListener", id="redirect-to-http"
        ),
        pytest.param(
            GROUP | {"ssl-redirect": "8443", "listen-ports": BOTH},
            [member(ssl_redirect="443", listen_ports=BOTH)],
            "SslRedirectConflict",
            id="two-redirects-in-a-group",
        ),
        pytest.param(
            {},
            [ingress_class(params="params"), class_params(sslRedirectPort="443")],
            "SslRedirectWithoutListener",
            id="redirect-by-the-class-without-https-listener",
        ),
        pytest.param(GROUP, [member(ssl_redirect="x")], "MalformedAnnotation", id="a-member-that-is-malformed"),
        pytest.param({"group.order": "1001"}, [], "MalformedAnnotation", id="order-out-of-range"),
        pytest.param(GROUP, [member(**{"group.order": "first"})], "MalformedAnnotation", id="order-of-a-member"),
        pytest.param(GROUP, [member(listen_ports="80")], "MalformedAnnotation", id="listeners-of-a-member"),
        pytest.param(
            GROUP, [member(listen_ports='[{"HTTPS": 80}]')], "ListenPortConflict", id="two-protocols-on-a-port"
        ),
        pytest.param(
            GROUP | {"ip-address-type": "ipv4"},
            [member(ip_address_type="dualstack")],
            "AddressTypeConflict",
            id="two-address-types",
        ),
        pytest.param({"ip-address-type": "dual"}, [], "MalformedAnnotation", id="an-unknown-address-type"),
        pytest.param(
            GROUP, [member(**{"conditions.other": "{"})], "MalformedAnnotation", id="conditions-of-a-member"
        ),
    ],
)
def test_the_controller_refuses(annotations: dict[str, str], others: list[Json], code: str) -> None:
    (verdict,) = Shop(ingress(annotations=annotations), OTHER, *others).verdicts()
    assert (verdict.outcome, verdict.reason.code) == (Outcome.Unknown, code)


def with_default(**annotations: str) -> Json:
    named = {key.replace("_", "-"): value for key, value in annotations.items()}
    return ingress("member", default_backend=backend("other"), annotations=GROUP | named)


@pytest.mark.parametrize(
    ("annotations", "other", "refused"),
    [
        pytest.param({}, with_default(), True, id="on-the-same-port"),
        pytest.param({}, with_default(listen_ports='[{"HTTP": 81}]'), False, id="on-another-port"),
        pytest.param(
            {"ssl-redirect": "443", "listen-ports": BOTH},
            with_default(),
            False,
            id="one-on-a-listener-that-only-redirects",
        ),
    ],
)
def test_two_default_backends(annotations: dict[str, str], other: Json, refused: bool) -> None:
    own = ingress(default_backend=backend(), annotations=GROUP | annotations)
    verdict = only(Shop(own, other, OTHER))
    assert (verdict.reason.code == "SeveralDefaultBackends") is refused
    assert (verdict.outcome is Outcome.TargetsUnhealthy) is not refused


def test_a_member_without_rules_is_not_refused_for_its_actions() -> None:
    own = ingress(annotations=GROUP | {"ssl-redirect": "443", "listen-ports": BOTH})
    shop = Shop(own, member(**{"conditions.other": "{"}), OTHER)
    assert only(shop).outcome is Outcome.TargetsUnhealthy


def test_a_refusal_of_the_group_ends_with_its_cause() -> None:
    shop = Shop(ingress(annotations=GROUP), member(**{"conditions.other": "{"}), OTHER)
    found = only(shop)
    assert found.outcome is Outcome.Unknown
    assert "Ingress shop/member, annotation" in found.reason.detail
    assert found.reason.detail.endswith("so the controller refuses all Ingresses of group shared")
    shop.apply(member())
    assert only(shop).outcome is Outcome.TargetsUnhealthy


def test_the_address_type_of_the_class_goes_before_the_annotation() -> None:
    dual = service(ipFamilies=["IPv4", "IPv6"])
    made = [dual, ingress(annotations={"ip-address-type": "dualstack"}), ingress_class(params="params")]
    assert only(Shop(*made, class_params())).reason.code != "LoadBalancerNotDualStack"
    assert only(Shop(*made, class_params(ipAddressType="ipv4"))).reason.code == "LoadBalancerNotDualStack"


def test_a_member_being_deleted_redirects_nobody() -> None:
    leaving = member(ssl_redirect="443", listen_ports=BOTH)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert only(Shop(ingress(annotations=GROUP), OTHER, leaving)).outcome is Outcome.TargetsUnhealthy


def test_groups_reach_across_namespaces() -> None:
    elsewhere = member(ssl_redirect="443", listen_ports=BOTH)
    elsewhere["metadata"]["namespace"] = "elsewhere"
    assert only(Shop(ingress(annotations=GROUP), elsewhere)).reason.code == "NotRegistered"


def foreign(class_name: str | None = "alb", **annotations: str) -> Json:
    """An Ingress of another namespace that names the group and would redirect it."""
    redirect = {"ssl-redirect": "443", "listen-ports": BOTH}
    return ingress(
        "foreign",
        backend("other"),
        class_name=class_name,
        annotations=GROUP | redirect | annotations,
        metadata={"namespace": "tenant"},
    )


@pytest.mark.parametrize(
    ("others", "member"),
    [
        pytest.param([foreign()], True, id="of the controller's class"),
        pytest.param(
            [foreign("nginx"), ingress_class("nginx", "k8s.io/ingress-nginx")], False, id="another class"
        ),
        pytest.param([foreign("gone")], False, id="a class that does not exist"),
        pytest.param([foreign(**{"kubernetes.io/ingress.class": "nginx"})], False, id="another legacy class"),
        pytest.param([foreign(**{"kubernetes.io/ingress.class": "alb"})], True, id="the legacy class"),
        pytest.param(
            [
                foreign("limited"),
                ingress_class("limited", params="limited"),
                class_params("limited", namespaceSelector={"matchLabels": {"alb": "yes"}}),
                namespace("tenant"),
            ],
            False,
            id="a namespace that its class does not admit",
        ),
        pytest.param(
            [
                foreign("limited"),
                ingress_class("limited", params="limited"),
                class_params("limited", namespaceSelector={"matchLabels": {"alb": "yes"}}),
                namespace("tenant", alb="yes"),
            ],
            True,
            id="a namespace that its class admits",
        ),
        pytest.param(
            [
                foreign("grouped"),
                ingress_class("grouped", params="grouped"),
                class_params("grouped", group={"name": "elsewhere"}),
            ],
            False,
            id="a class that puts it into another group",
        ),
    ],
)
def test_only_ingresses_that_their_class_admits_are_members(others: list[Json], member: bool) -> None:
    shop = Shop(ingress(annotations=GROUP), ingress_class(), OTHER, *others)
    assert only(shop).outcome is (Outcome.Unknown if member else Outcome.TargetsUnhealthy)
    assert only(shop).consumer.incidental is member


def test_a_label_of_the_members_namespace_counts_at_once() -> None:
    params = class_params("limited", namespaceSelector={"matchLabels": {"alb": "yes"}})
    shop = Shop(
        ingress(annotations=GROUP),
        ingress_class(),
        OTHER,
        foreign("limited"),
        ingress_class("limited", params="limited"),
        params,
    )
    shop.apply(namespace("tenant"))
    assert not only(shop).consumer.incidental
    shop.apply(namespace("tenant", alb="yes"))
    assert only(shop).consumer.incidental
