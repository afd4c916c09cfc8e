"""The race from the write that makes the last pod of a node unready: etpguard, kube-proxy, an ALB's health check.

    python -m bench.race [--runs N] [--mode iptables|nftables] [--spacing SECONDS]

Two nodes with a real kube-proxy each; `--runs` Services in each of two namespaces, each behind an ALB with
instance targets whose health check goes to the traffic port. Each Service loses one of its two nodes once
(TargetsUnhealthy), one Service after the other. Two operators run, each for one namespace: one with the default
holds, one with none.

All moments are of one clock, counted from right before the write is sent:

- metric      a scrape shows the node as uncovered; scraped every 20 ms while a race is on
- condition, Event   the API server has answered the operator's write, by its audit log
- kube-proxy  the start of the first connection from outside that got no answer; one every 20 ms
- health check  the target turns unhealthy: two failures in a row, every 5 s, 2 s to answer

Readiness alone changes: the container answers all the while, so a time-out is kube-proxy's doing. The pods of a
node are API objects of their own that share one address. kube-proxy runs with its default minSyncPeriod of 1s.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import devcluster
from bench import race_evidence
from bench.race_figures import Race, show
from devcluster import Cluster, MissingToolError, binaries, objects
from devcluster.dataplane import lab as labs
from devcluster.dataplane.child import Child
from devcluster.dataplane.lab import Lab
from devcluster.dataplane.load_balancer import Settings
from devcluster.dataplane.nodes import MODES
from devcluster.dataplane.probe import Probe
from devcluster.dataplane.servers import Listen
from devcluster.objects import wait_for
from devcluster.processes import running

NODES = ("node1", "node2")
LOSER = "node1"
HOLDS: Mapping[str, Sequence[str]] = {
    "default-holds": (),
    "no-hold": ("--hold", "0s", "--hold-urgent", "0s"),
}
CHECK = Settings(interval=5, timeout=2, healthy_threshold=2, unhealthy_threshold=2)
POLL = 0.02
ANSWER = 0.5
"""Seconds a connection has to be answered: less than a second, when TCP would send its SYN once more."""
QUICK = 15.0
"""Seconds within which metric and kube-proxy have to follow."""
CONDITION_INTERVAL = 60
"""etpguard writes the condition of one Service once in so many seconds: what came before must not hold it back."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.race", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=50, help="for each setting of the holds")
    parser.add_argument("--mode", choices=MODES, default="iptables", help="kube-proxy's")
    parser.add_argument("--spacing", type=float, default=2.0, help="seconds between two races, at least")
    given = parser.parse_args()
    binaries.path("kubectl")
    try:
        with (
            devcluster.start(garbage_collection_percent=100) as cluster,
            labs.start(cluster, given.mode, NODES, min_sync_period="1s") as lab,
        ):
            races = run(lab, given.runs, given.spacing)
    except MissingToolError as error:
        print(f"race: left out: {error}")
        return
    for namespace, flags in HOLDS.items():
        own = [race for race in races if race.namespace == namespace]
        print(f"\n{namespace} ({' '.join(flags) or '--hold 30s'}), kube-proxy {given.mode}, {len(own)} races")
        show(own)


def run(lab: Lab, runs: int, spacing: float) -> list[Race]:
    """Sets up all Services, runs one race after the other, and waits for what comes late."""
    cluster = lab.cluster
    cluster.kubectl("apply", "--server-side", "-f", str(Path(__file__).parent.parent / "crds"))
    races = _services(lab, runs)
    lab.settle()
    with contextlib.ExitStack() as stack:
        ports = {name: stack.enter_context(_operator(cluster, name, flags)) for name, flags in HOLDS.items()}
        checker = Child("bench.race_checker", namespace=lab.topology.name("alb"))
        stack.callback(checker.close)
        checker.ask(json.dumps(_order(lab, races)))
        print(
            f"{len(races)} Services exist; waiting for all conditions and {CONDITION_INTERVAL} s more", flush=True
        )
        wait_for(lambda: _published(cluster, "Covered", races), timeout=180, what="every condition to be Covered")
        wait_for(lambda: _states(checker, races) == {"healthy"}, timeout=30, what="every target to be healthy")
        time.sleep(CONDITION_INTERVAL)
        position = cluster.audit_position()
        print(f"{len(races)} races, one every {spacing:g} s or so", flush=True)
        for race in races:
            began = time.monotonic()
            _race(lab, race, ports[race.namespace])
            # Uneven, so that the races do not fall into step with the health checks.
            time.sleep(max(0.0, began + spacing * random.uniform(1, 1.5) - time.monotonic()))
        wait_for(lambda: _states(checker, races) == {"unhealthy"}, timeout=30, what="every target to be unhealthy")
        wait_for(lambda: _read_audit(cluster, position, races), timeout=120, what="every condition and Event")
        states = json.loads(checker.ask("?"))
        for race in races:
            race.moments["health check"] = states[race.name][LOSER][1]
    return races


