"""What each overlay brings, and that what is switched off may not be done either."""

from __future__ import annotations

import ast
import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import devcluster
from devcluster import binaries
from devcluster.objects import wait_for
from etpguard import __version__
from etpguard.assess import picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.objects.events import COVERAGE_CONTROLLER, REMEDIATION_CONTROLLER
from etpguard.remediate import events as remediation_events
from etpguard.report import events as coverage_events
from etpguard.settings import parse
from tests.manifests import grants
from tests.manifests.installed import install, operator
from tests.manifests.rendered import (
    MANIFESTS,
    ROOT,
    Json,
    by_name,
    environment,
    helm_template,
    kustomize,
    kustomize_text,
    run,
    with_component,
)
from tests.manifests.rendered import parse as parse_manifests
from tests.remediate.stage import Scene

pytestmark = pytest.mark.no_cover

OVERLAYS = ["base", "overlays/observe-only", "overlays/remediation"]
PUBLISHING = {"services/status", "servicecoverages", "servicecoverages/status", "events"}


def verbs(folder: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for grant in grants.granted(kustomize(folder)):
        found.setdefault(grant.resource, set()).add(grant.verb)
    return found


@pytest.mark.parametrize("file", sorted(MANIFESTS.rglob("kustomization.yaml")), ids=lambda file: file.parent.name)
def test_a_patch_is_one_object(file: Path) -> None:
    """kubectl 1.30 takes no more: "unable to parse SM or JSON patch"."""
    for patch in yaml.safe_load(file.read_text()).get("patches", []):
        text = patch.get("patch") or (file.parent / patch["path"]).read_text()
        assert len(list(yaml.safe_load_all(text))) == 1


def test_observe_only_may_read_and_nothing_else() -> None:
    assert all(allowed <= {"get", "list", "watch"} for allowed in verbs("overlays/observe-only").values())


def test_the_base_may_not_touch_a_spec() -> None:
    assert verbs("base")["services"] == {"list", "watch"}
    assert set(verbs("base")) >= PUBLISHING | {"leases"}
    assert "coveragepolicies" not in verbs("base")


def test_remediation_adds_and_takes_nothing_away() -> None:
    base, more = (grants.granted(kustomize(folder)) for folder in ("base", "overlays/remediation"))
    assert set(base) < set(more)


def test_every_kind_that_is_read_is_granted_in_every_overlay() -> None:
    kinds = picture_for(consumer_families(), ()).kinds
    permitted = [kind for kind in kinds if not kind.subset or kind.subset.needs_permission]
    read = {(each.group, each.plural) for kind in permitted for each in kind.served(None)}
    for folder in OVERLAYS:
        given = grants.granted(kustomize(folder))
        listed = {(g.group, g.resource) for g in given if g.verb == "list"}
        assert (
            read
            <= listed
            <= read
            | {
                ("events.k8s.io", "events"),
                ("coordination.k8s.io", "leases"),
                ("networking.k8s.io", "networkpolicies"),
                ("etpguard.dev", "coveragepolicies"),
                ("etpguard.dev", "clustercoveragepolicies"),
                ("cilium.io", "ciliumnodeconfigs"),
                ("crd.projectcalico.org", "felixconfigurations"),
                ("projectcalico.org", "felixconfigurations"),
            }
        )


def test_security_names_all_that_can_be_read() -> None:
    """But for the kinds of other projects, which docs/consumers.md has."""
    text = (ROOT / "SECURITY.md").read_text().lower()
    values = "remediation.enabled=true,awsLoadBalancerController.deployment=kube-system/lbc,providers.k3s=true"
    given = grants.granted(helm_template("--set", values))
    built_in = {"", "apps", "discovery.k8s.io", "networking.k8s.io", "events.k8s.io"}
    read = {g.resource for g in given if g.verb in ("get", "list") and g.group in built_in}
    assert len(read) == 12
    assert [resource for resource in read if resource.removesuffix("s") not in text] == []


@pytest.mark.parametrize(
    ("folder", "writes", "remediates"),
    [
        pytest.param("base", True, False, id="base"),
        pytest.param("overlays/observe-only", False, False, id="observe-only"),
        pytest.param("overlays/remediation", True, True, id="remediation"),
    ],
)
def test_settings_agree_with_the_permissions(folder: str, writes: bool, remediates: bool) -> None:
    settings = parse({}, environment(kustomize(folder)))
    assert {settings.write_conditions, settings.write_reports, settings.write_events} == {writes}
    assert settings.remediation is remediates


def test_the_version_is_the_packages() -> None:
    for manifest in kustomize("base"):
        label = manifest["metadata"].get("labels", {}).get("app.kubernetes.io/version")
        assert label in (None, __version__)
    assert f"image: etpguard:{__version__}\n" in kustomize_text("base")


def test_pods_run_where_the_image_does_and_keep_no_node_from_being_drained() -> None:
    manifests = {m["kind"]: m for m in kustomize("base")}
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert "fsGroup" not in pod["securityContext"], "no volume needs it"
    budget = manifests["PodDisruptionBudget"]["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


@pytest.mark.parametrize(
    "manifests",
    [
        pytest.param(lambda: kustomize("base"), id="base"),
        pytest.param(lambda: with_component("base", "overlays/metrics-tls"), id="metrics over TLS"),
        pytest.param(lambda: helm_template("--set", "podAnnotations.team=net"), id="chart"),
    ],
)
def test_the_cluster_autoscaler_may_remove_the_nodes_of_the_pods(manifests: Callable[[], list[Json]]) -> None:
    """By default it removes no node of a pod with local storage, unless the pod names the volume: autoscaler
    drainability/rules/localstorage, utils/drain HasBlockingLocalStorage."""
    (deployment,) = (m for m in manifests() if m["kind"] == "Deployment")
    pod = deployment["spec"]["template"]
    local = [volume["name"] for volume in pod["spec"]["volumes"] if "emptyDir" in volume or "hostPath" in volume]
    key = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
    assert pod["metadata"]["annotations"][key].split(",") == local


@pytest.mark.parametrize(
    ("rotated_at", "platform"),
    [(10, "the kubelet's default"), (50, "OpenShift, Huawei CCE"), (100, "Gardener")],
)
def test_the_log_of_the_container_is_no_reason_to_evict_it(rotated_at: int, platform: str) -> None:
    """The kubelet of Kubernetes 1.37 counts logs (eviction_manager.go containerEphemeralStorageLimitEviction). Of
    the 5 files of containerLogMaxFiles, container_log_manager.go compresses all but the newest two."""
    (deployment,) = (m for m in kustomize("base") if m["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (scratch,) = pod["volumes"]
    compressed = 3 * rotated_at // 5
    used = int(scratch["emptyDir"]["sizeLimit"].removesuffix("Mi")) + 2 * rotated_at + compressed
    limit = pod["containers"][0]["resources"]["limits"]["ephemeral-storage"]
    assert used <= int(limit.removesuffix("Mi")), platform


def test_no_gitops_tool_deletes_the_records_with_the_crds() -> None:
    """A CRD that goes takes its objects with it, and only the reports say which Services etpguard changed."""
    keeps = {
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
        "kustomize.toolkit.fluxcd.io/prune": "disabled",
        "helm.sh/resource-policy": "keep",
    }
    for rendered in (kustomize("base"), helm_template()):
        found = [m["metadata"] for m in rendered if m["kind"] == "CustomResourceDefinition"]
        assert len(found) == 3
        assert [each["name"] for each in found if not keeps.items() <= each.get("annotations", {}).items()] == []
    page = (ROOT / "docs" / "gitops.md").read_text()
    assert [key for key in keeps if f"`{key}`" not in page] == []


def test_crds_are_those_of_the_folder() -> None:
    folder = by_name([yaml.load(file.read_text(), yaml.CSafeLoader) for file in (ROOT / "crds").glob("*.yaml")])
    rendered = by_name([m for m in kustomize("base") if m["kind"] == "CustomResourceDefinition"])
    assert rendered == folder


ALTERNATIVES = ("base", "overlays/observe-only", "overlays/remediation")


COMPONENTS = ("overlays/monitoring", "overlays/warn-on-apply")


@pytest.mark.parametrize("other", ALTERNATIVES)
@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("component_first", [True, False])
def test_a_component_changes_nothing_of_another_overlay(other: str, component: str, component_first: bool) -> None:
    """It has no object in common with them, so the order in which both are applied does not matter."""
    overlay, added = by_name(kustomize(other)), by_name(kustomize(component))
    applied = {**added, **overlay} if component_first else {**overlay, **added}
    assert overlay.keys() & added.keys() == set()
    assert {name: applied[name] for name in overlay} == overlay
    assert by_name(with_component(other, component)) == applied


def test_components_have_no_object_in_common() -> None:
    monitoring, warning = (by_name(kustomize(component)) for component in COMPONENTS)
    assert monitoring.keys() & warning.keys() == set()


def test_the_warning_rejects_nothing() -> None:
    objects = {m["kind"]: m["spec"] for m in kustomize("overlays/warn-on-apply")}
    assert set(objects) == {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    assert objects["ValidatingAdmissionPolicy"]["failurePolicy"] == "Ignore"
    assert objects["ValidatingAdmissionPolicyBinding"]["validationActions"] == ["Warn"]


@pytest.mark.parametrize("first", ALTERNATIVES)
@pytest.mark.parametrize("second", ALTERNATIVES)
def test_of_two_alternatives_the_last_one_counts(first: str, second: str) -> None:
    """They differ in the settings of the one Deployment."""
    applied = {**by_name(kustomize(first)), **by_name(kustomize(second))}
    assert environment(list(applied.values())) == environment(kustomize(second))


def test_every_file_is_part_of_something() -> None:
    """A manifest that no kustomization names would be applied by nobody."""
    for file in (MANIFESTS / "base").glob("*.yaml"):
        if file.name != "kustomization.yaml":
            assert f"- {file.name}\n" in (MANIFESTS / "base" / "kustomization.yaml").read_text()


@pytest.mark.controlplane
def test_observe_only_writes_nothing_and_asks_for_nothing(tmp_path: Path) -> None:
    manifests = kustomize("overlays/observe-only")
    with devcluster.start() as cluster:
        install(cluster, manifests)
        cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": "test-observed"}})
        scene = Scene(cluster, "test-observed")
        scene.blackhole()
        since = cluster.audit_position()
        with operator(cluster, manifests, tmp_path) as running:
            series = 'etpguard_service_outcome{namespace="test-observed",outcome="Blackhole",service="web"} 1.0'
            wait_for(lambda: series in running.get("/metrics")[1], 60, "the metric")
            assert "etpguard_leader 0.0" in running.get("/metrics")[1]
            wait_for(lambda: "watch" in {e["verb"] for e in grants.requests(cluster.audit(since))}, 60, "a watch")
        events = list(cluster.audit(since))
        assert grants.requests(events)
        assert grants.refused(events) == []
        assert {grant.verb for grant in grants.used(events)} == {"get", "list", "watch"}


def test_the_admission_policy_allows_the_events_that_the_operator_sends() -> None:
    """Every reason of the code is in the policy, and no other."""
    named: dict[str, set[str]] = {}
    for controller, module in (
        (COVERAGE_CONTROLLER, coverage_events),
        (REMEDIATION_CONTROLLER, remediation_events),
    ):
        text = inspect.getsource(module)
        named[controller] = set(re.findall(r'"((?:Nodes|Traffic|No|Remediation)[A-Z]\w+)"', text))
    policies = [m for m in kustomize("base") if m["kind"] == "ValidatingAdmissionPolicy"]
    (policy,) = (p for p in policies if p["metadata"]["name"] == "etpguard-events")
    (reasons,) = (v["expression"] for v in policy["spec"]["variables"] if v["name"] == "reasons")
    allowed = {
        name: set(ast.literal_eval(listed)) for name, listed in re.findall(r"'([^']+)':\s*(\[.*?\])", reasons)
    }
    assert allowed == named


def test_another_namespace_keeps_the_admission_policies_in_force(tmp_path: Path) -> None:
    """The policies match the account that a kustomization with `namespace:` makes. That such an account is refused
    is in test_forbidden_writes.py."""
    base = os.path.relpath(MANIFESTS / "overlays" / "remediation", tmp_path)
    (tmp_path / "kustomization.yaml").write_text(f"namespace: elsewhere\nresources: [{base}]\n")
    made = parse_manifests(run(binaries.path("kubectl"), "kustomize", str(tmp_path)))
    (account,) = (m["metadata"] for m in made if m["kind"] == "ServiceAccount")
    subjects = [s for m in made if m["kind"].endswith("RoleBinding") for s in m["subjects"]]
    assert {(s["namespace"], s["name"]) for s in subjects} == {("elsewhere", account["name"])}
    user = f"system:serviceaccount:{account['namespace']}:{account['name']}"
    policies = [m for m in made if m["kind"] == "ValidatingAdmissionPolicy"]
    assert len(policies) == 3
    for policy in policies:
        (condition,) = policy["spec"]["matchConditions"]
        starts, ends = re.findall(r"(?:startsWith|endsWith)\('([^']+)'\)", condition["expression"])
        assert user.startswith(starts)
        assert user.endswith(ends)


def test_install_md_names_what_a_kustomization_with_another_namespace_does_not_change(tmp_path: Path) -> None:
    base, *components = (
        os.path.relpath(MANIFESTS / "overlays" / name, tmp_path)
        for name in ("remediation", "monitoring", "metrics-tls", "warn-on-apply")
    )
    text = f"namespace: elsewhere\nresources: [{base}]\ncomponents: [{', '.join(components)}]\n"
    (tmp_path / "kustomization.yaml").write_text(text)
    made = parse_manifests(run(binaries.path("kubectl"), "kustomize", str(tmp_path)))

    def fields(value: object, name: str) -> set[str]:
        if isinstance(value, dict):
            return {field for key, each in value.items() for field in fields(each, key)}
        if isinstance(value, list):
            return {field for each in value for field in fields(each, name)}
        return {name} if "etpguard-system" in str(value) else set()

    left = {(m["kind"], field) for m in made for field in fields(m, "")}
    install = (ROOT / "docs" / "install.md").read_text()
    (paragraph,) = (each for each in install.split("\n\n") if each.startswith("**Another namespace.**"))
    assert "The commands in the runbooks keep" in paragraph
    left = {(kind, field) for kind, field in left if kind != "ConfigMap"}
    assert left == {("PrometheusRule", "runbook"), ("ServiceMonitor", "serverName")}
    assert [field for _, field in left if f"`{field}`" not in paragraph] == []


def test_nobody_may_write_policies_by_default() -> None:
    made = kustomize("overlays/remediation")
    (role,) = (m for m in made if m["metadata"]["name"] == "etpguard-policy-editor")
    assert not [label for label in role["metadata"]["labels"] if "aggregate-to" in label]
    bound = {m["roleRef"]["name"] for m in made if m["kind"].endswith("RoleBinding")}
    assert role["metadata"]["name"] not in bound
