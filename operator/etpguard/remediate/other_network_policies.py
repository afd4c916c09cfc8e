"""Other kinds of network policy than NetworkPolicy, which may refuse a node's address too. Pure.

etpguard does not read them, and needs no permission for them: where the API server serves such a kind, a policy
with `networkPolicy: Refuse` leaves every Service alone, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable

KINDS = {
    "cilium.io": ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"),
    "crd.projectcalico.org": ("NetworkPolicy", "GlobalNetworkPolicy"),
    "projectcalico.org": ("NetworkPolicy", "GlobalNetworkPolicy"),
    "crd.antrea.io": ("NetworkPolicy", "ClusterNetworkPolicy"),
    "policy.networking.k8s.io": ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"),
}
"""By API group, the kinds that can admit or refuse traffic to pods by its source address."""


class OtherNetworkPolicies:
    """What discovery found last; unknown until then."""

    def __init__(self, found: Iterable[tuple[str, str]] | None = None) -> None:
        self._served: tuple[str, ...] | None = None
        if found is not None:
            self.discovered(found)

    def discovered(self, served: Iterable[tuple[str, str]]) -> None:
        """`served`: group and kind of each resource of the groups in KINDS."""
        self._served = tuple(sorted({f"{kind}.{group}" for group, kind in served if kind in KINDS.get(group, ())}))

    @property
    def refusal(self) -> str:
        """Why one of them might refuse a node's address; "" if none is served."""
        if self._served is None:
            return "the operator has not discovered yet which kinds of network policy the API server serves"
        if not self._served:
            return ""
        return f"the API server serves {self._served[0]}, which etpguard does not read"
