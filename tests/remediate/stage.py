"""What remediation is about, on a real control plane: three nodes, a Service with Local behind an ALB whose health
check passes everywhere, pods to be placed, and policies."""

from __future__ import annotations

import itertools
import json
from functools import partial
from pathlib import Path
from typing import Any

from devcluster import Cluster, objects
from devcluster.objects import wait_for
from etpguard.app.timing import OperatorTiming
from etpguard.kube.backoff import Backoff
from etpguard.objects import Key
from etpguard.remediate.pacing import Pacing
from tests.app.harness import Running

CRDS = Path(__file__).parents[2] / "crds"
MANAGER = "etpguard-remediation"
QUICK: dict[str, Any] = {
    "remediation": True,
    "write_reports": True,
    "write_events": True,
    "leader_elect": False,
    "hold": 0.3,
    "hold_urgent": 0.1,
    "max_remediations": (100, 600),
    "breaker": "100%",
}

QUICK_PACING = Pacing(settle=0.3, status_interval=1.0, orphaned=1.0, backoff=Backoff(1.0, 600.0, jitter=0.0))
"""A step that fails is tried again after 1 s instead of 10 s, and a deleted policy is awaited for 1 s."""

Json = dict[str, Any]


def install_crds(cluster: Cluster) -> None:
    for file in sorted(CRDS.glob("*.yaml")):
        objects.apply(cluster, file.read_text())
    for plural in ("servicecoverages", "coveragepolicies", "clustercoveragepolicies"):
        path = f"/apis/etpguard.dev/v1alpha1/{plural}"
        wait_for(partial(_served, cluster, path), what=path)


def _served(cluster: Cluster, path: str) -> bool:
    return cluster.request("GET", path).ok


def operator(
    scene: Scene, kubeconfig: Path | None = None, timing: OperatorTiming | None = None, **settings: Any
) -> Running:
    """An operator that reports the Services of the scene's namespace alone."""
    given = {**QUICK, "namespaces": frozenset({scene.namespace}), **settings}
    return Running(kubeconfig or scene.cluster.kubeconfig, timing, remediation_pacing=QUICK_PACING, **given)


