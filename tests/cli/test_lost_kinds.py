"""A dump that lacks a kind never makes a loss look harmless.

The test runs against the registry, so it covers each family, those added later too.
"""

from __future__ import annotations

import copy
import functools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from etpguard.assess import Engine, Options, Outcome, picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cli.input.cluster_dump import ClusterDump, qualified
from etpguard.cli.input.loaded import Loaded
from etpguard.cli.input.object_collector import ObjectCollector, yaml_document
from etpguard.objects import INGRESS, INGRESS_CLASS, Key
from tests.cli import every_kind

Json = dict[str, Any]
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/cluster-state.yaml"))
LOSSES = (Outcome.Uncovered, Outcome.Blackhole, Outcome.NoTargets, Outcome.Outage)
HARMLESS = (Outcome.NotAffected, Outcome.Covered, Outcome.TargetsUnhealthy)
OPTIONAL = sorted((kind for kind in every_kind.kinds() if not kind.required), key=lambda kind: kind.resource)


@functools.cache
def worlds() -> list[list[Json]]:
    """The cluster of all kinds, the examples, and the cases from the field."""
    fields = sorted((Path(__file__).parents[1] / "cases" / "field").glob("*.yaml"))
    made = [every_kind.objects()]
    for path in (*EXAMPLES, *fields):
        parts = [part for part in yaml.safe_load_all(path.read_text()) if part]
        items = [item for part in parts for item in part.get("items", [part])]
        if any(item["kind"] == "Node" for item in items):
            made.append(items)
    return made


def outcomes(items: list[Json], head: ClusterDump | None) -> dict[Key, Outcome]:
    """As `check -f` finds them, in a dump with that head or in a plain List."""
    loaded = Loaded(picture_for(consumer_families()), live=False, where="test")
    collector = ObjectCollector(loaded)
    first = [head.as_object()] if head else []
    collector.add(
        yaml_document("", copy.deepcopy({"kind": "List", "apiVersion": "v1", "items": [*first, *items]}))
    )
    collector.finish()
    picture = loaded.picture
    if not head:
        for kind in (INGRESS, INGRESS_CLASS):
            if kind in picture.unlisted:
                picture.unread[kind] = "there are none in the input"
    engine = Engine(picture, consumer_families(), Options(unread_is_unknown=loaded.complete))
    engine.refresh_all()
    return {key: assessment.outcome for key, assessment in engine.assessments.items()}


def head_without(*lost: str) -> ClusterDump:
    return ClusterDump(read=tuple(name for kind in every_kind.kinds() if (name := qualified(kind)) not in lost))


@functools.cache
def truth(number: int) -> dict[Key, Outcome]:
    return outcomes(worlds()[number], head_without())


@settings(deadline=None, max_examples=200)
@given(st.data(), st.booleans())
def test_a_lost_kind_never_turns_a_loss_into_an_ok(data: st.DataObject, plain: bool) -> None:
    number = data.draw(st.sampled_from(range(len(worlds()))), label="world")
    lost = data.draw(st.sets(st.sampled_from([kind.resource for kind in OPTIONAL]), min_size=1), label="lost")
    gone = [kind for kind in OPTIONAL if kind.resource in lost]
    kept = [
        item
        for item in worlds()[number]
        if not any((item["apiVersion"], item["kind"]) == (kind.api_version, kind.name) for kind in gone)
    ]
    found = outcomes(kept, None if plain else head_without(*map(qualified, gone)))
    wrong = {
        str(key): (outcome.name, found[key].name)
        for key, outcome in truth(number).items()
        if outcome in LOSSES and found[key] in HARMLESS
    }
    assert not wrong, json.dumps(wrong)


@pytest.mark.parametrize("plain", [True, False], ids=["plain list", "etpguard dump"])
@pytest.mark.parametrize("kind", OPTIONAL, ids=lambda kind: kind.resource)
def test_each_kind_alone(kind: Any, plain: bool) -> None:
    wrong = []
    for number, items in enumerate(worlds()):
        kept = [i for i in items if (i["apiVersion"], i["kind"]) != (kind.api_version, kind.name)]
        found = outcomes(kept, None if plain else head_without(qualified(kind)))
        wrong += [
            (number, str(key), outcome.name, found[key].name)
            for key, outcome in truth(number).items()
            if outcome in LOSSES and found[key] in HARMLESS
        ]
    assert not wrong
