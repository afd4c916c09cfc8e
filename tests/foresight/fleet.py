"""Nodes and pods on the real control plane, with the real scheduler and a stand-in for the kubelets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

import devcluster
from devcluster import Cluster, objects
from devcluster.errors import ApiError
from etpguard.assess import Assessment
from etpguard.cli.input.sources import Sources, assess
from etpguard.foresight.changes import Change
from etpguard.foresight.forecasts.forecast import Forecast
from etpguard.foresight.what_if import what_if
from etpguard.objects import Key
from etpguard.settings import Settings

Json = dict[str, Any]

CONTROLLERS = (
    *devcluster.DEFAULT_CONTROLLERS,
    "deployment-controller",
    "replicaset-controller",
    "statefulset-controller",
    "daemonset-controller",
    "disruption-controller",
)
UNREADY = "stays-unready"
"""A label of pods that the stand-in never makes ready."""


def started() -> Any:
    return devcluster.start(scheduler=True, controllers=CONTROLLERS)


class Kubelets:
    """Does what the kubelets of all nodes do with pods that are assigned to them: run them, make them ready, and
    remove those that are deleted."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._stopped = threading.Event()
        self._addresses = count(1)
        self._known: set[str] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Kubelets:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        while not self._stopped.wait(0.1):
            for pod in self._cluster.call("GET", "/api/v1/pods")["items"]:
                try:
                    self._tend(pod)
                except ApiError:
                    continue  # the pod has changed or gone since; the next round sees it

    def _tend(self, pod: Json) -> None:
        meta = pod["metadata"]
        if not pod["spec"].get("nodeName"):
            return
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        if "deletionTimestamp" in meta:
            self._cluster.call("DELETE", path, {"gracePeriodSeconds": 0})
        elif meta["uid"] not in self._known:
            ready = UNREADY not in meta.get("labels", {})
            self._cluster.call("PATCH", f"{path}/status", {"status": running(ready, next(self._addresses))})
            self._known.add(meta["uid"])


def running(ready: bool, address: int, phase: str = "Running") -> Json:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ip = f"10.200.{address // 250}.{address % 250 + 1}"
    return {
        "phase": phase,
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "conditions": [
            {"type": kind, "status": str(ready), "lastTransitionTime": now}
            for kind in ("Ready", "ContainersReady")
        ],
    }


class Site:
    """One namespace with nodes of its own."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.namespace = name
        self.nodes: list[str] = []
        cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    def add_node(self, name: str, **more: Any) -> str:
        full = f"{self.namespace}-{name}"
        labels = {"site": self.namespace, **more.pop("labels", {})}
        objects.node(self.cluster, full, labels=labels, provider_id=f"aws:///eu-west-1a/i-{full}", **more)
        self.nodes.append(full)
        return full

    def create(self, path: str, body: Json) -> Json:
        return self.cluster.call("POST", f"{path.format(ns=f'namespaces/{self.namespace}')}", body)

    def pods(self) -> list[Json]:
        found: list[Json] = self.cluster.call("GET", f"/api/v1/namespaces/{self.namespace}/pods")["items"]
        return found

    def service(self, name: str, labels: Json) -> None:
        self.create(
            "/api/v1/{ns}/services",
            {
                "metadata": {"name": name},
                "spec": {
                    "type": "NodePort",
                    "externalTrafficPolicy": "Local",
                    "selector": labels,
                    "ports": [{"name": "http", "port": 80}],
                },
            },
        )

    def endpoints_follow(self, name: str, labels: Json) -> bool:
        """Whether the EndpointSlices show exactly the pods that are assigned, with their readiness."""
        wanted = {
            (pod["metadata"]["name"], pod["spec"]["nodeName"], _ready(pod))
            for pod in self.pods()
            if labels.items() <= pod["metadata"].get("labels", {}).items()
            and pod["spec"].get("nodeName")
            and pod.get("status", {}).get("podIP")
        }
        found = {
            (endpoint["targetRef"]["name"], endpoint["nodeName"], endpoint["conditions"]["ready"])
            for slice_ in objects.endpoint_slices(self.cluster, self.namespace, name)
            for endpoint in slice_.get("endpoints") or ()
        }
        return found == wanted

    def wait(self, holds: Callable[[], object], what: str, seconds: float = 60) -> None:
        objects.wait_for(holds, seconds, what)

    def wait_steady(self, holds: Callable[[], bool], what: str, seconds: float = 1.5) -> None:
        """Wait until it has held for so long."""
        since: float | None = None
        deadline = time.monotonic() + 90
        while since is None or time.monotonic() - since < seconds:
            if time.monotonic() > deadline:
                raise TimeoutError(what)
            now = time.monotonic()
            since = (since or now) if holds() else None
            time.sleep(0.1)

    def assessments(self) -> dict[Key, Assessment]:
        return {k: a for k, a in self._assessed().assessments.items() if k.namespace == self.namespace}

    def forecast(self, *changes: Change) -> Forecast:
        assessed = self._assessed()
        return what_if(assessed.loaded.picture, assessed.engine, changes)

    def _assessed(self) -> Any:
        settings = Settings(kubeconfig=str(self.cluster.kubeconfig))
        return assess(Sources(settings=settings, for_what_if=True))

    def remove(self) -> None:
        """Delete the workloads, their pods and the nodes."""
        apps = f"/apis/apps/v1/namespaces/{self.namespace}"
        for plural in ("deployments", "replicasets", "daemonsets", "statefulsets"):
            self.cluster.call("DELETE", f"{apps}/{plural}", {"propagationPolicy": "Background"})
        self.cluster.call("DELETE", f"/api/v1/namespaces/{self.namespace}/pods", {"gracePeriodSeconds": 0})
        for plural in ("services", "endpoints"):
            self.cluster.request("DELETE", f"/api/v1/namespaces/{self.namespace}/{plural}")
        self.cluster.call("DELETE", f"/api/v1/namespaces/{self.namespace}")
        for name in self.nodes:
            self.cluster.call("DELETE", f"/api/v1/nodes/{name}")


@contextmanager
def site(cluster: Cluster, name: str) -> Iterator[Site]:
    made = Site(cluster, name)
    try:
        yield made
    finally:
        made.remove()


def evict(cluster: Cluster, pod: Json) -> int:
    """The status of a dry run of its eviction."""
    meta = pod["metadata"]
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
        "deleteOptions": {"dryRun": ["All"]},
    }
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/eviction?dryRun=All"
    return cluster.request("POST", path, body).status


def _ready(pod: Json) -> bool:
    conditions: Sequence[Json] = pod.get("status", {}).get("conditions", ())
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def described(found: object) -> str:
    return json.dumps(found, indent=1, default=str)
