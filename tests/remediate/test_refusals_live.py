"""What keeps a Service from being changed, each read from the policy's status on the real control plane, and what
the API server's own refusals come to."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devcluster import Cluster
from devcluster.http_proxy import HttpProxy
from devcluster.http_rules import Answer
from devcluster.objects import endpoint_slices, wait_for
from tests.app.harness import INGRESS_RULES, REQUIRED_RULES, Running, grant
from tests.arena import clear_namespace
from tests.remediate.stage import MANAGER, QUICK, QUICK_PACING, Json, Scene, operator

pytestmark = pytest.mark.controlplane


def account(scene: Scene, name: str, *rules: tuple[str, str, str]) -> Path:
    """A kubeconfig of an account with these permissions beside those on Ingresses, Events and our own kinds."""
    name = f"{name}-{scene.namespace}"
    ours = ("etpguard.dev", "*", "get,list,watch,create,patch,delete")
    events = ("events.k8s.io", "events", "get,list,create,patch")
    grant(scene.cluster, name, *INGRESS_RULES, *rules, ours, events)
    return scene.cluster.kubeconfig_for(namespace="default", service_account=name)


def annotated(name: str, value: str) -> Callable[[Scene], None]:
    def give(scene: Scene) -> None:
        scene.cluster.call("PATCH", scene.service_path(), {"metadata": {"annotations": {name: value}}})

    return give


def labelled(**labels: str) -> Callable[[Scene], None]:
    def give(scene: Scene) -> None:
        names = {name.replace("__", "/").replace("_", "."): value for name, value in labels.items()}
        scene.cluster.call("PATCH", scene.service_path(), {"metadata": {"labels": names}})

    return give


def controlled(scene: Scene) -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "boss", "uid": "1", "controller": True}
    body = {"metadata": {"ownerReferences": [owner]}}
    pod = scene.cluster.call("GET", f"/api/v1/namespaces/{scene.namespace}/pods/web-1")
    owner["name"], owner["uid"] = "web-1", pod["metadata"]["uid"]
    scene.cluster.call("PATCH", scene.service_path(), body)


def admitted_by_address(scene: Scene) -> None:
    scene.create(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "clients", "namespace": scene.namespace},
            "spec": {
                "podSelector": {"matchLabels": {"app": "web"}},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"ipBlock": {"cidr": "198.51.100.0/24"}}]}],
            },
        }
    )


def health_check(port: str) -> Callable[[Scene], None]:
    """The Ingress's health check asks that port."""

    def set_port(scene: Scene) -> None:
        annotations = {"alb.ingress.kubernetes.io/healthcheck-port": port}
        scene.cluster.call("PATCH", scene.ingress_path(), {"metadata": {"annotations": annotations}})

    return set_port


def no_targets(scene: Scene) -> None:
    annotations = {"alb.ingress.kubernetes.io/target-node-labels": "pool=none"}
    scene.cluster.call("PATCH", scene.ingress_path(), {"metadata": {"annotations": annotations}})


def deleting(scene: Scene) -> None:
    scene.cluster.call("PATCH", scene.service_path(), {"metadata": {"finalizers": ["example.com/wait"]}})
    scene.cluster.call("DELETE", scene.service_path())


def no_endpoint(scene: Scene) -> None:
    scene.remove(1)
    wait_for(lambda: not any(s.get("endpoints") for s in endpoint_slices(scene.cluster, scene.namespace, "web")))


def nothing(scene: Scene) -> None:
    return


