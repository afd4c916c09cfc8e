"""What the command line and the Deployment of the AWS Load Balancer Controller tell of its options."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster import Cluster
from devcluster.objects import node, pod, wait_for
from tests.cli.program import SEED, Run, etpguard, failed

LIVE = pytest.mark.controlplane
READ = (
    "services,nodes,endpointslices.discovery.k8s.io,ingresses.networking.k8s.io,ingressclasses.networking.k8s.io"
)


@pytest.fixture
def shop(cluster: Cluster, namespace: str) -> Iterator[str]:
    """An ALB Ingress that says nothing of its targets, before a Service with a pod on one of two nodes."""
    names = [f"{namespace}-{i}" for i in (1, 2)]
    made = [
        node(cluster, name, labels={"of": namespace}, provider_id=f"aws:///eu-west-1a/i-0{name[-1]}")
        for name in names
    ]
    classes = "/apis/networking.k8s.io/v1/ingressclasses"
    cluster.call("POST", classes, {"metadata": {"name": namespace}, "spec": {"controller": "ingress.k8s.aws/alb"}})
    cluster.call(
        "POST",
        f"/api/v1/namespaces/{namespace}/services",
        {
            "metadata": {"name": "web"},
            "spec": {
                "type": "NodePort",
                "externalTrafficPolicy": "Local",
                "selector": {"app": "web"},
                "ports": [{"name": "http", "port": 80}],
            },
        },
    )
    pod(cluster, namespace, "web-1", names[0], {"app": "web"}, ip="10.0.9.1")
    cluster.call(
        "POST",
        f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses",
        {
            "metadata": {
                "name": "web",
                "annotations": {"alb.ingress.kubernetes.io/target-node-labels": f"of={namespace}"},
            },
            "spec": {
                "ingressClassName": namespace,
                "defaultBackend": {"service": {"name": "web", "port": {"name": "http"}}},
            },
        },
    )
    yield namespace
    cluster.request("DELETE", f"{classes}/{namespace}")
    for each in made:
        cluster.request("DELETE", f"/api/v1/nodes/{each['metadata']['name']}")


def deploy(cluster: Cluster, namespace: str, *arguments: str) -> str:
    """The controller's Deployment with these arguments, beside a sidecar; gives NAMESPACE/NAME."""
    containers = [
        {"name": "metrics", "image": "metrics", "args": ["--", "--default-target-type=instance"]},
        {"name": "controller", "image": "controller", "args": ["--cluster-name=c", *arguments]},
    ]
    labels = {"app": "aws-load-balancer-controller"}
    cluster.call(
        "POST",
        f"/apis/apps/v1/namespaces/{namespace}/deployments",
        {
            "metadata": {"name": "aws-lbc"},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
            },
        },
    )
    return f"{namespace}/aws-lbc"


def check(kubeconfig: Path, namespace: str, *more: str) -> Run:
    return etpguard("check", "--kubeconfig", kubeconfig, "-n", namespace, "-o", "json", *more)


def consumer(run: Run) -> dict[str, Any]:
    assert run.code in (0, 1), run
    ((found,),) = (service["consumers"] for service in run.report["services"])
    assert isinstance(found, dict)
    return found


@LIVE
def test_a_deployments_arguments_and_a_flag_before_them(cluster: Cluster, shop: str) -> None:
    alone = consumer(check(cluster.kubeconfig, shop))
    assert (alone["targetType"], alone["source"]) == ("instance", "--default-target-type=instance (default)")
    at = deploy(cluster, shop, "--default-target-type", "ip")
    read = consumer(check(cluster.kubeconfig, shop, "--aws-lbc-deployment", at))
    assert (read["targetType"], read["outcome"]) == ("ip", "NotAffected")
    assert read["source"] == f"--default-target-type=ip (Deployment {at})"
    flags = ("--aws-lbc-deployment", at, "--aws-lbc-default-target-type=instance", "--aws-lbc-fail-open=false")
    given = consumer(check(cluster.kubeconfig, shop, *flags))
    assert given["outcome"] == "TargetsUnhealthy"
    assert (
        given["source"] == "--default-target-type=instance (flag); --feature-gates=EndpointsFailOpen=false (flag)"
    )
    story = etpguard("explain", f"{shop}/web", "--kubeconfig", cluster.kubeconfig, "--aws-lbc-deployment", at)
    assert f"note: --default-target-type=ip (Deployment {at})" in story.out


@LIVE
def test_a_deployment_that_cannot_be_read(cluster: Cluster, shop: str) -> None:
    line = failed(check(cluster.kubeconfig, shop, "--aws-lbc-deployment", f"{shop}/none"))
    assert f"cannot read Deployment {shop}/none: 404 NotFound" in line
    kubectl = cluster.kubectl
    kubectl("-n", shop, "create", "serviceaccount", "reader")
    kubectl("create", "clusterrole", shop, "--verb=list", f"--resource={READ}")
    kubectl("create", "clusterrolebinding", shop, f"--clusterrole={shop}", f"--serviceaccount={shop}:reader")
    try:
        kubeconfig = cluster.kubeconfig_for(namespace=shop, service_account="reader")
        at = deploy(cluster, shop, "--default-target-type=ip")
        line = failed(check(kubeconfig, shop, "--aws-lbc-deployment", at))
        assert f"cannot read Deployment {at}: 403 Forbidden" in line
        # A `get` on that one name is all that it takes.
        kubectl(
            "-n",
            shop,
            "create",
            "role",
            "args",
            "--verb=get",
            "--resource=deployments.apps",
            "--resource-name=aws-lbc",
        )
        kubectl("-n", shop, "create", "rolebinding", "args", "--role=args", f"--serviceaccount={shop}:reader")
        wait_for(
            lambda: check(kubeconfig, shop, "--aws-lbc-deployment", at).code != 2,
            timeout=60,
            what="the permission",
        )
        assert consumer(check(kubeconfig, shop, "--aws-lbc-deployment", at))["targetType"] == "ip"
    finally:
        kubectl("delete", "clusterrole,clusterrolebinding", shop)


@LIVE
def test_arguments_that_the_controller_would_not_start_with(cluster: Cluster, shop: str) -> None:
    at = deploy(cluster, shop, "--default-target-type=pods")
    line = failed(check(cluster.kubeconfig, shop, "--aws-lbc-deployment", at))
    assert line == f"etpguard: Deployment {at}: --default-target-type: 'pods' is neither instance nor ip"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(
            ["--aws-lbc-deployment", "a/b"],
            "-f and --aws-lbc-deployment exclude each other",
            id="a Deployment beside files",
        ),
        pytest.param(
            ["--aws-lbc-fail-open", "perhaps"],
            "--aws-lbc-fail-open='perhaps': expected true or false",
            id="no boolean",
        ),
        pytest.param(["--aws-lbc-max-targets", "-1"], "-1", id="a negative number"),
    ],
)
def test_bad_options(arguments: list[str], expected: str) -> None:
    run = etpguard("check", "-f", SEED, *arguments)
    assert (run.code, run.out) == (2, "")
    assert expected in run.err


def test_a_deployment_without_a_namespace() -> None:
    run = etpguard("check", "--aws-lbc-deployment", "aws-lbc")
    assert (run.code, run.out) == (2, "")
    assert "--aws-lbc-deployment='aws-lbc': expected NAMESPACE/NAME" in run.err


@pytest.mark.parametrize("value", ["on", "true"])
def test_fail_open_in_either_spelling(value: str) -> None:
    assert etpguard("check", "-f", SEED, "--aws-lbc-fail-open", value).code == 0
