"""Announces each Service that loses traffic and that etpguard does not remediate, once for each reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from etpguard.objects import Key
from etpguard.remediate import events, reasons
from etpguard.remediate.decide import Action, Decision
from etpguard.remediate.events import Announcer, Count
from etpguard.remediate.facts import Round

_ANNOUNCED = frozenset(
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
    """Remembers, by uid of the Service, the reason that was announced last."""

    def __init__(self, announcer: Announcer, count: Count) -> None:
        self._announcer = announcer
        self._count = count
        self._announced: dict[str, str] = {}

    async def announce(
        self, round_: Round, decisions: Mapping[Key, Decision], refusal: Callable[[Key], str]
    ) -> None:
        """`refusal`: why the API server refuses to change a Service, "" if it does not."""
        uids = {case.service.uid for case in round_.cases.values()}
        self._announced = {uid: code for uid, code in self._announced.items() if uid in uids}
        for key, decision in decisions.items():
            service, code = round_.cases[key].service, decision.reason.code
            if decision.action is not Action.NONE or code not in _ANNOUNCED:
                if not refusal(key):  # else the API server may refuse the same again
                    self._announced.pop(service.uid, None)
            elif self._announced.get(service.uid) != code:
                self._announced[service.uid] = code
                self._count("apply", "skipped")
                event = events.remediation_skipped(service=service, reason=decision.reason)
                await self._announcer.announce(event, once=True)
