"""Since when each Service is as it is: the part of a remediation's history that may end with the process. Pure.

A restart starts every dwell again, which only delays remediation. What must outlive the process, intents and
reverts, is in the reports. Times are seconds of a monotonic clock that the caller gives.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from etpguard.assess import Assessment, Outcome
from etpguard.objects import Key
from etpguard.remediate.facts import in_need
from etpguard.remediate.governing import Governing

LONGEST_COOLDOWN = 86400.0
"""Maximum of `stormCooldownSeconds` of a policy, in seconds."""


@dataclass(slots=True)
class Since:
    """Of one Service, by uid. None: it is not so now."""

    uid: str
    in_need: float | None = None
    covered: float | None = None
    orphaned: float | None = None
    rules: str = ""
    """`Governing.rules` by which `in_need` was decided."""
    governing: Governing | None = None


class DwellHistory:
    def __init__(self) -> None:
        self._since: dict[Key, Since] = {}
        self._tripped: dict[str, float] = {}
        self._tried: dict[str, str] = {}
        self._rollback_storm: float | None = None

    def observe(self, key: Key, assessment: Assessment | None, governing: Governing | None, now: float) -> Since:
        """Take note of a Service as it is. The caller passes every change, or a flap goes unnoticed."""
        uid = assessment.uid if assessment else ""
        since = self._since.get(key)
        if since is None or since.uid != uid:
            since = self._since[key] = Since(uid)
        rules = governing.rules if governing else ""
        if not in_need(assessment, governing) or since.rules != rules:
            since.in_need = None
        if in_need(assessment, governing) and since.in_need is None:
            since.in_need = now
        since.rules, since.governing = rules, governing
        local = assessment.if_local if assessment else None
        if local is None or local.outcome is not Outcome.Covered:
            since.covered = None
        elif since.covered is None:
            since.covered = now
        return since

    def orphaned(self, key: Key, yes: bool, now: float) -> float | None:
        """Note whether no policy keeps a remediated Service at Cluster. Returns since when."""
        since = self._since[key]
        if not yes:
            since.orphaned = None
        elif since.orphaned is None:
            since.orphaned = now
        return since.orphaned

    def start_over(self) -> None:
        """After a pause of the rounds: a state that lasted before may have ended and begun again."""
        for since in self._since.values():
            since.in_need = since.covered = None

    def interrupt(self, key: Key, assessment: Assessment | None) -> None:
        """Start again what a change between two looks interrupts, by the policies of the last look. With None, the
        assessment proved wrong, so nothing that depends on it counts."""
        since = self._since.get(key)
        if since is None:
            return
        if assessment is None or assessment.uid != since.uid or not in_need(assessment, since.governing):
            since.in_need = None
        local = assessment.if_local if assessment else None
        if local is None or local.outcome is not Outcome.Covered:
            since.covered = None

    def forget(self, keep: Iterable[Key], now: float) -> None:
        """Drop what is known of other Services, and of circuit breakers whose cool-down is over for certain."""
        kept = set(keep)
        self._since = {key: since for key, since in self._since.items() if key in kept}
        uids = {since.uid for since in self._since.values()}
        self._tried = {uid: what for uid, what in self._tried.items() if uid in uids}
        self._tripped = {policy: at for policy, at in self._tripped.items() if now < at + LONGEST_COOLDOWN}

    def note_breaker(self, policy: str, too_many: bool, now: float) -> float | None:
        """Note whether a circuit breaker is open. Returns when it last was; None if no cool-down lasts as long."""
        if too_many:
            self._tripped[policy] = now
        return self._tripped.get(policy)

    def rollback_storm(self, too_many: bool, now: float) -> float | None:
        """Note whether too many rollbacks are due at once. Returns since when."""
        if not too_many:
            self._rollback_storm = None
        elif self._rollback_storm is None:
            self._rollback_storm = now
        return self._rollback_storm

    def tried(self, uid: str, what: str) -> None:
        """Note that a dry run was sent for the Service in that state."""
        self._tried[uid] = what

    def was_tried(self, uid: str, what: str) -> bool:
        return self._tried.get(uid) == what
