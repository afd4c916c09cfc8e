"""The operator while the way to the API server, or the API server's history, fails under it."""

from __future__ import annotations

import base64
import json
import logging
import resource
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

import devcluster
from devcluster import Cluster
from devcluster.http_proxy import HttpProxy
from devcluster.http_rules import Answer, WatchError
from devcluster.objects import node, pod, wait_for
from devcluster.tcp_proxy import TcpProxy
from etpguard.app.timing import OperatorTiming
from etpguard.intake.timing import ListTiming
from etpguard.objects import ENDPOINT_SLICE, INGRESS, NODE, SERVICE, SERVICE_COVERAGE, Key
from etpguard.objects.policies import COVERAGE_POLICY
from etpguard.publish.settings import PublishSettings
from tests.app.harness import (
    INGRESS_RULES,
    REQUIRED_RULES,
    Running,
    grant,
    node_port_service,
    stored,
    the_case,
    wait_same,
)
from tests.app.spawned import Spawned
from tests.remediate.stage import install_crds

pytestmark = pytest.mark.controlplane


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    """A control plane of this module's own, to break."""
    with devcluster.start() as cluster:
        cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": "faults"}})
        yield cluster


POLICY = {"apiVersion": COVERAGE_POLICY.api_version, "kind": COVERAGE_POLICY.name}
POLICIES = f"/apis/{COVERAGE_POLICY.api_version}/namespaces/default/{COVERAGE_POLICY.plural}"


def services(cluster: Cluster) -> str:
    return "/api/v1/namespaces/faults/services"


