"""TargetGroupBindings as the first source: apis/elbv2/v1beta1/targetgroupbinding_types.go:126-174,
pkg/deploy/tracking/provider.go:133-144, pkg/backend/endpoint_resolver.go."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import Outcome
from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.aws_lbc.gateways import GATEWAY_KINDS
from etpguard.objects import INGRESS, INGRESS_CLASS, NAMESPACE, AnyKind
from etpguard.objects.aws import INGRESS_CLASS_PARAMS, TARGET_GROUP_BINDING
from tests.assess.consumers.checks import settings_of
from tests.assess.consumers.families.aws_lbc.objects import (
    Json,
    Shop,
    backend,
    binding,
    class_params,
    endpoints,
    ingress,
    ingress_class,
    ingress_owner,
    node,
    only,
    port,
    service,
    service_owner,
)

OWN = ("TargetGroupBinding", "shop", "k8s-shop-web")
DELETED = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    "reference", [pytest.param(80, id="port-by-number"), pytest.param("http", id="port-by-name")]
)
def test_a_binding_that_somebody_wrote_is_reported_itself(reference: int | str) -> None:
    verdict = only(Shop(binding(of_port=reference)))
    assert verdict.consumer.object == OWN
    assert verdict.consumer.port == "http"
    assert (verdict.outcome, verdict.reason.code) == (Outcome.Unknown, "HealthCheckPortNotModelled")
    assert "only AWS holds" in verdict.reason.detail


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        pytest.param(["a", "b", "c"], Outcome.Covered, id="covered"),
        pytest.param([], Outcome.NoEndpoints, id="no-endpoints"),
        pytest.param(["elsewhere"], Outcome.Outage, id="outage"),
        pytest.param(["a"], Outcome.Unknown, id="partly-covered"),
    ],
)
def test_its_unknown_health_check_matters_only_where_nodes_are_partly_covered(
    on: list[str], expected: Outcome
) -> None:
    assert Shop(binding(), on=on).assessment().outcome is expected


@pytest.mark.parametrize(
    ("spec", "expected", "code"),
    [
        pytest.param({"targetType": "ip"}, Outcome.NotAffected, "TargetsPods", id="ip-targets-pods"),
        pytest.param({"targetType": None}, Outcome.Unknown, "TargetTypeMissing", id="no-target-type"),
        pytest.param(
            {"serviceRef": {"name": "web", "port": 8080}},
            Outcome.Unknown,
            "PortNotFound",
            id="target-port-is-no-port",
        ),
        pytest.param(
            {"serviceRef": {"name": "web", "port": "htpp"}},
            Outcome.Unknown,
            "PortNotFound",
            id="port-name-missing",
        ),
        pytest.param(
            {"serviceRef": {"name": "web", "port": "80"}},
            Outcome.Unknown,
            "PortNotFound",
            id="a-string-is-a-name-even-of-digits",
        ),
    ],
)
def test_fields_of_a_binding(spec: Json, expected: Outcome, code: str) -> None:
    verdict = only(Shop(binding(**spec)))
    assert (verdict.outcome, verdict.reason.code) == (expected, code)


def test_a_binding_in_a_manifest_needs_no_target_type() -> None:
    assert "webhook takes it from the target group" in only(Shop(binding(targetType=None))).reason.detail


@pytest.mark.parametrize(
    ("selector", "eligible"),
    [
        pytest.param({"matchLabels": {"pool": "edge"}}, ["a"], id="match-labels"),
        pytest.param(
            {"matchExpressions": [{"key": "pool", "operator": "NotIn", "values": ["edge"]}]},
            ["b", "c"],
            id="not-in",
        ),
        pytest.param({"matchExpressions": [{"key": "pool", "operator": "Exists"}]}, ["a", "c"], id="exists"),
        pytest.param({}, ["a", "b", "c"], id="empty-selects-all"),
    ],
)
def test_node_selector_is_anded_with_the_default_rules(selector: Json, eligible: list[str]) -> None:
    shop = Shop(
        binding(nodeSelector=selector),
        node("a", labels={"pool": "edge"}),
        node("b"),
        node("c", labels={"pool": "core"}),
        node("m", labels={"pool": "edge", "node-role.kubernetes.io/master": ""}),
    )
    assert shop.names(only(shop).eligible) == eligible


@pytest.mark.parametrize(
    ("address_type", "uncovered"),
    [
        pytest.param(None, ["b", "c"], id="absent-is-ipv4"),
        pytest.param("ipv4", ["b", "c"], id="ipv4"),
        pytest.param("ipv6", ["a", "c"], id="ipv6"),
    ],
)
def test_ip_address_type_picks_the_slices(address_type: str | None, uncovered: list[str]) -> None:
    shop = Shop(
        service(ipFamilies=["IPv4", "IPv6"]),
        binding(ipAddressType=address_type),
        endpoints("web", "a"),
        endpoints("web", "b", family="IPv6"),
    )
    assert shop.names(only(shop).uncovered) == uncovered


def test_the_binding_of_an_ingress_leads_back_to_it_and_its_health_check() -> None:
    shop = Shop(ingress(annotations={"healthcheck-path": "/up"}), binding(owner=ingress_owner()))
    verdict = only(shop)
    assert verdict.consumer.object == ("Ingress", "shop", "web")
    assert verdict.outcome is Outcome.TargetsUnhealthy
    assert settings_of(verdict.consumer).path == "/up"


@pytest.mark.parametrize(
    ("objects", "unread"),
    [
        pytest.param([ingress(class_name="edge")], {}, id="class-that-does-not-exist"),
        pytest.param(
            [ingress(annotations={"kubernetes.io/ingress.class": "edge"})], {}, id="class-flag-not-known"
        ),
        pytest.param([ingress()], {INGRESS_CLASS: "forbidden"}, id="class-unread"),
        pytest.param(
            [ingress(), ingress_class(params="params")], {INGRESS_CLASS_PARAMS: "forbidden"}, id="params-unread"
        ),
        pytest.param([ingress(metadata=DELETED)], {}, id="ingress-being-deleted-but-still-registered"),
        pytest.param([ingress(annotations={"target-type": "ip"})], {}, id="target-type-just-changed"),
        pytest.param([ingress(annotations={"target-type": "x"})], {}, id="target-type-malformed"),
        pytest.param([ingress(annotations={"target-node-labels": "a=b"})], {}, id="labels-just-changed"),
        pytest.param([ingress("web", backend(), backend("web", 99))], {}, id="another-backend-malformed"),
    ],
)
def test_what_is_registered_goes_before_what_is_written(objects: list[Json], unread: dict[AnyKind, str]) -> None:
    shop = Shop(*objects, binding(owner=ingress_owner()), unread=unread)
    verdict = next(v for v in shop.verdicts() if v.consumer.port == "http")
    assert verdict.consumer.object == ("Ingress", "shop", "web")
    assert (verdict.consumer.target_type, verdict.outcome) == ("instance", Outcome.TargetsUnhealthy)
    assert verdict.consumer.source == ""


def test_a_malformed_health_check_matters_to_a_registered_target_group_only_where_nodes_are_uncovered() -> None:
    objects = [ingress(annotations={"healthcheck-port": "nope"}), binding(owner=ingress_owner())]
    partly = only(Shop(*objects))
    assert partly.outcome is Outcome.Unknown
    assert "healthcheck-port" in partly.reason.detail
    assert only(Shop(*objects, on=["a", "b", "c"])).outcome is Outcome.Covered


def test_a_binding_of_type_ip_goes_before_the_default() -> None:
    shop = Shop(ingress(), binding(owner=ingress_owner(), targetType="ip"))
    assert only(shop).outcome is Outcome.NotAffected


def test_a_new_path_without_a_binding_is_derived_beside_a_bound_one() -> None:
    ports = [port(), port(443, "https", 30443)]
    shop = Shop(
        service(ports=ports),
        ingress("web", backend(), backend("web", "https")),
        binding(owner=ingress_owner(), targetType="ip"),
    )
    assert {c.port: c.target_type for c in shop.consumers()} == {"http": "ip", "https": "instance"}


@pytest.mark.parametrize("address_type", [None, "ipv4", "ipv6"])
def test_instances_by_ipv6_are_assumed_to_have_a_primary_address(address_type: str | None) -> None:
    """AWS takes no other instance, and one without it keeps the controller from registering any: #3692."""
    dual = service(ipFamilies=["IPv4", "IPv6"])
    slices = [endpoints("web", "a"), endpoints("web", "a", family="IPv6")]

    def found(target_type: str) -> Consumer:
        return only(Shop(dual, *slices, binding(ipAddressType=address_type, targetType=target_type))).consumer

    made = found("instance")
    expected = ("assumed", 1) if address_type == "ipv6" else ("documented", 0)
    assert (made.evidence.value, len(made.assumptions)) == expected
    assert all("primary IPv6 address" in each for each in made.assumptions)
    assert found("ip").assumptions == ()


