"""What kubectl itself prints, while an operator runs as the manifests install it: tables, Events, waits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import devcluster
from devcluster import Cluster, objects
from devcluster.objects import wait_for
from tests.manifests.installed import install, operator
from tests.manifests.rendered import ROOT, kustomize
from tests.remediate.stage import Scene

pytestmark = pytest.mark.controlplane

CASE = ROOT / "examples" / "nginx-alb" / "manifests.yaml"
SERVICE = "nginx-nginx-ingress-controller"
LABELS = {"app.kubernetes.io/name": "nginx-ingress"}
INTERVALS = {"ETPGUARD_CONDITION_INTERVAL": "1s", "ETPGUARD_EVENT_INTERVAL": "1s"}
"""By default the operator writes a condition, and Events about one object, once a minute at most."""
POLICY = """
apiVersion: etpguard.dev/v1alpha1
kind: CoveragePolicy
metadata: {name: losses}
spec:
  mode: Enforce
  serviceSelector: {matchLabels: {app.kubernetes.io/name: nginx-ingress}}
  unhealthyWhen: {outcomes: [Blackhole, Outage]}
  remediation: {sourceIPLoss: Accept}
"""


def table(printed: str) -> list[dict[str, str]]:
    """The rows of a table, each by the names of its columns, which stand where the header's words begin."""
    header, *lines = printed.splitlines()
    words = list(re.finditer(r"\S+(?: \S+)*", header))
    ends = [word.start() for word in words[1:]] + [None]
    columns = [(word[0], slice(word.start(), end)) for word, end in zip(words, ends, strict=True)]
    return [{name: line[place].strip() for name, place in columns} for line in lines]


def events(description: str) -> list[dict[str, str]]:
    """The Events at the end of what `kubectl describe` prints."""
    head, rule, *lines = description.partition("\nEvents:\n")[2].splitlines()
    assert set(rule) <= {" ", "-"}
    return table("\n".join(line.removeprefix("  ") for line in (head, *lines)))


def last(description: str, reason: str) -> dict[str, str]:
    """The Event with that reason, which must be there once."""
    (event,) = (each for each in events(description) if each["Reason"] == reason)
    return event


def met(cluster: Cluster, what: str, condition: str, *, namespace: str = "default") -> None:
    """`kubectl wait` ends before its time-out."""
    said = cluster.kubectl(*("wait", f"--for={condition}", what, "-n", namespace, "--timeout=60s"), timeout=70)
    assert said.endswith(" condition met\n")


def pod(cluster: Cluster, number: int) -> None:
    """nginx on that node."""
    address = f"203.0.113.{number}"
    ports = {"http": 8080, "https": 8443}
    objects.pod(cluster, "default", f"nginx-{number}", f"node{number}", LABELS, ip=address, ports=ports)


@contextmanager
def the_case(tmp_path: Path) -> Iterator[Cluster]:
    """nginx on node1 behind an ALB that targets three nodes, and the operator."""
    manifests = kustomize("overlays/remediation")
    with devcluster.start() as cluster:
        install(cluster, manifests)
        for number in (1, 2, 3):
            instance = f"aws:///eu-central-1a/i-{number:017x}"
            objects.node(cluster, f"node{number}", internal_ip=f"198.51.100.{number}", provider_id=instance)
        cluster.kubectl("apply", "-f", str(CASE))
        pod(cluster, 1)
        with operator(cluster, manifests, tmp_path, **INTERVALS):
            yield cluster


def test_the_case_until_every_node_is_covered(tmp_path: Path) -> None:
    with the_case(tmp_path) as cluster:
        met(cluster, f"service/{SERVICE}", "condition=etpguard.dev/Covered=False")
        wait_for(lambda: cluster.kubectl("get", "cov", SERVICE, "--ignore-not-found"), 60, "its report")
        met(cluster, f"servicecoverage/{SERVICE}", "condition=Covered=False")
        met(cluster, f"cov/{SERVICE}", "condition=Delivered")
        met(cluster, f"cov/{SERVICE}", "jsonpath={.status.outcome}=TargetsUnhealthy")
        wait_for(lambda: len(table(cluster.kubectl("get", "events"))) == 2, 60, "both Events")
        uncovered_as_described(cluster)
        uncovered_in_events(cluster)
        (row,) = table(cluster.kubectl("get", "cov", "-o", "wide"))
        assert re.fullmatch(r"\d+[smh]", row.pop("SINCE"))
        assert "2 of 3 eligible nodes drop the traffic" in row.pop("REASON")
        del row["AGE"]
        expected = {"NAME": SERVICE, "OUTCOME": "TargetsUnhealthy", "ELIGIBLE": "3", "UNCOVERED": "2"}
        assert row == {**expected, "REMEDIATION": "", "CONSUMER": "web"}
        a_policy_at_a_glance(cluster)

        pod(cluster, 2)
        pod(cluster, 3)
        met(cluster, f"cov/{SERVICE}", "condition=Covered")
        (row,) = table(cluster.kubectl("get", "cov"))
        assert (row["OUTCOME"], row["ELIGIBLE"], row["UNCOVERED"]) == ("Covered", "3", "0")
        met(cluster, f"service/{SERVICE}", "condition=etpguard.dev/Covered")
        wait_for(
            lambda: recoveries(cluster) == {f"service/{SERVICE}", "ingress/web"}, 60, "both Events of recovery"
        )
        covered_as_described(cluster)


