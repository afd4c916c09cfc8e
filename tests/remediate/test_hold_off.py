"""A person's rollback holds until a policy is new or has a new generation."""

from __future__ import annotations

import msgspec
import pytest

from etpguard.objects.policies import CoveragePolicy
from etpguard.remediate import hold_off
from etpguard.remediate.decide import Action, decide
from tests.remediate.given import NOW, case, ledger, policy, record


def version(of: CoveragePolicy, generation: int) -> CoveragePolicy:
    return msgspec.structs.replace(of, metadata=msgspec.structs.replace(of.metadata, generation=generation))


OPT_IN, OTHER, NEW = policy(), policy("other"), policy("new")


@pytest.mark.parametrize(
    ("overruled", "now", "held"),
    [
        pytest.param([OPT_IN], [OPT_IN], True, id="nothing changed"),
        pytest.param([OPT_IN, OTHER], [OPT_IN], True, id="another of several policies is deleted"),
        pytest.param([OPT_IN, OTHER], [OTHER, OPT_IN], True, id="another order"),
        pytest.param([OPT_IN], [OPT_IN, NEW], False, id="a policy is new"),
        pytest.param([OPT_IN, OTHER], [version(OPT_IN, 2), OTHER], False, id="a spec changed"),
        pytest.param([version(OPT_IN, 3)], [version(OPT_IN, 2)], True, id="an older picture of the policy"),
        pytest.param([], [OPT_IN], False, id="no policy governed it then"),
    ],
)
def test_until_when_it_holds(overruled: list[CoveragePolicy], now: list[CoveragePolicy], held: bool) -> None:
    text = hold_off.recorded(overruled)
    assert hold_off.holds(text, now) is held
    given = case(*now, remediation=record("RolledBackByUser", held_for=text))
    decision = decide(given, ledger(), NOW)
    assert (decision.reason.code == "RolledBackByUser") is held
    assert held or decision.action is Action.APPLY


@pytest.mark.parametrize("count", [1, 99, 110, 250, 5000])
def test_the_record_never_outgrows_the_bound_of_the_crd(count: int) -> None:
    uid = "0b5a6c1e-7f1d-4d0a-9a55-{:012d}"
    many = [
        msgspec.structs.replace(OPT_IN, metadata=msgspec.structs.replace(OPT_IN.metadata, uid=uid.format(n)))
        for n in range(count)
    ]
    text = hold_off.recorded(many)
    assert len(text) <= hold_off.MAX_LENGTH
    assert hold_off.holds(text, many)
    assert hold_off.holds(text, many[1:])
    assert count > 250 or not hold_off.holds(text, [version(many[0], 2), *many[1:]])
