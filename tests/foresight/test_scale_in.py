"""The order in which a ReplicaSet deletes pods, a named case for each rule."""

from __future__ import annotations

import pytest

from etpguard.foresight.scale_in import deletion_cost, outside, victims
from etpguard.objects import Key, decode_item
from etpguard.objects.pod_controllers import STATEFUL_SET, PodController
from etpguard.objects.pods import POD, Pod
from tests.foresight.clusters import Json, pod, workload

COST = "controller.kubernetes.io/pod-deletion-cost"


def records(*raw: Json) -> list[Pod]:
    return [each for one in raw if isinstance(each := decode_item(POD, one), Pod)]


@pytest.mark.parametrize(
    ("pods", "number", "expected"),
    [
        pytest.param([pod("p", "a"), pod("q", "")], 1, "q", id="unassigned first"),
        pytest.param([pod("p", "a"), pod("q", "b", phase="Pending")], 1, "q", id="pending first"),
        pytest.param([pod("p", "a"), pod("q", "b", ready=False)], 1, "q", id="not ready first"),
        pytest.param(
            [pod("p", "a"), pod("q", "b", annotations={COST: "-5"})], 1, "q", id="the lower deletion cost first"
        ),
        pytest.param(
            [pod("p", "a"), pod("q", "b"), pod("r", "b")], 1, "| q r :1", id="pods that share a node first, tied"
        ),
        pytest.param([pod("p", "a"), pod("q", "b"), pod("r", "b")], 2, "q r", id="both of a node"),
        pytest.param([pod("p", "a"), pod("q", "b")], 1, "| p q :1", id="what depends on the time is tied"),
        pytest.param(
            [pod("p", "a"), pod("q", "b"), pod("r", "c", ready=False)], 2, "r | p q :1", id="certain, then tied"
        ),
        pytest.param([pod("p", "a"), pod("q", "b")], 2, "p q", id="all"),
        pytest.param([pod("p", "a")], 0, "", id="none"),
    ],
)
def test_victims(pods: list[Json], number: int, expected: str) -> None:
    found = victims(records(*pods), number, records(*pods))
    certain = " ".join(key.name for key in found.certain)
    tied = " ".join(key.name for key in found.tied)
    assert (f"{certain} | {tied} :{found.of_tied}".strip() if tied else certain) == expected


def test_a_replicaset_without_a_controller_does_not_count_pods_that_share_a_node() -> None:
    pods = records(pod("p", "a"), pod("q", "b"), pod("r", "b"))
    assert victims(pods, 1, ()).of_tied == 1
    assert len(victims(pods, 1, ()).tied) == 3


@pytest.mark.parametrize(
    ("text", "cost"), [("7", 7), ("-7", -7), ("+7", 0), ("07", 0), ("x", 0), ("2147483648", 0), ("", 0), ("-0", 0)]
)
def test_deletion_costs(text: str, cost: int) -> None:
    (record,) = records(pod("p", "a", annotations={COST: text}))
    assert deletion_cost(record) == cost


@pytest.mark.parametrize(
    ("start", "replicas", "gone"),
    [
        pytest.param(None, 2, {"web-3"}, id="only ordinals that it has no more, also where one is missing"),
        pytest.param(None, 0, {"web-0", "web-1", "web-3"}, id="all"),
        pytest.param(2, 2, set(), id="the ordinals begin later"),
    ],
)
def test_the_pods_that_a_statefulset_deletes(start: int | None, replicas: int, gone: set[str]) -> None:
    ordinals = None if start is None else {"start": start}
    controller = decode_item(STATEFUL_SET, workload("StatefulSet", replicas=4, ordinals=ordinals))
    assert isinstance(controller, PodController)
    pods = [Key("shop", f"web-{number}") for number in (0, 1, 3)]
    assert {key.name for key in outside(controller, pods, replicas)} == gone
