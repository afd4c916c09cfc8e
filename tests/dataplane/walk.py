"""A seeded random walk through what happens to a cluster; after each step the whole matrix is compared."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from devcluster import objects
from devcluster.dataplane import addresses, matrix
from devcluster.dataplane.addresses import FAMILIES
from devcluster.dataplane.lab import Lab
from devcluster.dataplane.matrix import Mismatch
from devcluster.dataplane.pods import DEFAULT_PORTS, Pod
from devcluster.dataplane.probe import Probe
from devcluster.dataplane.servers import Listen
from tests.dataplane.prediction import Predictor
from tests.dataplane.scene import PORTS, Scene

MAX_NODES = 5
MAX_PODS = 14

_PORT_SETS: tuple[Mapping[str, Listen], ...] = (
    DEFAULT_PORTS,
    {"http": DEFAULT_PORTS["http"], "udp": DEFAULT_PORTS["udp"]},
    {"http": Listen("http", 8081), "tcp": DEFAULT_PORTS["tcp"]},
)
_SERVICES: Mapping[str, dict[str, Any]] = {
    "web": {},
    "lb": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": PORTS[:2]},
    "early": {
        "selector": {"app": "api"},
        "publishNotReadyAddresses": True,
        "ipFamilies": ["IPv6"],
        "ipFamilyPolicy": "SingleStack",
    },
    "api": {"externalIPs": [*addresses.vip(21).both]},
    "hand": {"selector": None, "ports": PORTS[:1]},
    "cluster": {"selector": {"app": "api"}, "externalTrafficPolicy": "Cluster"},
}


class Walk:
    """Makes its Services at once; never removes a node that was there before. `said` lists the steps so far."""

    def __init__(self, lab: Lab, namespace: str, seed: int, predict: Predictor) -> None:
        self._scene = Scene(lab, namespace)
        self._lab = lab
        self._random = random.Random(seed)
        self._predict = predict
        self._numbers = 0
        self._keep = set(lab.nodes.running)
        self._cordoned: set[str] = set()
        self._by_hand: dict[str, dict[str, Any]] = {}
        self.said: list[str] = []
        for name, spec in _SERVICES.items():
            self._scene.service(name, **spec)
        vips = [{"ip": ip} for ip in addresses.vip(20).both]
        self._scene.patch_service("lb", {"status": {"loadBalancer": {"ingress": vips}}}, status=True)
        self._scene.slice("hand", "by-hand", [])

    def step(self) -> list[Mismatch]:
        """One or two things happen; then the whole matrix is compared."""
        happened = [self._happen() for _ in range(self._random.choice((1, 1, 2)))]
        self.said.append("; ".join(happened))
        return self._scene.mismatches(self._predict) + self._health()

    def leave(self) -> None:
        """Puts the nodes back as they were."""
        for node in set(self._lab.nodes.running) - self._keep:
            self._remove_node(node)
        for node in self._cordoned & set(self._lab.nodes.running):
            self._lab.nodes.cordon(node, False)

    # --- what can happen ---

    def _happen(self) -> str:
        pods = [pod for pod in self._lab.pods.existing.values() if pod.namespace == self._scene.namespace]
        running = [pod for pod in pods if not pod.terminating]
        leaving = [pod for pod in pods if pod.terminating]
        ready = [pod for pod in running if pod.ready]
        unready = [pod for pod in running if not pod.ready]
        nodes = self._lab.nodes.running
        extra = sorted(set(nodes) - self._keep)
        weighed: list[tuple[int, bool, Callable[[], str]]] = [
            (9, len(pods) < MAX_PODS, self._start_pod),
            (5, bool(unready), lambda: self._readiness(self._one(unready), True)),
            (5, bool(ready), lambda: self._readiness(self._one(ready), False)),
            (6, bool(running), lambda: self._terminate(self._one(running))),
            (3, bool(leaving), lambda: self._readiness(self._one(leaving), False)),
            (7, bool(leaving), lambda: self._end(self._one(leaving))),
            (2, bool(running), lambda: self._end(self._one(running))),
            (3, len(nodes) < MAX_NODES, self._add_node),
            (3, True, lambda: self._drain(self._random.choice(sorted(nodes)))),
            (2, bool(extra), lambda: self._remove_node(self._random.choice(extra))),
            (4, True, self._flip_policy),
            (2, True, self._flip_publishing),
            (5, bool(pods), lambda: self._edit_slice(self._one(pods))),
        ]
        possible = [(weight, action) for weight, can, action in weighed if can]
        (action,) = self._random.choices([a for _, a in possible], [w for w, _ in possible])
        return action()

    def _one(self, pods: list[Pod]) -> Pod:
        return self._random.choice(sorted(pods, key=lambda pod: pod.key))

    def _start_pod(self) -> str:
        node = self._random.choice(sorted(set(self._lab.nodes.running) - self._cordoned) or sorted(self._keep))
        self._numbers += 1
        name, app = f"pod-{self._numbers}", self._random.choice(("web", "web", "api"))
        ready, ports = self._random.random() < 0.7, self._random.choice(_PORT_SETS)
        host = self._random.random() < 0.2 and not any(pod.host_network for pod in self._lab.pods.on(node))
        self._scene.pod(name, node, app=app, ready=ready, ports=ports, host_network=host)
        kind = "host network pod" if host else "pod"
        return f"start {kind} {name} of {app} on {node}, ready={ready}, ports {','.join(ports)}"

    def _readiness(self, pod: Pod, ready: bool) -> str:
        self._lab.pods.set_ready(pod, ready)
        return f"{pod.name} on {pod.node} gets {'ready' if ready else 'unready'}"

    def _terminate(self, pod: Pod) -> str:
        self._lab.pods.terminate(pod)
        return f"{pod.name} on {pod.node} terminates"

    def _end(self, pod: Pod) -> str:
        if self._by_hand.pop(pod.name, None) is not None:
            self._write_slice()  # a dead address that still passes for ready is not what is tried here
        self._lab.pods.end(pod)
        return f"{pod.name} on {pod.node} is gone"

    def _add_node(self) -> str:
        self._numbers += 1
        name = f"node-{self._numbers}"
        self._lab.nodes.add(name)
        return f"{name} joins"

    def _drain(self, node: str) -> str:
        if node in self._cordoned:
            self._cordoned.discard(node)
            self._lab.nodes.cordon(node, False)
            return f"{node} is uncordoned"
        self._cordoned.add(node)
        self._lab.nodes.cordon(node)
        here = [pod for pod in self._lab.pods.on(node) if pod.namespace == self._scene.namespace]
        evicted = [pod for pod in here if not pod.terminating]
        for pod in evicted:
            self._lab.pods.terminate(pod)
        return f"{node} is drained of {','.join(pod.name for pod in evicted) or 'nothing'}"

    def _remove_node(self, node: str) -> str:
        gone = [self._end(pod) for pod in self._lab.pods.on(node)]
        self._cordoned.discard(node)
        self._lab.nodes.remove(node)
        return f"{node} leaves with {len(gone)} pods"

    def _flip_policy(self) -> str:
        name = self._random.choice(sorted(_SERVICES))
        path = f"/api/v1/namespaces/{self._scene.namespace}/services/{name}"
        before = self._lab.cluster.call("GET", path)["spec"]["externalTrafficPolicy"]
        after = "Cluster" if before == "Local" else "Local"
        self._scene.patch_service(name, {"spec": {"externalTrafficPolicy": after}})
        return f"{name} becomes {after}"

    def _flip_publishing(self) -> str:
        publish = self._random.random() < 0.5
        self._scene.patch_service("early", {"spec": {"publishNotReadyAddresses": publish}})
        return f"early: publishNotReadyAddresses={publish}"

    def _edit_slice(self, pod: Pod) -> str:
        if self._by_hand.pop(pod.name, None) is not None:
            self._write_slice()
            return f"{pod.name} leaves the slice by hand"
        conditions = {
            condition: value
            for condition in ("ready", "serving", "terminating")
            if (value := self._random.choice((None, True, False))) is not None
        }
        named = {"nodeName": pod.node} if self._random.random() < 0.8 else {}
        more = {**named, "conditions": conditions}
        port = pod.ports["http"].port
        self._by_hand[pod.name] = {"addresses": [pod.addresses.ipv4], **more} if port == 8080 else {}
        self._write_slice()
        return f"{pod.name} on {pod.node} in the slice by hand with {more}"

    def _write_slice(self) -> None:
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self._scene.namespace}/endpointslices/by-hand"
        endpoints = [endpoint for endpoint in self._by_hand.values() if endpoint]
        self._lab.cluster.call("PATCH", path, {"endpoints": endpoints})

    # --- the health check port ---

    def _health(self) -> list[Mismatch]:
        """healthCheckNodePort against etpguard's word; kube-proxy updates these servers right after the rules."""
        path = f"/api/v1/namespaces/{self._scene.namespace}/services/lb"
        number = self._lab.cluster.call("GET", path)["spec"].get("healthCheckNodePort")
        if not number:
            return []
        nodes = self._lab.nodes.running
        wanted = []
        for family in FAMILIES:
            healthy = self._predict.healthy(self._lab.cluster, self._scene.namespace, "lb", family)
            wanted += [200 if name in healthy else 503 for name in nodes]
        probes = [Probe("http", n.addresses.of(family), number) for family in FAMILIES for n in nodes.values()]
        seen: list[int] = []

        def agrees() -> bool:
            seen[:] = [one.status for one in self._lab.client.probe(probes, timeout=2)]
            return seen == wanted

        try:
            objects.wait_for(agrees, timeout=60)
        except TimeoutError:
            key = matrix.PortKey(self._scene.namespace, "lb", "healthCheckNodePort", "TCP", "IPv4")
            return [Mismatch(key, f"{list(nodes)}: {wanted}", str(seen))]
        return []
