"""A tenant with the ClusterRole `edit` in one namespace, who does there what harms others most."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from devcluster import Cluster
from devcluster.objects import wait_for

ACCOUNT = "tenant"
SERVICES = 12
LARGE = 250_000
"""Characters of an annotation. An object has at most 1.5 MB in etcd."""
PAUSE = 0.05
"""Seconds between two changes: the test is about the operator, not about an API server on two cores."""
MANAGERS = ("kubectl", "etpguard", "etpguard-remediation", "etpguard-rollback")
LBC = "service.beta.kubernetes.io/aws-load-balancer"
ALB = "alb.ingress.kubernetes.io"

Json = dict[str, Any]
Change = tuple[str, str, Json | None]
"""Method, path under the namespace's, body of a server-side apply."""


class Tenant:
    """While the block lasts, a thread makes `changes` changes; leaving the block waits for the last."""

    def __init__(
        self, cluster: Cluster, namespace: str, seed: int, changes: int, victim: Callable[[], int]
    ) -> None:
        """`victim` gives the node port of somebody else's Service, for a health check to name."""
        self.made = 0
        self.taken = 0
        """Changes that the API server has accepted."""
        self._cluster = cluster
        self._namespace = namespace
        self._random = random.Random(seed)
        self._changes = changes
        self._victim = victim
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="hostile tenant")
        self._token = _account(cluster, namespace)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._changes = 0
        self._thread.join(240)
        assert not self._thread.is_alive(), f"the tenant has made {self.made} changes only"
        if self._failed is not None:
            raise self._failed

    def at_work(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            while self.made < self._changes:
                self.made += 1
                self.taken += self._send(self._random.choice(self._kinds())())
                time.sleep(PAUSE)
        except BaseException as error:
            self._failed = error

    def _kinds(self) -> list[Callable[[], Change]]:
        return [
            self._large,
            self._paths,
            self._flip,
            self._flip,
            self._shared,
            self._probe,
            self._delete,
            self._text,
        ]

    def _send(self, change: Change) -> bool:
        method, path, body = change
        group = "networking.k8s.io/v1" if "ingresses/" in path else "v1"
        root = f"/apis/{group}" if "/" in group else f"/api/{group}"
        url = f"{root}/namespaces/{self._namespace}/{path}"
        if body is None:
            return self._cluster.request(method, url, token=self._token, timeout=60).ok
        manager = self._random.choice(MANAGERS)
        kind = "Ingress" if "ingresses/" in path else "Service"
        body = {"apiVersion": group, "kind": kind, **body}
        content = "application/apply-patch+yaml"
        url = f"{url}?fieldManager={manager}&force=true"
        return self._cluster.request("PATCH", url, body, content_type=content, token=self._token, timeout=60).ok

    # --- what it does ---

    def _large(self) -> Change:
        """An annotation that a parser may take long for, and many ports to take it for."""
        value = self._random.choice((",", "a=", "[", '{"a":', " ")) * (LARGE // 4) + "a=b"
        name = f"{LBC}-{self._random.choice(('target-node-labels', 'healthcheck-port', 'attributes'))}"
        ports = [{"name": f"p{number}", "port": number} for number in range(1, 61)]
        spec = {"loadBalancerClass": "service.k8s.aws/nlb", "type": "LoadBalancer", "ports": ports}
        return self._service({name: value}, f"large-{self._random.randrange(3)}", **spec)

    def _paths(self) -> Change:
        paths = [self._path(f"/{number}") for number in range(1000)]
        return self._ingress({f"{ALB}/conditions.web": "[" * 20_000}, paths)

    def _flip(self) -> Change:
        annotations = {
            "etpguard.dev/skip-remediation": self._random.choice(("true", "false", "x")),
            "etpguard.dev/ignore": self._random.choice(("true", "false", "x")),
        }
        return self._service(annotations, externalTrafficPolicy=self._random.choice(("Local", "Cluster")))

    def _shared(self) -> Change:
        """A load balancer group that another namespace may use, too."""
        return self._ingress({f"{ALB}/group.name": "shared", f"{ALB}/group.order": str(self._random.randrange(9))})

    def _probe(self) -> Change:
        return self._ingress({f"{ALB}/healthcheck-port": str(self._victim())})

    def _delete(self) -> Change:
        kind = self._random.choice(("services", "ingresses"))
        return "DELETE", f"{kind}/{self._name()}", None

    def _text(self) -> Change:
        text = "\n2026-01-01T00:00:00Z ERROR etpguard: \x1b[31mremediated\r\n" * 20
        return self._service({"argocd.argoproj.io/tracking-id": text, f"{LBC}-type": text[:100]})

    def _name(self) -> str:
        return f"web-{self._random.randrange(SERVICES)}"

    def _path(self, path: str) -> Json:
        return {
            "path": path,
            "pathType": "Prefix",
            "backend": {"service": {"name": self._name(), "port": {"name": "p1"}}},
        }

    def _service(self, annotations: dict[str, str], name: str = "", **spec: Any) -> Change:
        name = name or self._name()
        given: Json = {
            "type": "NodePort",
            "externalTrafficPolicy": "Local",
            "selector": {"app": name},
            "ports": [{"name": "p1", "port": 80}],
        }
        return (
            "PATCH",
            f"services/{name}",
            {"metadata": {"name": name, "annotations": annotations}, "spec": given | spec},
        )

    def _ingress(self, annotations: dict[str, str], paths: list[Json] | None = None) -> Change:
        name = self._name()
        rules = [{"http": {"paths": paths or [self._path("/")]}}]
        spec = {"ingressClassName": "alb", "rules": rules}
        return "PATCH", f"ingresses/{name}", {"metadata": {"name": name, "annotations": annotations}, "spec": spec}


def _account(cluster: Cluster, namespace: str) -> str:
    """Makes the namespace and the account with `edit` there; gives its token."""
    cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    cluster.call("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": ACCOUNT}})
    cluster.call(
        "POST",
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
        {
            "metadata": {"name": ACCOUNT},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}],
        },
    )
    token = cluster.token(namespace, ACCOUNT)
    services = f"/api/v1/namespaces/{namespace}/services"
    wait_for(lambda: cluster.request("GET", services, token=token).ok, 60, "the ClusterRole edit to be aggregated")
    return token
