"""Whether an anonymized dump gives the outcomes of the cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from etpguard.assess import Assessment, Engine, Options, picture_for
from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.assess.data_planes.choice import Choice
from etpguard.assess.data_planes.detection import Detection
from etpguard.cli.input.loaded import Loaded
from etpguard.cli.input.object_collector import ObjectCollector, yaml_document
from etpguard.cluster import Picture
from etpguard.objects import Key
from etpguard.objects.named import NamedObjects

Json = dict[str, Any]

NOTHING_READ = NamedObjects.none_read("it was not looked for")


def changed_outcomes(
    picture: Picture,
    families: Sequence[ConsumerFamily],
    items: Sequence[Json],
    rename: Callable[[str], str],
    namespace: str = "",
    named: NamedObjects = NOTHING_READ,
) -> list[Key]:
    """The Services of the picture with another outcome, reason or number of nodes in the dump `items`.

    `named` are the objects that show the data plane. `rename` gives the name there of a namespace or a Service.
    """
    before = _assessments(picture, families, named)
    dumped = Loaded(picture_for(families), live=False, where="dump")
    collector = ObjectCollector(dumped)
    collector.add(yaml_document("", {"apiVersion": "v1", "kind": "List", "items": list(items)}))
    collector.finish()
    after = _assessments(dumped.picture, families, dumped.named)
    return [
        key
        for key, assessment in sorted(before.items())
        if namespace in ("", key.namespace)
        and _substance(assessment) != _substance(after.get(Key(rename(key.namespace), rename(key.name))))
    ]


def _assessments(
    picture: Picture, families: Sequence[ConsumerFamily], named: NamedObjects
) -> Mapping[Key, Assessment]:
    engine = Engine(picture, families, Options(Detection(Choice(), named)))
    engine.refresh_all()
    return engine.assessments


def _substance(assessment: Assessment | None) -> object:
    """The assessment without names."""
    if assessment is None:
        return None
    consumers = [
        (v.outcome, v.reason.code, v.eligible.bit_count(), v.uncovered.bit_count()) for v in assessment.consumers
    ]
    return assessment.outcome, assessment.reason.code, consumers
