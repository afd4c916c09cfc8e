"""The data planes of the nodes in a report."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from etpguard.assess.data_planes.interface import DataPlane, KnownDataPlane, NodePlanes, PlaneGroup
from etpguard.assess.evidence import Evidence
from etpguard.report.data_planes import (
    assumed_data_planes,
    assumed_of_services,
    data_plane_report,
    data_plane_sentences,
)

ASSUMED = KnownDataPlane(DataPlane.KUBE_PROXY)
CILIUM = KnownDataPlane(DataPlane.CILIUM, version="v1.18.4", evidence=Evidence.OBSERVED, how="the label a=b")
DOUBTFUL = replace(CILIUM, evidence=Evidence.ASSUMED, how="the label a=b, contradicted")
NODES = 0b1111


def of(*groups: tuple[KnownDataPlane, int]) -> NodePlanes:
    return NodePlanes(tuple(PlaneGroup(plane, nodes) for plane, nodes in groups))


def names(nodes: int) -> list[str]:
    return [f"n{bit}" for bit in range(4) if nodes >> bit & 1]


def test_a_uniform_cluster() -> None:
    assert data_plane_report(of((CILIUM, 0b11)), NODES, names) == {
        "name": "cilium",
        "how": "the label a=b",
        "groups": [
            {
                "name": "cilium",
                "version": "v1.18.4",
                "how": "the label a=b",
                "evidence": "observed",
                "nodes": ["n0", "n1"],
                "count": 2,
            }
        ],
    }


def test_a_mixed_cluster() -> None:
    report = data_plane_report(of((CILIUM, 0b0111), (ASSUMED, 0b11000)), 0b1111, names)
    assert (report["name"], report["how"]) == ("mixed", "see groups")
    assert [(g["name"], g["nodes"], g["count"]) for g in report["groups"]] == [
        ("cilium", ["n0", "n1", "n2"], 3),
        ("kube-proxy", ["n3"], 1),
    ], "without nodes that are no Nodes any more"


@pytest.mark.parametrize(
    ("planes", "sentences"),
    [
        pytest.param(
            of((ASSUMED, 3)),
            ["the data plane of every node is kube-proxy; use --data-plane to name another one"],
            id="assumed",
        ),
        pytest.param(of((CILIUM, 3)), [], id="observed"),
        pytest.param(
            of((CILIUM, 3), (ASSUMED, 4)),
            ["the data plane of 1 node is kube-proxy; use --data-plane to name another one"],
            id="assumed for a part",
        ),
        pytest.param(
            of((DOUBTFUL, 3)),
            [
                "the data plane of every node is cilium (the label a=b, contradicted); "
                "use --data-plane to name another one"
            ],
            id="contradicted",
        ),
    ],
)
def test_what_is_assumed(planes: NodePlanes, sentences: list[str]) -> None:
    assert assumed_data_planes(planes, NODES) == sentences


def test_what_the_report_of_a_service_assumes_has_no_number_of_nodes() -> None:
    other = replace(ASSUMED, how="the label a=b, contradicted")
    assert assumed_of_services(of((CILIUM, 3))) == []
    assert assumed_of_services(of((ASSUMED, 3))) == assumed_data_planes(of((ASSUMED, 3)), NODES)
    assert assumed_of_services(of((CILIUM, 3), (ASSUMED, 4), (other, 8))) == [
        "the data plane of some nodes is kube-proxy; use --data-plane to name another one",
        "the data plane of some nodes is kube-proxy (the label a=b, contradicted); "
        "use --data-plane to name another one",
    ]


def test_sentences() -> None:
    assert data_plane_sentences(of((CILIUM, 7), (ASSUMED, 8)), NODES) == [
        "The data plane of 3 nodes is cilium v1.18.4, by the label a=b.",
        "etpguard assumes that the data plane of 1 node is kube-proxy; use --data-plane to name another one.",
    ]
    (sentence,) = data_plane_sentences(of((CILIUM, 7)), NODES)
    assert sentence == "The data plane of every node is cilium v1.18.4, by the label a=b."
