"""What explains a race in which a part did not react: each step from the write to the metric."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.race_figures import Race
from devcluster.dataplane import evidence
from devcluster.dataplane.lab import Lab

LATE = 60.0
"""Seconds in which the operator is asked again, to distinguish what comes late from what never comes."""
_LOG_LINES = 40
_ABOUT_WATCHES = (
    "etpguard_event_to_verdict_seconds_count",
    "etpguard_last_list_timestamp_seconds",
    "etpguard_picture_fresh",
    "etpguard_resync_corrections_total",
    "etpguard_watch_restarts_total",
)


def describe(lab: Lab, race: Race, loser: str, port: int, log: Path) -> str:
    """Of the Service, the loser's kube-proxy, and the operator, by the port of its metrics and its log."""
    return "\n".join(_lines(lab, race, loser, port, log))


def _lines(lab: Lab, race: Race, loser: str, port: int, log: Path) -> Iterator[str]:
    yield f"{race.name}, {time.time() - race.write:.1f} s after the write; noticed by {sorted(race.moments)}"
    yield "--- objects"
    yield from evidence.objects_of(lab, race.namespace, race.service)
    pod = lab.cluster.call("GET", f"/api/v1/namespaces/{race.namespace}/pods/{race.service}-{loser}")
    yield json.dumps(pod["status"]["conditions"])
    yield f"--- rules of {loser}"
    yield from evidence.rules_of(lab.nodes.rules(loser), race.name)
    yield f"--- kube-proxy of {loser}: {lab.nodes.running[loser].proxy.log_tail(3)}"
    yield "--- the operator"
    yield from (shown := _shown(race, port))
    before, end = _uncovered(shown), time.monotonic() + LATE
    while _uncovered(shown) == before and time.monotonic() < end:
        time.sleep(0.5)
        shown = _shown(race, port)
    yield f"--- the operator, {time.time() - race.write:.1f} s after the write"
    yield from shown
    yield "--- its log"
    yield from log.read_text().splitlines()[-_LOG_LINES:]


def _shown(race: Race, port: int) -> list[str]:
    """/readyz, and the metrics about the Service and about the lists and watches."""
    about = f'{{namespace="{race.namespace}",service="{race.service}"'
    metrics = [line for line in _get(port, "/metrics") if line.startswith(_ABOUT_WATCHES) or about in line]
    return _get(port, "/readyz") + metrics


def _uncovered(shown: Sequence[str]) -> list[str]:
    return [line for line in shown if line.startswith("etpguard_service_uncovered_nodes")]


def _get(port: int, path: str) -> list[str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode().splitlines()
    except OSError as error:
        return [f"{path}: {error!r}"]
    finally:
        connection.close()
