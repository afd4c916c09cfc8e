"""The document, as a parser that reports every error of the HTML standard reads it."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import html5lib
import pytest
from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Advice
from etpguard.assess.outcome import Reason
from etpguard.objects import SERVICE_COVERAGE, Key
from etpguard.outcomes import Outcome
from etpguard.page import Assets, PageContents, page_view, render
from etpguard.page.view import Status
from tests.assess.build import consumer, endpoint, endpoint_slice, node, record, service
from tests.cli.program import SEED, etpguard, failed
from tests.page.worlds import large, page_of, recorded, small

HOSTILE = "<script>alert(1)</script>\"'&\x1b]0;x\x07\u202e</style>"
MOST_BYTES = 5_000_000


def document(text: str) -> Any:
    """The tree of an HTML document. Fails on any parse error."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)


def text_of(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def shown(page: PageContents) -> Any:
    return document(render(page_view(page)))


def test_the_matrix_and_the_stories_show_the_report() -> None:
    advice = [Advice("Do this", "It helps.", "It costs.", "kubectl get svc\nkubectl get nodes")]
    page = page_of(*small(), consumers={"web": [consumer()]}, advisor=lambda assessment: advice)
    tree = shown(page)
    rows = [[text_of(cell) for cell in row] for row in tree.iterfind(".//tbody/tr")]
    assert rows == [
        ["default/api", "grpc 443→30443/TCP", "Uncovered", *"UTUUU"],
        ["default/web", "http 80→30080/TCP", "TargetsUnhealthy", *"RUUUU"],
    ]
    assert [text_of(each) for each in tree.iterfind(".//thead/tr/th")][:6] == [
        "Service", "Port", "Outcome", "a", "b", "no zone",
    ]  # fmt: skip
    stories = {each.get("id"): text_of(each) for each in tree.iterfind(".//details")}
    assert "R ready on 1 node: n1" in stories["default/web"]
    assert "U uncovered on 4 nodes: n2, n3, n4, n5" in stories["default/web"]
    assert (
        "Ingress default/lb to port http, by example.com/lb, instance targets: TargetsUnhealthy"
        in (stories["default/web"])
    )
    assert "Do this. It helps. It costs." in stories["default/web"]
    assert "T terminating on 1 node: n2" in stories["default/api"]
    assert "No consumer is known" in stories["default/api"]
    (command, _) = tree.iterfind(".//details/ol/li/pre")
    assert "".join(command.itertext()) == "kubectl get svc\nkubectl get nodes\n"


def test_nothing_to_show() -> None:
    tree = shown(page_of(node("n1")))
    assert "No Service with externalTrafficPolicy Local" in text_of(tree)
    assert tree.find(".//table") is None
    assert tree.find(".//form") is None


def test_how_many_services_lose_requests() -> None:
    lost = page_of(node("n1"), node("n2"), service(), endpoint_slice([endpoint("n9")]))
    view = page_view(lost)
    assert view.losing == sum(count for outcome, count in view.outcomes if outcome >= Outcome.Blackhole)


def test_a_remediated_service_says_what_it_would_be_under_local() -> None:
    remediation = {
        "phase": "Applied",
        "serviceUID": "uid-web",
        "since": "2026-01-02T00:00:00Z",
        "policy": {"kind": "ClusterCoveragePolicy", "name": "mine", "uid": "u"},
        "message": "because",
    }
    coverage = record(
        SERVICE_COVERAGE,
        {"metadata": {"name": "web", "namespace": "default"}, "status": {"remediation": remediation}},
    )
    cluster = service(externalTrafficPolicy="Cluster")
    transitions = [
        {"time": "2026-01-02T00:00:00Z", "from": "Uncovered", "to": "NotAffected", "reason": "remediated"},
        {"time": "2026-01-01T00:00:00Z", "to": "Uncovered"},
    ]
    page = page_of(
        node("n1"),
        node("n2"),
        cluster,
        endpoint_slice([endpoint("n1")]),
        coverage,
        recorded=recorded(web={"remediation": remediation, "transitions": transitions}),
    )
    (story,) = (text_of(each) for each in shown(page).iterfind(".//details"))
    assert "Under Local its outcome would be Uncovered" in story
    assert "Ports under Local" in story
    assert "Remediation: Applied since 2026-01-02T00:00:00Z by ClusterCoveragePolicy mine: because" in story
    assert "Uncovered to NotAffected: remediated" in story
    assert "2026-01-01T00:00:00Z Uncovered" in story


def test_what_the_operator_says_of_itself() -> None:
    tree = shown(page_of(*small(), status=Status("r1", "etpguard-1", fresh=False, problems=["nodes: forbidden"])))
    summary = text_of(tree.find(".//section"))
    assert "etpguard-1" in summary
    assert "not fresh" in summary
    assert "nodes: forbidden" in summary
    assert tree.find(".//meta[@http-equiv]") is None, "the operator sends the policy as a header"
    assert "fresh" in text_of(shown(page_of(*small(), status=Status("r1", "none", fresh=True))))


def test_clients_in_the_cluster() -> None:
    local: dict[str, Any] = {"internalTrafficPolicy": "Local", "externalTrafficPolicy": None, "type": "ClusterIP"}
    ports: list[dict[str, Any]] = [{"name": "http", "port": 80}]
    page = page_of(
        node("n1"),
        node("n2"),
        service("lost", ports, **local),
        endpoint_slice([endpoint("n1")], name="lost-1", of="lost"),
        service("found", ports, **local),
        endpoint_slice([endpoint("n1"), endpoint("n2")], name="found-1", of="found"),
    )
    details = {"causes": [{"reasons": [{"message": "a taint"}]}]}
    contents = replace(
        page.contents,
        internal=[replace(each, assumptions=("the pods tell the truth",)) for each in page.contents.internal],
        internal_details=lambda each: details,
        internal_advice=lambda each: ["Tolerate it."],
    )
    assert "the pods tell the truth" in text_of(shown(dataclasses.replace(page, contents=contents)))
    (part,) = (
        e for e in shown(dataclasses.replace(page, contents=contents)).iter("section") if e.get("id") == "internal"
    )
    assert "Covered: 1." in text_of(part)
    assert [text_of(each).partition(":")[0] for each in part.iter("li")] == ["Uncovered default/lost"]
    for text in ("uncovered: n2", "a taint", "what to do: Tolerate it."):
        assert text in text_of(part)


def test_a_file_allows_its_own_style_and_script_alone() -> None:
    tree = shown(page_of(*small()))
    (policy,) = (each.get("content") for each in tree.iterfind(".//meta[@http-equiv]"))
    assert policy == Assets.of(live=False).policy
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/=]{44}'; script-src 'sha256-[\w+/=]{44}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        policy,
    )
    assert [
        each for each in tree.iter() if each.get("style") or any(name.startswith("on") for name in each.attrib)
    ] == []
    attributes = [(name, value) for each in tree.iter() for name, value in each.attrib.items()]
    assert {value for name, value in attributes if name in ("href", "src")} == {
        "data:,", "#services", "#default/web", "#default/api",
    }  # fmt: skip


