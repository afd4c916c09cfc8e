"""Which nodes advice may admit, and what leaving a load balancer as it is costs."""

from __future__ import annotations

import re

import pytest

from etpguard.assess.advice import Advisor
from etpguard.assess.consumers.remedies import spread
from etpguard.objects import SERVICE
from tests.assess.consumers.worlds import KEY, Json, endpoints, node, nodes, service, world

EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
NTH, CORDONED = "aws-node-termination-handler", "node.kubernetes.io/unschedulable"
ADMIT = "Admit the nodes that host the pods"


@pytest.mark.parametrize(
    ("host", "admitted"),
    [
        pytest.param(node("a", "azure:///a", labels={EXCLUDE: "true"}), True, id="excluded by a person"),
        pytest.param(node("a", "azure:///a", labels={EXCLUDE: "karpenter"}), False, id="Karpenter removes it"),
        pytest.param(
            node("a", "azure:///a", labels={EXCLUDE: ""}, taints=[("karpenter.sh/disrupted", "NoSchedule")]),
            False,
            id="Karpenter's taint",
        ),
        pytest.param(
            node(
                "a", "azure:///a", labels={EXCLUDE: ""}, taints=[("ToBeDeletedByClusterAutoscaler", "NoSchedule")]
            ),
            False,
            id="the autoscaler's taint",
        ),
        pytest.param(
            node("a", "aws:///z/i-a", labels={EXCLUDE: NTH}, taints=[(CORDONED, "NoSchedule")]),
            False,
            id="aws-node-termination-handler drains it",
        ),
        pytest.param(
            node("a", "aws:///z/i-a", labels={EXCLUDE: ""}, taints=[(f"{NTH}/spot-itn", "NoSchedule")]),
            False,
            id="the taint of aws-node-termination-handler",
        ),
        pytest.param(
            node("a", "aws:///z/i-a", labels={EXCLUDE: NTH}), True, id="its label was left behind after a reboot"
        ),
        pytest.param(
            node("a", "aws:///z/i-a", labels={EXCLUDE: ""}, taints=[(CORDONED, "NoSchedule")]),
            True,
            id="a person cordoned it",
        ),
        pytest.param(
            node("a", "azure:///a", labels={EXCLUDE: "", "type": "virtual-kubelet"}), False, id="a virtual node"
        ),
        pytest.param(
            node("a", "azure:///a", labels={EXCLUDE: "", "node-role.kubernetes.io/virtual-node": ""}),
            False,
            id="a virtual node of OKE",
        ),
    ],
)
def test_marks_of_an_autoscaler_stay(host: Json, admitted: bool) -> None:
    other = "aws:///z/i-b" if "aws" in host["spec"]["providerID"] else "azure:///b"
    made = world(service(), endpoints("a"), host, node("b", other))
    assert made.assessment.outcome.name == "Outage"
    assert any(text.startswith(ADMIT) for text in made.advice()) is admitted


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        pytest.param({"gateway.envoyproxy.io/owning-gateway-name": "g"}, "of the EnvoyProxy", id="Envoy Gateway"),
        pytest.param(
            {"gateway.envoyproxy.io/owning-gatewayclass": "c"}, "of the EnvoyProxy", id="merged gateways"
        ),
        pytest.param({"projectcontour.io/owning-gateway-name": "g"}, "of the ContourDeployment", id="Contour"),
        pytest.param(
            {"ingresscontroller.operator.openshift.io/owning-ingresscontroller": "default"},
            "endpointPublishingStrategy",
            id="OpenShift",
        ),
        pytest.param({"gateway.networking.k8s.io/gateway-name": "g"}, "NginxProxy", id="any Gateway"),
        pytest.param(
            {"app.kubernetes.io/managed-by": "aks-app-routing-operator"}, "application routing add-on", id="AKS"
        ),
    ],
)
def test_a_change_of_the_policy_says_who_makes_the_service(labels: dict[str, str], said: str) -> None:
    """The controller of a Gateway writes its Service again."""
    (changed,) = [
        text
        for text in world(service(labels=labels), endpoints("a"), *nodes("hcloud")).advice()
        if text.startswith("Let every node forward")
    ]
    assert said in changed
    assert re.search("(may revert|reverts) the change", changed)


