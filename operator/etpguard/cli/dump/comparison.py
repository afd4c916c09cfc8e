"""Whether an anonymized dump gives the outcomes of the cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from etpguard.assess import Assessment, Engine, picture_for
from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.cli.input.loaded import Loaded
from etpguard.cli.input.object_collector import ObjectCollector, yaml_document
from etpguard.cluster import Picture
from etpguard.objects import Key

Json = dict[str, Any]


def changed_outcomes(
    picture: Picture,
    families: Sequence[ConsumerFamily],
    items: Sequence[Json],
    rename: Callable[[str], str],
    namespace: str = "",
) -> list[Key]:
    """The Services of the picture with another outcome, reason or number of nodes in the dump `items`.

    `rename` gives the name there of a namespace or a Service here.
    """
    before = _assessments(picture, families)
    dumped = Loaded(picture_for(families), live=False, where="dump")
    collector = ObjectCollector(dumped)
    collector.add(yaml_document("", {"apiVersion": "v1", "kind": "List", "items": list(items)}))
    collector.finish()
    after = _assessments(dumped.picture, families)
    return [
        key
        for key, assessment in sorted(before.items())
        if namespace in ("", key.namespace)
        and _substance(assessment) != _substance(after.get(Key(rename(key.namespace), rename(key.name))))
    ]


def _assessments(picture: Picture, families: Sequence[ConsumerFamily]) -> Mapping[Key, Assessment]:
    engine = Engine(picture, families)
    engine.refresh_all()
    return engine.assessments


def _substance(assessment: Assessment | None) -> object:
    """All of an assessment but names."""
    if assessment is None:
        return None
    consumers = [
        (v.outcome, v.reason.code, v.eligible.bit_count(), v.uncovered.bit_count()) for v in assessment.consumers
    ]
    return assessment.outcome, assessment.reason.code, consumers
