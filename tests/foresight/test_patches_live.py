"""The patches on the real API server, and the rollout that an older constraint stops: a tainted control plane,
three workers, the real scheduler and the real controllers."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster import Cluster
from devcluster.objects import wait_for
from etpguard.cli.explain.patch import external_ways
from etpguard.cli.input.sources import Sources, assess
from etpguard.foresight.patches.ways import FILE, Document, Way
from etpguard.objects import Key
from etpguard.settings import Settings
from tests.app.alb import definitions
from tests.foresight.clusters import alb, deployment, endpoints, node, pod, service, workload
from tests.foresight.fleet import Kubelets, Site, site, started
from tests.foresight.given_ways import ways_of
from tests.foresight.patch_cases import CASES, load_balancer

pytestmark = pytest.mark.controlplane

Json = dict[str, Any]
POD = pod("p1", "a")
NODES = [node("a"), node("b"), node("c", taints=[{"key": "x", "effect": "NoSchedule"}])]
REPLICA_SET = deployment(1)[1]


def based(owner: str, *objects: Json) -> list[Json]:
    made = pod("p1", "a", owner=owner)
    return [*NODES, service(), endpoints([made]), made, *alb(), *objects]


EXEC = {
    "name": "c",
    "image": "registry.k8s.io/ingress-nginx/controller:v1.15.1",
    "lifecycle": {"preStop": {"exec": {"command": ["/wait-shutdown"]}}},
}
HOOKED = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [EXEC]}}
HOST_PORT = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 80}]}]},
}
TOLERATING = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {
        "containers": [{"name": "c"}],
        "tolerations": [{"key": "gone", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}],
    },
}
BINDING = {
    "apiVersion": "elbv2.k8s.aws/v1beta1",
    "kind": "TargetGroupBinding",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {
        "serviceRef": {"name": "web", "port": 80},
        "targetType": "instance",
        "targetGroupARN": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/x/1",
        "nodeSelector": {"matchLabels": {"absent": "yes"}},
    },
}
WORKLOADS: dict[str, list[Json]] = {
    **{str(case.id): case.values[0] for case in CASES},  # type: ignore[misc]
    "a preStop command": [
        *(each for each in load_balancer() if each["kind"] != "Deployment"),
        workload("Deployment", "web", 1, template=HOOKED),
    ],
    "a host port": based("ReplicaSet/web-1", workload("Deployment", "web", 1, template=HOST_PORT), REPLICA_SET),
    "a StatefulSet": based("StatefulSet/web", workload("StatefulSet", "web", 1, serviceName="web")),
    "a DaemonSet": based("DaemonSet/web", workload("DaemonSet", template=TOLERATING)),
    "a binding of a person": [*NODES, service(), endpoints([POD]), POD, *deployment(1), BINDING],
    "no node port": [
        *NODES,
        service(type="LoadBalancer", ports=[{"name": "http", "port": 80}], allocateLoadBalancerNodePorts=False),
        endpoints([POD]),
        POD,
    ],
}
WORKLOAD_KINDS = ("Deployment", "StatefulSet", "DaemonSet")
APPS = "/apis/apps/v1/namespaces/shop"
PATHS = {
    "Node": "/api/v1/nodes",
    "Service": "/api/v1/namespaces/shop/services",
    **{kind: f"{APPS}/{kind.lower()}s" for kind in WORKLOAD_KINDS},
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/shop/ingresses",
    "IngressClass": "/apis/networking.k8s.io/v1/ingressclasses",
    "TargetGroupBinding": "/apis/elbv2.k8s.aws/v1beta1/namespaces/shop/targetgroupbindings",
}
"""The objects that a patch may be for, and the classes of Ingresses."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with started() as made, Kubelets(made):
        yield made


def sound(found: Json) -> Json:
    """What the API server needs beyond the objects of pure tests."""
    made: Json = json.loads(json.dumps(found))
    spec = made.get("spec", {})
    made["metadata"].pop("uid", None)
    for field in ("clusterIP", "clusterIPs", "ipFamilies"):
        spec.pop(field, None)
    for container in spec.get("template", {}).get("spec", {}).get("containers", ()):
        container["image"] = "x"
    return made


def prove(cluster: Cluster, directory: Path, objects: Iterable[Json], documents: Iterable[Document]) -> None:
    """Each command of a document, as a dry run of the API server."""
    made = [(PATHS[each["kind"]], sound(each)) for each in objects if each["kind"] in PATHS]
    for path, each in made:
        cluster.call("POST", path, each)
    try:
        for document in documents:
            file = directory / "way.yaml"
            file.write_text(json.dumps(document.content))
            words = [word.replace(FILE, str(file)) for word in shlex.split(document.command)]
            cluster.kubectl(*words[1:], "--dry-run=server", "-o", "name")
    finally:
        for path, each in made:
            cluster.call("DELETE", f"{path}/{each['metadata']['name']}", {"gracePeriodSeconds": 0})


