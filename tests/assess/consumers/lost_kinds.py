"""What a cluster looks like to a dump that lacks a kind of its objects.

The tests of consumers note each engine that they make. The fixture in `conftest` then removes one optional kind
after another from the cluster: a loss may become Unknown, but never an outcome that exits 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from etpguard.assess import Engine, Options, Outcome, picture_for
from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.cluster import Picture
from etpguard.objects import INGRESS, INGRESS_CLASS, AnyKind, Reach

LOSSES = (Outcome.Uncovered, Outcome.Blackhole, Outcome.NoTargets, Outcome.Outage)
HARMLESS = (Outcome.NotAffected, Outcome.Covered, Outcome.TargetsUnhealthy, Outcome.NoEndpoints)
OF_A_DUMP, OF_A_LIST = "a dump that does not say whether it looked", "a plain List"


class Noted(NamedTuple):
    picture: Picture
    families: Sequence[ConsumerFamily]
    options: Options

    def assessed(self) -> Engine:
        """As the picture is when the test has ended."""
        engine = Engine(self.picture, tuple(self.families), self.options)
        engine.refresh_all()
        return engine


NOTED: list[Noted] = []
"""Of the test that runs."""


def note(picture: Picture, families: Sequence[ConsumerFamily], options: Options | None) -> None:
    NOTED.append(Noted(picture, families, options or Options()))


def taken_for_harmless(noted: Noted, whole: Engine) -> Iterator[str]:
    """A line for each loss that does not look like one without the objects of one kind.

    A plain List counts as one of all objects that send traffic: where it has no Ingress, for example, there is
    none. `check -f` names such kinds in a warning.
    """
    picture, families, options = noted
    present = [kind for kind in picture.kinds if not kind.required and len(picture.store(kind))]
    if not present or picture.unread or picture.unlisted:
        return
    losses = {key: each.outcome for key, each in whole.assessments.items() if each.outcome in LOSSES}
    for lost in present if losses else ():
        absent = [kind for kind in picture.kinds if kind is lost or kind not in present]
        as_list = dict.fromkeys(absent, "there are none in the input")
        forms = {
            OF_A_DUMP: (_without(picture, families, lost, unread={lost: "the dump does not say"}), options),
            OF_A_LIST: (
                _without(picture, families, lost, unlisted=as_list),
                replace(options, unread_is_unknown=False),
            ),
        }
        if not lost.refines and lost.reach is Reach.SERVICES:
            del forms[OF_A_LIST]
        for form, (lacking, as_read) in forms.items():
            found = Noted(lacking, families, as_read).assessed().assessments
            for key, outcome in losses.items():
                without = found[key].outcome if key in found else None
                if without in HARMLESS:
                    yield f"{key} is {outcome.name}; in {form}, without {lost.resource}, it is {without.name}"


def _without(
    picture: Picture,
    families: Sequence[ConsumerFamily],
    *lost: AnyKind,
    unread: Mapping[AnyKind, str] | None = None,
    unlisted: Mapping[AnyKind, str] | None = None,
) -> Picture:
    """A copy of the picture that lacks the objects of a kind. `check -f` takes Ingresses and their classes that no
    file has for kinds that cannot be read."""
    made = picture_for(families)
    for kind in picture.kinds:
        if kind not in lost:
            store = picture.store(kind)
            made.absorb(made.store(kind).replace([*store, *store.rejects]))
    made.unread.update(unread or {})
    for kind, why in (unlisted or {}).items():
        (made.unread if kind in (INGRESS, INGRESS_CLASS) else made.unlisted)[kind] = why
    return made
