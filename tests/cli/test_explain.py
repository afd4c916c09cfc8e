"""The story of one Service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from etpguard.assess.consumers.families.aws_lbc import AwsLoadBalancerController
from etpguard.cli.main import cli
from tests.cli.program import SEED, etpguard, failed

Json = dict[str, Any]
NAME = "default/nginx-nginx-ingress-controller"


def explained(change: Callable[[dict[str, Json]], None] = lambda by_kind: None, *more: str) -> str:
    """What explain prints for the seed case, after `change` of its objects by kind (Node is the last one)."""
    items = yaml.load(SEED.read_text(), yaml.CSafeLoader)["items"]
    change({item["kind"]: item for item in items})
    run = etpguard("explain", NAME, "-f", "-", *more, stdin=json.dumps({"kind": "List", "items": items}))
    assert (run.code, run.err) == (0, "")
    return run.out


def test_a_fault_in_the_advice_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*of: object) -> None:
        raise TypeError("a fault")

    monkeypatch.setattr(AwsLoadBalancerController, "advise", fail)
    done = CliRunner().invoke(cli, ["explain", NAME, "-f", str(SEED)], standalone_mode=False)
    assert done.return_value == 0
    assert f"Service {NAME}" in done.stdout
    fault = f"the advice of aws-load-balancer-controller for Service {NAME} failed: TypeError: a fault"
    assert done.stderr == f"etpguard: warning: {fault}\n"


def test_the_seed_case_from_the_ports_to_the_way_out() -> None:
    out = explained()
    assert f"Service {NAME}: NodePort, externalTrafficPolicy Local" in out
    for part in (
        "Outcome: TargetsUnhealthy: 2 of 3 eligible nodes drop",
        "Port http 80/TCP IPv4, node port 30851",
        "node1: pod nginx-nginx-ingress-controller-6d9c7f5b8-x2x9k 10.244.1.7 (ready)",
        "dropped on 2 nodes",
        "Ingress default/web to port http",
        "health check: HTTP /nginx-health on port traffic-port",
        'the AWS console shows: 2 targets unhealthy, Target.Timeout "Request timed out"',
        "curl localhost:30851 on a node proves nothing",
        "1. Leave it as it is: nothing is lost while the pods stay",
        """-p '{"spec":{"externalTrafficPolicy":"Cluster"}}'""",
    ):
        assert part in out
    assert "\x1b" not in out


def test_conditions_of_endpoints_are_printed() -> None:
    def end(by_kind: dict[str, Json]) -> None:
        by_kind["EndpointSlice"]["endpoints"][0]["conditions"] = {
            "ready": False,
            "serving": True,
            "terminating": True,
        }

    out = explained(end)
    assert "terminating on 1 node" in out
    assert "10.244.1.7 (not ready, serving, terminating)" in out


def test_an_endpoint_without_a_node_is_local_nowhere() -> None:
    out = explained(lambda by_kind: by_kind["EndpointSlice"]["endpoints"][0].pop("nodeName"))
    assert "local to no node for kube-proxy: pod nginx" in out
    assert "dropped on 3 nodes" in out


def test_an_endpoint_on_a_node_that_is_gone() -> None:
    out = explained(lambda by_kind: by_kind["EndpointSlice"]["endpoints"][0].update(nodeName="gone"))
    assert "endpoints on gone, which has no Node object" in out


ADMIN = {"name": "admin", "protocol": "TCP", "port": 9000}
ON_NODE2 = {"addresses": ["10.244.2.9"], "nodeName": "node2", "conditions": {"ready": True}}


@pytest.mark.parametrize(
    ("change", "there"),
    [
        pytest.param({}, {"http", "https", "admin"}, id="a slice of all ports"),
        pytest.param({"ports": [ADMIN]}, {"admin"}, id="a slice of one port"),
        pytest.param(
            {"ports": [{**ADMIN, "protocol": None}]}, {"admin"}, id="a port of no protocol, which is TCP"
        ),
        pytest.param({"ports": [{**ADMIN, "protocol": "UDP"}]}, set(), id="another protocol"),
        pytest.param({"ports": [{**ADMIN, "port": None}]}, set(), id="a port of no number"),
        pytest.param({"ports": [{**ADMIN, "name": None}]}, set(), id="a port of no name"),
        pytest.param({"addressType": "IPv6"}, set(), id="the other family"),
        pytest.param(
            {"labels": {"service.kubernetes.io/headless": ""}}, set(), id="a slice of a headless Service"
        ),
    ],
)
def test_an_endpoint_is_printed_under_the_ports_that_it_serves(change: Json, there: set[str]) -> None:
    items = yaml.load(SEED.read_text(), yaml.CSafeLoader)["items"]
    by_kind = {item["kind"]: item for item in items}
    first = by_kind["EndpointSlice"]
    by_kind["Service"]["spec"]["ports"].append({**ADMIN, "nodePort": 30900})
    labels = first["metadata"]["labels"] | change.get("labels", {})
    meta = {**first["metadata"], "name": "more", "labels": labels}
    more = {**first, "ports": [*first["ports"], ADMIN], "endpoints": [ON_NODE2], **change, "metadata": meta}
    more.pop("labels", None)
    body = json.dumps({"kind": "List", "items": [*items, more]})
    run = etpguard("explain", NAME, "-f", "-", stdin=body)
    assert (run.code, run.err) == (0, "")
    _, *ports = run.out.partition("\nWho sends")[0].split("\nPort ")
    assert {port.partition(" ")[0] for port in ports if "10.244.2.9" in port} == there
    unserved = {
        port.partition(" ")[0] for port in ports if "no EndpointSlice of the Service has IPv4 endpoints" in port
    }
    assert unserved == {"admin"} - there


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda n: n["metadata"]["labels"].update({"kubernetes.io/hostname": "ip-10-0-0-3"}), id="the label"
        ),
        pytest.param(lambda n: n["status"]["addresses"][1].update(address="ip-10-0-0-3"), id="the address"),
    ],
)
def test_a_hostname_that_is_not_the_nodes_name_is_pointed_out(change: Callable[[Json], None]) -> None:
    assert "Node node3 has the hostname ip-10-0-0-3." in explained(lambda by_kind: change(by_kind["Node"]))
    assert "has the hostname" not in explained()


def test_cluster_policy_gets_an_answer() -> None:
    out = explained(lambda by_kind: by_kind["Service"]["spec"].update(externalTrafficPolicy="Cluster"))
    assert "NotAffected: with this policy every node forwards" in out
    assert "pods may see a node's address instead of the client's" in out


def test_with_cluster_policy_calico_ebpf_keeps_the_address_of_the_client() -> None:
    out = explained(
        lambda by_kind: by_kind["Service"]["spec"].update(externalTrafficPolicy="Cluster"),
        "--data-plane",
        "calico-ebpf",
    )
    assert "The cost is one extra network hop." in out


def test_the_cost_of_cluster_is_that_of_the_data_plane() -> None:
    assert "the peer that pods see is a node" in explained()
    assert "The client's address is not affected." in explained(
        lambda by_kind: None, "--data-plane", "calico-ebpf"
    )


def test_a_service_nobody_reaches_from_outside_gets_an_answer() -> None:
    out = explained(lambda by_kind: by_kind["Service"]["spec"].update(type="ClusterIP"))
    assert "clients outside the cluster cannot reach any of its ports" in out


def test_an_ignored_service_gets_an_answer() -> None:
    ignore = {"etpguard.dev/ignore": "true"}
    assert "etpguard skips it" in explained(
        lambda by_kind: by_kind["Service"]["metadata"].update(annotations=ignore)
    )


def test_max_nodes_bounds_the_nodes_of_a_state() -> None:
    assert "and 1 more (--max-nodes 0 for all)" in explained(lambda by_kind: None, "--max-nodes", "1")
    assert "more (--max-nodes" not in explained(lambda by_kind: None, "--max-nodes", "0")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("other/nginx-nginx-ingress-controller", f"; there is {NAME}", id="in another namespace"),
        pytest.param("default/nginx-nginx-ingress-controler", f"; did you mean {NAME}?", id="misspelt"),
        pytest.param("nginx-nginx-ingress-controller.default", f"; there is {NAME}", id="as in DNS"),
        pytest.param("nginx-nginx-ingress-controller.default.svc", f"; there is {NAME}", id="as in DNS, longer"),
        pytest.param("a/b", "no Service a/b in ", id="nothing like it"),
    ],
)
def test_a_service_that_is_not_there(name: str, hint: str) -> None:
    assert hint in failed(etpguard("explain", name, "-f", SEED))


@pytest.mark.parametrize("prefix", ["svc/", "service/", "services/", "default/", ""])
def test_with_a_namespace_a_service_may_have_the_prefix_that_kubectl_prints(prefix: str) -> None:
    space, _, name = NAME.partition("/")
    run = etpguard("explain", f"{prefix}{name}", "-n", space, "-f", SEED)
    assert (run.code, run.out.splitlines()[0]) == (0, f"Service {NAME}: NodePort, externalTrafficPolicy Local")


def test_without_a_namespace_that_prefix_is_a_namespace() -> None:
    line = failed(etpguard("explain", "svc/nginx-nginx-ingress-controller", "-f", SEED))
    assert line.endswith(f"there is no Service of namespace svc in the input; there is {NAME}")


COMMANDS = ("kubectl ", "etpguard ")


@pytest.mark.parametrize("case", sorted(p.stem for p in (SEED.parents[1]).iterdir() if (p / SEED.name).is_file()))
def test_commands_can_be_copied_from_a_narrow_terminal(case: str) -> None:
    """Each command is alone on its line, whole, and without punctuation that does not belong to it."""
    file = SEED.parents[1] / case / SEED.name
    found = etpguard("check", "-f", file, "-o", "json").report
    (service,) = found["services"] or found["internal"]
    out = etpguard("explain", f"{service['namespace']}/{service['name']}", "-f", file, COLUMNS="80").out
    for line in out.splitlines():
        if any(word in line for word in COMMANDS) and "etpguard assumes" not in line:
            assert line.startswith("       "), line
            assert line.strip().startswith(COMMANDS)
            assert not line.endswith((".", ";", ",", "`"))


def test_each_item_of_advice_has_a_title_an_effect_a_cost_and_a_command_alone_on_its_line() -> None:
    """In a narrow terminal, too, commands are not folded."""
    advice = explained().partition("What to do, best first\n")[2].splitlines()
    at = next(i for i, line in enumerate(advice) if line.strip().endswith("Let every node forward."))
    assert advice[at + 1].strip().startswith("Cost: one extra network hop.")
    command = "kubectl -n default patch service nginx-nginx-ingress-controller -p "
    assert advice[at + 2].strip() == command + """'{"spec":{"externalTrafficPolicy":"Cluster"}}'"""


def report(*changes: Json, uid: str = "") -> Callable[[dict[str, Json]], None]:
    """Adds the ServiceCoverage of the Service with these transitions; its owner has that uid, or the Service's."""

    def change(by_kind: dict[str, Json]) -> None:
        service = by_kind["Service"]
        service["metadata"]["uid"] = "own"
        owner = {"apiVersion": "v1", "kind": "Service", "name": service["metadata"]["name"], "uid": uid or "own"}
        coverage = {
            "apiVersion": "etpguard.dev/v1alpha1",
            "kind": "ServiceCoverage",
            "metadata": {**service["metadata"], "uid": "report", "ownerReferences": [owner]},
            "status": {"outcome": "Covered", "transitions": list(changes)},
        }
        by_kind["Service"] |= {"kind": "List", "items": [dict(service), coverage]}

    return change


