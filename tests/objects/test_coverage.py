"""The record of a remediation in the report of a Service."""

from __future__ import annotations

import pytest

from etpguard.assess import Reason
from etpguard.objects import Remediation
from etpguard.objects.coverage import Phase


@pytest.mark.parametrize("detail", ["", "a sentence: with a colon"])
def test_a_rollback_that_began_has_the_code_of_its_reason(detail: str) -> None:
    record = Remediation(phase="RollingBack", message=str(Reason("RollbackRequested", detail)))
    assert record.rollback_cause == "RollbackRequested"


@pytest.mark.parametrize("phase", ["Applying", "Applied", "RolledBack"])
def test_in_other_phases_the_message_is_text_alone(phase: Phase) -> None:
    assert Remediation(phase=phase, message="RollbackRequested: a sentence").rollback_cause == ""
