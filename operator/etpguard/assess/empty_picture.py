"""The picture that an engine reads, before any object is in it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.cluster import Picture
from etpguard.objects import ENDPOINT_SLICE, INGRESS, INGRESS_CLASS, NODE, SERVICE, SERVICE_COVERAGE, AnyKind


def picture_for(families: Sequence[ConsumerFamily], others: Iterable[AnyKind] = ()) -> Picture:
    """An empty picture of all kinds that these families and the engine read, and of `others`."""
    kinds: dict[Any, None] = dict.fromkeys(
        [SERVICE, ENDPOINT_SLICE, NODE, INGRESS, INGRESS_CLASS, SERVICE_COVERAGE, *others]
    )
    refers: dict[Any, list[Any]] = defaultdict(list)
    for family in families:
        kinds.update(dict.fromkeys(family.kinds))
        for kind, functions in family.refers.items():
            refers[kind].extend(functions)
    return Picture(kinds, {kind: tuple(dict.fromkeys(functions)) for kind, functions in refers.items()})
