"""`etpguard verify` as a shell runs it: bad input, exit codes, and a load balancer's view of the example."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.program import SEED, etpguard, failed

SERVICE = "default/nginx-nginx-ingress-controller"


def targets(states: dict[str, str], check_port: int = 30851) -> str:
    """What `aws elbv2 describe-target-health` prints for the nodes of the example."""
    instances = {
        node["metadata"]["name"]: node["spec"]["providerID"].rpartition("/")[2]
        for document in yaml.load_all(SEED.read_text(), yaml.CSafeLoader)
        for node in document["items"]
        if node["kind"] == "Node"
    }
    listed = []
    for name, state in states.items():
        health = {"State": state} | ({} if state == "healthy" else {"Reason": "Target.Timeout"})
        target = {"Target": {"Id": instances[name], "Port": 30851}, "HealthCheckPort": str(check_port)}
        listed.append({**target, "TargetHealth": health})
    return json.dumps({"TargetHealthDescriptions": listed})


HEALTHY, UNHEALTHY = "healthy", "unhealthy"


@pytest.mark.parametrize(
    ("node1", "node2", "node3", "code", "words"),
    [
        pytest.param(HEALTHY, UNHEALTHY, UNHEALTHY, 0, "sees what etpguard predicts", id="as predicted"),
        pytest.param(UNHEALTHY, UNHEALTHY, UNHEALTHY, 1, "security groups", id="node1 fails"),
        pytest.param(HEALTHY, HEALTHY, UNHEALTHY, 1, "differs on node2", id="node2 passes"),
        pytest.param(HEALTHY, UNHEALTHY, "", 1, "not among its targets", id="node3 is missing"),
        pytest.param("initial", UNHEALTHY, UNHEALTHY, 3, "first checks", id="not yet"),
    ],
)
def test_the_load_balancers_view(node1: str, node2: str, node3: str, code: int, words: str) -> None:
    states = {
        name: state
        for name, state in zip(("node1", "node2", "node3"), (node1, node2, node3), strict=True)
        if state
    }
    run = etpguard("verify", "-f", SEED, SERVICE, "--target-health", "-", stdin=targets(states))
    assert run.code == code, run
    assert words in run.out.splitlines()[-1]


def test_a_check_of_another_port_than_the_objects_say() -> None:
    states = {"node1": HEALTHY, "node2": UNHEALTHY, "node3": UNHEALTHY}
    run = etpguard("verify", "-f", SEED, SERVICE, "--target-health", "-", stdin=targets(states, 10256))
    assert run.code == 1, run
    assert "checks port 10256, and by the API objects it checks port 30851" in run.out.splitlines()[-1]


def changed(folder: Path, kind: str, change: dict[str, Any], *more: dict[str, Any]) -> Path:
    """The example, where the metadata of the last object of that kind have these fields too."""
    (document,) = yaml.load_all(SEED.read_text(), yaml.CSafeLoader)
    last = [item for item in document["items"] if item["kind"] == kind][-1]["metadata"]
    for field, added in change.items():
        last[field] = last.get(field, {}) | added
    document["items"] += more
    made = folder / "state.json"
    made.write_text(json.dumps(document))
    return made


FALLBACK = {"annotations": {"traffic-policy.network.alpha.openshift.io/local-with-fallback": ""}}
EXCLUDED = {"labels": {"node.kubernetes.io/exclude-from-external-load-balancers": ""}}
UNIDENTIFIED = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "node4"},
    "spec": {"providerID": "other://node4"},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}
SECOND = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {
        "name": "second",
        "namespace": "default",
        "annotations": {
            "alb.ingress.kubernetes.io/target-type": "instance",
            "alb.ingress.kubernetes.io/target-node-labels": "kubernetes.io/hostname=node1",
        },
    },
    "spec": {
        "ingressClassName": "alb",
        "defaultBackend": {"service": {"name": "nginx-nginx-ingress-controller", "port": {"number": 80}}},
    },
}


@pytest.mark.parametrize(
    ("kind", "change", "more", "options", "states", "code", "words"),
    [
        pytest.param(
            "Node", {}, [], ["--aws-lbc-max-targets", "2"], [HEALTHY, UNHEALTHY, ""], 3, "at most 2", id="capped"
        ),
        pytest.param(
            "Service", FALLBACK, [], [], [HEALTHY, HEALTHY, UNHEALTHY], 3, "OpenShift", id="states not known"
        ),
        pytest.param("Node", EXCLUDED, [], [], [HEALTHY, UNHEALTHY, "draining"], 0, "sees", id="just excluded"),
        pytest.param(
            "Node", {}, [UNIDENTIFIED], [], [HEALTHY, UNHEALTHY, ""], 3, "neither registers", id="blocked"
        ),
        pytest.param(
            "Node", {}, [SECOND], [], [HEALTHY, "", ""], 3, "send to different nodes", id="two target groups"
        ),
    ],
)
def test_what_etpguard_does_not_know_itself_does_not_differ(
    tmp_path: Path,
    kind: str,
    change: dict[str, Any],
    more: list[dict[str, Any]],
    options: list[str],
    states: list[str],
    code: int,
    words: str,
) -> None:
    source = changed(tmp_path, kind, change, *more)
    given = targets({f"node{number}": state for number, state in enumerate(states, 1) if state})
    run = etpguard("verify", "-f", source, SERVICE, "--target-health", "-", *options, stdin=given)
    assert run.code == code, run
    assert words in run.out.splitlines()[-1]


def test_as_json() -> None:
    given = targets({"node1": "healthy", "node2": "unhealthy", "node3": "unhealthy"})
    report = etpguard("verify", "-f", SEED, SERVICE, "--target-health", "-", "-o", "json", stdin=given).report
    assert report["kind"] == "VerifyReport"
    assert report["verdict"] == "agrees"
    assert [(row["node"], row["predicted"], row["verdict"]) for row in report["targets"]] == [
        ("node1", "passes", "agrees"),
        ("node2", "fails", "agrees"),
        ("node3", "fails", "agrees"),
    ]


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def test_what_connects_from_this_machine_is_inconclusive(tmp_path: Path) -> None:
    """The address is this machine's own, as on a node."""
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        (document,) = yaml.load_all(SEED.read_text(), yaml.CSafeLoader)
        for item in document["items"]:
            if item["kind"] == "Service":
                item["spec"]["ports"] = [{"name": "http", "port": 80, "nodePort": server.server_port}]
        source = tmp_path / "state.json"
        source.write_text(json.dumps(document))
        listed = tmp_path / "addresses"
        listed.write_text("node1 127.0.0.1\nnode9 127.0.0.1\n")
        run = etpguard("verify", "-f", source, SERVICE, "--from-file", listed, "-o", "json")
        server.shutdown()
    assert run.code == 3, run
    (row,) = run.report["connections"]
    assert (row["node"], row["connection"], row["verdict"]) == ("node1", "connects", "inconclusive")
    assert run.err == (
        "etpguard: warning: there is no Node node9\n"
        f"etpguard: warning: {listed} has no address of nodes node2, node3\n"
    )


