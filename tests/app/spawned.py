"""The operator as a separate process, as `etpguard run` starts it, with a probe of /livez like that of the
kubelet."""

from __future__ import annotations

import http.client
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from devcluster import Cluster, ports
from devcluster.objects import wait_for
from devcluster.processes import Process
from tests.app.harness import Served

OPERATOR = Path(__file__).parents[2] / "operator"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"


class Spawned(Served):
    """Leads when the block begins. Its Lease is default/`name`; `flags` are those of `etpguard run`."""

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        name: str,
        environment: Mapping[str, str] | None = None,
        **flags: str,
    ) -> None:
        super().__init__(ports.free("127.0.0.1"))
        self._cluster = cluster
        self._environment = dict(environment or {})
        self._log = folder / f"{name}.log"
        self._lease = f"{LEASES}/{name}"
        given = {
            "kubeconfig": str(cluster.kubeconfig),
            "listen": f"127.0.0.1:{self.port}",
            "lease-namespace": "default",
            "lease-name": name,
            "second-installation": "allow",
            "page": "off",
            **{flag.replace("_", "-"): value for flag, value in flags.items()},
        }
        self._command = [
            sys.executable,
            "-m",
            "etpguard",
            "run",
            *(f"--{flag}={value}" for flag, value in given.items()),
        ]

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": str(OPERATOR), **self._environment}
        self._process = Process("operator", self._command, self._log, environment)
        wait_for(self.leads, 60, "the operator to lead")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.stop()
        if error is not None:
            print(self.log()[-20_000:])

    def leads(self) -> bool:
        try:
            return self.metric("etpguard_leader") == 1.0
        except (OSError, http.client.HTTPException):
            return False

    def recovered(self) -> bool:
        """Leads, with a fresh picture."""
        try:
            return self.metric("etpguard_leader") == self.metric("etpguard_picture_fresh") == 1.0
        except (OSError, http.client.HTTPException):
            return False

    def running(self) -> bool:
        return self._process.running()

    def cpu(self) -> float:
        """CPU seconds of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def pid(self) -> int:
        return self._process.pid

    def log(self) -> str:
        return self._log.read_text()

    def lease(self) -> tuple[Any, ...]:
        """Who holds the Lease, since when, and how often it has changed hands."""
        spec = self._cluster.call("GET", self._lease)["spec"]
        return spec["holderIdentity"], spec["acquireTime"], spec["leaseTransitions"]


class Probe:
    """Asks for /livez four times a second until the block ends. `slowest` is the longest answer in seconds.

    On a machine that others keep busy, an answer counts with the CPU time that the operator took meanwhile, if
    that is less: the wait for a processor is not the operator's.
    """

    def __init__(self, operator: Spawned) -> None:
        self.slowest = 0.0
        self.answers = 0
        self._operator = operator
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.25):
            began, cpu = time.monotonic(), self._operator.cpu()
            try:
                with socket.create_connection(("127.0.0.1", self._operator.port), timeout=30) as connection:
                    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                    answered = connection.recv(100).startswith(b"HTTP/1.1 200")
            except OSError:
                answered = False
            took = time.monotonic() - began
            if os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1):
                took = min(took, self._operator.cpu() - cpu)
            self.slowest = max(self.slowest, took if answered else 30.0)
            self.answers += answered
