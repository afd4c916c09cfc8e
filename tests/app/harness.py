"""A whole operator in a thread of the test's process, so that its picture can be looked into."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import http.client
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from devcluster import Cluster
from devcluster.objects import node, pod, wait_for
from etpguard.app.operator import Operator
from etpguard.app.timing import OperatorTiming
from etpguard.intake.controller_options import consumer_options
from etpguard.kube.connection import Connection
from etpguard.objects import SERVICE, AnyKind
from etpguard.remediate.pacing import Pacing
from etpguard.settings import Address, Settings

T = TypeVar("T")

READ_ONLY = {"write_conditions": False, "write_reports": False, "write_events": False, "remediation": False}
DEFAULTS = {**READ_ONLY, "second_installation": "allow", "page": None}
"""Other tests leave Leases of operators that they killed."""


class Served:
    """What an operator says over HTTP, or with `authority`, the file of a CA, over HTTPS, wherever it runs."""

    def __init__(self, port: int, authority: Path | None = None) -> None:
        self.port = port
        self.authority = authority

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        if self.authority is not None:
            trust = ssl.create_default_context(cafile=self.authority)
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=trust)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def wait_ready(self, timeout: float = 60) -> None:
        wait_for(self.ready, timeout, "/readyz")

    def metric(self, name: str, **labels: str) -> float | None:
        """One sample's value; None if it is not exported."""
        for line in self.get("/metrics")[1].splitlines():
            head, _, value = line.rpartition(" ")
            found, _, rest = head.partition("{")
            if found == name and all(f'{k}="{v}"' in rest for k, v in labels.items()):
                return float(value)
        return None

    def uncovered(self, namespace: str, service: str) -> float | None:
        return self.metric("etpguard_service_uncovered_nodes", namespace=namespace, service=service)


class Running(Served):
    """Started by `with`; ended, and waited for, on leaving. Serves from then on."""

    def __init__(self, kubeconfig: Path, timing: OperatorTiming | None = None, /, **settings: Any) -> None:
        super().__init__(port=0)
        pacing: Pacing | None = settings.pop("remediation_pacing", None)
        self._settings = Settings(
            kubeconfig=str(kubeconfig), listen=Address("127.0.0.1", 0), **{**DEFAULTS, **settings}
        )
        timing = timing or OperatorTiming()
        self._timing = dataclasses.replace(timing, remediation=pacing) if pacing else timing
        self._started: concurrent.futures.Future[tuple[Operator, int]] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, name="operator under test")
        self.exit_code: int | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self.operator, self.port = self._started.result(60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it has ended by itself meanwhile
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        assert not self._thread.is_alive(), "the operator does not end"

    def _run(self) -> None:
        async def main() -> int:
            self._loop = asyncio.get_running_loop()
            self._stop = asyncio.Event()
            connection = Connection(self._settings.kubeconfig)
            options = await consumer_options(self._settings, connection)
            operator = Operator(self._settings, connection, options, self._timing)
            async with operator.serving() as port:
                self._started.set_result((operator, port))
                return await operator.run(self._stop)

        try:
            self.exit_code = asyncio.run(main())
        except BaseException as error:
            if not self._started.done():
                self._started.set_exception(error)
            raise

    def on_loop(self, look: Callable[[Operator], T]) -> T:
        """What `look` gives on the operator's own loop, where its parts may be touched."""
        done: concurrent.futures.Future[T] = concurrent.futures.Future()

        def call() -> None:
            try:
                done.set_result(look(self.operator))
            except BaseException as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(call)
        return done.result(60)

    def wait_fresh(self, timeout: float = 90) -> None:
        """Until Kopf's first pass, and the list that follows it, are through."""

        def fresh() -> bool:
            return self.on_loop(lambda o: o.freshness.picture_status().fresh and SERVICE in o.watching())

        wait_for(fresh, timeout, "a fresh picture")

    def held(self, kind: AnyKind) -> dict[str, str]:
        """resourceVersions by namespace/name, as the picture has them."""
        return self.on_loop(lambda o: {str(r.key): r.metadata.resource_version for r in o.picture.store(kind)})


def stored(cluster: Cluster, kind: AnyKind) -> dict[str, str]:
    """The same by a fresh list."""
    found = {}
    for item in cluster.call("GET", kind.path)["items"]:
        meta = item["metadata"]
        name = f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else meta["name"]
        found[name] = meta["resourceVersion"]
    return found


def wait_same(running: Running, cluster: Cluster, kind: AnyKind, timeout: float = 60) -> None:
    """Until the picture of the kind equals a fresh list."""
    wait_for(lambda: running.held(kind) == stored(cluster, kind), timeout, f"the picture of {kind} to be right")


def grant(cluster: Cluster, account: str, *rules: tuple[str, str, str]) -> None:
    """Give the service account default/`account` a ClusterRole with these (group, resources, verbs), and
    make both where they are not there."""
    cluster.request("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": account}})
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": account},
        "rules": [
            {"apiGroups": [group], "resources": resources.split(","), "verbs": verbs.split(",")}
            for group, resources, verbs in rules
        ],
    }
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    if not cluster.request("POST", path, role).ok:
        cluster.call("PUT", f"{path}/{account}", role)
    cluster.request(
        "POST",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        {
            "metadata": {"name": account},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": account},
            "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": account}],
        },
    )


REQUIRED_RULES = (
    ("", "services,nodes,namespaces", "list,watch"),
    ("discovery.k8s.io", "endpointslices", "list,watch"),
)
INGRESS_RULES = (("networking.k8s.io", "ingresses,ingressclasses", "list,watch"),)


@contextmanager
def the_case(cluster: Cluster, namespace: str) -> Iterator[str]:
    """Three nodes, nginx on node1 behind a NodePort Service with Local; gives the Service's name."""
    nodes = [f"{namespace}-node{i}" for i in (1, 2, 3)]
    made = [node(cluster, name) for name in nodes]
    try:
        cluster.call("POST", f"/api/v1/namespaces/{namespace}/services", node_port_service("nginx"))
        pod(cluster, namespace, "nginx-1", nodes[0], {"app": "nginx"}, ip="10.0.1.1")
        yield "nginx"
    finally:
        for each in made:
            cluster.request("DELETE", f"/api/v1/nodes/{each['metadata']['name']}")


def node_port_service(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {
            "type": "NodePort",
            "externalTrafficPolicy": "Local",
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 80}],
        },
    }
