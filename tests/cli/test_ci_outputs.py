"""What CI systems read: JUnit XML and Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from etpguard.cli.output.junit import junit
from etpguard.cli.output.markdown import markdown
from etpguard.outcomes import Outcome
from tests.cli.program import SEED, etpguard, failed


def service(name: str, outcome: str, reason: str = "why") -> dict[str, Any]:
    consumer = {
        "kind": "Ingress",
        "namespace": "shop",
        "name": "web",
        "outcome": outcome,
        "uncoveredNodes": [f"node{number}" for number in range(7)],
    }
    return {
        "namespace": "shop",
        "name": name,
        "outcome": outcome,
        "reason": reason,
        "counts": {"eligible": 9, "uncovered": 7},
        "consumers": [consumer],
        "advice": ["Do this."],
    }


def report(*services: dict[str, Any], **more: list[str]) -> dict[str, Any]:
    return {"services": list(services), "assumptions": [], "warnings": [], **more}


def test_junit_of_the_example() -> None:
    run = etpguard("check", "-f", SEED, "-o", "junit", "--fail-on", "TargetsUnhealthy")
    suite = ElementTree.fromstring(run.out)
    assert run.code == 1
    assert {name: suite.get(name) for name in ("name", "tests", "failures", "errors", "skipped")} == {
        "name": "etpguard", "tests": "1", "failures": "1", "errors": "0", "skipped": "0",
    }  # fmt: skip
    case, notes = suite
    assert (case.get("classname"), case.get("name")) == ("default", "nginx-nginx-ingress-controller")
    (failure,) = case
    assert failure.get("type") == "TargetsUnhealthy"
    assert "uncovered nodes: node2, node3" in (failure.text or "")
    assert "Assumed: the data plane of every node is kube-proxy" in (notes.text or "")


@pytest.mark.parametrize(
    ("outcome", "fail_on", "element"),
    [
        ("Blackhole", Outcome.Blackhole, "failure"),
        ("Outage", Outcome.Blackhole, "failure"),
        ("Outage", None, "system-out"),
        ("Covered", Outcome.Blackhole, "system-out"),
        ("Unknown", Outcome.Blackhole, "skipped"),
        ("Unknown", Outcome.Unknown, "failure"),
    ],
)
def test_which_element_a_service_gets(outcome: str, fail_on: Outcome | None, element: str) -> None:
    (case,) = ElementTree.fromstring(junit(report(service("web", outcome)), fail_on))
    assert [each.tag for each in case] == [element]


def test_hostile_text_stays_text() -> None:
    reason = "<b>&\x00\x1b]0;x\x07 | `x` [a](http://b)\n# x"
    (case,) = ElementTree.fromstring(junit(report(service("web", "Outage", reason)), Outcome.Outage))
    assert "<b>&" in (case[0].get("message") or "")
    (_, _, row) = markdown(report(service("web", "Outage", reason))).splitlines()
    assert "\\<b\\>" in row
    assert "\\[a\\]\\(http" in row
    assert row.replace("\\|", "").count("|") == 6


def test_junit_has_the_assumptions_and_warnings_after_the_tests() -> None:
    text = junit(report(service("a", "Covered"), assumptions=["one"], warnings=["two\x00"]), None)
    case, notes = ElementTree.fromstring(text)
    assert (case.tag, notes.tag) == ("testcase", "system-out")
    assert notes.text == "Assumed: one.\nWarning: two\ufffd"


def test_markdown_has_the_worst_first_and_few_names() -> None:
    text = markdown(
        report(service("a", "Covered"), service("b", "Outage"), assumptions=["one"], warnings=["two *stars*"])
    )
    lines = text.splitlines()
    assert lines[2].startswith("| Outage | shop/b | 7/9 | node0, node1, node2, node3, node4 and 2 more | why |")
    assert lines[3].startswith("| Covered | shop/a |")
    assert "- one" in lines
    assert "- two \\*stars\\*" in lines


def test_no_service_at_all() -> None:
    assert "No Service" in markdown(report())
    assert ElementTree.fromstring(junit(report(), Outcome.Outage)).get("tests") == "0"


def test_markdown_of_the_example() -> None:
    run = etpguard("check", "-f", SEED, "-o", "markdown")
    assert run.code == 0
    assert "| TargetsUnhealthy | default/nginx\\-nginx\\-ingress\\-controller | 2/3 | node2, node3 |" in run.out


@pytest.mark.parametrize("output", ["junit", "markdown"])
def test_policies_have_no_such_output(output: str, tmp_path: Path) -> None:
    line = failed(etpguard("check", "-f", SEED, "-o", output, "--policy", tmp_path / "policy.yaml"))
    assert "use table, json or yaml" in line
