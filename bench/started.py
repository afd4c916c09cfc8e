"""`etpguard run` as one starts it, seen from outside: the moment of /readyz, CPU and memory of its processes."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.checkouts import Checkout
from bench.processes import Usage, forget_peak, usage
from devcluster import ports

KINDS = ("nodes", "services", "endpointslices")
READY_SECONDS = 300.0
_READY_LOOK_SECONDS = 0.025
"""From one request for /readyz to the next. Each costs the operator 1 to 2 ms, a tenth of its CPU until ready if
the pause is 5 ms."""
_SCRAPES = 10
_LOOK_SECONDS = 3.0
_RESYNC_LOOKS = 40


class Started:
    """Writes nothing to the cluster. Ends with the block."""

    def __init__(self, checkout: Checkout, kubeconfig: Path, *flags: str) -> None:
        self._port = ports.free("127.0.0.1")
        outputs = ("--write-conditions=off", "--write-reports=off", "--write-events=off", "--remediation=off")
        command = checkout.etpguard("run", "--kubeconfig", str(kubeconfig), f"--listen=127.0.0.1:{self._port}")
        command += [*outputs, "--leader-elect=off", "--log-level=error", *flags]
        self._began = time.perf_counter()
        self._process = subprocess.Popen(command, env={**os.environ, **checkout.env})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ready(self) -> float:
        """Wait for /readyz; the seconds since the start. Raises RuntimeError if that never comes."""
        while time.perf_counter() - self._began < READY_SECONDS:
            if self._process.poll() is not None:
                raise RuntimeError(f"etpguard run ended with code {self._process.returncode}")
            if self._get("/readyz")[0] == 200:
                return time.perf_counter() - self._began
            time.sleep(_READY_LOOK_SECONDS)
        raise RuntimeError(f"etpguard run is not ready after {READY_SECONDS:.0f} s")

    def usage(self) -> Usage:
        return usage(self._process.pid)

    def settle(self) -> None:
        """Wait until Kopf's first pass and everything else of the start is through: two seconds almost without
        CPU."""
        before = self.usage().cpu
        while True:
            time.sleep(2)
            now = self.usage().cpu
            if now - before < 0.05:
                return
            before = now

    def lists(self) -> dict[str, float]:
        """When the last list of each large kind ended, in seconds since the epoch."""
        text = self._get("/metrics")[1]
        pattern = r'^etpguard_last_list_timestamp_seconds{kind="([^"]+)"} (\S+)$'
        found = {kind.partition(".")[0]: float(at) for kind, at in re.findall(pattern, text, re.MULTILINE)}
        return {kind: found[kind] for kind in KINDS}

    def resync(self) -> Usage:
        """CPU and peak memory of one list of each large kind. Start it with a short `--resync-interval`. The CPU
        of the requests for /metrics, which show when it is over, is measured first and left out."""
        begun = self.usage().cpu
        for _ in range(_SCRAPES):
            lists = self.lists()
        scrape = (self.usage().cpu - begun) / _SCRAPES
        forget_peak(self._process.pid)
        before, looks = self.usage().cpu, 0
        while True:
            time.sleep(_LOOK_SECONDS)
            looks += 1
            if all(at > lists[kind] for kind, at in self.lists().items()):
                break
            if looks > _RESYNC_LOOKS:
                raise RuntimeError("not all kinds were listed again")
        after = self.usage()
        cpu = max(0.0, after.cpu - before - looks * scrape)
        return Usage(after.memory, after.peak, after.threads, after.descriptors, cpu)

    def _get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()
