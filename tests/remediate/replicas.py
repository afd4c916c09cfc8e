"""Replicas of the operator as real processes that can be killed and cut off one by one, and traffic that keeps
whichever of them leads at work."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Self

from devcluster.objects import wait_for
from devcluster.processes import Process
from devcluster.tcp_proxy import TcpProxy
from tests.app.harness import grant
from tests.remediate.stage import Scene

LEASE_SECONDS = 3
OPERATOR = Path(__file__).parents[2] / "operator"


class Replica:
    """A candidate with its own user and its own way to the API server. Its log is in `folder`."""

    def __init__(self, scene: Scene, name: str, folder: Path) -> None:
        account = f"{scene.namespace}-{name}"
        self.name = name
        self.user = f"system:serviceaccount:default:{account}"
        self._scene = scene
        self._log = folder / f"{name}.log"
        grant(scene.cluster, account, ("*", "*", "*"))
        self._token = scene.cluster.token("default", account)
        self._proxy = TcpProxy(scene.cluster.server)
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        self._proxy.close()
        if error is not None:
            print(f"--- replica {self.name}\n{self.log()}")

    def start(self) -> None:
        flags = {
            "kubeconfig": self._scene.cluster.kubeconfig_for(self._token, server=self._proxy.server),
            "namespaces": self._scene.namespace,
            "listen": "127.0.0.1:0",
            "lease-namespace": self._scene.namespace,
            "lease-duration": f"{LEASE_SECONDS}s",
            "second-installation": "allow",
            "hold": "300ms",
            "hold-urgent": "100ms",
            "max-remediations": "100000/600s",
            "breaker": "100%",
        }
        command = [
            sys.executable,
            "-m",
            "etpguard",
            "run",
            *(f"--{flag}={value}" for flag, value in flags.items()),
        ]
        environment = {**os.environ, "PYTHONPATH": str(OPERATOR)}
        self._process = Process(f"replica {self.name}", command, self._log, environment)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.stop(grace=0)

    def cut_off(self) -> None:
        """Its connections stay open, and nothing passes."""
        self._proxy.silence()

    def restore(self) -> None:
        """What is still held back on the way arrives."""
        self._proxy.restore()

    def log(self) -> str:
        return self._log.read_text(errors="replace")


def leader(scene: Scene, replicas: Sequence[Replica]) -> Replica:
    """The replica that holds the Lease; waits for one."""

    def holder() -> Replica | None:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{scene.namespace}/leases/etpguard"
        lease = scene.cluster.request("GET", path)
        identity = lease.json()["spec"].get("holderIdentity") if lease.ok else None
        return next((r for r in replicas if identity and f"Leading as {identity}" in r.log()), None)

    found = wait_for(holder, 60, "a leader")
    assert found is not None
    return found


class Traffic:
    """While the block lasts, takes one Service after the other from Blackhole to covered and back."""

    def __init__(self, scene: Scene, services: Sequence[str], pause: float) -> None:
        """`pause` is the time between two Services, in seconds. Each has a pod on node 1 already."""
        self.covered = dict.fromkeys(services, False)
        self._scene = scene
        self._pause = pause
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="traffic")
        self._running: Future[None] | None = None

    def __enter__(self) -> Self:
        self._running = self._pool.submit(self._run)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown()
        if self._running is not None:
            self._running.result()

    def put(self, service: str, covered: bool) -> None:
        """Pods on all three nodes, or on the first alone."""
        if covered == self.covered[service]:
            return
        for number in (2, 3):
            (self._scene.place if covered else self._scene.remove)(number, service)
        self.covered[service] = covered

    def _run(self) -> None:
        for service in cycle(self.covered):
            if self._stop.wait(self._pause):
                return
            self.put(service, not self.covered[service])
