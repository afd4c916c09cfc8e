"""SIGKILL at the requests of apply and rollback, right before each is forwarded and right after the API server has
answered it; then a new process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from devcluster.http_proxy import HttpProxy
from devcluster.http_rules import Request
from devcluster.objects import wait_for
from tests.remediate.stage import MANAGER, Scene, operator

pytestmark = pytest.mark.controlplane

APPLY = range(14)
"""Requests in the Service's namespace from the first look to the record."""
SOME_OF_APPLY = (2, 3, 10, 11, 12, 13)
"""Right after one is answered is right before the next one is forwarded: both sides only of the last."""
ROLL_BACK = range(8)
SOME_OF_ROLL_BACK = (2, 4, 6)

either_side = pytest.mark.parametrize(
    "after", [False, True], ids=["before it is forwarded", "after it is answered"]
)


@contextmanager
def process(kubeconfig: Path, namespace: str) -> Iterator[subprocess.Popen[bytes]]:
    flags = {
        "kubeconfig": str(kubeconfig),
        "namespaces": namespace,
        "listen": "127.0.0.1:0",
        "leader-elect": "off",
        "write-conditions": "off",
        "write-reports": "off",
        "write-events": "off",
        "max-remediations": "100/600s",
        "breaker": "100%",
    }
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    child = subprocess.Popen(
        [sys.executable, "-m", "etpguard", "run", *arguments],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "operator")},
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


class Killer:
    """Kills the process at the `number`-th request that remediation makes about the Service from `arm` on."""

    def __init__(self, proxy: HttpProxy, scene: Scene, number: int, *, after: bool) -> None:
        self.done = threading.Event()
        self._left = number
        self._scene = scene
        self._child: subprocess.Popen[bytes] | None = None
        if after:
            proxy.after_response = self._after
        else:
            proxy.before_forward = self._before

    def arm(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child

    def _before(self, request: Request) -> bool:
        return not self._due(request)

    def _after(self, request: Request) -> None:
        self._due(request)

    def _due(self, request: Request) -> bool:
        """A dead process asks for nothing more."""
        if self._child is None or request.watch or f"/namespaces/{self._scene.namespace}/" not in request.path:
            return False
        self._left -= 1
        if self._left >= 0:
            return False
        self._child.kill()
        self.done.set()
        return True


def survive(scene: Scene, number: int, *, after: bool, begin: Callable[[], object] = lambda: None) -> bool:
    """Run a process until it is killed there; False if it never made that many requests."""
    with HttpProxy(scene.cluster) as proxy:
        killer = Killer(proxy, scene, number, after=after)
        kubeconfig = scene.cluster.kubeconfig_for(server=proxy.server)
        with process(kubeconfig, scene.namespace) as child:
            killer.arm(child)
            begin()
            killed = killer.done.wait(180)  # on a busy machine a process takes a minute to start
            proxy.before_forward = proxy.after_response = None
            if killed:
                child.wait(5)
            return killed


def known(scene: Scene) -> bool:
    """Whether the report records the change, if the Service has one."""
    changed = scene.traffic_policy() == "Cluster"
    return not changed or scene.phase() in ("Applying", "Applied", "RollingBack")


@pytest.mark.parametrize(
    ("number", "after"), [*((number, False) for number in SOME_OF_APPLY), (SOME_OF_APPLY[-1], True)]
)
def test_killed_while_it_applies(scene: Scene, number: int, after: bool) -> None:
    killed_while_it_applies(scene, number, after=after)


@pytest.mark.soak
@either_side
@pytest.mark.parametrize("number", APPLY)
def test_killed_at_each_request_of_an_apply(scene: Scene, number: int, after: bool) -> None:
    killed_while_it_applies(scene, number, after=after)


def killed_while_it_applies(scene: Scene, number: int, *, after: bool) -> None:
    scene.blackhole()
    scene.policy()
    began = scene.cluster.audit_position()
    assert survive(scene, number, after=after), f"an apply makes no {number + 1} requests"
    assert known(scene)
    with operator(scene, write_reports=False, write_events=False):
        record = scene.wait_phase("Applied")
        assert scene.traffic_policy() == "Cluster"
        assert len(record["intents"]) <= 2
        scene.delete_policy()
    accepted = [e for e in scene.policy_patches(began) if e["responseStatus"]["code"] == 200]
    assert len(accepted) == 1, "patched twice without a rollback between"


@either_side
@pytest.mark.parametrize("number", SOME_OF_ROLL_BACK)
def test_killed_while_it_rolls_back(scene: Scene, number: int, after: bool) -> None:
    killed_while_it_rolls_back(scene, number, after=after)


@pytest.mark.soak
@either_side
@pytest.mark.parametrize("number", ROLL_BACK)
def test_killed_at_each_request_of_a_rollback(scene: Scene, number: int, after: bool) -> None:
    killed_while_it_rolls_back(scene, number, after=after)


def killed_while_it_rolls_back(scene: Scene, number: int, *, after: bool) -> None:
    """Of a LoadBalancer, whose healthCheckNodePort must come back, too."""
    scene.blackhole(type="LoadBalancer")
    before = scene.service()["spec"]
    scene.policy(serviceTypes=["LoadBalancer"])
    with operator(scene, write_reports=False, write_events=False):
        scene.wait_phase("Applied")
    began = scene.cluster.audit_position()
    asking = partial(scene.patch_policy, {"rollbackRequests": ["web"]})
    assert survive(scene, number, after=after, begin=asking), f"a rollback makes no {number + 1} requests"
    assert known(scene)
    with operator(scene, write_reports=False, write_events=False):
        scene.wait_phase("RolledBack")
        wait_for(lambda: MANAGER not in scene.managers(), 60, "ownership handed back")
    assert scene.service()["spec"] == before
    accepted = [e for e in scene.policy_patches(began) if e["responseStatus"]["code"] == 200]
    assert len(accepted) == 1
