"""What a platform sets in the chart: labels, the rollout, volumes, and the alerts one by one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster import binaries
from devcluster.objects import YAML_LOADER
from manifests import chart_page
from manifests.generated import alert_names
from tests.manifests.rendered import CHART, IMAGE, Json, helm_template, with_monitoring

pytestmark = pytest.mark.no_cover

MONITORING = (
    "monitoring.serviceMonitor.enabled=true,monitoring.rules.enabled=true,monitoring.dashboard.enabled=true"
)
ALL_ON = (
    f"{MONITORING},remediation.enabled=true,warnOnApply.enabled=true,"
    "awsLoadBalancerController.deployment=kube-system/lbc"
)


def one(manifests: list[Json], kind: str) -> Any:
    (found,) = (m for m in manifests if m["kind"] == kind)
    return found


def pod(manifests: list[Json]) -> Any:
    return one(manifests, "Deployment")["spec"]["template"]


def test_common_labels_are_on_every_object_and_pod() -> None:
    manifests = helm_template("--set", f"{ALL_ON},commonLabels.team=net")
    ours = [m for m in manifests if m["kind"] != "CustomResourceDefinition"]
    assert [m["kind"] for m in ours if m["metadata"]["labels"].get("team") != "net"] == []
    assert pod(manifests)["metadata"]["labels"]["team"] == "net"
    for kind in ("Deployment", "PodDisruptionBudget", "Service"):
        selector = one(manifests, kind)["spec"]["selector"]
        assert "team" not in selector.get("matchLabels", selector)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        pytest.param("service.labels", "Service", id="Service"),
        pytest.param("monitoring.labels", "ServiceMonitor", id="ServiceMonitor"),
        pytest.param("monitoring.labels", "PrometheusRule", id="PrometheusRule"),
    ],
)
def test_a_label_of_one_object_replaces_a_common_one(value: str, kind: str) -> None:
    manifests = helm_template("--set", f"{MONITORING},commonLabels.team=net,{value}.team=own")
    assert one(manifests, kind)["metadata"]["labels"]["team"] == "own"
    assert one(manifests, "Deployment")["metadata"]["labels"]["team"] == "net"


def test_no_label_replaces_one_that_selects_pods() -> None:
    labels = pod(helm_template("--set", r"podLabels.app\.kubernetes\.io/name=other,commonLabels.team=net"))
    assert labels["metadata"]["labels"]["app.kubernetes.io/name"] == "etpguard"


def test_labels_of_monitoring_are_on_the_runbooks_and_the_dashboard_too() -> None:
    values = f"{MONITORING},monitoring.labels.release=kps,monitoring.dashboard.annotations.grafana_folder=Net"
    maps = {
        m["metadata"]["name"]: m["metadata"] for m in helm_template("--set", values) if m["kind"] == "ConfigMap"
    }
    assert {name: each["labels"].get("release") for name, each in maps.items()} == {
        "etpguard-runbooks": "kps",
        "etpguard-dashboard": "kps",
    }
    assert maps["etpguard-dashboard"]["annotations"] == {"grafana_folder": "Net"}


def test_annotations_of_the_service() -> None:
    manifests = helm_template("--set-string", r"service.annotations.prometheus\.io/scrape=true")
    assert one(manifests, "Service")["metadata"]["annotations"] == {"prometheus.io/scrape": "true"}


@pytest.mark.parametrize(
    ("values", "budget"),
    [
        pytest.param("", {"maxUnavailable": 1}, id="default"),
        pytest.param("podDisruptionBudget.maxUnavailable=50%", {"maxUnavailable": "50%"}, id="a share"),
        pytest.param("podDisruptionBudget.minAvailable=1", {"minAvailable": 1}, id="a minimum instead"),
        pytest.param(
            "podDisruptionBudget.minAvailable=1,podDisruptionBudget.maxUnavailable=null",
            {"minAvailable": 1},
            id="a minimum instead, and the default removed",
        ),
        pytest.param("podDisruptionBudget.minAvailable=0", {"minAvailable": 0}, id="zero is a minimum"),
    ],
)
def test_disruption_budget(values: str, budget: Json) -> None:
    spec = one(helm_template(*(("--set", values) if values else ())), "PodDisruptionBudget")["spec"]
    assert {key: spec[key] for key in spec if key.endswith("Available") or key == "maxUnavailable"} == budget


@pytest.mark.parametrize(
    ("values", "strategy"),
    [
        pytest.param(
            "strategy.rollingUpdate.maxSurge=0",
            {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            id="no surge",
        ),
        pytest.param("strategy.type=Recreate", {"type": "Recreate"}, id="recreate"),
    ],
)
def test_rollout_strategy(values: str, strategy: Json) -> None:
    assert one(helm_template("--set", values), "Deployment")["spec"]["strategy"] == strategy


def test_extra_volumes_are_added_to_the_charts_own() -> None:
    volume = {"name": "ca", "configMap": {"name": "company-ca"}}
    mount = {"name": "ca", "mountPath": "/etc/ssl/company", "readOnly": True}
    spec = pod(
        helm_template(
            *("--set-json", f"extraVolumes={json.dumps([volume])}"),
            *("--set-json", f"extraVolumeMounts={json.dumps([mount])}"),
        )
    )["spec"]
    assert [each["name"] for each in spec["volumes"]] == ["tmp", "ca"]
    assert spec["volumes"][1] == volume
    assert spec["containers"][0]["volumeMounts"][1] == mount


def rendered_alerts(*values: str) -> dict[str, Json]:
    chosen = ",".join(("monitoring.rules.enabled=true", *values))
    groups = one(helm_template("--set", chosen), "PrometheusRule")["spec"]["groups"]
    assert all(group["rules"] for group in groups)
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def test_each_alert_can_be_switched_off() -> None:
    off = (f"monitoring.rules.alerts.{name}.enabled=false" for name in alert_names())
    assert rendered_alerts(*off) == {}


def test_one_alert_that_is_off_leaves_the_others() -> None:
    before, after = (
        rendered_alerts(),
        rendered_alerts("monitoring.rules.alerts.EtpguardNodesUncovered.enabled=false"),
    )
    assert before.keys() - after.keys() == {"EtpguardNodesUncovered"}
    assert all(before[name] == rule for name, rule in after.items())


def test_argo_cd_does_not_break_the_scraping() -> None:
    """With its tracking by label, Argo CD writes the name of the Application into this label of each object,
    but not of pods: argo-cd util/kube/kube.go SetAppInstanceLabel."""
    tracked = {"app.kubernetes.io/instance": "etpguard-east-1"}
    for manifests in (helm_template("--set", MONITORING), with_monitoring("base")):
        labels = one(manifests, "Service")["metadata"]["labels"] | tracked
        selector = one(manifests, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
        assert selector.items() <= labels.items()


def test_a_service_monitor_selects_no_other_release_of_its_namespace() -> None:
    first, second = (helm_template("--set", MONITORING, release=name) for name in ("etpguard", "second"))
    selector = one(first, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert selector.items() <= one(first, "Service")["metadata"]["labels"].items()
    assert not selector.items() <= one(second, "Service")["metadata"]["labels"].items()


def test_a_service_monitor_for_managed_prometheus_on_aks() -> None:
    """azure-docs at 2f263d4e, azure-monitor/containers/prometheus-metrics-scrape-crd.md: another API group and the
    limits of the template."""
    value = "monitoring.serviceMonitor.apiVersion=azmonitoring.coreos.com/v1"
    usual, azure = (
        one(helm_template("--set", f"{MONITORING}{more}"), "ServiceMonitor") for more in ("", f",{value}")
    )
    assert usual["apiVersion"] == "monitoring.coreos.com/v1"
    limits = {"labelLimit": 63, "labelNameLengthLimit": 511, "labelValueLengthLimit": 1023}
    assert azure == usual | {"apiVersion": "azmonitoring.coreos.com/v1", "spec": usual["spec"] | limits}


@pytest.mark.parametrize(
    "values",
    [
        pytest.param("monitoring.rules.optional={EtpguardOneNodeFromOutage}", id="by the list"),
        pytest.param("monitoring.rules.alerts.EtpguardOneNodeFromOutage.enabled=true", id="by its switch"),
    ],
)
def test_an_optional_alert_can_be_switched_on(values: str) -> None:
    assert rendered_alerts(values).keys() - rendered_alerts().keys() == {"EtpguardOneNodeFromOutage"}


def test_severity_and_labels_of_an_alert() -> None:
    found = rendered_alerts(
        "monitoring.rules.alertLabels.team=net",
        "monitoring.rules.alerts.EtpguardTrafficLost.severity=page",
        "monitoring.rules.alerts.EtpguardTrafficLost.labels.team=edge",
    )
    assert found["EtpguardTrafficLost"]["labels"] == {"severity": "page", "team": "edge"}
    assert found["EtpguardAbsent"]["labels"] == {"severity": "warning", "team": "net"}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        pytest.param(r"commonLabels.app\.kubernetes\.io/name=x", "commonLabels", id="a label that selects pods"),
        pytest.param(
            r"commonLabels.rbac\.authorization\.k8s\.io/aggregate-to-edit=x", "commonLabels", id="an aggregation"
        ),
        pytest.param("monitoring.rules.alerts.EtpguardLost.enabled=false", "EtpguardLost", id="no alert"),
        pytest.param("monitoring.rules.alerts.EtpguardAbsent.for=1m", "for", id="the duration of an alert"),
        pytest.param("monitoring.rules.alertLabels.severity=page", "severity", id="one severity for all"),
        pytest.param("monitoring.serviceMonitor.interval=soon", "interval", id="no duration"),
        pytest.param("monitoring.serviceMonitor.interval=", "interval", id="an empty duration"),
        pytest.param("monitoring.serviceMonitor.apiVersion=v1", "apiVersion", id="no API of a ServiceMonitor"),
        pytest.param("strategy.type=OnDelete", "strategy", id="no strategy of a Deployment"),
        pytest.param("podDisruptionBudget.maxUnavailable=many", "maxUnavailable", id="no number"),
        pytest.param("nameOverride=2024", "nameOverride", id="no name of a Service"),
        pytest.param("extraVolumes[0].name=tmp", "extraVolumes", id="a volume name in use"),
        pytest.param("extraVolumeMounts[0].name=ca", "mountPath", id="a mount without a path"),
    ],
)
def test_bad_values_are_refused(values: str, says: str) -> None:
    done = subprocess.run(
        [binaries.path("helm"), "template", "x", str(CHART), "--set", IMAGE, "--set", values],
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert says in done.stderr
    assert "schema" in done.stderr


def paths(values: Json, above: str = "") -> Iterator[str]:
    """Each value and each section of values, as `--set` names it."""
    for name, value in values.items():
        path = above + name.replace(".", r"\.")
        yield path
        if isinstance(value, dict):
            yield from paths(value, f"{path}.")


def nulls(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(nulls(each) for each in (value.values() if isinstance(value, dict) else value))
    return value is None


def test_a_value_that_is_removed_is_refused_by_the_schema_or_not_needed() -> None:
    """As `labels:` with nothing below it removes the default. No switch may turn off by that, and no port open."""
    left, on = set(), f"{ALL_ON},metrics.tls.secretName=tls,{IMAGE}"
    for path in paths(yaml.load((CHART / "values.yaml").read_text(), yaml.CSafeLoader)):
        done = subprocess.run(
            [binaries.path("helm"), "template", "x", str(CHART), "--set", on, "--set", f"{path}=null"],
            capture_output=True,
            text=True,
        )
        if done.returncode == 0:
            if any(nulls(each) for each in yaml.load_all(done.stdout, YAML_LOADER)):
                left.add(path)
        elif f"missing property '{path.rpartition('.')[2]}'" not in done.stderr:
            assert "image.repository is required" in done.stderr, path
    assert left == {"resources", "podSecurityContext"}, "null is as good as none there"


@pytest.mark.parametrize(
    "path",
    [
        *("labels", "annotations", "serviceMonitor.labels", "serviceMonitor.relabelings", "rules.labels"),
        *("rules.alertLabels", "rules.alerts", "rules.optional", "dashboard.labels", "dashboard.annotations"),
    ],
)
def test_labels_and_lists_of_monitoring_may_be_empty_keys(path: str) -> None:
    assert one(helm_template("--set", f"{MONITORING},monitoring.{path}=null"), "PrometheusRule")


OTHER_CHARTS = [
    line
    for line in Path(__file__).with_name("other_charts.txt").read_text().splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize("name", OTHER_CHARTS)
def test_a_value_of_other_charts_is_offered_or_refused_with_a_reason(name: str) -> None:
    offered = {value.path for value in chart_page.read((CHART / "values.yaml").read_text())}
    sections = {path.rpartition(".")[0] for path in offered}
    refused = {each.strip("` ") for names, _ in chart_page.REFUSED for each in names.split(",")}
    is_offered = bool({name, f"monitoring.{name}"} & (offered | sections))
    assert is_offered != (name in refused)


def test_helm_rejects_each_value_that_is_refused() -> None:
    """But for `global`, which Helm gives to each chart, and the parts of an alert, which have a test above."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    refused = {each.strip("` ") for names, _ in chart_page.REFUSED for each in names.split(",")}
    given, unknown = [], set()
    for name in sorted(name for name in refused if name != "global" and "NAME" not in name):
        path = f"monitoring.{name}" if name.startswith("serviceMonitor.") else name
        known = schema["properties"]
        for part in path.split("."):
            if part not in known:
                unknown.add(part)
                break
            known = known[part].get("properties", {})
        else:
            pytest.fail(f"{name} is in the schema")
        given += ["--set", f"{path}=x"]
    done = subprocess.run(
        [binaries.path("helm"), "template", "x", str(CHART), "--set", IMAGE, *given],
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert [part for part in sorted(unknown) if f"'{part}'" not in done.stderr] == []


def test_annotations_and_labels_of_the_deployment_and_the_monitoring_objects() -> None:
    given = r"deploymentAnnotations.reloader\.stakater\.com/auto=x,monitoring.annotations.sync=late"
    own = "monitoring.dashboard.annotations.sync=own"
    manifests = helm_template("--set", f"{MONITORING},{given},{own}")
    assert one(manifests, "Deployment")["metadata"]["annotations"] == {"reloader.stakater.com/auto": "x"}
    assert "reloader.stakater.com/auto" not in pod(manifests)["metadata"]["annotations"]
    for kind in ("ServiceMonitor", "PrometheusRule"):
        assert one(manifests, kind)["metadata"]["annotations"] == {"sync": "late"}
    maps = {m["metadata"]["name"]: m["metadata"]["annotations"] for m in manifests if m["kind"] == "ConfigMap"}
    assert maps == {"etpguard-runbooks": {"sync": "late"}, "etpguard-dashboard": {"sync": "own"}}


def test_runtime_scheduler_and_timeout_of_the_scrape() -> None:
    scrape = "monitoring.serviceMonitor.interval=1m30s,monitoring.serviceMonitor.scrapeTimeout=20s"
    given = f"runtimeClassName=gvisor,schedulerName=second,{scrape}"
    manifests = helm_template("--set", f"{given},monitoring.serviceMonitor.enabled=true")
    spec = pod(manifests)["spec"]
    assert (spec["runtimeClassName"], spec["schedulerName"]) == ("gvisor", "second")
    (endpoint,) = one(manifests, "ServiceMonitor")["spec"]["endpoints"]
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == ("1m30s", "20s")


STRINGS = (
    "serviceAccount.name",
    "networkPolicy.metricsNamespace",
    "metrics.tls.secretName",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "image.repository",
    "image.tag",
    "nodeSelector.disk",
    "commonLabels.team",
)


@pytest.mark.parametrize(
    ("text", "name", "plain"),
    [("123", "etpguard", "etpguard"), ("true", "true", "a"), ("null", "null", "a")],
)
def test_a_text_that_yaml_reads_as_something_else_stays_a_text(text: str, name: str, plain: str) -> None:
    def rendered(text: str, name: str) -> Any:
        texts = [f"{path}={text}" for path in STRINGS]
        manifests = helm_template(
            *("--set", f"{ALL_ON},providers.k3s=true"),
            *("--set-string", f"{','.join(texts)},awsLoadBalancerController.deployment={text}/{text}"),
            *("--set-string", f"nameOverride={name}"),
            release=text,
            namespace=text,
        )
        return types([m for m in manifests if m["kind"] != "CustomResourceDefinition"])

    def types(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: types(each) for key, each in value.items()}
        return [types(each) for each in value] if isinstance(value, list) else type(value)

    assert rendered(text, name) == rendered("a", plain)


@pytest.mark.parametrize("release", ["2024", "my.release"])
def test_a_name_that_no_service_may_have_is_refused(release: str) -> None:
    done = subprocess.run(
        [binaries.path("helm"), "template", release, str(CHART), "--set", IMAGE], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "Set nameOverride" in done.stderr
    assert one(helm_template("--set", "nameOverride=edge", release=release), "Service")


def test_the_readme_of_the_chart_says_why_it_refuses_what_other_charts_offer() -> None:
    values = yaml.load((CHART / "values.yaml").read_text(), yaml.CSafeLoader)
    readme = (CHART / "README.md").read_text()
    for names, reason in chart_page.REFUSED:
        assert f"| {names} | {reason} |\n" in readme
        assert not {name.strip("` ") for name in names.split(",")} & set(values)
