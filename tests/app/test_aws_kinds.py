"""The kinds of the AWS Load Balancer Controller on the real control plane: they come, go, are forbidden, and are
allowed again, while the operator runs; and so do the arguments of its Deployment."""

from __future__ import annotations

from typing import Any

import pytest

from devcluster import Cluster
from devcluster.objects import wait_for
from etpguard.app.timing import OperatorTiming
from etpguard.intake.timing import ListTiming
from etpguard.objects.aws import INGRESS_CLASS_PARAMS, TARGET_GROUP_BINDING
from tests.app.alb import DEFINITIONS, definitions, shop
from tests.app.harness import INGRESS_RULES, REQUIRED_RULES, Running, grant

pytestmark = pytest.mark.controlplane

BINDINGS = "targetgroupbindings.elbv2.k8s.aws"
PARAMS = "ingressclassparams.elbv2.k8s.aws"


QUICK = OperatorTiming(lists=ListTiming(look_again=1.0, forbidden=1.0))
"""Look for kinds and permissions every second instead of every minute."""


def test_bindings_and_class_params_come_and_go(cluster: Cluster, namespace: str) -> None:
    with shop(cluster, namespace, params=True) as web, Running(cluster.kubeconfig, QUICK) as running:
        running.wait_fresh()
        web.wait(running, "Unknown", "", f"IngressClassParams {namespace}")
        with definitions(cluster):
            # What is made before the operator knows of the kinds is found by its first lists of them.
            web.class_params()
            web.bind(targetType="ip")
            web.wait(running, "NotAffected", "ip")
            kinds = {TARGET_GROUP_BINDING, INGRESS_CLASS_PARAMS}
            wait_for(lambda: kinds <= running.operator.watching(), 60, "watches of the new kinds")
            # From here on by the watch.
            web.unbind()
            web.wait(running, "TargetsUnhealthy", "instance")
            path = f"{INGRESS_CLASS_PARAMS.path}/{namespace}"
            cluster.call("PATCH", path, {"spec": {"targetType": "ip"}})
            web.wait(running, "NotAffected", "ip")
            other: dict[str, Any] = {"matchLabels": {"team": "other"}}
            cluster.call("PATCH", path, {"spec": {"targetType": None, "namespaceSelector": other}})
            web.wait(running, "Unknown", "", "namespaceSelector")
            cluster.call("PATCH", path, {"spec": {"namespaceSelector": None}})
            web.wait(running, "TargetsUnhealthy", "instance")
            web.bind(targetType="instance", nodeSelector={"matchLabels": {"of": "nobody"}})
            web.wait(running, "NoTargets", "instance")
            # The definition goes, and all bindings with it.
            cluster.call("DELETE", f"{DEFINITIONS}/{BINDINGS}")
            web.wait(running, "TargetsUnhealthy", "instance")
        web.wait(running, "Unknown", "", f"IngressClassParams {namespace}")
        wait_for(lambda: not kinds & running.operator.watching(), 60, "the end of the watches")
        assert "elbv2.k8s.aws" not in running.get("/readyz")[1], "what is not served is no lack"
        assert running.metric("etpguard_watch_restarts_total") == 0.0


def test_forbidden_bindings_are_reported_until_they_can_be_read(cluster: Cluster, namespace: str) -> None:
    account = f"aws-{namespace}"
    base = (*REQUIRED_RULES, *INGRESS_RULES)
    params, bindings = (
        ("elbv2.k8s.aws", kind, "list,watch") for kind in ("ingressclassparams", "targetgroupbindings")
    )
    grant(cluster, account, *base, params)
    kubeconfig = cluster.kubeconfig_for(namespace="default", service_account=account)
    with definitions(cluster), shop(cluster, namespace) as web, Running(kubeconfig, QUICK) as running:
        web.bind(targetType="ip")
        running.wait_ready()
        why = f"known from the Ingress alone, since TargetGroupBindings cannot be read: may not list {BINDINGS}"
        web.wait(running, "TargetsUnhealthy", "instance", why)
        assert f"{BINDINGS}: may not list {BINDINGS}" in running.get("/readyz")[1]
        assert running.ready(), "the rest goes on"

        grant(cluster, account, *base, params, bindings)
        web.wait(running, "NotAffected", "ip")
        wait_for(lambda: TARGET_GROUP_BINDING in running.operator.watching(), 60, "a watch of bindings")
        assert BINDINGS not in running.get("/readyz")[1]

        grant(cluster, account, *base, params)
        web.wait(running, "TargetsUnhealthy", "instance", why)
        assert BINDINGS in running.get("/readyz")[1]

        grant(cluster, account, *base, params, bindings)
        web.wait(running, "NotAffected", "ip")


def test_forbidden_class_params_are_reported_until_they_can_be_read(cluster: Cluster, namespace: str) -> None:
    account = f"aws-{namespace}"
    base = (*REQUIRED_RULES, *INGRESS_RULES, ("elbv2.k8s.aws", "targetgroupbindings", "list,watch"))
    grant(cluster, account, *base)
    kubeconfig = cluster.kubeconfig_for(namespace="default", service_account=account)
    with definitions(cluster), shop(cluster, namespace, params=True) as web, Running(kubeconfig, QUICK) as running:
        web.class_params(targetType="ip")
        running.wait_ready()
        web.wait(running, "Unknown", "", f"may not list {PARAMS}")
        assert f"{PARAMS}: may not list {PARAMS}" in running.get("/readyz")[1]
        grant(cluster, account, *base, ("elbv2.k8s.aws", "ingressclassparams", "list,watch"))
        web.wait(running, "NotAffected", "ip")
        assert PARAMS not in running.get("/readyz")[1]


def test_the_arguments_of_the_controllers_deployment_are_followed(
    cluster: Cluster, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    container = {"name": "controller", "image": "controller", "args": ["--default-target-type=ip"]}
    labels = {"app": "aws-lbc"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    cluster.call("POST", path, {"metadata": {"name": "aws-lbc"}, "spec": spec})

    def arguments(*given: str) -> None:
        changed = {"containers": [{**container, "args": list(given)}]}
        cluster.call("PATCH", f"{path}/aws-lbc", {"spec": {"template": {"spec": changed}}})

    at = f"{namespace}/aws-lbc"
    options = {"aws_lbc_deployment": at, "resync_interval": 2.0}
    with shop(cluster, namespace) as web, Running(cluster.kubeconfig, QUICK, **options) as running:
        web.wait(running, "NotAffected", "ip", f"--default-target-type=ip (Deployment {at})")
        arguments("--feature-gates=EndpointsFailOpen=false")
        web.wait(
            running, "TargetsUnhealthy", "instance", f"--feature-gates=EndpointsFailOpen=false (Deployment {at})"
        )
        arguments("--default-target-type=pods")
        wait_for(lambda: "'pods' is neither instance nor ip" in caplog.text, what="a word of it")
        cluster.call("DELETE", f"{path}/aws-lbc")
        wait_for(lambda: "its last known arguments stay in force" in caplog.text, what="a word of it")
        web.wait(running, "TargetsUnhealthy", "instance", f"(Deployment {at})")
    assert running.exit_code == 0