def test_a_list_finds_a_delete_that_no_watch_delivered(own: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    """Cut off, objects deleted and made, etcd's history compacted: the watch gets 410, and Kopf's relist names
    only what still exists."""
    caplog.set_level(logging.DEBUG, "kopf._cogs.clients.watching")
    own.call("POST", services(own), node_port_service("lost"))
    own.call("POST", services(own), node_port_service("kept"))
    node(own, "lost-node")
    with TcpProxy(own.server) as proxy:
        kubeconfig = own.kubeconfig_for(server=proxy.server)
        with Running(kubeconfig) as running:
            running.wait_fresh()
            assert Key("faults", "lost") in running.on_loop(lambda o: dict(o.engine.assessments))
            seen = own.call("GET", "/api/v1/services")["metadata"]["resourceVersion"]

            proxy.cut()
            own.call("DELETE", f"{services(own)}/lost")
            own.call("DELETE", "/api/v1/nodes/lost-node")
            own.call("POST", services(own), node_port_service("new"))
            own.compact_etcd()
            status, event = _watch_from(own, seen)
            assert 410 in (status, event), "the API server still knows the history"
            proxy.restore()

            for kind in (SERVICE, NODE, ENDPOINT_SLICE):
                wait_same(running, own, kind, timeout=60)
            restarted = running.metric("etpguard_watch_restarts_total")
            assert "Restarting the watch-stream for services" in caplog.text or restarted
            assert Key("faults", "lost") not in running.on_loop(lambda o: dict(o.engine.assessments))
            assert running.uncovered("faults", "lost") is None
            assert running.uncovered("faults", "new") is not None
            running.wait_fresh()
            removed = running.metric("etpguard_resync_corrections_total", kind="services", correction="removed")
            if not restarted:
                wait_for(
                    lambda: (
                        running.metric("etpguard_resync_corrections_total", kind="services", correction="removed")
                        == 1.0
                    ),
                    60,
                    "the correction to be counted",
                )
            else:
                assert not removed, "there was no watch that should have delivered it"


def _watch_from(cluster: Cluster, version: str) -> tuple[int, int]:
    """HTTP status of a watch from that version, and the code of its first event, 0 if that is no error."""
    answer = cluster.request(
        "GET", f"/api/v1/services?watch=true&timeoutSeconds=1&resourceVersion={version}", timeout=10
    )
    first = json.loads(answer.body.splitlines()[0]) if answer.body.strip() else {}
    return answer.status, first.get("object", {}).get("code", 0) if answer.ok else 0


def test_the_last_object_of_a_kind_lost_in_a_gap(own: Cluster) -> None:
    """Kopf's relist then has not one event to tell of."""
    ingress = {
        "metadata": {"name": "last"},
        "spec": {"defaultBackend": {"service": {"name": "kept", "port": {"number": 80}}}},
    }
    path = "/apis/networking.k8s.io/v1/namespaces/faults/ingresses"
    own.call("POST", path, ingress)
    with TcpProxy(own.server) as proxy, Running(own.kubeconfig_for(server=proxy.server)) as running:
        running.wait_fresh()
        assert running.held(INGRESS)
        proxy.cut()
        own.call("DELETE", f"{path}/last")
        own.compact_etcd()
        proxy.restore()
        wait_for(lambda: not running.held(INGRESS), 60, "the Ingress to be gone")


def test_a_connection_held_open_but_silent(own: Cluster) -> None:
    with TcpProxy(own.server) as proxy:
        kubeconfig = own.kubeconfig_for(server=proxy.server)
        with Running(kubeconfig, watch_inactivity=4.0) as running:
            running.wait_fresh()
            proxy.silence(connections=proxy.connections)
            own.call("POST", services(own), node_port_service("unheard"))
            own.call("DELETE", f"{services(own)}/unheard")
            own.call("POST", services(own), node_port_service("unheard-too"))
            time.sleep(0.5)
            assert running.held(SERVICE) != stored(own, SERVICE), "the watch was not silent"
            wait_same(running, own, SERVICE, timeout=60)
            assert running.ready()


def corrected(running: Running, times: int) -> bool:
    return running.metric("etpguard_resync_corrections_total", kind="services", correction="added") == times


def test_a_watch_that_stays_silent_is_corrected_by_lists_and_started_again(own: Cluster) -> None:
    """Only one kind's watches are silent, also after each reconnect. The others go on."""
    with HttpProxy(own) as proxy:
        kubeconfig = own.kubeconfig_for(server=proxy.server)
        with Running(kubeconfig, resync_interval=5.0) as running:
            running.wait_fresh()
            stream = next(s for s in proxy.streams(path="/api/v1/services"))
            stream.silence()
            for number in (1, 2):  # one for each of two lists running
                own.call("POST", services(own), node_port_service(f"deaf-{number}"))
                wait_same(running, own, SERVICE, timeout=60)
            wait_for(partial(corrected, running, 2), 60, "the corrections to be counted")
            wait_for(
                lambda: running.metric("etpguard_watch_restarts_total") == 1.0, 60, "the watch to start again"
            )
            wait_for(
                lambda: [s for s in proxy.streams(path="/api/v1/services") if s is not stream],
                60,
                "a new watch of Services",
            )
            running.wait_fresh()
            own.call("POST", services(own), node_port_service("heard"))
            wait_for(lambda: "faults/heard" in running.held(SERVICE), 3, "the new watch to deliver")


def test_a_watch_error_ends_kopf_and_another_run_follows(own: Cluster) -> None:
    with HttpProxy(own) as proxy, Running(own.kubeconfig_for(server=proxy.server)) as running:
        running.wait_fresh()
        proxy.on(WatchError(500), watch=True, path="/api/v1/nodes", times=1)
        (stream,) = proxy.streams(path="/api/v1/nodes")
        stream.cut()
        wait_for(lambda: running.metric("etpguard_watch_restarts_total") == 1.0, 60, "the restart")
        assert running.get("/livez")[0] == 200
        running.wait_fresh()
        node(own, "after-the-error")
        wait_for(lambda: "after-the-error" in running.held(NODE), 60, "the new run to deliver")
        own.call("DELETE", "/api/v1/nodes/after-the-error")
        wait_same(running, own, NODE, timeout=60)


def test_not_ready_while_there_is_no_api_server_and_ready_after(own: Cluster) -> None:
    with TcpProxy(own.server) as proxy:
        proxy.cut()
        with Running(own.kubeconfig_for(server=proxy.server)) as running:

            def named() -> bool:
                status, text = running.get("/readyz")
                return status == 503 and "- services: cannot reach https://" in text

            wait_for(named, 60, "/readyz to say why")
            assert running.get("/livez")[0] == 200
            proxy.restore()
            running.wait_ready()


def test_a_list_that_is_throttled_is_tried_again(own: Cluster) -> None:
    with HttpProxy(own) as proxy:
        proxy.on(Answer(429, headers={"Retry-After": "1"}), method="GET", path="/api/v1/services", times=2)
        proxy.on(Answer(503), method="GET", path="/api/v1/nodes", times=2)
        with Running(own.kubeconfig_for(server=proxy.server)) as running:
            running.wait_ready()
            assert running.held(SERVICE) == stored(own, SERVICE)


def test_a_token_is_rotated_and_the_old_one_expires(own: Cluster, tmp_path: Path) -> None:
    grant(own, "rotating", *REQUIRED_RULES, *INGRESS_RULES)
    token_file = tmp_path / "token"
    old = own.sign_token("default", "rotating", 8)
    token_file.write_text(old)
    with TcpProxy(own.server) as proxy:
        document = yaml.load(own.kubeconfig_for(old, server=proxy.server).read_text(), yaml.CSafeLoader)
        document["users"][0]["user"] = {"tokenFile": str(token_file)}
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(document))
        with Running(kubeconfig, resync_interval=5.0) as running:
            running.wait_fresh()
            token_file.write_text(own.sign_token("default", "rotating", 600))
            wait_for(lambda: own.request("GET", "/api/v1/services", token=old).status == 401, 60, "its end")
            proxy.reset()  # every watch reconnects
            before = running.metric("etpguard_last_list_timestamp_seconds", kind="services") or 0.0
            own.call("POST", services(own), node_port_service("rotated"))
            wait_for(lambda: "faults/rotated" in running.held(SERVICE), 5, "the watch to go on")
            wait_for(
                lambda: (running.metric("etpguard_last_list_timestamp_seconds", kind="services") or 0) > before,
                60,
                "another list",
            )
            assert running.metric("etpguard_watch_restarts_total") == 0.0
            assert running.ready()


