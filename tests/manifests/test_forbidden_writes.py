"""What an attacker with the token of the operator could try on Services."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from devcluster import Cluster, Response
from devcluster.objects import wait_for
from tests.arena import own_namespace
from tests.manifests.rendered import ACCOUNT, NAMESPACE
from tests.remediate.stage import Scene

pytestmark = pytest.mark.controlplane

Json = dict[str, Any]
JSON_PATCH = "application/json-patch+json"
BY_POLICY = "ValidatingAdmissionPolicy 'etpguard-services'"
BY_RBAC = "cannot"


def condition(kind: str, **more: Any) -> Json:
    made = {"type": kind, "status": "True", "reason": "Other", "message": ""}
    return {**made, "lastTransitionTime": "2026-01-01T00:00:00Z", **more}


OWN = "etpguard.dev/Covered"
INTERNAL = "etpguard.dev/CoveredInternally"
OTHER, ANOTHER = condition("example.com/Other"), condition("example.com/Another")


def conditions(*listed: Json) -> Json:
    return {"status": {"conditions": list(listed)}}


@pytest.fixture(scope="module")
def token(site: Cluster) -> str:
    return site.token(NAMESPACE, ACCOUNT)


@pytest.fixture(scope="module")
def shared(site: Cluster) -> Iterator[Scene]:
    """A scene for all tests that change nothing."""
    yield from own_namespace(site, Scene)


@pytest.fixture(scope="module")
def untouched(site: Cluster, shared: Scene, token: str) -> Iterator[str]:
    """The path of the Service in it, for requests that are refused."""
    yield from _service(site, shared, token)


@pytest.fixture
def service(site: Cluster, scene: Scene, token: str) -> Iterator[str]:
    """The path of a Service of the test."""
    yield from _service(site, scene, token)


def _service(site: Cluster, scene: Scene, token: str) -> Iterator[str]:
    """A Service of type LoadBalancer, with an address and two conditions of others."""
    scene.create(scene.service_manifest(type="LoadBalancer"))
    path = scene.service_path()
    address = {"ingress": [{"ip": "192.0.2.1"}]}
    site.call("PATCH", f"{path}/status", {"status": {"loadBalancer": address, "conditions": [OTHER, ANOTHER]}})
    site.call(
        "PATCH", path, {"metadata": {"annotations": {"example.com/kept": "1"}, "finalizers": ["example.com/f"]}}
    )

    def in_force() -> bool:
        tried = site.request("PATCH", f"{path}?dryRun=All", {"metadata": {"labels": {"a": "1"}}}, token=token)
        return BY_POLICY in tried.body.decode()

    wait_for(in_force, 60, "the admission policy to be in force")
    yield path
    site.request("PATCH", path, {"metadata": {"finalizers": None}})


ON_SERVICE = [
    pytest.param("", {"metadata": {"annotations": {"example.com/a": "1"}}}, id="an annotation"),
    pytest.param("", {"metadata": {"annotations": None}}, id="all annotations away"),
    pytest.param("", {"metadata": {"labels": {"a": "1"}}}, id="a label"),
    pytest.param("", {"metadata": {"finalizers": ["example.com/f", "example.com/g"]}}, id="a finalizer"),
    pytest.param("", {"metadata": {"finalizers": []}}, id="a finalizer away"),
    pytest.param(
        "",
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}]}},
        id="an owner",
    ),
    pytest.param("", {"spec": {"selector": {"app": "another"}}}, id="the selector"),
    pytest.param("", {"spec": {"selector": None}}, id="no selector"),
    pytest.param("", {"spec": {"type": "NodePort"}}, id="the type"),
    pytest.param("", {"spec": {"ports": [{"name": "http", "port": 8080}]}}, id="a port"),
    pytest.param("", {"spec": {"externalIPs": ["192.0.2.9"]}}, id="an external IP"),
    pytest.param("", {"spec": {"loadBalancerIP": "192.0.2.9"}}, id="the address asked for"),
    pytest.param("", {"spec": {"loadBalancerSourceRanges": ["0.0.0.0/0"]}}, id="source ranges"),
    pytest.param("", {"spec": {"sessionAffinity": "ClientIP"}}, id="session affinity"),
    pytest.param("", {"spec": {"internalTrafficPolicy": "Local"}}, id="the internal policy"),
    pytest.param("", {"spec": {"publishNotReadyAddresses": True}}, id="endpoints that are not ready"),
    pytest.param(
        "",
        {"spec": {"trafficDistribution": "PreferClose"}},
        marks=pytest.mark.since(31),
        id="traffic distribution",
    ),
    pytest.param(
        "",
        {"spec": {"externalTrafficPolicy": "Cluster", "sessionAffinity": "ClientIP"}},
        id="more beside the policy",
    ),
    pytest.param("/status", {"status": {"loadBalancer": {"ingress": [{"ip": "8.8.8.8"}]}}}, id="an address"),
    pytest.param("/status", {"status": {"loadBalancer": None}}, id="addresses away"),
    pytest.param("/status", conditions(), id="all conditions of others away"),
    pytest.param("/status", conditions(OTHER), id="one condition of others away"),
    pytest.param("/status", conditions({**OTHER, "status": "False"}, ANOTHER), id="another's condition"),
    pytest.param("/status", conditions(OTHER, OTHER), id="another's condition replaced by a copy"),
    pytest.param("/status", conditions(OTHER, ANOTHER, ANOTHER), id="a copy of another's condition"),
    pytest.param("/status", conditions(OTHER, ANOTHER, *[condition(OWN)] * 2), id="its condition twice"),
    pytest.param("/status", conditions(OTHER, ANOTHER, *[condition(OWN)] * 500), id="its condition 500 times"),
    pytest.param(
        "/status", conditions(OTHER, ANOTHER, condition(OWN, message="x" * 1_000_000)), id="a message of 1 MB"
    ),
    pytest.param("/status", conditions(OTHER, ANOTHER, condition(OWN, reason="R" * 65)), id="a long reason"),
    pytest.param(
        "/status",
        conditions(OTHER, ANOTHER, *[condition(INTERNAL)] * 2),
        id="two copies of the internal condition",
    ),
    pytest.param(
        "/status",
        conditions(OTHER, ANOTHER, condition(INTERNAL, status="Maybe")),
        id="an invalid status of the internal condition",
    ),
    pytest.param("/status", conditions(OTHER, ANOTHER, condition(OWN, status="Maybe")), id="an invalid status"),
    pytest.param(
        "/status", {"metadata": {"annotations": {"example.com/a": "1"}}}, id="an annotation by the status"
    ),
    pytest.param("/status", {"metadata": {"labels": {"a": "1"}}}, id="a label by the status"),
    pytest.param("/status", {"metadata": {"finalizers": []}}, id="a finalizer away by the status"),
]


@pytest.mark.parametrize(("subresource", "patch"), ON_SERVICE)
def test_nothing_else_of_a_service_is_changed(
    site: Cluster, token: str, untouched: str, subresource: str, patch: Json
) -> None:
    before = site.call("GET", untouched)
    allowed = site.request("PATCH", f"{untouched}{subresource}?dryRun=All", patch)
    assert allowed.ok, f"admin could not do it either: {allowed.body.decode()}"
    tried = site.request("PATCH", untouched + subresource, patch, token=token)
    assert tried.status == 403
    assert BY_POLICY in tried.json()["message"]
    assert site.call("GET", untouched) == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("DELETE", "/api/v1/namespaces/{ns}/services/web", None, id="delete a Service"),
        pytest.param(
            "POST", "/api/v1/namespaces/{ns}/services", {"metadata": {"name": "x"}}, id="create a Service"
        ),
        pytest.param("GET", "/api/v1/namespaces/{ns}/secrets", None, id="list Secrets"),
        pytest.param("GET", "/api/v1/namespaces/etpguard-system/secrets/x", None, id="read a Secret of its own"),
        pytest.param("POST", "/api/v1/namespaces/{ns}/secrets", {"metadata": {"name": "x"}}, id="create a Secret"),
        pytest.param("GET", "/api/v1/configmaps", None, id="list ConfigMaps"),
        pytest.param("GET", "/api/v1/pods", None, id="list Pods"),
        pytest.param("PATCH", "/api/v1/nodes/{ns}-1", {"metadata": {"labels": {"a": "1"}}}, id="label a Node"),
        pytest.param(
            "PATCH", "/api/v1/namespaces/{ns}", {"metadata": {"labels": {"a": "1"}}}, id="label a Namespace"
        ),
        pytest.param(
            "PUT",
            "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/etpguard",
            {"metadata": {"name": "etpguard"}},
            id="a Lease of another namespace",
        ),
        pytest.param(
            "POST",
            "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases",
            {"metadata": {"name": "etpguard"}},
            id="a new Lease of another namespace",
        ),
        pytest.param(
            "GET", "/apis/coordination.k8s.io/v1/namespaces/etpguard-system/leases/x", None, id="another Lease"
        ),
        pytest.param(
            "PATCH",
            "/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses/web",
            {"metadata": {"annotations": {"a": "1"}}},
            id="annotate an Ingress",
        ),
        pytest.param(
            "PATCH",
            "/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices/x",
            {"endpoints": []},
            id="change an EndpointSlice",
        ),
        pytest.param(
            "PATCH",
            "/apis/etpguard.dev/v1alpha1/namespaces/{ns}/coveragepolicies/x",
            {"spec": {"mode": "Enforce"}},
            id="a policy's spec",
        ),
        pytest.param(
            "DELETE",
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/etpguard-services",
            None,
            id="its own admission policy",
        ),
        pytest.param(
            "PATCH",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/etpguard-observe",
            {"rules": []},
            id="its own role",
        ),
        pytest.param(
            "POST",
            "/api/v1/namespaces/etpguard-system/serviceaccounts/etpguard/token",
            {"spec": {"expirationSeconds": 600}},
            id="a token of its own",
        ),
    ],
)
def test_rbac_refuses_the_rest(
    site: Cluster, shared: Scene, token: str, untouched: str, method: str, path: str, body: Json | None
) -> None:
    tried = site.request(method, path.format(ns=shared.namespace), body, token=token)
    assert tried.status == 403
    assert f"{NAMESPACE}:{ACCOUNT}" in tried.json()["message"]
    assert BY_RBAC in tried.json()["message"]


def test_copies_of_its_condition_may_be_removed_one_by_one(site: Cluster, token: str, service: str) -> None:
    copies = [condition(OWN, message=str(n)) for n in range(3)]
    site.call("PATCH", f"{service}/status", conditions(OTHER, ANOTHER, *copies))
    remove = [{"op": "remove", "path": "/status/conditions/2"}]
    for left in (2, 1, 0):
        tried = site.request("PATCH", f"{service}/status", remove, token=token, content_type=JSON_PATCH)
        assert tried.ok, tried.body.decode()
        types = [c["type"] for c in tried.json()["status"]["conditions"]]
        assert types == [OTHER["type"], ANOTHER["type"], *[OWN] * left]


def test_what_it_is_for_is_let_through(site: Cluster, token: str, service: str) -> None:
    """The condition, the policy with its port, and managedFields: each as the operator writes it."""
    mine = condition(OWN, status="False", reason="Blackhole", message="m" * 32768)
    inside = condition(INTERNAL, status="False", reason="Uncovered")
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, **conditions(mine, inside)}
    apply = "application/apply-patch+yaml"

    def send(path: str, body: object, content: str) -> Json:
        answer = site.request("PATCH", path, body, token=token, content_type=content)
        assert answer.ok, answer.body.decode()
        return dict(answer.json())

    status = f"{service}/status?fieldManager=etpguard&force=true"
    after = send(status, body, apply)
    assert {c["type"] for c in after["status"]["conditions"]} == {OWN, INTERNAL, OTHER["type"], ANOTHER["type"]}
    one = send(status, {**body, **conditions(mine)}, apply)
    assert {c["type"] for c in one["status"]["conditions"]} == {OWN, OTHER["type"], ANOTHER["type"]}
    port = after["spec"]["healthCheckNodePort"]
    manager = f"{service}?fieldManager=etpguard-remediation"
    away = send(manager, [_policy("Cluster")], JSON_PATCH)
    assert "healthCheckNodePort" not in away["spec"]
    health = {"op": "add", "path": "/spec/healthCheckNodePort", "value": port}
    back = send(manager, [_policy("Local"), health], JSON_PATCH)
    assert back["spec"]["healthCheckNodePort"] == port
    entries = back["metadata"]["managedFields"]
    entry = next(n for n, e in enumerate(entries) if e["manager"] == "etpguard-remediation")
    gone = send(manager, [{"op": "remove", "path": f"/metadata/managedFields/{entry}"}], JSON_PATCH)
    assert "etpguard-remediation" not in {e["manager"] for e in gone["metadata"]["managedFields"]}
    left = send(status, {**body, "status": {}}, apply)
    assert [c["type"] for c in left["status"]["conditions"]] == [OTHER["type"], ANOTHER["type"]]


@pytest.mark.since(36)  # MutatingAdmissionPolicy
def test_a_mutation_of_its_request_by_others_is_refused_in_words(
    site: Cluster, scene: Scene, token: str, service: str
) -> None:
    """A label that a mutating webhook or policy adds to each Service that is changed. The API server cannot tell
    it from one that etpguard sets."""
    root = "/apis/admissionregistration.k8s.io/v1"
    name = f"label-{scene.namespace}"
    path, body = f"{service}?fieldManager=etpguard-remediation", [_policy("Cluster")]

    def tried() -> Response:
        return site.request("PATCH", f"{path}&dryRun=All", body, token=token, content_type=JSON_PATCH)

    assert tried().ok
    label = {
        "patchType": "ApplyConfiguration",
        "applyConfiguration": {"expression": 'Object{metadata: Object.metadata{labels: {"cost": "net"}}}'},
    }
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["services"]}
    there = {"matchLabels": {"kubernetes.io/metadata.name": scene.namespace}}
    spec = {
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": there},
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "mutations": [label],
    }
    site.call("POST", f"{root}/mutatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec})
    binding = {"metadata": {"name": name}, "spec": {"policyName": name}}
    site.call("POST", f"{root}/mutatingadmissionpolicybindings", binding)
    try:
        wait_for(lambda: not tried().ok, 60, "the mutation to be in force")
        answer = tried()
    finally:
        site.request("DELETE", f"{root}/mutatingadmissionpolicybindings/{name}")
        site.request("DELETE", f"{root}/mutatingadmissionpolicies/{name}")
    assert answer.status == 403
    assert (
        "changes no metadata of Services, and no mutating webhook may change it in a request of etpguard"
        in answer.json()["message"]
    )


def test_the_policy_binds_nobody_else(site: Cluster, service: str) -> None:
    assert site.request("PATCH", service, {"metadata": {"labels": {"a": "1"}}}).ok


@pytest.mark.parametrize(
    ("name", "version"),
    [("etpguard-services", "v1"), ("etpguard-reports", "v1alpha1"), ("etpguard-events", "v1")],
)
def test_the_policy_has_no_type_errors(site: Cluster, name: str, version: str) -> None:
    """Of a copy without wildcards: Kubernetes checks the types of no policy that has one in its rules."""
    root = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    spec = site.call("GET", f"{root}/{name}")["spec"]
    (rule,) = spec["matchConstraints"]["resourceRules"]
    rule |= {"apiVersions": [version], "resources": rule["resources"][:1]}
    path = f"{root}/{name}-typed"
    site.call("POST", root, {"metadata": {"name": f"{name}-typed"}, "spec": spec})
    try:
        wait_for(lambda: "typeChecking" in site.call("GET", path).get("status", {}), 60, "the check of types")
        assert site.call("GET", path)["status"]["typeChecking"] == {}
    finally:
        site.request("DELETE", path)


def test_an_account_of_another_namespace_is_confined_too(site: Cluster, scene: Scene, service: str) -> None:
    """As after `namespace:` of a kustomization, which changes the ServiceAccount and not the policies."""
    accounts = f"/api/v1/namespaces/{scene.namespace}/serviceaccounts"
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    name = f"elsewhere-{scene.namespace}"
    for account in (ACCOUNT, "other"):
        site.call("POST", accounts, {"metadata": {"name": account}})
    subjects = [
        {"kind": "ServiceAccount", "name": account, "namespace": scene.namespace} for account in (ACCOUNT, "other")
    ]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "etpguard-remediation"}
    site.call("POST", bindings, {"metadata": {"name": name}, "roleRef": role, "subjects": subjects})
    label = {"metadata": {"labels": {"a": "1"}}}
    try:
        tokens = {account: site.token(scene.namespace, account) for account in (ACCOUNT, "other")}
        allowed = wait_for_ok(site, service, label, tokens["other"])
        confined = site.request("PATCH", f"{service}?dryRun=All", label, token=tokens[ACCOUNT])
    finally:
        site.request("DELETE", f"{bindings}/{name}")
    assert allowed.ok
    assert confined.status == 403
    assert BY_POLICY in confined.json()["message"]


def wait_for_ok(site: Cluster, service: str, patch: Json, token: str) -> Response:
    """The answer to the dry run, after RBAC has seen the new binding."""

    def tried() -> Response:
        return site.request("PATCH", f"{service}?dryRun=All", patch, token=token)

    wait_for(lambda: tried().ok, 60, "the binding to be in force")
    return tried()


def _policy(value: str) -> Json:
    return {"op": "replace", "path": "/spec/externalTrafficPolicy", "value": value}
