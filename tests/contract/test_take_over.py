"""An operator of the tree before takes over from one of this tree, and back, and writes nothing but its Lease, and
Events whose notes have other words now."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import devcluster
from devcluster import Cluster
from devcluster.objects import wait_for
from tests.app.harness import grant
from tests.contract.observed import shape
from tests.contract.snapshot import SNAPSHOT, STORED, allowed
from tests.contract.trees import HOLD, Running, Tree, former, present, running
from tests.remediate.stage import Scene, install_crds

pytestmark = pytest.mark.controlplane

NAMESPACE = "shop"
QUIET = HOLD + 3.0
"""Seconds without a write after which none is due."""
LABEL = {"remediate": "here"}
TARGETS = "alb.ingress.kubernetes.io/target-node-labels"
OUTCOMES = {
    "covered": "Covered",
    "empty": "NoEndpoints",
    "healthy": "TargetsUnhealthy",
    "hole": "Blackhole",
    "lonely": "Uncovered",
    "nowhere": "NoTargets",
    "outage": "Outage",
    "unknown": "Unknown",
    "web": "NotAffected",
}
"""Service to outcome. `web` is remediated."""
PERHAPS = {"ServiceCoverage.status.transitions[].from: str", "CoveragePolicy.status.excluded: list"}
"""The first is written only where the first report of a Service came before its outcome changed. The second is an
empty list. Server-side apply leaves it out once it had an entry: while the remediation of `web` was tried again,
because its report had changed meanwhile."""

Json = dict[str, Any]


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tree]:
    return {tree.name: tree for tree in (former(tmp_path_factory.mktemp("before")), present())}


@pytest.fixture
def scene(trees: dict[str, Tree]) -> Iterator[Scene]:
    with devcluster.start(audit_bodies=True) as cluster:
        install_crds(cluster)
        for tree in trees.values():
            grant(cluster, tree.name, ("*", "*", "*"))
        cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        made = Scene(cluster, NAMESPACE)
        _furnish(made)
        yield made


def _furnish(scene: Scene) -> None:
    """A Service for each outcome but that of `web`, and a policy that selects `web`."""
    annotations = {
        "nowhere": {TARGETS: "nobody=here"},
        "outage": {TARGETS: f"kubernetes.io/hostname={scene.nodes[1]}"},
    }
    probes = {"healthy": "traffic-port", "unknown": "9999"}
    for name in OUTCOMES.keys() - {"web"}:
        service = scene.service_manifest(name)
        service["metadata"]["labels"] = {}
        scene.create(service)
        if name != "lonely":
            ingress = scene.ingress_manifest(name, probes.get(name, "10256"))
            ingress["metadata"]["annotations"] |= annotations.get(name, {})
            scene.create(ingress)
        for number in {"covered": (1, 2, 3), "empty": ()}.get(name, (1,)):
            scene.place(number, name)
    scene.policy(serviceSelector={"matchLabels": LABEL}, unhealthyWhen={"forSeconds": 0})


def _add_web(scene: Scene) -> None:
    scene.place(1, "web")
    scene.create(scene.ingress_manifest("web"))
    service = scene.service_manifest("web")
    service["metadata"]["labels"] = LABEL
    scene.create(service)


def test_this_tree_takes_over_and_hands_back_with_nothing_but_new_notes(
    trees: dict[str, Tree], scene: Scene, tmp_path: Path
) -> None:
    """The note of an Event is its identity, and has had other words since: one new Event for each object, once."""
    cluster = scene.cluster
    with running(trees["before"], cluster, NAMESPACE, tmp_path / "first.log") as leader:
        leader.wait_leading()
        # The operator, which leads by now, remediates it before it writes its first condition, `HOLD` seconds
        # later. A second condition would wait for a minute.
        _add_web(scene)
        _wait_written(scene)
        since = _quiet(cluster)
        assert _stored(scene) == set(SNAPSHOT[STORED])
        with running(trees["after"], cluster, NAMESPACE, tmp_path / "second.log") as standby:
            leader.process.stop()
            written = _written_while_it_leads(standby, cluster, since)
            assert set(written) == {"events"}, written
            assert all(line.startswith("after: create ") for line in written["events"]), written
            bodies = [json.loads(line.partition("fieldManager=etpguard: ")[2]) for line in written["events"]]
            objects = {(body["regarding"]["kind"], body["regarding"]["name"]) for body in bodies}
            assert len(objects) == len(bodies)
            since = _quiet(cluster)
            with running(trees["before"], cluster, NAMESPACE, tmp_path / "again.log") as again:
                standby.process.stop()
                assert _written_while_it_leads(again, cluster, since) == {}


def test_the_tree_before_takes_over_and_writes_other_words_alone(
    trees: dict[str, Tree], scene: Scene, tmp_path: Path
) -> None:
    """It compares the sentences of reports and policies, so it writes its own. It never touches a Service or an
    Event, and no fact changes. This tree takes over again without a write."""
    cluster = scene.cluster
    _add_web(scene)
    with running(trees["after"], cluster, NAMESPACE, tmp_path / "first.log") as leader:
        leader.wait_leading()
        _wait_written(scene)
        since, facts = _quiet(cluster), _facts_of_all(scene)
        before, now = set(SNAPSHOT[STORED]), _stored(scene)
        assert (now | PERHAPS) - before == allowed("added", STORED).keys()
        assert before - (now | PERHAPS) == allowed("removed", STORED).keys()
        with running(trees["before"], cluster, NAMESPACE, tmp_path / "second.log") as standby:
            leader.process.stop()
            written = _written_while_it_leads(standby, cluster, since)
            assert set(written) <= {"servicecoverages/status", "coveragepolicies/status"}, written
            assert _facts_of_all(scene) == facts
            since = _quiet(cluster)
            with running(trees["after"], cluster, NAMESPACE, tmp_path / "again.log") as again:
                standby.process.stop()
                assert _written_while_it_leads(again, cluster, since) == {}


def _wait_written(scene: Scene) -> None:
    def outcomes() -> dict[str, str]:
        reports = {name: scene.report(name).get("status", {}) for name in OUTCOMES}
        return {name: str(status.get("outcome", "")) for name, status in reports.items()}

    scene.wait_phase("Applied")
    try:
        wait_for(lambda: outcomes() == OUTCOMES, 60, "a report for each Service")
    except TimeoutError:
        raise AssertionError(outcomes()) from None
    for name in OUTCOMES:
        wait_for(lambda name=name: _reason(scene, name) == OUTCOMES[name], 60, f"the condition of {name}")  # type: ignore[misc]
    scene.wait_events("RemediationApplied")
    wait_for(lambda: "remediatedServices" in scene.read_policy().get("status", {}), 60, "the policy's status")


def _written_while_it_leads(operator: Running, cluster: Cluster, since: int) -> dict[str, list[str]]:
    """The writes of operators since then, by resource, once this one leads and no write is due."""
    operator.wait_leading()
    for name, outcome in OUTCOMES.items():
        labels = {"namespace": NAMESPACE, "service": name, "outcome": outcome}
        wait_for(lambda labels=labels: operator.metric("etpguard_service_outcome", **labels) == 1.0, 30, name)  # type: ignore[misc]
    _quiet(cluster)
    written: dict[str, list[str]] = {}
    for event in _writes(cluster, since):
        about = event["objectRef"]
        resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
        written.setdefault(resource, []).append(_describe(event))
    return written


def _quiet(cluster: Cluster) -> int:
    """Returns once no operator has written for `QUIET` seconds: the position in the audit log."""
    position, end = cluster.audit_position(), time.monotonic() + QUIET
    while time.monotonic() < end:
        time.sleep(0.2)
        if any(_writes(cluster, position)):
            position, end = cluster.audit_position(), time.monotonic() + QUIET
    return cluster.audit_position()


def _writes(cluster: Cluster, since: int) -> Iterator[Json]:
    """Without those of Leases, and without dry runs, which store nothing."""
    for event in cluster.audit(since):
        ours = event["user"]["username"].startswith("system:serviceaccount:default:")
        lease = event.get("objectRef", {}).get("resource") == "leases"
        read = event["verb"] in ("get", "list", "watch") or "dryRun=" in event["requestURI"]
        if ours and not lease and not read:
            yield event


def _describe(event: Json) -> str:
    account = event["user"]["username"].rpartition(":")[2]
    return f"{account}: {event['verb']} {event['requestURI']}: {json.dumps(event.get('requestObject'))}"


def _facts_of_all(scene: Scene) -> Json:
    """The statuses of reports and policies without sentences and times."""
    reports = {name: _facts(scene.report(name)["status"]) for name in OUTCOMES}
    return {**reports, "policy": _facts(scene.read_policy()["status"])}


def _facts(value: Any, *, condition: bool = False) -> Any:
    """The `reason` of a condition is a code, any other is a sentence. The tree before knows no `assumptions`,
    `client`, `evidence`, `resilience` and `transitions`."""
    match value:
        case dict():
            later = {"assumptions", "client", "evidence", "resilience", "transitions"}
            prose = {"message", "advice", "lastTransitionTime", *later, *(() if condition else ("reason",))}
            return {k: _facts(v, condition=k == "conditions") for k, v in value.items() if k not in prose}
        case list():
            return [_facts(inner, condition=condition) for inner in value]
        case _:
            return value


def _stored(scene: Scene) -> set[str]:
    """The shape of all that the operator has written, with the words that others match."""
    lines: set[str] = set()
    lease = scene.cluster.call("GET", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/etpguard")
    lines |= {f"Lease etpguard{line}" for line in shape(lease["spec"], ".spec")}
    for name in OUTCOMES:
        lines |= {f"ServiceCoverage{line}" for line in shape(scene.report(name)["status"], ".status")}
        service = scene.service(name)
        lines |= {f"Service condition {condition['type']}" for condition in _conditions(service)}
        lines |= {f"field manager {manager}" for manager in scene.managers(name) if "etpguard" in manager}
        lines |= {f"ServiceCoverage {line}" for line in _condition_lines(scene.report(name))}
    policy = scene.read_policy()
    lines |= {f"CoveragePolicy{line}" for line in shape(policy["status"], ".status")}
    lines |= {f"CoveragePolicy {line}" for line in _condition_lines(policy)}
    for event in scene.cluster.call("GET", f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events")["items"]:
        # Whether `web` recovers from something depends on what was first, the publishing or the remediation.
        if event.get("reportingController", "").startswith("etpguard") and event["reason"] != "NodesCovered":
            words = (event[key] for key in ("reason", "type", "reportingController", "action"))
            lines.add(f"Event {' '.join(words)} on {event['regarding']['kind']}")
    return lines


def _conditions(service: Json) -> list[Json]:
    conditions: list[Json] = service.get("status", {}).get("conditions", [])
    return conditions


def _reason(scene: Scene, name: str) -> str:
    return next((str(condition["reason"]) for condition in _conditions(scene.service(name))), "")


def _condition_lines(stored: Json) -> set[str]:
    return {f"condition {condition['type']}" for condition in stored["status"]["conditions"]}
