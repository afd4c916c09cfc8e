"""`kubectl drain` itself, with the real scheduler and controllers: each Service ends within the bounds of `what-if
drain`, and each eviction that the API server refuses was predicted."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from devcluster import Cluster, KubectlError
from etpguard.assess import Outcome
from etpguard.foresight.changes import Drain
from etpguard.foresight.forecasts.forecast import Forecast
from etpguard.foresight.worlds.bounds import rank
from etpguard.objects import Key
from tests.foresight.fleet import UNREADY, Kubelets, Site, described, evict, site, started

pytestmark = pytest.mark.controlplane

SHORT, LONG = 10, 100
Json = dict[str, Any]
APPS = ("web", "api")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with started() as made, Kubelets(made):
        yield made


def template(labels: Json, random: Random, site: Site) -> Json:
    spec: Json = {
        "containers": [
            {"name": "c", "image": "x", "resources": {"requests": {"cpu": random.choice(("100m", "20"))}}}
        ],
        "nodeSelector": {"site": site.namespace},
    }
    if random.random() < 0.3:
        term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": labels}}
        spec["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    if random.random() < 0.3:
        spec["tolerations"] = [{"key": "dedicated", "operator": "Exists"}]
    if random.random() < 0.15:
        spec["volumes"] = [{"name": "scratch", "emptyDir": {}}]
    return {"metadata": {"labels": labels}, "spec": spec}


def furnish(site: Site, random: Random) -> None:
    for name in "abcd"[: random.randint(2, 4)]:
        labels = {"topology.kubernetes.io/zone": random.choice("xy")}
        tainted = random.random() < 0.2
        site.add_node(
            name,
            labels=labels,
            taints=[{"key": "dedicated", "value": "x", "effect": "NoSchedule"}] if tainted else (),
        )
    for app in APPS[: random.randint(1, 2)]:
        labels = {"app": app}
        site.service(app, labels)
        kind = random.choice(("deployments", "deployments", "deployments", "statefulsets", "daemonsets"))
        spec: Json = {"selector": {"matchLabels": labels}, "template": template(labels, random, site)}
        if kind != "daemonsets":
            spec["replicas"] = random.randint(1, 4)
        if kind == "statefulsets":
            spec |= {"serviceName": app, "podManagementPolicy": "Parallel"}
        site.create(f"/apis/apps/v1/{{ns}}/{kind}", {"metadata": {"name": app}, "spec": spec})
        for number in range(random.choice((0, 0, 1, 1, 1, 2))):
            limit = random.choice(({"minAvailable": 1}, {"maxUnavailable": 1}, {"maxUnavailable": 0}))
            site.create(
                "/apis/policy/v1/{ns}/poddisruptionbudgets",
                {"metadata": {"name": f"{app}-{number}"}, "spec": {"selector": {"matchLabels": labels}, **limit}},
            )
    if random.random() < 0.15:
        bare = {"nodeSelector": {"site": site.namespace}, "containers": [{"name": "c", "image": "x"}]}
        labels = {"app": "bare", **({UNREADY: ""} if random.random() < 0.5 else {})}
        site.create("/api/v1/{ns}/pods", {"metadata": {"name": "bare", "labels": labels}, "spec": bare})


def services(site: Site) -> list[str]:
    found = site.cluster.call("GET", f"/api/v1/namespaces/{site.namespace}/services")["items"]
    return [each["metadata"]["name"] for each in found]


def steady(site: Site) -> bool:
    """Whether every workload has the pods that it wants, the budgets are computed, and the endpoints follow."""
    apps = f"/apis/apps/v1/namespaces/{site.namespace}"
    pods = site.pods()
    if any("deletionTimestamp" in pod["metadata"] for pod in pods):
        return False
    if any(pod["spec"].get("nodeName") and not pod.get("status", {}).get("podIP") for pod in pods):
        return False
    for plural in ("deployments", "statefulsets"):
        for each in site.cluster.call("GET", f"{apps}/{plural}")["items"]:
            labels = each["spec"]["selector"]["matchLabels"]
            have = [pod for pod in pods if labels.items() <= pod["metadata"].get("labels", {}).items()]
            if len(have) != each["spec"]["replicas"]:
                return False
    for each in site.cluster.call("GET", f"{apps}/daemonsets")["items"]:
        status = each.get("status", {})
        if status.get("observedGeneration") != each["metadata"]["generation"]:
            return False
        if status.get("desiredNumberScheduled") != status.get("numberReady", 0):
            return False
    budgets = f"/apis/policy/v1/namespaces/{site.namespace}/poddisruptionbudgets"
    for each in site.cluster.call("GET", budgets)["items"]:
        status = each.get("status", {})
        # The controller cannot count the pods of a DaemonSet.
        failed = any(condition["reason"] == "SyncFailed" for condition in status.get("conditions", ()))
        if status.get("observedGeneration") != each["metadata"]["generation"] and not failed:
            return False
    return all(site.endpoints_follow(name, {"app": name}) for name in services(site))


def settled(site: Site) -> bool:
    """Whether every pod that could be assigned is, as far as the scheduler has said."""
    pending = [pod for pod in site.pods() if not pod["spec"].get("nodeName")]
    refused = [
        pod
        for pod in pending
        if any(c["type"] == "PodScheduled" and c["status"] == "False" for c in pod["status"].get("conditions", ()))
    ]
    return steady(site) and len(pending) == len(refused)


def outcomes(site: Site) -> dict[Key, Outcome]:
    return {key: found.outcome for key, found in site.assessments().items()}


def assert_refusals_predicted(site: Site, node: str, found: Forecast) -> None:
    """Of the pods that kubectl would evict, each that the API server refuses is predicted with its status."""
    predicted = {each.pod.name: each.code for each in found.blocked if each.code}
    left_alone = {each.pod.name for each in found.blocked if not each.code}
    for pod in site.pods():
        name = pod["metadata"]["name"]
        if pod["spec"].get("nodeName") != node or name in left_alone:
            continue
        status = evict(site.cluster, pod)
        assert predicted.get(name, 201) == status, f"{name}: {described(found.blocked)}"


def drain(site: Site, node: str) -> str:
    try:
        site.cluster.kubectl("drain", node, "--ignore-daemonsets", "--timeout=8s", timeout=60)
    except KubectlError as error:
        return str(error)
    return ""


def play(cluster: Cluster, seed: int) -> None:
    random = Random(seed)
    with site(cluster, f"drain-{seed}") as made:
        furnish(made, random)
        made.wait_steady(lambda: settled(made), "the workloads", 1.0)
        node = random.choice(made.nodes)
        found = made.forecast(Drain((node,)))
        now = outcomes(made)
        assert_refusals_predicted(made, node, found)
        said = drain(made, node)
        made.wait_steady(lambda: settled(made), "the end of the drain")
        bounds = {each.service: each.settled for each in found.services}
        for key, outcome in outcomes(made).items():
            story = f"seed {seed}, {key}: {outcome.name}; kubectl: {said or 'drained'}; {described(found)}"
            if key not in bounds:
                assert outcome is now[key], story
            else:
                best, worst = bounds[key].best.outcome, bounds[key].worst.outcome
                assert rank(best) <= rank(outcome) <= rank(worst), story
        surely_blocked = [each for each in found.blocked if not each.stays]
        if surely_blocked:
            assert said, f"seed {seed}: kubectl drained the node in spite of {described(surely_blocked)}"


@pytest.mark.parametrize("seed", range(SHORT))
def test_a_drain_ends_within_its_bounds(cluster: Cluster, seed: int) -> None:
    play(cluster, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(SHORT, LONG))
def test_a_hundred_drains_end_within_their_bounds(cluster: Cluster, seed: int) -> None:
    play(cluster, seed)
