"""The shipped example, by the contract of the report."""

from __future__ import annotations

import json
import shlex

from tests.cli.program import SEED, etpguard

PORT = {
    "protocol": "TCP",
    "family": "IPv4",
    "ready": ["node1"],
    "terminating": [],
    "rejected": [],
    "client": "timeout",
}
COUNTS = {"ready": 1, "terminating": 0, "dropped": 2, "rejected": 0}


def test_json_is_the_documented_report() -> None:
    run = etpguard("check", "-f", SEED, "-o", "json")
    assert (run.code, run.err) == (0, "")
    report = run.report
    (service,) = report.pop("services")
    (group,) = report["dataPlane"].pop("groups")
    assert (group["name"], group["evidence"], group["nodes"]) == (
        "kube-proxy",
        "assumed",
        ["node1", "node2", "node3"],
    )
    assert report == {
        "apiVersion": "etpguard.dev/v1alpha1",
        "kind": "CoverageReport",
        "dataPlane": {"name": "kube-proxy", "how": "assumed"},
        "internal": [],
        "assumptions": ["the data plane of every node is kube-proxy; use --data-plane to name another one"],
        "warnings": [],
        "notRead": [],
    }
    assert {k: service[k] for k in ("namespace", "name", "type", "outcome")} == {
        "namespace": "default",
        "name": "nginx-nginx-ingress-controller",
        "type": "NodePort",
        "outcome": "TargetsUnhealthy",
    }
    dropped = ["node2", "node3"]
    assert service["ports"] == [
        {"port": "http", "nodePort": 30851, "dropped": dropped, "counts": COUNTS, **PORT},
        {"port": "https", "nodePort": 32350, "dropped": dropped, "counts": COUNTS, **PORT},
    ]
    (consumer,) = service["consumers"]
    expected = {
        "kind": "Ingress",
        "namespace": "default",
        "name": "web",
        "controller": "ingress.k8s.aws/alb",
        "targetType": "instance",
        "port": "http",
        "healthCheck": {"port": "traffic-port", "protocol": "HTTP", "path": "/nginx-health"},
        "eligibleNodes": ["node1", "node2", "node3"],
        "uncoveredNodes": dropped,
        "outcome": "TargetsUnhealthy",
        "evidence": "documented",
    }
    assert service["assumptions"] == []
    assert {name: consumer[name] for name in expected} == expected
    assert "so they receive no traffic" in consumer["reason"]
    assert any("externalTrafficPolicy" in piece for piece in service["advice"])


def test_yaml_output_says_the_same() -> None:
    import yaml

    made = etpguard("check", "-f", SEED, "-o", "yaml")
    assert yaml.load(made.out, yaml.CSafeLoader) == etpguard("check", "-f", SEED, "-o", "json").report


def test_json_input_says_the_same_as_yaml_input() -> None:
    import yaml

    as_json = json.dumps(yaml.load(SEED.read_text(), yaml.CSafeLoader))
    assert (
        etpguard("check", "-f", "-", "-o", "json", stdin=as_json).out
        == etpguard("check", "-f", SEED, "-o", "json").out
    )


def test_table_when_piped_has_no_colour_and_is_not_cut() -> None:
    run = etpguard("check", "-f", SEED, COLUMNS="20")
    assert run.out.splitlines()[:2] == [
        "OUTCOME            SERVICE                                  UNCOVERED   NODES",
        "TargetsUnhealthy   default/nginx-nginx-ingress-controller   2/3         node2, node3",
    ]
    assert "\x1b" not in run.out


def test_fail_on_decides_the_exit_code() -> None:
    assert etpguard("check", "-f", SEED, "--fail-on", "TargetsUnhealthy").code == 1
    assert etpguard("check", "-f", SEED, "--fail-on", "unknown").code == 0


def test_namespace_limits_the_report() -> None:
    assert etpguard("check", "-f", SEED, "-n", "elsewhere", "-o", "json").report["services"] == []
    assert len(etpguard("check", "-f", SEED, "-n", "default", "-o", "json").report["services"]) == 1


def test_max_nodes_bounds_names_but_not_counts() -> None:
    (service,) = etpguard("check", "-f", SEED, "-o", "json", "--max-nodes", "1").report["services"]
    assert service["ports"][0]["dropped"] == ["node2"]
    assert service["ports"][0]["counts"] == COUNTS
    assert service["consumers"][0]["eligibleNodes"] == ["node1"]


def test_the_table_ends_with_the_command_that_explains_the_worst_service() -> None:
    lines = etpguard("check", "-f", SEED, "--data-plane", "kube-proxy").out.splitlines()
    command = f"  etpguard explain default/nginx-nginx-ingress-controller -f {SEED} --data-plane kube-proxy"
    assert lines[-2:] == ["For the reason and what to do:", command]
    assert etpguard(*shlex.split(command)[1:]).code == 0


def test_the_table_shows_why_an_outcome_is_unknown() -> None:
    file = SEED.parents[1] / "unknown" / SEED.name
    assert "Unknown (ControllerNotModelled)" in etpguard("check", "-f", file).out


def test_wide_adds_ports_consumers_and_the_reason_but_no_advice() -> None:
    out = etpguard("check", "-f", SEED, "-o", "wide").out
    for part in ("http:30851/TCP", "Ingress default/web (TargetsUnhealthy)", "receive no traffic"):
        assert part in out
    assert "kubectl" not in out


def test_the_kubectl_plugin_is_the_same_program() -> None:
    from importlib.metadata import entry_points

    scripts = {e.name: e.value for e in entry_points(group="console_scripts") if "etpguard" in e.name}
    assert scripts["kubectl-etpguard"] == scripts["etpguard"] == "etpguard.__main__:program"
