"""`etpguard what-if`: the changes on its command line, its JSON contract, its table and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from etpguard.cli.what_if.changes import Words, split, words
from tests.cli.program import Run, etpguard
from tests.foresight.clusters import APP, HOSTNAME, ZONE, alb, deployment, endpoints, node, pod, service

Json = dict[str, Any]

PODS = [pod("p1", "a"), pod("p2", "b")]
OBJECTS = [
    *(node(name, zone=zone) for name, zone in (("a", "x"), ("b", "y"), ("c", "y"))),
    service(),
    endpoints(PODS),
    *PODS,
    *alb(),
    *deployment(2),
]
TAKES_VALUE = {"-f": True, "-o": True, "--output": True, "--fail-on": True, "--quiet": False}.get


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "state.yaml"
    path.write_text(yaml.safe_dump_all(OBJECTS))
    return path


def what_if(state: Path, *arguments: str) -> Run:
    return etpguard("what-if", "-f", str(state), *arguments)


def report(state: Path, *arguments: str) -> Json:
    made: Json = json.loads(what_if(state, "-o", "json", *arguments).out)
    return made


@pytest.mark.parametrize(
    ("line", "own", "changes"),
    [
        ("lose a b -o json", "-o json", [Words("lose", ["a", "b"])]),
        ("-f s.yaml lose zone=x", "-f s.yaml", [Words("lose", ["zone=x"])]),
        ("lose -l k=v -f s.yaml", "-f s.yaml", [Words("lose", selector="k=v")]),
        ("lose --selector=k=v", "", [Words("lose", selector="k=v")]),
        (
            "drain a --by karpenter --then-delete then scale s/Deployment/w=2",
            "",
            [
                Words("drain", ["a"], by="karpenter", switches={"--then-delete"}),
                Words("scale", ["s/Deployment/w=2"]),
            ],
        ),
        ("-f s.yaml apply -f new.yaml -f -", "-f s.yaml", [Words("apply", files=["new.yaml", "-"])]),
        (
            "apply -f new.yaml then lose a -f s.yaml",
            "-f s.yaml",
            [Words("apply", files=["new.yaml"]), Words("lose", ["a"])],
        ),
        ("lose a --quiet --output=json", "--quiet --output=json", [Words("lose", ["a"])]),
    ],
)
def test_the_options_of_the_command_and_of_its_changes(line: str, own: str, changes: list[Words]) -> None:
    found, rest = split(line.split(), TAKES_VALUE)
    assert found == own.split()
    assert list(words(rest)) == changes


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "name a change"),
        ("explode a", "'explode' is no change"),
        ("lose a then", "name a change"),
        ("then lose a", "separates two changes"),
        ("lose -l", "-l needs a value"),
        ("drain -l a=b -l c=d", "drain: -l is given twice"),
        ("drain a --by karpenter --by=kubectl", "drain: --by is given twice"),
        ("apply -f a.yaml -n one --namespace two", "apply: --namespace is given twice"),
        ("drain a --then-delete=no", "--then-delete takes no value"),
    ],
)
def test_what_is_no_change(line: str, message: str) -> None:
    with pytest.raises(click.UsageError, match=message):
        list(words(line.split()))


def test_a_wrong_change_shows_how_the_command_is_used(state: Path) -> None:
    run = what_if(state)
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("Usage: etpguard what-if [OPTIONS] CHANGE [then CHANGE]...")


def test_stdin_is_not_read_twice() -> None:
    run = etpguard("what-if", "-f", "-", "apply", "-f", "-", stdin=yaml.safe_dump_all(OBJECTS))
    assert (run.code, run.out) == (2, "")
    assert "stdin cannot be both -f and apply -f" in run.err


def test_the_json_is_the_contract(state: Path) -> None:
    made = report(state, "lose", "a")
    assert set(made) == {
        "apiVersion",
        "kind",
        "changes",
        "services",
        "internal",
        "blocked",
        "assumptions",
        "warnings",
        "notRead",
    }
    assert (made["apiVersion"], made["kind"]) == ("etpguard.dev/v1alpha1", "WhatIfReport")
    assert made["changes"] == ["lose node a"]
    (found,) = made["services"]
    assert (found["namespace"], found["name"]) == ("shop", "web")
    bare = {
        phase: (found[phase]["outcome"], found[phase]["eligible"], found[phase]["uncovered"]) for phase in ("now",)
    } | {
        f"{phase} {case}": (each["outcome"], each["eligible"], each["uncovered"])
        for phase in ("during", "settled")
        for case, each in found[phase].items()
    }
    assert bare == {
        "now": ("TargetsUnhealthy", 3, 1),
        "during worst": ("TargetsUnhealthy", 2, 1),
        "during best": ("TargetsUnhealthy", 2, 1),
        "settled worst": ("TargetsUnhealthy", 2, 1),
        "settled best": ("Covered", 2, 0),
    }
    assert found["during"]["worst"]["uncoveredNodes"] == ["c"]
    assert found["now"]["resilience"]["coveredNodes"] == 2
    assert found["exposureSeconds"] == [0, 35], "the load balancer sends to the node until its check times out"
    (end,) = found["handOff"]["ends"]
    assert (end["seconds"], end["detectionSeconds"], end["servesSeconds"]) == ([0, 35], [15, 35], [0, 0])
    assert found["because"] == ["pod shop/p1 is lost with node a"]
    assert "poddisruptionbudgets.policy" in made["notRead"]


def test_a_drained_node_stays_a_target_until_its_health_check_has_failed(state: Path) -> None:
    (found,) = report(state, "drain", "a")["services"]
    assert found["during"]["worst"]["uncoveredNodes"] == ["a", "c"]
    assert found["exposureSeconds"] == [0, 35]


def test_the_table_shows_only_what_changes(state: Path) -> None:
    out = what_if(state, "drain", "a").out
    assert "shop/web" in out
    assert "TargetsUnhealthy 1/3" in out
    assert "Not read:" in out
    quiet = what_if(state, "drain", "c").out
    assert "No Service with externalTrafficPolicy Local changes" in quiet


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("drain", "a"), 0),
        (("drain", "a", "--fail-on", "TargetsUnhealthy"), 1),
        (("target-nodes", "shop/web", "-l", f"{HOSTNAME}=c"), 1),
        (("drain", "c", "--fail-on", "TargetsUnhealthy"), 0),
        (("drain", "gone"), 2),
        (("drain",), 2),
        (("lose", "zone=nowhere"), 2),
        (("scale", "shop/web=1"), 2),
        (("policy", "shop/web=Other"), 2),
        (("drain", "a", "--by", "nobody"), 2),
    ],
)
def test_exit_codes(state: Path, arguments: tuple[str, ...], code: int) -> None:
    found = what_if(state, *arguments)
    assert found.code == code, found.err
    if code == 2:
        assert found.out == ""
        assert found.err.startswith(("etpguard: ", "Usage: etpguard what-if"))


def test_a_loss_of_all_traffic_fails_though_other_cases_are_uncovered(tmp_path: Path) -> None:
    """A Recreate rollout without a load balancer: NoEndpoints, then Uncovered, which alone is no loss."""
    path = tmp_path / "state.yaml"
    nodes = [node(name) for name in "abc"]
    path.write_text(
        yaml.safe_dump_all(
            [*nodes, service(), endpoints(PODS), *PODS, *deployment(2, strategy={"type": "Recreate"})]
        )
    )
    found = what_if(path, "rollout", "shop/Deployment/web")
    assert "NoEndpoints 0/3 .. Uncovered" in found.out, found.out
    assert found.code == 1, found.err


def test_nodes_by_zone_and_by_label(state: Path) -> None:
    for arguments in (("zone=y",), ("-l", f"{ZONE}=y"), ("b", "c")):
        assert report(state, "lose", *arguments)["changes"] == ["lose nodes b, c"]


def test_apply_shows_the_objects_as_they_would_be(state: Path, tmp_path: Path) -> None:
    """The manifest has only what it changes; a workload with other replicas is scaled."""
    change = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "annotations": {"alb.ingress.kubernetes.io/target-node-labels": f"{HOSTNAME}=a"},
        },
    }
    file = tmp_path / "new.yaml"
    file.write_text(yaml.safe_dump(change))
    (found,) = report(state, "apply", "-f", str(file))["services"]
    assert found["settled"]["worst"]["outcome"] == "Covered"
    (manifest,) = [each for each in deployment(1) if each["kind"] == "Deployment"]
    file.write_text(yaml.safe_dump(manifest))
    (found,) = report(state, "apply", "-f", str(file))["services"]
    assert [found["settled"][case]["uncovered"] for case in ("worst", "best")] == [2, 2]


def test_apply_of_a_new_service_gets_the_pods_that_it_selects(state: Path, tmp_path: Path) -> None:
    new = service(name="api")
    del new["metadata"]["uid"]
    file = tmp_path / "new.yaml"
    file.write_text(yaml.safe_dump(new))
    (found,) = report(state, "apply", "-f", str(file))["services"]
    assert found["now"] == {"outcome": "NotAffected", "eligible": 0, "uncovered": 0}
    assert found["settled"]["worst"]["uncoveredNodes"] == ["c"]


NEW: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "api"},
    "spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "selector": APP, "ports": [{"port": 80}]},
}
"""As charts write it: without a namespace and without numbers of node ports."""


@pytest.mark.parametrize(("options", "services"), [((), []), (("-n", "shop"), ["shop/api"])])
def test_the_namespace_of_manifests_that_name_none(
    state: Path, tmp_path: Path, options: tuple[str, ...], services: list[str]
) -> None:
    """In the namespace default the Service has no pods."""
    file = tmp_path / "new.yaml"
    file.write_text(yaml.safe_dump(NEW))
    found = report(state, "apply", "-f", str(file), *options)["services"]
    covered = [each for each in found if each["settled"]["worst"]["outcome"] == "TargetsUnhealthy"]
    assert [f"{each['namespace']}/{each['name']}" for each in covered] == services


def test_one_object_in_two_documents_of_an_apply(state: Path, tmp_path: Path) -> None:
    """The second changes what the first has made."""
    labelled = {"annotations": {"alb.ingress.kubernetes.io/target-node-labels": f"{HOSTNAME}=a"}}
    file = tmp_path / "new.yaml"
    file.write_text(
        yaml.safe_dump_all(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop", **more}}
            for more in (labelled, {"labels": {"a": "b"}})
        )
    )
    (found,) = report(state, "apply", "-f", str(file))["services"]
    assert found["settled"]["worst"]["outcome"] == "Covered"


@pytest.mark.parametrize(
    ("manifests", "warning"),
    [
        pytest.param(
            [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}],
            "{file}: the forecast leaves out kinds that no rule reads: ConfigMap",
            id="kinds that no rule reads",
        ),
        pytest.param(
            [{"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"}}],
            "horizontalpodautoscalers of autoscaling/v1 are not read, only those of autoscaling/v2",
            id="another version of a kind",
        ),
        pytest.param([{"apiVersion": "v1", "kind": "List"}], "{file}: no object to apply", id="none"),
        pytest.param([pod("new", "a")], "Pod shop/new is new: etpguard does not place it", id="a pod"),
    ],
)
def test_a_warning_names_manifests_that_change_nothing(
    state: Path, tmp_path: Path, manifests: list[Json], warning: str
) -> None:
    file = tmp_path / "new.yaml"
    file.write_text(yaml.safe_dump_all(manifests))
    run = what_if(state, "apply", "-f", str(file))
    assert (run.code, run.err) == (0, f"etpguard: warning: {warning.format(file=file)}\n")


def test_nodes_by_every_selector_of_kubectl(state: Path) -> None:
    for selector in (f"{HOSTNAME}!=a", f"{HOSTNAME} in (b, c)", f"!nothing,{ZONE}=y"):
        assert report(state, "lose", "-l", selector)["changes"] == ["lose nodes b, c"]
    run = what_if(state, "drain", "-l", "a=b=c")
    assert (run.code, run.out) == (2, "")
    assert "-l: 'a=b=c' is not a label selector that etpguard reads" in run.err


def test_target_nodes_take_labels(state: Path) -> None:
    """They become an annotation or a field of the load balancer, which knows no other form."""
    run = what_if(state, "target-nodes", "shop/web", "-l", f"{HOSTNAME}!=a")
    assert (run.code, run.out, run.err) == (2, "", f"etpguard: -l: '{HOSTNAME}!=a' is not LABEL=VALUE\n")


def test_the_hand_off_of_a_drained_node(state: Path) -> None:
    (found,) = report(state, "drain", "a")["services"]
    handed = found["handOff"]
    assert (handed["verdict"], handed["seconds"]) == ("Lossy", [0, 35])
    (end,) = handed["ends"]
    because = end.pop("because")
    assert any("unhealthy threshold 2 (default)" in each for each in because)
    assert end == {
        "change": "drain node a",
        "kind": "Ingress",
        "namespace": "shop",
        "name": "web",
        "port": "http",
        "nodes": ["a"],
        "verdict": "Lossy",
        "seconds": [0, 35],
        "detectionSeconds": [15, 35],
        "servesSeconds": [0, 30],
        "trafficAfterSeconds": 35,
        "minReadySeconds": None,
    }
    out = what_if(state, "drain", "a").out
    assert "When the last pod of a node ends:" in out
    assert "  shop/web behind Ingress shop/web, node a: Lossy: requests to the node are lost for 0 to 35 s" in out


def test_a_loss_has_no_bound_where_nobody_says_how_long_the_load_balancer_sends_on(tmp_path: Path) -> None:
    balanced = service(type="LoadBalancer", healthCheckNodePort=31000)
    balanced["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}
    nodes = [{**node(name), "spec": {"providerID": f"digitalocean://{name}"}} for name in "ab"]
    state = tmp_path / "state.yaml"
    state.write_text(yaml.safe_dump_all([*nodes, balanced, endpoints(PODS), *PODS, *deployment(2)]))
    (found,) = report(state, "lose", "a")["services"]
    (end,) = found["handOff"]["ends"]
    assert (end["seconds"], end["detectionSeconds"], found["exposureSeconds"]) == ([0, None], [6, None], None)


def test_a_rollout_that_outruns_the_load_balancer_says_by_how_much(state: Path) -> None:
    out = what_if(state, "rollout", "shop/Deployment/web").out
    assert "traffic up to 35 s after its pod is ready, but minReadySeconds is 0" in out


def test_a_change_that_ends_no_pod_hands_nothing_off(state: Path) -> None:
    (found,) = report(state, "policy", "shop/web=Cluster")["services"]
    assert found["handOff"] is None
    assert "When the last pod of a node ends" not in what_if(state, "policy", "shop/web=Cluster").out


def test_without_pods_and_with_many_services_the_hand_off_is_short(tmp_path: Path) -> None:
    objects = [each for each in OBJECTS if each["kind"] not in ("Pod", "Service", "EndpointSlice", "Ingress")]
    for number in range(22):
        name = f"web-{number}"
        made = service(
            name=name, ports=[{"name": "http", "port": 80, "nodePort": 30080 + number, "protocol": "TCP"}]
        )
        sent = json.loads(json.dumps(alb()[1]))
        sent["metadata"]["name"] = name
        sent["spec"]["defaultBackend"]["service"]["name"] = name
        objects += [made, endpoints([*PODS, pod("p3", "c"), pod("p4", "c")], of=name), sent]
    state = tmp_path / "many.yaml"
    state.write_text(yaml.safe_dump_all(objects))
    out = what_if(state, "drain", "a").out
    assert "  and 2 more Services (-o json lists all)" in out
    assert "Pods cannot be read, so it is not known how they end" in out
    every = report(state, "drain", "a", "b", "c")["services"]
    assert every[0]["handOff"]["ends"][0]["servesSeconds"] is None
    assert "nodes a, b, c" in what_if(state, "drain", "a", "b", "c").out
