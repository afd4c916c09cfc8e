"""etpguard as the manifests install it, on a real API server: its process runs under its own ServiceAccount, with
the Deployment's environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from devcluster import Cluster, ports
from devcluster.objects import apply, wait_for
from etpguard.assess import picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.objects import GROUP
from tests.app.harness import Served
from tests.manifests.rendered import ACCOUNT, NAMESPACE, Json, environment

BUILT_IN = ("", "coordination.k8s.io", "discovery.k8s.io", "networking.k8s.io")
QUICK = {
    "ETPGUARD_HOLD": "300ms",
    "ETPGUARD_HOLD_URGENT": "100ms",
    "ETPGUARD_MAX_REMEDIATIONS": "100/600s",
    "ETPGUARD_BREAKER": "100%",
    "ETPGUARD_LEASE_DURATION": "3s",
    "ETPGUARD_LEASE_NAMESPACE": NAMESPACE,
}


def foreign_kinds() -> list[Json]:
    """CustomResourceDefinitions, without a schema, for every kind of other projects that etpguard reads."""
    return [
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": kind.resource,
                "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in of the tests"},
            },
            "spec": {
                "group": kind.group,
                "scope": "Namespaced" if kind.namespaced else "Cluster",
                "names": {"kind": kind.name, "plural": kind.plural, "singular": kind.name.lower()},
                "versions": [
                    {
                        "name": kind.version,
                        "served": True,
                        "storage": True,
                        "schema": {
                            "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                        },
                    }
                ],
            },
        }
        for kind in picture_for(consumer_families(), ()).kinds
        if kind.group not in (*BUILT_IN, GROUP)
    ]


def install(cluster: Cluster, manifests: Sequence[Json]) -> None:
    """Apply them, in the order of their needs, and wait until the admission policy is in force."""
    first = ("Namespace", "CustomResourceDefinition")
    apply(cluster, [m for m in manifests if m["kind"] in first])
    for crd in (m for m in manifests if m["kind"] == first[1]):
        spec = crd["spec"]
        path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
        wait_for(partial(_served, cluster, path), what=path)
    apply(cluster, [m for m in manifests if m["kind"] not in first])


def _served(cluster: Cluster, path: str) -> bool:
    return cluster.request("GET", path).ok


class Operator(Served):
    """A process of `etpguard run`."""

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, log: Path, authority: Path | None = None
    ) -> None:
        super().__init__(port, authority)
        self.process = process
        self.log = log

    def get(self, path: str) -> tuple[int, str]:
        """Status 0 where nothing answers, as before the process listens."""
        try:
            return super().get(path)
        except OSError as error:
            return 0, str(error)

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return self.get("/readyz")[0] == 200


@contextmanager
def operator(
    cluster: Cluster,
    manifests: Sequence[Json],
    folder: Path,
    *,
    name: str = "operator",
    authority: str = "",
    **more: str,
) -> Iterator[Operator]:
    """Run it from these manifests; `more` are further variables. SIGTERM must end it within 5 s. `authority`: the
    file of the CA of the certificate with which it serves."""
    kubeconfig = cluster.kubeconfig_for(namespace=NAMESPACE, service_account=ACCOUNT)
    port = ports.free("127.0.0.1")
    variables = {
        **_clean(os.environ),
        **environment(list(manifests)),
        **QUICK,
        "ETPGUARD_KUBECONFIG": str(kubeconfig),
        "ETPGUARD_LISTEN": f"127.0.0.1:{port}",
        **more,
    }
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "etpguard", "run"],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    running = Operator(process, port, log, Path(authority) if authority else None)
    try:
        wait_for(running.ready, 60, "the operator to be ready")
        yield running
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if not k.startswith("ETPGUARD_") and k != "KUBECONFIG"}


def cluster_policy(name: str, **spec: Any) -> Json:
    return {
        "apiVersion": "etpguard.dev/v1alpha1",
        "kind": "ClusterCoveragePolicy",
        "metadata": {"name": name},
        "spec": spec,
    }
