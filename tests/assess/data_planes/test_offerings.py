"""Each managed offering and distribution is recognised.

tests/cases/data_planes has an example of the nodes and the objects of each. expected.json has what etpguard finds.
"""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess.data_planes.interface import NodePlanes
from etpguard.objects.named import NamedObject
from tests.assess.data_planes.clusters import Detected, Json, detect, identity, nodes_in
from tests.assess.data_planes.offerings import CASES, EXPECTED, items


def shown(case: str, found: Detected) -> list[Json]:
    nodes = [node.metadata.name for node in nodes_in(items(case))]
    return [
        {
            "name": group.plane.name.value,
            "mode": group.plane.mode,
            "version": group.plane.version,
            "evidence": group.plane.evidence.value,
            "how": group.plane.how,
            "nodes": sorted(name for bit, name in enumerate(nodes) if group.nodes >> bit & 1),
        }
        for group in found.planes.groups
    ]


def test_every_example_is_expected() -> None:
    assert {path.stem for path in CASES.glob("*.yaml")} == set(EXPECTED)


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_it_is_recognised(case: str) -> None:
    found = detect(items(case))
    assert shown(case, found) == EXPECTED[case]["groups"]
    assert len(found.planes.contradictions) == EXPECTED[case]["contradictions"]


def by_node(planes: NodePlanes) -> list[tuple[str, str]]:
    """Name and evidence of the data plane of each node, by its bit."""
    found = [("", "")] * max(group.nodes.bit_length() for group in planes.groups)
    for group in planes.groups:
        for bit in range(len(found)):
            if group.nodes >> bit & 1:
                found[bit] = (group.plane.name.value, group.plane.evidence.value)
    return found


def possible(planes: NodePlanes) -> list[set[str]]:
    """The data planes that are possible for each node."""
    variants = [by_node(each) for each in (planes, *planes.otherwise)]
    return [{name for name, _ in nodes} for nodes in zip(*variants, strict=True)]


def without(case: str, *gone: NamedObject) -> list[Json]:
    return [item for item in items(case) if identity(item) not in gone]


def lost() -> list[Any]:
    """Each object of each example, and all at once."""
    made = []
    for case in sorted(EXPECTED):
        objects = [which for item in items(case) if (which := identity(item))]
        made += [pytest.param(case, (each,), id=f"{case} without {each}") for each in objects]
        made.append(pytest.param(case, tuple(objects), id=f"{case} without any object"))
    return made


@pytest.mark.parametrize("refused", [True, False], ids=["refused", "absent"])
@pytest.mark.parametrize(("case", "gone"), lost())
def test_without_its_objects_it_is_never_a_false_certainty(
    case: str, gone: tuple[NamedObject, ...], refused: bool
) -> None:
    """The data plane of a node is then right, or an assumption, or `other`, which makes outcomes Unknown."""
    truth = possible(detect(items(case)).planes)
    found = detect(without(case, *gone), unread=gone if refused else ()).planes
    for right, (name, evidence) in zip(truth, by_node(found), strict=True):
        assert name in right or evidence == "assumed" or name == "other", (name, evidence)


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_without_any_object_the_signs_of_the_nodes_are_what_is_known(case: str) -> None:
    objects = [which for item in items(case) if (which := identity(item))]
    found = by_node(detect(without(case, *objects), unread=objects).planes)
    full = by_node(detect(items(case)).planes)
    known = [now for now in found if now[1] != "assumed" and now[0] != "other"]
    assert set(known) <= {(name, evidence) for name, evidence in full}