REFUSED = [
    pytest.param(annotated("etpguard.dev/skip-remediation", "true"), {}, "SkipAnnotation", id="annotation"),
    pytest.param(controlled, {}, "Controlled", id="controller"),
    pytest.param(admitted_by_address, {}, "NetworkPolicy", id="network policy with an ipBlock"),
    pytest.param(no_endpoint, {}, "OutcomeNeverRemediated", id="no endpoint anywhere"),
    pytest.param(no_targets, {}, "OutcomeNeverRemediated", id="no targets"),
    pytest.param(health_check("9999"), {}, "OutcomeNeverRemediated", id="a port that is not modelled"),
    pytest.param(deleting, {}, "Deleting", id="being deleted"),
    pytest.param(nothing, {"serviceTypes": ["LoadBalancer"]}, "TypeNotSelected", id="type"),
    pytest.param(nothing, {"unhealthyWhen": {"outcomes": ["Outage"]}}, "OutcomeNotSelected", id="outcome"),
    pytest.param(nothing, {"unhealthyWhen": {"uncoveredNodes": 3}}, "TooFewUncovered", id="too few"),
    pytest.param(nothing, {"unhealthyWhen": {"forSeconds": 600}}, "DwellTime", id="dwell"),
    pytest.param(nothing, {"suspend": True}, "Suspended", id="suspended"),
    pytest.param(nothing, {"pauseRequests": ["migration"]}, "Paused", id="pause request"),
    pytest.param(nothing, {"mode": "Observe"}, "Observe", id="observe"),
    pytest.param(
        nothing,
        {"remediation": {"budgets": [{"services": "0", "perSeconds": 600}]}},
        "BudgetExhausted",
        id="no budget",
    ),
    pytest.param(
        nothing,
        {
            "remediation": {
                "budgets": [
                    {"services": "100", "perSeconds": 600},
                    {"services": "0", "schedule": "* * * * *", "durationSeconds": 3600},
                ]
            }
        },
        "BudgetExhausted",
        id="a freeze is in force",
    ),
    pytest.param(
        nothing,
        {"serviceSelector": {"matchExpressions": [{"key": "remediate", "operator": "Exists"}]}, "suspend": True},
        "Suspended",
        id="selected by an expression",
    ),
    pytest.param(
        nothing,
        {"remediation": {"triggerIf": {"uncoveredServicesLessThanOrEqualTo": 0}}},
        "TooManyAffected",
        id="breaker",
    ),
    pytest.param(
        nothing,
        {"remediation": {"budgets": [{"schedule": "no cron", "durationSeconds": 60}]}},
        "Invalid",
        id="invalid schedule",
    ),
    pytest.param(labelled(kustomize_toolkit_fluxcd_io__name="apps"), {}, "GitOpsOwned", id="flux"),
    pytest.param(annotated("argocd.argoproj.io/tracking-id", "shop:/Service:x/web"), {}, "GitOpsOwned", id="argo"),
]


@pytest.fixture(scope="module")
def refusing(arena: Cluster) -> Iterator[list[str]]:
    """The namespaces, one for each of `REFUSED`, in which an operator remediates."""
    names = [f"refused-{number}-{uuid.uuid4().hex[:6]}" for number in range(len(REFUSED))]
    for name in names:
        arena.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    with Running(
        arena.kubeconfig, remediation_pacing=QUICK_PACING, **{**QUICK, "namespaces": frozenset(names)}
    ) as running:
        running.wait_fresh()
        yield names


@pytest.mark.parametrize(
    ("number", "arrange", "policy", "reason"),
    [pytest.param(number, *each.values, id=each.id) for number, each in enumerate(REFUSED)],
)
def test_refused(
    arena: Cluster,
    refusing: list[str],
    number: int,
    arrange: Callable[[Scene], None],
    policy: Json,
    reason: str,
) -> None:
    """The policy comes last, so that nothing is remediated before the reason is there."""
    scene = Scene(arena, refusing[number])
    began = arena.audit_position()
    try:
        scene.blackhole()
        arrange(scene)
        scene.policy(**policy)
        scene.wait_excluded(reason)
        assert scene.traffic_policy() == "Local"
        assert not scene.policy_patches(began)
    finally:
        scene.close()
        clear_namespace(arena, scene.namespace)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        pytest.param({"data_plane": "other"}, "OutcomeNeverRemediated", id="a data plane that is not modelled"),
        pytest.param({"breaker": "0%"}, "TooManyAffected", id="the operator's breaker"),
        pytest.param({"max_remediations": (0, 600)}, "BudgetExhausted", id="the operator's budget"),
    ],
)
def test_refused_by_the_operators_own_settings(scene: Scene, settings: dict[str, Any], reason: str) -> None:
    scene.blackhole()
    scene.policy()
    began = scene.cluster.audit_position()
    with operator(scene, **settings):
        scene.wait_excluded(reason)
    assert scene.traffic_policy() == "Local"
    assert not scene.policy_patches(began)