def transition(minute: int, before: str, after: str) -> Json:
    changed = {"time": f"2026-01-01T00:{minute:02}:00Z", "to": after, "reason": f"why {after}"}
    return changed | ({"from": before} if before else {})


def test_the_history_that_the_operator_recorded() -> None:
    out = explained(report(transition(5, "Covered", "Blackhole"), transition(0, "", "Covered")))
    lines = out.splitlines()
    start = lines.index("Changes of the outcome that the operator recorded, newest first")
    assert lines[start + 1 : start + 3] == [
        "  2026-01-01T00:05:00Z  Covered to Blackhole: why Blackhole",
        "  2026-01-01T00:00:00Z  Covered: why Covered",
    ]


def test_a_long_history_ends_with_the_command_that_shows_all() -> None:
    out = explained(report(*(transition(minute, "Covered", "Outage") for minute in range(19, -1, -1))))
    assert out.count("Covered to Outage") == 5
    assert "  15 more:" in out
    assert "    kubectl get servicecoverage -n default nginx-nginx-ingress-controller -o jsonpath=" in out


def test_the_history_of_another_service_of_that_name_is_not_shown() -> None:
    assert "recorded" not in explained(report(transition(0, "", "Covered"), uid="another"))


def pods(workload: str, **container: Any) -> Callable[[dict[str, Json]], None]:
    """Adds the Pod that the slice of the seed case names, and the workload behind it."""

    def change(by_kind: dict[str, Json]) -> None:
        labels = by_kind["Service"]["spec"]["selector"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "namespace": "default",
                "name": "nginx-nginx-ingress-controller-6d9c7f5b8-x2x9k",
                "uid": "pod",
                "labels": labels,
            },
            "spec": {
                "terminationGracePeriodSeconds": 300,
                "containers": [{"image": "shop/web:1", "ports": [{"containerPort": 80}], **container}],
            },
        }
        controller = {
            "apiVersion": "apps/v1",
            "kind": workload,
            "metadata": {"namespace": "default", "name": "web", "uid": "workload"},
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}},
        }
        by_kind["Service"] |= {"kind": "List", "items": [dict(by_kind["Service"]), pod, controller]}

    return change


@pytest.mark.parametrize("workload", ["Deployment", "DaemonSet", "StatefulSet"])
def test_the_end_of_a_pod_behind_a_check_of_the_traffic_port(workload: str) -> None:
    out = explained(pods(workload, lifecycle={"preStop": {"sleep": {"seconds": 300}}}), "--hand-off")
    start = out.index("When the last pod of a node ends")
    assert "Ingress default/web: Lossy: requests to the node are lost for 15 to 35 s" in out[start:]
    assert "so a preStop delay does not help" in out[start:]
    assert "minReadySeconds is 0" in out[start:]


def test_without_pods_the_end_of_a_pod_is_not_known() -> None:
    assert "no Pod of it was read" in explained(lambda by_kind: None, "--hand-off")
    assert "When the last pod" not in explained(lambda by_kind: None)


def test_of_a_consumer_without_a_rule_no_source_is_claimed() -> None:
    def another_class(by_kind: dict[str, Json]) -> None:
        by_kind["IngressClass"]["spec"]["controller"] = "example.com/ours"

    out = explained(another_class)
    assert "Unknown: ControllerNotModelled: how example.com/ours reaches the Service is not known" in out
    assert "how this is known" not in out
