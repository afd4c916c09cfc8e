"""Which nodes become instance targets: pkg/backend/endpoint_utils.go:10-79, endpoint_resolver.go:71-110 and
pkg/k8s/node_utils.go:10-48 of aws-load-balancer-controller v3.5.0."""

from __future__ import annotations

from collections.abc import Mapping

from etpguard.assess.consumers.families.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.shared.aws_target_groups import INSTANCE_ID
from etpguard.assess.node_rule import AUTOSCALER_TAINT, EXCLUDE_LABEL, NodeRule, Readiness, TaintRule
from etpguard.objects import Requirement, Selector

EXCLUDING_LABELS = (EXCLUDE_LABEL, "alpha.service-controller.kubernetes.io/exclude-balancer")
FARGATE = Requirement("eks.amazonaws.com/compute-type", "NotIn", ("fargate",))
DEFAULT_REQUIREMENTS = (
    Requirement("node-role.kubernetes.io/master", "DoesNotExist"),
    # Any value excludes, "false" too; control-plane nodes without it are targets like any other.
    *(Requirement(label, "DoesNotExist") for label in EXCLUDING_LABELS),
    FARGATE,
)
TAINTS = (
    TaintRule(AUTOSCALER_TAINT),
    TaintRule("karpenter.sh/disrupted", "NoSchedule"),
)


def node_rule(selector: Selector | None, options: AwsOptions) -> NodeRule:
    """The eligible nodes of a TargetGroupBinding with that nodeSelector, ANDed with the default ones."""
    return NodeRule(
        requirements=(*DEFAULT_REQUIREMENTS, *(selector.requirements if selector else ())),
        taints=TAINTS,
        readiness=Readiness.FAIL_OPEN if options.fail_open else Readiness.TRUE,
        provider_id=INSTANCE_ID,  # one node that does not match fails the whole binding
    )


def labels_selector(labels: Mapping[str, str]) -> Selector | None:
    """The nodeSelector that the controller makes of `target-node-labels`, with matchLabels; None without
    labels."""
    return Selector(match_labels=dict(labels)) if labels else None
