"""Where the signs leave several data planes possible, an outcome that depends on them is Unknown."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from etpguard.assess import Assessment, DataPlane, KnownDataPlane
from etpguard.assess.data_planes.interface import NodePlanes, PlaneGroup
from etpguard.assess.outcome import Outcome
from etpguard.assess.variants import agreed
from tests.foresight.clusters import WEB, alb, check, endpoints, node, pod, service

CILIUM = NodePlanes((PlaneGroup(KnownDataPlane(DataPlane.CILIUM, version="v1.20.2", settings=()), 7),))
KUBE_PROXY = NodePlanes((PlaneGroup(KnownDataPlane(DataPlane.KUBE_PROXY), 7),))


def assessed(outcome: Outcome, consumer: Outcome | None = None) -> Assessment:
    """One Service with one consumer."""
    on_a = [pod("p", "a")]
    found = check([node("a"), node("b"), service(), endpoints(on_a), *on_a, *alb()])[WEB]
    (verdict,) = found.consumers
    return replace(found, outcome=outcome, consumers=(replace(verdict, outcome=consumer or outcome),))


@pytest.mark.parametrize(
    ("mine", "theirs", "expected", "words"),
    [
        pytest.param(
            assessed(Outcome.Blackhole), assessed(Outcome.Blackhole), Outcome.Blackhole, "", id="the same"
        ),
        pytest.param(
            assessed(Outcome.Covered),
            assessed(Outcome.Blackhole),
            Outcome.Unknown,
            "With cilium the outcome is Covered, with kube-proxy it is Blackhole",
            id="another one",
        ),
        pytest.param(
            assessed(Outcome.Unknown), assessed(Outcome.Blackhole), Outcome.Unknown, "", id="already Unknown"
        ),
        pytest.param(
            assessed(Outcome.Covered),
            None,
            Outcome.Unknown,
            "With cilium the outcome is Covered, with kube-proxy it is not served",
            id="the other one does not serve it",
        ),
        pytest.param(
            None,
            assessed(Outcome.Blackhole),
            Outcome.Unknown,
            "With cilium the outcome is not served, with kube-proxy it is Blackhole",
            id="only the other one serves it",
        ),
    ],
)
def test_the_outcome(mine: Assessment | None, theirs: Assessment | None, expected: Outcome, words: str) -> None:
    found = agreed(mine, CILIUM, theirs, KUBE_PROXY)
    assert found is not None
    assert found.outcome is expected
    if words:
        assert found.reason is not None
        assert found.reason.code == "DataPlaneNotKnown"
        assert words in found.reason.detail
        assert "--data-plane" in found.reason.detail


def test_a_service_that_neither_serves_is_not_assessed() -> None:
    assert agreed(None, CILIUM, None, KUBE_PROXY) is None


def test_a_consumer_is_unknown_alone_where_only_its_outcome_differs() -> None:
    mine, theirs = assessed(Outcome.Blackhole, Outcome.Covered), assessed(Outcome.Blackhole)
    found = agreed(mine, CILIUM, theirs, KUBE_PROXY)
    assert found is not None
    assert found.outcome is Outcome.Blackhole
    (verdict,) = found.consumers
    assert verdict.outcome is Outcome.Unknown
    assert verdict.reason.code == "DataPlaneNotKnown"
