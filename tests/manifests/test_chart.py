"""The Helm chart: the same objects as the kustomize base, values that are checked, and its life on a real API
server."""

from __future__ import annotations

import json
import subprocess
import typing
from collections.abc import Callable, Iterator
from typing import Any, Literal

import jsonschema
import pytest
import yaml

import devcluster
from devcluster import Cluster, binaries
from etpguard import __version__
from etpguard.assess import picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.settings import Settings, SettingsError, options, parse
from manifests import chart_page
from manifests.generated import SET_BY_CHART, chart_settings
from tests.manifests import grants
from tests.manifests.rendered import (
    CHART,
    IMAGE,
    NAMESPACE,
    ROOT,
    USER,
    Json,
    by_name,
    environment,
    helm_template,
    kustomize,
    run,
    with_component,
    with_monitoring,
)

pytestmark = pytest.mark.no_cover

ON = "remediation.enabled=true"
ALL_OFF = "publish.conditions=false,publish.reports=false,publish.events=false"
MONITORING = (
    "monitoring.serviceMonitor.enabled=true,monitoring.rules.enabled=true,monitoring.dashboard.enabled=true"
)


@pytest.mark.parametrize(
    ("values", "overlay"),
    [
        pytest.param("", lambda: kustomize("base"), id="defaults"),
        pytest.param(ON, lambda: kustomize("overlays/remediation"), id="remediation"),
        pytest.param(ALL_OFF, lambda: kustomize("overlays/observe-only"), id="observe only"),
        pytest.param(MONITORING, lambda: with_monitoring("base"), id="monitoring"),
        pytest.param(
            "warnOnApply.enabled=true",
            lambda: with_component("base", "overlays/warn-on-apply"),
            id="warn on apply",
        ),
        pytest.param(
            "metrics.tls.secretName=etpguard-tls",
            lambda: with_component("base", "overlays/metrics-tls"),
            id="metrics over TLS",
        ),
        pytest.param(
            f"metrics.tls.secretName=etpguard-tls,{MONITORING}",
            lambda: with_component("base", "overlays/monitoring", "overlays/metrics-tls"),
            id="metrics over TLS and monitoring",
        ),
    ],
)
def test_the_chart_equals_kustomize_object_by_object(values: str, overlay: Callable[[], list[Json]]) -> None:
    """But for the Namespace, which is `helm install --create-namespace`'s."""
    expected = by_name([m for m in overlay() if m["kind"] != "Namespace"])
    rendered = by_name(helm_template(*(("--set", values) if values else ())))
    assert rendered.keys() == expected.keys()
    for name, manifest in expected.items():
        assert _sorted(rendered[name]) == _sorted(manifest), name


def _sorted(manifest: Json) -> Json:
    """With the variables and the mounts of the container by name: a patch puts its own first, and their order says
    nothing. And without the match of an admission policy: the chart knows its namespace, the base does not."""
    if manifest["kind"] == "ValidatingAdmissionPolicy":
        manifest["spec"].pop("matchConditions")
    if manifest["kind"] == "Deployment":
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        volumes = manifest["spec"]["template"]["spec"]["volumes"]
        for each in (container["env"], container["volumeMounts"], volumes):
            each.sort(key=lambda named: named["name"])
    return manifest


CILIUM = (
    "ciliuml2announcementpolicies",
    "ciliumbgpadvertisements",
    "ciliumbgpclusterconfigs",
    "ciliumbgppeerconfigs",
)


@pytest.mark.parametrize(
    ("values", "gone"),
    [
        pytest.param("publish.conditions=false", {"services/status"}, id="conditions"),
        pytest.param("publish.reports=false", {"servicecoverages/status"}, id="reports"),
        pytest.param("publish.events=false", {"events"}, id="events"),
        pytest.param(
            f"{ALL_OFF},providers.cilium=false",
            {"services/status", "servicecoverages/status", "events", "leases", *CILIUM},
            id="all that is published, and Cilium",
        ),
    ],
)
def test_what_is_off_has_no_permission(values: str, gone: set[str]) -> None:
    before = {g.resource for g in grants.granted(helm_template())}
    manifests = helm_template("--set", values)
    assert before - {g.resource for g in grants.granted(manifests)} == gone
    parse({}, environment(manifests))