def test_an_ingress_that_was_never_deployed_has_an_unknown_outcome() -> None:
    """The controller refuses it for a reason that no rule sees, such as subnets or permissions: #2174, #2812,
    #3051."""
    elsewhere = binding("k8s-shop-other", "other", owner=ingress_owner("other"))
    shop = Shop(ingress())
    assert only(shop).outcome is Outcome.TargetsUnhealthy, "bindings are perhaps not used at all"
    shop.apply(binding("k8s-shop-nlb", "other", owner=service_owner()))
    assert only(shop).outcome is Outcome.TargetsUnhealthy, "that one is not an Ingress's"
    shop.apply(elsewhere)
    found = only(shop)
    assert (found.outcome, found.reason.code, shop.names(found.uncovered)) == (
        Outcome.Unknown,
        "NoBinding",
        ["b", "c"],
    )
    bound = binding(owner=ingress_owner())
    shop.apply(bound)
    assert only(shop).outcome is Outcome.TargetsUnhealthy
    shop.remove(bound)
    assert only(shop).reason.code == "NoBinding"
    shop.remove(elsewhere)
    assert only(shop).outcome is Outcome.TargetsUnhealthy


@pytest.mark.parametrize(
    ("objects", "unread", "on", "expected"),
    [
        pytest.param([ingress(metadata={"uid": None})], {}, "a", Outcome.TargetsUnhealthy, id="a manifest"),
        pytest.param(
            [ingress()], {TARGET_GROUP_BINDING: "forbidden"}, "a", Outcome.TargetsUnhealthy, id="bindings unread"
        ),
        pytest.param([ingress()], {}, "abc", Outcome.Covered, id="all nodes are covered"),
        pytest.param([ingress(annotations={"target-type": "ip"})], {}, "a", Outcome.NotAffected, id="pods"),
        pytest.param(
            [ingress(annotations={"group.name": "g"}), binding(owner={"ingress.k8s.aws/stack": "g"})],
            {},
            "a",
            Outcome.TargetsUnhealthy,
            id="its group has a binding of the Service",
        ),
    ],
)
def test_what_a_missing_binding_does_not_show(
    objects: list[Json], unread: dict[AnyKind, str], on: str, expected: Outcome
) -> None:
    elsewhere = binding("k8s-shop-other", "other", owner=ingress_owner("other"))
    assert only(Shop(*objects, elsewhere, unread=unread, on=on)).outcome is expected


