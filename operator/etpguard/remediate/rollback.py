"""The ways back: etpguard's own rollback, what others restored, an intent that was not carried out, a lost record.

A rollback writes the phase into the report, patches the policy back, gives up the ownership and records the end.
Each step finds out whether it was done before the process was killed.
"""

from __future__ import annotations

import logging
from functools import partial

import msgspec

from etpguard.assess import Reason
from etpguard.kube import verbs
from etpguard.kube.conflict_retry import retry_on_conflict
from etpguard.kube.errors import ApiError
from etpguard.kube.writes import Writer
from etpguard.objects import SERVICE, Key, Remediation, Revert, Service
from etpguard.objects.coverage import KEPT
from etpguard.objects.log_fields import service_fields
from etpguard.remediate import events, hold_off, patches, reasons
from etpguard.remediate.current_service import CurrentService
from etpguard.remediate.decide import Action, asked_by_a_person
from etpguard.remediate.errors import Changed, Refused
from etpguard.remediate.events import Announcer, Count, Local
from etpguard.remediate.facts import Case, reference
from etpguard.remediate.governing import Governing
from etpguard.remediate.intent import IntentRecorder, entered
from etpguard.remediate.memory import RemediationMemory
from etpguard.remediate.ownership import MANAGER, ROLLBACK_MANAGER, adopter, setter, setters
from etpguard.remediate.reread import ServiceReader
from etpguard.remediate.restore import restore_local

_log = logging.getLogger(__name__)


