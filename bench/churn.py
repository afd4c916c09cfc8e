"""A cluster in motion: slices that move, nodes that flap, Services that come and go, connections that break."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from bench.big_cluster import NAMESPACE, PATHS, Object, Size, is_local, node_name, slice_
from devcluster import Cluster
from devcluster.objects import set_node_ready

REPORTS = f"/apis/etpguard.dev/v1alpha1/namespaces/{NAMESPACE}/servicecoverages"
INGRESSES = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses"


@dataclass
class Counts:
    """What was done so far; `failed` are requests that the API server refused or did not answer."""

    slices: int = 0
    flaps: int = 0
    services: int = 0
    failed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, name: str) -> None:
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)

    def shown(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in ("slices", "flaps", "services", "failed")}


class Churn:
    """Runs in threads from `start` to `stop`. `rate`: slice updates per second. One node turns NotReady each
    `flap` seconds and Ready again three turns later; a Service with Local comes each `visit` seconds and goes
    thirty turns later."""

    def __init__(
        self, cluster: Cluster, size: Size, rate: float, *, flap: float = 2.0, visit: float = 2.0, writers: int = 4
    ) -> None:
        self.counts = Counts()
        self._cluster = cluster
        self._size = size
        self._stop = threading.Event()
        self._down: deque[str] = deque()
        self._visitors: deque[int] = deque()
        self._orphans: deque[int] = deque()
        jobs: Sequence[tuple[float, Callable[[int], None]]] = (
            *((writers / rate, self._slice_writer(n, writers)) for n in range(writers)),
            (flap, self._flap),
            (visit, self._visit),
        )
        self._threads = [threading.Thread(target=self._repeat, args=job, daemon=True) for job in jobs]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, interval: float, work: Callable[[int], None]) -> None:
        due, number = time.monotonic(), 0
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            try:
                work(number)
            except Exception:
                self.counts.add("failed")
            number += 1
            due = max(due + interval, time.monotonic() - 1.0)  # a machine that was busy need not catch up

    def _slice_writer(self, first: int, step: int) -> Callable[[int], None]:
        def write(turn: int) -> None:
            number = first + turn * step
            service, shift = number % self._size.services, 1 + number // self._size.services
            path = f"{PATHS['endpointslices']}/service-{service}-slice"
            self._cluster.call("PUT", path, slice_(self._size, service, shift), timeout=30)
            self.counts.add("slices")

        return write

    def _flap(self, turn: int) -> None:
        name = node_name(turn * 37 % self._size.nodes)
        set_node_ready(self._cluster, name, False)
        self._down.append(name)
        if len(self._down) > 3:
            set_node_ready(self._cluster, self._down.popleft(), True)
        self.counts.add("flaps")

    def _visit(self, turn: int) -> None:
        service = visitor(self._size, turn)
        self._cluster.call("POST", PATHS["services"], service)
        own = slice_(self._size, self._size.services + turn)
        self._cluster.call("POST", PATHS["endpointslices"], own)
        self._visitors.append(self._size.services + turn)
        self.counts.add("services")
        if len(self._visitors) > 30:
            gone = self._visitors.popleft()
            self._cluster.call("DELETE", f"{PATHS['services']}/service-{gone}")
            self._cluster.call("DELETE", f"{PATHS['endpointslices']}/service-{gone}-slice")
            self._orphans.append(gone)
        if len(self._orphans) > 2:
            # As the garbage collector does, which does not run here: otherwise 1,800 reports an hour would stay.
            self._cluster.request("DELETE", f"{REPORTS}/service-{self._orphans.popleft()}")


def visitor(size: Size, turn: int) -> Object:
    """A Service with Local that is not one of the cluster's first."""
    name = f"service-{size.services + turn}"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "type": "NodePort",
            "externalTrafficPolicy": "Local",
            "ports": [
                {"name": "http", "port": 80, "targetPort": 8080},
                {"name": "https", "port": 443, "targetPort": 8443},
            ],
        },
    }


def create_ingresses(cluster: Cluster, size: Size, many: int) -> None:
    """An ALB with instance targets in front of each of the first Services with Local."""
    with contextlib.suppress(Exception):  # the class may exist
        cluster.call(
            "POST",
            "/apis/networking.k8s.io/v1/ingressclasses",
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "IngressClass",
                "metadata": {"name": "alb"},
                "spec": {"controller": "ingress.k8s.aws/alb"},
            },
        )
    for i in islice((i for i in range(size.services) if is_local(size, i)), many):
        cluster.call("POST", INGRESSES, ingress(i))


def ingress(i: int) -> Object:
    backend = {"service": {"name": f"service-{i}", "port": {"name": "http"}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": f"ingress-{i}",
            "annotations": {
                "alb.ingress.kubernetes.io/scheme": "internet-facing",
                "alb.ingress.kubernetes.io/target-type": "instance",
            },
        },
        "spec": {
            "ingressClassName": "alb",
            "rules": [
                {
                    "host": f"service-{i}.example.com",
                    "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
                }
            ],
        },
    }
