"""The ways out of clusters in tests, and what `what-if apply` says about their documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess import Engine, Outcome
from etpguard.assess.advice import Advisor
from etpguard.foresight.apply import manifests_of
from etpguard.foresight.changes import Apply
from etpguard.foresight.patches.ways import Way, ways
from etpguard.foresight.what_if import what_if
from etpguard.foresight.world import World
from etpguard.objects import SERVICE, Key
from tests.foresight.clusters import WEB, Json, picture_of


def ways_of(objects: Iterable[Json], service: Key = WEB, unread: Sequence[str] = ()) -> list[Way]:
    picture, families = picture_of(objects, unread=unread)
    engine = Engine(picture, families)
    engine.refresh_all()
    found = picture.get(SERVICE, service)
    assert found is not None
    assessment = engine.assessments[service]
    return ways(found, assessment, Advisor(picture, families)(assessment), World(picture, engine))


def way(objects: Iterable[Json], title: str) -> Way:
    """The way whose title begins so."""
    found = [each for each in ways_of(objects) if each.advice.title.startswith(title)]
    assert len(found) == 1, title
    return found[0]


def after(objects: Iterable[Json], documents: Iterable[Json], service: Key = WEB) -> Outcome:
    """The best settled outcome after `what-if apply` of these documents: new pods run where they may."""
    picture, families = picture_of(objects)
    engine = Engine(picture, families)
    engine.refresh_all()
    now = engine.assessments[service].outcome
    change = Apply(manifests_of(documents, picture), "a patch")
    phases = {each.service: each for each in what_if(picture, engine, [change]).services}
    return phases[service].settled.best.outcome if service in phases else now
