"""Announces each Service that loses traffic and that etpguard does not remediate, once for each reason, after the
dwell of its policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from etpguard.assess import Reason
from etpguard.objects import Key, Service
from etpguard.remediate import events, reasons
from etpguard.remediate.decide import Action, Decision
from etpguard.remediate.events import Announcer, Count
from etpguard.remediate.facts import Case, Round
from etpguard.remediate.postponed import PauseAfter, Postponed

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


_KEPT = 60.0
"""Longer than two rounds are apart (`Pacing.look_again`): the next try must find the failure before it."""


class Skips:
    """Remembers, by uid of the Service, the reason that was announced last. `longest`: seconds after which a round
    begins no further Event. `pause`: how long a namespace waits after an Event there that could not be sent.
    `clock` is monotonic."""

    def __init__(
        self, announcer: Announcer, count: Count, longest: float, clock: Callable[[], float], pause: PauseAfter
    ) -> None:
        self._longest = longest
        self._clock = clock
        self._announcer = announcer
        self._count = count
        self._announced: dict[str, str] = {}
        self._failed_at: dict[str, float] = {}
        self._waiting = Postponed(pause, _KEPT)
        """Namespaces."""

    async def announce(
        self, round_: Round, decisions: Mapping[Key, Decision], refusal: Callable[[Key], str], now: float
    ) -> bool:
        """`refusal`: why the API server refuses to change a Service, "" if it does not. `now` is since the epoch.
        Returns whether some are left for the next round."""
        ends = self._clock() + self._longest
        self._forget(round_)
        due = []
        for key, decision in decisions.items():
            case, code = round_.cases[key], decision.reason.code
            if decision.action is not Action.NONE or code not in ANNOUNCED:
                if not refusal(key):  # else the API server may refuse the same again
                    self._announced.pop(case.service.uid, None)
            elif self._announced.get(case.service.uid) != code and (refusal(key) or _lasts(case, now)):
                due.append((self._failed_at.get(case.service.uid, float("-inf")), key))
        for _, key in sorted(due):
            if self._waiting.waits(_namespace(key), self._clock()):
                continue
            if self._clock() >= ends:
                return True
            await self._announce(round_.cases[key].service, decisions[key].reason)
        return False

    async def _announce(self, service: Service, reason: Reason) -> None:
        event = events.remediation_skipped(service=service, reason=reason)
        if await self._announcer.announce(event, once=True):
            self._announced[service.uid] = reason.code
            self._failed_at.pop(service.uid, None)
            self._waiting.done(_namespace(service.key))
            self._count("apply", "skipped")
        else:
            # What fails in one namespace, perhaps after a long time, must keep back no Event of another.
            self._failed_at[service.uid] = self._clock()
            self._waiting.failed(_namespace(service.key), "", self._clock())

    def _forget(self, round_: Round) -> None:
        """Drop what is known of other Services."""
        uids = {case.service.uid for case in round_.cases.values()}
        namespaces = {_namespace(key) for key in round_.cases}
        self._announced = {uid: code for uid, code in self._announced.items() if uid in uids}
        self._failed_at = {uid: at for uid, at in self._failed_at.items() if uid in uids}
        self._waiting.expire(namespaces.__contains__, self._clock())


def _namespace(key: Key) -> Key:
    return Key("", key.namespace)


def _lasts(case: Case, now: float) -> bool:
    """Whether the Service has needed remediation for as long as its policies ask."""
    since, governing = case.in_need_since, case.governing
    return since is not None and governing is not None and now >= since + governing.dwell_seconds