def test_the_limit_counts_the_nodes_of_the_file(tmp_path: Path) -> None:
    """Of the example's nodes, --max-nodes 1 alone would take node1."""
    listed = tmp_path / "addresses"
    for name in ("node1", "node3"):
        listed.write_text(f"{name} 127.0.0.1\n")
        options = ("--from-file", listed, "--max-nodes", "1", "-o", "json")
        rows = etpguard("verify", "-f", SEED, SERVICE, *options).report["connections"]
        assert {row["node"] for row in rows} == {name}


def test_numbers_that_are_no_ports(tmp_path: Path) -> None:
    (document,) = yaml.load_all(SEED.read_text(), yaml.CSafeLoader)
    for item in document["items"]:
        if item["kind"] == "Service":
            item["spec"]["healthCheckNodePort"] = 70000
            item["spec"]["ports"] = [{"name": "http", "port": 80, "nodePort": 70000}]
    source, listed = tmp_path / "state.json", tmp_path / "addresses"
    listed.write_text("node1 0127.0.0.1\n")
    source.write_text(json.dumps(document))
    options = ("-f", source, SERVICE, "--from-file", listed)
    assert "port http is not tried: its node port is 70000" in failed(etpguard("verify", *options))
    source.write_text(json.dumps(document).replace('"nodePort": 70000', '"nodePort": 30001'))
    run = etpguard("verify", *options, "-o", "json")
    assert [row["address"] for row in run.report["connections"]] == ["127.0.0.1"]
    assert "healthCheckNodePort is not asked: it is 70000" in run.err


