"""Labels that nodes bear already: exactly the covered nodes have them, and the pods demand them."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import Outcome
from etpguard.foresight.patches.held_labels import demanded
from etpguard.objects import Reject, decode_item
from etpguard.objects.pods import POD
from tests.foresight.clusters import APP, HOSTNAME, Json, alb, deployment, endpoints, node, pod, service, workload
from tests.foresight.given_ways import after, ways_of

EDGE = {"pool": "edge"}
NODES = [node("a", labels=EDGE), node("b", labels=EDGE), node("c", labels={"pool": "batch"})]
PODS = [pod("p1", "a"), pod("p2", "b")]


def term(*expressions: tuple[str, str, list[str]]) -> Json:
    return {"matchExpressions": [{"key": k, "operator": o, "values": v} for k, o, v in expressions]}


def affinity(*terms: Json) -> Json:
    return {
        "affinity": {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
        }
    }


def cluster(spec: Json, *more: Json, nodes: list[Json] = NODES, made: Json | None = None) -> list[Json]:
    template = {"metadata": {"labels": APP}, "spec": {"containers": [{"name": "c"}], **spec}}
    controller = workload("Deployment", "web", 2, template=template)
    return [*nodes, made or service(), endpoints(PODS), *PODS, controller, deployment(2)[1], *more]


def held(objects: list[Json]) -> list[str]:
    return [way.advice.title for way in ways_of(objects) if "with the label" in way.advice.title]


def documents(objects: list[Json]) -> list[Json]:
    return [
        document.content
        for way in ways_of(objects)
        if "with the label" in way.advice.title
        for document in way.documents
    ]


SELECTED = {"nodeSelector": EDGE}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(SELECTED, {"pool": "edge"}, id="by nodeSelector"),
        pytest.param(affinity(term(("pool", "In", ["edge"]))), {"pool": "edge"}, id="by affinity"),
        pytest.param(affinity(term(("pool", "In", ["edge", "x"]))), {}, id="several values"),
        pytest.param(affinity(term(("pool", "Exists", []))), {}, id="any value"),
        pytest.param(
            affinity(term(("pool", "In", ["edge"]), ("a", "In", ["b"])), term(("pool", "In", ["edge"]))),
            {"pool": "edge"},
            id="what all terms demand",
        ),
        pytest.param(affinity(term(("pool", "In", ["edge"])), term(("a", "In", ["b"]))), {}, id="one term of two"),
        pytest.param({"affinity": {"nodeAffinity": {}}}, {}, id="nothing required"),
        pytest.param(
            {"nodeSelector": {HOSTNAME: "a", "pool": "edge"}},
            {"pool": "edge", HOSTNAME: "a"},
            id="a single node last",
        ),
        pytest.param({}, {}, id="nothing"),
    ],
)
def test_what_the_pods_demand(spec: Json, expected: dict[str, str]) -> None:
    record = decode_item(POD, pod("p", "a", **spec))
    assert not isinstance(record, Reject)
    assert list(demanded(record.spec).items()) == list(expected.items())


def test_a_label_goes_before_the_advice_to_label_nodes() -> None:
    objects = cluster(SELECTED, *alb())
    titles = [way.advice.title for way in ways_of(objects)]
    at = titles.index("Target only the nodes with the label pool=edge")
    assert titles[at + 1].startswith("Or target only the nodes of the pods")
    assert documents(objects) == [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "web",
                "namespace": "shop",
                "annotations": {"alb.ingress.kubernetes.io/target-node-labels": "pool=edge"},
            },
        }
    ]
    assert after(objects, documents(objects)) is Outcome.Covered


def cloud(annotations: Json, provider: str, **spec: Any) -> list[Json]:
    made = service(type="LoadBalancer", healthCheckNodePort=32000, **spec)
    made["metadata"]["annotations"] = annotations
    made["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    nodes = [{**each, "spec": {"providerID": f"{provider}{each['metadata']['name']}"}} for each in NODES]
    return cluster(SELECTED, nodes=nodes, made=made)


@pytest.mark.parametrize(
    ("objects", "why"),
    [
        pytest.param(cluster({}, *alb()), "the pods do not demand it", id="not demanded"),
        pytest.param(
            cluster(SELECTED, *alb(), nodes=[*NODES, node("d", labels=EDGE)]),
            "a node without a pod has it",
            id="a node without a pod",
        ),
        pytest.param(cluster(SELECTED, *alb(), nodes=NODES[:2]), "nothing is wrong", id="covered"),
        pytest.param(cluster(SELECTED), "nobody has a selector", id="no consumer"),
        pytest.param(cloud({}, "azure://"), "it has no selector", id="a cloud without a selector"),
        pytest.param(cloud({}, "digitalocean://"), "it has no selector", id="another one"),
    ],
)
def test_no_label_fits(objects: list[Json], why: str) -> None:
    assert held(objects) == [], why


@pytest.mark.parametrize(
    ("annotations", "provider", "written"),
    [
        pytest.param(
            {"load-balancer.hetzner.cloud/location": "fsn1"},
            "hcloud://1",
            {"load-balancer.hetzner.cloud/node-selector": "pool=edge"},
            id="hcloud",
        ),
        pytest.param(
            {"loadbalancer.openstack.org/enable-health-monitor": "true"},
            "openstack:///",
            {"loadbalancer.openstack.org/node-selector": "pool=edge"},
            id="OpenStack",
        ),
        pytest.param(
            {"oci.oraclecloud.com/load-balancer-type": "nlb"},
            "ocid1.instance.",
            {"oci-network-load-balancer.oraclecloud.com/node-label-selector": "pool=edge"},
            id="Oracle, a network load balancer",
        ),
        pytest.param(
            {"oci.oraclecloud.com/load-balancer-type": "lb", "oci.oraclecloud.com/node-label-selector": "pool"},
            "ocid1.instance.",
            {"oci.oraclecloud.com/node-label-selector": "pool,pool=edge"},
            id="Oracle, beside a selector",
        ),
    ],
)
def test_clouds(annotations: Json, provider: str, written: Json) -> None:
    objects = cloud(annotations, provider)
    (document,) = documents(objects)
    assert document["metadata"]["annotations"] == written
    assert after(objects, [document]) is Outcome.Covered
    (way,) = [way for way in ways_of(objects) if "with the label" in way.advice.title]
    assert "as of its last sync" in way.advice.effect


def test_a_label_that_would_add_targets_is_not_offered() -> None:
    """The load balancer of IBM uses the nodes with dedicated=edge alone, until a selector takes the place."""
    pool = "ibm-cloud.kubernetes.io/worker-pool-name"
    nodes = [
        node("a", labels={"dedicated": "edge", pool: "x"}),
        node("b", labels={"dedicated": "edge", pool: "x"}),
        node("c", labels={"dedicated": "edge", pool: "y"}),
        node("d", labels={pool: "x"}),
    ]
    for number, each in enumerate(nodes):
        each["spec"] = {"providerID": f"ibm://{number}"}
    made = service(type="LoadBalancer", healthCheckNodePort=32000)
    made["status"] = {"loadBalancer": {"ingress": [{"hostname": "x.lb.appdomain.cloud"}]}}
    spec = {"nodeSelector": {pool: "x"}}
    assert held(cluster(spec, nodes=nodes, made=made)) == []
    assert held(cluster(spec, nodes=nodes[:3], made=made)) == [f"Target only the nodes with the label {pool}=x"]
