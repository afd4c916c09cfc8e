"""What might refuse a node's address in front of a Service's pods: NetworkPolicies that admit by address, and
kinds of network policy that etpguard does not read. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from etpguard.cluster import Picture
from etpguard.objects import Service
from etpguard.objects.network_policies import NETWORK_POLICY, NetworkPolicy
from etpguard.remediate.other_network_policies import OtherNetworkPolicies


def refusal(
    picture: Picture, service: Service, policies: Iterable[NetworkPolicy], others: OtherNetworkPolicies
) -> str:
    """Why the pods of `service` might refuse a node's address, by these policies; "" if they would not."""
    if reason := picture.unread.get(NETWORK_POLICY):
        return f"the operator cannot read NetworkPolicies: {reason}"
    labels = service.spec.selector or {}
    for policy in policies:
        if policy.key.namespace == service.key.namespace and policy.names_addresses and policy.may_select(labels):
            return f"NetworkPolicy {policy.metadata.name} admits clients by address (ipBlock)"
    return others.refusal


def by_namespace(picture: Picture) -> Mapping[str, list[NetworkPolicy]]:
    """The NetworkPolicies that admit by address."""
    found: dict[str, list[NetworkPolicy]] = defaultdict(list)
    for policy in picture.store(NETWORK_POLICY):
        if policy.names_addresses:
            found[policy.key.namespace].append(policy)
    return found
