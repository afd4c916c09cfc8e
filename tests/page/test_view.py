from __future__ import annotations

from dataclasses import replace

from etpguard.assess.consumers.consumer import Advice
from etpguard.assess.outcome import Reason
from etpguard.page import PageContents, ServiceViews, page_view
from etpguard.page.view import FEW_NAMES, HISTORY, MAX_NAMES, WHOLE_STORIES, ServiceView
from etpguard.report import coverage_report
from tests.assess.build import consumer, endpoint, endpoint_slice, node, service
from tests.page.worlds import page_of, recorded, small


def views(page: PageContents) -> dict[str, ServiceView]:
    return {each.name: each for each in page_view(page).services}


def test_the_worst_service_comes_first_and_each_is_counted() -> None:
    view = page_view(page_of(*small(), service("lost", namespace="other")))
    assert [(each.name, each.outcome.name) for each in view.services] == [
        ("default/api", "Uncovered"),
        ("default/web", "Uncovered"),
        ("other/lost", "NoEndpoints"),
    ]
    assert [(outcome.name, count) for outcome, count in view.outcomes] == [("Uncovered", 2), ("NoEndpoints", 1)]
    assert view.losing == 0
    assert view.nodes == 5


def test_each_row_has_a_cell_for_each_column() -> None:
    view = page_view(page_of(*small()))
    assert [(zone.name, [column.title for column in zone.columns]) for zone in view.matrix.zones] == [
        ("a", ["n1", "n2", "n3"]),
        ("b", ["n4"]),
        ("", ["n5"]),
    ]
    shown = {row.service.name: "".join(cell.colour for cell in row.cells) for row in view.rows}
    assert shown == {"default/web": "RUUUU", "default/api": "UTUUU"}
    assert {row.ports for row in view.rows} == {"http 80→30080/TCP", "grpc 443→30443/TCP"}


def test_the_report_is_that_of_json() -> None:
    page = page_of(*small(), consumers={"web": [consumer()]})
    report = coverage_report(page.contents)
    assert page_view(page).report == {**report, "services": []}
    assert {name: view.report for name, view in views(page).items()} == {
        f"{each['namespace']}/{each['name']}": each for each in report["services"]
    }


def test_a_consumer_has_its_resilience() -> None:
    found = views(page_of(*small(), consumers={"web": [consumer()]}))
    (line,) = found["default/web"].consumers
    assert line.report["outcome"] == "TargetsUnhealthy"
    assert (
        line.resilience[0]
        == "covered on 1 node in 1 zone; may lose 0 nodes or 0 zones before more traffic is lost"
    )
    assert found["default/web"].resilience == ()
    assert found["default/api"].consumers == ()
    assert found["default/api"].resilience[0].startswith("covered on 1 node")


def test_a_consumer_with_an_unknown_outcome_has_none() -> None:
    unknown = consumer(unknown=Reason("Whatever"))
    found = views(page_of(*small(), consumers={"web": [unknown]}))
    assert found["default/web"].consumers[0].resilience == ()


def test_what_the_operator_recorded() -> None:
    transitions = [{"time": f"2026-01-0{day}T00:00:00Z", "to": "Covered", "reason": ""} for day in range(1, 9)]
    policy = {"kind": "CoveragePolicy", "namespace": "default", "name": "mine", "uid": "u"}
    remediation = {"phase": "Applied", "since": "2026-01-01T00:00:00Z", "policy": policy}
    status = {"transitions": transitions, "remediation": remediation}
    found = views(page_of(*small(), recorded=recorded(web=status, api={"remediation": "what?"})))
    assert found["default/web"].history == tuple(
        (f"2026-01-0{day}T00:00:00Z", "", "Covered", "") for day in range(1, HISTORY + 1)
    )
    assert found["default/web"].remediation == (
        "Applied", "2026-01-01T00:00:00Z", "CoveragePolicy default/mine", "",
    )  # fmt: skip
    assert found["default/api"].history == ()
    assert found["default/api"].remediation is None


def test_beyond_the_worst_services_a_story_is_short() -> None:
    advice = [Advice("First"), Advice("Second")]
    services = [service(f"s{number:03}") for number in range(WHOLE_STORIES + 1)]
    nodes = [node(f"n{number:02}") for number in range(MAX_NAMES + 2)]
    slices = [endpoint_slice([endpoint("n00")], name=s.metadata.name, of=s.metadata.name) for s in services]
    found = page_view(page_of(*nodes, *services, *slices, advisor=lambda assessment: advice)).services
    first, last = found[0], found[-1]
    assert (first.whole, len(first.advice), len(first.ports[0].states[1].names)) == (True, 2, MAX_NAMES)
    assert (last.whole, len(last.advice), len(last.ports[0].states[1].names)) == (False, 1, FEW_NAMES)
    assert (first.ports[0].states[1].more, last.ports[0].states[1].more) == (1, MAX_NAMES + 1 - FEW_NAMES)


def test_a_command_has_the_name_as_one_word() -> None:
    """A file may have any name."""
    names = ["web", "$(date); true"]
    page = page_view(page_of(node("n1"), *map(service, names)))
    assert {each.explain for each in page.services} == {
        "etpguard explain default/web",
        "etpguard explain 'default/$(date); true'",
    }


def test_a_view_is_kept_while_nothing_it_shows_changes() -> None:
    kept = ServiceViews()
    page = page_of(*small(), recorded=recorded(web={"transitions": []}))
    first = {each.name: each for each in page_view(page, kept).services}
    changed = replace(page, recorded=recorded(web={"transitions": [{"time": "t", "to": "Covered"}]}))
    second = {each.name: each for each in page_view(changed, kept).services}
    assert second["default/api"] is first["default/api"]
    assert second["default/web"] is not first["default/web"]
    page.contents.assessments.clear()  # type: ignore[attr-defined]
    assert page_view(page, kept).services == ()
    assert not kept._kept


def test_families_and_unnamed_ports_are_separate_rows() -> None:
    ports = [{"port": 80, "nodePort": 30080}]
    dual = service(ports=ports, ipFamilies=["IPv4", "IPv6"], clusterIPs=["10.96.0.1", "fd00::1"])
    targets = [{"name": "", "protocol": "TCP", "port": 1}]
    found = views(
        page_of(
            node("n1"),
            dual,
            endpoint_slice([endpoint("n1")], targets),
            endpoint_slice([endpoint("n1", "fd00::5")], targets, name="web-6", family="IPv6"),
        )
    )
    (line,) = found["default/web"].ports
    assert line.labels == ("unnamed 80→30080/TCP", "unnamed 80→30080/TCP IPv6")


def test_a_port_without_a_node_port() -> None:
    address = service(ports=[{"name": "http", "port": 80}], externalIPs=["192.0.2.1"], type="ClusterIP")
    found = views(page_of(node("n1"), address, endpoint_slice([endpoint("n1")])))
    assert found["default/web"].ports[0].labels == ("http 80/TCP",)
