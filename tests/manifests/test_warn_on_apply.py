"""The warning at the moment of apply: what kubectl prints on standard error, exactly."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
import yaml

from devcluster import Cluster, KubectlError, binaries
from devcluster.objects import wait_for
from tests.assess.consumers import worlds
from tests.manifests.rendered import Json, kustomize_text

EXTERNAL = (
    "Warning: Validation failed for ValidatingAdmissionPolicy 'etpguard-warn-on-apply' with binding "
    "'etpguard-warn-on-apply': only a warning: with externalTrafficPolicy Local, a node without a ready endpoint "
    "drops the external traffic that reaches it. For details: {command}\n"
)
INTERNAL = (
    "Warning: Validation failed for ValidatingAdmissionPolicy 'etpguard-warn-on-apply' with binding "
    "'etpguard-warn-on-apply': only a warning: with internalTrafficPolicy Local, pods on a node without a ready "
    "endpoint cannot connect to the cluster IP. For details: {command}\n"
)
DEPRECATED = "Warning: spec.externalIPs is deprecated and may no longer be implemented in some clusters\n"
"""By the API server, whatever the policy."""
EXPLAIN = "etpguard explain {namespace}/{name}"
WHAT_IF = "etpguard what-if apply -f FILE"

LOCAL: Json = {"externalTrafficPolicy": "Local"}
INTERNAL_LOCAL: Json = {"internalTrafficPolicy": "Local"}
BALANCER: Json = {"type": "LoadBalancer"}
NODE_PORT: Json = {"type": "NodePort"}
NLB = "service.beta.kubernetes.io/aws-load-balancer-"
BY_IP = {f"{NLB}nlb-target-type": "ip"}
DIRECT = {"service.cloud.tencent.com/direct-access": "true"}
ENI = {"service.beta.kubernetes.io/backend-type": "eni"}
NODE_PORT_LOCAL = {"nodeportlocal.antrea.io/enabled": "true"}


@pytest.fixture(scope="module")
def warned(cluster: Cluster) -> Iterator[Cluster]:
    """The overlay on the control plane of the session. The API server needs a moment until it is in force."""
    text = kustomize_text("overlays/warn-on-apply")
    cluster.kubectl("apply", "-f", "-", input=text)
    probe = service("warn-probe", "default", {**NODE_PORT, **LOCAL})
    wait_for(lambda: stderr(cluster, probe, "--dry-run=server"), 60, "the policy in force")
    yield cluster
    cluster.kubectl("delete", "-f", "-", input=text)


def service(name: str, namespace: str, spec: Json, annotations: dict[str, str] | None = None) -> Json:
    metadata: Json = {"name": name, "namespace": namespace}
    if annotations:
        metadata["annotations"] = annotations
    whole = {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": whole}


def stderr(cluster: Cluster, manifest: Json, *arguments: str, verb: str = "apply") -> str:
    """What kubectl prints there while it succeeds, without the warning of new API servers about externalIPs."""
    said = kubectl(cluster, verb, "-f", "-", *arguments, text=yaml.safe_dump(manifest))
    return said.replace(DEPRECATED, "", 1) if "externalIPs" in manifest["spec"] else said


def kubectl(cluster: Cluster, *arguments: str, text: str = "") -> str:
    home = str(cluster.directory)
    done = subprocess.run(
        [binaries.path("kubectl"), *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": os.defpath, "HOME": home, "KUBECONFIG": str(cluster.kubeconfig)},
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


AFFECTED = [
    pytest.param({**BALANCER, **LOCAL}, {}, id="load balancer"),
    pytest.param({**NODE_PORT, **LOCAL}, {}, id="node port"),
    pytest.param({**LOCAL, "externalIPs": ["192.0.2.1"]}, {}, id="external IP of a ClusterIP"),
    pytest.param(
        {**BALANCER, **LOCAL, "allocateLoadBalancerNodePorts": False}, {}, id="load balancer without node ports"
    ),
    pytest.param({**BALANCER, **LOCAL, "loadBalancerClass": "service.k8s.aws/nlb"}, {}, id="NLB"),
    pytest.param({**BALANCER, **LOCAL}, BY_IP, id="target type of a controller that does not serve it"),
    pytest.param(
        {**BALANCER, **LOCAL},
        {f"{NLB}type": "external", f"{NLB}nlb-target-type": "instance"},
        id="NLB of instances",
    ),
    pytest.param(
        {**BALANCER, **LOCAL, "loadBalancerClass": "eks.amazonaws.com/nlb"},
        {f"{NLB}nlb-target-type": "instance"},
        id="EKS Auto Mode with instances",
    ),
    pytest.param({**BALANCER, **LOCAL, "loadBalancerClass": "example.com/lb"}, BY_IP, id="class of another"),
    pytest.param(
        {**BALANCER, **LOCAL, "loadBalancerClass": "example.com/lb"}, DIRECT, id="direct access by another"
    ),
    pytest.param({**BALANCER, **LOCAL}, {"etpguard.dev/ignore": "false"}, id="not ignored"),
]
PODS_ARE_TARGETS = [
    pytest.param(
        {**BALANCER, **LOCAL, "loadBalancerClass": "service.k8s.aws/nlb"}, BY_IP, id="NLB of pods by class"
    ),
    pytest.param({**BALANCER, **LOCAL}, {f"{NLB}type": "external", **BY_IP}, id="NLB of pods by annotations"),
    pytest.param({**BALANCER, **LOCAL}, {f"{NLB}type": "nlb-ip"}, id="NLB of pods by the old annotation"),
    pytest.param({**NODE_PORT, **LOCAL}, {f"{NLB}type": "external", **BY_IP}, id="NLB of pods, type NodePort"),
    pytest.param({**BALANCER, **LOCAL, "loadBalancerClass": "eks.amazonaws.com/nlb"}, BY_IP, id="EKS Auto Mode"),
    pytest.param(
        {**BALANCER, **LOCAL, "loadBalancerClass": "eks.amazonaws.com/nlb"}, {}, id="EKS Auto Mode by default"
    ),
    pytest.param({**BALANCER, **LOCAL, "loadBalancerClass": "ako.vmware.com/avi-lb"}, NODE_PORT_LOCAL, id="Avi"),
    pytest.param({**BALANCER, **LOCAL, "loadBalancerClass": "alibabacloud.com/nlb"}, ENI, id="Alibaba Cloud"),
    pytest.param({**BALANCER, **LOCAL}, DIRECT, id="Tencent Cloud"),
]
SILENT = [
    pytest.param(BALANCER, {}, id="Cluster by default"),
    pytest.param({**NODE_PORT, "externalTrafficPolicy": "Cluster"}, {}, id="Cluster"),
    pytest.param({}, {}, id="ClusterIP"),
    pytest.param({"externalIPs": ["192.0.2.1"]}, {}, id="external IP with Cluster"),
    pytest.param({"type": "ExternalName", "externalName": "example.com"}, {}, id="ExternalName"),
    pytest.param({"clusterIP": "None", **INTERNAL_LOCAL}, {}, id="headless, internal Local"),
    pytest.param({"internalTrafficPolicy": "Cluster"}, {}, id="internal Cluster"),
    pytest.param({**NODE_PORT, **LOCAL, **INTERNAL_LOCAL}, {"etpguard.dev/ignore": "true"}, id="ignored"),
]


@pytest.mark.parametrize(("spec", "annotations"), PODS_ARE_TARGETS)
def test_the_outcome_agrees_where_the_policy_is_silent(spec: Json, annotations: dict[str, str]) -> None:
    assert _outcome(spec, annotations) == "NotAffected"


@pytest.mark.parametrize(("spec", "annotations"), AFFECTED)
def test_the_outcome_agrees_where_the_policy_warns(spec: Json, annotations: dict[str, str]) -> None:
    assert _outcome(spec, annotations) != "NotAffected"


def _outcome(spec: Json, annotations: dict[str, str]) -> str:
    """Of this Service with an endpoint on one of three nodes."""
    made = worlds.service(**{"type": "ClusterIP", **spec}, annotations=annotations)
    return worlds.world(made, worlds.endpoints("a"), *worlds.nodes("")).assessment.outcome.name


@pytest.mark.controlplane
@pytest.mark.parametrize(("spec", "annotations"), AFFECTED)
def test_create_with_external_local(
    warned: Cluster, namespace: str, spec: Json, annotations: dict[str, str]
) -> None:
    command = EXPLAIN.format(namespace=namespace, name="web")
    assert stderr(warned, service("web", namespace, spec, annotations)) == EXTERNAL.format(command=command)


@pytest.mark.controlplane
@pytest.mark.parametrize(("spec", "annotations"), PODS_ARE_TARGETS + SILENT)
def test_create_of_a_service_that_is_not_affected(
    warned: Cluster, namespace: str, spec: Json, annotations: dict[str, str]
) -> None:
    assert stderr(warned, service("web", namespace, spec, annotations)) == ""


@pytest.mark.controlplane
def test_create_with_both_policies(warned: Cluster, namespace: str) -> None:
    """Each policy has its own line. With target type ip only the internal one counts."""
    command = EXPLAIN.format(namespace=namespace, name="web")
    both = {**NODE_PORT, **LOCAL, **INTERNAL_LOCAL}
    said = stderr(warned, service("web", namespace, both))
    assert sorted(said.splitlines(keepends=True)) == [
        EXTERNAL.format(command=command),
        INTERNAL.format(command=command),
    ]
    annotations = {f"{NLB}type": "nlb-ip"}
    command = EXPLAIN.format(namespace=namespace, name="pods")
    assert stderr(warned, service("pods", namespace, both, annotations)) == INTERNAL.format(command=command)


@pytest.mark.controlplane
def test_updates(warned: Cluster, namespace: str) -> None:
    """One Service through its life: only the steps that set Local warn."""

    def apply(spec: Json, *arguments: str, annotations: dict[str, str] | None = None) -> str:
        return stderr(warned, service("web", namespace, spec, annotations), *arguments)

    command = EXPLAIN.format(namespace=namespace, name="web")
    external, internal = EXTERNAL.format(command=command), INTERNAL.format(command=command)
    cluster_too = {"externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster"}
    assert apply({}) == ""
    assert apply({**NODE_PORT, **cluster_too}) == ""
    assert apply({**NODE_PORT, **LOCAL}, "--dry-run=server") == EXTERNAL.format(command=WHAT_IF)
    assert apply({**NODE_PORT, **cluster_too, **LOCAL}) == external
    assert apply({**NODE_PORT, **cluster_too, **LOCAL}) == ""
    assert apply({**NODE_PORT, **cluster_too, **LOCAL}, annotations={"a": "b"}) == ""
    on_web = ("web", "-n", namespace)
    assert kubectl(warned, "label", "service", *on_web, "a=b") == ""
    status = '{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.7"}]}}}'
    assert apply({**BALANCER, **cluster_too, **LOCAL}) == ""
    assert kubectl(warned, "patch", "service", *on_web, "--subresource=status", "--type=merge", "-p", status) == ""
    assert apply({**BALANCER, **cluster_too, **LOCAL, **INTERNAL_LOCAL}) == internal
    assert apply({**BALANCER, **cluster_too}) == ""
    patch = '{"spec":{"externalTrafficPolicy":"Local"}}'
    assert kubectl(warned, "patch", "service", *on_web, "-p", patch) == external
    assert apply({**BALANCER, **cluster_too}, "--server-side", "--force-conflicts") == ""
    assert apply({**BALANCER, **cluster_too, **LOCAL}, "--server-side", "--force-conflicts") == external
    assert kubectl(warned, "delete", "service", *on_web) == ""
    assert apply({**INTERNAL_LOCAL}) == internal


@pytest.mark.controlplane
def test_a_service_that_ends_warns_no_more(warned: Cluster, namespace: str) -> None:
    """A finalizer keeps it. Its last updates may set anything."""
    made = service("web", namespace, NODE_PORT)
    made["metadata"]["finalizers"] = ["example.com/keep"]
    assert stderr(warned, made) == ""
    assert kubectl(warned, "delete", "service", "web", "-n", namespace, "--wait=false") == ""
    patch = '{"spec":{"externalTrafficPolicy":"Local"}}'
    assert kubectl(warned, "patch", "service", "web", "-n", namespace, "-p", patch) == ""
    patch = '{"metadata":{"finalizers":null}}'
    assert kubectl(warned, "patch", "service", "web", "-n", namespace, "--type=merge", "-p", patch) == ""


@pytest.mark.controlplane
def test_the_longest_names(warned: Cluster) -> None:
    """The API server shortens warnings only if those of one request exceed 4096 characters."""
    namespace, name = "test-" + "n" * 58, "s" * 63
    warned.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    command = EXPLAIN.format(namespace=namespace, name=name)
    try:
        said = stderr(warned, service(name, namespace, {**NODE_PORT, **LOCAL}), verb="create")
    finally:
        warned.request("DELETE", f"/api/v1/namespaces/{namespace}")
    assert said == EXTERNAL.format(command=command)
    assert said.isascii()


@pytest.mark.controlplane
def test_warnings_as_errors_in_a_dry_run(warned: Cluster, namespace: str) -> None:
    made = yaml.safe_dump(service("web", namespace, {**NODE_PORT, **LOCAL}))
    with pytest.raises(KubectlError) as failed:
        warned.kubectl("apply", "--dry-run=server", "--warnings-as-errors", "-f", "-", input=made)
    assert "error: 1 warning received" in str(failed.value)
    assert warned.request("GET", f"/api/v1/namespaces/{namespace}/services/web").status == 404


@pytest.mark.controlplane
def test_no_expression_fails(warned: Cluster) -> None:
    """The last test: with failurePolicy Ignore a failing expression is silent, but the API server counts it as an
    admission with an error."""
    metrics = warned.kubectl("get", "--raw", "/metrics").splitlines()
    counted = [line for line in metrics if "etpguard-warn-on-apply" in line]
    assert [line for line in counted if 'enforcement_action="warn"' in line]
    assert [line for line in counted if 'action="allow"' in line and 'error_type="no_error"' not in line] == []
    assert [line for line in counted if "match_condition_evaluation_errors_total" in line] == []
