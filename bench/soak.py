"""An hour of churn: does the operator that runs for months keep its memory, threads, descriptors and requests?

    python -m bench.soak [--minutes 60] [--rate 100] [--out FILE]

Two replicas of `etpguard run` with all outputs on and a policy in mode DryRun work on a real API server, each
behind a TCP proxy. Slices move at `--rate` a second, nodes flap, Services come and go, all connections of one
replica are reset once a minute, and every ten minutes the leader is cut off until the other replica has taken the
Lease. One more such change comes after five minutes, so that in the first quarter of an hour each replica has led,
has been a standby and has been cut off. FILE gets the figures of each minute, also of a run that was interrupted.
Exit code 1 if something grows after this quarter of an hour.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import http.client
import json
import re
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import devcluster
from bench import big_cluster, growth, machine
from bench.churn import Churn, create_ingresses
from bench.growth import Sample
from bench.processes import usage
from devcluster import Cluster
from devcluster.objects import wait_for
from devcluster.processes import Process
from devcluster.tcp_proxy import TcpProxy

ROOT = Path(__file__).parent.parent
FLAGS = ("--service-node-port-range=20000-42000",)
SAMPLE_SECONDS = 10.0
SHOWN_SECONDS = 300.0
RESET_SECONDS = 60.0
LEADER_SECONDS = 600.0
CUT_SECONDS = 25.0
"""Longer than the Lease lasts, so that the other replica takes it."""
NAMESPACE = "etpguard-system"


class Replica:
    def __init__(self, cluster: Cluster, name: str) -> None:
        self.name = name
        self.proxy = TcpProxy(cluster.server)
        self.samples: list[Sample] = []
        self.missed = 0
        self._log = cluster.directory / f"replica-{name}.log"
        kubeconfig = cluster.kubeconfig_for(server=self.proxy.server)
        flags = ("--kubeconfig", str(kubeconfig), "--listen", "127.0.0.1:0", "--lease-namespace", NAMESPACE)
        self._blocks = cluster.directory / f"replica-{name}.blocks"
        command = [sys.executable, "-m", "bench.counted_operator", str(self._blocks), "run", *flags]
        self._process = Process(f"replica {name}", command, self._log)
        wait_for(lambda: "ready after" in self._log.read_text(), 120, f"replica {name} to be ready")
        port = re.search(r"serving on port (\d+)", self._log.read_text())
        assert port is not None
        self._metrics = f"http://127.0.0.1:{port[1]}/metrics"

    def sample(self, at: float) -> None:
        """A request for the metrics that fails counts as missed. Raises StartError if the replica has ended."""
        self._process.require_running()
        used = usage(self._process.pid)
        try:
            with urllib.request.urlopen(self._metrics, timeout=30) as answer:
                text = answer.read().decode()
        except (OSError, http.client.HTTPException) as failure:
            # The replica ends a connection whose request does not arrive in time, as happens on a busy machine.
            print(f"replica {self.name} gave no metrics {at:.0f} s after the start: {failure}", flush=True)
            self.missed += 1
            return
        requests = sum(map(float, re.findall(r"^etpguard_api_requests_total{[^}]*} (\S+)$", text, re.MULTILINE)))
        self.samples.append(
            Sample(
                at=at,
                memory_mb=used.memory / 1e6,
                blocks=int(self._blocks.read_text()),
                threads=used.threads,
                descriptors=used.descriptors,
                requests=requests,
                cpu=used.cpu,
                leading=bool(re.search(r"^etpguard_leader 1", text, re.MULTILINE)),
            )
        )

    @property
    def leading(self) -> bool:
        return bool(self.samples) and self.samples[-1].leading

    def log_tail(self) -> str:
        return "\n".join(self._log.read_text().splitlines()[-40:])

    def stop(self) -> None:
        self._process.stop()
        self.proxy.close()


@contextlib.contextmanager
def replicas(cluster: Cluster) -> Iterator[list[Replica]]:
    with contextlib.ExitStack() as stack:
        found = []
        for name in ("a", "b"):
            found.append(Replica(cluster, name))
            stack.callback(found[-1].stop)
        yield found


@dataclasses.dataclass
class Faults:
    """What to break next, by seconds since the start."""

    leader_seconds: float = LEADER_SECONDS
    resets: int = 0
    leader_changes: int = 0
    _cut: Replica | None = None
    _cut_at: float = 0.0

    def turn(self, at: float, both: list[Replica]) -> None:
        if self._cut is not None:
            if at - self._cut_at >= CUT_SECONDS:
                self._cut.proxy.restore()
                self._cut = None
        elif at >= growth.leader_change_due(self.leader_changes, self.leader_seconds):
            leader = next((each for each in both if each.leading), None)
            if leader is not None:
                leader.proxy.cut()
                self._cut, self._cut_at = leader, at
                self.leader_changes += 1
        elif at >= RESET_SECONDS * (self.resets + 1):
            both[self.resets % 2].proxy.reset()
            self.resets += 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=100, help="slice updates per second")
    parser.add_argument(
        "--leader-seconds",
        type=float,
        default=LEADER_SECONDS,
        help="seconds from one change of the leader to the next",
    )
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--services", type=int, default=2_000)
    parser.add_argument("--local", type=int, default=400)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "figures" / "soak.json")
    given = parser.parse_args()
    size = big_cluster.Size(nodes=given.nodes, images=10, services=given.services, local=given.local)
    with devcluster.start(
        audit_level="None", controllers=(), apiserver_flags=FLAGS, garbage_collection_percent=100
    ) as cluster:
        _prepare(cluster, size)
        with replicas(cluster) as both:
            churn, faults = Churn(cluster, size, given.rate), Faults(given.leader_seconds)
            about = {"machine": machine.description(), "rate": given.rate, "size": dataclasses.asdict(size)}
            churn.start()
            try:
                _run(both, faults, given.minutes * 60)
            except BaseException:
                for each in both:
                    print(f"--- replica {each.name}\n{each.log_tail()}", file=sys.stderr)
                raise
            finally:
                churn.stop()
                counts = {**churn.counts.shown(), "resets": faults.resets, "leaderChanges": faults.leader_changes}
                found = _report(both, {**about, "counts": counts}, given.out)
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


def _prepare(cluster: Cluster, size: big_cluster.Size) -> None:
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    cluster.kubectl("create", "namespace", NAMESPACE)
    big_cluster.load(cluster, size)
    create_ingresses(cluster, size, size.local // 8)
    wait_for(
        lambda: cluster.request("GET", "/apis/etpguard.dev/v1alpha1/clustercoveragepolicies").ok, 30, "the CRDs"
    )
    cluster.kubectl("apply", "-f", str(ROOT / "examples" / "policies" / "dry-run-for-all.yaml"))


def _run(both: list[Replica], faults: Faults, seconds: float) -> None:
    began = time.monotonic()
    due = 0.0
    shown = 0.0
    while due <= seconds:
        time.sleep(max(0.0, due - (time.monotonic() - began)))
        at = time.monotonic() - began
        for each in both:
            each.sample(at)
        faults.turn(at, both)
        if at - shown >= SHOWN_SECONDS:
            shown = at
            last = {each.name: each.samples[-1] for each in both if each.samples}
            states = (f"{name}: {each.memory_mb:.1f} MB, {each.blocks:,} blocks" for name, each in last.items())
            print(f"[{at / 60:5.1f} min] {', '.join(states)}", flush=True)
        due += SAMPLE_SECONDS


def _report(both: list[Replica], about: dict[str, object], out: Path) -> list[str]:
    """Write what was found; returns what grows."""
    series: dict[str, object] = {}
    faults = []
    for each in both:
        by_minute = growth.minutes(each.samples)
        grown = growth.growth(by_minute)
        faults += [f"replica {each.name}: {fault}" for fault in grown.faults()]
        series[each.name] = {
            "missedSamples": each.missed,
            "growthPerHour": dataclasses.asdict(grown),
            "minutes": [dataclasses.asdict(minute) for minute in by_minute],
        }
        print(f"replica {each.name}, per hour after minute {growth.SETTLED_MINUTES}: {grown}")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({**about, "replicas": series, "faults": faults}, indent=1) + "\n")
    print(f"{about['counts']}\nwritten to {out}", flush=True)
    return faults


if __name__ == "__main__":
    sys.exit(main())
