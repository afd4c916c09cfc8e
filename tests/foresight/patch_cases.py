"""Services and their workloads with the patches that they need."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import Outcome
from tests.foresight.clusters import (
    Json,
    alb,
    deployment,
    endpoints,
    node,
    pod,
    service,
)

POD = pod("p1", "a")
NODES = [node("a"), node("b"), node("c")]
BASE = [*NODES, service(), endpoints([POD]), POD, *deployment(1)]
ALB = [*BASE, *alb()]
HCNP = 32000


def load_balancer(annotations: Json | None = None, **spec: Any) -> list[Json]:
    """A Service with an NLB of the AWS Load Balancer Controller."""
    made = service(type="LoadBalancer", healthCheckNodePort=HCNP, loadBalancerClass="service.k8s.aws/nlb", **spec)
    made["metadata"]["annotations"] = {
        "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type": "instance",
        **(annotations or {}),
    }
    made["status"] = {"loadBalancer": {"ingress": [{"hostname": "x.elb.eu-west-1.amazonaws.com"}]}}
    return [*NODES, made, endpoints([POD]), POD, *deployment(1)]


ON_10256 = alb(health_check="10256")
EXCLUDED = [node("a", labels={"node.kubernetes.io/exclude-from-external-load-balancers": ""}), node("b")]
CASES = [
    pytest.param(ALB, "Leave it as it is", Outcome.TargetsUnhealthy, id="leave it"),
    pytest.param(ALB, "Target the pods", Outcome.NotAffected, id="pods as targets of an ALB"),
    pytest.param(ALB, "Run a ready pod", Outcome.Covered, id="a pod on every node"),
    pytest.param(ALB, "Let every node forward", Outcome.NotAffected, id="Cluster"),
    pytest.param(
        [*BASE, *ON_10256], "Let the health check probe", Outcome.TargetsUnhealthy, id="the check of an ALB"
    ),
    pytest.param(load_balancer(), "Target the pods", Outcome.NotAffected, id="pods as targets of an NLB"),
    pytest.param(
        load_balancer({"service.beta.kubernetes.io/aws-load-balancer-healthcheck-port": "10256"}),
        "Let the health check probe",
        Outcome.TargetsUnhealthy,
        id="the check of an NLB",
    ),
    pytest.param(
        [*EXCLUDED, service(), endpoints([POD]), POD, *deployment(1), *alb()],
        "Admit the nodes",
        Outcome.TargetsUnhealthy,
        id="a node that is excluded",
    ),
    pytest.param(BASE, "Let every node forward", Outcome.NotAffected, id="Cluster without a consumer"),
    pytest.param(
        [*BASE, *alb(**{"alb.ingress.kubernetes.io/target-node-labels": "x=y"})],
        "Correct the labels",
        Outcome.TargetsUnhealthy,
        id="labels that select no node",
    ),
]
