"""Internal assessments as JSON and as sentences."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import Engine
from etpguard.assess.data_planes.interface import AllNodes
from etpguard.report import Contents, coverage_report
from etpguard.report.internal import internal_report
from etpguard.report.sentences import explain_internal
from tests.assess.build import NODES, endpoint, endpoint_slice, node, picture_with
from tests.assess.test_internal import HTTP, NOWHERE, ON_N1, VIRTUAL, assessed, inside


def test_an_entry_of_the_report() -> None:
    found, picture = assessed(inside(), ON_N1, *NODES)
    assert found is not None
    assert internal_report(found, picture.nodes, ["Do this."]) == {
        "namespace": "default",
        "name": "web",
        "type": "ClusterIP",
        "outcome": "Uncovered",
        "reason": "2 of 3 Ready nodes drop the traffic of clients on them",
        "counts": {"eligible": 3, "uncovered": 2, "unknown": 0},
        "uncoveredNodes": ["n2", "n3"],
        "unknownNodes": [],
        "ports": [
            {
                "port": "http",
                "number": 80,
                "protocol": "TCP",
                "family": "IPv4",
                "outcome": "Uncovered",
                "reason": "Uncovered",
                "ready": ["n1"],
                "terminating": [],
                "dropped": ["n2", "n3"],
                "rejected": [],
                "unknown": [],
                "client": "timeout",
                "counts": {"ready": 1, "terminating": 0, "dropped": 2, "rejected": 0, "unknown": 0},
            }
        ],
        "advice": ["Do this."],
        "assumptions": [],
    }


def test_names_are_bounded_and_counts_are_not() -> None:
    found, picture = assessed(inside(), ON_N1, *NODES)
    assert found is not None
    one = internal_report(found, picture.nodes, [], 1)
    assert (one["uncoveredNodes"], one["counts"]["uncovered"]) == (["n2"], 2)
    none = internal_report(found, picture.nodes, [], -1)
    assert (none["uncoveredNodes"], none["ports"][0]["dropped"], none["counts"]["uncovered"]) == ([], [], 2)


def test_the_report_of_a_cluster_has_them_by_name() -> None:
    picture = picture_with(inside("b"), inside("a"), ON_N1, *NODES)
    engine = Engine(picture, [])
    engine.refresh_all()
    contents = Contents(
        planes=engine.planes,
        nodes=picture.nodes.present,
        assessments=engine.assessments.values(),
        table=picture.nodes,
        advice=lambda assessment: [],
        internal=engine.internal.values(),
    )
    report = coverage_report(contents)
    assert [(each["name"], each["advice"]) for each in report["internal"]] == [("a", []), ("b", [])]
    assert report["services"] == []


BOTH: Any = (*HTTP, {"name": "dns", "port": 53, "protocol": "UDP"})


@pytest.mark.parametrize(
    ("objects", "sentence"),
    [
        (
            (inside(), endpoint_slice([endpoint("n1"), endpoint("n2")]), *NODES[:2]),
            "each of the 2 Ready nodes has an endpoint",
        ),
        ((inside(), ON_N1, NODES[0]), "the only Ready node has an endpoint"),
        ((inside(), ON_N1, *NODES[:2]), "1 of 2 Ready nodes drops the traffic of clients on it"),
        (
            (inside(), ON_N1, node("n1"), VIRTUAL, node("n3")),
            "1 of 3 Ready nodes drops the traffic of clients on it; the state of 1 node is not known",
        ),
        (
            (inside(), NOWHERE, *NODES),
            "no node has a usable endpoint, so every node rejects the traffic; the policy is not the cause",
        ),
        (
            (inside(ports=BOTH), ON_N1, NODES[0]),
            "no node has a usable endpoint of port dns/UDP over IPv4, so every node rejects this traffic; the "
            "policy is not the cause",
        ),
        (
            (inside(), *NODES),
            "NoEndpointSlices: no EndpointSlice was read, so no endpoint is known",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_reason_in_one_sentence(objects: Any, sentence: str) -> None:
    found, _ = assessed(*objects)
    assert found is not None
    assert explain_internal(found) == sentence


def test_a_data_plane_that_refuses_is_said() -> None:
    from etpguard.assess import DataPlane, KnownDataPlane

    found, _ = assessed(inside(), ON_N1, *NODES, planes=AllNodes(KnownDataPlane(DataPlane.ANTREA)))
    assert found is not None
    assert explain_internal(found) == "2 of 3 Ready nodes refuse the traffic of clients on them"
