"""Carrying a decision out, step by step, so that a kill between any two leaves what the next start can finish.

Apply: the intent into the report; everything read again, assessed and decided again; the patch; its record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from etpguard.assess import Reason
from etpguard.cluster import Picture
from etpguard.kube import verbs
from etpguard.kube.errors import ApiError
from etpguard.kube.writes import NotNow, Writer
from etpguard.objects import SERVICE, Key, Remediation, Service
from etpguard.objects.policies import CoveragePolicy
from etpguard.remediate import patches
from etpguard.remediate.decide import Action, Case, Decision, Ledger, decide
from etpguard.remediate.gather import named, refreshed
from etpguard.remediate.intent import IntentRecorder, entered
from etpguard.remediate.ownership import MANAGER, owner, setter, setters
from etpguard.remediate.policy import Governing
from etpguard.remediate.reread import Changed, CurrentService, Reassessed, ServiceReader
from etpguard.remediate.rollback import KEPT, Rollback
from etpguard.remediate.telling import Announce, Count

NetworkCheck = Callable[[Service, Any], str]


class Refused(Exception):  # noqa: N818  nothing went wrong here
    """The API server does not let the change be made."""


class Disagreement(Changed):
    """A fresh look contradicts what the picture gave."""


class Executor:
    """`wall` gives seconds since the epoch, `term` the present leadership. Nothing here keeps state: what is to be
    remembered is written."""

    def __init__(
        self,
        writer: Writer,
        reader: ServiceReader,
        recorder: IntentRecorder,
        picture: Picture,
        *,
        announce: Announce,
        count: Count,
        network_policy: NetworkCheck,
        governing: Callable[[Service, Iterable[CoveragePolicy]], Governing | None],
        wall: Callable[[], float],
        term: Callable[[], int],
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._recorder = recorder
        self._picture = picture
        self._announce = announce
        self._count = count
        self._network_policy = network_policy
        self._governing = governing
        self._wall = wall
        self._term = term
        self._undo = Rollback(writer, reader, recorder, announce=announce, count=count)

    async def carry_out(self, case: Case, decision: Decision, ledger: Ledger) -> str:
        """Do what was decided, unless a fresh look says otherwise. Returns what came of it, in words.

        Raises Changed where it was not to be done after all, Refused where the API server does not allow it,
        NotNow and ApiError where it could not be done now; what was begun is then finished later.
        """
        now = await self._reader.service(case.service.key)
        case = _as_it_is(case, now)
        again = decide(case, ledger, self._wall())
        begun = case.remediation is not None and case.remediation.stands_for(case.service.uid)
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
                return await self._undo.roll_back(case, again.reason, now)
            case Action.NOTE_USER_ROLLBACK | Action.NOTE_REVERT:
                return await self._undo.note_back(case, again.action, now)
            case Action.FORGET:
                await self._undo.cancel(now, "the intent was not carried out")
                return "the intent was not carried out"
            case Action.NONE:
                raise Changed(str(again.reason))

    async def rebuild(self, governing: Governing | None, key: Key) -> str:
        """See `Rollback.rebuild`; raises as `carry_out`."""
        return await self._undo.rebuild(governing, key)

    async def _apply(self, case: Case, decision: Decision, ledger: Ledger, now: CurrentService) -> str:
        before = now.remediation
        self._still_the_term(ledger)
        now = await self._recorder.write(now, self._intent(case, decision, before))
        fresh = await self._reader.reassess(case.service.key)
        if reason := await self._no_longer(case, decision, ledger, fresh, before):
            await self._undo.cancel(fresh.now, str(reason))
            raise Disagreement(str(reason))
        try:
            self._still_the_term(ledger)
            await self._patch(fresh.now.service, dry_run=False)
        except NotNow as closed:
            # Nothing was sent.
            await self._undo.cancel(fresh.now, closed.reason)
            raise
        except ApiError as error:
            self._count("apply", "failed")
            if error.transient:
                raise  # It may have been carried out: the intent stands, and is resolved by a fresh look.
            await self._undo.cancel(fresh.now, str(error))
            raise Refused(str(error)) from None
        return await self._applied(case, await self._reader.service(case.service.key))

    async def _dry_run(self, case: Case, decision: Decision, ledger: Ledger, now: CurrentService) -> str:
        fresh = await self._reader.reassess(case.service.key)
        if reason := await self._no_longer(case, decision, ledger, fresh, now.remediation):
            raise Disagreement(str(reason))
        try:
            await self._patch(fresh.now.service, dry_run=True)
        except ApiError as error:
            self._count("dry-run", "failed")
            if error.transient:
                raise
            raise Refused(str(error)) from None
        self._count("dry-run", "succeeded")
        return "the API server would accept the patch"

    def _still_the_term(self, ledger: Ledger) -> None:
        """The reads before may have taken so long that another has led meanwhile, and spent what is left."""
        if self._term() != ledger.term:
            raise NotNow("another replica has led since it was decided", 1.0)

    async def _patch(self, service: Service, *, dry_run: bool) -> None:
        change = patches.to_cluster(service.uid, service.metadata.resource_version or "")
        request = verbs.json_patch(SERVICE, service.key, change, manager=MANAGER)
        await self._writer.write(verbs.dry_run(request) if dry_run else request, attempts=1)

    async def _finish_apply(self, case: Case, now: CurrentService) -> str:
        """An intent stands and the policy is Cluster: whose doing is it?"""
        if any(found.manager == MANAGER for found in setters(now.raw)):
            return await self._applied(case, now)
        last = setter(now.raw)
        why = f"{last.manager if last else 'another'} set it to {now.service.policy}"
        await self._undo.cancel(now, why)
        return why

    async def _applied(self, case: Case, now: CurrentService) -> str:
        intent = now.remediation
        if intent is None:
            return await self._undo.rebuild(case.governing, case.service.key)
        await self._recorder.write(now, entered(intent, "Applied", self._recorder.stamp()))
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
        held = case.governing.versions if case.governing else ""
        now = self._governing(fresh.now.service, await self._reader.policies(case.service.key.namespace))
        if now is None or now.versions != held:
            return Reason("Changed", "the policies that govern it are not what they were")
        service = fresh.now.service
        last = decide(
            replace(
                refreshed(replace(case, service=service, owner=owner(service)), before),
                network_policy=self._network_policy(service, fresh.network_policies),
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
            reverts=before.reverts if before else (),
            message=decision.reason.detail,
        )


def _as_it_is(case: Case, now: CurrentService) -> Case:
    """The case with the Service and its record as they are, and who set its policy."""
    last = setter(now.raw)
    asked = replace(case, service=now.service, owner=owner(now.service), behind=False)
    case = refreshed(asked, now.remediation)
    standing = case.remediation
    if standing is None or not standing.stands_for(now.service.uid) or now.service.policy != "Local":
        return case
    # An intent that was never carried out finds the policy as whoever set it before the intent left it.
    begun = standing.intents[-1] if standing.intents else ""
    if last is None or (standing.phase == "Applying" and last.time <= begun):
        return replace(case, local_set_by="")
    return replace(case, local_set_by=last.manager, by_person=last.person)
