"""A webhook that denies the change, or does not answer: a dry run shows it, Enforce says why, retries are slow,
and once the webhook is gone remediation goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import pytest

from devcluster.objects import wait_for
from tests.remediate.stage import MANAGER, Scene, operator
from tests.remediate.webhook import WORDS, Webhook

pytestmark = pytest.mark.controlplane


@pytest.fixture
def webhook(scene: Scene) -> Iterator[Webhook]:
    """In force over the scene, which is a Blackhole."""
    scene.blackhole()
    with Webhook(scene.cluster, scene.namespace) as made:
        made.wait_for(scene.service_path())
        yield made


def refusal(scene: Scene) -> str:
    """What the policy's status says of the refusal."""
    listed = scene.read_policy().get("status", {}).get("excluded", [])
    return next((str(entry["message"]) for entry in listed if entry["reason"] == "Refused"), "")


def tried(scene: Scene, since: int) -> list[datetime]:
    """When the API server was asked to patch the Service, in a dry run or not, from the audit log."""
    return [
        datetime.fromisoformat(event["requestReceivedTimestamp"])
        for event in scene.cluster.audit(since)
        if event["verb"] == "patch"
        and event["requestURI"].startswith(f"{scene.service_path()}?")
        and f"fieldManager={MANAGER}" in event["requestURI"]
    ]


def wait_for_tries(scene: Scene, since: int, number: int) -> None:
    """Until it was asked so often; each pause was twice as long as the one before, at least."""
    wait_for(lambda: len(tried(scene, since)) >= number, 60, f"{number} tries")
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(tried(scene, since))]
    assert all(pause >= 0.95 * 2**n for n, pause in enumerate(pauses)), pauses


def test_a_dry_run_shows_it_before_anyone_relies_on_the_change(scene: Scene, webhook: Webhook) -> None:
    began = scene.cluster.audit_position()
    scene.policy(mode="DryRun")
    with operator(scene):
        wait_for_tries(scene, began, 3)
        assert webhook.asked
        assert all(request["dryRun"] for request in webhook.asked)
        wait_for(lambda: WORDS in refusal(scene), 60, "the webhook's words in the status")
        [event] = scene.wait_events("RemediationSkipped")
        assert WORDS in event["note"]
        webhook.remove()
        scene.wait_excluded("DryRunDone")
    assert scene.traffic_policy() == "Local"
    assert scene.phase() == ""


def test_enforce_gives_the_reason_and_goes_on_without_the_webhook(scene: Scene, webhook: Webhook) -> None:
    began = scene.cluster.audit_position()
    scene.policy()
    with operator(scene):
        # A first try may have met the first report of the Service, which is written at the same time.
        wait_for(
            lambda: WORDS in scene.wait_phase("Cancelled")["message"], 60, "the webhook's words in the record"
        )
        wait_for_tries(scene, began, 3)
        wait_for(lambda: WORDS in refusal(scene), 60, "the webhook's words in the status")
        [event] = scene.wait_events("RemediationSkipped")
        assert WORDS in event["note"]
        assert scene.traffic_policy() == "Local"
        webhook.remove()
        applied = scene.wait_phase("Applied")
        assert len(applied["intents"]) == 1
        wait_for(lambda: not refusal(scene), 60, "the end of the refusal in the status")
    assert scene.traffic_policy() == "Cluster"


def test_a_webhook_that_does_not_answer(scene: Scene, webhook: Webhook) -> None:
    webhook.go_down()
    began = scene.cluster.audit_position()
    scene.policy()
    with operator(scene):
        wait_for_tries(scene, began, 4)
        wait_for(lambda: "failed calling webhook" in refusal(scene), 60, "the API server's words in the status")
        assert scene.traffic_policy() == "Local"
        webhook.remove()
        scene.wait_phase("Applied")
    assert scene.traffic_policy() == "Cluster"
