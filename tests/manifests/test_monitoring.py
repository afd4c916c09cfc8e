"""Alerts, recording rules and dashboard: checked by promtool, and fired by a real Prometheus."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster import Cluster
from devcluster.objects import apply, wait_for
from etpguard.metrics import Metrics, State
from manifests import generated
from manifests.monitoring import dashboard
from tests.manifests.installed import operator
from tests.manifests.prometheus import Prometheus, prometheus, tool
from tests.manifests.rendered import (
    MANIFESTS,
    NAMESPACE,
    ROOT,
    Json,
    helm_template,
    kustomize,
    run,
    with_monitoring,
)
from tests.remediate.stage import Scene

pytestmark = pytest.mark.no_cover

RUNBOOKS = ROOT / "docs" / "runbooks"
WITH_URLS = "monitoring.rules.enabled=true,monitoring.rules.runbookBaseURL=https://git.example.com/docs/runbooks"
RELEASE, ELSEWHERE = "north", "backbone"
"""Names of another release and its namespace; no page has these words."""
RULES = MANIFESTS / "monitoring" / "rules.yaml"
OPTIONAL_RULES = MANIFESTS / "monitoring" / "optional-rules.yaml"
ALERT = "EtpguardTrafficLost"
CLUSTERS = ('cluster="east",', 'cluster="west",')


def rules(*files: Path) -> list[dict[str, Any]]:
    groups = [group for file in files for group in yaml.load(file.read_text(), yaml.CSafeLoader)["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts(*files: Path) -> list[dict[str, Any]]:
    return [rule for rule in rules(*(files or (RULES, OPTIONAL_RULES))) if "alert" in rule]


def test_generated_files_are_up_to_date() -> None:
    for path, content in generated.files().items():
        assert path.read_text() == content, f"{path.name}: run python -m manifests.generated"


@pytest.mark.parametrize("alert", [pytest.param(each, id=each["alert"]) for each in alerts()])
def test_an_alert_says_what_a_person_needs(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning", "info")
    notes = alert["annotations"]
    assert set(notes) == {"summary", "description", "runbook"}
    page = RUNBOOKS / f"{alert['alert']}.md"
    assert notes["runbook"].endswith(f"{{.data.{page.stem}}}'")
    assert page.read_text().startswith(f"# {alert['alert']}\n")


def in_another_release() -> list[Json]:
    return helm_template("--set", WITH_URLS, release=RELEASE, namespace=ELSEWHERE)


INSTALLED = [
    pytest.param(lambda: with_monitoring("base"), "etpguard", NAMESPACE, id="kustomize"),
    pytest.param(in_another_release, RELEASE, ELSEWHERE, id="chart"),
]


@pytest.mark.parametrize(("manifests", "release", "namespace"), INSTALLED)
@pytest.mark.controlplane
def test_the_runbook_of_an_alert_is_a_command_that_prints_the_page(
    site: Cluster, manifests: Callable[[], list[Json]], release: str, namespace: str
) -> None:
    made = manifests()
    (rule,) = (m for m in made if m["kind"] == "PrometheusRule")
    (book,) = (m for m in made if m["metadata"]["name"].endswith("-runbooks"))
    apply(site, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, book])
    given = [r for group in rule["spec"]["groups"] for r in group["rules"] if "alert" in r]
    assert len(given) == len(alerts(RULES))
    for alert in given:
        tool, *arguments = shlex.split(alert["annotations"]["runbook"])
        assert tool == "kubectl"
        assert arguments[:5] == ["get", "configmap", "-n", namespace, f"{release}-runbooks"]
        page = site.kubectl(*arguments)
        source = (RUNBOOKS / f"{alert['alert']}.md").read_text()
        assert page.replace(namespace, NAMESPACE).replace(release, "etpguard") == source


@pytest.mark.parametrize(("manifests", "release", "namespace"), INSTALLED)
def test_a_runbook_names_what_is_installed(
    manifests: Callable[[], list[Json]], release: str, namespace: str
) -> None:
    made = manifests()
    (book,) = (m["data"] for m in made if m["metadata"]["name"].endswith("-runbooks"))
    there = {f"{m['kind'].lower()}/{m['metadata']['name']}" for m in made} | {"lease/etpguard"}
    (pods,) = (m["spec"]["template"]["metadata"]["labels"] for m in made if m["kind"] == "Deployment")
    named: set[str] = set()
    for alert, page in book.items():
        text = " ".join(page.split())
        assert set(re.findall(r"-n (\S+)", text)) <= {namespace, "NAMESPACE"}, alert
        assert set(re.findall(r"system:serviceaccount:[\w:-]+", text)) <= {
            f"system:serviceaccount:{namespace}:{release}"
        }, alert
        assert set(re.findall(r"kubectl logs \S+ \S+ -l (\S+)", text)) <= {f"{k}={v}" for k, v in pods.items()}
        named |= set(re.findall(r"\blease/[\w-]+", text))
        named |= {f"{kind.lower()}/{name}" for kind, name in re.findall(r"\b((?:Cluster)?Role) `([\w-]+)`", text)}
    assert named == {"lease/etpguard", f"clusterrole/{release}-observe", f"role/{release}-leader"}
    assert named <= there


def test_no_runbook_goes_by_the_api_servers_proxy() -> None:
    """The API server is no pod, and the NetworkPolicy admits pods alone."""
    for page in RUNBOOKS.glob("*.md"):
        assert "/proxy" not in page.read_text(), page.name


def test_the_chart_sets_runbook_urls_where_the_values_say_where_the_pages_are_served() -> None:
    optional = ",".join(each["alert"] for each in alerts(OPTIONAL_RULES))
    switched_on = f"{WITH_URLS},monitoring.rules.optional={{{optional}}}"
    (rule,) = (m for m in helm_template("--set", switched_on) if m["kind"] == "PrometheusRule")
    given = [r for group in rule["spec"]["groups"] for r in group["rules"] if "alert" in r]
    urls = {alert["annotations"]["runbook_url"] for alert in given}
    assert urls == {f"https://git.example.com/docs/runbooks/{page.name}" for page in RUNBOOKS.glob("*.md")}


def test_an_optional_alert_is_off_unless_the_chart_is_asked_for_it() -> None:
    optional = [each["alert"] for each in alerts(OPTIONAL_RULES)]
    for chosen, expected in (("", []), (f",monitoring.rules.optional={{{','.join(optional)}}}", optional)):
        (rule,) = (m for m in helm_template("--set", WITH_URLS + chosen) if m["kind"] == "PrometheusRule")
        given = [r.get("alert") for group in rule["spec"]["groups"] for r in group["rules"]]
        assert [name for name in given if name in optional] == expected
        assert len(given) == len(rules(RULES)) + len(expected)


def test_no_runbook_without_an_alert() -> None:
    pages = {page.stem for page in RUNBOOKS.glob("*.md")}
    assert pages == {each["alert"] for each in alerts()}


def test_promtool_accepts_the_rules_and_each_alert_fires_when_it_should(tmp_path: Path) -> None:
    run(tool("promtool"), "check", "rules", "--lint=all", "--lint-fatal", str(RULES), str(OPTIONAL_RULES))
    cases = Path(__file__).with_name("rules_test.yaml")
    for file in (RULES, OPTIONAL_RULES, cases):
        shutil.copy(file, tmp_path)
    run(tool("promtool"), "test", "rules", str(tmp_path / cases.name))
    expected = {
        case["alertname"]: case.get("exp_alerts")
        for test in yaml.load(cases.read_text(), yaml.CSafeLoader)["tests"]
        for case in sorted(test.get("alert_rule_test", ()), key=lambda case: bool(case.get("exp_alerts")))
    }
    assert expected.keys() == {each["alert"] for each in alerts()}


def test_what_the_page_says_for_managed_prometheus_on_gke_fits_the_rules_and_the_pods(tmp_path: Path) -> None:
    """prometheus-engine, pkg/operator/apis/monitoring/v1. At 088a068a, rules_types.go: the fields of a Rule. At
    01e7efc8, pod_config.go: a PodMonitoring sets the label `namespace`, a ClusterPodMonitoring only if asked."""
    page = (ROOT / "docs" / "paging.md").read_text().partition("## Managed Prometheus")[2]
    ((_, monitor), (_, script)) = re.findall(r"```(yaml|sh)\n(.*?)```", page, re.DOTALL)[:2]
    made = yaml.safe_load(run("sh", "-c", f"cd {ROOT} && {script.partition('| kubectl')[0]}"))
    assert (made["apiVersion"], made["kind"]) == ("monitoring.googleapis.com/v1", "ClusterRules")
    given = [rule for group in made["spec"]["groups"] for rule in group["rules"]]
    assert {field for rule in given for field in rule} == {
        "record",
        "alert",
        "expr",
        "for",
        "labels",
        "annotations",
    }
    assert given == [{k: v for k, v in rule.items() if k != "keep_firing_for"} for rule in rules(RULES)]
    spec = tmp_path / "spec.yaml"
    spec.write_text(yaml.safe_dump(made["spec"]))
    run(tool("promtool"), "check", "rules", str(spec))
    pods = yaml.safe_load(monitor)["spec"]
    assert pods["targetLabels"] == {"metadata": []}
    for manifests in (kustomize("base"), in_another_release()):
        (template,) = (m["spec"]["template"] for m in manifests if m["kind"] == "Deployment")
        assert pods["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        (container,) = template["spec"]["containers"]
        assert [each["port"] for each in pods["endpoints"]] == [each["name"] for each in container["ports"]]


def test_what_is_right_by_design_fires_nothing_and_is_not_in_the_table_of_the_dashboard(tmp_path: Path) -> None:
    (worse,) = (each for each in dashboard.expressions() if "outcome!~" in each)
    outcomes = {"a": "NotAffected", "b": "Covered", "c": "TargetsUnhealthy", "d": "Outage"}
    lost = {
        "alertname": ALERT,
        "alertstate": "firing",
        "severity": "critical",
        "namespace": "shop",
        "service": "d",
    }
    labels = ",".join(f'{name}="{value}"' for name, value in lost.items())
    test = {
        "interval": "1m",
        "input_series": [
            {"series": 'etpguard_build_info{instance="a"}', "values": "1x120"},
            *(
                {
                    "series": f'etpguard_service_outcome{{namespace="shop",service="{s}",outcome="{o}"}}',
                    "values": "1x120",
                }
                for s, o in outcomes.items()
            ),
        ],
        "promql_expr_test": [
            {"expr": "ALERTS", "eval_time": "2h", "exp_samples": [{"labels": f"ALERTS{{{labels}}}", "value": 1}]},
            {
                "expr": worse.replace("$cluster", ".*").replace("$namespace", ".*"),
                "eval_time": "2h",
                "exp_samples": [{"labels": '{namespace="shop",service="d",outcome="Outage"}', "value": 1}],
            },
        ],
    }
    case = tmp_path / "case.yaml"
    case.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    run(tool("promtool"), "test", "rules", str(case))


def test_every_metric_that_is_asked_for_is_exported() -> None:
    metrics = Metrics(lambda: State({}, {}, {}, (), True))
    metrics.request("get", "services", 200)
    metrics.remediation("apply", "succeeded")
    text = metrics.snapshot()().decode()
    exported = set(re.findall(r"^# TYPE (etpguard_\w+)", text, re.MULTILINE))
    exported |= {f"{name}_bucket" for name in exported}
    asked = [rule["expr"] for rule in rules(RULES, OPTIONAL_RULES)] + dashboard.expressions()
    for expression in asked:
        assert set(re.findall(r"(?<![:\w])etpguard_\w+", expression)) - {"etpguard_services"} <= exported, (
            expression
        )


def test_services_of_one_name_in_two_clusters_are_two() -> None:
    asked = [rule["expr"] for rule in rules(RULES, OPTIONAL_RULES)] + dashboard.expressions()
    by = [labels for expression in asked for labels in re.findall(r"by \(([^)]*)\)", expression)]
    assert [labels for labels in by if "service" in labels and "cluster" not in labels] == []


def test_the_example_for_the_pager_makes_one_incident_for_each_service() -> None:
    """Alertmanager at 0282264e, notify/pagerduty/pagerduty.go: DedupKey is the hash of the key of the group.
    A route without `group_by` puts all its alerts into one group: dispatch/route.go."""
    page = (ROOT / "docs" / "paging.md").read_text()
    (example,) = (text for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "receivers:" in text)
    route = yaml.safe_load(example)["route"]
    (pager,) = (each for each in route["routes"] if each["receiver"] == "pager")
    assert pager["matchers"] == [f'alertname="{ALERT}"']
    (alert,) = (each for each in alerts(RULES) if each["alert"] == ALERT)
    one = re.match(r"max by \(([^)]*)\)", alert["expr"])
    assert one is not None
    assert set(pager["group_by"]) == {"alertname", *one[1].split(", ")}


def test_the_dashboard_is_of_the_clusters_and_namespaces_that_are_chosen(tmp_path: Path) -> None:
    board = json.loads(dashboard.as_json())
    choices = {each["name"]: each for each in board["templating"]["list"] if each["type"] == "query"}
    assert list(choices) == ["cluster", "namespace"]
    for choice in choices.values():
        assert (choice["includeAll"], choice["allValue"], choice["current"]["value"]) == (True, ".*", ["$__all"])
    for expression in dashboard.expressions():
        series = re.findall(r"(?:namespace_service:)?\betpguard_\w+(?::\w+)?(?:\{([^}]*)\})?", expression)
        of_services = (
            "service" in expression.partition("by (")[2].partition(")")[0] or "lost_seconds" in expression
        )
        needed = {'cluster=~"$cluster"', *(['namespace=~"$namespace"'] if of_services else [])}
        assert all(needed <= set(labels.split(",")) for labels in series), expression
        assert series, expression
    (worse,) = (each for each in dashboard.expressions() if "outcome!~" in each)
    lost = [f'{{{c}namespace="shop",outcome="Outage",service="web"}}' for c in ("", *CLUSTERS)]
    chosen: tuple[tuple[str, str, list[str]], ...] = (
        (".*", "shop", lost),
        ("east", ".*", lost[1:2]),
        ("(east|west)", "shop", lost[1:]),
        (".*", "web", []),
    )
    test = {
        "input_series": [{"series": f"etpguard_service_outcome{labels}", "values": "1x9"} for labels in lost],
        "promql_expr_test": [
            {
                "expr": worse.replace("$cluster", cluster).replace("$namespace", namespace),
                "eval_time": "5m",
                "exp_samples": [{"labels": labels, "value": 1} for labels in expected],
            }
            for cluster, namespace, expected in chosen
        ],
    }
    case = tmp_path / "case.yaml"
    case.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [{"interval": "1m", **test}]}))
    run(tool("promtool"), "test", "rules", str(case))


def test_the_dashboard_has_a_query_in_every_panel() -> None:
    board = json.loads(dashboard.as_json())
    assert board["uid"] == "etpguard"
    assert all(panel["title"] and panel["targets"][0]["expr"] for panel in board["panels"])


@pytest.mark.controlplane
def test_the_alert_goes_pending_firing_resolved_once(site: Cluster, scene: Scene, tmp_path: Path) -> None:
    """Two replicas, scraped with labels of the target that collide with those of the series. The shipped rules,
    but for shorter waits."""
    quick = tmp_path / "rules.yaml"
    text = RULES.read_text()
    for slow, fast in ((" for: 1m\n", " for: 3s\n"), (" keep_firing_for: 5m\n", " keep_firing_for: 3s\n")):
        assert slow in text
        text = text.replace(slow, fast)
    quick.write_text(text)
    manifests = kustomize("base")
    only = {"ETPGUARD_NAMESPACES": scene.namespace}
    with (
        operator(site, manifests, tmp_path, name="a", **only) as a,
        operator(site, manifests, tmp_path, name="b", **only) as b,
    ):
        targets = [
            (each.port, {"namespace": "etpguard-system", "service": "etpguard", "pod": f"etpguard-{name}"})
            for name, each in (("a", a), ("b", b))
        ]
        with prometheus(tmp_path, quick, targets) as watching:
            wait_for(lambda: watching.up() == 2, 60, "both targets to be scraped")
            states = ["inactive"]
            scene.blackhole()
            _follow(watching, scene, states, until="firing", seconds=40)
            notes = watching.alerts(ALERT)[0]["annotations"]
            assert notes["summary"] == f"External traffic to Service {scene.namespace}/web is being lost."
            assert notes["description"].startswith(
                "Outcome: Blackhole. Eligible nodes that drop the traffic: 2 of 3. Blackhole: the load balancer"
            )
            for number in (2, 3):
                scene.place(number)
            _follow(watching, scene, states, until="inactive", seconds=40)
            _follow(watching, scene, states, until=None, seconds=6)
            assert states == ["inactive", "pending", "firing", "inactive"]
            series = watching.get(f"query?query=etpguard_service_outcome{{namespace='{scene.namespace}'}}==1")
            assert {entry["metric"]["pod"] for entry in series["result"]} == {"etpguard-a", "etpguard-b"}
            leaders = watching.get("query?query=sum(etpguard_leader)")["result"]
            assert [entry["value"][1] for entry in leaders] == ["1"]


def _follow(watching: Prometheus, scene: Scene, states: list[str], *, until: str | None, seconds: float) -> None:
    """Note each change of the alert's state, until a given one or for so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = watching.alerts(ALERT)
        assert len(found) <= 1, "two alerts for one Service"
        state = found[0]["state"] if found else "inactive"
        if found:
            labels = found[0]["labels"]
            assert (labels["namespace"], labels["service"]) == (scene.namespace, "web")
        if state != states[-1]:
            states.append(state)
        if state == until:
            return
        time.sleep(0.1)
    assert until is None, f"no alert {until} within {seconds:g} s: {states}"
