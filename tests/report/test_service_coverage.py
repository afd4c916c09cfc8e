"""The bounds of what is stored, and what goes first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from etpguard.assess import Assessment, Outcome, Reason
from etpguard.assess.consumers.targets import CheckSettings, HealthCheck, NodeTargets
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.probe import NoHealthCheck
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Reject, Remediation, Service, ServiceCoverage, decode_item
from etpguard.report import service_coverage
from etpguard.report.service_coverage import history_status, published_part, same_facts, status, status_body
from tests.publish.given import assessment, table, verdict
from tests.report.given import big, nginx, table_of

Json = dict[str, Any]


def test_status_bounds() -> None:
    table = table_of(50)
    made = status(big(3, 2, table), table, ["advice"])
    assert [len(group["dropped"]) for group in made["ports"]] == [20, 20, 20]
    assert [group["counts"]["dropped"] for group in made["ports"]] == [49, 49, 48], "whole"
    assert [len(consumer["eligibleNodes"]) for consumer in made["consumers"]] == [20, 20]
    assert made["consumers"][0]["counts"]["eligible"] == 50
    assert (made["eligibleNodes"], made["uncoveredNodes"]) == (50, 50)


@pytest.mark.parametrize(
    ("ports", "consumers", "fields", "advice"),
    [
        pytest.param(200, 100, {}, [], id="more ports and consumers than there is room for"),
        pytest.param(64, 32, {"name": "n" * 253, "source": "s" * 300}, ["a" * 1024] * 20, id="long names"),
        pytest.param(
            64,
            32,
            {
                "targets": NodeTargets(
                    NodeRule(), HealthCheck(NoHealthCheck(), CheckSettings("80", "HTTP", "/" * 250_000))
                )
            },
            [],
            id="a path of 250 KB",
        ),
        pytest.param(
            64, 32, {"name": "é" * 253, "source": "é" * 5000}, ["é" * 5000] * 20, id="more bytes than letters"
        ),
        pytest.param(64, 0, {}, ["x" * 100_000], id="long advice"),
    ],
)
def test_status_never_exceeds_its_bounds(ports: int, consumers: int, fields: Json, advice: list[str]) -> None:
    table = table_of(5000)
    made = status(big(ports, consumers, table, **fields), table, advice)
    assert len(msgspec.json.encode(made)) <= 64 * 1024
    assert sum(len(group["ports"]) for group in made["ports"]) == min(ports, 64)
    assert len(made["consumers"]) <= 32
    assert (made["portsTotal"], made["consumersTotal"]) == (ports, consumers)
    assert all(group["counts"]["dropped"] > 4900 for group in made["ports"]), "totals stay when names go"
    assert made["outcome"] == "Outage"


def test_names_are_dropped_before_consumers() -> None:
    table = table_of(5000)
    made = status(big(64, 32, table), table, [])
    assert len(made["consumers"]) == 32
    assert max(len(group["dropped"]) for group in made["ports"]) < 20


def test_ports_in_equal_states_share_a_group() -> None:
    assessment, table = nginx()
    (group,) = status(assessment, table, [])["ports"]
    assert [port["nodePort"] for port in group["ports"]] == [30851, 32350]
    assert group["dropped"] == ["node2", "node3"]
    assert group["client"] == "timeout"


def test_ports_whose_clients_meet_something_else_have_a_group_each() -> None:
    assessment, table = nginx()
    http, https = assessment.ports
    assessment = replace(assessment, ports=(http, replace(https, silent=0)))
    groups = status(assessment, table, [])["ports"]
    assert [group["client"] for group in groups] == ["timeout", "refused"]


def test_a_port_that_all_nodes_forward_has_no_client() -> None:
    assessment, table = nginx()
    ports = tuple(replace(port, ready=-1) for port in assessment.ports)
    (group,) = status(replace(assessment, ports=ports), table, [])["ports"]
    assert "client" not in group


def test_what_every_service_rests_on_comes_first() -> None:
    assessment, table = nginx()
    assert "assumptions" not in status(assessment, table, [])
    made = status(replace(assessment, assumptions=("own",) * 20), table, [], ("the data plane",))
    assert made["assumptions"] == ["the data plane", *["own"] * 15]


O = Outcome  # noqa: E741
NOW = "2026-01-01T00:00:00Z"


def same(existing: Json, wanted: Json) -> bool:
    return published_part(existing) == published_part(wanted)


def test_times_and_the_remediation_are_no_difference() -> None:
    wanted = status(assessment(O.Blackhole, verdict(O.Blackhole)), table(), ("do this",))
    existing = status_body(wanted, None, NOW)["status"]
    for equal in (same, same_facts):
        assert equal(existing, wanted)
        assert equal({**existing, "remediation": {"phase": "Applied"}}, wanted)
        assert not equal({**existing, "conditions": None}, wanted)
        assert not equal({**existing, "ifLocal": {}}, wanted)
    assert not same({**existing, "advice": []}, wanted)


@pytest.mark.parametrize(
    "existing",
    [
        pytest.param(
            replace(assessment(O.Blackhole, verdict(O.Blackhole)), uncovered=0b010), id="other uncovered nodes"
        ),
        pytest.param(assessment(O.Outage, verdict(O.Outage)), id="another outcome"),
        pytest.param(assessment(O.Blackhole, verdict(O.Blackhole, name="b")), id="another consumer"),
        pytest.param(assessment(O.Blackhole, verdict(O.Blackhole), ports=2), id="one more port"),
        pytest.param(assessment(O.Blackhole), id="no consumer"),
        pytest.param(
            assessment(O.Blackhole, verdict(O.Blackhole), if_local=assessment(O.Outage)), id="what Local would be"
        ),
    ],
)
def test_a_difference_of_facts_is_one(existing: Any) -> None:
    wanted = status(assessment(O.Blackhole, verdict(O.Blackhole)), table(), ())
    assert not same_facts(status(existing, table(), ()), wanted)
    assert not same(status(existing, table(), ()), wanted)


def written(assessed: Assessment, assumed: Sequence[str] = ()) -> Json:
    """The report as it is stored, with three nodes."""
    stored: Json = status_body(status(assessed, table(), (), assumed), None, NOW)["status"]
    return stored


def consumer_with(**changes: Any) -> Assessment:
    made = verdict(O.Blackhole)
    return assessment(O.Blackhole, replace(made, consumer=replace(made.consumer, **changes)))


BLACKHOLE = assessment(O.Blackhole, verdict(O.Blackhole))


@pytest.mark.parametrize(
    ("existing", "wanted"),
    [
        pytest.param(BLACKHOLE, replace(BLACKHOLE, assumptions=("a",)), id="an assumption"),
        pytest.param(
            replace(BLACKHOLE, assumptions=("a",)), replace(BLACKHOLE, assumptions=("a", "b")), id="one more"
        ),
        pytest.param(consumer_with(), consumer_with(assumptions=("a",)), id="an assumption about a consumer"),
        pytest.param(
            consumer_with(evidence=Evidence.ASSUMED), consumer_with(evidence=Evidence.OBSERVED), id="evidence"
        ),
        pytest.param(
            BLACKHOLE,
            replace(BLACKHOLE, ports=tuple(replace(port, silent=-1) for port in BLACKHOLE.ports)),
            id="what a client meets",
        ),
    ],
)
def test_how_sure_the_report_is_counts_as_a_fact(existing: Assessment, wanted: Assessment) -> None:
    for before, after in ((existing, wanted), (wanted, existing)):
        assert same_facts(written(before), status(before, table(), ()))
        assert not same_facts(written(before), status(after, table(), ()))


def test_how_many_nodes_may_be_lost_is_a_fact() -> None:
    assessed, nodes = nginx()
    wanted = status(assessed, nodes, ())
    existing = status_body(wanted, None, NOW)["status"]
    assert same_facts(existing, wanted)
    assert not same_facts({**existing, "resilience": {**existing["resilience"], "toleratesNodeLosses": 7}}, wanted)


def without(value: Any, *fields: str) -> Any:
    if isinstance(value, dict):
        return {name: without(inner, *fields) for name, inner in value.items() if name not in fields}
    return [without(inner, *fields) for inner in value] if isinstance(value, list) else value


def test_a_report_of_an_etpguard_without_these_fields_differs_in_no_fact() -> None:
    assessed, nodes = nginx()
    wanted = status(replace(assessed, assumptions=("a",)), nodes, (), ("the data plane",))
    assert wanted["resilience"]
    later = ("assumptions", "client", "evidence", "resilience", "transitions")
    assert same_facts(without(status_body(wanted, None, NOW)["status"], *later), wanted)


def unknown(code: str, detail: str) -> Json:
    return status(replace(assessment(O.Unknown), reason=Reason(code, detail)), table(), ())


def test_the_code_of_a_reason_is_a_fact_and_its_detail_is_not() -> None:
    assert same_facts(unknown("NotReadable", "it cannot be read"), unknown("NotReadable", "403"))
    assert not same_facts(unknown("NotReadable", "403"), unknown("NotModelled", "403"))


def reworded(value: Any, name: str = "") -> Any:
    """The status as another release might word it."""
    if isinstance(value, dict):
        return {field: reworded(inner, field) for field, inner in value.items()}
    if isinstance(value, list):
        return [reworded(inner, name) for inner in value]
    prose = name in ("message", "source", "advice", "assumptions") or (
        name == "reason" and not str(value)[:1].isupper()
    )
    return f"said in other words than {value!r}" if prose else value


def test_other_words_for_the_same_facts_are_no_difference_of_facts() -> None:
    nginx_assessment, nginx_table = nginx()
    for assessed, nodes in (
        (nginx_assessment, nginx_table),
        (replace(nginx_assessment, if_local=nginx_assessment), nginx_table),
        (replace(big(3, 2, table_of(5), source="an argument"), assumptions=("a", "b")), table_of(5)),
        (consumer_with(assumptions=("a",)), table()),
    ):
        wanted = status(assessed, nodes, ("do this",))
        existing = status_body(reworded(wanted), None, NOW)["status"]
        assert not same(existing, wanted)
        assert same_facts(existing, wanted)


def test_a_status_holds_no_null() -> None:
    def nulls(value: object) -> bool:
        if isinstance(value, dict):
            return any(nulls(v) for v in value.values())
        return any(nulls(v) for v in value) if isinstance(value, list) else value is None

    assert not nulls(status(assessment(O.Outage, verdict(O.Outage)), table(), ()))
    assert not nulls(history_status(service()))


def test_the_record_of_a_remediation_leaves_out_what_says_nothing() -> None:
    body = service_coverage.remediation_body(Remediation(phase="Applied", service_uid="u"))
    assert body == {
        "status": {
            "remediation": {
                "phase": "Applied",
                "serviceUID": "u",
                "originalPolicy": "Local",
                "onDelete": "Keep",
                "intents": [],
                "reverts": [],
            }
        }
    }


def service(uid: str = "u1") -> Service:
    made = decode_item(SERVICE, {"metadata": {"name": "web", "namespace": "default", "uid": uid}, "spec": {}})
    assert not isinstance(made, Reject)
    return made


@pytest.mark.parametrize(
    ("owners", "ours", "anothers"),
    [
        pytest.param([], False, False, id="nobody"),
        pytest.param([("Service", "u1")], True, False, id="the Service"),
        pytest.param([("Service", "u0")], False, True, id="an earlier Service"),
        pytest.param([("ConfigMap", "u1")], False, False, id="another kind"),
        pytest.param([("ConfigMap", "c"), ("Service", "u1")], True, False, id="the Service and another kind"),
    ],
)
def test_who_owns_a_report(owners: list[tuple[str, str]], ours: bool, anothers: bool) -> None:
    references = [{"kind": kind, "name": "web", "uid": uid} for kind, uid in owners]
    raw = {"metadata": {"name": "web", "namespace": "default", "ownerReferences": references}}
    report = decode_item(SERVICE_COVERAGE, raw)
    assert isinstance(report, ServiceCoverage)
    assert service_coverage.owned_by(report, service()) is ours
    assert service_coverage.owned_by_another(report, service()) is anothers


def test_the_service_owns_what_is_made_for_it() -> None:
    body = service_coverage.owner_body(service())
    assert body["metadata"]["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "Service", "name": "web", "uid": "u1", "blockOwnerDeletion": False}
    ]


@pytest.mark.parametrize(
    ("remediation", "stays"),
    [
        pytest.param(None, False, id="none"),
        pytest.param({"phase": "Applied", "serviceUID": "u1"}, True, id="applied"),
        pytest.param({"phase": "Applying", "serviceUID": "u1"}, True, id="intent"),
        pytest.param({"phase": "Applied", "serviceUID": "u0"}, False, id="of an earlier Service"),
        pytest.param({"phase": "RolledBack", "serviceUID": "u1"}, False, id="rolled back"),
        pytest.param(
            {"phase": "RolledBackByUser", "serviceUID": "u1", "heldFor": "p@1"}, True, id="held off by a person"
        ),
        pytest.param(
            {"phase": "RolledBackByUser", "serviceUID": "u0", "heldFor": "p@1"}, False, id="of another Service"
        ),
        pytest.param(
            {
                "phase": "Reverted",
                "serviceUID": "u1",
                "reverts": [{"time": "2026-10-28T00:00:00Z", "manager": "x"}],
            },
            True,
            id="reverted within the longest window",
        ),
        pytest.param(
            {
                "phase": "Reverted",
                "serviceUID": "u1",
                "reverts": [{"time": "2026-10-20T00:00:00Z", "manager": "x"}],
            },
            False,
            id="reverted long ago",
        ),
        pytest.param(
            {"phase": "RolledBack", "serviceUID": "u1", "intents": ["2026-11-21T00:00:00Z"]},
            True,
            id="spent within the longest budget",
        ),
        pytest.param(
            {"phase": "RolledBack", "serviceUID": "u1", "intents": ["2026-11-18T00:00:00Z", "never"]},
            False,
            id="spent long ago",
        ),
        pytest.param({"phase": 7}, True, id="unreadable"),
    ],
)
def test_a_report_that_remembers_a_change_must_stay(remediation: object, stays: bool) -> None:
    raw = {"metadata": {"name": "web", "namespace": "default"}, "status": {"remediation": remediation}}
    report = decode_item(SERVICE_COVERAGE, raw)
    assert isinstance(report, ServiceCoverage)
    now = datetime(2026, 11, 26, tzinfo=UTC).timestamp()
    assert service_coverage.must_stay(report, service(), now) is stays


HOSTILE = "x\n2026-11-27T00:00:00Z INFO forged\x1b[2J\u202e"


def test_text_of_objects_is_harmless_in_a_status() -> None:
    """As a health check's path, a reason's detail and the source of a setting."""
    nodes = table_of(3)
    check = HealthCheck(NoHealthCheck(), CheckSettings("80", "HTTP", HOSTILE))
    hostile = big(1, 1, nodes, targets=NodeTargets(NodeRule(), check), source=HOSTILE)
    made = status(replace(hostile, reason=Reason("NotModelled", HOSTILE)), nodes, (f"see {HOSTILE}",))

    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for inner in value.values() for text in texts(inner)]
        return [text for inner in value for text in texts(inner)] if isinstance(value, list) else [str(value)]

    assert all(text.isprintable() for text in texts(made))
    assert len(made["advice"]) == 1
