"""The answers of /readyz and /livez, and the state that a scrape of /metrics reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from etpguard.assess import Assessment, InternalAssessment
from etpguard.assess.data_planes.interface import NodePlanes
from etpguard.assess.data_planes.mixed import not_known
from etpguard.assess.evidence import Evidence
from etpguard.cluster import Picture
from etpguard.intake.freshness import Freshness
from etpguard.intake.watch_supervisor import WatchSupervisor
from etpguard.metrics import State
from etpguard.objects import Key
from etpguard.objects.named import NamedObjects
from etpguard.web import Health


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The health of the operator. `assessed` is set once every Service is assessed. `notes` returns lines for
    /readyz that do not make the operator unready."""

    freshness: Freshness
    supervisor: WatchSupervisor
    assessed: asyncio.Event
    notes: Callable[[], Sequence[str]]

    def health(self) -> Health:
        blockers = list(self.freshness.not_ready())
        if not self.assessed.is_set():
            blockers.append("the cluster has not been assessed yet")
        notes = [line for line in self.freshness.picture_status().missing if line not in blockers]
        if self.assessed.is_set():
            notes += self.supervisor.missing()
            notes += self.notes()
        hung = self.supervisor.hung()
        return Health(blockers, notes, [hung] if hung else [])


def metrics_state(
    picture: Picture,
    assessments: Mapping[Key, Assessment],
    freshness: Freshness,
    internal: Mapping[Key, InternalAssessment],
    *,
    fresh: bool,
) -> State:
    kinds = freshness.kinds.items()
    return State(
        assessments=dict(assessments),
        rejected={kind.resource: len(picture.store(kind).rejects) for kind in picture.kinds},
        listed={kind.resource: status.listed_at for kind, status in kinds if status.listed_at is not None},
        unread=[kind.resource for kind, status in kinds if status.unread is not None],
        fresh=fresh,
        internal=dict(internal),
    )


def data_plane_notes(planes: NodePlanes, objects: NamedObjects | None) -> list[str]:
    """Contradictions, the data planes that are not excluded, and the objects that could not be read, if a data
    plane is assumed. `objects` are those that show the data plane, None before they were read."""
    notes = [f"{text}. Name the right one by --data-plane" for text in planes.contradictions]
    if planes.otherwise and not planes.contradictions:
        notes.append(f"{not_known(planes)}. Name the right one by --data-plane")
    if objects and objects.unread and any(group.plane.evidence is Evidence.ASSUMED for group in planes.groups):
        notes.append(f"the data plane of some nodes is assumed: {objects.refusal}")
    return notes
