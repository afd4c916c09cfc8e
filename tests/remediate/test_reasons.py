"""Every reason code of remediation has one place, and the page on remediation has all of them."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from etpguard.objects import SERVICE, Service
from etpguard.objects.decode import decode_item
from etpguard.remediate import checks, events, reasons, skips
from manifests import generated
from tests.docs.console import ROOT

REMEDIATE = Path(reasons.__file__).parent


def test_each_code_is_there_once() -> None:
    codes = [reason.code for reason in reasons.ALL]
    assert len(set(codes)) == len(codes)
    named = [value for value in vars(reasons).values() if isinstance(value, reasons.RemediationReason)]
    assert {reason.code for reason in named} == set(codes)


def test_the_reasons_are_in_the_order_of_the_checks() -> None:
    """The page says that the first one that applies is shown."""
    asked: list[str] = []
    for check in checks.CHECKS:
        named = re.findall(r"reasons\.([A-Z_]+)", inspect.getsource(check))
        asked += [vars(reasons)[name].code for name in named if vars(reasons)[name] not in asked]
    table = [reason.code for reason in reasons.LEFT_ALONE]
    assert asked == [code for code in table if code in asked]
    assert len(asked) > 20


def test_the_page_has_the_tables_that_the_code_gives() -> None:
    page = generated.REMEDIATION_PAGE
    assert page.read_text() == generated.files()[page], "renew it: python -m manifests.generated"
    for reason in reasons.ALL:
        assert f"| `{reason.code}` |" in page.read_text()


@pytest.mark.parametrize("file", [pytest.param(file, id=file.stem) for file in sorted(REMEDIATE.glob("*.py"))])
def test_no_module_makes_a_reason_from_a_literal_code(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Reason":
            assert not isinstance(node.args[0], ast.Constant), f"{file.name}:{node.lineno}"


@pytest.mark.parametrize("reason", reasons.ALL, ids=lambda reason: reason.code)
def test_advice_in_an_event_has_no_markdown(reason: reasons.RemediationReason) -> None:
    advice = reasons.plain_advice(reason.code)
    assert advice
    assert not re.search(r"`|\]\(", advice)


def test_an_event_of_a_skipped_service_ends_with_what_to_do() -> None:
    service = decode_item(SERVICE, {"metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "spec": {}})
    assert isinstance(service, Service)
    long = reasons.GIT_OPS_OWNED.because("Helm release web " * 100)
    event = events.remediation_skipped(service=service, reason=long)
    assert event.note.startswith("GitOpsOwned: Helm release web")
    assert event.note.endswith("Or set gitOpsOwned: Patch and see GitOps tools")
    assert len(event.note) == 1024


def test_the_page_names_the_reasons_that_have_an_event() -> None:
    page = (ROOT / "docs" / "kubectl.md").read_text()
    (row,) = (line for line in page.splitlines() if line.startswith("| `RemediationSkipped` |"))
    named = set(re.findall(r"`([A-Z]\w+)`", row)) & {reason.code for reason in reasons.ALL}
    assert named == skips.ANNOUNCED
