"""The record of a Namespace."""

from __future__ import annotations

from etpguard.objects.records import LabelledRecord


class Namespace(LabelledRecord, frozen=True):
    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.labels, self.deleting)
