"""Carrying a decision out, step by step, so that a kill between any two leaves what the next start can finish.

Apply: the intent into the report; everything read again, assessed and decided again; the patch; its record.
Roll back: the phase into the report; the patch back; ownership handed back; its record.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from etpguard.assess import Reason
from etpguard.cluster import Picture
from etpguard.kube import verbs
from etpguard.kube.exchange import ApiError
from etpguard.kube.writes import Writer
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key, Remediation, Revert, Service
from etpguard.remediate import steps
from etpguard.remediate.cases import named, refreshed
from etpguard.remediate.decide import Action, Case, Decision, Ledger, decide
from etpguard.remediate.fresh import Changed, Now, Reader, Reassessed
from etpguard.remediate.ownership import MANAGER, advice_against_reverts, setter

_log = logging.getLogger(__name__)

_KEPT = 10

Announce = Callable[[Service, str, bool, str], Awaitable[None]]
"""Service, reason, whether it is a Warning, note."""
Count = Callable[[str, str], None]
"""Action and result, for the metric."""
NetworkCheck = Callable[[Service, Any], str]


class Executor:
    """`wall` gives seconds since the epoch. Nothing here keeps state: what is to be remembered is written."""

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        picture: Picture,
        *,
        announce: Announce,
        count: Count,
        network_policy: NetworkCheck,
        wall: Callable[[], float],
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._picture = picture
        self._announce = announce
        self._count = count
        self._network_policy = network_policy
        self._wall = wall

    async def carry_out(self, case: Case, decision: Decision, ledger: Ledger) -> str:
        """Do what was decided, unless a fresh look says otherwise. Returns what came of it, in words ("" for
        nothing worth telling). Raises NotNow and ApiError; what was begun is then finished later."""
        key = case.service.key
        try:
            now = await self._reader.service(key)
            case = _as_it_is(case, now)
            again = decide(case, ledger, self._wall())
            if again.action is not decision.action:
                return f"not done: {again.reason}"
            match decision.action:
                case Action.APPLY if case.remediation and case.remediation.stands_for(case.service.uid):
                    return await self._finish_apply(case, now)
                case Action.APPLY | Action.DRY_RUN:
                    return await self._apply(case, decision, ledger, now)
                case Action.ROLL_BACK:
                    return await self._roll_back(case, again.reason, now)
                case Action.NOTE_USER_ROLLBACK | Action.NOTE_REVERT:
                    return await self._note_back(case, decision.action, now)
                case Action.FORGET:
                    return await self._cancel(now, "the intent was not carried out")
                case Action.NONE:
                    return ""
        except Changed as changed:
            return f"not done: {changed}"

    async def rebuild(self, key: Key) -> str:
        """Make the record of a change that only managedFields still tell of. The port is not known any more:
        a rollback lets the API server allocate one."""
        try:
            now = await self._reader.service(key)
        except Changed as changed:
            return f"not done: {changed}"
        last = setter(now.raw)
        if now.service.policy == "Local" or last is None or last.manager != MANAGER:
            return ""
        if now.remediation is not None and now.remediation.service_uid == now.service.uid:
            return ""
        stamp = last.time or self._stamp()
        found = Remediation(
            phase="Applied",
            service_uid=now.service.uid,
            intents=(stamp,),
            since=stamp,
            message="made anew from the Service's managedFields",
        )
        await self._record(now, found)
        return "record made anew from managedFields"

    async def _apply(self, case: Case, decision: Decision, ledger: Ledger, now: Now) -> str:
        dry_run = decision.action is Action.DRY_RUN
        before = now.remediation
        if not dry_run:
            await self._record(now, self._intent(case, decision, before))
        fresh = await self._reader.reassess(case.service.key)
        if reason := await self._no_longer(case, decision, ledger, fresh, before):
            if not dry_run:
                await self._cancel(fresh.now, str(reason))
            return f"not done: {reason}"
        service = fresh.now.service
        patch = verbs.json_patch(
            SERVICE,
            service.key,
            steps.to_cluster(service.uid, service.metadata.resource_version or ""),
            manager=MANAGER,
            dry_run=dry_run,
        )
        action = "dry-run" if dry_run else "apply"
        try:
            await self._writer.write(patch, attempts=1)
        except ApiError as error:
            self._count(action, "failed")
            if dry_run:
                return f"DryRunFailed: {error}"
            if error.transient:
                raise  # It may have been carried out: the intent stands, and is resolved by a fresh look.
            await self._cancel(fresh.now, str(error))
            return f"failed: {error}"
        if dry_run:
            self._count(action, "succeeded")
            return "DryRunSucceeded"
        return await self._applied(case, await self._reader.service(service.key))

    async def _finish_apply(self, case: Case, now: Now) -> str:
        """An intent stands and the policy is Cluster: whose doing is it?"""
        last = setter(now.raw)
        if last is not None and last.manager == MANAGER:
            return await self._applied(case, now)
        who = last.manager if last else "another"
        return await self._cancel(now, f"{who} set it to {now.service.policy}")

    async def _applied(self, case: Case, now: Now) -> str:
        intent = now.remediation
        if intent is None:
            return await self.rebuild(case.service.key)
        await self._record(now, replace_phase(intent, "Applied", self._stamp()))
        self._count("apply", "succeeded")
        note = (
            "externalTrafficPolicy changed from Local to Cluster: every node forwards, and pods see a node's "
            f"address in place of the client's; {named(intent.policy)}; undo: etpguard rollback {now.service.key}"
        )
        await self._announce(now.service, "RemediationApplied", False, note)
        return "applied"

    async def _no_longer(
        self, case: Case, decision: Decision, ledger: Ledger, fresh: Reassessed, before: Remediation | None
    ) -> Reason | None:
        """Why it is not to be done after all, from what was read just now."""
        if not fresh.agrees_with(case.assessment, self._picture.nodes):
            return Reason("Changed", "what was read again from the API server is not what was assessed")
        for policy in case.governing.policies if case.governing else ():
            held = await self._reader.policy(policy)
            if held is None or held.metadata.generation != policy.metadata.generation or held.deleting:
                return Reason("Changed", f"{policy.kind} {policy.key} is not what it was")
        service = fresh.now.service
        last = decide(
            replace(
                refreshed(case, before),
                service=service,
                network_policy=self._network_policy(service, fresh.network_policies),
            ),
            ledger,
            self._wall(),
        )
        return None if last.action is decision.action else last.reason

    async def _roll_back(self, case: Case, why: Reason, now: Now) -> str:
        intent = now.remediation
        if intent is None:
            return "not done: there is no record"
        if intent.phase != "RollingBack":
            await self._record(now, replace_phase(intent, "RollingBack", self._stamp(), str(why)))
        if now.service.policy != "Local":
            try:
                await self._patch_back(now.service, intent)
            except ApiError:
                self._count("rollback", "failed")
                raise
        await self._hand_back(now.service.key)
        now = await self._reader.service(now.service.key)
        message = intent.message if intent.phase == "RollingBack" else str(why)
        await self._record(now, replace_phase(intent, "RolledBack", self._stamp(), message))
        self._count("rollback", "succeeded")
        note = f"externalTrafficPolicy put back to Local; {named(intent.policy)}; {message}"
        await self._announce(now.service, "RemediationRolledBack", False, note)
        return "rolled back"

    async def _patch_back(self, service: Service, intent: Remediation) -> None:
        """With the port that it had; where that is taken by now, with one of the API server's choice."""
        port = intent.original_health_check_node_port if service.type == "LoadBalancer" else None
        version = service.metadata.resource_version or ""
        for wanted in dict.fromkeys((port, None)):
            patch = verbs.json_patch(
                SERVICE, service.key, steps.to_local(service.uid, version, wanted), manager=MANAGER
            )
            try:
                await self._writer.write(patch, attempts=1)
            except ApiError as error:
                if wanted is None or error.status != 422:
                    raise
                _log.warning("%s: healthCheckNodePort %d is not to be had: %s", service.key, wanted, error)
            else:
                return

    async def _hand_back(self, key: Key) -> None:
        raw = await self._writer.read(verbs.get(SERVICE, key))
        if (patch := steps.hand_back(raw)) is not None:
            await self._writer.write(verbs.json_patch(SERVICE, key, patch, manager=MANAGER), attempts=1)

    async def _note_back(self, case: Case, action: Action, now: Now) -> str:
        """Someone else put Local back."""
        intent = now.remediation
        last = setter(now.raw)
        if intent is None:
            return "not done: there is no record"
        manager = last.manager if last and last.manager != MANAGER else "an unknown manager"
        await self._hand_back(now.service.key)
        if action is Action.NOTE_USER_ROLLBACK:
            held_for = case.governing.versions if case.governing else ""
            ended = replace_phase(intent, "RolledBackByUser", self._stamp(), f"by {manager}")
            await self._record(now, msgspec.structs.replace(ended, held_for=held_for))
            self._count("rollback", "by-user")
            note = f"{manager} put externalTrafficPolicy back to Local; held off until the policy's spec changes"
            await self._announce(now.service, "RemediationRolledBack", False, note)
            return "rolled back by a person"
        revert = Revert(self._stamp(), manager)
        ended = replace_phase(intent, "Reverted", revert.time, f"by {manager}")
        await self._record(now, msgspec.structs.replace(ended, reverts=(*intent.reverts, revert)[-_KEPT:]))
        self._count("apply", "reverted")
        note = f"{manager} put externalTrafficPolicy back to Local. {advice_against_reverts(manager)}"
        await self._announce(now.service, "RemediationReverted", True, note)
        return f"reverted by {manager}"

    async def _cancel(self, now: Now, why: str) -> str:
        intent = now.remediation
        if intent is not None and intent.phase == "Applying":
            # Nothing was changed: no budget was used.
            ended = replace_phase(intent, "Cancelled", self._stamp(), why)
            await self._record(now, msgspec.structs.replace(ended, intents=intent.intents[:-1]))
            self._count("apply", "cancelled")
        return f"not done: {why}"

    def _intent(self, case: Case, decision: Decision, before: Remediation | None) -> Remediation:
        stamp = self._stamp()
        assert case.governing is not None
        same = before if before is not None and before.service_uid == case.service.uid else None
        return Remediation(
            phase="Applying",
            service_uid=case.service.uid,
            original_policy="Local",
            original_health_check_node_port=case.service.spec.health_check_node_port,
            policy=decision.policy,
            on_delete=case.governing.on_delete,
            intents=(*(same.intents if same else ()), stamp)[-_KEPT:],
            since=stamp,
            reverts=same.reverts if same else (),
            message=decision.reason.detail,
        )

    async def _record(self, now: Now, remediation: Remediation) -> None:
        """Write `status.remediation` and nothing else of the report, which is made first where there is none."""
        service, uid = now.service, now.report_uid
        if uid and now.report_owner != service.uid:
            raise Changed(f"ServiceCoverage {service.key} is another Service's")
        if not uid:
            owner = {
                "apiVersion": SERVICE.api_version,
                "kind": SERVICE.name,
                "name": service.key.name,
                "uid": service.uid,
                "blockOwnerDeletion": False,
            }
            made = await self._writer.write(
                verbs.apply(SERVICE_COVERAGE, service.key, {"metadata": {"ownerReferences": [owner]}})
            )
            uid = str(made["metadata"]["uid"])
        body = {"status": {"remediation": _present(msgspec.to_builtins(remediation))}}
        await self._writer.write(
            verbs.apply(SERVICE_COVERAGE, service.key, body, subresource="status", uid=uid, manager=MANAGER)
        )

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def replace_phase(remediation: Remediation, phase: str, since: str, message: str | None = None) -> Remediation:
    told = remediation.message if message is None else message[:4096]
    return msgspec.structs.replace(remediation, phase=phase, since=since, message=told)


def _as_it_is(case: Case, now: Now) -> Case:
    """The case with the Service and its record as they are, and who set its policy."""
    last = setter(now.raw)
    case = replace(refreshed(case, now.remediation), service=now.service)
    standing = now.remediation
    if standing is None or not standing.stands_for(now.service.uid) or now.service.policy != "Local":
        return case
    # An intent that was never carried out finds the policy as whoever set it before the intent left it.
    begun = standing.intents[-1] if standing.intents else ""
    if last is None or (standing.phase == "Applying" and last.time < begun):
        return replace(case, local_set_by="")
    return replace(case, local_set_by=last.manager, by_person=last.person)


def _present(value: Any) -> Any:
    """Without nulls and empty strings, which say nothing."""
    if isinstance(value, dict):
        return {k: _present(v) for k, v in value.items() if v is not None and v != ""}
    return [_present(v) for v in value] if isinstance(value, (list, tuple)) else value
