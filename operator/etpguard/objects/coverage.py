"""The records of etpguard's own API, group etpguard.dev, version v1alpha1."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from etpguard.objects.records import AnnotatedRecord, Shape

GROUP = "etpguard.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


Phase = Literal[
    "Applying", "Applied", "RollingBack", "RolledBack", "RolledBackByUser", "Reverted", "Adopted", "Cancelled"
]
"""The phases of a remediation that this version knows."""
KEPT = 50
"""Intents and reverts that the record of a remediation keeps, the newest."""


class PolicyRef(Shape, frozen=True):
    """The policy that decided; `namespace` is "" for a ClusterCoveragePolicy."""

    kind: str
    name: str
    uid: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class Revert(Shape, frozen=True):
    """A tool restored Local."""

    time: str
    manager: str


class Remediation(Shape, frozen=True):
    """The intent and state of a remediation: `ServiceCoverage.status.remediation`.

    It is written before the Service is patched: after a kill at any instruction it still shows what was done or
    was about to be done. Times are RFC 3339 in UTC.
    """

    phase: Phase
    service_uid: str = msgspec.field(name="serviceUID", default="")
    original_policy: str = "Local"
    original_health_check_node_port: int | None = None
    policy: PolicyRef | None = None
    """The policy that decided or, since that was deleted, the one that keeps Cluster; None if the report was lost
    and rebuilt from managedFields."""
    on_delete: str = "Keep"
    intents: tuple[str, ...] = ()
    """The times at which intents were written, the newest `KEPT`. Budgets count them."""
    since: str = ""
    """When the phase was entered."""
    reverts: tuple[Revert, ...] = ()
    """The newest `KEPT`."""
    held_for: str = ""
    """After RolledBackByUser: the versions of the policies that a person overruled."""
    message: str = ""
    """Why it is in the phase. In RollingBack it begins with the code of the reason: see `rollback_cause`."""

    @property
    def rollback_cause(self) -> str:
        """The code of the reason for which a rollback began. It is known in RollingBack only."""
        return self.message.partition(":")[0] if self.phase == "RollingBack" else ""

    def in_force_for(self, uid: str) -> bool:
        """Whether etpguard has changed the Service of that uid, or is about to."""
        return self.service_uid == uid and self.phase in ("Applying", "Applied", "RollingBack")


class ServiceCoverage(AnnotatedRecord, frozen=True):
    """The report of one Service. `status` is kept as the API server sent it, for comparison."""

    status: dict[str, Any] | None = None

    @property
    def substance(self) -> object:
        return (*self._meta_substance, self.status)

    @property
    def remediation(self) -> Remediation | None:
        """The record; None also where this version cannot read it: see `remediation_unreadable`."""
        return self._record[0]

    @property
    def remediation_unreadable(self) -> bool:
        """Whether there is a record that this version cannot read: a later version wrote it, or another
        program."""
        return self._record[1]

    @property
    def _record(self) -> tuple[Remediation | None, bool]:
        raw = (self.status or {}).get("remediation")
        if raw is None:
            return None, False
        try:
            return msgspec.convert(raw, Remediation), False
        except msgspec.ValidationError:
            return None, True
