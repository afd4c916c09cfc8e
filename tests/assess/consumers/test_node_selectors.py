"""How each controller is made to target only the nodes with a label, and the nodes that it then targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from etpguard.assess.consumers.changes import ObjectChange, Step, WorkloadChange, annotated, merge, without_label
from etpguard.assess.consumers.interface import SelectsNodes
from etpguard.assess.consumers.registry import consumer_families
from etpguard.objects import SERVICE, Key
from tests.assess.consumers.worlds import KEY, Json, endpoints, ingress, ingress_class, node, nodes, service, world

POOL = {"pool": "edge"}
CCM = "service.beta.kubernetes.io/aws-load-balancer-"
IBM = "service.kubernetes.io/ibm-load-balancer-cloud-provider-"
WORKER_POOL = "ibm-cloud.kubernetes.io/worker-pool-name"


def made(provider: str, label: str = "pool") -> list[Json]:
    """Nodes a and b have the label, node c does not."""
    return [node(name, f"{provider}{name}", labels={label: "edge"} if name != "c" else {}) for name in "abc"]


def step(
    objects: list[Json], labels: Mapping[str, str] = POOL, *, keep: bool = False, unlabelled: bool = False
) -> Step | None:
    """What the family of the first consumer changes."""
    built = world(*objects, endpoints("a", "b"))
    consumer = built.assessment.consumers[0].consumer
    families = {family.name: family for family in consumer_families()}
    family = families[consumer.family]
    found = built.picture.get(SERVICE, KEY)
    assert found is not None
    return family.target_nodes(found, consumer, labels, keep=keep) if isinstance(family, SelectsNodes) else None


def targets(objects: list[Json], change: Step) -> str:
    """The nodes that the consumer targets after the change of an annotation of the Service."""
    assert isinstance(change.change, tuple)
    (one,) = change.change
    added = one.document["metadata"]["annotations"]
    after = []
    for each in objects:
        meta = each["metadata"]
        if each["kind"] == one.kind and meta["name"] == one.key.name:
            each = {**each, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), **added}}}
        after.append(each)
    built = world(*after, endpoints("a", "b"))
    return built.names(built.assessment.consumers[0].eligible)


def balanced(annotations: Json | None = None, **spec: Any) -> Json:
    return service(annotations=annotations or {}, ingress=[{"ip": "192.0.2.1"}], **spec)


ALB = [
    service(type="NodePort", in_cluster=True),
    ingress(class_name="alb"),
    ingress_class("alb", "ingress.k8s.aws/alb"),
    *made("aws:///eu-west-1a/i-"),
]
CLOUDS = [
    pytest.param(
        [
            service(loadBalancerClass="service.k8s.aws/nlb", annotations={f"{CCM}nlb-target-type": "instance"}),
            *made("aws:///eu-west-1a/i-"),
        ],
        {f"{CCM}target-node-labels": "pool=edge"},
        id="AWS controller, an NLB",
    ),
    pytest.param(
        [
            service(annotations={f"{CCM}type": "nlb"}, ingress=[{"hostname": "x.elb.eu-west-1.amazonaws.com"}]),
            *made("aws:///eu-west-1a/i-"),
        ],
        {f"{CCM}target-node-labels": "pool=edge"},
        id="AWS cloud provider",
    ),
    pytest.param(
        [balanced(), *made("hcloud://")],
        {"load-balancer.hetzner.cloud/node-selector": "pool=edge"},
        id="Hetzner Cloud",
    ),
    pytest.param(
        [balanced({"loadbalancer.openstack.org/enable-health-monitor": "true"}), *made("openstack:///")],
        {"loadbalancer.openstack.org/node-selector": "pool=edge"},
        id="OpenStack",
    ),
    pytest.param(
        [balanced(), *made("oci://")],
        {"oci.oraclecloud.com/node-label-selector": "pool=edge"},
        id="Oracle, a load balancer",
    ),
    pytest.param(
        [balanced({"oci.oraclecloud.com/load-balancer-type": "nlb"}), *made("oci://")],
        {"oci-network-load-balancer.oraclecloud.com/node-label-selector": "pool=edge"},
        id="Oracle, a network load balancer",
    ),
    pytest.param(
        [balanced(), *made("scaleway://")],
        {"service.beta.kubernetes.io/scw-loadbalancer-target-node-labels": "pool=edge"},
        id="Scaleway",
    ),
    pytest.param(
        [balanced({"service.beta.kubernetes.io/osc-load-balancer-name": "x"}), *made("aws:///eu-west-2a/i-")],
        {"service.beta.kubernetes.io/osc-load-balancer-target-node-labels": "pool=edge"},
        id="Outscale",
    ),
    pytest.param(
        [balanced(), *made("qcloud://")],
        {"service.kubernetes.io/qcloud-loadbalancer-backends-label": "pool=edge"},
        id="Tencent Cloud",
    ),
    pytest.param(
        [balanced(), *made("upcloud:////")],
        {"service.beta.kubernetes.io/upcloud-load-balancer-node-selector": "pool=edge"},
        id="UpCloud",
    ),
    pytest.param(
        [balanced(), *made("cloudscale://")],
        {"k8s.cloudscale.ch/loadbalancer-node-selector": "pool=edge"},
        id="cloudscale",
    ),
    pytest.param(
        [balanced(), *made("alicloud://")],
        {"service.beta.kubernetes.io/alibaba-cloud-loadbalancer-backend-label": "pool=edge"},
        id="Alibaba Cloud",
    ),
    pytest.param(
        [balanced(loadBalancerClass="io.cilium/node"), *made("")],
        {"io.cilium.nodeipam/match-node-labels": "pool=edge"},
        id="Cilium Node IPAM",
    ),
]


@pytest.mark.parametrize(
    ("objects", "written"),
    [
        pytest.param(
            ALB, {"alb.ingress.kubernetes.io/target-node-labels": "pool=edge"}, id="AWS controller, an ALB"
        ),
        *CLOUDS,
    ],
)
def test_the_annotation_and_the_nodes(objects: list[Json], written: Json) -> None:
    found = step(objects)
    assert found is not None
    assert isinstance(found.change, tuple)
    assert found.change[0].document["metadata"]["annotations"] == written
    assert targets(objects, found) == "ab"


def test_ibm_takes_one_label_with_a_key_of_its_list() -> None:
    nodes = made("ibm://", WORKER_POOL)
    plain = [service(ingress=[{"hostname": "x.lb.appdomain.cloud"}]), *nodes]
    found = step(plain, {WORKER_POOL: "edge"}, keep=True)
    assert found is not None
    assert targets(plain, found) == "ab"
    assert step(plain, POOL) is None
    assert step(plain, {WORKER_POOL: "edge", "x": "y"}) is None
    zoned = [service(annotations={f"{IBM}zone": "x"}, ingress=[{"hostname": "x.lb.appdomain.cloud"}]), *nodes]
    assert step(zoned, {WORKER_POOL: "edge"}, keep=True) is None
    assert step(zoned, {WORKER_POOL: "edge"}) is not None


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([balanced(), *made("digitalocean://")], id="a cloud without a selector"),
        pytest.param([balanced(), *made("azure://")], id="Azure"),
        pytest.param([balanced(loadBalancerClass="io.cilium/l2-announcer"), *made("")], id="Cilium L2"),
        pytest.param(
            [balanced({"ako.vmware.com/x": "y"}, loadBalancerClass="ako.vmware.com/avi-lb"), *made("")], id="Avi"
        ),
    ],
)
def test_no_selector(objects: list[Json]) -> None:
    assert step(objects) is None


def test_a_selector_is_kept() -> None:
    selector = "load-balancer.hetzner.cloud/node-selector"
    found = step([balanced({selector: "a in (b,c)"}), *made("hcloud://")], keep=True)
    assert found is not None
    assert found.command.endswith(f"--overwrite '{selector}=a in (b,c),pool=edge'")


class TestBinding:
    """A TargetGroupBinding that a person wrote has a field."""

    def objects(self, selector: Json | None) -> list[Json]:
        binding: Json = {
            "kind": "TargetGroupBinding",
            "metadata": {"name": "tgb", "namespace": "shop"},
            "spec": {
                "serviceRef": {"name": "web", "port": "http"},
                "targetType": "instance",
                "targetGroupARN": "arn",
                **({"nodeSelector": selector} if selector else {}),
            },
        }
        return [service(type="NodePort", in_cluster=True), binding, *made("aws:///eu-west-1a/i-")]

    def spec(self, selector: Json | None, *, keep: bool) -> Json | None:
        found = step(self.objects(selector), keep=keep)
        if found is None:
            return None
        assert isinstance(found.change, tuple)
        assert found.change[0].kind == "TargetGroupBinding"
        patched: Json = found.change[0].document["spec"]["nodeSelector"]
        return patched

    def test_a_label_is_added(self) -> None:
        assert self.spec({"matchLabels": {"a": "b"}}, keep=True) == {"matchLabels": {"a": "b", "pool": "edge"}}

    def test_a_label_takes_the_place(self) -> None:
        expected = {"matchLabels": {"a": None, "pool": "edge"}, "matchExpressions": None}
        assert self.spec({"matchLabels": {"a": "b"}}, keep=False) == expected
        assert self.spec(None, keep=False) == {"matchLabels": {"pool": "edge"}}

    def test_an_expression_is_no_label(self) -> None:
        selector = {"matchExpressions": [{"key": "a", "operator": "Exists"}]}
        assert self.spec(selector, keep=True) is None


def test_changes_as_commands() -> None:
    key = Key("shop", "web")
    assert annotated("Ingress", key, {"a": None}).command == "kubectl -n shop annotate ingress web a-"
    assert annotated("Service", key, {"a": "b"}).command == "kubectl -n shop annotate service web --overwrite a=b"
    removed = without_label(["n1", "n2"], "x")
    assert removed.command == "kubectl label node n1 n2 x-"
    assert isinstance(removed.change, tuple)
    assert [each.document for each in removed.change] == [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"x": None}}}
        for name in ("n1", "n2")
    ]
    assert merge("example.com/v1", "Thing", Key("", "t"), {"a": 1}).command == (
        """kubectl patch thing t --type merge -p '{"spec": {"a": 1}}'"""
    )
    assert ObjectChange("v1", "Node", Key("", "n"), "{}").document["metadata"] == {"name": "n"}
    assert {each.value for each in WorkloadChange}


SELECTS = [
    ("hcloud", "load-balancer.hetzner.cloud/node-selector"),
    ("scaleway", "service.beta.kubernetes.io/scw-loadbalancer-target-node-labels"),
    ("upcloud", "service.beta.kubernetes.io/upcloud-load-balancer-node-selector"),
    ("cloudscale", "k8s.cloudscale.ch/loadbalancer-node-selector"),
    ("openstack", "loadbalancer.openstack.org/node-selector"),
    ("oci", "oci.oraclecloud.com/node-label-selector"),
    ("aws", "service.beta.kubernetes.io/osc-load-balancer-target-node-labels"),
    ("qcloud", "service.kubernetes.io/qcloud-loadbalancer-backends-label"),
    ("aws", "service.beta.kubernetes.io/aws-load-balancer-target-node-labels"),
]


@pytest.mark.parametrize(("cloud", "annotation"), SELECTS, ids=[annotation for _, annotation in SELECTS])
@pytest.mark.parametrize("selected", ["edge", "nowhere"])
def test_a_selector_without_a_node_with_a_pod_is_named_first(cloud: str, annotation: str, selected: str) -> None:
    """Where no node with a pod is a target, the selector is the usual cause."""
    subject = service(annotations={annotation: f"pool={selected}"})
    members = [*nodes(cloud, "a"), *nodes(cloud, "b", labels={"pool": "edge"})]
    found = world(subject, endpoints("a"), *members)
    expected = {"edge": ("Outage",), "nowhere": ("NoTargets", "Unknown")}[selected]
    assert found.assessment.outcome.name in expected
    assert f"Remove the annotation {annotation}" in found.advice()[0]
    if selected == "edge":
        cause = "of the nodes with endpoints, the selector pool=edge excludes 1 node"
        assert found.assessment.reason.detail == cause