def test_a_health_check_pinned_to_the_port_that_would_go(scene: Scene) -> None:
    scene.blackhole(type="LoadBalancer")
    health_check(str(scene.service()["spec"]["healthCheckNodePort"]))(scene)
    outcomes = ["TargetsUnhealthy", "Blackhole", "Outage"]
    scene.policy(serviceTypes=["LoadBalancer"], unhealthyWhen={"outcomes": outcomes})
    began = scene.cluster.audit_position()
    with operator(scene):
        scene.wait_excluded("HealthCheckPinned")
    assert not scene.policy_patches(began)


def test_a_service_that_anothers_health_check_asks(scene: Scene) -> None:
    """Remediating `health` would make the health check of `web` pass on nodes that drop."""
    scene.blackhole()
    scene.create(scene.service_manifest("health"))
    scene.place(1, "health")
    health_check(str(scene.service("health")["spec"]["ports"][0]["nodePort"]))(scene)
    scene.policy(
        serviceSelector={"matchLabels": {"app": "health"}},
        unhealthyWhen={"outcomes": ["Uncovered", "TargetsUnhealthy", "Blackhole", "Outage"]},
    )
    began = scene.cluster.audit_position()
    with operator(scene):
        wait_for(lambda: scene.excluded(service="health") == "ProbedByOthers", 60, "the exclusion")
        wait_for(lambda: scene.report().get("status", {}).get("outcome") == "TargetsUnhealthy", 60, "web's report")
    assert not scene.policy_patches(began)


def test_after_a_storm_it_waits(scene: Scene) -> None:
    scene.blackhole()
    scene.policy(remediation={"triggerIf": {"uncoveredServicesLessThanOrEqualTo": 0}})
    with operator(scene):
        scene.wait_excluded("TooManyAffected")
        trigger = {"uncoveredServicesLessThanOrEqualTo": "100%", "stormCooldownSeconds": 600}
        scene.patch_policy({"remediation": {"triggerIf": trigger}})
        scene.wait_excluded("StormCooldown")
        reasons = {c["type"]: c["reason"] for c in scene.read_policy()["status"]["conditions"]}
        assert reasons["RemediationAllowed"] == "StormCooldown"
        assert scene.traffic_policy() == "Local"
        scene.patch_policy({"remediation": {"triggerIf": {"stormCooldownSeconds": 0}}})
        scene.wait_phase("Applied")


def test_namespaces_that_cannot_be_read(scene: Scene) -> None:
    scene.blackhole()
    scene.policy()
    kubeconfig = account(
        scene,
        "spaceless",
        ("", "services,nodes", "list,watch"),
        ("discovery.k8s.io", "endpointslices", "list,watch"),
        ("", "services", "get,patch"),
        ("networking.k8s.io", "networkpolicies", "list,watch"),
    )
    with operator(scene, kubeconfig):
        scene.wait_excluded("NamespaceUnreadable")
    assert scene.traffic_policy() == "Local"


def test_a_network_policy_that_is_to_be_ignored(scene: Scene) -> None:
    scene.blackhole()
    admitted_by_address(scene)
    scene.policy(remediation={"sourceIPLoss": "Accept", "networkPolicy": "Ignore"})
    with operator(scene):
        scene.wait_phase("Applied")


@contextmanager
def denying(cluster: Cluster, name: str) -> Iterator[None]:
    """A ValidatingAdmissionPolicy that lets nobody set Cluster in namespaces labelled `deny`."""
    root = "/apis/admissionregistration.k8s.io/v1"
    policy: Json = {
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"deny": name}},
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["UPDATE"],
                        "resources": ["services"],
                    }
                ],
            },
            "validations": [
                {
                    "expression": "object.spec.externalTrafficPolicy == 'Local'",
                    "message": "client addresses are needed here",
                }
            ],
        },
    }
    binding = {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}}
    cluster.call("POST", f"{root}/validatingadmissionpolicies", policy)
    cluster.call("POST", f"{root}/validatingadmissionpolicybindings", binding)
    try:
        yield
    finally:
        cluster.request("DELETE", f"{root}/validatingadmissionpolicybindings/{name}")
        cluster.request("DELETE", f"{root}/validatingadmissionpolicies/{name}")


