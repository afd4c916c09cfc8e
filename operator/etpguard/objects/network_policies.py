"""The record of NetworkPolicies, which may refuse the addresses that remediation brings."""

from __future__ import annotations

import msgspec

from etpguard.objects.kinds import Kind, Reach
from etpguard.objects.records import LabelledRecord, Selector, Shape


class IPBlock(Shape, frozen=True):
    cidr: str = ""


class Peer(Shape, frozen=True):
    ip_block: IPBlock | None = None


class IngressPeers(Shape, frozen=True):
    # The wire name is a Python keyword.
    peers: list[Peer] | None = msgspec.field(name="from", default=None)


class NetworkPolicySpec(Shape, frozen=True):
    pod_selector: Selector | None = None
    ingress: list[IngressPeers] | None = None


class NetworkPolicy(LabelledRecord, frozen=True):
    spec: NetworkPolicySpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.spec)

    @property
    def names_addresses(self) -> bool:
        """Whether an ingress rule admits by source address."""
        rules = (self.spec and self.spec.ingress) or ()
        return any(peer.ip_block is not None for rule in rules for peer in rule.peers or ())

    def may_select(self, labels: dict[str, str]) -> bool:
        """Whether it may apply to pods that have at least these labels. Other labels of the pods are unknown, so
        only a contradiction with these rules the policy out."""
        selector = self.spec and self.spec.pod_selector
        return all(r.admits(labels) for r in (selector.requirements if selector else ()) if r.key in labels)


NETWORK_POLICY = Kind(
    "NetworkPolicy",
    "networkpolicies",
    "networking.k8s.io",
    "v1",
    NetworkPolicy,
    reach=Reach.NOTHING,
    protobuf=True,
)
