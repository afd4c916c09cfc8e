"""One sentence about the Service: what is true, and what to look at next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etpguard.objects.text import listed
from etpguard.verification.judgement import Answer, Judged, Verdict
from etpguard.verification.predictions import FORWARDING

NAMED = 3


@dataclass(frozen=True, slots=True)
class Conclusion:
    verdict: Verdict
    sentence: str


def conclude(rows: Sequence[Judged], service: str) -> Conclusion:
    """The conclusion of all rows; inconclusive without any. `service` is NAMESPACE/NAME."""
    differing = [row for row in rows if row.verdict is Verdict.DIFFERS]
    if differing:
        return Conclusion(Verdict.DIFFERS, f"{_nodes(differing)}: the answer differs: {differing[0].reason}.")
    open_ = [row for row in rows if row.verdict is Verdict.INCONCLUSIVE]
    if open_:
        return Conclusion(Verdict.INCONCLUSIVE, f"{_nodes(open_)}: nothing is proven: {open_[0].reason}.")
    if not rows:
        return Conclusion(Verdict.INCONCLUSIVE, "Nothing could be tried.")
    if not _answered(rows):
        return Conclusion(
            Verdict.INCONCLUSIVE,
            "Every connection times out, as predicted, but a firewall in front of all nodes would look the same. "
            f"Find out what is predicted and why: etpguard explain {service}",
        )
    lost = [row for row in rows if row.prediction.state not in FORWARDING]
    if not lost:
        sentence = "Every node that was tried forwards, as predicted. If requests fail, look at the pods."
        return Conclusion(Verdict.AGREES, sentence)
    return Conclusion(
        Verdict.AGREES,
        f"Every node that was tried does what etpguard predicts. {_nodes(lost)} cannot forward, because no usable "
        f"endpoint is there. Find out what that means: etpguard explain {service}",
    )


def _answered(rows: Sequence[Judged]) -> bool:
    """Whether any node answered, which shows that packets arrive."""
    return any(
        row.connection.answer in (Answer.CONNECTS, Answer.REFUSED)
        or (row.health is not None and row.health.status is not None)
        for row in rows
    )


def _nodes(rows: Sequence[Judged]) -> str:
    names = list(dict.fromkeys(row.prediction.node for row in rows))
    return f"{'Node' if len(names) == 1 else 'Nodes'} {listed(names, NAMED)}"
