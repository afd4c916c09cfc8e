"""Announces each Service that loses traffic and that etpguard does not remediate, once for each reason, after the
dwell of its policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from etpguard.objects import Key
from etpguard.remediate import events, reasons
from etpguard.remediate.decide import Action, Decision
from etpguard.remediate.events import Announcer, Count
from etpguard.remediate.facts import Case, Round

ANNOUNCED = frozenset(
    reason.code
    for reason in (
        reasons.GIT_OPS_OWNED,
        reasons.NETWORK_POLICY,
        reasons.SOURCE_IP_LOSS_REFUSED,
        reasons.HEALTH_CHECK_PINNED,
        reasons.HEALTH_CHECK_WOULD_FAIL,
        reasons.DRIFT,
        reasons.REFUSED,
    )
)
"""Reasons with an Event: traffic is lost and etpguard does not remediate, or cannot do what is due."""


class Skips:
    """Remembers, by uid of the Service, the reason that was announced last. `longest`: seconds after which a round
    begins no further Event. `clock` is monotonic."""

    def __init__(self, announcer: Announcer, count: Count, longest: float, clock: Callable[[], float]) -> None:
        self._longest = longest
        self._clock = clock
        self._announcer = announcer
        self._count = count
        self._announced: dict[str, str] = {}

    async def announce(
        self, round_: Round, decisions: Mapping[Key, Decision], refusal: Callable[[Key], str], now: float
    ) -> bool:
        """`refusal`: why the API server refuses to change a Service, "" if it does not. `now` is since the epoch.
        Returns whether some are left for the next round."""
        ends = self._clock() + self._longest
        left = False
        uids = {case.service.uid for case in round_.cases.values()}
        self._announced = {uid: code for uid, code in self._announced.items() if uid in uids}
        for key, decision in decisions.items():
            case, code = round_.cases[key], decision.reason.code
            service = case.service
            if decision.action is not Action.NONE or code not in ANNOUNCED:
                if not refusal(key):  # else the API server may refuse the same again
                    self._announced.pop(service.uid, None)
            elif self._announced.get(service.uid) != code and (refusal(key) or _lasts(case, now)):
                if self._clock() >= ends:
                    left = True
                    continue
                event = events.remediation_skipped(service=service, reason=decision.reason)
                if await self._announcer.announce(event, once=True):
                    self._announced[service.uid] = code
                    self._count("apply", "skipped")
        return left


def _lasts(case: Case, now: float) -> bool:
    """Whether the Service has needed remediation for as long as its policies ask."""
    since, governing = case.in_need_since, case.governing
    return since is not None and governing is not None and now >= since + governing.dwell_seconds