def test_every_patch_passes_a_dry_run(cluster: Cluster, tmp_path: Path) -> None:
    cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
    proven: set[str] = set()
    with definitions(cluster):
        for objects in WORKLOADS.values():
            documents = [document for way in ways_of(objects) for document in way.documents]
            new = {json.dumps(each.content, sort_keys=True): each for each in documents}
            fresh = [document for text, document in new.items() if text not in proven]
            proven |= set(new)
            if fresh:
                prove(cluster, tmp_path, objects, fresh)
    kinds = {json.loads(text)["kind"] for text in proven}
    assert kinds == {"Node", "Service", "Ingress", *WORKLOAD_KINDS, "TargetGroupBinding"}


OLD = {
    "maxSkew": 1,
    "topologyKey": "kubernetes.io/hostname",
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"app": "web"}},
}
"""The constraint that etpguard advised before."""
APP = {"app": "web"}


def furnish(made: Site) -> None:
    """A tainted control plane and three workers, and a Deployment with the older constraint on each of them."""
    taint = {"key": "node-role.kubernetes.io/control-plane", "value": "", "effect": "NoSchedule"}
    for name, taints in (("cp", [taint]), ("w1", ()), ("w2", ()), ("w3", ())):
        made.add_node(name, labels={"kubernetes.io/hostname": f"{made.namespace}-{name}"}, taints=taints)
    made.service("web", APP)
    spec = {
        "nodeSelector": {"site": made.namespace},
        "containers": [{"name": "c", "image": "x"}],
        "topologySpreadConstraints": [OLD],
    }
    made.create(
        "/apis/apps/v1/{ns}/deployments",
        {
            "metadata": {"name": "web"},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": APP},
                "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                "template": {"metadata": {"labels": APP}, "spec": spec},
            },
        },
    )


def status(made: Site) -> Json:
    path = f"/apis/apps/v1/namespaces/{made.namespace}/deployments/web"
    found: Json = made.cluster.call("GET", path)
    return {**found.get("status", {}), "generation": found["metadata"]["generation"]}


def rolled_out(made: Site) -> bool:
    now = status(made)
    counts = [now.get(name, 0) for name in ("updatedReplicas", "readyReplicas", "replicas")]
    return now.get("observedGeneration") == now["generation"] and counts == [3, 3, 3]


def stuck(made: Site) -> bool:
    """The new pod fits on no node, and no old pod may go before it is ready."""
    now = status(made)
    unschedulable = [
        each
        for each in made.pods()
        if any(c.get("reason") == "Unschedulable" for c in each.get("status", {}).get("conditions", ()))
    ]
    return len(unschedulable) == 1 and now.get("readyReplicas") == 3 and now.get("updatedReplicas") == 1


def restart(made: Site) -> None:
    """kubectl refuses a second restart within a second."""
    arguments = ("-n", made.namespace, "rollout", "restart", "deployment/web")
    wait_for(lambda: "restarted" in made.cluster.kubectl(*arguments, check=False), 10, "a restart")


def spread_way(made: Site) -> Way:
    settings = Settings(kubeconfig=str(made.cluster.kubeconfig))
    assessed = assess(Sources(settings=settings, for_what_if=True))
    found = external_ways(assessed, Key(made.namespace, "web"))
    (way,) = [each for each in found if each.advice.title.startswith("Run a ready pod")]
    return way


def test_the_older_constraint_stops_a_rollout_and_the_patch_does_not(cluster: Cluster, tmp_path: Path) -> None:
    with site(cluster, "spread") as made:
        furnish(made)
        wait_for(lambda: rolled_out(made), 60, "three ready pods")
        restart(made)
        wait_for(lambda: stuck(made), 60, "the rollout that cannot go on")
        (document,) = spread_way(made).documents
        file = tmp_path / "way.yaml"
        file.write_text(json.dumps(document.content))
        words = [word.replace(FILE, str(file)) for word in shlex.split(document.command)]
        cluster.kubectl(*words[1:])
        wait_for(lambda: rolled_out(made), 60, "the end of the rollout")
        workers = sorted(name for name in made.nodes if not name.endswith("cp"))
        here = [each["spec"]["nodeName"] for each in made.pods() if "deletionTimestamp" not in each["metadata"]]
        assert sorted(here) == workers
        restart(made)
        wait_for(lambda: rolled_out(made), 60, "a later rollout")
