"""The Helm chart: the same objects as the kustomize base, values that are checked, and its life on a real API
server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
import yaml

import devcluster
from devcluster import Cluster, binaries
from etpguard import __version__
from etpguard.settings import options, parse
from tests.manifests import grants
from tests.manifests.rendered import (
    CHART,
    NAMESPACE,
    USER,
    Json,
    by_name,
    environment,
    helm_template,
    kustomize,
    run,
)

ON = "remediation.enabled=true"
ALL_OFF = "publish.conditions=false,publish.reports=false,publish.events=false"
MONITORING = (
    "monitoring.serviceMonitor.enabled=true,monitoring.rules.enabled=true,monitoring.dashboard.enabled=true"
)
OWN_VALUES = {
    "write_conditions",
    "write_reports",
    "write_events",
    "remediation",
    "log_format",
    "aws_lbc_deployment",
    # Of the process rather than of the installation.
    "kubeconfig",
    "context",
    "listen",
    "lease_namespace",
    "lease_name",
    "leader_elect",
}


@pytest.mark.parametrize(
    ("values", "folder"),
    [
        pytest.param("", "base", id="defaults"),
        pytest.param(ON, "overlays/remediation", id="remediation"),
        pytest.param(ALL_OFF, "overlays/observe-only", id="observe only"),
        pytest.param(MONITORING, "overlays/monitoring", id="monitoring"),
    ],
)
def test_the_chart_equals_kustomize_object_by_object(values: str, folder: str) -> None:
    """But for the Namespace, which is `helm install --create-namespace`'s."""
    expected = by_name([m for m in kustomize(folder) if m["kind"] != "Namespace"])
    rendered = by_name(helm_template(*(("--set", values) if values else ())))
    assert rendered.keys() == expected.keys()
    for name, manifest in expected.items():
        assert _sorted(rendered[name]) == _sorted(manifest), name


def _sorted(manifest: Json) -> Json:
    """With the variables of the container by name: a patch puts its own first, and their order says nothing."""
    if manifest["kind"] == "Deployment":
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        container["env"].sort(key=lambda variable: variable["name"])
    return manifest


@pytest.mark.parametrize(
    ("values", "gone"),
    [
        pytest.param("publish.conditions=false", {"services/status"}, id="conditions"),
        pytest.param("publish.reports=false", {"servicecoverages/status"}, id="reports"),
        pytest.param("publish.events=false", {"events"}, id="events"),
        pytest.param(
            ALL_OFF, {"services/status", "servicecoverages/status", "events", "leases"}, id="all that is published"
        ),
    ],
)
def test_what_is_off_has_no_permission(values: str, gone: set[str]) -> None:
    before = {g.resource for g in grants.granted(helm_template())}
    manifests = helm_template("--set", values)
    assert before - {g.resource for g in grants.granted(manifests)} == gone
    parse({}, environment(manifests))


def test_settings_reach_the_operator() -> None:
    manifests = helm_template("--set", "settings.data-plane=kube-proxy,settings.hold=1m,logFormat=text")
    settings = parse({}, environment(manifests))
    assert (settings.data_plane, settings.hold, settings.log_format) == ("kube-proxy", 60.0, "text")


def test_the_controllers_deployment_is_one_objects_permission() -> None:
    manifests = helm_template("--set", "awsLoadBalancerController.deployment=kube-system/lbc")
    (role,) = (m for m in manifests if m["metadata"]["name"] == "etpguard-controller-arguments" and "rules" in m)
    assert role["metadata"]["namespace"] == "kube-system"
    assert role["rules"] == [
        {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["lbc"], "verbs": ["get"]}
    ]
    assert parse({}, environment(manifests)).aws_lbc_deployment == "kube-system/lbc"


