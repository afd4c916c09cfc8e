"""What is wrong with a policy, as far as its schema does not show it."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.remediate.policy_faults import mistake
from tests.remediate.given import accepting, policy


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        pytest.param({"schedule": "0 9 * *", "durationSeconds": 60}, "schedule", id="four fields"),
        pytest.param({"schedule": "0 0 30 2 *", "durationSeconds": 60}, "schedule", id="no such day"),
        pytest.param(
            {"schedule": "* * * * *", "timeZone": "../../etc", "durationSeconds": 60}, "timeZone", id="path"
        ),
        pytest.param(
            {"schedule": "* * * * *", "timeZone": "Europe", "durationSeconds": 60}, "timeZone", id="folder"
        ),
    ],
)
def test_what_means_nothing_is_named(budget: dict[str, object], expected: str) -> None:
    assert mistake(policy(remediation=accepting(budgets=[{}, budget]))).startswith(
        f"spec.remediation.budgets[1].{expected}"
    )


@pytest.mark.parametrize("field", ["serviceSelector", "namespaceSelector"])
@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        pytest.param({"operator": "In", "values": ["a"]}, "", id="In"),
        pytest.param({"operator": "Exists"}, "", id="Exists"),
        pytest.param({"operator": "In"}, "In needs values", id="In what"),
        pytest.param({"operator": "NotIn", "values": []}, "NotIn needs values", id="not in nothing: all"),
        pytest.param({"operator": "Exists", "values": ["a"]}, "Exists takes no values", id="exists, and has"),
    ],
)
def test_a_selector_says_what_it_selects(field: str, part: dict[str, object], wrong: str) -> None:
    spec: dict[str, Any] = {field: {"matchExpressions": [{"key": "tier", **part}]}}
    made = policy(**spec)
    assert mistake(made) == (wrong and f"spec.{field}.matchExpressions[0]: {wrong}")
