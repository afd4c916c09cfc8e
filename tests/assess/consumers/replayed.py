"""The clusters of the consumer tests as an operator meets them: object by object.

Whatever a family reads, the engine must find its consumers again once that changes. So after each object that
comes or goes, the engine says what a new one says. Of the clusters in which the same kinds lead to the same
verdicts, one is enough.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from etpguard.assess import Engine, picture_for
from etpguard.cluster import Change
from tests.assess.consumers.lost_kinds import Noted

_MOST_OBJECTS = 20
_LATE = 10**12
"""A version that no object has yet."""
_replayed: set[object] = set()


def stale(noted: Noted, whole: Engine) -> Iterator[str]:
    """A line for each change after which the engine that lived through it is not up to date."""
    objects = [(kind, each) for kind in noted.picture.kinds for each in noted.picture.store(kind)]
    shape = (
        frozenset(kind for kind, _ in objects),
        frozenset((v.consumer.family, v.reason.code) for a in whole.assessments.values() for v in a.consumers),
    )
    if shape in _replayed or len(objects) > _MOST_OBJECTS:
        return
    _replayed.add(shape)
    families = tuple(noted.families)
    picture = picture_for(families)
    picture.unread.update(noted.picture.unread)
    picture.unlisted.update(noted.picture.unlisted)
    living = Engine(picture, families, noted.options)
    living.refresh_all()

    def out_of_date(change: Change[Any] | None, what: str) -> Iterator[str]:
        assert change is not None
        living.refresh(picture.absorb([change]))
        fresh = Engine(picture, families, noted.options)
        fresh.refresh_all()
        if (living.assessments, living.internal) != (fresh.assessments, fresh.internal):
            yield f"{what} {change.kind.name} {change.key}"

    random.Random(len(objects)).shuffle(objects)
    for kind, each in objects:
        yield from out_of_date(picture.store(kind).replace([each])[0], "after")
    for kind, each in objects:
        yield from out_of_date(picture.store(kind).delete(each.key, _LATE), "without")
        yield from out_of_date(picture.store(kind).replace([each])[0], "again with")