def test_an_idle_action_that_was_never_deployed_shows_no_use_of_the_node_port() -> None:
    weights = {
        "actions.both": '{"type": "forward", "forwardConfig": {"targetGroups": [{"serviceName": "web", '
        '"servicePort": 80, "weight": 0}, {"serviceName": "other", "servicePort": 80, "weight": 1}]}}'
    }
    elsewhere = binding("k8s-shop-other", "other", owner=ingress_owner())
    shop = Shop(
        ingress("web", backend("both", "use-annotation"), annotations=weights), backend_service(), elsewhere
    )
    found = only(shop)
    assert (found.reason.code, found.consumer.incidental) == ("WeightZero", True)


def test_a_malformed_action_leaves_what_is_registered() -> None:
    broken = ingress("web", backend("act", "use-annotation"), annotations={"actions.act": "{"})
    assert Shop(broken).consumers() == []
    assert (
        only(Shop(broken, backend_service(), binding(owner=ingress_owner()))).consumer.kind == "TargetGroupBinding"
    )
    both = ingress("web", backend(), backend("act", "use-annotation"), annotations={"actions.act": "{"})
    assert only(Shop(both, binding(owner=ingress_owner()))).outcome is Outcome.TargetsUnhealthy


def backend_service() -> Json:
    return service("other", ports=[port(node_port=30900)])