def test_the_case_survives_a_restart_of_the_api_server(own: Cluster) -> None:
    with the_case(own, "faults") as service, Running(own.kubeconfig) as running:
        running.wait_fresh()
        own.restart_apiserver()
        own.call("DELETE", f"{services(own)}/{service}")
        wait_for(lambda: running.uncovered("faults", service) is None, 60, "the delete to arrive")
        wait_same(running, own, SERVICE, timeout=60)


def test_etcd_restored_from_a_backup() -> None:
    """What was made, changed and deleted since is undone, and resourceVersions start over from the backup's, of
    which no watch reports. The operator runs all the while. It then reports what a fresh list shows, repeats its
    lost writes (the Lease too), and receives later changes."""
    timing = OperatorTiming(
        lists=ListTiming(look_again=2.0),
        publish=PublishSettings(report_interval=1.0),
    )
    settings = {"write_conditions": True, "write_reports": True, "hold": 0.0, "hold_urgent": 0.0}
    settings |= {"condition_interval": 1.0, "remediation": True}
    path = "/api/v1/namespaces/default/services"
    with devcluster.start() as cluster, the_case(cluster, "default") as service:
        install_crds(cluster)
        for name in ("changed", "deleted"):
            cluster.call("POST", path, node_port_service(name))
        cluster.call("POST", POLICIES, {**POLICY, "metadata": {"name": "watched"}, "spec": {"mode": "Observe"}})
        backup = cluster.backup_etcd()
        with Running(cluster.kubeconfig, timing, lease_namespace="default", **settings) as running:
            running.wait_fresh()
            wait_reported_everywhere(running, cluster, {service: 2.0, "changed": 0.0, "deleted": 0.0})
            wait_matched(cluster, 3)

            pod(cluster, "default", "nginx-2", "default-node2", {"app": service}, ip="10.0.2.1")
            pod(cluster, "default", "changed-1", "default-node1", {"app": "changed"}, ip="10.0.1.2")
            node(cluster, "made-node")
            cluster.call("DELETE", f"{path}/deleted")
            cluster.call("POST", path, node_port_service("made"))
            for number in range(200):  # more writes than follow the restore until it is noticed
                cluster.call("PATCH", f"{path}/changed", {"metadata": {"labels": {"number": str(number)}}})
            wait_reported_everywhere(running, cluster, {service: 2.0, "changed": 3.0, "made": 0.0})
            before = int(cluster.call("GET", path)["metadata"]["resourceVersion"])

            cluster.restore_etcd(backup)
            assert int(cluster.call("GET", path)["metadata"]["resourceVersion"]) < before
            wait_reported_everywhere(running, cluster, {service: 2.0, "changed": 0.0, "deleted": 0.0})
            wait_matched(cluster, 3)
            running.wait_fresh()
            cluster.call("POST", path, node_port_service("after"))
            wait_for(lambda: "default/after" in running.held(SERVICE), 60, "the watch to deliver")
            wait_reported_everywhere(
                running, cluster, {service: 2.0, "changed": 0.0, "deleted": 0.0, "after": 0.0}
            )


def wait_matched(cluster: Cluster, number: int) -> None:
    """Until the status of the policy counts so many Services."""

    def matched() -> int | None:
        [policy] = cluster.call("GET", POLICIES)["items"]
        found: int | None = policy.get("status", {}).get("matchedServices")
        return found

    wait_for(lambda: matched() == number, 60, "the status of the policy")


