"""What `check -f` makes of the first object of a dump."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
import yaml

from etpguard.assess import picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cli.dump.objects import dumped_named
from etpguard.cli.input.cluster_dump import ClusterDump, Rejected, describe, qualified
from etpguard.cli.input.loaded import Loaded
from etpguard.cli.input.object_collector import ObjectCollector, yaml_document
from etpguard.objects import INGRESS, INGRESS_CLASS, AnyKind, named
from etpguard.objects.metallb import L2_ADVERTISEMENT
from etpguard.objects.named import NAMED_OBJECTS
from tests.cli import every_kind
from tests.cli.dump_worlds import head
from tests.cli.program import SEED, Run, etpguard, failed

Json = dict[str, Any]
SERVICE = "nginx-nginx-ingress-controller"


def seed(*without: str) -> list[Json]:
    items: list[Json] = yaml.load(SEED.read_text(), yaml.CSafeLoader)["items"]
    return [item for item in items if item["kind"] not in without]


def check(items: list[Any], *more: str) -> Run:
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    return etpguard("check", "-f", "-", "-o", "json", *more, stdin=body)


def outcome(run: Run) -> tuple[str, list[str]]:
    (service,) = run.report["services"]
    return service["outcome"], run.report["notRead"]


def with_head(dump: ClusterDump, *without: str) -> Run:
    """The seed case with this head, in a cluster that has none of the objects that show the data plane."""
    absent = tuple(each.address for each in NAMED_OBJECTS)
    return check([msgspec.structs.replace(dump, named_absent=absent).as_object(), *seed(*without)])


def test_kinds_that_were_read_and_have_no_objects_are_not_missing() -> None:
    run = with_head(head(), "Ingress", "IngressClass")
    assert outcome(run) == ("Uncovered", [])
    assert run.err == ""


def test_kinds_that_are_not_served_have_no_objects() -> None:
    gone = (qualified(INGRESS), qualified(INGRESS_CLASS))
    dump = ClusterDump(read=head(*gone).read, not_served=gone)
    assert outcome(with_head(dump, "Ingress", "IngressClass")) == ("Uncovered", [])


def test_a_kind_that_could_not_be_read_is_unknown_with_the_reason() -> None:
    dump = ClusterDump(
        read=head(qualified(INGRESS)).read, not_read={qualified(INGRESS): "may not list: forbidden"}
    )
    run = with_head(dump, "Ingress")
    assert outcome(run) == ("Unknown", [INGRESS.resource])


def test_a_kind_that_an_older_etpguard_did_not_read_is_unknown() -> None:
    assert outcome(with_head(head(qualified(INGRESS)), "Ingress")) == ("Unknown", [INGRESS.resource])


def test_kinds_and_fields_of_a_later_etpguard_are_passed_over() -> None:
    later = {**head().as_object(), "moods": ["calm"]}
    later["read"] = [*later["read"], "moods.v1.example.com"]
    assert outcome(check([later, *seed()])) == ("TargetsUnhealthy", [])


def test_an_object_that_could_not_be_decoded_is_skipped_with_a_warning() -> None:
    lost = Rejected("ingresses.v1.networking.k8s.io", "Ingress default/x: spec: expected object", "default", "x")
    run = with_head(ClusterDump(read=head().read, rejected=(lost,)))
    assert run.report["warnings"] == ["skipped Ingress default/x: spec: expected object"]
    dump = [ClusterDump(read=head().read, rejected=(lost,)).as_object(), *seed()]
    assert "Ingress default/x" in failed(check(dump, "--strict"))


def test_kinds_that_were_read_in_one_namespace_only() -> None:
    dump = ClusterDump(read=head().read, narrowed=(qualified(INGRESS),))
    (warning,) = with_head(dump).report["warnings"]
    assert warning == f"read in one namespace only, because RBAC does not allow more: {INGRESS.resource}"


def test_kinds_of_which_other_namespaces_may_decide() -> None:
    """MetalLB is configured in its own namespace, and an Ingress sends to Services of its own namespace alone."""
    items = seed("Ingress")
    (service,) = (item for item in items if item["kind"] == "Service")
    service["spec"]["type"] = "LoadBalancer"
    service["metadata"]["annotations"] = {"metallb.io/ip-allocated-from-pool": "lan"}
    service["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}}

    def narrowed(*kinds: AnyKind) -> tuple[str, list[str]]:
        dump = ClusterDump(read=head().read, narrowed=tuple(map(qualified, kinds)))
        return outcome(check([dump.as_object(), *items]))

    assert narrowed(INGRESS)[1] == []
    assert narrowed(L2_ADVERTISEMENT, INGRESS) == ("Unknown", [L2_ADVERTISEMENT.resource])


@pytest.mark.parametrize(("namespace", "services"), [("default", [SERVICE]), ("other", [])])
def test_the_dump_of_a_namespace_is_a_check_of_this_namespace(namespace: str, services: list[str]) -> None:
    report = with_head(ClusterDump(read=head().read, namespace=namespace)).report
    assert [service["name"] for service in report["services"]] == services


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param({"read": 7}, "Expected `array`, got `int` - at `$.read`", id="read is a number"),
        pytest.param(
            {"notRead": ["x"]}, "Expected `object`, got `array` - at `$.notRead`", id="notRead is a list"
        ),
    ],
)
def test_a_head_that_cannot_be_read_ends_the_check(change: Json, problem: str) -> None:
    line = failed(check([{**head().as_object(), **change}, *seed()]))
    assert line == f"etpguard: stdin: item 1: ClusterDump: {problem}"


def test_the_names_of_kinds_are_those_of_kubectl() -> None:
    names = {qualified(kind) for kind in every_kind.kinds()}
    assert {"services.v1", "ingresses.v1.networking.k8s.io", "l2advertisements.v1beta1.metallb.io"} <= names


def load(items: list[Json]) -> Loaded:
    loaded = Loaded(picture_for(consumer_families()), live=False, where="test")
    collector = ObjectCollector(loaded)
    collector.add(yaml_document("", {"apiVersion": "v1", "kind": "List", "items": items}))
    collector.finish()
    return loaded


CONFIGURED: Json = {
    "apiVersion": "cilium.io/v2",
    "kind": "CiliumNodeConfig",
    "metadata": {"name": "migrate", "namespace": "kube-system"},
    "spec": {"nodeSelector": {}, "defaults": {"kube-proxy-replacement": "true"}},
}
FELIX: Json = {
    "apiVersion": "crd.projectcalico.org/v1",
    "kind": "FelixConfiguration",
    "metadata": {"name": "node.n1"},
    "spec": {"bpfEnabled": True},
}


def test_configurations_of_nodes_come_back() -> None:
    debug = CONFIGURED | {"spec": {"nodeSelector": {}, "defaults": {"debug": "true"}}}
    elsewhere = CONFIGURED | {"metadata": {"name": "migrate", "namespace": "other"}}
    alpha = CONFIGURED | {"apiVersion": "cilium.io/v2alpha1"}
    first = load(
        [CONFIGURED, debug | {"metadata": {"name": "x", "namespace": "kube-system"}}, elsewhere, alpha, FELIX]
    )
    made = list(dumped_named(first.named, lambda key: False))
    assert made == [CONFIGURED, elsewhere, FELIX]
    head = describe(first, "1")
    again = load([head.as_object(), *made])
    for which in (named.CILIUM_NODE_CONFIGS, named.CALICO_FELIX_NODES):
        assert again.named.found[which].items == first.named.found[which].items


def test_a_list_with_a_malformed_object_counts_as_unread() -> None:
    loaded = load([CONFIGURED, CONFIGURED | {"metadata": {"name": "y", "namespace": "kube-system"}, "spec": 5}])
    assert "CiliumNodeConfig kube-system/y" in loaded.named.unread[named.CILIUM_NODE_CONFIGS]
    assert named.CILIUM_NODE_CONFIGS not in loaded.named.found
    assert loaded.named.absent(named.CALICO_FELIX_NODES)


def test_a_dump_of_an_older_etpguard_does_not_say_whether_nodes_have_configurations() -> None:
    loaded = load([head().as_object()])
    assert "the dump does not say" in loaded.named.unread[named.CALICO_FELIX_NODES]
