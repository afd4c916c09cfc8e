"""The confinement check on a real API server, with and without the admission policies of the manifests."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster import Cluster
from devcluster.objects import apply, wait_for
from etpguard.kube.client import LazyClient
from etpguard.kube.confinement import Confined, ConfinementCheck, forbidden_writes, unchanged
from etpguard.kube.connection import Connection
from etpguard.kube.exchange import exchange
from tests.app.harness import Running

pytestmark = pytest.mark.controlplane

POLICIES = Path(__file__).parents[2] / "manifests" / "base" / "admission-policy.yaml"
BINDING = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/etpguard-services"
PLURALS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}
EVERY_CHANGE: list[dict[str, Any]] = [
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "every-change"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["UPDATE"],
                        "resources": ["services", "services/status"],
                    }
                ]
            },
            "matchConditions": [
                {
                    "name": "this",
                    "expression": "request.namespace == 'default' && object.metadata.name == 'kubernetes'",
                }
            ],
            "validations": [{"expression": "false", "message": "no label team"}],
        },
    },
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "every-change"},
        "spec": {"policyName": "every-change", "validationActions": ["Deny"]},
    },
]
"""A policy of others, which refuses each change of the Service of the API server, by anybody."""
RBAC = "/apis/rbac.authorization.k8s.io/v1/clusterroles"


def check(kubeconfig: Path) -> Confined:
    async def once() -> Confined:
        client = LazyClient(Connection(kubeconfig))
        try:
            made = ConfinementCheck(
                client,
                conditions=True,
                remediation=True,
                rbac_proves=True,
                interval=600,
                on_result=lambda found: None,
            )
            return await made.check()
        finally:
            await client.close()

    return asyncio.run(once())


def permitted_unchanged(kubeconfig: Path) -> int:
    """How many of the dry runs are permitted without their change."""

    async def once() -> int:
        client = LazyClient(Connection(kubeconfig))
        try:
            writes = forbidden_writes(conditions=True, remediation=True)
            for write in writes:
                await exchange(client, unchanged(write), 60, lambda verb, resource, status: None)
            return len(writes)
        finally:
            await client.close()

    return asyncio.run(once())


def account(cluster: Cluster, namespace: str, name: str) -> Path:
    """A kubeconfig of a new ServiceAccount."""
    cluster.call("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
    return cluster.kubeconfig_for(namespace=namespace, service_account=name)


def permit(cluster: Cluster, namespace: str, name: str) -> str:
    """Let the account patch every Service and its status. Returns the path of the role."""
    role = f"{namespace}-{name}"
    rule = {"apiGroups": [""], "resources": ["services", "services/status"], "verbs": ["get", "patch"]}
    cluster.call("POST", RBAC, {"metadata": {"name": role}, "rules": [rule]})
    binding = {
        "metadata": {"name": role},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
    }
    cluster.call("POST", RBAC.replace("clusterroles", "clusterrolebindings"), binding)
    return f"{RBAC}/{role}"


def test_the_operators_account_is_confined_by_the_admission_policies_and_by_nothing_else(
    cluster: Cluster, namespace: str
) -> None:
    kubeconfig = account(cluster, namespace, "etpguard")
    assert check(kubeconfig) is Confined.CONFINED, "RBAC permits nothing yet"
    role = permit(cluster, namespace, "etpguard")
    wait_for(lambda: check(kubeconfig) is Confined.OPEN, 60, "RBAC to permit it")
    before = cluster.call("GET", "/api/v1/namespaces/default/services/kubernetes")
    policies = list(yaml.load_all(POLICIES.read_text(), yaml.CSafeLoader))
    apply(cluster, policies)
    try:
        wait_for(lambda: check(kubeconfig) is Confined.CONFINED, 60, "the policies to be in force")
        assert permitted_unchanged(kubeconfig) == 2
        assert check(cluster.kubeconfig) is Confined.OPEN, "an admin is not restricted"
        cluster.call("DELETE", BINDING)
        wait_for(lambda: check(kubeconfig) is Confined.OPEN, 60, "the policy to have lost its binding")
    finally:
        for each in policies:
            plural = PLURALS[each["kind"]]
            cluster.request("DELETE", f"/apis/{each['apiVersion']}/{plural}/{each['metadata']['name']}")
        cluster.request("DELETE", role)
    assert cluster.call("GET", "/api/v1/namespaces/default/services/kubernetes") == before, "nothing was stored"


def test_a_policy_of_others_that_refuses_every_change_does_not_confine(cluster: Cluster, namespace: str) -> None:
    kubeconfig = account(cluster, namespace, "other")
    role = permit(cluster, namespace, "other")
    wait_for(lambda: check(kubeconfig) is Confined.OPEN, 60, "RBAC to permit it")
    apply(cluster, EVERY_CHANGE)
    try:
        wait_for(lambda: check(kubeconfig) is Confined.UNKNOWN, 60, "the policy of others to be in force")
    finally:
        for each in EVERY_CHANGE:
            cluster.request("DELETE", f"/apis/{each['apiVersion']}/{PLURALS[each['kind']]}/every-change")
        cluster.request("DELETE", role)
    wait_for(lambda: check(kubeconfig) is not Confined.UNKNOWN, 60, "the policy of others to be gone")


def test_an_operator_that_is_not_confined_is_ready_and_says_so(cluster: Cluster, namespace: str) -> None:
    settings: dict[str, Any] = {"write_conditions": True, "leader_elect": True, "lease_namespace": namespace}
    # The check is made again after this time: the policies of another test may take a while to go.
    settings["resync_interval"] = 5.0
    with Running(cluster.kubeconfig, **settings) as running:
        running.wait_ready()
        wait_for(lambda: running.metric("etpguard_confined") == 0.0, 60, "the check")
        status, text = running.get("/readyz")
        assert status == 200
        assert "The API server permits etpguard to patch services/status beyond what it needs." in text