@pytest.mark.parametrize(
    ("provider", "groups"),
    [
        pytest.param("aws", {"elbv2.k8s.aws", "gateway.k8s.aws"}, id="AWS"),
        pytest.param("gatewayAPI", {"gateway.networking.k8s.io"}, id="Gateway API"),
        pytest.param("gke", {"cloud.google.com"}, id="GKE"),
        pytest.param("metallb", {"metallb.io"}, id="MetalLB"),
        pytest.param("calico", {"crd.projectcalico.org", "projectcalico.org"}, id="Calico"),
        pytest.param("cilium", {"cilium.io"}, id="Cilium"),  # and Leases, which it lists for another purpose too
        pytest.param("traefik", {"traefik.io"}, id="Traefik"),
    ],
)
def test_a_provider_that_is_off_is_neither_permitted_nor_read(provider: str, groups: set[str]) -> None:
    """The objects of the data planes have a switch of their own."""
    manifests = helm_template("--set", f"providers.{provider}=false,dataPlaneObjects.enabled=false")
    before, after = (
        {grant.group for grant in grants.granted(each) if grant.verb == "list"}
        for each in (helm_template("--set", "dataPlaneObjects.enabled=false"), manifests)
    )
    assert before - after == groups
    named = {kind.switch for kind in picture_for(consumer_families()).kinds}
    assert parse({}, environment(manifests)).skip_api_groups == groups & named


def test_the_values_name_what_is_listed_although_its_provider_is_off() -> None:
    off = ",".join(f"providers.{name}=false" for name in schema()["properties"]["providers"]["properties"])
    groups = {"cilium.io", "crd.projectcalico.org", "projectcalico.org"}
    left = {
        g.resource for g in grants.granted(helm_template("--set", off)) if g.verb == "list" and g.group in groups
    }
    assert left == {"ciliumnodeconfigs", "felixconfigurations"}
    comments = {value.path: value.comment for value in chart_page.read((CHART / "values.yaml").read_text())}
    assert all(each in comments["dataPlaneObjects.enabled"] for each in left)


def test_the_chart_has_a_switch_for_each_api_group_that_is_read() -> None:
    off = ",".join(f"providers.{name}=false" for name in schema()["properties"]["providers"]["properties"])
    off = f"{off},dataPlaneObjects.enabled=false"
    left = {g.group for g in grants.granted(helm_template("--set", off)) if g.verb == "list"}
    core = {"", "discovery.k8s.io", "networking.k8s.io", "events.k8s.io", "etpguard.dev"}
    kinds = picture_for(consumer_families()).kinds
    assert left & {kind.group for kind in kinds if kind.subset is None} - core == set()
    roles = {m["metadata"]["name"]: m for m in helm_template("--set", off) if m["kind"] == "Role"}
    assert "etpguard-announcers" not in roles


