"""The control plane is real: programs, rights, records, history."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import devcluster
from devcluster import Cluster, KubectlError, objects
from devcluster.objects import Object, wait_for

pytestmark = pytest.mark.controlplane


def _service(namespace: str, name: str = "web") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "type": "NodePort",
            "externalTrafficPolicy": "Local",
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        },
    }


def _audit_of(cluster: Cluster, since: int, verb: str, name: str) -> list[Object]:
    return [
        event
        for event in cluster.audit(since)
        if event["verb"] == verb and event.get("objectRef", {}).get("name") == name
    ]


@pytest.mark.since(37)
def test_kubectl_talks_to_a_server_of_the_pinned_version(cluster: Cluster) -> None:
    version = json.loads(cluster.kubectl("version", "-o", "json"))
    assert version["serverVersion"]["gitVersion"] == "v1.37.2"
    assert version["clientVersion"]["gitVersion"] == "v1.37.2"


def test_kubectl_error_names_the_reason(cluster: Cluster) -> None:
    with pytest.raises(KubectlError, match="not found") as raised:
        cluster.kubectl("get", "service", "nowhere")
    assert raised.value.code == 1
    assert cluster.kubectl("get", "service", "nowhere", check=False) == ""


def test_the_endpointslice_controller_follows_a_bound_pod(cluster: Cluster, namespace: str) -> None:
    node = objects.node(cluster, f"node-{namespace}", internal_ip="198.51.100.7")
    objects.apply(cluster, _service(namespace))
    pod = objects.pod(cluster, namespace, "web-1", node["metadata"]["name"], {"app": "web"}, ip="203.0.113.9")

    def conditions() -> dict[str, bool]:
        endpoints = [
            endpoint
            for endpoint_slice in objects.endpoint_slices(cluster, namespace, "web")
            for endpoint in endpoint_slice["endpoints"] or []
        ]
        assert all(endpoint["nodeName"] == node["metadata"]["name"] for endpoint in endpoints)
        assert all(endpoint["addresses"] == ["203.0.113.9"] for endpoint in endpoints)
        return endpoints[0]["conditions"] if endpoints else {}

    wait_for(lambda: conditions() == {"ready": True, "serving": True, "terminating": False}, what="ready")
    objects.set_ready(cluster, pod, False)
    wait_for(lambda: conditions() == {"ready": False, "serving": False, "terminating": False}, what="not ready")
    objects.set_ready(cluster, pod, True)
    objects.terminate(cluster, pod)
    wait_for(lambda: conditions() == {"ready": False, "serving": True, "terminating": True}, what="terminating")
    objects.delete(cluster, pod)
    wait_for(lambda: conditions() == {}, what="the endpoint's end")
    objects.delete(cluster, node)


def test_nodes_are_as_the_arguments_say(cluster: Cluster, namespace: str) -> None:
    taint = {"key": "example.com/spot", "effect": "NoSchedule"}
    name = objects.node(
        cluster, f"node-{namespace}", ready=False, labels={"zone": "a"}, taints=[taint], provider_id="aws:///a/i-1"
    )["metadata"]["name"]
    node = cluster.call("GET", f"/api/v1/nodes/{name}")
    assert node["spec"] == {"taints": [taint], "providerID": "aws:///a/i-1"}
    assert node["metadata"]["labels"]["zone"] == "a"
    assert [(c["type"], c["status"]) for c in node["status"]["conditions"]] == [("Ready", "False")]
    objects.set_node_ready(cluster, name, True)
    node = cluster.call("GET", f"/api/v1/nodes/{name}")
    assert [(c["type"], c["status"]) for c in node["status"]["conditions"]] == [("Ready", "True")]
    objects.delete(cluster, node)
    assert cluster.request("GET", f"/api/v1/nodes/{name}").status == 404
    objects.delete(cluster, node)  # gone already: no error


def test_the_audit_log_has_a_write_when_its_response_is_read(cluster: Cluster, namespace: str) -> None:
    before = cluster.audit_position()
    path = f"/api/v1/namespaces/{namespace}/services"
    assert cluster.request("POST", path, _service(namespace)).status == 201
    (event,) = _audit_of(cluster, before, "create", "web")
    assert event["user"]["username"] == "admin"
    assert event["level"] == "RequestResponse"
    assert event["requestObject"]["spec"]["externalTrafficPolicy"] == "Local"
    assert event["responseObject"]["spec"]["ports"][0]["nodePort"] >= 30000
    cluster.request("GET", f"{path}/web")
    (event,) = _audit_of(cluster, before, "get", "web")
    assert event["level"] == "Metadata"


def test_each_controller_acts_as_its_own_service_account(cluster: Cluster, namespace: str) -> None:
    before = cluster.audit_position()
    objects.apply(cluster, _service(namespace))
    wait_for(lambda: objects.endpoint_slices(cluster, namespace, "web"))
    writers = {
        event["user"]["username"]
        for event in cluster.audit(before)
        if event["verb"] == "create" and event["objectRef"]["resource"] == "endpointslices"
    }
    assert writers == {"system:serviceaccount:kube-system:endpointslice-controller"}


def test_a_service_account_without_rights_is_refused(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "serviceaccount", "nobody", "-n", namespace)
    token = cluster.token(namespace, "nobody")
    response = cluster.request("GET", "/api/v1/services", token=token)
    assert response.status == 403
    assert f"system:serviceaccount:{namespace}:nobody" in response.json()["message"]
    kubeconfig = cluster.kubeconfig_for(namespace=namespace, service_account="nobody")
    who = cluster.kubectl("--kubeconfig", str(kubeconfig), "auth", "whoami", "-o", "json")
    assert json.loads(who)["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:nobody"


def test_a_signed_token_is_taken_and_then_expires(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "serviceaccount", "short", "-n", namespace)

    def status(token: str) -> int:
        return cluster.request("GET", "/api/v1/services", token=token).status

    token = cluster.sign_token(namespace, "short", 3)
    assert status(token) == 403  # known, without rights
    assert status(cluster.sign_token(namespace, "short", -1)) == 401
    wait_for(lambda: status(token) == 401, timeout=60)  # 3 s, and the 10 s that the server remembers a good one


def test_two_families_of_cluster_ips(cluster: Cluster, namespace: str) -> None:
    service = _service(namespace)
    service["spec"]["ipFamilyPolicy"] = "RequireDualStack"
    (applied,) = objects.apply(cluster, service)
    assert applied["spec"]["ipFamilies"] == ["IPv4", "IPv6"]


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    """To be restarted and restored. One controller, so that a restore brings the controller manager back, too; no
    other, which would write meanwhile."""
    with devcluster.start(scheduler=True, controllers=["serviceaccount-controller"]) as cluster:
        yield cluster


def test_compaction_and_a_restart_expire_old_resource_versions(own: Cluster) -> None:
    first = own.call("POST", "/api/v1/namespaces", {"metadata": {"name": "first"}})
    page = own.call("GET", "/api/v1/namespaces?limit=1")
    # After the page: the revision to which etcd is compacted can still be read.
    second = own.call("POST", "/api/v1/namespaces", {"metadata": {"name": "second"}})
    watch = "/api/v1/namespaces?watch=1&timeoutSeconds=1&resourceVersion="

    def events(resource_version: str) -> list[Object]:
        body = own.request("GET", watch + resource_version).body
        return [json.loads(line) for line in body.splitlines()]

    old = first["metadata"]["resourceVersion"]
    assert [event["object"]["metadata"]["name"] for event in events(old)] == ["second"]
    pids = own.pids
    revision = own.compact_etcd()
    assert revision >= int(second["metadata"]["resourceVersion"])
    assert own.pids["etcd"] == pids["etcd"]
    assert own.pids["kube-apiserver"] != pids["kube-apiserver"]
    (event,) = events(old)
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    expired = own.request("GET", f"/api/v1/namespaces?limit=1&continue={page['metadata']['continue']}")
    assert (expired.status, expired.json()["reason"]) == (410, "Expired")


def test_the_scheduler_binds_a_pod_when_asked_for(own: Cluster) -> None:
    objects.node(own, "only")
    pod = {"metadata": {"name": "free"}, "spec": {"containers": [{"name": "main", "image": "unused"}]}}
    created = own.call("POST", "/api/v1/namespaces/default/pods", pod)
    path = f"/api/v1/namespaces/default/pods/{created['metadata']['name']}"
    wait_for(lambda: own.call("GET", path)["spec"].get("nodeName") == "only", timeout=60)
    assert set(own.pids) == {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}


def test_etcd_goes_back_to_a_backup_and_history_goes_on_from_there(own: Cluster) -> None:
    config_maps = "/api/v1/namespaces/default/configmaps"

    def held(cluster: Cluster) -> tuple[int, dict[str, str]]:
        """ResourceVersion of the list, and the data of each."""
        found = cluster.call("GET", config_maps)
        data = {item["metadata"]["name"]: item.get("data", {}).get("say", "") for item in found["items"]}
        return int(found["metadata"]["resourceVersion"]), data

    for name in ("changed", "deleted"):
        own.call("POST", config_maps, {"metadata": {"name": name}, "data": {"say": "before"}})
    version, before = held(own)
    backup = own.backup_etcd()
    for number in range(200):  # more writes than a start of the API server makes
        own.call("PATCH", f"{config_maps}/changed", {"data": {"say": f"after {number}"}})
    own.call("DELETE", f"{config_maps}/deleted")
    own.call("POST", config_maps, {"metadata": {"name": "made"}})
    later, after = held(own)
    assert (before["changed"], after["changed"]) == ("before", "after 199")
    assert before.keys() - after.keys() == {"deleted"}
    assert after.keys() - before.keys() == {"made"}
    server, pids = own.server, own.pids

    own.restore_etcd(backup)
    restored, data = held(own)
    assert data == before
    assert version <= restored < later
    made = own.call("POST", config_maps, {"metadata": {"name": "another"}})
    assert restored < int(made["metadata"]["resourceVersion"])
    assert own.server == server
    assert own.pids.keys() == pids.keys()
    assert not set(own.pids.values()) & set(pids.values())