def test_another_release_keeps_its_own_account_in_the_admission_policy() -> None:
    out = run(
        binaries.path("helm"),
        *("template", "second", str(CHART), "--namespace", "elsewhere", "--kube-version", "v1.37.2"),
    )
    manifests = {m["kind"]: m for m in yaml.safe_load_all(out) if m}
    condition = manifests["ValidatingAdmissionPolicy"]["spec"]["matchConditions"][0]["expression"]
    assert condition == "request.userInfo.username == 'system:serviceaccount:elsewhere:second'"
    assert environment(list(manifests.values()))["ETPGUARD_LEASE_NAME"] == "second"
    assert manifests["Role"]["rules"][1]["resourceNames"] == ["second"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        pytest.param("replica=3", "replica", id="an unknown value"),
        pytest.param("settings.dataplane=cilium", "dataplane", id="an unknown setting"),
        pytest.param("image.digest=abc", "digest", id="no digest"),
        pytest.param("replicas=0", "replicas", id="no replica"),
        pytest.param("remediation.enabled=yes", "remediation", id="a word for a switch"),
    ],
)
def test_bad_values_are_refused(values: str, says: str) -> None:
    done = subprocess.run(
        [binaries.path("helm"), "template", "x", str(CHART), "--set", values], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert says in done.stderr
    assert "schema" in done.stderr


def test_the_schema_knows_every_value_and_every_setting() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(schema["properties"]) == {*values, "global"}
    settings = {option.flag.removeprefix("--") for option in options() if option.name not in OWN_VALUES}
    assert set(schema["properties"]["settings"]["properties"]) == settings


def test_lint_and_version() -> None:
    run(binaries.path("helm"), "lint", "--strict", str(CHART), "--kube-version", "v1.37.2")
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    with devcluster.start() as cluster:
        yield cluster


@pytest.mark.controlplane
def test_install_upgrade_uninstall(bare: Cluster) -> None:
    def helm(*arguments: str) -> str:
        return run(binaries.path("helm"), "--kubeconfig", str(bare.kubeconfig), "-n", NAMESPACE, *arguments)

    def may(verb: str, resource: str) -> bool:
        plural, _, subresource = resource.partition("/")
        which = (plural, f"--subresource={subresource}") if subresource else (plural,)
        said = bare.kubectl("auth", "can-i", verb, *which, "-A", "--as", USER, check=False)
        return said.strip() == "yes"

    notes = helm("install", "etpguard", str(CHART), "--create-namespace")
    assert f"etpguard {__version__} runs in {NAMESPACE}" in notes
    assert "It mends nothing" in notes
    command = next(line.split("  ")[1] for line in notes.splitlines() if "kubectl get events" in line)
    bare.kubectl(*command.split()[1:])
    bare.kubectl("get", "cov,covpol", "-A")
    assert may("patch", "services/status")
    assert not may("patch", "services")
    helm("upgrade", "etpguard", str(CHART), "--set", ON)
    assert may("patch", "services")
    assert may("list", "coveragepolicies.etpguard.dev")
    notes = helm("upgrade", "etpguard", str(CHART), "--set", f"{ALL_OFF},admissionPolicy.enabled=false")
    assert "WARNING" in notes
    assert not may("patch", "services")
    assert not may("patch", "services/status")
    assert may("watch", "services")
    helm("rollback", "etpguard", "1")
    assert may("patch", "services/status")
    assert _left(bare, "validatingadmissionpolicies", "deployments", "serviceaccounts")
    helm("uninstall", "etpguard")
    kinds = _kinds(bare)
    assert _left(bare, *kinds) == []
    assert not may("watch", "services")
    crds = bare.kubectl("get", "crds", "-o", "name").split()
    assert len([name for name in crds if name.endswith(".etpguard.dev")]) == 3


def _kinds(cluster: Cluster) -> list[str]:
    """All that can be listed, by name."""
    said = cluster.kubectl("api-resources", "--verbs=list", "-o", "name")
    return [name for name in said.split() if not name.startswith("events")]


def _left(cluster: Cluster, *kinds: str) -> list[str]:
    selector = ("-l", "app.kubernetes.io/name=etpguard")
    return cluster.kubectl("get", ",".join(kinds), "-A", *selector, "-o", "name").split()
