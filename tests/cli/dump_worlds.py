"""Clusters in files, and what `check -f` finds in them."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import yaml

from etpguard.assess import Assessment, Engine, Options, picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cli.dump.objects import dumped_named, dumped_objects
from etpguard.cli.dump.vocabulary import vocabulary
from etpguard.cli.input.cluster_dump import ClusterDump, qualified
from etpguard.cli.input.loaded import Loaded
from etpguard.cli.input.object_collector import ObjectCollector, yaml_document
from etpguard.objects import INGRESS, INGRESS_CLASS, Key
from tests.cli import every_kind

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]


@functools.cache
def worlds() -> dict[str, list[Json]]:
    """The cluster of all kinds, the examples, and the cases from the field."""
    made = {"every kind": every_kind.objects()}
    for path in sorted([*(ROOT / "examples").rglob("*.yaml"), *(ROOT / "tests" / "cases").rglob("*.yaml")]):
        parts = [part for part in yaml.load_all(path.read_text(), yaml.CSafeLoader) if isinstance(part, dict)]
        items = [item for part in parts for item in part.get("items", [part])]
        if any(item.get("kind") == "Node" for item in items):
            made[f"{path.parent.name}/{path.stem}"] = items
    return made


def load(items: list[Json]) -> Loaded:
    loaded = Loaded(picture_for(consumer_families()), live=False, where="test")
    collector = ObjectCollector(loaded)
    collector.add(yaml_document("", copy.deepcopy({"kind": "List", "apiVersion": "v1", "items": items})))
    collector.finish()
    return loaded


def head(*lost: str) -> ClusterDump:
    """Of a dump that read all kinds but those."""
    return ClusterDump(read=tuple(name for kind in every_kind.kinds() if (name := qualified(kind)) not in lost))


def dumped(items: list[Json]) -> list[Json]:
    """The dump of a cluster with these objects."""
    loaded, reads = load(items), vocabulary().reads_annotation
    return [head().as_object(), *dumped_objects(loaded.picture, reads), *dumped_named(loaded.named, reads)]


def assessments(items: list[Json]) -> dict[Key, Assessment]:
    """Of a dump, or of a plain List, as `check -f` makes them."""
    loaded = load(items)
    picture = loaded.picture
    if not loaded.dumped:
        for kind in (INGRESS, INGRESS_CLASS):
            if kind in picture.unlisted:
                picture.unread[kind] = "there are none in the input"
    engine = Engine(picture, consumer_families(), Options(unread_is_unknown=loaded.complete))
    engine.refresh_all()
    return engine.assessments
