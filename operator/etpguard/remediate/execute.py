"""Carries out a decision step by step, so that the next start can finish what a kill interrupts.

Apply: write the intent into the report; read, assess and decide again; patch; record the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec

from etpguard.assess import Outcome, Reason
from etpguard.assess.consumers.families.metallb import sharing
from etpguard.cluster import Picture
from etpguard.kube import verbs
from etpguard.kube.errors import ApiError
from etpguard.kube.writes import NotNow, Writer
from etpguard.objects import SERVICE, Key, Remediation, Service
from etpguard.objects.coverage import KEPT
from etpguard.remediate import address_filters, events, patches, reasons
from etpguard.remediate.current_service import CurrentService, Reassessed
from etpguard.remediate.decide import COVERED_AGAIN, UNASKED, Action, Decision, decide
from etpguard.remediate.errors import Changed, Refused
from etpguard.remediate.events import Announcer, Count
from etpguard.remediate.facts import Case, Ledger
from etpguard.remediate.gather import refreshed
from etpguard.remediate.governing import Governing
from etpguard.remediate.intent import IntentRecorder, entered
from etpguard.remediate.memory import RemediationMemory
from etpguard.remediate.other_network_policies import OtherNetworkPolicies
from etpguard.remediate.ownership import MANAGER, owner, setter, setters
from etpguard.remediate.reread import ServiceReader
from etpguard.remediate.rollback import Rollback


class Disagreement(Changed):
    """A fresh read contradicts the picture."""


class Executor:
    """`wall` gives seconds since the epoch, `term` the present leadership. Keeps no state: what must be remembered
    is written."""

    def __init__(
        self,
        writer: Writer,
        reader: ServiceReader,
        recorder: IntentRecorder,
        picture: Picture,
        *,
        announcer: Announcer,
        count: Count,
        memory: RemediationMemory,
        other_policies: OtherNetworkPolicies,
        wall: Callable[[], float],
        term: Callable[[], int],
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._recorder = recorder
        self._picture = picture
        self._announcer = announcer
        self._count = count
        self._other_policies = other_policies
        self._wall = wall
        self._term = term
        self._rollback = Rollback(writer, reader, recorder, announcer=announcer, count=count, memory=memory)

    async def carry_out(self, case: Case, decision: Decision, ledger: Ledger) -> str:
        """Do what was decided, unless a fresh read says otherwise. Returns the result in words.

        Raises Changed where the decision no longer holds, Refused where the API server does not allow the change,
        NotNow and ApiError where it cannot be done now; a later call finishes what was begun.
        """
        now = await self._reader.service(case.service.key)
        case = _as_read(case, now)
        again = decide(case, ledger, self._wall())
        begun = case.remediation is not None and case.remediation.in_force_for(case.service.uid)
        if not begun and again.action is not decision.action:
            raise Changed(str(again.reason))
        match again.action:
            case Action.APPLY if begun:
                return await self._finish_apply(case, now)
            case Action.APPLY:
                return await self._apply(case, decision, ledger, now)
            case Action.DRY_RUN:
                return await self._dry_run(case, decision, ledger, now)
            case Action.ROLL_BACK:
                if again.reason in UNASKED:
                    await self._confirm(case, again, ledger)
                return await self._rollback.roll_back(again.reason, now)
            case Action.NOTE_USER_ROLLBACK | Action.NOTE_REVERT:
                return await self._rollback.note_back(case, again.action, now)
            case Action.NOTE_POLICY:
                return await self._note_policy(case, ledger, now)
            case Action.FORGET:
                await self._rollback.cancel(now, reasons.NOT_APPLIED.meaning)
                return reasons.NOT_APPLIED.meaning
            case Action.WITHDRAW:
                return await self._rollback.withdraw(now, str(again.reason))
            case Action.NONE:
                raise Changed(str(again.reason))

    async def _confirm(self, case: Case, decision: Decision, ledger: Ledger) -> None:
        """Raises Changed unless fresh reads confirm an automatic rollback: the Service would be Covered where that
        is the reason, and the policies as they are now lead to the same decision."""
        if decision.reason == COVERED_AGAIN:
            fresh = await self._reader.reassess(case.service.key)
            local = fresh.assessment.if_local if fresh.assessment else None
            if local is None or local.outcome is not Outcome.Covered:
                raise Changed(f"the outcome under Local would be {local.outcome.name if local else 'unknown'}")
        last = await self._under_present_rules(case, ledger)
        if last.reason != decision.reason:
            raise Changed(str(last.reason))

    async def _under_present_rules(self, case: Case, ledger: Ledger) -> Decision:
        """The decision by the policies that the API server has now."""
        rules = await self._reader.rules(case.service.key)
        return decide(refreshed(rules.applied_to(case), case.remediation), ledger, self._wall())

    async def _note_policy(self, case: Case, ledger: Ledger, now: CurrentService) -> str:
        """Name the policy that keeps the Service at Cluster in the record, in place of one that is gone. Its
        `onDelete` stays. One write, so a kill leaves the one policy or the other."""
        last = await self._under_present_rules(case, ledger)
        record = now.remediation
        if record is None or last.action is not Action.NOTE_POLICY:
            raise Changed(str(last.reason))
        await self._recorder.write(now, msgspec.structs.replace(record, policy=last.policy))
        return last.reason.detail

    async def rebuild(self, governing: Governing | None, key: Key) -> str:
        """See `Rollback.rebuild`; raises as `carry_out`."""
        return await self._rollback.rebuild(governing, key)

    async def _apply(self, case: Case, decision: Decision, ledger: Ledger, now: CurrentService) -> str:
        before = now.remediation
        self._same_term(ledger)
        now = await self._recorder.write(now, self._intent(case, decision, before))
        fresh = await self._reader.reassess(case.service.key)
        if reason := await self._no_longer(case, decision, ledger, fresh, before):
            await self._rollback.cancel(fresh.now, str(reason))
            raise Disagreement(str(reason))
        try:
            self._same_term(ledger)
            kept = await self._patch(fresh.now.service, dry_run=False)
        except NotNow as closed:
            # Nothing was sent. If another replica led meanwhile, the record is not this one's to end.
            if self._term() != ledger.term:
                raise
            await self._rollback.cancel(fresh.now, closed.reason)
            raise
        except ApiError as error:
            self._count("apply", "failed")
            if error.transient:
                raise  # The API server may have carried it out: the intent remains, and a fresh read resolves it.
            await self._rollback.cancel(fresh.now, str(error))
            raise Refused(str(error)) from None
        if kept != "Cluster":
            self._count("apply", "failed")
            await self._rollback.cancel(fresh.now, patches.not_carried_out(kept))
            await self._rollback.hand_back(case.service.key)
            raise Refused(patches.not_carried_out(kept))
        return await self._applied(case, await self._reader.service(case.service.key))

    async def _dry_run(self, case: Case, decision: Decision, ledger: Ledger, now: CurrentService) -> str:
        fresh = await self._reader.reassess(case.service.key)
        if reason := await self._no_longer(case, decision, ledger, fresh, now.remediation):
            raise Disagreement(str(reason))
        try:
            kept = await self._patch(fresh.now.service, dry_run=True)
        except ApiError as error:
            self._count("dry-run", "failed")
            if error.transient:
                raise
            raise Refused(str(error)) from None
        if kept != "Cluster":
            self._count("dry-run", "failed")
            raise Refused(patches.not_carried_out(kept))
        self._count("dry-run", "succeeded")
        return "the API server would accept the patch"

    def _same_term(self, ledger: Ledger) -> None:
        """Raises NotNow if another replica was the leader since the decision. It may have used the budget while
        this one was reading."""
        if self._term() != ledger.term:
            raise NotNow("another replica has led since the decision", 1.0)

    async def _patch(self, service: Service, *, dry_run: bool) -> str:
        """Returns the policy that the Service has by the API server's answer."""
        change = patches.to_cluster(service.uid, service.metadata.resource_version or "")
        request = verbs.json_patch(SERVICE, service.key, change, manager=MANAGER)
        request = verbs.dry_run(request) if dry_run else request
        return patches.traffic_policy(await self._writer.write(request, attempts=1))

    async def _finish_apply(self, case: Case, now: CurrentService) -> str:
        """There is an intent and the policy is Cluster: find out who set it."""
        if any(found.manager == MANAGER for found in setters(now.raw)):
            return await self._applied(case, now)
        last = setter(now.raw)
        why = f"{last.manager if last else 'an unknown manager'} set {now.service.policy}"
        await self._rollback.cancel(now, why)
        return why

    async def _applied(self, case: Case, now: CurrentService) -> str:
        intent = now.remediation
        if intent is None:
            return await self._rollback.rebuild(case.governing, case.service.key)
        await self._recorder.write(now, entered(intent, "Applied", self._recorder.stamp()))
        self._count("apply", "succeeded")
        await self._announcer.announce(events.remediation_applied(service=now.service, policy=intent.policy))
        return "applied"

    async def _no_longer(
        self, case: Case, decision: Decision, ledger: Ledger, fresh: Reassessed, before: Remediation | None
    ) -> Reason | None:
        """Why the decision does not hold any more, by a fresh read; None if it holds."""
        if not fresh.agrees_with(case.assessment, self._picture.nodes):
            return reasons.CHANGED.because("the API server's objects differ from those that were assessed")
        held = case.governing.versions if case.governing else ""
        service = fresh.now.service
        rules = await self._reader.rules(case.service.key)
        ruled = rules.applied_to(replace(case, service=service, owner=owner(service)))
        if ruled.governing is None or ruled.governing.versions != held:
            return reasons.CHANGED.because("the policies of the Service changed")
        last = decide(
            replace(
                refreshed(ruled, before),
                shares_address_with=sharing(service, self._picture),
                network_policy=address_filters.refusal(
                    self._picture, service, fresh.network_policies, self._other_policies
                ),
            ),
            ledger,
            self._wall(),
        )
        return None if last.action is decision.action else last.reason

    def _intent(self, case: Case, decision: Decision, before: Remediation | None) -> Remediation:
        stamp = self._recorder.stamp()
        assert case.governing is not None
        return Remediation(
            phase="Applying",
            service_uid=case.service.uid,
            original_policy="Local",
            original_health_check_node_port=case.service.spec.health_check_node_port,
            policy=decision.policy,
            on_delete=case.governing.on_delete,
            intents=(*(before.intents if before else ()), stamp)[-KEPT:],
            since=stamp,
            reverts=tuple(dict.fromkeys((*case.former_reverts, *(before.reverts if before else ()))))[-KEPT:],
            message=decision.reason.detail,
        )


def _as_read(case: Case, now: CurrentService) -> Case:
    """The case with the Service and its record as they were read, and with who set the policy."""
    last = setter(now.raw)
    asked = replace(case, service=now.service, owner=owner(now.service), behind=False)
    case = refreshed(asked, now.remediation)
    record = case.remediation
    if record is None or not record.in_force_for(now.service.uid) or now.service.policy != "Local":
        return case
    if record.phase == "RollingBack" and any(found.manager == MANAGER for found in setters(now.raw)):
        return replace(case, local_set_by="")
    # An intent that was never carried out finds the policy as it was before the intent. Both times are by the
    # clock of the API server: the clock of the leader that wrote the intent may have been ahead.
    begun = now.recorded_at or (record.intents[-1] if record.intents else "")
    if last is None or (record.phase == "Applying" and last.time <= begun):
        return replace(case, local_set_by="")
    return replace(case, local_set_by=last.manager, by_person=last.person)
