"""The ways back: our own rollback, what others put back, an intent that came to nothing, a record that was lost.

Roll back: the phase into the report; the patch back; ownership handed back; its record. Each step finds out by
itself whether it was done before a kill.
"""

from __future__ import annotations

import logging

import msgspec

from etpguard.assess import Outcome, Reason
from etpguard.kube import verbs
from etpguard.kube.conflict_retry import retry_on_conflict
from etpguard.kube.errors import ApiError
from etpguard.kube.writes import Writer
from etpguard.objects import SERVICE, Key, Remediation, Revert, Service
from etpguard.remediate import patches
from etpguard.remediate.decide import COVERED_AGAIN, Action, Case, reference
from etpguard.remediate.gather import named
from etpguard.remediate.intent import IntentRecorder, entered
from etpguard.remediate.ownership import (
    MANAGER,
    ROLLBACK_MANAGER,
    adopter,
    advice_against_reverts,
    setter,
    setters,
)
from etpguard.remediate.policy import Governing
from etpguard.remediate.reread import Changed, CurrentService, ServiceReader
from etpguard.remediate.telling import Announce, Count

_log = logging.getLogger(__name__)

KEPT = 50
"""Intents and reverts that a record keeps, the newest."""


class Rollback:
    def __init__(
        self, writer: Writer, reader: ServiceReader, recorder: IntentRecorder, *, announce: Announce, count: Count
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._recorder = recorder
        self._announce = announce
        self._count = count

    async def roll_back(self, case: Case, why: Reason, now: CurrentService) -> str:
        """Raises Changed where what was decided on is not so any more."""
        intent = now.remediation
        if intent is None:
            raise Changed("there is no record")
        if (who := adopter(now.raw)) and now.service.policy == "Cluster" and not _asked_for(intent, why):
            return await self._leave(intent, now, who)
        if intent.phase != "RollingBack":
            await self._still_due(case, why)
            now = await self._recorder.write(now, entered(intent, "RollingBack", self._recorder.stamp(), str(why)))
        if now.service.spec.external_traffic_policy == "Cluster":
            try:
                await self._patch_back(now.service, intent)
            except ApiError:
                self._count("rollback", "failed")
                raise
        key = now.service.key
        await self.hand_back(key)
        now = await self._reader.service(key)
        message = intent.message if intent.phase == "RollingBack" else str(why)
        await self._recorder.write(now, entered(intent, "RolledBack", self._recorder.stamp(), message))
        self._count("rollback", "succeeded")
        note = f"externalTrafficPolicy put back to Local; {named(intent.policy)}; {message}"
        await self._announce(now.service, "RemediationRolledBack", False, note)
        return "rolled back"

    async def _leave(self, intent: Remediation, now: CurrentService, who: str) -> str:
        """To whoever declares Cluster by now: it is no change of ours any more, nor ours to take back."""
        why = f"{who} sets externalTrafficPolicy to Cluster by now"
        await self._recorder.write(now, entered(intent, "Adopted", self._recorder.stamp(), why))
        await self.hand_back(now.service.key)
        await self._reader.service(now.service.key)  # to be known until the watch tells of it
        self._count("rollback", "adopted")
        note = f"left at Cluster: {why}; {named(intent.policy)}"
        await self._announce(now.service, "RemediationSkipped", False, note)
        return why

    async def _still_due(self, case: Case, why: Reason) -> None:
        """Whether the API server agrees with what the picture gave as the cause: a policy that is gone, endpoints
        that are back."""
        standing = case.remediation
        if why.code == "PolicyDeleted" and standing and standing.policy and case.recorded_policy is None:
            if not await self._reader.gone(standing.policy):
                raise Changed(f"{named(standing.policy)} is still there")
        elif why == COVERED_AGAIN:
            fresh = await self._reader.reassess(case.service.key)
            local = fresh.assessment.if_local if fresh.assessment else None
            if local is None or local.outcome is not Outcome.Covered:
                raise Changed(f"under Local it would be {local.outcome.name if local else 'not assessed'}")

    async def _patch_back(self, service: Service, intent: Remediation) -> None:
        """With the port that it had; where that is taken by now, with one of the API server's choice."""
        port = intent.original_health_check_node_port if service.type == "LoadBalancer" else None
        version = service.metadata.resource_version or ""
        for wanted in dict.fromkeys((port, None)):
            patch = verbs.json_patch(
                SERVICE, service.key, patches.to_local(service.uid, version, wanted), manager=MANAGER
            )
            try:
                await self._writer.write(patch, attempts=1)
            except ApiError as error:
                if wanted is None or not patches.port_refused(error.status, error.message):
                    raise
                _log.warning("%s: not with healthCheckNodePort %d: %s", service.key, wanted, error)
            else:
                return

    async def hand_back(self, key: Key, *managers: str) -> None:
        """Give up what we own of the Service, so that another manager's next apply does not conflict."""

        async def attempt() -> None:
            raw = await self._writer.read(verbs.get(SERVICE, key))
            if patch := patches.hand_back(raw, {MANAGER, *managers}):
                await self._writer.write(verbs.json_patch(SERVICE, key, patch, manager=MANAGER), attempts=1)

        await retry_on_conflict(attempt)

    async def note_back(self, case: Case, action: Action, now: CurrentService) -> str:
        """Someone else put Local back."""
        intent = now.remediation
        if intent is None:
            raise Changed("there is no record")
        last = setter(now.raw)
        manager = last.manager if last and last.manager != MANAGER else "an unknown manager"
        stamp = self._recorder.stamp()
        if action is Action.NOTE_USER_ROLLBACK:
            held_for = case.governing.versions if case.governing else ""
            ended = entered(intent, "RolledBackByUser", stamp, f"by {manager}")
            await self._recorder.write(now, msgspec.structs.replace(ended, held_for=held_for))
            await self.hand_back(now.service.key, ROLLBACK_MANAGER)
            self._count("rollback", "by-user")
            note = f"{manager} put externalTrafficPolicy back to Local; held off until the policy's spec changes"
            await self._announce(now.service, "RemediationRolledBack", False, note)
            return "rolled back by a person"
        revert = Revert(stamp, manager)
        ended = entered(intent, "Reverted", stamp, f"by {manager}")
        await self._recorder.write(now, msgspec.structs.replace(ended, reverts=(*intent.reverts, revert)[-KEPT:]))
        await self.hand_back(now.service.key)
        self._count("apply", "reverted")
        note = f"{manager} put externalTrafficPolicy back to Local. {advice_against_reverts(manager)}"
        await self._announce(now.service, "RemediationReverted", True, note)
        return f"reverted by {manager}"

    async def cancel(self, now: CurrentService, why: str) -> None:
        """Nothing was changed: no budget was used."""
        intent = now.remediation
        if intent is not None and intent.phase == "Applying":
            ended = entered(intent, "Cancelled", self._recorder.stamp(), why)
            await self._recorder.write(now, msgspec.structs.replace(ended, intents=intent.intents[:-1]))
            self._count("apply", "cancelled")

    async def rebuild(self, governing: Governing | None, key: Key) -> str:
        """Make the record of a change that only managedFields still tell of. Where no older record of the same
        Service knows the port, a rollback lets the API server allocate one. The policy is the one that governs
        it now, if one does."""
        now = await self._reader.service(key)
        known = now.remediation
        if now.service.policy == "Local" or (known is not None and known.stands_for(now.service.uid)):
            return ""
        ours = next((found for found in setters(now.raw) if found.manager == MANAGER), None)
        who = adopter(now.raw)
        if ours is None or who:
            await self.hand_back(key)
            await self._reader.service(key)  # to be known until the watch tells of it
            return f"no record is made: {who or 'nobody'} sets it by now"
        stamp = ours.time or self._recorder.stamp()
        deciding = governing.deciding if governing else None
        before = known or Remediation(
            phase="Applied",
            service_uid=now.service.uid,
            policy=reference(deciding) if deciding else None,
            on_delete=deciding.spec.rollback.on_delete if deciding else "Keep",
        )
        found = entered(before, "Applied", stamp, "made anew from the Service's managedFields")
        intents = (*found.intents, stamp)[-KEPT:]
        await self._recorder.write(now, msgspec.structs.replace(found, intents=intents, held_for=""))
        return "record made anew from managedFields"


def _asked_for(intent: Remediation, why: Reason) -> bool:
    """Whether a person asked for this very rollback, begun or not."""
    return "RollbackRequested" in (why.code, intent.message.partition(":")[0])
