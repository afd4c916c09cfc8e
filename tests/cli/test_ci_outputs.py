"""What CI systems read: JUnit XML, SARIF and Markdown. The first two are valid by their schemas."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
import yaml

from etpguard.cli.output.junit import junit
from etpguard.cli.output.markdown import markdown
from etpguard.cli.output.sarif import sarif
from etpguard.outcomes import Outcome
from tests.cli.program import SEED, etpguard, failed

SCHEMAS = Path(__file__).parent / "schemas"
EVERY = tuple(Outcome.__members__)


@pytest.fixture(scope="module")
def sarif_schema() -> jsonschema.Draft4Validator:
    """The schema of SARIF 2.1.0 (rtm.5), as in @microsoft/jest-sarif 1.0.0-beta.0."""
    return jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0.json").read_text()))


@pytest.fixture(scope="module")
def junit_schema() -> xmlschema.XMLSchema:
    """junit-10.xsd of the xUnit plugin of Jenkins, as in pytest 9.2.0."""
    return xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd")


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


def report(*services: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"services": list(services), "internal": [], "assumptions": [], "warnings": [], **more}


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
    (case,) = ElementTree.fromstring(junit([report(service("web", outcome))], fail_on, {}))
    assert [each.tag for each in case] == [element]


def test_hostile_text_stays_text() -> None:
    reason = "<b>&\x00\x1b]0;x\x07 | `x` [a](http://b)\n# x"
    (case,) = ElementTree.fromstring(junit([report(service("web", "Outage", reason))], Outcome.Outage, {}))
    assert "<b>&" in (case[0].get("message") or "")
    (_, _, row) = markdown([report(service("web", "Outage", reason))], {}).splitlines()
    assert "\\<b\\>" in row
    assert "\\[a\\]\\(http" in row
    assert row.replace("\\|", "").count("|") == 6
    assert row.isprintable()


def test_a_comment_of_a_pipeline_mentions_nobody_and_has_no_link() -> None:
    reason = "@org/team &commat;org https://evil.example www.evil.example a@evil.example"
    (_, _, row) = markdown([report(service("web", "Outage", reason))], {}).splitlines()
    assert re.findall(r"@(?!&#8203;)|[^\\\\]://|www\.|&c", row) == []


@pytest.mark.parametrize("reference", ["kubernetes/kubernetes#1", "#1", "GH-1", "gh-1", "@org#1", "&#1"])
def test_a_comment_of_a_pipeline_refers_to_no_issue(reference: str) -> None:
    (_, _, row) = markdown([report(service("web", "Outage", f"see {reference}"))], {}).splitlines()
    assert re.findall(r"(?:#|GH\\?-)\d", row.replace("&#8203;", "_"), re.IGNORECASE) == []
    assert html.unescape(row).replace("\u200b", "").replace("\\", "").count(f"see {reference} |") == 1


def test_junit_has_the_assumptions_and_warnings_after_the_tests() -> None:
    text = junit([report(service("a", "Covered"), assumptions=["one"], warnings=["two\x00"])], None, {})
    case, notes = ElementTree.fromstring(text)
    assert (case.tag, notes.tag) == ("testcase", "system-out")
    assert notes.text == "Assumed: one.\nWarning: two\\x00"


def test_markdown_has_the_worst_first_and_few_names() -> None:
    text = markdown(
        [report(service("a", "Covered"), service("b", "Outage"), assumptions=["one"], warnings=["two *stars*"])],
        {},
    )
    lines = text.splitlines()
    assert lines[2].startswith("| Outage | shop/b | 7/9 | node0, node1, node2, node3, node4 and 2 more | why |")
    assert lines[3].startswith("| Covered | shop/a |")
    assert "- one" in lines
    assert "- two \\*stars\\*" in lines


def test_no_service_at_all() -> None:
    assert "No Service" in markdown([report()], {})
    assert ElementTree.fromstring(junit([report()], Outcome.Outage, {})).get("tests") == "0"


def test_markdown_of_the_example() -> None:
    run = etpguard("check", "-f", SEED, "-o", "markdown")
    assert run.code == 0
    assert "| TargetsUnhealthy | default/nginx\\-nginx\\-ingress\\-controller | 2/3 | node2, node3 |" in run.out


@pytest.mark.parametrize("output", ["junit", "markdown", "sarif", "html"])
def test_policies_have_no_such_output(output: str, tmp_path: Path) -> None:
    line = failed(etpguard("check", "-f", SEED, "-o", output, "--policy", tmp_path / "policy.yaml"))
    assert "use table, json or yaml" in line


FAILED = {"mars": "cannot reach https://mars: <no route>\x00"}
HOSTILE = "<b>&\x00\x1b]0;x\x07 | `x` \ud7ff"


@pytest.mark.parametrize("fail_on", [Outcome.Blackhole, None])
@pytest.mark.parametrize("failed_clusters", [{}, FAILED])
def test_both_are_valid_for_every_outcome(
    fail_on: Outcome | None,
    failed_clusters: dict[str, str],
    sarif_schema: jsonschema.Draft4Validator,
    junit_schema: xmlschema.XMLSchema,
) -> None:
    whole = report(*(service(name.lower(), name, HOSTILE) for name in EVERY), warnings=["w"], assumptions=["a"])
    reports = [whole | {"cluster": "earth"}, report(cluster="moon")] if failed_clusters else [whole]
    junit_schema.validate(junit(reports, fail_on, failed_clusters))
    made = sarif([(each, "https://127.0.0.1:6443") for each in reports], fail_on, failed_clusters)
    assert [error.message for error in sarif_schema.iter_errors(made)] == []
    assert len(made["runs"]) == len(reports) + len(failed_clusters)


@pytest.mark.parametrize("arguments", [(), ("--fail-on", "TargetsUnhealthy"), ("--fail-on", "never")])
def test_what_the_command_prints_is_valid(
    arguments: tuple[str, ...], sarif_schema: jsonschema.Draft4Validator, junit_schema: xmlschema.XMLSchema
) -> None:
    log = etpguard("check", "-f", SEED, "-o", "sarif", *arguments).report
    assert [error.message for error in sarif_schema.iter_errors(log)] == []
    junit_schema.validate(etpguard("check", "-f", SEED, "-o", "junit", *arguments).out)


def test_the_schemas_refuse_what_is_wrong(
    sarif_schema: jsonschema.Draft4Validator, junit_schema: xmlschema.XMLSchema
) -> None:
    assert not sarif_schema.is_valid({"version": "2.1.0", "runs": [{"results": []}]})
    assert not junit_schema.is_valid("<testsuite><case/></testsuite>")


def test_sarif_of_the_example() -> None:
    (run,) = etpguard("check", "-f", SEED, "-o", "sarif").report["runs"]
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("TargetsUnhealthy", "warning")
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "TargetsUnhealthy"
    (place,) = result["locations"]
    assert place["physicalLocation"]["artifactLocation"] == {"uri": str(SEED)}
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "default/nginx-nginx-ingress-controller"
    texts = [each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]]
    assert any(text.startswith("kube-proxy") or "kube-proxy" in text for text in texts)


@pytest.mark.parametrize(
    ("outcome", "fail_on", "level"),
    [
        ("Blackhole", Outcome.Blackhole, "error"),
        ("Outage", None, "warning"),
        ("TargetsUnhealthy", Outcome.Blackhole, "warning"),
        ("Unknown", Outcome.Blackhole, "note"),
        ("Unknown", Outcome.Unknown, "error"),
    ],
)
def test_the_level_of_a_result(outcome: str, fail_on: Outcome | None, level: str) -> None:
    (run,) = sarif([(report(service("web", outcome)), "")], fail_on, {})["runs"]
    assert [each["level"] for each in run["results"]] == [level]


def inside(outcome: str) -> dict[str, Any]:
    """An entry of `internal[]`."""
    reasons = [{"cause": "NodeSelector", "message": "first"}, {"cause": "Rollout", "message": "second"}]
    causes = [{"reasons": reasons, "nodes": ["n1", "n2"], "pods": []}]
    return {**service("web", outcome), "causes": causes}


@pytest.mark.parametrize(
    ("outcome", "fail_on", "internal", "level"),
    [
        pytest.param("Uncovered", Outcome.Blackhole, False, "warning", id="not counted without --internal"),
        pytest.param("Uncovered", Outcome.Blackhole, True, "error", id="Uncovered counts as Blackhole"),
        pytest.param("Uncovered", Outcome.Outage, True, "warning", id="which is better than Outage"),
        pytest.param("NoEndpoints", Outcome.Blackhole, True, "warning", id="NoEndpoints"),
        pytest.param("Unknown", Outcome.Blackhole, True, "note", id="Unknown"),
        pytest.param("Uncovered", None, True, "warning", id="never"),
    ],
)
def test_the_level_of_a_result_for_clients_in_the_cluster(
    outcome: str, fail_on: Outcome | None, internal: bool, level: str
) -> None:
    whole = report(service("web", "Covered"), internal=[inside(outcome)])
    (run,) = sarif([(whole, "")], fail_on, {}, internal=internal)["runs"]
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == (f"Internal{outcome}", level)
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == f"Internal{outcome}"
    assert result["message"]["text"].splitlines() == [
        f"shop/web (clients in the cluster): {outcome}: why",
        "n1, n2: first, and second",
        "Do this.",
    ]


def test_both_results_of_one_service_have_different_fingerprints(sarif_schema: jsonschema.Draft4Validator) -> None:
    whole = report(service("web", "Outage"), internal=[inside("Uncovered"), inside("Covered")], cluster="earth")
    log = sarif([(whole, "")], None, {})
    found = [each["partialFingerprints"] for each in log["runs"][0]["results"]]
    assert found == [{"service/v1": "earth/shop/web"}, {"service-internal/v1": "earth/shop/web"}]
    assert [error.message for error in sarif_schema.iter_errors(log)] == []


@pytest.mark.parametrize("outcome", ["Covered", "NotAffected"])
def test_a_service_without_a_problem_is_no_result(outcome: str) -> None:
    (run,) = sarif([(report(service("web", outcome)), "")], Outcome.NotAffected, {})["runs"]
    assert run["results"] == []


@pytest.mark.parametrize(
    ("place", "artifact", "bases"),
    [
        pytest.param(
            "https://api:6443",
            {"uri": "namespaces/shop/services/web", "uriBaseId": "CLUSTER"},
            {"CLUSTER": {"uri": "https://api:6443/api/v1/"}},
            id="a cluster",
        ),
        pytest.param("dir/a b.yaml", {"uri": "dir/a%20b.yaml"}, None, id="a file"),
        pytest.param("", {"uri": "namespaces/shop/services/web"}, None, id="several files, or stdin"),
    ],
)
def test_where_a_result_is(place: str, artifact: dict[str, str], bases: Any) -> None:
    (run,) = sarif([(report(service("web", "Outage")), place)], None, {})["runs"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == artifact
    assert run.get("originalUriBaseIds") == bases


def test_the_reusable_workflow_reads_once_and_fails_by_the_report(tmp_path: Path) -> None:
    """Its last step as the runner runs it, with a dump instead of a cluster."""
    workflow = yaml.load((SEED.parents[2] / ".github" / "workflows" / "check.yaml").read_text(), yaml.CSafeLoader)
    script = workflow["jobs"]["check"]["steps"][-1]["run"].replace(
        "etpguard dump -o state.json", f"cp {SEED} state.json"
    )
    (tmp_path / "etpguard").write_text(f'#!/bin/sh\nexec {sys.executable} -m etpguard "$@"\n')
    (tmp_path / "etpguard").chmod(0o755)
    codes = []
    for fail_on in ("Blackhole", "TargetsUnhealthy"):
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=tmp_path,
            env=os.environ
            | {
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "FAIL_ON": fail_on,
                "ARGUMENTS": "-n default --max-nodes 5",
                "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        codes.append(done.returncode)
        assert "Traceback" not in done.stderr
    assert codes == [0, 1]
    assert (tmp_path / "summary").read_text().count("| TargetsUnhealthy |") == 2


def test_markdown_of_several_clusters() -> None:
    text = markdown(
        [report(service("a", "Covered"), cluster="earth"), report(cluster="moon")], {"mars": "no *answer*"}
    )
    assert [line for line in text.splitlines() if line.startswith("##")] == ["## earth", "## moon", "## mars"]
    assert "Not read: no \\*answer\\*" in text


def test_junit_of_several_clusters() -> None:
    reports = [report(service("a", "Outage"), cluster="earth")]
    suites = ElementTree.fromstring(junit(reports, Outcome.Outage, {"mars": "no answer"}))
    assert [(each.get("name"), each.get("failures"), each.get("errors")) for each in suites] == [
        ("etpguard earth", "1", "0"), ("etpguard mars", "0", "1"),
    ]  # fmt: skip
    assert suites[0][0].get("classname") == "earth.shop"
