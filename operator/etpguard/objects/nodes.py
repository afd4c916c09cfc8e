"""The record of a Node."""

from __future__ import annotations

import msgspec

from etpguard.objects.records import LabelledRecord, Shape


class Taint(Shape, frozen=True):
    key: str
    effect: str = ""
    value: str | None = None


class NodeSpec(Shape, frozen=True):
    provider_id: str | None = msgspec.field(name="providerID", default=None)
    taints: list[Taint] | None = None


class NodeAddress(Shape, frozen=True):
    type: str
    address: str


class NodeCondition(Shape, frozen=True):
    type: str
    status: str = "Unknown"
    reason: str | None = None


class NodeStatus(Shape, frozen=True):
    conditions: list[NodeCondition] | None = None
    addresses: list[NodeAddress] | None = None


class Node(LabelledRecord, frozen=True):
    spec: NodeSpec | None = None
    status: NodeStatus | None = None

    @property
    def substance(self) -> object:
        addresses = self.status and self.status.addresses
        network = (self.network, self.network_unavailable)
        return (self.metadata.uid, self.labels, self.deleting, self.spec, self.ready, network, addresses)

    @property
    def ready(self) -> str | None:
        """Status of the Ready condition ("True", "False", "Unknown"), None where there is none."""
        found = self._condition("Ready")
        return found.status if found else None

    @property
    def network(self) -> str:
        """The reason of the condition NetworkUnavailable, by which network plugins say that they are up."""
        found = self._condition("NetworkUnavailable")
        return (found and found.reason) or ""

    @property
    def network_unavailable(self) -> bool:
        """Whether the condition NetworkUnavailable is True."""
        found = self._condition("NetworkUnavailable")
        return found is not None and found.status == "True"

    @property
    def other_hostname(self) -> str:
        """A hostname of the Node that differs from its name, ignoring case; "" if there is none."""
        name = self.metadata.name.lower()
        hosts = [self.labels.get("kubernetes.io/hostname", "")]
        hosts += [a.address for a in (self.status and self.status.addresses) or () if a.type == "Hostname"]
        return next((host for host in hosts if host and host.lower() != name), "")

    @property
    def taints(self) -> list[Taint]:
        return (self.spec and self.spec.taints) or []

    @property
    def provider_id(self) -> str:
        return (self.spec and self.spec.provider_id) or ""

    def _condition(self, type_: str) -> NodeCondition | None:
        for condition in (self.status and self.status.conditions) or ():
            if condition.type == type_:
                return condition
        return None