@pytest.mark.parametrize("mode", ["Enforce", "DryRun"])
def test_an_admission_policy_that_denies_it(scene: Scene, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    scene.blackhole()
    labels = {"metadata": {"labels": {"deny": scene.namespace}}}
    scene.cluster.call("PATCH", f"/api/v1/namespaces/{scene.namespace}", labels)
    with denying(scene.cluster, scene.namespace):
        wait_for(lambda: _denied(scene), 60, "the admission policy to be in force")
        scene.policy(mode=mode)
        with operator(scene) as running:
            action = "apply" if mode == "Enforce" else "dry-run"
            wait_for(
                lambda: running.metric("etpguard_remediations_total", action=action, result="failed"),
                60,
                "a failed patch",
            )
            wait_for(lambda: "client addresses are needed here" in caplog.text, 60, "the words")
            if mode == "Enforce":
                cancelled = scene.wait_phase("Cancelled")
                assert "client addresses are needed here" in cancelled["message"]
                assert "intents" not in cancelled or not cancelled["intents"]
    assert scene.traffic_policy() == "Local"


def _denied(scene: Scene) -> bool:
    path = f"{scene.service_path()}?dryRun=All"
    return not scene.cluster.request("PATCH", path, {"spec": {"externalTrafficPolicy": "Cluster"}}).ok


def test_a_dry_run_asks_and_changes_nothing(scene: Scene) -> None:
    scene.blackhole()
    scene.policy(mode="DryRun", remediation={"sourceIPLoss": "Refuse"})
    began = scene.cluster.audit_position()
    with operator(scene) as running:
        wait_for(
            lambda: running.metric("etpguard_remediations_total", action="dry-run", result="succeeded") == 1.0, 20
        )
        scene.wait_excluded("DryRunDone")
        assert running.metric("etpguard_remediations_total", action="dry-run", result="succeeded") == 1.0
    tried = [
        e
        for e in scene.cluster.audit(began)
        if e.get("objectRef", {}).get("namespace") == scene.namespace
        and f"fieldManager={MANAGER}" in e["requestURI"]
        and e["objectRef"]["resource"] == "services"
    ]
    assert [("dryRun=All" in e["requestURI"], e["responseStatus"]["code"]) for e in tried] == [(True, 200)]
    assert scene.phase() == ""
    assert scene.traffic_policy() == "Local"


def test_without_the_permission_to_patch_services(scene: Scene) -> None:
    scene.blackhole()
    scene.policy()
    network_policies = ("networking.k8s.io", "networkpolicies", "list,watch")
    kubeconfig = account(scene, "timid", *REQUIRED_RULES, ("", "services", "get"), network_policies)
    with operator(scene, kubeconfig) as running:
        cancelled = scene.wait_phase("Cancelled")
        assert "cannot patch resource" in cancelled["message"]
        problem = "may not patch services"
        assert problem in running.get("/readyz")[1]
        scene.wait_excluded("Refused")
    assert scene.traffic_policy() == "Local"


def test_network_policies_that_cannot_be_read(scene: Scene) -> None:
    scene.blackhole()
    scene.policy()
    kubeconfig = account(scene, "blind", *REQUIRED_RULES, ("", "services", "get,patch"))
    with operator(scene, kubeconfig):
        scene.wait_excluded("NetworkPolicy")
        assert scene.traffic_policy() == "Local"
        scene.patch_policy({"remediation": {"networkPolicy": "Ignore"}})
        scene.wait_phase("Applied")


@pytest.mark.parametrize("status", [409, 422, 500])
def test_an_answer_that_refuses_the_patch_once(scene: Scene, status: int) -> None:
    scene.blackhole()
    scene.policy()
    with HttpProxy(scene.cluster) as proxy:
        kubeconfig = scene.cluster.kubeconfig_for(server=proxy.server)
        rule = proxy.on(Answer(status), method="PATCH", path=scene.service_path(), times=1)
        with operator(scene, kubeconfig):
            wait_for(lambda: rule.hits == 1, 60, "the refusal")
            applied = scene.wait_phase("Applied")
    assert scene.traffic_policy() == "Cluster"
    assert len(applied["intents"]) == 1


def test_slices_that_no_watch_delivered(scene: Scene) -> None:
    """Only the watch of slices goes silent; the pods heal; the dwell passes: what the API server says counts."""
    scene.blackhole()
    scene.policy(unhealthyWhen={"forSeconds": 8})
    began = scene.cluster.audit_position()
    with HttpProxy(scene.cluster) as proxy:
        kubeconfig = scene.cluster.kubeconfig_for(server=proxy.server)
        with operator(scene, kubeconfig, resync_interval=600.0) as running:
            running.wait_fresh()
            for stream in proxy.streams(path=".*/endpointslices"):
                stream.silence()
            scene.place(2)
            scene.place(3)
            wait_for(lambda: _endpoints(scene) == 3, 60, "three endpoints")
            assert running.uncovered(scene.namespace, "web") == 2.0, "the picture is not silent"
            cancelled = scene.wait_phase("Cancelled", timeout=60)
            assert "Changed" in cancelled["message"]
    assert scene.traffic_policy() == "Local"
    assert not scene.policy_patches(began)


def _endpoints(scene: Scene) -> int:
    return sum(len(s.get("endpoints") or ()) for s in endpoint_slices(scene.cluster, scene.namespace, "web"))


def test_ignored_while_remediated(scene: Scene) -> None:
    """The wish to hear nothing of a Service does not make the change forgotten, nor keep it from being undone."""
    scene.blackhole()
    scene.policy()
    with operator(scene):
        scene.wait_phase("Applied")
        annotated("etpguard.dev/ignore", "true")(scene)
        wait_for(lambda: "remediation" in scene.report().get("status", {}), 60, "the report")
        scene.patch_policy({"rollbackRequests": ["web"]})
        wait_for(lambda: scene.traffic_policy() == "Local", 60, "the rollback")
        wait_for(lambda: scene.phase() == "RolledBack", 60, "the record")
        # A remediation counts for as long as the longest budget: the report stays, with its record only.
        wait_for(
            lambda: "NotAssessed" in scene.report()["status"].get("reason", ""), 60, "what is left of the report"
        )
        assert scene.report()["status"]["outcome"] == "Unknown"


def test_recreated_under_its_name(scene: Scene) -> None:
    """Another Service of the same name is judged on its own; the report of the first gives way."""
    scene.blackhole()
    scene.policy()
    with operator(scene):
        first = scene.wait_phase("Applied")["serviceUID"]
        scene.cluster.call("DELETE", scene.service_path())
        scene.create(scene.service_manifest())
        wait_for(lambda: scene.remediation().get("serviceUID", first) != first, 60, "the second's own record")
        scene.wait_phase("Applied")
    assert scene.traffic_policy() == "Cluster"


def test_a_lost_report_is_created_again(scene: Scene) -> None:
    scene.blackhole()
    scene.policy()
    with operator(scene):
        scene.wait_phase("Applied")
    scene.cluster.call("DELETE", scene.report_path())
    with operator(scene):
        rebuilt = scene.wait_phase("Applied")
        assert "managedFields" in rebuilt["message"]
        assert rebuilt["policy"]["name"] == "opt-in"
        scene.patch_policy({"rollbackRequests": ["web"]})
        scene.wait_phase("RolledBack")
    assert scene.traffic_policy() == "Local"


def test_two_services_within_a_budget_of_one(scene: Scene) -> None:
    scene.blackhole()
    second: dict[str, Any] = scene.service_manifest("shop")
    scene.create(second)
    scene.create(scene.ingress_manifest("shop"))
    scene.place(2, "shop")
    scene.policy(remediation={"budgets": [{"services": "1", "perSeconds": 600}]})
    with operator(scene):
        scene.wait_phase("Applied", name="shop")
        scene.wait_excluded("BudgetExhausted")
    assert (scene.traffic_policy("shop"), scene.traffic_policy("web")) == ("Cluster", "Local")
