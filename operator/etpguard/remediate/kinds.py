"""The kinds that are read only for remediation. Pure."""

from __future__ import annotations

from etpguard.objects import NAMESPACE, AnyKind
from etpguard.objects.network_policies import NETWORK_POLICY
from etpguard.objects.policies import CLUSTER_COVERAGE_POLICY, COVERAGE_POLICY

REMEDIATION_KINDS: tuple[AnyKind, ...] = (COVERAGE_POLICY, CLUSTER_COVERAGE_POLICY, NETWORK_POLICY, NAMESPACE)