class Scene:
    """A Service `web` in its own namespace. After `place(1)` it has a Blackhole."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.key = Key(namespace, "web")
        self.nodes = [f"{namespace}-{i}" for i in (1, 2, 3)]
        self._pods: dict[str, Any] = {}
        self._addresses = itertools.cycle(range(1, 255))
        for i, name in enumerate(self.nodes, 1):
            provider = f"aws:///eu-west-1a/i-0123456789abcdef{i}"
            objects.node(cluster, name, internal_ip=f"198.51.100.{i}", provider_id=provider)
        alb: Json = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": "alb"},
            "spec": {"controller": "ingress.k8s.aws/alb"},
        }
        objects.apply(cluster, [alb])

    def close(self) -> None:
        for pod in self._pods.values():
            objects.delete(self.cluster, pod)
        for name in self.nodes:
            self.cluster.request("DELETE", f"/api/v1/nodes/{name}")
        # The publisher of another test would report them.
        for path in (self.service_path(""), self.ingress_path("")):
            self.cluster.request("DELETE", path.rstrip("/"))

    def place(self, number: int, service: str = "web") -> None:
        """A ready pod on node `number` (1 to 3)."""
        name = f"{service}-{number}"
        address = f"203.0.113.{next(self._addresses)}"
        self._pods[name] = objects.pod(
            self.cluster, self.namespace, name, self.nodes[number - 1], {"app": service}, ip=address
        )

    def remove(self, number: int, service: str = "web") -> None:
        objects.delete(self.cluster, self._pods.pop(f"{service}-{number}"))

    def blackhole(self, **spec: Any) -> None:
        """The Service and its Ingress, one pod: two of three nodes drop what the load balancer sends them."""
        self.create(self.service_manifest(**spec))
        self.create(self.ingress_manifest())
        self.place(1)

    def create(self, manifest: Json, manager: str = "kubectl-create") -> Json:
        group = manifest["apiVersion"]
        plural = {
            "Service": "services",
            "Ingress": "ingresses",
            "CoveragePolicy": "coveragepolicies",
            "NetworkPolicy": "networkpolicies",
        }[manifest["kind"]]
        root = f"/apis/{group}" if "/" in group else f"/api/{group}"
        path = f"{root}/namespaces/{self.namespace}/{plural}"
        made = self.cluster.call("POST", f"{path}?fieldManager={manager}", manifest)
        if manifest["kind"] == "Service" and manifest["spec"].get("type") == "LoadBalancer":
            # As the cloud's controller does; without an address no load balancer is known to send traffic.
            status = {"loadBalancer": {"ingress": [{"hostname": "lb-0123.eu-west-1.elb.amazonaws.com"}]}}
            name = manifest["metadata"]["name"]
            made = self.cluster.call("PATCH", f"{path}/{name}/status", {"status": status})
        return made

    def service_manifest(self, name: str = "web", **spec: Any) -> Json:
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": self.namespace, "labels": {"app": name, "remediate": "yes"}},
            "spec": {
                "type": "NodePort",
                "externalTrafficPolicy": "Local",
                "selector": {"app": name},
                "ports": [{"name": "http", "port": 80}],
                **spec,
            },
        }

    def ingress_manifest(self, name: str = "web", health_check_port: str = "10256") -> Json:
        backend = {"service": {"name": name, "port": {"name": "http"}}}
        path = {"path": "/", "pathType": "Prefix", "backend": backend}
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "annotations": {
                    "alb.ingress.kubernetes.io/healthcheck-port": health_check_port,
                    "alb.ingress.kubernetes.io/healthcheck-path": "/healthz",
                },
            },
            "spec": {"ingressClassName": "alb", "rules": [{"http": {"paths": [path]}}]},
        }

    def policy(self, name: str = "opt-in", **changes: Any) -> Json:
        """A CoveragePolicy under Enforce for all Services labelled `remediate`; `changes` go into the spec, dicts
        merged."""
        spec: Json = {
            "mode": "Enforce",
            "serviceSelector": {"matchLabels": {"remediate": "yes"}},
            "unhealthyWhen": {"forSeconds": 1},
            "remediation": {
                "sourceIPLoss": "Accept",
                "triggerIf": {"uncoveredServicesLessThanOrEqualTo": "100%", "stormCooldownSeconds": 0},
                "budgets": [{"services": "100", "perSeconds": 600}],
            },
        }
        for field, value in changes.items():
            spec[field] = {**spec.get(field, {}), **value} if isinstance(value, dict) else value
        manifest: Json = {
            "apiVersion": "etpguard.dev/v1alpha1",
            "kind": "CoveragePolicy",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }
        return self.create(manifest)

    def patch_policy(self, spec: Json, name: str = "opt-in") -> Json:
        return self.cluster.call("PATCH", self._policy(name), {"spec": spec})

    def delete_policy(self, name: str = "opt-in") -> None:
        self.cluster.call("DELETE", self._policy(name))

    def read_policy(self, name: str = "opt-in") -> Json:
        return self.cluster.call("GET", self._policy(name))

    def _policy(self, name: str) -> str:
        return f"/apis/etpguard.dev/v1alpha1/namespaces/{self.namespace}/coveragepolicies/{name}"

    def service_path(self, name: str = "web") -> str:
        return f"/api/v1/namespaces/{self.namespace}/services/{name}"

    def ingress_path(self, name: str = "web") -> str:
        return f"/apis/networking.k8s.io/v1/namespaces/{self.namespace}/ingresses/{name}"

    def service(self, name: str = "web") -> Json:
        return self.cluster.call("GET", self.service_path(name))

    def traffic_policy(self, name: str = "web") -> str:
        return str(self.service(name)["spec"].get("externalTrafficPolicy", ""))

    def report_path(self, name: str = "web") -> str:
        return f"/apis/etpguard.dev/v1alpha1/namespaces/{self.namespace}/servicecoverages/{name}"

    def report(self, name: str = "web") -> Json:
        response = self.cluster.request("GET", self.report_path(name))
        return dict(response.json()) if response.ok else {}

    def remediation(self, name: str = "web") -> Json:
        return dict(self.report(name).get("status", {}).get("remediation", {}))

    def phase(self, name: str = "web") -> str:
        return str(self.remediation(name).get("phase", ""))

    def excluded(self, policy: str = "opt-in", service: str = "web") -> str:
        """The reason that the policy's status gives for leaving the Service alone."""
        listed = self.read_policy(policy).get("status", {}).get("excluded", [])
        return next((str(entry["reason"]) for entry in listed if entry["name"] == service), "")

    def managers(self, name: str = "web") -> set[str]:
        return {entry["manager"] for entry in self.service(name)["metadata"]["managedFields"]}

    def events(self, reason: str = "") -> list[Json]:
        path = f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events"
        items = self.cluster.call("GET", path)["items"]
        mine = [e for e in items if e["reportingController"] == "etpguard.dev/remediation"]
        return [e for e in mine if not reason or e["reason"] == reason]

    def wait_events(self, reason: str) -> list[Json]:
        """They follow what they tell of."""
        return wait_for(lambda: self.events(reason), 60, f"Event {reason}")

    def wait_phase(self, phase: str, timeout: float = 60, name: str = "web") -> Json:
        try:
            wait_for(lambda: self.phase(name) == phase, timeout, f"phase {phase}")
        except TimeoutError as error:
            found = [p.get("status") for p in self.policies()]
            raise TimeoutError(f"{error}; report {self.report(name).get('status')}; policies {found}") from None
        return self.remediation(name)

    def policies(self) -> list[Json]:
        path = f"/apis/etpguard.dev/v1alpha1/namespaces/{self.namespace}/coveragepolicies"
        return list(self.cluster.call("GET", path)["items"])

    def wait_excluded(self, reason: str, timeout: float = 60, policy: str = "opt-in") -> None:
        wait_for(lambda: self.excluded(policy) == reason, timeout, f"exclusion by {reason}")

    def policy_patches(self, since: int) -> list[Json]:
        """Patches of this namespace's Services by our field manager, from the audit log, dry runs left out."""
        found = []
        for event in self.cluster.audit(since):
            about = event.get("objectRef") or {}
            ours = f"fieldManager={MANAGER}" in event.get("requestURI", "")
            mine = about.get("resource") == "services" and about.get("namespace") == self.namespace
            real = event["verb"] == "patch" and "dryRun" not in event["requestURI"]
            if ours and mine and real and "externalTrafficPolicy" in json.dumps(event.get("requestObject")):
                found.append(event)
        return found
