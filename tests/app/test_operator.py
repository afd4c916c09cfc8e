"""The operator against the real control plane: what it says, and that it goes on saying it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from devcluster import Cluster, ports
from devcluster.objects import node, pod, set_ready, wait_for
from etpguard.app.timing import OperatorTiming
from etpguard.intake.timing import ListTiming
from etpguard.objects import ENDPOINT_SLICE, INGRESS, NODE, SERVICE, Key
from etpguard.objects.aws import TARGET_GROUP_BINDING
from tests.app.harness import (
    INGRESS_RULES,
    REQUIRED_RULES,
    Running,
    Served,
    grant,
    node_port_service,
    the_case,
    wait_same,
)
from tests.patience import patient

pytestmark = pytest.mark.controlplane


QUICK = OperatorTiming(lists=ListTiming(look_again=1.0, forbidden=1.0))
"""Look for kinds and permissions every second instead of every minute."""


@pytest.fixture
def running(cluster: Cluster) -> Iterator[Running]:
    with Running(cluster.kubeconfig) as running:
        yield running


def test_ready_then_metrics_follow_the_pods(cluster: Cluster, namespace: str) -> None:
    with the_case(cluster, namespace) as service, Running(cluster.kubeconfig) as running:
        running.wait_ready()
        assert running.get("/livez") == (200, "alive\n")
        wait_for(lambda: running.uncovered(namespace, service) == 2.0, what="node2 and node3 uncovered")
        second = pod(cluster, namespace, "nginx-2", f"{namespace}-node2", {"app": "nginx"}, ip="10.0.2.1")
        wait_for(lambda: running.uncovered(namespace, service) == 1.0, what="node3 alone uncovered")
        pod(cluster, namespace, "nginx-3", f"{namespace}-node3", {"app": "nginx"}, ip="10.0.3.1")
        wait_for(lambda: running.uncovered(namespace, service) == 0.0, what="no node uncovered")
        outcome = "etpguard_service_outcome"
        assert running.metric(outcome, namespace=namespace, service=service, outcome="Covered") == 1.0
        assert running.metric(outcome, namespace=namespace, service=service, outcome="Uncovered") == 0.0
        set_ready(cluster, second, False)
        wait_for(lambda: running.uncovered(namespace, service) == 1.0, what="node2 uncovered again")
        cluster.call("DELETE", f"/api/v1/namespaces/{namespace}/services/{service}")
        wait_for(lambda: running.uncovered(namespace, service) is None, what="the series' end")
        assert (running.metric("etpguard_event_to_verdict_seconds_count") or 0) > 0
        assert running.metric("etpguard_watch_restarts_total") == 0.0
    assert running.exit_code == 0


def test_the_picture_equals_a_fresh_list(cluster: Cluster, namespace: str) -> None:
    with the_case(cluster, namespace), Running(cluster.kubeconfig) as running:
        running.wait_fresh()
        for kind in (SERVICE, ENDPOINT_SLICE, NODE, INGRESS):
            wait_same(running, cluster, kind)


def test_only_namespaces_in_scope_are_reported(cluster: Cluster, namespace: str) -> None:
    cluster.call("POST", f"/api/v1/namespaces/{namespace}/services", node_port_service("one"))
    with Running(cluster.kubeconfig, namespaces=frozenset({namespace})) as running:
        running.wait_ready()
        assert running.uncovered(namespace, "one") is not None
    with Running(cluster.kubeconfig, skip_namespaces=frozenset({namespace})) as running:
        running.wait_ready()
        assert running.uncovered(namespace, "one") is None


def test_a_service_deleted_and_recreated_under_its_name_a_hundred_times(
    cluster: Cluster, namespace: str, running: Running
) -> None:
    running.wait_fresh()
    path = f"/api/v1/namespaces/{namespace}/services"
    key = Key(namespace, "phoenix")
    for _ in range(100):
        made = cluster.call("POST", path, node_port_service("phoenix"))
        cluster.call("DELETE", f"{path}/phoenix")
    cluster.call("POST", path, node_port_service("last"))  # once it is seen, all events before it were
    wait_same(running, cluster, SERVICE)
    assert running.on_loop(lambda o: o.picture.get(SERVICE, key)) is None
    made = cluster.call("POST", path, node_port_service("phoenix"))
    wait_same(running, cluster, SERVICE)
    uid = made["metadata"]["uid"]
    assert running.on_loop(lambda o: o.engine.assessments[key].uid) == uid
    assert running.metric("etpguard_resync_corrections_total", kind="services") == 0.0


def test_a_forbidden_kind_is_reported_and_recovers(
    cluster: Cluster, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    account = f"reader-{namespace}"
    grant(cluster, account, *REQUIRED_RULES)
    kubeconfig = cluster.kubeconfig_for(namespace="default", service_account=account)
    with the_case(cluster, namespace) as service, Running(kubeconfig, QUICK) as running:
        running.wait_ready()
        problem = "ingresses.networking.k8s.io: may not list ingresses.networking.k8s.io"
        assert problem in running.get("/readyz")[1]
        unread = {"kind": "ingresses.networking.k8s.io"}
        assert running.metric("etpguard_unread_kind", **unread) == 1.0
        outcome = {"namespace": namespace, "service": service, "outcome": "Unknown"}
        assert running.metric("etpguard_service_outcome", **outcome) == 1.0
        running.wait_fresh()
        time.sleep(3)  # it is tried several times meanwhile
        assert caplog.text.count(problem) == 1
        assert "targetgroupbindings" not in running.get("/readyz")[1], "it may not be read, and does not exist"

        grant(cluster, account, *REQUIRED_RULES, *INGRESS_RULES)
        wait_for(lambda: INGRESS in running.operator.watching(), 60, "a watch of Ingresses")
        assert running.get("/readyz")[1].count("may not list ingresses.") == 0
        assert running.metric("etpguard_unread_kind", **unread) is None
        wait_for(lambda: running.metric("etpguard_service_outcome", **outcome) == 0.0, what="an outcome")

        grant(cluster, account, *REQUIRED_RULES)
        wait_for(lambda: running.metric("etpguard_unread_kind", **unread) == 1.0, 60, "it to be unread again")
        assert running.ready()
        assert running.metric("etpguard_watch_restarts_total") == 0.0


def test_a_required_kind_that_may_not_be_read_keeps_it_from_being_ready(cluster: Cluster, namespace: str) -> None:
    account = f"blind-{namespace}"
    grant(cluster, account, ("", "services,nodes,namespaces", "list,watch"), *INGRESS_RULES)
    kubeconfig = cluster.kubeconfig_for(namespace="default", service_account=account)
    with Running(kubeconfig) as running:

        def named() -> bool:
            status, text = running.get("/readyz")
            return status == 503 and "- endpointslices.discovery.k8s.io: may not list" in text

        wait_for(named, what="/readyz to name the kind")
        assert running.get("/livez")[0] == 200
        grant(cluster, account, *REQUIRED_RULES, *INGRESS_RULES)
        running.wait_ready()
    assert running.exit_code == 0


def test_a_kind_whose_definition_comes_and_goes(cluster: Cluster, namespace: str) -> None:
    kind = TARGET_GROUP_BINDING
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    collection = f"/apis/{kind.api_version}/namespaces/{namespace}/{kind.plural}"
    with Running(cluster.kubeconfig, QUICK) as running:
        running.wait_fresh()
        assert kind not in running.operator.watching()
        cluster.call("POST", path, definition())
        try:
            wait_for(lambda: kind in running.operator.watching(), 60, "a watch of the new kind")
            running.wait_fresh()
            binding = {
                "apiVersion": kind.api_version,
                "kind": kind.name,
                "metadata": {"name": "web"},
                "spec": {"targetGroupARN": "arn", "serviceRef": {"name": "nginx", "port": "http"}},
            }
            cluster.call("POST", collection, binding)
            wait_for(lambda: running.held(kind), 60, "the object, by the watch")
        finally:
            cluster.call("DELETE", f"{path}/{kind.resource}")
        wait_for(lambda: not running.held(kind), 60, "its end")
        wait_for(lambda: kind not in running.operator.watching(), 60, "the end of its watch")
        running.wait_fresh()
        assert "targetgroupbindings" not in running.get("/readyz")[1]


def definition() -> dict[str, object]:
    kind = TARGET_GROUP_BINDING
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "metadata": {"name": kind.resource},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced",
            "names": {"plural": kind.plural, "singular": kind.name.lower(), "kind": kind.name},
            "versions": [
                {
                    "name": kind.version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_a_signal_ends_it_within_five_seconds(cluster: Cluster, number: signal.Signals) -> None:
    port = ports.free("127.0.0.1")
    code = (
        "import sys; from etpguard import app, settings; "
        "sys.exit(app.run(settings.parse({}, dict(kv.split('=', 1) for kv in sys.argv[1:]))))"
    )
    environment = [
        f"ETPGUARD_KUBECONFIG={cluster.kubeconfig}",
        f"ETPGUARD_LISTEN=127.0.0.1:{port}",
        "ETPGUARD_LEASE_NAMESPACE=default",
        "ETPGUARD_LOG_FORMAT=json",
    ]
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *environment],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "operator"},
    )
    try:

        def leads() -> bool:
            try:
                return Served(port).metric("etpguard_leader") == 1.0
            except OSError:
                return False

        wait_for(leads, 180, "the operator to lead")  # on a busy machine a process takes a minute to start
        began = time.monotonic()
        process.send_signal(number)
        _, log = process.communicate(timeout=60)
        assert time.monotonic() - began < patient(5)
        assert process.returncode == 0, log
        lines = log.splitlines()
        assert lines
        assert all(line.startswith('{"time":"') for line in lines), log
        lease = cluster.call("GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases/etpguard")
        assert not lease["spec"].get("holderIdentity"), "the Lease was not handed over"
    finally:
        process.kill()
        process.wait()


def test_fifty_nodes_that_come_and_go_add_no_write_to_any_service(cluster: Cluster, namespace: str) -> None:
    """Every write of a Service reaches every kube-proxy. Metrics follow the numbers; the outcome is the same."""
    settings = {"write_conditions": True, "write_events": True, "leader_elect": False}
    quick = {"hold": 0.0, "hold_urgent": 0.0, "namespaces": frozenset({namespace})}
    names = [f"{namespace}-more-{number}" for number in range(50)]
    with the_case(cluster, namespace) as service:
        position = cluster.audit_position()
        with Running(cluster.kubeconfig, **settings, **quick) as running:
            path = f"/api/v1/namespaces/{namespace}/services/{service}"
            wait_for(lambda: cluster.call("GET", path)["status"].get("conditions"), 60, "the condition")
            try:
                for name in names:
                    node(cluster, name)
                wait_for(lambda: running.uncovered(namespace, service) == 52.0, what="the metric of all 52 nodes")
                time.sleep(1)
            finally:
                for name in names:
                    cluster.request("DELETE", f"/api/v1/nodes/{name}")
            wait_for(lambda: running.uncovered(namespace, service) == 2.0, what="none of them to be left")
            time.sleep(1)
        events = list(cluster.audit(position))
    written = [
        event["requestURI"].partition("?")[0]
        for event in events
        if event["verb"] not in ("get", "list", "watch")
        and event["user"]["username"] == "admin"
        and "dryRun=All" not in event["requestURI"]
    ]
    assert sum(uri.startswith("/api/v1/nodes") for uri in written) == 100
    assert [uri for uri in written if "/services/" in uri] == [f"{path}/status"], "more than the first condition"


def test_nothing_is_written_in_a_namespace_that_is_skipped(cluster: Cluster, namespace: str) -> None:
    """Nothing is removed either: a condition there may be another instance's."""
    other = f"{namespace}-other"
    cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": other}})
    try:
        for space in (namespace, other):
            made = cluster.call("POST", f"/api/v1/namespaces/{space}/services", node_port_service("web"))
        cluster_policy = {"spec": {"externalTrafficPolicy": "Cluster"}}
        path = f"/api/v1/namespaces/{other}/services/web"
        theirs = {"type": "etpguard.dev/Covered", "status": "False", "reason": "Uncovered", "message": "x"}
        theirs["lastTransitionTime"] = made["metadata"]["creationTimestamp"]
        cluster.call("PATCH", path, cluster_policy)
        cluster.call("PATCH", f"{path}/status", {"status": {"conditions": [theirs]}})
        settings = {"skip_namespaces": frozenset({other}), "write_conditions": True, "leader_elect": False}
        with Running(cluster.kubeconfig, hold=0.0, hold_urgent=0.0, **settings) as running:
            running.wait_ready()
            ours = f"/api/v1/namespaces/{namespace}/services/web"
            wait_for(lambda: cluster.call("GET", ours)["status"].get("conditions"), 60, "our condition")
            time.sleep(2)
            assert cluster.call("GET", path)["status"]["conditions"] == [theirs]
    finally:
        cluster.request("DELETE", f"/api/v1/namespaces/{other}")