def wait_reported_everywhere(
    running: Running, cluster: Cluster, uncovered: dict[str, float], timeout: float = 60
) -> None:
    """Until the picture equals a fresh list; the metrics have these Services of namespace default, with so many
    uncovered nodes, and no others; and the conditions and reports in the API say the same."""
    kinds = (SERVICE, ENDPOINT_SLICE, NODE, SERVICE_COVERAGE)

    def missing() -> str:
        for kind in kinds:
            if running.held(kind) != stored(cluster, kind):
                return f"the picture of {kind}"
        outcomes = running.on_loop(lambda o: {k.name: a.outcome.name for k, a in o.engine.assessments.items()})
        metrics = {name: running.uncovered("default", name) for name in outcomes}
        conditions = {
            item["metadata"]["name"]: condition["reason"]
            for item in cluster.call("GET", services_path)["items"]
            for condition in item["status"].get("conditions", ())
        }
        reports = {
            item["metadata"]["name"]: (item["status"]["outcome"], item["status"]["uncoveredNodes"])
            for item in cluster.call("GET", SERVICE_COVERAGE.path)["items"]
            # Those of deleted Services wait for the garbage collector.
            if "status" in item and item["metadata"]["name"] in outcomes
        }
        if metrics != uncovered:
            return f"metrics: {metrics}"
        if conditions != outcomes:
            return f"conditions: {conditions}, not {outcomes}"
        if reports != {name: (outcomes[name], uncovered[name]) for name in outcomes}:
            return f"reports: {reports}, not {outcomes} and {uncovered}"
        return ""

    services_path = "/api/v1/namespaces/default/services"
    try:
        wait_for(lambda: not missing(), timeout)
    except TimeoutError:
        raise AssertionError(f"after {timeout:g} s: {missing()}") from None


def test_no_file_descriptor_is_left(own: Cluster, tmp_path: Path) -> None:
    """Lists, the watch, the Lease and HTTP fail for a while; the process does not end, and all of it recovers."""
    with TcpProxy(own.server) as proxy:
        kubeconfig = own.kubeconfig_for(server=proxy.server)
        flags = {"kubeconfig": str(kubeconfig), "resync_interval": "5s", "lease_duration": "5s"}
        with Spawned(own, tmp_path, "descriptors", None, **flags) as operator:
            most = resource.prlimit(operator.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(operator.pid, resource.RLIMIT_NOFILE, (3, most[1]))
            proxy.cut()
            time.sleep(1)
            proxy.restore()
            time.sleep(8)  # the Lease runs out, and each kind is listed
            assert operator.running(), operator.log()
            resource.prlimit(operator.pid, resource.RLIMIT_NOFILE, most)
            wait_for(operator.recovered, 90, "the operator to lead, with a fresh picture")
        lines = operator.log().splitlines()
        assert len(lines) < 600, "a line for each failed try"
        assert any("Too many open files" in line for line in lines)


def test_the_folder_for_temporary_files_is_removed(own: Cluster, tmp_path: Path) -> None:
    """It holds the CA and the client's certificate of a kubeconfig with inline data."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    kubeconfig = tmp_path / "kubeconfig"
    document = yaml.load(Path(own.kubeconfig).read_text(), yaml.CSafeLoader)
    for section, names in (
        ("clusters", ("certificate-authority",)),
        ("users", ("client-certificate", "client-key")),
    ):
        for each in document[section]:
            inner = each[section.removesuffix("s")]
            for name in names:
                if file := inner.pop(name, None):
                    inner[f"{name}-data"] = base64.b64encode(Path(file).read_bytes()).decode()
    kubeconfig.write_text(yaml.safe_dump(document))
    flags = {"kubeconfig": str(kubeconfig), "resync_interval": "5s"}
    with Spawned(own, tmp_path, "folder", environment={"TMPDIR": str(folder)}, **flags) as operator:
        assert list(folder.iterdir()), "nothing was kept in it"
        aside = folder.rename(tmp_path / "aside")
        wait_for(  # a list waits 20 s for a watch that cannot start (ListTiming.watch_start)
            lambda: "services: certificate-authority cannot be stored" in operator.log(), 60, "a list to fail"
        )
        time.sleep(4)
        assert operator.running(), operator.log()
        aside.rename(folder)
        wait_for(operator.recovered, 60, "the operator to lead, with a fresh picture")
