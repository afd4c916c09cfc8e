"""The filters of the scheduler, a named case each."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.foresight.placement.quantity import quantity
from etpguard.foresight.placement.scheduling import NewPod, Scheduling, Site
from etpguard.objects import NODE, Node, decode_item
from etpguard.objects.node_details import NODE_DETAILS, NodeDetails
from etpguard.objects.pods import POD, Pod
from tests.foresight.clusters import APP, HOSTNAME, ZONE, Json, node, pod

TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
SAME_NODE = {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": APP}}
SAME_ZONE = {"topologyKey": ZONE, "labelSelector": {"matchLabels": APP}}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def new(**spec: Any) -> NewPod:
    record = decode_item(POD, pod("new", "", **spec))
    assert isinstance(record, Pod)
    return NewPod("shop", {**APP, "hash": "1"}, record.spec)


def sites(nodes: list[Json], pods: list[Json]) -> Scheduling:
    made = []
    for raw in nodes:
        record, details = decode_item(NODE, raw), decode_item(NODE_DETAILS, raw)
        assert isinstance(record, Node)
        assert isinstance(details, NodeDetails)
        here = [decode_item(POD, each) for each in pods if each["spec"]["nodeName"] == record.metadata.name]
        found = [each for each in here if isinstance(each, Pod)]
        made.append(Site(record, details, found, details.unschedulable))
    return Scheduling(made)


def affinity(kind: str, *terms: Json) -> Json:
    return {"affinity": {kind: {REQUIRED: list(terms)}}}


def node_affinity(*expressions: Json, fields: bool = False) -> Json:
    key = "matchFields" if fields else "matchExpressions"
    return {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{key: list(expressions)}]}}}}


def requesting(**requests: str) -> Json:
    return {"containers": [{"name": "c", "resources": {"requests": requests}}]}


def full(name: str) -> Json:
    """A node that may run one pod."""
    made = node(name)
    made["status"]["allocatable"]["pods"] = "1"
    return made


def unsized(name: str) -> Json:
    made = node(name)
    del made["status"]["allocatable"]
    return made


def stranger(on: str) -> Json:
    """A pod of another namespace with the same labels."""
    made = pod("stranger", on)
    made["metadata"]["namespace"] = "other"
    return made


AB = [node("a", zone="x"), node("b", zone="y")]


@pytest.mark.parametrize(
    ("nodes", "pods", "spec", "admitted"),
    [
        pytest.param(AB, [], {}, "ab", id="nothing in the way"),
        pytest.param(AB, [], {"nodeSelector": {HOSTNAME: "b"}}, "b", id="node selector"),
        pytest.param([*AB, node("t", taints=[TAINT])], [], {}, "ab", id="taint"),
        pytest.param(
            [node("t", taints=[TAINT])],
            [],
            {"tolerations": [{"key": "dedicated", "operator": "Equal", "value": "db", "effect": "NoSchedule"}]},
            "t",
            id="tolerated taint",
        ),
        pytest.param(
            [node("t", taints=[TAINT])],
            [],
            {"tolerations": [{"key": "dedicated", "value": "web"}]},
            "",
            id="a toleration of another value",
        ),
        pytest.param(
            [node("t", taints=[TAINT])], [], {"tolerations": [{"operator": "Exists"}]}, "t", id="any taint"
        ),
        pytest.param([node("t", taints=[{**TAINT, "effect": "PreferNoSchedule"}])], [], {}, "t", id="preference"),
        pytest.param([node("a", unschedulable=True)], [], {}, "", id="unschedulable"),
        pytest.param(
            AB,
            [],
            node_affinity({"key": ZONE, "operator": "NotIn", "values": ["x"]}),
            "b",
            id="required node affinity",
        ),
        pytest.param(
            [node("a", labels={"n": "3"}), node("b", labels={"n": "5"})],
            [],
            node_affinity({"key": "n", "operator": "Gt", "values": ["4"]}),
            "b",
            id="node affinity by number",
        ),
        pytest.param(
            AB,
            [],
            node_affinity({"key": "metadata.name", "operator": "In", "values": ["a"]}, fields=True),
            "a",
            id="node affinity by field",
        ),
        pytest.param(AB, [], node_affinity(), "", id="an empty term matches nothing"),
        pytest.param(
            AB, [pod("p", "a")], affinity("podAntiAffinity", SAME_NODE), "b", id="anti-affinity of the new pod"
        ),
        pytest.param(
            [*AB, node("c", zone="x")],
            [pod("p", "a")],
            affinity("podAntiAffinity", SAME_ZONE),
            "b",
            id="anti-affinity by zone",
        ),
        pytest.param(
            AB,
            [pod("p", "a", **affinity("podAntiAffinity", SAME_NODE))],
            {},
            "b",
            id="anti-affinity of a running pod",
        ),
        pytest.param(
            [*AB, node("c", zone="x")],
            [pod("p", "a")],
            affinity("podAffinity", SAME_ZONE),
            "ac",
            id="affinity to a running pod",
        ),
        pytest.param(AB, [], affinity("podAffinity", SAME_ZONE), "ab", id="the first pod of its kind"),
        pytest.param(AB, [pod("p", "a", **requesting(cpu="3500m"))], requesting(cpu="600m"), "b", id="CPU"),
        pytest.param(AB, [], requesting(memory="9Gi"), "", id="memory"),
        pytest.param(AB, [], requesting(**{"nvidia.com/gpu": "1"}), "", id="a resource that no node has"),
        pytest.param(
            AB,
            [pod("p", "a", containers=[{"ports": [{"containerPort": 80, "hostPort": 80}]}])],
            {"containers": [{"ports": [{"containerPort": 80, "hostPort": 80}]}]},
            "b",
            id="host port",
        ),
        pytest.param(
            AB,
            [],
            {"containers": [{}], "initContainers": [{"resources": {"requests": {"cpu": "5"}}}]},
            "",
            id="init container",
        ),
        pytest.param(
            AB,
            [],
            {
                "containers": [{}],
                "initContainers": [
                    {"restartPolicy": "Always", "resources": {"requests": {"cpu": "2"}}},
                    {"resources": {"requests": {"cpu": "3"}}},
                ],
            },
            "",
            id="an init container runs beside the sidecar before it",
        ),
        pytest.param(
            AB,
            [],
            {
                "containers": [{"resources": {"requests": {"cpu": "3"}}}],
                "initContainers": [{"restartPolicy": "Always", "resources": {"requests": {"cpu": "2"}}}],
            },
            "",
            id="a sidecar runs beside the containers",
        ),
        pytest.param(AB, [], {**requesting(cpu="3"), "overhead": {"cpu": "2"}}, "", id="overhead of a runtime"),
        pytest.param([full("a"), node("b")], [pod("p", "a")], {}, "b", id="the number of pods of a node"),
        pytest.param([unsized("a")], [pod("p", "a")], requesting(cpu="64"), "a", id="a node of unknown size"),
        pytest.param(
            AB,
            [pod("p", "a", containers=[{"ports": [{"containerPort": 80}]}], hostNetwork=True)],
            {"containers": [{"ports": [{"containerPort": 80, "hostPort": 80}]}]},
            "b",
            id="a container port on the host network",
        ),
        pytest.param(
            AB,
            [stranger("a")],
            affinity("podAntiAffinity", SAME_NODE),
            "ab",
            id="a term selects pods of its own namespace",
        ),
        pytest.param(
            AB,
            [stranger("a")],
            affinity("podAntiAffinity", {**SAME_NODE, "namespaces": ["other"]}),
            "b",
            id="a term selects pods of the namespaces that it names",
        ),
        pytest.param(
            AB,
            [stranger("a")],
            affinity("podAntiAffinity", {**SAME_NODE, "namespaceSelector": {}}),
            "b",
            id="an empty namespace selector selects all namespaces",
        ),
        pytest.param(
            AB,
            [stranger("a"), pod("p", "b")],
            affinity("podAntiAffinity", {**SAME_NODE, "namespaceSelector": {"matchLabels": {"team": "a"}}}),
            "a",
            id="any other namespace selector is taken to select the own namespace alone",
        ),
        pytest.param(
            AB,
            [],
            affinity("podAffinity", {**SAME_NODE, "namespaceSelector": {"matchLabels": {"team": "a"}}}),
            "ab",
            id="affinity by a namespace selector counts as satisfied",
        ),
        pytest.param(
            AB,
            [pod("p", "a", labels={**APP, "hash": "1"}), pod("q", "b", labels={**APP, "hash": "2"})],
            affinity("podAntiAffinity", {**SAME_NODE, "matchLabelKeys": ["hash"]}),
            "b",
            id="match label keys: only pods of the same revision repel",
        ),
        pytest.param(
            AB,
            [pod("p", "a", labels={**APP, "hash": "1"}), pod("q", "b", labels={**APP, "hash": "2"})],
            affinity("podAntiAffinity", {**SAME_NODE, "mismatchLabelKeys": ["hash"]}),
            "a",
            id="mismatch label keys: only pods of other revisions repel",
        ),
        pytest.param(
            AB,
            [pod("p", "a")],
            affinity("podAntiAffinity", {"topologyKey": HOSTNAME}),
            "ab",
            id="a term without a label selector selects no pod",
        ),
        pytest.param(
            [node("a"), node("b", zone="y")],
            [pod("p", "a")],
            affinity("podAntiAffinity", SAME_ZONE),
            "ab",
            id="a node without the topology key is in no domain",
        ),
    ],
)
def test_nodes_that_admit_a_pod(nodes: list[Json], pods: list[Json], spec: Json, admitted: str) -> None:
    assert "".join(sites(nodes, pods).admitted(new(**spec))) == admitted


def test_two_new_pods_keep_apart() -> None:
    scheduling = sites([*AB, node("c", zone="x")], [])
    apart = new(**affinity("podAntiAffinity", SAME_ZONE))
    assert "a" not in scheduling.beside(apart, [(apart, "c")])
    assert "a" in scheduling.beside(apart, [(apart, "b")])
    assert "a" in scheduling.beside(new(), [(new(), "a")])


def test_two_new_pods_of_other_labels_may_run_together() -> None:
    other = {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": {"app": "other"}}}
    one = new(**affinity("podAntiAffinity", other))
    assert "a" in sites(AB, []).beside(one, [(one, "a")])


def test_a_new_pod_keeps_away_those_of_another_kind() -> None:
    scheduling = sites(AB, [])
    apart, any_ = new(**affinity("podAntiAffinity", SAME_ZONE)), new()
    assert "a" not in scheduling.beside(any_, [(apart, "a")])
    assert scheduling.beside(any_, [(apart, "a")]) == ["b"]


def test_two_new_pods_with_the_same_host_port_need_two_nodes() -> None:
    def listening(port: int) -> NewPod:
        return new(containers=[{"name": "c", "ports": [{"containerPort": 80, "hostPort": port}]}])

    one, same, other = listening(80), listening(80), listening(81)
    scheduling = sites(AB, [])
    assert "a" not in scheduling.beside(one, [(same, "a")])
    assert "a" in scheduling.beside(one, [(other, "a")])
    assert scheduling.beside(same, [(one, "a")]) == ["b"]
    assert scheduling.placed([one, same, listening(80)]) == [one, same]


def test_the_pods_with_the_least_choice_are_placed_first() -> None:
    pinned, free = (
        new(**affinity("podAntiAffinity", SAME_ZONE), nodeSelector={HOSTNAME: "a"}),
        new(**affinity("podAntiAffinity", SAME_ZONE)),
    )
    assert sites(AB, []).placed([free, pinned]) == [pinned, free]


@pytest.mark.parametrize(
    ("taken", "placed"), [pytest.param(0, 2, id="room for two"), pytest.param(1, 1, id="one is taken")]
)
def test_new_pods_take_the_room_of_each_other(taken: int, placed: int) -> None:
    """noderesources/fit.go, one pod after the other: requests and the number of pods."""
    two_cpus = new(**requesting(cpu="2"))
    scheduling = sites([node("a")], [])
    assert len(scheduling.places([two_cpus] * 3, [(two_cpus, "a")] * taken)) == placed
    assert scheduling.placed([new(), new()])[1:]
    assert not sites([full("a")], []).placed([new(), new()])[1:]
    small, large = new(**requesting(cpu="1")), new(**requesting(cpu="2"))
    three = [node(name) for name in "ab"]
    for each in three:
        each["status"]["allocatable"]["cpu"] = "3"
    assert len(sites(three, []).places([small, small, large, large])) == 4, "the largest first"


def test_two_new_pods_share_no_domain_that_the_nodes_do_not_have() -> None:
    apart = new(**affinity("podAntiAffinity", SAME_ZONE))
    assert "a" in sites([node("a"), node("b")], []).beside(apart, [(apart, "b")])


def test_the_nodes_of_pods_of_one_template_are_found_once() -> None:
    """Whichever nodes the pods that they replace run on."""
    scheduling = sites(AB, [])
    assert scheduling.admitted(new(nodeName="a")) is scheduling.admitted(new(nodeName="b"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250m", 0.25),
        ("2", 2),
        ("1Gi", 2**30),
        ("1.5k", 1500),
        ("1e3", 1000),
        (3, 3),
        ("", None),
        ("x", None),
        (float("inf"), None),
    ],
)
def test_quantities(text: str | float, value: float | None) -> None:
    assert quantity(text) == value


def test_a_fraction_of_a_manifest_is_what_is_written() -> None:
    """0.1 of YAML is a binary fraction above a tenth, and ten of them would not fit on one CPU."""
    assert quantity(0.1) == quantity("100m")
