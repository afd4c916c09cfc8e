"""Reads one Service and all that its assessment depends on from the API server, and assesses it by the rules that
the picture is assessed by.

A patch rests on this and never on the picture alone: the watch of one kind may be behind without anyone knowing.
Nodes and cluster-wide classes come from the picture, whose lists are checked for their age.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from etpguard.assess import Engine
from etpguard.cluster import Picture
from etpguard.kube import verbs
from etpguard.kube.errors import ApiError
from etpguard.kube.present_object import present_object
from etpguard.kube.verbs import Json
from etpguard.kube.writes import Writer
from etpguard.objects import (
    ENDPOINT_SLICE,
    GROUP,
    NAMESPACE,
    NODE,
    SERVICE,
    SERVICE_COVERAGE,
    AnyKind,
    Key,
    Record,
    Reject,
    ServiceCoverage,
)
from etpguard.objects.network_policies import NETWORK_POLICY
from etpguard.objects.policies import CLUSTER_COVERAGE_POLICY, COVERAGE_POLICY, CoveragePolicy
from etpguard.remediate import reasons
from etpguard.remediate.current_service import CurrentService, Reassessed, Rules
from etpguard.remediate.errors import Changed
from etpguard.remediate.gather import namespace_labels
from etpguard.remediate.memory import RemediationMemory
from etpguard.remediate.other_network_policies import KINDS
from etpguard.remediate.ownership import recorded_at
from etpguard.remediate.turns import Turns

_AT_ONCE = 500
"""Records absorbed before the event loop gets its turn."""

_LONGEST_TURN = 0.01
"""Seconds of an assessment before the event loop gets its turn."""


class ServiceReader:
    """`engine` makes an engine over a picture, with the families and options of the running one. `memory` takes in
    each Service that was read. `served` says which kinds exist and may be listed."""

    def __init__(
        self,
        writer: Writer,
        picture: Picture,
        engine: Callable[[Picture], Engine],
        memory: RemediationMemory,
        served: Callable[[AnyKind], bool] = lambda kind: True,
    ) -> None:
        self._writer = writer
        self._picture = picture
        self._engine = engine
        self._memory = memory
        self._served = served

    async def service(self, key: Key) -> CurrentService:
        """Raises Changed where the Service is gone, and what `Writer.read` raises."""
        found = await present_object(self._writer.read, SERVICE, key)
        if found is None:
            raise Changed(f"Service {key} is gone")
        raw, service = found
        if isinstance(service, Reject):
            raise Changed(service.message)
        report: ServiceCoverage | None = None
        written = ""
        if (found_report := await present_object(self._writer.read, SERVICE_COVERAGE, key)) is not None:
            raw_report, decoded = found_report
            if isinstance(decoded, Reject):
                raise Changed(decoded.message)
            report, written = decoded, recorded_at(raw_report)
        if report is not None and report.remediation_unreadable:
            raise Changed(reasons.RECORD_UNREADABLE.meaning)
        now = CurrentService(raw, service, report, written)
        now.note_in(self._memory)
        return now

    async def remember_all(self) -> None:
        """Take in every record of a remediation, whatever the picture holds. Raises Changed, NotNow and
        ApiError."""
        for report in await self._list(SERVICE_COVERAGE, ""):
            if remediation := report.remediation:
                self._memory.note(report.key, remediation, report.version, remediation.service_uid, 0)

    def etcd_restored(self) -> None:
        """What was read before counts no more: the versions of objects start over."""
        self._memory.etcd_restored()

    async def rules(self, key: Key) -> Rules:
        """What applies to the Services of a namespace, also what no watch has shown yet. Raises Changed where a
        kind of policy is not served any more: that is no sign that its policies were deleted."""
        policies: list[CoveragePolicy] = []
        for kind, namespace in ((COVERAGE_POLICY, key.namespace), (CLUSTER_COVERAGE_POLICY, "")):
            if self._served(kind):
                policies += await self._list(kind, namespace, absent_is_empty=False)
        labels = namespace_labels(self._picture)
        terminating = False
        if NAMESPACE in self._picture.kinds and self._served(NAMESPACE):
            # A list, since the operator has no permission to get a single one.
            found = await self._list(NAMESPACE, "", field_selector=f"metadata.name={key.namespace}")
            labels.pop(key.namespace, None)
            labels |= {namespace.metadata.name: namespace.labels for namespace in found}
            terminating = not found or found[0].deleting
        return Rules(tuple(policies), labels, terminating)

    async def other_network_policies(self) -> list[tuple[str, str]]:
        """Group and kind of each resource that the API server serves in the groups of other network policies, by
        discovery alone. Raises ApiError and NotNow."""
        found = []
        for group in (await self._discover("/apis")).get("groups") or ():
            if group.get("name") in KINDS:
                for version in group.get("versions") or ():
                    resources = await self._discover(f"/apis/{version['groupVersion']}")
                    found += [(group["name"], str(each.get("kind"))) for each in resources.get("resources") or ()]
        return found

    async def _discover(self, path: str) -> Json:
        return await self._writer.read(verbs.Request("get", "apis", "", "", "GET", path))

    async def reassess(self, key: Key) -> Reassessed:
        """Read the Service, its slices, and whatever in its namespace may send traffic to it; assess that."""
        now = await self.service(key)
        read: dict[AnyKind, list[Record]] = {SERVICE: [now.service]}
        if now.report is not None:
            read[SERVICE_COVERAGE] = [now.report]
        for kind in self._picture.kinds:
            if kind.namespaced and _consumer(kind) and self._served(kind):
                read[kind] = await self._all(kind, key.namespace)
        label = f"kubernetes.io/service-name={key.name}"
        read[ENDPOINT_SLICE] = await self._list(ENDPOINT_SLICE, key.namespace, label)
        policies: list[Any] = []
        if NETWORK_POLICY in self._picture.kinds and self._served(NETWORK_POLICY):
            policies = await self._list(NETWORK_POLICY, key.namespace)
        twin = await self._twin(key, read)
        assessment = await Turns(_LONGEST_TURN, time.monotonic).run(self._engine(twin).assess_steps(key))
        return Reassessed(now, assessment, twin.nodes, tuple(policies))

    async def _twin(self, key: Key, read: dict[AnyKind, list[Record]]) -> Picture:
        """A copy of the picture in which the records that were read replace those that it held."""
        twin = self._picture.twin()
        twin.unread.update(self._picture.unread)
        twin.unlisted.update(self._picture.unlisted)
        held = {
            kind: [record for record in self._picture.store(kind) if not _superseded(kind, record, key, read)]
            for kind in self._picture.kinds
            if kind == NODE or _consumer(kind) or kind in (SERVICE, ENDPOINT_SLICE)
        }
        for kind in {**held, **read}:
            records = [*held.get(kind, ()), *read.get(kind, ())]
            for start in range(0, len(records), _AT_ONCE):
                twin.absorb(twin.store(kind).replace(records[start : start + _AT_ONCE]))
                await asyncio.sleep(0)
        return twin

    async def _all(self, kind: AnyKind, namespace: str) -> list[Any]:
        """The records of the namespace; of a subset all of them, which are in another namespace."""
        if (subset := kind.subset) is None:
            return await self._list(kind, namespace)
        return [record for record in await self._list(kind, subset.namespace, subset.label) if kind.holds(record)]

    async def _list(
        self,
        kind: AnyKind,
        namespace: str,
        label_selector: str = "",
        field_selector: str = "",
        *,
        absent_is_empty: bool = True,
    ) -> list[Any]:
        """All records of a namespace. Raises Changed for a record that cannot be decoded, and for a kind that is
        not served, unless `absent_is_empty`."""
        found: list[Any] = []
        token = ""
        while True:
            request = verbs.list_page(
                kind,
                namespace=namespace,
                token=token,
                label_selector=label_selector,
                field_selector=field_selector,
            )
            try:
                page = await self._writer.read_page(kind, request)
            except ApiError as error:
                if not error.kind_absent:
                    raise
                if not absent_is_empty:
                    raise Changed(f"{kind.resource} is not served") from None
                return found
            if page.rejects:
                raise Changed(page.rejects[0].message)
            found += page.items
            if not (token := page.continue_token):
                return found


def _consumer(kind: AnyKind) -> bool:
    return kind not in (SERVICE, ENDPOINT_SLICE, NETWORK_POLICY) and kind.group != GROUP


def _superseded(kind: AnyKind, record: Record, key: Key, read: Iterable[AnyKind]) -> bool:
    """Whether the read result replaces this record of the picture. The result may be that the object is gone."""
    if kind not in read:
        return False
    if kind.subset:
        return True
    if kind == SERVICE:
        return record.key == key
    if kind == ENDPOINT_SLICE:
        return getattr(record, "service", None) == key
    return record.key.namespace == key.namespace