def test_options_that_verify_would_not_read(tmp_path: Path) -> None:
    for options, words in (
        (("--node", "node1"), "--target-health and --node exclude each other"),
        (("--from-file", "x"), "--target-health and --from-file exclude each other"),
    ):
        run = etpguard("verify", "-f", SEED, SERVICE, "--target-health", "x", *options)
        assert (run.code, run.out) == (2, "")
        assert words in run.err
    run = etpguard("verify", "-f", "-", SERVICE, "--target-health", "-", stdin="{}")
    assert (run.code, run.out) == (2, "")
    assert "stdin cannot be both -f and the file of another option" in run.err


def test_refused_on_a_ready_node_differs_only_from_outside(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
    listed = tmp_path / "addresses"
    listed.write_text("node1 127.0.0.1\n")
    run = etpguard("verify", "-f", SEED, SERVICE, "--from-file", listed)
    assert run.code == 3, run
    assert "refused" in run.out


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        pytest.param([SERVICE + "x"], None, "no Service", id="no such Service"),
        pytest.param([SERVICE, "--node", "node9"], None, "no Node node9", id="no such Node"),
        pytest.param([SERVICE, "--from-file", "/proc/none"], None, "/proc/none: No such file", id="no file"),
        pytest.param([SERVICE, "--from-file", "-"], "node1\n", "line 1: not NODE ADDRESS", id="a bad line"),
        pytest.param([SERVICE, "--from-file", "-"], "# none\n", "no line with NODE ADDRESS", id="no line"),
        pytest.param(
            [SERVICE, "--from-file", "-"], "node9 192.0.2.1\n", "to: there is no Node node9", id="other nodes"
        ),
        pytest.param([SERVICE, "--target-health", "-"], "{}", "the JSON is not that of", id="no target health"),
        pytest.param(
            [SERVICE, "--target-health", "-"],
            targets({"node1": HEALTHY}).replace("30851", "30999"),
            "the targets have port 30999, which is no node port that a consumer",
            id="another target group",
        ),
        pytest.param(
            [SERVICE, "--target-health", "-"], '{"TargetHealthDescriptions": []}', "no target", id="no targets"
        ),
    ],
)
def test_what_cannot_be_done(arguments: list[str], stdin: str | None, words: str) -> None:
    assert words in failed(etpguard("verify", "-f", SEED, *arguments, stdin=stdin))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param([], "its addresses are not those of the nodes. Give", id="connections"),
        pytest.param(["--target-health", "-"], "no target has the provider ID", id="the load balancer's view"),
    ],
)
def test_an_anonymized_dump_has_the_addresses_of_strangers(options: list[str], words: str, tmp_path: Path) -> None:
    """With --from-file it is not refused; the addresses are then those that the user gave."""
    head = {
        "apiVersion": "etpguard.dev/v1alpha1",
        "kind": "ClusterDump",
        "metadata": {"name": "cluster"},
        "anonymized": True,
        "read": ["services.v1", "nodes.v1", "endpointslices.v1.discovery.k8s.io"],
    }
    source = changed(tmp_path, "Node", {}, head)
    line = failed(etpguard("verify", "-f", source, SERVICE, *options, stdin=targets({"node1": HEALTHY})))
    assert line.startswith(f"etpguard: {source}: the dump is anonymized, so ")
    assert words in line
    listed = tmp_path / "addresses"
    listed.write_text("node1 127.0.0.1\n")
    assert etpguard("verify", "-f", source, SERVICE, "--from-file", listed).code == 3


def test_under_cluster_nothing_is_predicted(tmp_path: Path) -> None:
    (document,) = yaml.load_all(SEED.read_text(), yaml.CSafeLoader)
    for item in document["items"]:
        if item["kind"] == "Service":
            item["spec"]["externalTrafficPolicy"] = "Cluster"
    source = tmp_path / "state.json"
    source.write_text(json.dumps(document))
    assert "externalTrafficPolicy is Cluster" in failed(etpguard("verify", "-f", source, SERVICE))