def recoveries(cluster: Cluster) -> set[str]:
    """The objects that have an Event of recovery."""
    rows = table(cluster.kubectl("get", "events"))
    return {row["OBJECT"] for row in rows if row["REASON"] == "NodesCovered"}


def uncovered_as_described(cluster: Cluster) -> None:
    for kind, name in (("service", SERVICE), ("ingress", "web")):
        event = last(cluster.kubectl("describe", kind, name), "NodesUncovered")
        assert (event["Type"], event["From"]) == ("Warning", "etpguard.dev/operator")
        assert "TargetsUnhealthy" in event["Message"]
        assert "2 of 3 eligible nodes drop the traffic: node2, node3" in event["Message"]
        assert "port http through Ingress default/web" in event["Message"]
        assert "node ports: http (30851), https (32350)" in event["Message"]
        assert re.fullmatch(r"\d+s", event["Age"])
    assert event["Message"].startswith(f"Service {SERVICE}: ")


def uncovered_in_events(cluster: Cluster) -> None:
    rows = {row["OBJECT"]: row for row in table(cluster.kubectl("get", "events"))}
    assert rows.keys() == {f"service/{SERVICE}", "ingress/web"}
    for row in rows.values():
        assert re.fullmatch(r"\d+s", row["LAST SEEN"])
        assert (row["TYPE"], row["REASON"]) == ("Warning", "NodesUncovered")
        assert "node2, node3" in row["MESSAGE"]
    warnings = cluster.kubectl("events", "--for", f"service/{SERVICE}", "--types=Warning")
    assert [row["REASON"] for row in table(warnings)] == ["NodesUncovered"]


def a_policy_at_a_glance(cluster: Cluster) -> None:
    """In force, about this Service, which is uncovered and loses nothing: so nothing was remediated."""
    cluster.kubectl("apply", "-f", "-", input=POLICY)
    met(cluster, "coveragepolicy/losses", "condition=Ready")
    met(cluster, "covpol/losses", "jsonpath={.status.matchedServices}=1")
    (row,) = table(cluster.kubectl("get", "covpol"))
    del row["AGE"]
    expected = {"NAME": "losses", "MODE": "Enforce", "MATCHED": "1", "UNCOVERED": "1", "REMEDIATED": "0"}
    assert row == {**expected, "ALLOWED": "1", "READY": "True"}
    (row,) = table(cluster.kubectl("get", "covpol", "-o", "wide"))
    assert row["SUSPENDED"] == "false"
    both = cluster.kubectl("get", "etpguard", "-o", "name").split()
    assert both == ["coveragepolicy.etpguard.dev/losses", f"servicecoverage.etpguard.dev/{SERVICE}"]


def covered_as_described(cluster: Cluster) -> None:
    for kind, name in (("service", SERVICE), ("ingress", "web")):
        event = last(cluster.kubectl("describe", kind, name), "NodesCovered")
        assert (event["Type"], event["From"]) == ("Normal", "etpguard.dev/operator")
        assert "each of the 3 eligible nodes has an endpoint" in event["Message"]
    assert re.search(rf"Normal +NodesCovered +service/{SERVICE} ", cluster.kubectl("get", "events"))


def test_a_remediation(site: Cluster, scene: Scene, tmp_path: Path) -> None:
    space = ("-n", scene.namespace)
    with operator(site, kustomize("overlays/remediation"), tmp_path, ETPGUARD_NAMESPACES=scene.namespace):
        scene.blackhole()
        scene.policy()
        wait_for(lambda: site.kubectl("get", "cov", "web", *space, "--ignore-not-found"), 60, "its report")
        met(site, "cov/web", "jsonpath={.status.remediation.phase}=Applied", namespace=scene.namespace)
        met(site, "covpol/opt-in", "jsonpath={.status.remediatedServices}=1", namespace=scene.namespace)
        met(site, "cov/web", "condition=Covered", namespace=scene.namespace)
        (row,) = table(site.kubectl("get", "cov", *space, "-o", "wide"))
        assert (row["OUTCOME"], row["UNCOVERED"], row["REMEDIATION"]) == ("NotAffected", "0", "Applied")
        (row,) = table(site.kubectl("get", "covpol", *space))
        assert (row["UNCOVERED"], row["REMEDIATED"], row["ALLOWED"]) == ("0", "1", "99")
        scene.wait_events("RemediationApplied")
        described = site.kubectl("describe", "service", "web", *space)
        assert re.search(r"External Traffic Policy: +Cluster", described)
        event = last(described, "RemediationApplied")
        assert (event["Type"], event["From"]) == ("Normal", "etpguard.dev/remediation")
        assert f"undo: etpguard rollback {scene.key}" in event["Message"]
