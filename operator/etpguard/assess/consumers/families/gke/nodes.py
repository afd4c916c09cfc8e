"""Which nodes ingress-gce puts into an instance group or into a group of endpoints."""

from __future__ import annotations

from msgspec.structs import replace

from etpguard.assess.node_rule import EXCLUDE_LABEL, Hosts, NodeRule, Readiness
from etpguard.objects import Requirement

INSTANCE_GROUP_NODES = NodeRule(
    requirements=(
        Requirement("node-role.kubernetes.io/master", "DoesNotExist"),
        Requirement("alpha.service-controller.kubernetes.io/exclude-balancer", "DoesNotExist"),
        Requirement(EXCLUDE_LABEL, "DoesNotExist"),
    ),
)
"""ingress-gce pkg/utils/zonegetter nodePredicateInternal, as CandidateNodesFilter calls it."""

SUBSET_NODES = replace(
    INSTANCE_GROUP_NODES,
    requirements=(
        *INSTANCE_GROUP_NODES.requirements,
        Requirement("operation.gke.io/type", "NotIn", ("drain",)),
    ),
    readiness=Readiness.IGNORED,
    hosts=Hosts.READY,
)
"""The nodes of endpoints that do not terminate (pkg/neg/types/types.go:381), as CandidateAndUnreadyNodesFilter
passes them: nodes that are not Ready are in, those that GKE drains for an upgrade are out. An endpoint that is not
ready keeps its node in the group too; its check fails there, so that it gets no traffic beside a ready one."""
