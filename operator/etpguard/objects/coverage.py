"""The records of etpguard's own API, group etpguard.dev, version v1alpha1."""

from __future__ import annotations

from typing import Any

import msgspec

from etpguard.objects.records import AnnotatedRecord, Shape

GROUP = "etpguard.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class PolicyRef(Shape, frozen=True):
    """The policy that decided; `namespace` is "" for a ClusterCoveragePolicy."""

    kind: str
    name: str
    uid: str
    namespace: str = ""


class Revert(Shape, frozen=True):
    """A tool put Local back."""

    time: str
    manager: str


class Remediation(Shape, frozen=True):
    """The intent and state of a remediation: `ServiceCoverage.status.remediation`.

    It is written before the Service is patched: after a kill at any instruction it still shows what was done or
    was about to be done. Times are RFC 3339 in UTC.
    """

    phase: str
    """Applying, Applied, RollingBack, RolledBack, RolledBackByUser, Reverted, Adopted or Cancelled."""
    service_uid: str = msgspec.field(name="serviceUID", default="")
    original_policy: str = "Local"
    original_health_check_node_port: int | None = None
    policy: PolicyRef | None = None
    """The policy that decided; None if the report was lost and rebuilt from managedFields."""
    on_delete: str = "Keep"
    intents: tuple[str, ...] = ()
    """When intents were written, the newest ten: what budgets count."""
    since: str = ""
    """When the phase was entered."""
    reverts: tuple[Revert, ...] = ()
    """The newest ten."""
    held_for: str = ""
    """After RolledBackByUser: the versions of the policies that a person overruled."""
    message: str = ""

    def stands_for(self, uid: str) -> bool:
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
        """None also for a form that this release does not write."""
        raw = (self.status or {}).get("remediation")
        try:
            return None if raw is None else msgspec.convert(raw, Remediation)
        except msgspec.ValidationError:
            return None
