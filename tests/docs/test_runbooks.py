"""The runbooks quote what etpguard prints, and warn before the command, not after it."""

from __future__ import annotations

import re

import pytest

from tests.docs.console import ROOT

RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = sorted(page.stem for page in RUNBOOKS.glob("*.md"))


def text(alert: str) -> str:
    return " ".join((RUNBOOKS / f"{alert}.md").read_text().split())


@pytest.mark.parametrize(
    ("page", "quotes"),
    [
        (
            "EtpguardTrafficLost",
            (
                "no target is healthy",
                "too few targets are healthy",
                "Let every node forward",
                "Do not change the policy to Cluster before the health check",
            ),
        ),
        ("EtpguardNoLeader", ("another etpguard installation leads",)),
    ],
)
def test_a_quotation_is_what_etpguard_says(page: str, quotes: tuple[str, ...]) -> None:
    code = "\n".join(file.read_text() for file in (ROOT / "operator").rglob("*.py"))
    for quote in quotes:
        assert f"`{quote}`" in text(page), quote
        assert quote in code, quote


def test_the_change_to_cluster_follows_each_warning_of_explain() -> None:
    """Not those of some load balancers: others say it in other words."""
    warned = text("EtpguardTrafficLost").partition("kubectl patch service")[0].rpartition("2. **")[2]
    for kind in ("something comes first", "changes too", "another place", "other Services", "its commands"):
        assert kind in warned


def test_what_must_be_done_first_is_there_before_the_command() -> None:
    lost = text("EtpguardTrafficLost")
    command = lost.index("kubectl patch service")
    assert all(lost.index(f"`{each}`") < command for each in ("no target is healthy", "Let every node forward"))
    assert lost.index("make sure that the pods answer") < lost.index("**Does Helm")


@pytest.mark.parametrize("page", PAGES)
def test_no_runbook_deletes_what_others_need(page: str) -> None:
    """Neither all objects of a kind, nor every alert of a Service without a word about it."""
    lines = text(page)
    assert not re.search(r"(?<!Do not )delete (its|the) CustomResourceDefinition", lines)
    if "etpguard.dev/ignore" in lines:
        assert "etpguard then reports nothing about the Service any more, not even an outage" in lines


def test_the_runbook_of_reverts_names_the_services() -> None:
    reverted = text("EtpguardRemediationReverted")
    assert ".status.remediation.reverts[*].manager" in reverted
    assert "Someone" not in reverted
