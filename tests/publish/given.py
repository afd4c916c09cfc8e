"""Assessments for tests, made by hand: what the publisher says depends on nothing else."""

from __future__ import annotations

from etpguard.assess import Assessment, InternalAssessment, InternalPort, Outcome, PortState, Reason
from etpguard.assess.consumers.consumer import Consumer, ConsumerVerdict
from etpguard.assess.consumers.targets import HealthCheck, NodeTargets
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.probe import HealthCheckNodePort, OwnNodePort, Probe
from etpguard.cluster import NodeTable
from etpguard.objects import Key

KEY = Key("default", "web")


def table(count: int = 3) -> NodeTable:
    made = NodeTable()
    for i in range(count):
        made.add(f"node{i + 1}")
    return made


def verdict(
    outcome: Outcome,
    *,
    name: str = "web",
    kind: str = "Ingress",
    namespace: str = "default",
    probe: Probe | None = None,
    eligible: int = 0b111,
    uncovered: int = 0b110,
    incidental: bool = False,
) -> ConsumerVerdict:
    consumer = Consumer(
        kind,
        namespace,
        name,
        "ingress.k8s.aws/alb",
        "instance",
        "http",
        NodeTargets(NodeRule(), HealthCheck(probe or OwnNodePort("http"))),
        incidental=incidental,
    )
    return ConsumerVerdict(consumer, outcome, Reason(outcome.name), eligible, uncovered)


def assessment(
    outcome: Outcome,
    *consumers: ConsumerVerdict,
    eligible: int = 0b111,
    uncovered: int = 0b110,
    key: Key = KEY,
    ports: int = 1,
    if_local: Assessment | None = None,
) -> Assessment:
    states = tuple(PortState(f"p{i}", 80 + i, "TCP", "IPv4", 30000 + i, 1, 0, True) for i in range(ports))
    return Assessment(
        key=key,
        uid=f"uid-{key.name}",
        type="NodePort",
        policy="Local",
        outcome=outcome,
        reason=Reason(outcome.name),
        ports=states,
        consumers=consumers,
        nodes=0b111,
        eligible=eligible,
        uncovered=uncovered,
        if_local=if_local,
    )


def internal(
    outcome: Outcome, *, uncovered: int = 0b110, unknown: int = 0, key: Key = KEY, ports: int = 1
) -> InternalAssessment:
    """For clients in the cluster: an endpoint on the first of three Ready nodes."""
    made = tuple(
        InternalPort(
            PortState(
                f"p{i}", 80 + i, "TCP", "IPv4", 0, 0b111 & ~uncovered, 0, outcome is not Outcome.NoEndpoints
            ),
            outcome,
            Reason(outcome.name),
            uncovered,
            unknown,
        )
        for i in range(ports)
    )
    return InternalAssessment(
        key, f"uid-{key.name}", "ClusterIP", outcome, Reason(outcome.name), made, 0b111, uncovered, unknown
    )


BY_DESIGN = HealthCheckNodePort()
