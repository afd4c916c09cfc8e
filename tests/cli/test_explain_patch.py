"""`explain --patch`: documents on stdout, and what is not known on stderr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.cli.program import etpguard, failed
from tests.foresight.clusters import alb, deployment, endpoints, node, pod, service, workload

Json = dict[str, Any]
POD = pod("p1", "a")
CLUSTER = [node("a"), node("b"), node("c"), service(), endpoints([POD]), POD, *deployment(1), *alb()]


def explained(*options: str, objects: list[Json] = CLUSTER) -> Any:
    items = {"apiVersion": "v1", "kind": "List", "items": objects}
    return etpguard("explain", "shop/web", "-f", "-", *options, stdin=json.dumps(items))


def test_documents_with_comments_and_notes_apart() -> None:
    run = explained("--patch")
    assert run.code == 0
    kinds = [document["kind"] for document in yaml.load_all(run.out, yaml.CSafeLoader)]
    assert kinds == ["Deployment", "Service", "Deployment", "Service"]
    lines = run.out.splitlines()
    assert lines[0] == "---"
    at = lines.index("# 3. Run a ready pod on every node that gets the traffic.")
    assert "has 3 replicas instead of 1" in " ".join(lines[at + 1 : at + 3])
    assert "#   kubectl -n shop patch deployment web --patch-file=FILE" in lines[at:]
    assert "no document for way 4 (Or target only the nodes of the pods)" in run.err
    assert "way 1: Ingress shop/web checks the traffic port, which a preStop delay does not help" in run.err


def test_one_way_alone_can_be_piped() -> None:
    run = explained("--patch", "--way", "5")
    (document,) = yaml.load_all(run.out, yaml.CSafeLoader)
    assert document["spec"] == {"externalTrafficPolicy": "Cluster"}
    assert "way 4" not in run.err


def test_what_if_applies_a_way(tmp_path: Path) -> None:
    objects = tmp_path / "objects.json"
    objects.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": CLUSTER}))
    way = tmp_path / "way.yaml"
    way.write_text(explained("--patch", "--way", "3").out)
    run = etpguard("what-if", "-f", objects, "-o", "json", "apply", "-f", way)
    (service_,) = run.report["services"]
    assert service_["now"]["outcome"] == "TargetsUnhealthy"
    assert service_["settled"]["best"]["outcome"] == "Covered"


def test_the_explanation_has_the_label_where_workloads_are_read() -> None:
    labelled = [node("a", labels={"pool": "edge"}), node("b"), node("c")]
    spec = {"containers": [{"name": "c"}], "nodeSelector": {"pool": "edge"}}
    made = workload("Deployment", "web", 1, template={"metadata": {"labels": {"app": "web"}}, "spec": spec})
    objects = [*labelled, service(), endpoints([POD]), POD, made, deployment(1)[1], *alb()]
    label = "Target only the nodes with the label pool=edge."
    assert label in explained("--hand-off", objects=objects).out
    assert label not in explained(objects=objects).out
    assert label in explained("--patch", objects=objects).out


def test_a_way_that_does_not_exist() -> None:
    run = explained("--patch", "--way", "9")
    assert failed(run) == "etpguard: Service shop/web has no way out number 9: the ways out are 1 to 5"
    assert "--way needs --patch" in explained("--way", "1").err


def test_a_service_that_is_fine() -> None:
    fine = [node("a"), service(), endpoints([POD]), POD, *deployment(1), *alb()]
    run = explained("--patch", objects=fine)
    assert (run.code, run.out) == (0, "")
    assert "no change of Service shop/web is advised" in run.err
    assert failed(explained("--patch", "--way", "1", objects=fine)).endswith("number 1: it has none")


def test_a_service_with_cluster_has_no_way_out() -> None:
    cluster = [each for each in CLUSTER if each["kind"] != "Service"]
    run = explained("--patch", objects=[service("Cluster"), *cluster])
    assert (run.code, run.out) == (0, "")


def test_no_line_feed_ends_a_comment() -> None:
    hostile = service()
    hostile["metadata"]["annotations"] = {"load-balancer.hetzner.cloud/x\n- evil: 1": "y"}
    run = explained("--patch", objects=[hostile, *(each for each in CLUSTER if each["kind"] != "Service")])
    assert all(
        isinstance(document, dict) and "kind" in document for document in yaml.load_all(run.out, yaml.CSafeLoader)
    )
    assert all(not line.startswith("- evil") for line in run.out.splitlines())