def test_objects_of_another_namespace_are_read_with_a_role_there() -> None:
    roles = [m for m in helm_template() if m["metadata"]["name"] == "etpguard-announcers"]
    assert {m["metadata"]["namespace"] for m in roles} == {
        kind.subset.namespace for kind in picture_for(consumer_families()).kinds if kind.subset
    }
    assert [m["rules"] for m in roles if m["kind"] == "Role"] == [
        [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list"]}]
    ]


def test_pods_may_be_listed_only_with_the_value_for_k3s() -> None:
    pods = grants.Grant("", "pods", "list")
    assert pods not in grants.granted(helm_template())
    given = grants.granted(helm_template("--set", "providers.k3s=true,providers.cilium=false"))
    assert given[pods] == {"etpguard-announcers"}


def test_every_value_has_a_comment_and_a_row_in_the_readme_of_the_chart() -> None:
    values = list(chart_page.read((CHART / "values.yaml").read_text()))
    assert [value.path for value in values if not value.comment] == []
    readme = (CHART / "README.md").read_text()
    assert all(f"| `{value.path}` |" in readme for value in values)
    sections = {path.partition(".")[0] for path in (value.path for value in values)}
    assert sections == set(yaml.load((CHART / "values.yaml").read_text(), yaml.CSafeLoader))


def test_labels_of_all_monitoring_objects() -> None:
    """kube-prometheus-stack selects by the label of its release."""
    values = f"{MONITORING},monitoring.labels.release=kube-prometheus-stack,monitoring.rules.labels.team=net"
    labels = {m["kind"]: m["metadata"].get("labels", {}) for m in helm_template("--set", values)}
    for kind in ("ServiceMonitor", "PrometheusRule"):
        assert labels[kind]["release"] == "kube-prometheus-stack"
    assert ("team" in labels["PrometheusRule"], "team" in labels["ServiceMonitor"]) == (True, False)


def test_without_an_image_the_chart_says_what_to_set() -> None:
    done = subprocess.run([binaries.path("helm"), "template", "x", str(CHART)], capture_output=True, text=True)
    assert done.returncode != 0
    assert "image.repository is required" in done.stderr


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


def test_the_objects_that_show_the_data_plane_are_read_by_name() -> None:
    roles = [
        m
        for m in helm_template()
        if m["kind"] == "ClusterRole" and m["metadata"]["name"] == "etpguard-data-planes"
    ]
    rules = [rule for role in roles for rule in role["rules"]]
    named = [rule for rule in rules if "configmaps" in rule["resources"] or "daemonsets" in rule["resources"]]
    assert len(named) == 2
    assert all(rule["verbs"] == ["get"] and rule["resourceNames"] for rule in named)
    without = grants.granted(helm_template("--set", "dataPlaneObjects.enabled=false"))
    assert {"configmaps", "daemonsets", "installations"}.isdisjoint(grant.resource for grant in without)


def test_the_warning_of_another_release_has_its_own_name() -> None:
    """And matches every user, as in the overlay: the chart changes names and labels alone."""
    rendered = helm_template("--set", "warnOnApply.enabled=true", release="second", namespace="elsewhere")
    found = {m["kind"]: m for m in rendered if m["metadata"]["name"] == "second-warn-on-apply"}
    assert found["ValidatingAdmissionPolicyBinding"]["spec"]["policyName"] == "second-warn-on-apply"
    (policy,) = (m for m in kustomize("overlays/warn-on-apply") if m["kind"] == "ValidatingAdmissionPolicy")
    assert found["ValidatingAdmissionPolicy"]["spec"] == policy["spec"]


def test_another_release_keeps_its_own_account_in_the_admission_policy() -> None:
    rendered = helm_template(release="second", namespace="elsewhere")
    policies = [m for m in rendered if m["kind"] == "ValidatingAdmissionPolicy"]
    assert {m["metadata"]["name"] for m in policies} == {"second-services", "second-reports", "second-events"}
    for policy in policies:
        (condition,) = policy["spec"]["matchConditions"]
        assert condition["expression"] == "request.userInfo.username == 'system:serviceaccount:elsewhere:second'"
    bound = [m["spec"]["policyName"] for m in rendered if m["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert bound == [m["metadata"]["name"] for m in policies]


def test_another_release_has_a_lease_of_the_same_name() -> None:
    """An operator finds a second installation by the name of its Lease. So does `etpguard uninstall`."""
    rendered = helm_template(release="second", namespace="elsewhere")
    lease = parse({}, environment(rendered)).lease_name
    rules = [rule for m in rendered if m["kind"] in ("Role", "ClusterRole") for rule in m["rules"]]
    named = [rule["resourceNames"] for rule in rules if "leases" in rule["resources"] and "resourceNames" in rule]
    assert named == [[lease], [lease]]
    assert lease == parse({}, environment(helm_template())).lease_name


@pytest.mark.parametrize(
    ("values", "says"),
    [
        pytest.param("replica=3", "replica", id="an unknown value"),
        pytest.param("settings.dataplane=cilium", "dataplane", id="an unknown setting"),
        pytest.param("image.digest=abc", "digest", id="no digest"),
        pytest.param("replicas=-1", "replicas", id="less than no replica"),
        pytest.param("remediation.enabled=yes", "remediation", id="a word for a switch"),
        pytest.param("settings.data-plane=kubeproxy", "data-plane", id="no data plane"),
        pytest.param("settings.log-level=trace", "log-level", id="no level"),
        pytest.param("settings.hold=soon", "hold", id="no duration"),
        pytest.param("networkPolicy.metricsNamespace=null", "metricsNamespace", id="nobody may scrape"),
        pytest.param("networkPolicy.metricsNamespace=", "metricsNamespace", id="an empty namespace"),
        pytest.param("networkPolicy.apiServerCIDRs={192.0.2.1}", "apiServerCIDRs", id="an address for a CIDR"),
        pytest.param("metrics.tls.secretName=A_B", "secretName", id="no name of a Secret"),
        pytest.param("metrics.tls.certFile=x", "certFile", id="an unknown value of TLS"),
        pytest.param("extraVolumes[0].name=tls", "extraVolumes", id="the name of the volume of the certificate"),
        pytest.param("extraEnv[0].value=x", "extraEnv", id="a variable without a name"),
    ],
)
def test_bad_values_are_refused(values: str, says: str) -> None:
    done = subprocess.run(
        [binaries.path("helm"), "template", "x", str(CHART), "--set", values], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert says in done.stderr
    assert "schema" in done.stderr


def schema() -> Any:
    return json.loads((CHART / "values.schema.json").read_text())


def setting(flag: str) -> Any:
    """The schema of one of `settings`."""
    return schema()["properties"]["settings"]["properties"][flag]


def test_the_schema_knows_every_value_and_every_setting() -> None:
    values = yaml.load((CHART / "values.yaml").read_text(), yaml.CSafeLoader)
    assert set(schema()["properties"]) == {*values, "global"}
    for name, value in values.items():
        known = schema()["properties"][name].get("properties")
        if known and isinstance(value, dict) and name != "settings":
            assert set(known) == set(value), name
    settings = {option.flag.removeprefix("--") for option in chart_settings()}
    assert set(schema()["properties"]["settings"]["properties"]) == settings


def test_a_setting_with_fixed_values_takes_no_others() -> None:
    found, of_run = 0, {option.name for option in options() if option.of_run}
    for name, hint in typing.get_type_hints(Settings).items():
        choices = next((h for h in (hint, *typing.get_args(hint)) if typing.get_origin(h) is Literal), None)
        if choices is not None and name in of_run - SET_BY_CHART:
            assert setting(name.replace("_", "-")) == {"enum": list(typing.get_args(choices))}, name
            found += 1
    assert found == 4


@pytest.mark.parametrize(
    ("flag", "good", "bad"),
    [
        *(
            pytest.param(
                flag, ("30", "90s", "10m", "1h30m", "5000ms", "7.5s"), ("", "soon", "30 s", "-1s"), id=flag
            )
            for flag in ("resync-interval", "watch-inactivity", "hold", "hold-urgent", "lease-duration")
        ),
        *(
            pytest.param(
                flag,
                ("", "shop", "shop,web-2", "shop, web", " shop ,web,", ",", "a,,b", "a" * 63),
                ("Shop", "a/b", "*", "shop web", "-shop", "shop,web-", "a" * 64),
                id=flag,
            )
            for flag in ("namespaces", "skip-namespaces")
        ),
        pytest.param("max-remediations", ("1/600s", "0/1h", "5/60"), ("1", "1/", "/600s", "x/600s"), id="quota"),
        pytest.param("breaker", ("0", "40%", "100%", "12"), ("", "40 %", "-1", "half", "101%"), id="breaker"),
        pytest.param(
            "answers-everywhere-ports",
            ("", "80", "80, 443", " 1,65535,"),
            ("http", "80;443", "80 443", "0", "65536"),
            id="ports",
        ),
        pytest.param(
            "page",
            ("off", "127.0.0.1:8081", "127.1.2.3:65535", "[::1]:8081"),
            ("", "0.0.0.0:8081", ":8081", "10.0.0.1:8081", "localhost:8081", "127.0.0.1:65536", "127.0.0.256:80"),
            id="no page but on loopback",
        ),
        pytest.param("aws-lbc-fail-open", ("true", "false", "on", "off"), ("", "maybe"), id="a switch"),
        pytest.param("aws-lbc-max-targets", ("0", "500"), ("", "many", "-1"), id="a number"),
    ],
)
def test_the_schema_takes_what_the_operator_takes(flag: str, good: tuple[str, ...], bad: tuple[str, ...]) -> None:
    name = flag.replace("-", "_")
    for value in good:
        jsonschema.validate(value, setting(flag))
        parse({name: value})
    for value in bad:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(value, setting(flag))
        with pytest.raises(SettingsError):
            parse({name: value})


def one(manifests: list[Json], kind: str) -> Any:
    (found,) = (m for m in manifests if m["kind"] == kind)
    return found


def test_the_platform_may_pick_the_user() -> None:
    """As OpenShift wants it: it sets a user of the namespace's range itself, and refuses another."""
    manifests = helm_template("--set", "podSecurityContext.runAsUser=null,podSecurityContext.runAsGroup=null")
    pod = one(manifests, "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_the_network_policy_has_the_peers_of_the_values() -> None:
    proxy = {"ports": [{"port": 3128, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "198.51.100.7/32"}}]}
    named = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "observability"}}}
    scraper = {"podSelector": {"matchLabels": {"app": "scraper"}}}
    manifests = helm_template(
        *("--set", "networkPolicy.metricsNamespace=observability"),
        *("--set-json", f"networkPolicy.metricsFrom={json.dumps([scraper])}"),
        *("--set-json", f"networkPolicy.extraEgress={json.dumps([proxy])}"),
        *("--set", "networkPolicy.apiServerCIDRs={192.0.2.10/32,2001:db8::1/128}"),
    )
    spec = one(manifests, "NetworkPolicy")["spec"]
    assert spec["ingress"] == [{"from": [named, scraper], "ports": [{"port": 8080, "protocol": "TCP"}]}]
    api_server, further = spec["egress"]
    assert api_server["to"] == [{"ipBlock": {"cidr": "192.0.2.10/32"}}, {"ipBlock": {"cidr": "2001:db8::1/128"}}]
    assert [port["port"] for port in api_server["ports"]] == [443, 6443]
    assert further == proxy


@pytest.mark.parametrize("manifests", [pytest.param(lambda: kustomize("base"), id="base"), helm_template])
def test_by_default_one_namespace_may_scrape(manifests: Callable[[], list[Json]]) -> None:
    (ingress,) = one(manifests(), "NetworkPolicy")["spec"]["ingress"]
    monitoring = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    assert ingress["from"] == [{"namespaceSelector": monitoring}]


def test_the_operator_can_be_stopped_at_its_source() -> None:
    """As docs/uninstall.md says: where a GitOps tool sets the replicas, `kubectl scale` does not last."""
    assert "replicas: 0" in (ROOT / "docs" / "uninstall.md").read_text()
    assert one(helm_template("--set", "replicas=0"), "Deployment")["spec"]["replicas"] == 0


def test_an_account_that_somebody_else_makes() -> None:
    manifests = helm_template("--set", "serviceAccount.create=false,serviceAccount.name=theirs")
    assert "ServiceAccount" not in {m["kind"] for m in manifests}
    assert one(manifests, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "theirs"
    subjects = [m["subjects"] for m in manifests if m["kind"] in ("ClusterRoleBinding", "RoleBinding")]
    assert {subject["name"] for each in subjects for subject in each} == {"theirs"}


def test_what_a_platform_adds_to_the_pods_and_to_the_scraping() -> None:
    spread = [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}]
    cluster = [{"targetLabel": "cluster", "replacement": "east"}]
    manifests = helm_template(
        *("--set-json", f"topologySpreadConstraints={json.dumps(spread)}"),
        *("--set-json", f"monitoring.serviceMonitor.relabelings={json.dumps(cluster)}"),
        *("--set", "extraEnv[0].name=HTTPS_PROXY,extraEnv[0].value=http://198.51.100.7:3128"),
        *("--set", "nodeSelector.disk=ssd,monitoring.serviceMonitor.enabled=true"),
    )
    pod = one(manifests, "Deployment")["spec"]["template"]["spec"]
    assert pod["topologySpreadConstraints"] == spread
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux", "disk": "ssd"}
    assert environment(manifests)["HTTPS_PROXY"] == "http://198.51.100.7:3128"
    (endpoint,) = one(manifests, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["relabelings"] == cluster
    assert endpoint["honorLabels"] is True


def test_lint_and_version() -> None:
    run(binaries.path("helm"), "lint", "--strict", str(CHART), "--kube-version", "v1.37.2", "--set", IMAGE)
    chart = yaml.load((CHART / "Chart.yaml").read_text(), yaml.CSafeLoader)
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

    notes = helm("install", "etpguard", str(CHART), "--create-namespace", "--set", IMAGE)
    assert f"etpguard {__version__} runs in {NAMESPACE}" in notes
    assert "Remediation is off" in notes
    command = next(line.split("  ")[1] for line in notes.splitlines() if "kubectl get events" in line)
    bare.kubectl(*command.split()[1:])
    bare.kubectl("get", "cov,covpol", "-A")
    assert may("patch", "services/status")
    assert not may("patch", "services")
    helm("upgrade", "etpguard", str(CHART), "--set", IMAGE, "--set", ON)
    assert may("patch", "services")
    assert may("list", "coveragepolicies.etpguard.dev")
    notes = helm(
        "upgrade", "etpguard", str(CHART), "--set", IMAGE, "--set", f"{ALL_OFF},admissionPolicy.enabled=false"
    )
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
