"""What /readyz and /livez say, and what a scrape of /metrics sees, from the operator's parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from etpguard.assess import Assessment, InternalAssessment
from etpguard.cluster import Picture
from etpguard.intake.freshness import Freshness
from etpguard.intake.watch_supervisor import WatchSupervisor
from etpguard.metrics import State
from etpguard.objects import Key
from etpguard.web import Health


@dataclass(frozen=True, slots=True)
class HealthReport:
    """`assessed` is set once every Service is assessed. Each of `notes` gives lines for /readyz that do not
    keep the operator from being ready."""

    freshness: Freshness
    supervisor: WatchSupervisor
    assessed: asyncio.Event
    notes: Sequence[Callable[[], Sequence[str]]]

    def health(self) -> Health:
        blockers = list(self.freshness.not_ready())
        if not self.assessed.is_set():
            blockers.append("the cluster has not been assessed yet")
        notes = [line for line in self.freshness.picture_status().missing if line not in blockers]
        if self.assessed.is_set():
            notes += self.supervisor.missing()
            notes += (line for give in self.notes for line in give())
        hung = self.supervisor.hung()
        return Health(blockers, notes, [hung] if hung else [])


def metrics_state(
    picture: Picture,
    assessments: Mapping[Key, Assessment],
    freshness: Freshness,
    internal: Mapping[Key, InternalAssessment],
) -> State:
    kinds = freshness.kinds.items()
    return State(
        assessments=dict(assessments),
        rejected={kind.resource: len(picture.store(kind).rejects) for kind in picture.kinds},
        listed={kind.resource: status.listed_at for kind, status in kinds if status.listed_at is not None},
        unread=[kind.resource for kind, status in kinds if status.unread is not None],
        fresh=freshness.picture_status().fresh,
        internal=dict(internal),
    )