def _services(lab: Lab, runs: int) -> list[Race]:
    """All Services, Ingresses and pods, in the order of the races: the namespaces take turns."""
    call = lab.cluster.call
    alb = {"metadata": {"name": "alb"}, "spec": {"controller": "ingress.k8s.aws/alb"}}
    call("POST", "/apis/networking.k8s.io/v1/ingressclasses", alb)
    call("POST", "/api/v1/namespaces", {"metadata": {"name": "servers"}})
    ports = {"http": Listen("http", 8080)}
    servers = {node: lab.pods.start("servers", node, lab.nodes.running[node], {}, ports=ports) for node in NODES}
    for namespace in HOLDS:
        call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    races = []
    for number in range(runs):
        for namespace in HOLDS:
            name, labels = f"web-{number}", {"app": f"web-{number}"}
            for node, server in servers.items():
                ip = server.addresses.ipv4
                objects.pod(lab.cluster, namespace, f"{name}-{node}", node, labels, ip=ip, ports={"http": 8080})
            made = lab.service(
                namespace,
                name,
                type="NodePort",
                externalTrafficPolicy="Local",
                selector=labels,
                ports=[{"name": "http", "port": 80, "targetPort": "http"}],
            )
            backend = {"service": {"name": name, "port": {"name": "http"}}}
            rule = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
            ingress = {
                "metadata": {"name": f"ingress-{number}"},
                "spec": {"ingressClassName": "alb", "rules": [rule]},
            }
            call("POST", f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses", ingress)
            races.append(Race(namespace, name, made["spec"]["ports"][0]["nodePort"]))
    return races


@contextlib.contextmanager
def _operator(cluster: Cluster, namespace: str, flags: Sequence[str]) -> Iterator[int]:
    """`etpguard run` for one namespace until the end of the block; gives the port of its metrics."""
    log = _log(cluster, namespace)
    command = [
        *(sys.executable, "-m", "etpguard", "run", "--kubeconfig", str(cluster.kubeconfig)),
        *("--namespaces", namespace, "--lease-namespace", namespace, "--listen", "127.0.0.1:0", *flags),
    ]
    with running(f"the operator of {namespace}", command, log):
        wait_for(lambda: "ready after" in log.read_text(), timeout=60, what=f"the operator of {namespace}")
        port = re.search(r"serving on port (\d+)", log.read_text())
        assert port, log.read_text()
        yield int(port[1])


def _log(cluster: Cluster, namespace: str) -> Path:
    return cluster.directory / f"etpguard-{namespace}.log"


def _order(lab: Lab, races: Sequence[Race]) -> dict[str, Any]:
    check = subprocess.run(
        [sys.executable, "-m", "etpguard", "check", "-A", "-o", "json"],
        env={**os.environ, "KUBECONFIG": str(lab.cluster.kubeconfig)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    return {
        "report": json.loads(check.stdout),
        "addresses": {name: node.addresses.ipv4 for name, node in lab.nodes.running.items()},
        "services": [(race.namespace, race.service) for race in races],
        "settings": asdict(CHECK),
        "spread": CHECK.interval,
    }


def _published(cluster: Cluster, outcome: str, races: Sequence[Race]) -> bool:
    """Whether the condition of every Service says so."""
    found = {
        f"{service['metadata']['namespace']}/{service['metadata']['name']}"
        for service in cluster.call("GET", "/api/v1/services")["items"]
        for condition in service.get("status", {}).get("conditions", ())
        if (condition["type"], condition["reason"]) == ("etpguard.dev/Covered", outcome)
    }
    return found >= {race.name for race in races}


def _states(checker: Child, races: Sequence[Race]) -> set[str]:
    states = json.loads(checker.ask("?"))
    return {states[race.name][LOSER][0] for race in races}


def _race(lab: Lab, race: Race, port: int) -> None:
    """One write; a thread scrapes and another connects, until each has seen what it waits for."""
    started = threading.Barrier(3)
    with ThreadPoolExecutor(2) as beside:
        watchers = [
            beside.submit(_watch_metric, race, started, port),
            beside.submit(_watch_packets, race, started, lab),
        ]
        try:
            started.wait(QUICK)
        except threading.BrokenBarrierError:
            for watcher in watchers:
                watcher.result()  # what keeps it from starting says more
            raise
        pod = {"kind": "Pod", "metadata": {"namespace": race.namespace, "name": f"{race.service}-{LOSER}"}}
        race.write = time.time()
        objects.set_ready(lab.cluster, pod, False)
    if not {"metric", "kube-proxy"} <= race.moments.keys():
        print(race_evidence.describe(lab, race, LOSER, port, _log(lab.cluster, race.namespace)), flush=True)
        failed = next((error for watcher in watchers if (error := watcher.exception())), None)
        raise RuntimeError(f"{race.name}: within {QUICK:g} s only {sorted(race.moments)} noticed") from failed


def _watch_metric(race: Race, started: threading.Barrier, port: int) -> None:
    labels = f'namespace="{race.namespace}",service="{race.service}"'
    series = f"etpguard_service_uncovered_nodes{{{labels}}} ".encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)

    def uncovered() -> bool:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read()
        return text[text.index(series) + len(series) :].startswith(b"1")

    with contextlib.closing(connection):
        assert not uncovered(), race.name
        started.wait(QUICK)
        _until(uncovered, lambda: race.moments.setdefault("metric", time.time()))


def _watch_packets(race: Race, started: threading.Barrier, lab: Lab) -> None:
    probe = Probe("http", lab.nodes.running[LOSER].addresses.ipv4, race.number)
    sent = 0.0

    def dropped() -> bool:
        """A connection that only a busy machine kept waiting is no drop: the next one decides."""
        nonlocal sent
        sent = time.time()
        return all(lab.client.probe([probe], ANSWER)[0].result == "timed out" for _ in range(2))

    assert not dropped(), race.name
    started.wait(QUICK)
    _until(dropped, lambda: race.moments.setdefault("kube-proxy", sent))


def _until(seen: Callable[[], bool], then: Callable[[], object]) -> None:
    """Looks once more after the end: a machine that stood still meanwhile is no reason to have seen nothing."""
    end = time.monotonic() + QUICK
    over = False
    while not over:
        over = time.monotonic() > end
        if seen():
            then()
            return
        time.sleep(POLL)


def _read_audit(cluster: Cluster, position: int, races: Sequence[Race]) -> bool:
    """Notes the operators' first write of each Service's condition and Event; whether all are there."""
    by_name = {race.name: race for race in races}
    for event in cluster.audit(position):
        about = event.get("objectRef", {})
        name = about.get("name", "")
        if about.get("resource") == "services" and about.get("subresource") == "status":
            what = "condition"
        elif about.get("resource") == "events" and event["verb"] == "create":
            what, name = "Event", name.rpartition(".")[0]
        else:
            continue
        race = by_name.get(f"{about.get('namespace')}/{name}")
        at = datetime.fromisoformat(event["stageTimestamp"]).timestamp()
        if race and event["responseStatus"]["code"] < 300 and at > race.write > 0:
            race.moments.setdefault(what, at)
    return all({"condition", "Event"} <= race.moments.keys() for race in races)


if __name__ == "__main__":
    main()
