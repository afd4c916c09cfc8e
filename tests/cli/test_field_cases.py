"""Cases rebuilt from public reports: `etpguard check -f` gives an outcome that is right for each Service.

tests/cases/field/expected.json names the outcomes that are right, several where the API does not decide.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import etpguard

CASES = Path(__file__).parents[1] / "cases" / "field"
EXPECTED: dict[str, dict[str, Any]] = json.loads((CASES / "expected.json").read_text())


def services(*arguments: str) -> dict[str, dict[str, Any]]:
    """The reports of the Services, by namespace/name."""
    files = [part for name in arguments for part in ("-f", str(CASES / name))]
    return {
        f"{each['namespace']}/{each['name']}": each
        for each in etpguard("check", *files, "-o", "json").report["services"]
    }


def text_of(case: str, service: str) -> str:
    """All of `etpguard explain`, in one line."""
    namespace, _, name = service.partition("/")
    return " ".join(etpguard("explain", f"service/{name}", "-n", namespace, "-f", CASES / case).out.split())


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_outcome(case: str) -> None:
    expected = dict(EXPECTED[case])
    check = expected.pop("healthCheck", None)
    found = services(case)
    for service, right in expected.items():
        report = found[service]
        assert report["outcome"] in right, (service, report["reason"])
        if check:
            assert {c["healthCheck"]["protocol"] for c in report["consumers"]} == {check["protocol"]}
