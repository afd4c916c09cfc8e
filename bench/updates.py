"""How many slice updates a second the operator takes: a watch stream of the real API server, played back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.big_cluster import LISTS, Size
from bench.operator import Measured, write_slices
from bench.playback import BEGAN, LINES, PLAYED, SLICES, recorded_name
from devcluster import Cluster, ports
from devcluster.objects import wait_for

RECORD_SECONDS = 30.0
"""The playback must end before the operator asks again whether etcd was restored, 60 s after its lists. The
playback waits 30 s of these. Its lists are older than its events, so etcd would look restored."""


def updates(cluster: Cluster, size: Size, rate: float) -> dict[str, object]:
    folder = cluster.directory / "recording"
    folder.mkdir()
    groups = cluster.call("GET", "/apis")["groups"]
    versions = [v["groupVersion"] for group in groups for v in group["versions"]]
    for path in ("/api", "/apis", "/api/v1", *(f"/apis/{version}" for version in versions), *LISTS.values()):
        (folder / recorded_name(path)).write_bytes(cluster.request("GET", path, timeout=120).body)
    version = json.loads((folder / recorded_name(SLICES)).read_bytes())["metadata"]["resourceVersion"]
    reached = _record(cluster, size, folder, version)
    print(f"the real API server took {reached:.0f} slice updates a second here")
    return {"recordedPerSecond": round(reached), **_play(cluster, folder, rate)}


def _record(cluster: Cluster, size: Size, folder: Path, version: str) -> float:
    """Write slices as fast as they are taken and keep what the watch says; how many a second that was."""
    url = f"{cluster.server}{SLICES}?watch=1&resourceVersion={version}"
    with (folder / LINES).open("wb") as lines:
        watch = subprocess.Popen(
            [
                "curl",
                "-sSN",
                "--cacert",
                str(cluster.ca),
                "-H",
                f"Authorization: Bearer {cluster.tokens['admin']}",
                url,
            ],
            stdout=lines,
        )
        try:
            sent = write_slices(cluster, size, RECORD_SECONDS, 1e6)
            time.sleep(2)
        finally:
            watch.kill()
            watch.wait()
    whole = (folder / LINES).read_bytes()
    (folder / LINES).write_bytes(whole[: whole.rindex(b"\n") + 1])
    return sent / RECORD_SECONDS


def _play(cluster: Cluster, folder: Path, rate: float) -> dict[str, object]:
    """Once for the CPU it takes and the backlog, once more with tickers for the gaps of the loops."""
    played = _one_playback(cluster, folder, rate, "--no-tick")
    cpu = 1e6 * played.cpu / played.lines
    print(f"played back {played.lines} updates in {played.took:.1f} s: {played.lines / played.took:.0f}/s")
    print(f"    caught up {played.behind:.2f} s after the last one was sent, {cpu:.0f} ms of CPU for 1,000")
    figures: dict[str, object] = {
        "playedPerSecond": round(played.lines / played.took),
        "behindSeconds": round(played.behind, 2),
        "cpuMsPer1000": round(cpu),
    }
    ticked = _one_playback(cluster, folder, rate)
    for loop in ("main", "kopf"):
        gaps = ticked.gaps[loop]
        figures[loop] = {"maxMs": gaps["max_ms"], "p99Ms": gaps["p99_ms"]}
        print(f"    {loop} loop: largest gap {gaps['max_ms']} ms, p99 {gaps['p99_ms']} ms", flush=True)
    return figures


@dataclass(frozen=True)
class Played:
    """CPU seconds and those behind are counted from the first line's sending, and from the last one's."""

    lines: int
    took: float
    behind: float
    cpu: float
    gaps: dict[str, dict[str, float]]


def _one_playback(cluster: Cluster, folder: Path, rate: float, *options: str) -> Played:
    last = json.loads((folder / LINES).read_bytes().splitlines()[-1])["object"]["metadata"]
    for mark in (BEGAN, PLAYED):
        (folder / mark).unlink(missing_ok=True)
    certificate, key = cluster.certificate("playback", ["127.0.0.1"])
    port = ports.free("127.0.0.1")
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.playback", str(folder), str(port), str(certificate), str(key), str(rate)]
    )
    try:
        kubeconfig = cluster.kubeconfig_for(server=f"https://127.0.0.1:{port}")
        time.sleep(1)
        until = f"{last['namespace']}/{last['name']}@{last['resourceVersion']}"
        operator = Measured(kubeconfig, "--until", until, *options)
        operator.line("first pass")
        wait_for((folder / BEGAN).exists, 120, "the begin of the playback")
        before = operator.cpu()
        caught_up = operator.line("caught up")
        cpu = operator.cpu() - before
        wait_for((folder / PLAYED).exists, 120, "the end of the playback")
        operator.stop()
    finally:
        server.terminate()
        server.wait(10)
    played = json.loads((folder / PLAYED).read_text())
    took = played["ended"] - played["began"]
    return Played(played["lines"], took, caught_up["at"] - played["ended"], cpu, caught_up["gaps"])