def test_hostile_text_is_text() -> None:
    hostile = consumer(
        HOSTILE,
        unknown=Reason("Whatever", HOSTILE),
        assumptions=(HOSTILE,),
        source=HOSTILE,
    )
    advice = [Advice(HOSTILE, HOSTILE, HOSTILE, HOSTILE)]
    status = {
        "transitions": [{"time": HOSTILE, "to": HOSTILE, "from": HOSTILE, "reason": HOSTILE}],
        "remediation": {
            "phase": HOSTILE,
            "since": HOSTILE,
            "message": HOSTILE,
            "policy": {"kind": HOSTILE, "name": HOSTILE},
        },
    }
    page = page_of(
        node(HOSTILE, labels={"topology.kubernetes.io/zone": HOSTILE}),
        service(HOSTILE, [{"name": HOSTILE, "port": 80, "nodePort": 30080}]),
        consumers={HOSTILE: [hostile]},
        advisor=lambda assessment: advice,
        recorded={Key("default", HOSTILE): status},
        why_not={Key("default", HOSTILE): (HOSTILE,)},
        source=HOSTILE,
        status=Status(HOSTILE, HOSTILE, fresh=False, problems=[HOSTILE]),
    )
    text = render(page_view(page))
    tree = document(text)
    assert [len(list(tree.iter(tag))) for tag in ("script", "style", "img", "iframe")] == [1, 1, 0, 0]
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 20


@pytest.mark.parametrize(
    "remediation",
    [
        pytest.param("text", id="text"),
        pytest.param({}, id="empty"),
        pytest.param({"phase": {"a": ["<b>"]}, "policy": "<b>"}, id="of other types"),
    ],
)
def test_a_remediation_that_another_program_wrote(remediation: object) -> None:
    assert list(
        shown(page_of(*small(), recorded=recorded(web={"remediation": remediation}))).iterfind(".//details")
    )


@pytest.mark.no_cover
def test_the_page_of_a_large_cluster_is_small() -> None:
    view = page_view(large())
    text = render(view)
    assert view.matrix.folded
    assert len(view.services) == 2_000
    assert len(text.encode()) < MOST_BYTES


def test_the_page_of_many_nodes_is_valid() -> None:
    """With fewer Services than the large cluster: the parser takes 12 s for the page of 2,000."""
    view = page_view(large(services=100))
    assert view.matrix.folded
    document(render(view))


def test_check_writes_the_page() -> None:
    run = etpguard("check", "-f", SEED, "-o", "html", "--fail-on", "TargetsUnhealthy")
    assert run.code == 1
    tree = document(run.out)
    (row, _) = tree.iterfind(".//tbody/tr")
    assert [text_of(cell) for cell in row] == [
        "default/nginx-nginx-ingress-controller", "http 80→30851/TCP", "TargetsUnhealthy", *"RUU",
    ]  # fmt: skip
    assert "the data plane of every node is kube-proxy" in text_of(tree.find(".//section"))


def test_policies_have_no_page() -> None:
    assert "-o html does not show policies" in failed(etpguard("check", "-f", SEED, "-o", "html", "--policy", "x"))
