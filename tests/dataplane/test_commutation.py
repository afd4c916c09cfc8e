"""What `what-if` says of a change is what `check` says, and what connections meet, after the change is made."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from devcluster import objects
from etpguard.assess import Outcome
from etpguard.cli.input.sources import Sources, assess
from etpguard.foresight.changes import Change, Lose, Policy, Scale, TargetNodes, Workload
from etpguard.foresight.forecasts.forecast import Case
from etpguard.foresight.what_if import what_if
from etpguard.foresight.worlds.bounds import rank
from etpguard.objects import Key
from etpguard.settings import Settings
from tests.dataplane.alb import WEB, ingress
from tests.dataplane.scene import Scene

SHORT, LONG = 3, 50
"""Clusters for each of the two proxy modes."""
TARGETS = "alb.ingress.kubernetes.io/target-node-labels"
EXTRA = "node4"
Shown = tuple[str, int, int]


class Play:
    """One Service behind an ALB on four nodes, whose pods seem to be a StatefulSet's."""

    def __init__(self, scene: Scene, random: Random) -> None:
        self.scene = scene
        self.random = random
        self.key = Key(scene.namespace, "web")
        self._apps = f"/apis/apps/v1/namespaces/{scene.namespace}/statefulsets"
        scene.lab.nodes.add(EXTRA)
        scene.service(**WEB)
        probe = random.choice(({}, {"healthcheck_port": "10256", "healthcheck_path": "/healthz"}))
        ingress(scene, **probe)
        self.replicas = random.randint(2, 5)
        self._furnish()

    def _furnish(self) -> None:
        cluster = self.scene.lab.cluster
        labels = {"app": "web"}
        body = {
            "metadata": {"name": "web"},
            "spec": {
                "replicas": self.replicas,
                "serviceName": "web",
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "c", "image": "x"}]},
                },
            },
        }
        made = cluster.call("POST", self._apps, body)
        owner = {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "name": "web",
            "uid": made["metadata"]["uid"],
            "controller": True,
        }
        nodes = sorted(self.scene.lab.nodes.running)
        for number in range(self.replicas):
            pod = self.scene.pod(f"web-{number}", self.random.choice(nodes), ready=self.random.random() < 0.85)
            path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
            cluster.call("PATCH", path, {"metadata": {"ownerReferences": [owner]}})

    def close(self) -> None:
        if EXTRA in self.scene.lab.nodes.running:
            for pod in self.scene.lab.pods.on(EXTRA):
                self.scene.lab.pods.end(pod)
            self.scene.lab.nodes.remove(EXTRA)
        self.scene.lab.cluster.request("DELETE", f"{self._apps}/web", {"propagationPolicy": "Orphan"})

    def scale(self) -> tuple[Change, Callable[[], object]]:
        wanted = self.random.randint(1, self.replicas)
        leaving = [f"web-{number}" for number in range(wanted, self.replicas)]
        self.replicas = wanted

        def make() -> None:
            for pod in [p for p in self.scene.lab.pods.existing.values() if p.namespace == self.scene.namespace]:
                if pod.name in leaving:
                    self.scene.lab.pods.end(pod)

        return Scale(Workload("StatefulSet", self.key), wanted), make

    def policy(self, policy: str) -> tuple[Change, Callable[[], object]]:
        patch = {"spec": {"externalTrafficPolicy": policy}}
        return Policy(self.key, policy), lambda: self.scene.patch_service("web", patch)

    def target_nodes(self) -> tuple[Change, Callable[[], object]]:
        node = self.random.choice(sorted(self.scene.lab.nodes.running))
        selector = f"kubernetes.io/hostname={node}"
        patch = {"metadata": {"annotations": {TARGETS: selector}}}
        return TargetNodes(self.key, selector), lambda: self.scene.patch_service("web", patch)

    def lose(self) -> tuple[Change, Callable[[], object]]:
        def make() -> None:
            for pod in self.scene.lab.pods.on(EXTRA):
                self.scene.lab.pods.end(pod)
            self.scene.lab.nodes.remove(EXTRA)

        return Lose((EXTRA,)), make

    def assert_commutes(self, change: Change, make: Callable[[], object]) -> None:
        """The forecast of `during` for a loss, of `settled` for all others. Nothing here creates pods: where a
        scale would create those that a loss took, the truth is within the bounds."""
        self.scene.lab.settle()
        before, forecast = self._forecast(change)
        make()
        self.scene.compared()
        after = self._now()
        phases = next((each for each in forecast if each.service == self.key), None)
        if phases is None:
            assert after == before, change
            return
        bounds = phases.during if isinstance(change, Lose) else phases.settled
        worst, best = _shown(bounds.worst), _shown(bounds.best)
        if isinstance(change, Scale) and worst != best:
            ranks = [rank(Outcome[shown[0]]) for shown in (best, after, worst)]
            assert ranks == sorted(ranks), f"{change}: {before} before"
        else:
            assert (worst, best) == (after, after), f"{change}: {before} before"

    def _forecast(self, change: Change) -> tuple[Shown, Any]:
        assessed = self._assessed()
        before = _shown(Case(assessed.assessments.get(self.key)))
        return before, what_if(assessed.loaded.picture, assessed.engine, [change]).services

    def _now(self) -> Shown:
        return _shown(Case(self._assessed().assessments.get(self.key)))

    def _assessed(self) -> Any:
        settings = Settings(kubeconfig=str(self.scene.lab.cluster.kubeconfig))
        return assess(Sources(settings=settings, for_what_if=True))


def _shown(case: Case) -> Shown:
    found = case.assessment
    eligible, uncovered = (found.eligible.bit_count(), found.uncovered.bit_count()) if found else (0, 0)
    return case.outcome.name, eligible, uncovered


def play(scene: Scene, seed: int) -> None:
    random = Random(seed)
    made = Play(scene, random)
    try:
        changes = [made.scale, made.target_nodes, made.lose]
        random.shuffle(changes)
        for each in changes:
            made.assert_commutes(*each())
        made.assert_commutes(*made.policy("Cluster"))
        made.assert_commutes(*made.policy("Local"))
    finally:
        made.close()
    objects.wait_for(lambda: EXTRA not in scene.lab.nodes.running, 60, "the end of the node")


@pytest.mark.parametrize("seed", range(SHORT))
def test_changes_commute(behind_alb: Scene, seed: int) -> None:
    play(behind_alb, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(SHORT, LONG))
def test_changes_commute_on_many_clusters(behind_alb: Scene, seed: int) -> None:
    play(behind_alb, seed)