@pytest.mark.parametrize(
    ("labels", "controller", "said"),
    [
        pytest.param({}, True, "NginxIngressController web controls this Service, and its controller", id="named"),
        pytest.param({}, False, "", id="an owner that does not control it"),
        pytest.param({"projectcontour.io/owning-gateway-name": "g"}, True, "Contour makes", id="the label first"),
        pytest.param({"app.kubernetes.io/managed-by": "Helm"}, False, "", id="another value of the label"),
    ],
)
def test_a_change_of_the_policy_names_the_object_that_controls_the_service(
    labels: dict[str, str], controller: bool, said: str
) -> None:
    subject = service(labels=labels)
    owner = {"kind": "NginxIngressController", "name": "web", "uid": "u", "controller": controller}
    subject["metadata"]["ownerReferences"] = [owner]
    advice = world(subject, endpoints("a"), *nodes("hcloud")).advice()
    (changed,) = [text for text in advice if text.startswith("Let every node forward")]
    assert said in changed
    assert ("revert" in changed) is bool(said)


def test_to_leave_it_costs_the_traffic_of_new_nodes() -> None:
    """cloud-provider-aws issue 87: a node gets traffic from an NLB until its check has failed."""

    def left(made: Json, scheme: str) -> str:
        (leave,) = [t for t in world(made, endpoints("a"), *nodes(scheme)).advice() if "Leave it as it is" in t]
        return leave

    nlb = service(annotations={"service.beta.kubernetes.io/aws-load-balancer-type": "nlb"})
    assert "A new node without a pod gets traffic until its check has failed." in left(nlb, "aws")
    assert "new node" not in left(service(), "aws"), "a Classic Load Balancer waits for the check"
    assert "Some load balancers send to a new node" in left(service(ingress=[{"ip": "192.0.2.1"}]), "azure")


@pytest.mark.parametrize(
    ("scheme", "annotation"),
    [
        pytest.param("aws", "service.beta.kubernetes.io/aws-load-balancer-target-node-labels", id="AWS"),
        pytest.param("hcloud", "load-balancer.hetzner.cloud/node-selector", id="Hetzner Cloud"),
    ],
)
def test_labels_count_as_of_the_last_sync(scheme: str, annotation: str) -> None:
    made = world(service(annotations={annotation: "pool=x"}), endpoints("a"), *nodes(scheme, labels={"pool": "x"}))
    assert f"{annotation} selects by the labels as of the last sync" in made.consumer().consumer.source
    assert "last sync" not in world(service(), endpoints("a"), *nodes(scheme)).consumer().consumer.source


def test_without_an_address_no_change_is_advised() -> None:
    made = world(service(in_cluster=True), endpoints("a"), *nodes("aws"))
    assert made.assessment.reason.code == "NoAddress"
    (advice,) = Advisor(made.picture, made.families)(made.assessment)
    assert advice.title == "Find out why the load balancer has no address"
    assert advice.command == "kubectl -n shop describe service web"


def test_the_advice_to_spread_is_for_pods_that_a_selector_finds() -> None:
    made = world(service(), endpoints("a"), *nodes("aws:///z/i-"))
    record = made.picture.get(SERVICE, KEY)
    assert record is not None
    advice = spread(record)
    assert advice.effect.endswith("let it spread its pods:")
    assert "(a rollout)" in advice.cost
    scale, patch = advice.command.splitlines()
    assert scale == "kubectl -n shop scale deployment DEPLOYMENT --replicas NUMBER"
    assert patch.startswith("kubectl -n shop patch deployment DEPLOYMENT -p ")
    made.put(service(selector=None))
    record = made.picture.get(SERVICE, KEY)
    assert record is not None
    advice = spread(record)
    assert advice.title == "Have a ready endpoint on every node that gets the traffic"
    assert "nodeName" in advice.effect
    assert not advice.command
    assert not advice.change