@pytest.mark.parametrize(
    ("objects", "unread", "expected"),
    [
        pytest.param([binding(owner=ingress_owner("gone"))], {}, OWN, id="owner-that-is-gone"),
        pytest.param(
            [ingress("web", backend("other")), backend_service(), binding(owner=ingress_owner())],
            {},
            OWN,
            id="owner-that-names-the-service-no-more",
        ),
        pytest.param(
            [binding(owner=ingress_owner("unseen"))],
            {INGRESS: "forbidden"},
            ("Ingress", "shop", "unseen"),
            id="owner-that-cannot-be-read-is-named-by-its-labels",
        ),
        pytest.param(
            [binding(owner={"ingress.k8s.aws/stack": "shared"})],
            {INGRESS: "forbidden"},
            OWN,
            id="group-that-cannot-be-read",
        ),
    ],
)
def test_a_binding_that_leads_to_nothing_is_still_a_consumer(
    objects: list[Json], unread: dict[AnyKind, str], expected: tuple[str, str, str]
) -> None:
    verdict = only(Shop(*objects, unread=unread))
    assert verdict.consumer.object == expected
    assert verdict.outcome is Outcome.Unknown


def test_a_binding_being_deleted_is_none() -> None:
    gone = binding()
    gone["metadata"] |= DELETED
    assert Shop(gone).consumers() == []


def test_a_binding_only_binds_services_of_its_own_namespace() -> None:
    foreign = binding()
    foreign["metadata"]["namespace"] = "elsewhere"
    assert Shop(foreign).consumers() == []


def test_a_group_binding_belongs_to_the_members_that_name_the_port() -> None:
    group = {"group.name": "shared"}
    shop = Shop(
        ingress("one", annotations=group),
        ingress("two", annotations=group),
        ingress("three", backend("other"), annotations=group),
        backend_service(),
        binding(owner={"ingress.k8s.aws/stack": "shared"}),
    )
    assert sorted(c.name for c in shop.consumers()) == ["one", "two"]


def test_a_group_named_by_the_params_of_the_class() -> None:
    shop = Shop(
        ingress(annotations={"group.name": "ignored"}),
        ingress_class(params="params"),
        class_params(group={"name": "shared"}),
        binding(owner={"ingress.k8s.aws/stack": "shared"}, targetType="ip"),
    )
    verdict = only(shop)
    assert (verdict.consumer.kind, verdict.outcome) == ("Ingress", Outcome.NotAffected)


def test_each_member_of_a_group_gets_the_binding_that_fits_its_annotations() -> None:
    shared = {"ingress.k8s.aws/stack": "shared"}
    shop = Shop(
        ingress("pods", annotations={"group.name": "shared", "target-type": "ip"}),
        ingress("nodes", annotations={"group.name": "shared", "target-type": "instance"}),
        binding("one", owner=shared, targetType="ip"),
        binding("two", owner=shared),
    )
    assert {c.name: c.target_type for c in shop.consumers()} == {"pods": "ip", "nodes": "instance"}


def test_without_readable_bindings_the_ingress_decides_and_the_source_says_so() -> None:
    verdict = only(Shop(ingress(), unread={TARGET_GROUP_BINDING: "forbidden"}))
    assert verdict.outcome is Outcome.TargetsUnhealthy
    assert "TargetGroupBindings cannot be read: forbidden" in verdict.consumer.source


def test_created_changed_and_removed_bindings_are_taken_up() -> None:
    shop = Shop(ingress())
    steps: list[tuple[Any, Outcome]] = [
        (binding(owner=ingress_owner(), targetType="ip"), Outcome.NotAffected),
        (binding(owner=ingress_owner(), nodeSelector={"matchLabels": {"no": "node"}}), Outcome.NoTargets),
        (binding(owner=ingress_owner()), Outcome.TargetsUnhealthy),
    ]
    for change, expected in steps:
        shop.apply(change)
        assert shop.assessment().outcome is expected
    shop.remove(binding())
    assert shop.assessment().outcome is Outcome.TargetsUnhealthy
    shop.remove(ingress())
    assert shop.assessment().outcome is Outcome.Uncovered


@pytest.mark.parametrize(
    ("kind", "hides"),
    [
        pytest.param(TARGET_GROUP_BINDING, True, id="bindings"),
        pytest.param(INGRESS, True, id="ingresses"),
        pytest.param(INGRESS_CLASS_PARAMS, False, id="params"),
        pytest.param(NAMESPACE, False, id="namespaces"),
        *(pytest.param(kind, False, id=kind.plural) for kind in GATEWAY_KINDS),
    ],
)
def test_which_unread_kinds_may_hide_a_consumer(kind: AnyKind, hides: bool) -> None:
    found = Shop(unread={kind: "forbidden"}).assessment()
    assert found.outcome is (Outcome.Unknown if hides else Outcome.Uncovered)
