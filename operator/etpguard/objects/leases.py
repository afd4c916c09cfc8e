"""The record of a Lease (coordination.k8s.io/v1), by which one of several operators leads."""

from __future__ import annotations

from etpguard.objects.kinds import Kind
from etpguard.objects.records import Record, Shape
from etpguard.objects.text import harmless

_DEFAULT_SECONDS = 15
"""The lease duration of client-go, for a Lease that names none."""
_LONGEST_HOLDER = 128
"""Characters of a holder in a message. The API server bounds neither its length nor its characters."""


class LeaseSpec(Shape, frozen=True):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    lease_transitions: int | None = None


class Lease(Record, frozen=True):
    spec: LeaseSpec | None = None

    @property
    def holder(self) -> str:
        """The identity of the holder; "" once an operator that ended has released the Lease."""
        return (self.spec and self.spec.holder_identity) or ""

    @property
    def shown_holder(self) -> str:
        """The holder in a message: whoever may write Leases chose its text."""
        shown = harmless(self.holder[:_LONGEST_HOLDER])
        return shown if len(self.holder) <= _LONGEST_HOLDER else f"{shown}…"

    @property
    def seconds(self) -> int:
        """How long the Lease is valid after a renewal."""
        return (self.spec and self.spec.lease_duration_seconds) or _DEFAULT_SECONDS

    @property
    def acquired(self) -> str:
        """When the holder acquired it, a metav1.MicroTime; "" if it never did."""
        return (self.spec and self.spec.acquire_time) or ""

    @property
    def transitions(self) -> int:
        """How often the Lease went to another holder."""
        return (self.spec and self.spec.lease_transitions) or 0


LEASE = Kind("Lease", "leases", "coordination.k8s.io", "v1", Lease)
