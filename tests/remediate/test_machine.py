"""Random outcomes, clock, policies, kills, lost answers, silent watches, reverts, edits by people: what must hold
through all of it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from etpguard.assess import Outcome
from etpguard.kube.verbs import Request
from etpguard.remediate.ownership import MANAGER
from tests.examples import examples
from tests.remediate.machine import (
    PER_SECONDS,
    POLICIES,
    World,
)
from tests.remediate.model_api import Json


def _runs(number: int, steps: int) -> settings:
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    return settings(max_examples=number, stateful_step_count=steps, deadline=None, suppress_health_check=slow)


class LongWorld(World):
    """The same in more and longer runs."""


def test_in_this_world_something_is_done() -> None:
    world = World()
    world.begin()
    world.traffic_is_lost_for_long("a", Outcome.Outage)
    assert world.flips["a"] == [(MANAGER, "Cluster")]
    world.what_is_changed_is_declared("helm")
    assert world.adopted("a") == "helm"
    for policy in POLICIES:
        world.people_delete_a_policy(policy)
    world.settle()
    assert world.flips["a"] == [(MANAGER, "Cluster")]
    assert not world.wrong


def test_a_lost_record_of_what_another_declares_by_now_holds_up_nobody() -> None:
    world = World()
    world.begin()
    world.traffic_is_lost_for_long("a", Outcome.Outage)
    world.what_is_changed_is_declared("helm")
    world.report_is_lost("a")
    world.restart()
    for _ in range(2 * PER_SECONDS // 20):
        world.quiet_round()
    assert world.flips["b"] == world.flips["c"] == [(MANAGER, "Cluster")]
    owners = world.api.objects["services", "default", "a"]["metadata"]["managedFields"]
    assert [entry["manager"] for entry in owners] == ["helm"]


def test_nothing_is_written_under_a_ledger_of_an_earlier_lead() -> None:
    world = World()
    world.begin()
    reads = world.api.read

    async def slow(request: Request, *, attempts: int = 3) -> Json:
        world.term += 1  # lost and won again meanwhile
        return await reads(request, attempts=attempts)

    world.api.read = slow  # type: ignore[method-assign]
    world.traffic_is_lost_for_long("a", Outcome.Outage)
    assert not any(world.flips.values())
    assert world.record("a") is None


TestWorld = World.TestCase
TestWorld.settings = _runs(examples(40), 40)


@pytest.mark.soak
@pytest.mark.timeout(7200)
class TestLongWorld(LongWorld.TestCase):  # type: ignore[valid-type,misc]
    settings = _runs(2000, 40)
