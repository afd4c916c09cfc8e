"""The commands of docs/install.md, docs/upgrade.md and README.md, run as they stand there."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import devcluster
from devcluster import Cluster, ports
from devcluster.objects import apply, wait_for
from tests.manifests.installed import QUICK, foreign_kinds, operator
from tests.manifests.rendered import (
    CHART,
    IMAGE,
    NAMESPACE,
    ROOT,
    Json,
    Name,
    by_name,
    environment,
    helm_template,
    kustomize,
    name_of,
    parse,
    run,
)
from tests.manifests.shell import Shell, block
from tests.remediate.stage import Scene

PAGE = ROOT / "docs" / "install.md"
UPGRADE = ROOT / "docs" / "upgrade.md"
README = ROOT / "README.md"
INSTALL = f"helm install etpguard {CHART} -n {NAMESPACE} --create-namespace --set {IMAGE}"


def test_the_values_that_are_shown_are_taken() -> None:
    rows = re.findall(r"^\| [^|]+ \| `([^`]+=[^`]+)`", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == 16
    for values in rows:
        helm_template("--set", values)


def test_gardener_lets_the_pods_have_the_address_of_the_api_server() -> None:
    """Its webhook gives all other pods the name, and the NetworkPolicy allows no DNS: gardener
    pkg/resourcemanager/webhook/kubernetesservicehost."""
    (values,) = re.findall(r"^\| Gardener[^|]+\| `([^`]+)`", PAGE.read_text(), re.MULTILINE)
    (pod,) = (m["spec"]["template"] for m in helm_template("--set", values) if m["kind"] == "Deployment")
    assert pod["metadata"]["labels"]["apiserver-proxy.networking.gardener.cloud/inject"] == "disable"


def test_gke_autopilot_refuses_no_object() -> None:
    """It refuses what is created in kube-system: cert-manager issue 3713. The page has a way for each tool."""
    (values,) = re.findall(r"^\| GKE Autopilot[^|]+\| `([^`]+)`", PAGE.read_text(), re.MULTILINE)
    assert {m["metadata"].get("namespace", NAMESPACE) for m in helm_template("--set", values)} == {NAMESPACE}
    removed = _patched("namespace: kube-system").keys()
    assert removed == {name for name in map(name_of, kustomize("base")) if name[1] not in ("", NAMESPACE)}


def test_reports_alone_need_the_same_with_kustomize_and_the_chart() -> None:
    (values,) = re.findall(r"^\| reports and metrics[^|]+\| `([^`]+)`", PAGE.read_text(), re.MULTILINE)
    fewer = helm_template("--set", values)
    patches = _patched("ETPGUARD_WRITE_EVENTS")
    (deployment,) = (name for name in patches if name[0] == "Deployment")
    assert patches.keys() - {deployment} == by_name(helm_template()).keys() - by_name(fewer).keys()
    (container,) = patches[deployment]["spec"]["template"]["spec"]["containers"]
    switched = {each["name"]: each["value"] for each in container["env"]}
    assert switched.items() <= environment(fewer).items()
    assert set(switched.values()) == {"off"}


def _patched(about: str) -> dict[Name, Json]:
    """The patches of the block of install.md that contains `about`."""
    (patches,) = (each for each in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL) if about in each)
    made = [
        yaml.load(entry["patch"], yaml.CSafeLoader) for entry in yaml.load(patches, yaml.CSafeLoader)["patches"]
    ]
    return {name_of(each): each for each in made}


def test_the_command_that_upgrades_crds_is_the_same_everywhere() -> None:
    command = block(UPGRADE, "-f crds/").strip()
    assert "--server-side --force-conflicts" in command
    for other in ("manifests/chart/etpguard/templates/NOTES.txt", "docs/runbooks/EtpguardWriteFailures.md"):
        assert command in (ROOT / other).read_text(), other


def test_the_crds_of_a_chart_without_a_checkout() -> None:
    """A chart from a registry comes without `crds/` beside it."""
    command = "helm show crds CHART | kubectl apply --server-side --force-conflicts -f -"
    for place in ("docs/upgrade.md", "manifests/chart/etpguard/templates/NOTES.txt"):
        assert command in (ROOT / place).read_text(), place
    # Helm 3 prints the files one after the other, as they are: pkg/action/show.go.
    assert all(file.read_text().startswith("---\n") for file in (CHART / "crds").glob("*.yaml"))
    shown = parse(run(devcluster.binaries.path("helm"), "show", "crds", str(CHART)))
    assert by_name(shown) == by_name([m for m in kustomize("base") if m["kind"] == "CustomResourceDefinition"])


@pytest.mark.controlplane
def test_the_crds_of_a_later_version_go_over_those_that_helm_installed(tmp_path: Path) -> None:
    crds = tmp_path / "crds"
    shutil.copytree(ROOT / "crds", crds)
    changed = crds / "servicecoverages.yaml"
    crd = yaml.load(changed.read_text(), yaml.CSafeLoader)
    _properties(crd)["later"] = {"type": "string"}
    changed.write_text(yaml.safe_dump(crd))
    command = block(UPGRADE, "-f crds/")
    with devcluster.start() as cluster:
        sh = Shell(cluster, tmp_path, tmp_path)
        sh(INSTALL)
        refused = sh.run(command.replace(" --force-conflicts", ""))
        assert 'conflict with "helm"' in refused.stderr
        sh(command)
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
        assert "later" in _properties(cluster.call("GET", path))
        sh(f"helm upgrade etpguard {CHART} -n {NAMESPACE} --reuse-values")


def _properties(crd: Json) -> Any:
    (version,) = crd["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]


@pytest.mark.controlplane
def test_an_overlay_that_may_do_less_leaves_no_permission_of_the_former(tmp_path: Path) -> None:
    kinds = {manifest["kind"] for manifest in kustomize("overlays/remediation")} - {"CustomResourceDefinition"}
    with devcluster.start() as cluster:
        sh = Shell(cluster, tmp_path)

        def standing() -> dict[Name, Json]:
            said = sh(f"kubectl get {','.join(kinds)} -A -l app.kubernetes.io/name=etpguard -o json")
            # Those that controllers make of ours have an owner.
            return by_name([m for m in json.loads(said)["items"] if "ownerReferences" not in m["metadata"]])

        for folder in ("overlays/observe-only", "base"):
            sh("kubectl apply --server-side -k manifests/overlays/remediation")
            sh(block(PAGE, "kubectl scale").splitlines()[0])
            commands = block(PAGE, f"# your kustomization, with {folder}\n")
            sh(commands.replace(" -k . ", f" -k manifests/{folder} "))
            wanted = {name_of(m): m for m in kustomize(folder) if m["kind"] in kinds}
            found = standing()
            assert set(found) == set(wanted), folder
            assert environment(list(found.values())) == environment(list(wanted.values()))
            assert found["Deployment", NAMESPACE, "etpguard"]["spec"]["replicas"] == 2


@pytest.mark.controlplane
def test_what_is_switched_off_leaves_nothing_behind(tmp_path: Path) -> None:
    """One Service is remediated; another is selected by no policy, and its condition says so."""
    on = ("--set", "remediation.enabled=true")
    commands = block(PAGE, "helm upgrade")
    with devcluster.start() as cluster:
        sh = Shell(cluster, tmp_path)
        apply(cluster, foreign_kinds())
        sh(f"{INSTALL} {' '.join(on)}")
        cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
        scene = Scene(cluster, "shop")
        scene.blackhole()
        other = scene.service_manifest("other")
        other["metadata"]["labels"] = {}
        scene.create(other)
        scene.create(scene.ingress_manifest("other"))
        scene.place(1, "other")
        scene.policy()

        def conditions(name: str) -> dict[str, str]:
            found = scene.service(name).get("status", {}).get("conditions", [])
            return {condition["type"]: condition["reason"] for condition in found}

        with operator(cluster, helm_template(*on), tmp_path):
            scene.wait_phase("Applied")
            wait_for(lambda: conditions("other") == {"etpguard.dev/Covered": "Blackhole"}, 60, "the condition")
            wait_for(lambda: scene.report("other").get("status"), 60, "the report")
        sh(commands)
        assert conditions("other") == conditions("web") == {}
        assert scene.report("other") == scene.report("web") == {}
        assert scene.traffic_policy() == "Cluster"
        assert sh(f"helm get values etpguard -n {NAMESPACE} -o json").strip() == json.dumps(
            {
                "image": {"repository": "etpguard"},
                "publish": {"conditions": False},
                "remediation": {"enabled": True},
            },
            separators=(",", ":"),
        )
        (deployment,) = json.loads(sh(f"kubectl get deployment -n {NAMESPACE} -o json"))["items"]
        assert deployment["spec"]["replicas"] == 2
        since = cluster.audit_position()
        with operator(cluster, [deployment], tmp_path, name="again"):
            wait_for(lambda: scene.report("other").get("status"), 60, "the report, again")
            wait_for(lambda: scene.read_policy().get("status"), 60, "the policy's status")
        assert conditions("other") == {}
        assert scene.report("web") == {}
        assert scene.traffic_policy() == "Cluster"
        written = {
            event["objectRef"]["resource"]
            for event in cluster.audit(since)
            if event["verb"] == "patch" and "dryRun=All" not in event["requestURI"]
        }
        assert "services" not in written


@pytest.mark.controlplane
def test_a_remediated_service_is_reported_while_remediation_is_off(
    site: Cluster, scene: Scene, tmp_path: Path
) -> None:
    only = {"ETPGUARD_NAMESPACES": scene.namespace}
    scene.blackhole()
    scene.policy(rollback={"mode": "WhenCovered", "coveredForSeconds": 1})
    with operator(site, kustomize("overlays/remediation"), tmp_path, name="on", **only):
        scene.wait_phase("Applied")
    with operator(site, kustomize("base"), tmp_path, name="off", **only) as running:
        for number in (2, 3):
            scene.place(number)
        series = 'outcome="NotAffected",service="web"} 1.0'
        wait_for(lambda: series in running.get("/metrics")[1], 60, "the metric")
        wait_for(lambda: _if_local(scene) == "Covered", 60, "the report to say that it could go back")
    assert (scene.phase(), scene.traffic_policy()) == ("Applied", "Cluster")
    with operator(site, kustomize("overlays/remediation"), tmp_path, name="on-again", **only):
        scene.wait_phase("RolledBack")
    assert scene.traffic_policy() == "Local"


def _if_local(scene: Scene) -> str:
    return str(scene.report().get("status", {}).get("ifLocal", {}).get("outcome", ""))


@pytest.mark.controlplane
def test_the_operator_runs_from_your_own_machine(tmp_path: Path) -> None:
    *before, command = block(README, "etpguard run").splitlines()
    with devcluster.start() as cluster:
        sh = Shell(cluster, tmp_path)
        sh("\n".join(before))
        cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
        scene = Scene(cluster, "shop")
        scene.blackhole()
        quick = {name: value for name, value in QUICK.items() if "HOLD" in name}
        listen = f"127.0.0.1:{ports.free('127.0.0.1')}"
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            env={**sh.environment, **quick, "ETPGUARD_LISTEN": listen},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            wait_for(lambda: scene.report().get("status", {}).get("outcome") == "Blackhole", 60, "the report")
            assert (
                sh(f"kubectl get lease etpguard -n {NAMESPACE} -o name") == "lease.coordination.k8s.io/etpguard\n"
            )
        finally:
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said


def installed(*values: str) -> str:
    return run(
        devcluster.binaries.path("helm"),
        *("install", "north", str(CHART), "--namespace", "backbone", "--dry-run=client"),
        *("--set", ",".join((IMAGE, *values))),
    )


def test_the_notes_have_the_commands_for_this_release() -> None:
    said = installed()
    manifests, _, notes = said.partition("\nNOTES:\n")
    made = [m for m in yaml.load_all(manifests.partition("\nMANIFEST:\n")[2], yaml.CSafeLoader) if m]
    assert "ETPGUARD_LEASE_NAME" not in environment(made), "etpguard uninstall needs no --lease-name"
    assert "etpguard uninstall --remediations keep\n" in f"{notes}\n"
    assert "kubectl scale -n backbone deployment/north --replicas=0\n" in notes
    assert any(name_of(m) == ("Deployment", "backbone", "north") for m in made)


def test_the_notes_show_what_is_on() -> None:
    _, _, notes = installed().partition("\nNOTES:\n")
    assert "kubectl get servicecoverages -A" in notes
    assert (
        "helm upgrade north CHART -n backbone --reset-then-reuse-values --set remediation.enabled=true\n" in notes
    )
    assert "covpol" not in notes
    values = ("publish.reports=false", "publish.events=false", "remediation.enabled=true")
    _, _, notes = installed(*values).partition("\nNOTES:\n")
    assert "servicecoverages" not in notes.partition("Helm neither")[0]
    assert "etpguard check -A" in notes
    assert "kubectl get covpol,ccovpol -A" in notes
