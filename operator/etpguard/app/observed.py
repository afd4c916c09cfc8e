"""What the parts that write know of the cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from etpguard.assess import Assessment, Engine, InternalAssessment
from etpguard.cluster import Picture
from etpguard.objects import AnyKind, Key


@dataclass(frozen=True, slots=True)
class Observed:
    """`assessments` and `internal` are the engine's own mappings, of all namespaces. `engine` makes an engine for
    another picture. `served` says whether the API server has a kind. `stale` returns the reason why nothing may be
    written from the picture; None if writes are allowed."""

    picture: Picture
    assessments: Mapping[Key, Assessment]
    internal: Mapping[Key, InternalAssessment]
    engine: Callable[[Picture], Engine]
    served: Callable[[AnyKind], bool]
    stale: Callable[[], str | None]
