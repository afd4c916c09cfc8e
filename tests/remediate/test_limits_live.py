"""Limits that nobody gets around: by a new Service under the old name, by another tenant's losses, by a clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest

from devcluster import Cluster
from devcluster.objects import wait_for
from etpguard.app.remediation import remediation_controller
from tests.arena import own_namespace
from tests.remediate.stage import Scene, operator

pytestmark = pytest.mark.controlplane


def test_a_service_that_a_tool_deletes_and_creates_again_keeps_its_history(scene: Scene) -> None:
    """Once may be a new installation. The second time counts as a revert, though the Service is another."""
    scene.blackhole()
    scene.policy(remediation={"onDrift": {"maxReverts": 1, "windowSeconds": 3600}})
    with operator(scene):
        uids = {scene.wait_phase("Applied")["serviceUID"]}
        for ends in ("Applied", "Drift"):
            scene.cluster.call("DELETE", scene.service_path())
            created = scene.create(scene.service_manifest())["metadata"]["uid"]
            assert created not in uids
            uids.add(created)
            if ends == "Applied":
                wait_for(lambda: scene.remediation().get("serviceUID") == created, 60, "its own record")  # noqa: B023
                scene.wait_phase("Applied")
        scene.wait_excluded("Drift")
    assert scene.traffic_policy() == "Local"


@pytest.fixture
def tenant(arena: Cluster) -> Iterator[Scene]:
    yield from own_namespace(arena, Scene)


def test_a_namespace_with_many_losses_opens_its_own_breaker_and_no_others(scene: Scene, tenant: Scene) -> None:
    for number in range(5):
        tenant.create(tenant.service_manifest(f"lost-{number}"))
        tenant.create(tenant.ingress_manifest(f"lost-{number}"))
        tenant.place(1, f"lost-{number}")
    tenant.policy()
    scene.blackhole()
    scene.policy()
    began = tenant.cluster.audit_position()
    with operator(scene, namespaces=frozenset({scene.namespace, tenant.namespace}), breaker="2"):
        scene.wait_phase("Applied")
        wait_for(lambda: tenant.excluded(service="lost-0") == "TooManyAffected", 60, "the tenant's exclusion")
    assert scene.traffic_policy() == "Cluster"
    assert not tenant.policy_patches(began)


def test_a_clock_that_is_set_forward_does_not_empty_the_window_of_a_budget(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = 0.0
    by_that_clock = partial(remediation_controller, wall=lambda: time.time() + ahead)
    monkeypatch.setattr("etpguard.app.writing.remediation_controller", by_that_clock)
    for name in ("web", "shop"):
        scene.create(scene.service_manifest(name))
        scene.create(scene.ingress_manifest(name))
        scene.place(1, name)
    scene.policy(remediation={"budgets": [{"services": "1", "perSeconds": 600}]})
    began = scene.cluster.audit_position()
    with operator(scene):
        scene.wait_phase("Applied", name="shop")
        scene.wait_excluded("BudgetExhausted")
        ahead = 7200.0
        # Another assessment, so that rounds decide about it with the new clock.
        scene.place(2)
        wait_for(lambda: scene.report().get("status", {}).get("uncoveredNodes") == 1, 60, "the next assessment")
        time.sleep(3)  # several rounds
        assert scene.excluded() == "BudgetExhausted"
    assert scene.traffic_policy() == "Local"
    assert len(scene.policy_patches(began)) == 1
