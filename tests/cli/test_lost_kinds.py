"""A dump that lacks a kind never makes a loss look harmless.

The test runs against the registry, so it covers each family, those added later too.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etpguard.assess import Outcome
from etpguard.cli.input.cluster_dump import qualified
from etpguard.objects import AnyKind, Key
from tests.cli import every_kind
from tests.cli.dump_worlds import assessments, head, worlds
from tests.examples import examples

LOSSES = (Outcome.Uncovered, Outcome.Blackhole, Outcome.NoTargets, Outcome.Outage)
HARMLESS = (Outcome.NotAffected, Outcome.Covered, Outcome.TargetsUnhealthy)
OPTIONAL = sorted((kind for kind in every_kind.kinds() if not kind.required), key=lambda kind: kind.resource)
FORMS = ("plain list", "etpguard dump")


@functools.cache
def losses(world: str) -> dict[Key, Outcome]:
    """With all kinds."""
    found = assessments([head().as_object(), *worlds()[world]])
    return {key: assessment.outcome for key, assessment in found.items() if assessment.outcome in LOSSES}


@functools.cache
def types_of(world: str) -> frozenset[tuple[str, str]]:
    return frozenset((item["apiVersion"], item["kind"]) for item in worlds()[world])


@functools.cache
def outcomes(world: str, types: frozenset[tuple[str, str]], unread: tuple[str, ...] | None) -> dict[Key, Outcome]:
    """Without the objects of these types, which the head of a dump names as not read."""
    items = [item for item in worlds()[world] if (item["apiVersion"], item["kind"]) not in types]
    if unread is not None:
        items = [head(*unread).as_object(), *items]
    return {key: assessment.outcome for key, assessment in assessments(items).items()}


def taken_for_harmless(world: str, lost: Iterable[AnyKind], form: str) -> list[str]:
    """Services that lose traffic, and do not seem to without the objects of these kinds."""
    lost = list(lost)
    types = types_of(world) & {(kind.api_version, kind.name) for kind in lost}
    found = outcomes(world, types, tuple(map(qualified, lost)) if form == "etpguard dump" else None)
    return [
        f"{world}: {key}: {outcome.name} -> {found[key].name}"
        for key, outcome in losses(world).items()
        if found[key] in HARMLESS
    ]


@settings(deadline=None, max_examples=examples(200))
@given(st.sampled_from(sorted(worlds())), st.sets(st.sampled_from(OPTIONAL), min_size=1), st.sampled_from(FORMS))
def test_lost_kinds_never_turn_a_loss_into_an_ok(world: str, lost: set[AnyKind], form: str) -> None:
    assert taken_for_harmless(world, sorted(lost, key=lambda kind: kind.resource), form) == []


@pytest.mark.no_cover
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", OPTIONAL, ids=lambda kind: kind.resource)
def test_each_kind_alone(kind: AnyKind, form: str) -> None:
    assert [line for world in worlds() for line in taken_for_harmless(world, [kind], form)] == []


def test_the_worlds_have_losses_that_depend_on_a_kind() -> None:
    """Otherwise the tests above find nothing."""
    assert sum(len(losses(world)) for world in worlds()) > 5
    whole = assessments([head().as_object(), *worlds()["every kind"]])
    dependent = set()
    for kind in OPTIONAL:
        items = [
            i for i in worlds()["every kind"] if (i["apiVersion"], i["kind"]) != (kind.api_version, kind.name)
        ]
        found = assessments(items)
        dependent |= {kind.name for key in whole if found[key].outcome is not whole[key].outcome}
    assert {"Ingress", "TargetGroupBinding", "L2Advertisement"} <= dependent
