"""Clients in the cluster, in every output of `check`, in `explain` and in `what-if`."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.cli.program import SEED, Run, etpguard

SEED_NAME = "default/nginx-nginx-ingress-controller"
AGENT = SEED.parents[1] / "node-local-agent" / SEED.name
TITLE = "Clients in the cluster (internalTrafficPolicy Local):"
TAINT = "DaemonSet observability/otel-agent does not tolerate the taint nvidia.com/gpu=present:NoSchedule"
CRASH = "its pod there is not ready: container collector waits (CrashLoopBackOff)"


def without(tmp_path: Path, *kinds: str) -> Path:
    """The example without objects of these kinds."""
    content = yaml.load(AGENT.read_text(), yaml.CSafeLoader)
    content["items"] = [item for item in content["items"] if item["kind"] not in kinds]
    made = tmp_path / "state.yaml"
    made.write_text(yaml.safe_dump(content))
    return made


def entry(run: Run) -> dict[str, Any]:
    (found,) = run.report["internal"]
    made: dict[str, Any] = found
    return made


def test_the_second_table() -> None:
    run = etpguard("check", "-f", AGENT)
    assert (run.code, run.err) == (0, "")
    table = run.out.partition(f"{TITLE}\n")[2].splitlines()
    assert table[0].split() == ["OUTCOME", "SERVICE", "UNCOVERED", "NODES", "REASON"]
    assert table[1].split("   ")[:3] == ["Uncovered", "observability/otel-agent", "3/5"]
    assert table[1].endswith(f"gpu-1, gpu-2, worker-3   2 nodes: {TAINT}; 1 node: {CRASH}")
    assert "1 Service with internalTrafficPolicy Local: 1 Uncovered" in table
    assert f"  etpguard explain observability/otel-agent -f {AGENT}" in table
    assert "Assumed: the data plane" in run.out


def test_the_wide_table_has_the_pods() -> None:
    line = etpguard("check", "-f", AGENT, "-o", "wide").out.partition(TITLE)[2].splitlines()[2]
    assert "otlp-grpc/TCP   6 pods: StatefulSet ml/trainer (4), Deployment shop/api (2)   -" in line


def test_a_cluster_without_such_a_service_has_no_second_table() -> None:
    assert TITLE not in etpguard("check", "-f", SEED).out


def test_fail_on_counts_them_only_with_internal() -> None:
    assert etpguard("check", "-f", AGENT, "--fail-on", "Uncovered").code == 0
    assert etpguard("check", "-f", AGENT, "--internal").code == 1
    assert etpguard("check", "-f", AGENT, "--internal", "--fail-on", "Outage").code == 0
    assert etpguard("check", "-f", AGENT, "--internal", "--fail-on", "never").code == 0


def test_json_has_the_causes_and_the_pods() -> None:
    found = entry(etpguard("check", "-f", AGENT, "-o", "json"))
    taint, crash = found["causes"]
    assert taint["reasons"] == [
        {"cause": "UntoleratedTaint", "message": TAINT, "workload": "DaemonSet observability/otel-agent"}
    ]
    assert (taint["nodes"], taint["pods"]) == (["gpu-1", "gpu-2"], [])
    assert crash["reasons"] == [{"cause": "PodNotReady", "message": CRASH}]
    assert crash["pods"] == ["observability/otel-agent-tz5mn"]
    assert found["clients"]["counts"] == {"owners": 2, "pods": 6}
    assert found["clients"]["owners"][0] == {
        "kind": "StatefulSet", "namespace": "ml", "name": "trainer", "pods": 4, "nodes": 2,
    }  # fmt: skip
    assert any("edit daemonset otel-agent" in text for text in found["advice"])


def test_yaml_and_stdin_say_the_same() -> None:
    made = yaml.load(etpguard("check", "-f", "-", "-o", "yaml", stdin=AGENT.read_bytes()).out, yaml.CSafeLoader)
    assert made["internal"] == etpguard("check", "-f", AGENT, "-o", "json").report["internal"]


@pytest.mark.parametrize(("more", "element"), [([], "system-out"), (["--internal"], "failure")])
def test_junit_has_a_test_for_them(more: list[str], element: str) -> None:
    suite = ElementTree.fromstring(etpguard("check", "-f", AGENT, "-o", "junit", *more).out)
    (case,) = suite.findall("testcase")
    assert (case.get("classname"), case.get("name")) == ("observability", "otel-agent (clients in the cluster)")
    (found,) = case
    assert found.tag == element
    if element == "failure":
        assert f"gpu-1, gpu-2: {TAINT}" in (found.text or "")


@pytest.mark.parametrize(("more", "level"), [([], "warning"), (["--internal"], "error")])
def test_sarif_has_a_result_for_them(more: list[str], level: str) -> None:
    (run,) = etpguard("check", "-f", AGENT, "-o", "sarif", *more).report["runs"]
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("InternalUncovered", level)
    assert f"gpu-1, gpu-2: {TAINT}" in result["message"]["text"].splitlines()


def test_html_has_them() -> None:
    page = etpguard("check", "-f", AGENT, "-o", "html").out
    assert '<h2 id="internal-title">Clients in the cluster</h2>' in page
    assert "observability/otel-agent" in page


def test_explain_prints_the_advice_as_patches() -> None:
    run = etpguard("explain", "observability/otel-agent", "-f", AGENT, "--patch")
    service, tolerations, surge = yaml.load_all(run.out, yaml.CSafeLoader)
    assert service["spec"] == {"internalTrafficPolicy": "Cluster", "trafficDistribution": "PreferSameNode"}
    assert (tolerations["kind"], tolerations["metadata"]["name"]) == ("DaemonSet", "otel-agent")
    added = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert tolerations["spec"]["template"]["spec"]["tolerations"] == [added]
    assert surge["spec"]["updateStrategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "#   kubectl -n observability patch daemonset otel-agent --patch-file=FILE" in run.out.splitlines()
    only = etpguard("explain", "observability/otel-agent", "-f", AGENT, "--patch", "--way", "2").out
    assert list(yaml.load_all(only, yaml.CSafeLoader)) == [tolerations]


def both_policies(tmp_path: Path) -> Path:
    """The example with a Service that loses traffic from outside and from inside."""
    content = yaml.load(AGENT.read_text(), yaml.CSafeLoader)
    for item in content["items"]:
        if item["kind"] == "Service" and item["metadata"]["name"] == "otel-agent":
            item["spec"] |= {"type": "NodePort", "externalTrafficPolicy": "Local"}
            item["spec"]["ports"][0]["nodePort"] = 30017
    state = tmp_path / "state.yaml"
    state.write_text(yaml.safe_dump(content))
    return state


def test_the_numbers_of_the_advice_go_on_after_the_advice_about_external_traffic(tmp_path: Path) -> None:
    state = both_policies(tmp_path)
    story = etpguard("explain", "observability/otel-agent", "-f", state, "--hand-off").out
    outside, _, inside = story.partition("Clients in the cluster (internalTrafficPolicy Local)\n")
    last = [line for line in outside.splitlines() if line.startswith("  ") and line.lstrip()[:1].isdigit()][-1]
    number = int(last.split(".")[0]) + 1
    title = "Prefer the endpoint on the client's node instead of requiring it."
    assert f"    {number}. {title}" in inside.splitlines()
    run = etpguard("explain", "observability/otel-agent", "-f", state, "--patch", "--way", str(number))
    assert run.out.splitlines()[1] == f"# {number}. {title}"


def test_the_json_explanation_has_the_advice() -> None:
    plain = etpguard("explain", "observability/otel-agent", "-f", AGENT, "-o", "json").report["internalAdvice"]
    assert [each["title"].split()[0] for each in plain] == ["Prefer", "Let", "Let"]
    assert all("documents" not in each for each in plain)
    more = etpguard("explain", "observability/otel-agent", "-f", AGENT, "-o", "json", "--patch").report
    assert more["advice"] == []
    assert [len(each["documents"]) for each in more["internalAdvice"]] == [1, 1, 1]
    assert etpguard("explain", SEED_NAME, "-f", SEED, "-o", "json").report["internalAdvice"] == []


def test_markdown_has_a_table_for_them() -> None:
    out = etpguard("check", "-f", AGENT, "-o", "markdown").out
    assert "**Clients in the cluster** (internalTrafficPolicy Local)" in out
    assert "| Uncovered | observability/otel\\-agent | 3/5 | gpu\\-1, gpu\\-2, worker\\-3 | 2: DaemonSet" in out


def test_explain_says_why_and_who() -> None:
    out = etpguard("explain", "observability/otel-agent", "-f", AGENT).out
    assert out.startswith("Service observability/otel-agent: ClusterIP, externalTrafficPolicy Cluster, internal")
    story = out.partition("Clients in the cluster (internalTrafficPolicy Local)\n")[2].splitlines()
    assert story[0] == "  Uncovered: 3 of 5 Ready nodes drop the traffic of clients on them"
    assert "    dropped on 3 nodes: no usable endpoint here: connections from the node time out" in story
    assert story[story.index(f"    2 nodes: {TAINT}") + 1] == "      gpu-1, gpu-2"
    assert story[story.index(f"    1 node: {CRASH}") + 2] == "      pod observability/otel-agent-tz5mn"
    assert "    StatefulSet ml/trainer: 4 pods on 2 nodes" in story
    patch = '{"spec": {"internalTrafficPolicy": "Cluster", "trafficDistribution": "PreferSameNode"}}'
    assert any(line.endswith(f"patch service otel-agent -p '{patch}'") for line in story)


def test_explain_bounds_the_names() -> None:
    out = etpguard("explain", "observability/otel-agent", "-f", AGENT, "--max-nodes", "1").out
    assert "      gpu-1 and 1 more (--max-nodes 0 for all)" in out


def test_without_pods_it_says_so(tmp_path: Path) -> None:
    run = etpguard("check", "-f", without(tmp_path, "Pod"), "-o", "json")
    found = entry(run)
    assert found["clients"] is None
    # A taint is known without Pods, and the endpoint shows the pod that is not ready.
    assert [each["reasons"][0]["cause"] for each in found["causes"]] == ["UntoleratedTaint", "PodNotReady"]
    assert "pods" in run.report["notRead"]
    assert "which pods run on uncovered nodes is not known: the input has no Pod" in run.err
    out = etpguard("explain", "observability/otel-agent", "-f", tmp_path / "state.yaml").out
    assert "  Which pods run on the uncovered nodes is not known: the input has no Pod" in out


def test_without_workloads_it_says_so(tmp_path: Path) -> None:
    state = without(tmp_path, "DaemonSet")
    causes = entry(etpguard("check", "-f", state, "-o", "json"))["causes"]
    assert causes[0]["reasons"] == [{"cause": "NotRead", "message": "DaemonSets were not read"}]


def test_what_if_names_the_nodes_that_go_dark() -> None:
    change = ["rollout", "observability/DaemonSet/otel-agent"]
    (found,) = etpguard("what-if", "-f", AGENT, "-o", "json", *change).report["internal"]
    assert found["goDark"] == {
        "nodes": ["worker-1", "worker-2"],
        "count": 2,
        "atOnce": 1,
        "seconds": {"least": 7, "median": 9, "pods": 2},
        "duration": "each until its new pod is ready: 9 s, the median of the present pods",
    }
    assert (found["now"]["dark"], found["during"]["worst"]["dark"]) == (3, 4)
    table = etpguard("what-if", "-f", AGENT, *change).out.partition(f"{TITLE}\n")[2].splitlines()
    assert "Uncovered 3/5   Uncovered 4/5" in table[1]
    assert "worker-1, worker-2, 1 at a time" in table[1]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        pytest.param([], 0, id="not counted"),
        pytest.param(["--internal"], 1, id="counted"),
        pytest.param(["--internal", "--fail-on", "Outage"], 0, id="Uncovered is no Outage"),
        pytest.param(["--internal", "--fail-on", "never"], 0, id="never"),
    ],
)
def test_what_if_counts_them_only_with_internal(options: list[str], code: int) -> None:
    change = ["rollout", "observability/DaemonSet/otel-agent"]
    assert etpguard("what-if", "-f", AGENT, *options, *change).code == code


def test_what_if_says_what_has_no_bound(tmp_path: Path) -> None:
    content = yaml.load(AGENT.read_text(), yaml.CSafeLoader)
    for item in content["items"]:
        owner = {"kind": "Deployment", "apiVersion": "apps/v1"}
        if item["kind"] == "DaemonSet":
            item |= {"kind": "Deployment", "spec": {**item["spec"], "replicas": 3}}
        if item["kind"] == "Pod" and item["metadata"]["namespace"] == "observability":
            item["metadata"]["ownerReferences"][0] |= {**owner, "kind": "ReplicaSet"}
    state = tmp_path / "state.yaml"
    state.write_text(yaml.safe_dump(content))
    drained = etpguard("what-if", "-f", state, "-o", "json", "drain", "worker-1").report["internal"]
    assert [(each["goDark"]["nodes"], each["goDark"]["seconds"]) for each in drained] == [(["worker-1"], None)]
    assert drained[0]["goDark"]["duration"] in ("not bounded", "until another change")


def titles(state: Path) -> list[str]:
    return [each.partition(".")[0] for each in entry(etpguard("check", "-f", state, "-o", "json"))["advice"]]


def test_advice_fits_the_workload(tmp_path: Path) -> None:
    assert len(titles(AGENT)) == 3
    content = yaml.load(AGENT.read_text(), yaml.CSafeLoader)
    (daemon_set,) = [item for item in content["items"] if item["kind"] == "DaemonSet"]
    daemon_set["spec"]["updateStrategy"]["rollingUpdate"] = {"maxSurge": 1, "maxUnavailable": 0}
    state = tmp_path / "state.yaml"
    state.write_text(yaml.safe_dump(content))
    assert titles(state) == titles(AGENT)[:2]
    daemon_set["kind"] = "Deployment"
    state.write_text(yaml.safe_dump(content))
    assert titles(state) == titles(AGENT)[:1]
