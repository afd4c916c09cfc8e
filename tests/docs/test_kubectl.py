"""docs/kubectl.md shows the columns, the conditions and the Events that there are."""

from __future__ import annotations

import re

import yaml

from etpguard.assess import Outcome
from etpguard.report import events
from etpguard.report.messages import covered, delivered
from tests.docs.console import ROOT

PAGE = (ROOT / "docs" / "kubectl.md").read_text()


def test_the_table_of_reports_has_the_columns_of_the_crd() -> None:
    (version,) = yaml.safe_load((ROOT / "crds" / "servicecoverages.yaml").read_text())["spec"]["versions"]
    columns = [column["name"].upper() for column in version["additionalPrinterColumns"]]
    header = PAGE.partition("$ kubectl get cov -A -o wide\n")[2].partition("\n")[0]
    assert header.split() == ["NAMESPACE", "NAME", *columns]
    wide = sum(column.get("priority", 0) for column in version["additionalPrinterColumns"])
    assert (wide, "the last three columns are not there" in PAGE) == (3, True)


def test_each_outcome_has_the_conditions_that_the_page_says() -> None:
    rows = re.findall(r"^\| (`.+`) \| (True|False|Unknown) \| (True|False|Unknown) \|$", PAGE, re.MULTILINE)
    said = {name: (first, second) for names, first, second in rows for name in re.findall(r"`(\w+)`", names)}
    assert said == {outcome.name: (covered(outcome), delivered(outcome)) for outcome in Outcome}


def test_a_rollout_waits_for_no_condition_that_is_false_where_a_load_balancer_routes_around_nodes() -> None:
    waited_for = set(re.findall(r"^kubectl wait .*--for=condition=(\S+)", PAGE, re.MULTILINE))
    status = {"Covered": covered(Outcome.TargetsUnhealthy), "Delivered": delivered(Outcome.TargetsUnhealthy)}
    assert {name: status.get(name.removeprefix("etpguard.dev/")) for name in waited_for} == {"Delivered": "True"}


def test_each_event_is_in_the_table() -> None:
    """By the admission policy, which permits no other."""
    allowed = (ROOT / "manifests" / "base" / "admission-policy.yaml").read_text()
    reasons = re.findall(r"'etpguard\.dev/\w+': \[(.+?)\]", allowed)
    rows = re.findall(r"^\| `(\w+)` \| (Normal|Warning) \| (.+) \|$", PAGE, re.MULTILINE)
    assert {reason for reason, _, _ in rows} == {name for names in reasons for name in re.findall(r"\w+", names)}
    for (reason, warning), outcomes in events.OUTCOMES.items():
        ((type_, when),) = ((type_, when) for name, type_, when in rows if name == reason)
        assert type_ == ("Warning" if warning else "Normal") or "Normal if" in when
        assert {outcome.name for outcome in outcomes} <= set(re.findall(r"`(\w+)`", when)), reason
