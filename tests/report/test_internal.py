"""Internal assessments as JSON and as sentences."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from etpguard.assess import Engine
from etpguard.assess.data_planes.interface import AllNodes
from etpguard.report import Contents, coverage_report
from etpguard.report.internal import internal_report
from etpguard.report.messages import internal_message, internal_note
from etpguard.report.sentences import explain_internal
from etpguard.report.service_coverage import MAX_STATUS_BYTES, status
from tests.assess.build import NODES, WEB, endpoint, endpoint_slice, node, picture_with
from tests.assess.inside import HTTP, NOWHERE, ON_N1, VIRTUAL, assessed, inside


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
            "no node has a usable endpoint, so every node rejects the traffic; the traffic policy is not the "
            "cause",
        ),
        (
            (inside(ports=BOTH), ON_N1, NODES[0]),
            "no node has a usable endpoint of port dns/UDP over IPv4, so every node rejects this traffic; the "
            "traffic policy is not the cause",
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


def test_the_message_of_the_condition_names_ports_and_no_nodes() -> None:
    found, _ = assessed(inside(), ON_N1, *NODES)
    unnamed, _ = assessed(
        inside(ports=({"port": 80},)),
        endpoint_slice([endpoint("n1")], ({"name": "", "protocol": "TCP", "port": 8080},)),
        *NODES,
    )
    ports = [{"name": f"p{n:02}", "port": 8000 + n} for n in range(12)]
    slice_ports = [{"name": port["name"], "protocol": "TCP", "port": port["port"]} for port in ports]
    many, _ = assessed(inside(ports=ports), endpoint_slice([endpoint("n1")], slice_ports), *NODES)
    blind, _ = assessed(inside(), *NODES)
    assert found is not None
    assert unnamed is not None
    assert many is not None
    assert blind is not None
    next_step = f". Why, and what to do: etpguard explain {found.key}"
    assert internal_message(found) == f"Uncovered: port http{next_step}"
    assert internal_message(unnamed) == f"Uncovered: port (unnamed){next_step}"
    assert internal_message(many) == (
        f"Uncovered: ports p00, p01, p02, p03, p04, p05, p06, p07, p08, p09 and others{next_step}"
    )
    assert internal_message(blind) == f"Unknown (NoEndpointSlices): port http{next_step}"
    assert internal_message(replace(blind, ports=())) == f"Unknown (NoEndpointSlices){next_step}"
    note = internal_note(found)
    assert note.startswith("Uncovered: port http; clients in the cluster lose their connections")
    assert "n2" not in note


def test_a_report_that_is_too_large_loses_names_first() -> None:
    ports = [{"name": f"{'p' * 50}{n:02}", "port": 8000 + n} for n in range(60)]
    picture = picture_with(
        inside(ports=ports),
        *(
            endpoint_slice(
                [endpoint(f"{'n' * 200}{n}", f"10.0.0.{n}")],
                [{"name": port["name"], "protocol": "TCP", "port": port["port"]}],
                name=f"web-{n}",
            )
            for n, port in enumerate(ports)
        ),
        *(node(f"{'n' * 200}{n}") for n in range(60)),
    )
    engine = Engine(picture, [])
    engine.refresh_all()
    found = engine.internal[WEB]
    made = status(None, picture.nodes, (), internal=found, internal_advice=("inside",) * 9)
    assert len(msgspec.json.encode(made)) <= MAX_STATUS_BYTES
    inner = made["internal"]
    assert inner["portsTotal"] == 60
    assert inner["counts"] == {"eligible": 60, "uncovered": 60, "unknown": 0}
    assert len(inner["uncoveredNodes"]) < 20
    assert [condition["type"] for condition in made["conditions"]] == ["CoveredInternally"]