class Rollback:
    def __init__(
        self,
        writer: Writer,
        reader: ServiceReader,
        recorder: IntentRecorder,
        *,
        announcer: Announcer,
        count: Count,
        memory: RemediationMemory,
    ) -> None:
        self._memory = memory
        self._writer = writer
        self._reader = reader
        self._recorder = recorder
        self._announcer = announcer
        self._count = count

    async def roll_back(self, why: Reason, now: CurrentService) -> str:
        """Raises Changed where there is no record any more, and Refused."""
        intent = now.remediation
        if intent is None:
            raise Changed("there is no record")
        if (who := adopter(now.raw)) and now.service.policy == "Cluster" and not _requested(intent, why):
            return await self._leave_to(who, intent, now)
        if not now.service.spec.external_traffic_policy:
            why_not = f"type {now.service.type} has no externalTrafficPolicy"
            await self._adopted(why_not, intent, now)
            return why_not
        if intent.phase != "RollingBack":
            now = await self._recorder.write(now, entered(intent, "RollingBack", self._recorder.stamp(), str(why)))
        if now.service.spec.external_traffic_policy == "Cluster":
            try:
                await self._patch_back(now.service, intent)
            except (ApiError, Refused):
                self._count("rollback", "failed")
                raise
        key = now.service.key
        await self.hand_back(key)
        now = await self._reader.service(key)
        message = intent.message if intent.phase == "RollingBack" else str(why)
        await self._recorder.write(now, entered(intent, "RolledBack", self._recorder.stamp(), message))
        self._count("rollback", "succeeded")
        await self._announcer.announce(
            events.remediation_rolled_back(service=now.service, policy=intent.policy, why=message)
        )
        return "rolled back"

    async def _leave_to(self, who: str, intent: Remediation, now: CurrentService) -> str:
        """Another manager declares Cluster now: the policy is no longer etpguard's change, nor its to take
        back."""
        why = f"{who} declares externalTrafficPolicy Cluster now"
        await self._adopted(why, intent, now)
        await self._announcer.announce(
            events.rollback_left_to_owner(service=now.service, policy=intent.policy, why=why), once=True
        )
        return why

    async def _adopted(self, why: str, intent: Remediation, now: CurrentService) -> None:
        key = now.service.key
        await self.hand_back(key)  # first: after a kill the decision is the same again
        now = await self._reader.service(key)
        await self._recorder.write(now, entered(intent, "Adopted", self._recorder.stamp(), why))
        self._count("rollback", "adopted")

    async def _patch_back(self, service: Service, intent: Remediation) -> None:
        """Restores the healthCheckNodePort too. If that port is taken now, the API server allocates another."""
        send = partial(self._writer.write, attempts=1)
        port = intent.original_health_check_node_port
        _, refusal = await restore_local(send, service, port, MANAGER)
        if refusal is not None:
            _log.warning(
                "%s: cannot restore healthCheckNodePort %d: %s",
                service.key,
                port,
                refusal,
                extra=service_fields(service.key, action="restore healthCheckNodePort"),
            )

    async def hand_back(self, key: Key, *managers: str) -> None:
        """Give up etpguard's ownership of the field, so that another manager's next apply does not conflict."""

        async def attempt() -> None:
            raw = await self._writer.read(verbs.get(SERVICE, key))
            if patch := patches.hand_back(raw, {MANAGER, *managers}):
                await self._writer.write(verbs.json_patch(SERVICE, key, patch, manager=MANAGER), attempts=1)

        await retry_on_conflict(attempt)

    async def note_back(self, case: Case, action: Action, now: CurrentService) -> str:
        """Record that someone else restored Local."""
        intent = now.remediation
        if intent is None:
            raise Changed("there is no record")
        last = setter(now.raw)
        manager = last.manager if last and last.manager != MANAGER else "an unknown manager"
        stamp = self._recorder.stamp()
        did = Local.RESTORED if intent.phase != "Applying" else Local.FOUND
        message = f"by {manager}" if did is Local.RESTORED else f"{manager} {did.value}"
        if action is Action.NOTE_USER_ROLLBACK:
            # The watch of the policies may be behind that of the Services.
            governing = (await self._reader.rules(now.service.key)).applied_to(case).governing
            held_for = hold_off.recorded(governing.policies if governing else ())
            ended = entered(intent, "RolledBackByUser", stamp, message)
            await self._recorder.write(now, msgspec.structs.replace(ended, held_for=held_for))
            await self.hand_back(now.service.key, ROLLBACK_MANAGER)
            self._count("rollback", "by-user")
            await self._announcer.announce(
                events.rolled_back_by_user(service=now.service, manager=manager, did=did)
            )
            return "rolled back by a person"
        revert = Revert(stamp, manager)
        ended = entered(intent, "Reverted", stamp, message)
        await self._recorder.write(now, msgspec.structs.replace(ended, reverts=(*intent.reverts, revert)[-KEPT:]))
        await self.hand_back(now.service.key)
        self._count("apply", "reverted")
        await self._announcer.announce(events.remediation_reverted(service=now.service, manager=manager, did=did))
        return f"reverted by {manager}"

    async def cancel(self, now: CurrentService, why: str) -> None:
        """Nothing was changed, so the intent does not count for a budget."""
        intent = now.remediation
        if intent is not None and intent.phase == "Applying":
            ended = entered(intent, "Cancelled", self._recorder.stamp(), why)
            await self._recorder.write(now, msgspec.structs.replace(ended, intents=intent.intents[:-1]))
            self._count("apply", "cancelled")

    async def withdraw(self, now: CurrentService, why: str) -> str:
        """End a rollback that began, was not carried out, and has no reason any more. Returns `why`."""
        intent = now.remediation
        if intent is None:
            raise Changed("there is no record")
        await self._recorder.write(now, entered(intent, "Applied", self._recorder.stamp(), why))
        return why

    async def rebuild(self, governing: Governing | None, key: Key) -> str:
        """Make the record of a remediation again from managedFields, after its report was lost.

        A record of the same Service that was seen before gives the policy and its `onDelete`. Without one, the
        policy that governs the Service now does, and a rollback lets the API server allocate a
        healthCheckNodePort.
        """
        now = await self._reader.service(key)
        known = now.remediation
        if now.service.policy == "Local" or (known is not None and known.in_force_for(now.service.uid)):
            return ""
        ours = next((found for found in setters(now.raw) if found.manager == MANAGER), None)
        who = adopter(now.raw)
        if ours is None or who:
            await self.hand_back(key)
            await self._reader.service(key)  # for the memory, until the watch shows it
            return f"no record is made: {who or 'nobody'} sets the policy now"
        known = known or self._memory.former(now.service)
        deciding = governing.deciding if governing else None
        if known is None and deciding is None:
            return "no record is made: no policy governs the Service"
        # Anyone who may edit the Service can write the time, so it never lies ahead, and nothing is spent at it.
        stamp = min(ours.time or self._recorder.stamp(), self._recorder.stamp())
        before = known or Remediation(
            phase="Applied",
            service_uid=now.service.uid,
            policy=reference(deciding) if deciding else None,
            on_delete=deciding.spec.rollback.on_delete if deciding else "Keep",
        )
        source = "the last record that was seen" if known else "the managedFields of the Service"
        found = entered(before, "Applied", stamp, f"rebuilt from {source}")
        await self._recorder.write(now, msgspec.structs.replace(found, held_for=""))
        return f"record rebuilt from {source}"


def _requested(intent: Remediation, why: Reason) -> bool:
    """Whether a person asked for this very rollback, begun or not."""
    return why.code == reasons.ROLLBACK_REQUESTED.code or asked_by_a_person(intent)
