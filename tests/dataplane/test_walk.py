"""The seeded random walk, and the proof that the comparison can fail.

WALK_SEED repeats a walk; WALK_STEPS sets the length of the long one.
"""

from __future__ import annotations

import os
import random

import pytest

from devcluster.dataplane import evidence
from tests.dataplane.prediction import Etpguard, Predictor
from tests.dataplane.rule_copy import RuleCopy
from tests.dataplane.scene import Scene
from tests.dataplane.walk import Walk

SHORT = 16
STEPS_TO_A_WRONG_RULE = 40
LONG = int(os.environ.get("WALK_STEPS", "200"))


def walk(scene: Scene, steps: int, predict: Predictor, seed: int) -> str:
    """Walks until the first mismatch; gives what is to be read then, or nothing."""
    way = Walk(scene.lab, scene.namespace, seed, predict)
    try:
        for _ in range(steps):
            if mismatches := way.step():
                return evidence.describe(scene.lab, mismatches, seed=seed, steps=way.said)
    finally:
        way.leave()
    return ""


def _seed(capsys: pytest.CaptureFixture[str], mode: str) -> int:
    seed = int(os.environ.get("WALK_SEED", random.randrange(2**32)))
    with capsys.disabled():  # the next run must be able to repeat this one, even if it hangs or is killed
        print(f"\nrandom walk in {mode} mode: WALK_SEED={seed}")
    return seed


def test_random_walk(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    found = walk(scene, SHORT, Etpguard(), _seed(capsys, scene.lab.mode))
    assert not found, found


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_long_random_walk(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    found = walk(scene, LONG, Etpguard(), _seed(capsys, scene.lab.mode))
    assert not found, found


def test_a_wrong_rule_is_reported(scene: Scene) -> None:
    """With the terminating fallback flipped, the same comparison speaks up, and shows what a person needs."""
    pod = scene.pod("web-1", "node1")
    scene.pod("web-2", "node2")
    scene.service()
    scene.lab.pods.terminate(pod)
    right, wrong = RuleCopy(), RuleCopy(terminating_fallback=False)
    assert scene.mismatches(right) == []

    found = scene.mismatches(wrong)
    assert {(m.key.port, m.key.family, m.cell.node) for m in found if m.cell} == {
        (port, family, "node1") for port in ("http", "tcp", "udp") for family in ("IPv4", "IPv6")
    }
    said = evidence.describe(scene.lab, found, seed=7, steps=["web-1 on node1 terminates"])
    name = f"{scene.namespace}/web"
    for words in (
        "seed 7",
        "step 1: web-1 on node1 terminates",
        f"MISMATCH {name}:http TCP IPv4 on node1 at 198.51.100.10",
        "predicted dropped, observed answered by web-1",
        '"externalTrafficPolicy": "Local"',
        '"terminating": true',
        f"--- rules of node1 for {name}",
        pod.addresses.ipv4,
    ):
        assert words in said


def test_a_walk_by_a_wrong_rule_ends(scene: Scene) -> None:
    """The walk comes through the terminating fallback often enough to find that it is flipped."""
    found = walk(scene, STEPS_TO_A_WRONG_RULE, RuleCopy(terminating_fallback=False), seed=20261122)
    assert "seed 20261122" in found
    assert "predicted dropped, observed answered by" in found
