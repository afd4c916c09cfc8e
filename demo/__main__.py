"""`make demo` runs the example and prints what kubectl shows at each step. KEEP=1 keeps it running."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import devcluster
from demo.stage import HTTP_NODE_PORT, NAMESPACE, NODES, Stage, open_stage
from devcluster import Cluster, binaries
from devcluster.objects import wait_for
from devcluster.processes import running
from etpguard.settings import options

ROOT = Path(__file__).parent.parent
SERVICE = "nginx-nginx-ingress-controller"
INGRESS = "web"
SHORTENED = {"hold": "1s", "hold-urgent": "1s", "condition-interval": "1s", "event-interval": "1s"}
"""The settings that the demo shortens, to be quick. The defaults protect the API server."""
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "kube-proxy")


def main() -> int:
    binaries.paths(PROGRAMS)  # the first time this compiles them, together
    say("starting etcd, kube-apiserver and kube-controller-manager")
    with devcluster.start() as cluster, open_stage(cluster) as stage:
        if stage.why_no_packets:
            say(f"showing only the API, without packets: the data plane {stage.why_no_packets}")
        else:
            say("each node is a network namespace with a real kube-proxy; the external client is another one")
        cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        cluster.kubectl("apply", "-f", str(ROOT / "examples/nginx-alb/manifests.yaml"))
        with operator(cluster) as metrics:
            play(cluster, stage, metrics)
            if os.environ.get("KEEP"):
                say("running until Ctrl-C; in another terminal:")
                print(f"export KUBECONFIG={cluster.kubeconfig}")
                with contextlib.suppress(KeyboardInterrupt):
                    signal.pause()
    say("stopped; no process is left")
    return 0


def play(cluster: Cluster, stage: Stage, metrics: Path) -> None:
    step("1. nginx runs only on node1; the ALB targets all three nodes")
    stage.start_pod("nginx-a", "node1")
    expect(cluster, "TargetsUnhealthy", dropped=["node2", "node3"])
    show(cluster, stage, metrics)
    local = stage.on_the_node("node2")
    if local:
        step("A misleading test: the same port, from node2 itself")
        print(f"curl localhost:{HTTP_NODE_PORT} on node2: {local}")
        print("This works, because traffic that starts on a node may go to any endpoint. It proves nothing.")

    step("2. The pod moves to node2")
    stage.start_pod("nginx-b", "node2")
    stage.end_pod("nginx-a")
    expect(cluster, "TargetsUnhealthy", dropped=["node1", "node3"])
    show(cluster, stage, metrics)

    step("3. A pod becomes ready on the other nodes: every node is covered")
    stage.start_pod("nginx-c", "node1")
    stage.start_pod("nginx-d", "node3")
    expect(cluster, "Covered", dropped=[])
    show(cluster, stage, metrics)


def show(cluster: Cluster, stage: Stage, metrics: Path) -> None:
    """What kubectl and etpguard show now, and the result of an external connection."""
    command("etpguard check -A")
    print(etpguard(cluster, "check", "-A"))
    outside = stage.outside()
    if outside:
        states = node_states(cluster)
        print(f"{'NODE':8}{'ETPGUARD':16}FROM OUTSIDE, port {HTTP_NODE_PORT}")
        for node in NODES:
            print(f"{node:8}{states.get(node, '?'):16}{outside[node]}")
        print()
    for kind, name in (("service", SERVICE), ("ingress", INGRESS)):
        command(f"kubectl describe {kind} {name}")
        print(events(cluster.kubectl("describe", kind, name, "-n", NAMESPACE)))
    command("kubectl get cov -o wide")
    print(cluster.kubectl("get", "cov", "-n", NAMESPACE, "-o", "wide"))
    command("kubectl get service -o jsonpath='{.status.conditions}'")
    conditions = cluster.kubectl("get", "service", SERVICE, "-n", NAMESPACE, "-o", "jsonpath={.status.conditions}")
    print(conditions, end="\n\n")
    command("curl /metrics")
    print(served(metrics))


def expect(cluster: Cluster, outcome: str, dropped: list[str]) -> None:
    """Wait until node states, condition, report and Event all show this outcome."""
    say(f"waiting for {outcome} in the condition, the report and the Events")

    def reported() -> bool:
        service = get_service(cluster)
        report = get_report(cluster)
        conditions = {c["type"]: c["reason"] for c in service.get("status", {}).get("conditions", ())}
        ports = report.get("status", {}).get("ports", ())
        notes = [e["note"] for e in list_events(cluster) if e["regarding"]["kind"] == "Service"]
        return (
            conditions.get("etpguard.dev/Covered") == outcome
            and report.get("status", {}).get("outcome") == outcome
            and bool(ports)
            and all(port["dropped"] == dropped for port in ports)
            and any(note.startswith(outcome) and all(node in note for node in dropped) for note in notes)
        )

    wait_for(reported, timeout=120, what=f"the operator to report {outcome}")


def get_service(cluster: Cluster) -> dict[str, Any]:
    return cluster.call("GET", f"/api/v1/namespaces/{NAMESPACE}/services/{SERVICE}")


def get_report(cluster: Cluster) -> dict[str, Any]:
    """The ServiceCoverage; empty before the operator has written it."""
    answer = cluster.request(
        "GET", f"/apis/etpguard.dev/v1alpha1/namespaces/{NAMESPACE}/servicecoverages/{SERVICE}"
    )
    found: dict[str, Any] = answer.json() if answer.ok else {}
    return found


def list_events(cluster: Cluster) -> list[dict[str, Any]]:
    path = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"
    events: list[dict[str, Any]] = cluster.call("GET", path)["items"]
    return [event for event in events if event.get("reportingController") == "etpguard.dev/operator"]


def events(description: str) -> str:
    """The Events at the end of the output of `kubectl describe`."""
    return description[description.index("Events:") :]


def node_states(cluster: Cluster) -> dict[str, str]:
    port = get_report(cluster)["status"]["ports"][0]
    return {node: state for state in ("ready", "terminating", "dropped", "rejected") for node in port[state]}


def etpguard(cluster: Cluster, *arguments: str) -> str:
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    run = subprocess.run(
        [sys.executable, "-m", "etpguard", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if run.returncode > 1:
        raise RuntimeError(f"etpguard {' '.join(arguments)}: {run.stderr.strip()}")
    return run.stdout


@contextlib.contextmanager
def operator(cluster: Cluster) -> Iterator[Path]:
    """`etpguard run` until the end of the block. Yields the path of its log, which contains its port."""
    log = cluster.directory / "etpguard.log"
    flags = [f"--{name}={value}" for name, value in SHORTENED.items()]
    say(f"the demo shortens these settings to be quick; the defaults: {defaults()}")
    command(" ".join(["etpguard run", *flags]))
    arguments = [
        "-m",
        "etpguard",
        "run",
        "--kubeconfig",
        str(cluster.kubeconfig),
        "--listen",
        "127.0.0.1:0",
        *flags,
    ]
    with running("etpguard", [sys.executable, *arguments], log):
        try:
            wait_for(lambda: "ready after" in log.read_text(), timeout=60, what="the operator to be ready")
        except TimeoutError:
            print(log.read_text(), file=sys.stderr)
            raise
        yield log


def defaults() -> str:
    """The defaults of the settings that the demo shortens."""
    return ", ".join(f"{each.flag} {each.default_text}" for each in options() if each.flag[2:] in SHORTENED)


def served(log: Path) -> str:
    """The series of the Service on /metrics of the operator."""
    port = re.search(r"serving on port (\d+)", log.read_text())
    if port is None:
        raise RuntimeError("the log of the operator does not name its port")
    with urllib.request.urlopen(f"http://127.0.0.1:{port[1]}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    wanted = [
        line
        for line in lines
        if line.startswith("etpguard_service_") and (not line.endswith(" 0.0") or "_nodes" in line)
    ]
    return "\n".join(wanted) + "\n"


def step(title: str) -> None:
    print(f"\n{'=' * 100}\n{title}\n", flush=True)


def command(line: str) -> None:
    print(f"$ {line}", flush=True)


def say(line: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
