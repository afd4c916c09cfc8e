"""Three replicas remediate under load, while the leader is killed, or cut off and later reconnected: only
the leader's writes are accepted, and no change is lost or made twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from itertools import cycle
from pathlib import Path

import pytest

from devcluster.objects import wait_for
from tests.remediate.replicas import Replica, Traffic, leader
from tests.remediate.stage import Json, Scene
from tests.remediate.terms import Write, accepted, phase_recorded, policy_set, terms

pytestmark = pytest.mark.controlplane

SERVICES = ("web", "shop", "mail", "chat", "maps")
PAUSE = 0.7
SHORT = 1
LONG = 20


def test_only_the_leader_writes_and_nothing_is_lost(scene: Scene, tmp_path: Path) -> None:
    play(scene, tmp_path, SHORT)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_through_many_hand_overs(scene: Scene, tmp_path: Path) -> None:
    play(scene, tmp_path, LONG)


def play(scene: Scene, folder: Path, times: int) -> None:
    """So many kills and so many cuts, in turn."""
    for service in SERVICES:
        scene.create(scene.service_manifest(service))
        scene.create(scene.ingress_manifest(service))
        scene.place(1, service)
    scene.policy(
        unhealthyWhen={"forSeconds": 0},
        remediation={"budgets": [{"services": "100000", "perSeconds": 1}]},
        rollback={"mode": "WhenCovered", "coveredForSeconds": 0},
    )
    began = scene.cluster.audit_position()
    with ExitStack() as stack:
        replicas = [stack.enter_context(Replica(scene, name, folder)) for name in "abc"]
        traffic = Traffic(scene, SERVICES, PAUSE)
        with traffic:
            for cut in [False, True] * times:
                hand_over(scene, replicas, cut=cut)
        for service, covered in zip(SERVICES, cycle((False, True))):
            traffic.put(service, covered)
        for service in SERVICES:
            wait_until_decided(scene, service, traffic.covered[service])
        wait_for(lambda: counted(scene, traffic), 60, "the policy's count")
    writes = accepted(scene.cluster.audit(began), scene.namespace, [r.user for r in replicas])
    assert_only_the_leader_wrote(writes, 1 + 2 * times)
    for service in SERVICES:
        assert last_of_changes_in_turn(writes, service) == scene.traffic_policy(service)


def hand_over(scene: Scene, replicas: Sequence[Replica], *, cut: bool) -> None:
    """Take the leader away in the middle of a change, and let it in again when the next one is in the middle of
    another."""
    old = leader(scene, replicas)
    wait_for_change(scene)
    if cut:
        old.cut_off()
    else:
        old.kill()
    wait_for(lambda: leader(scene, replicas) is not old, 60, f"another leader than {old.name}")
    wait_for_change(scene)
    if cut:
        old.restore()
    else:
        old.start()


def wait_for_change(scene: Scene) -> None:
    """Until one is begun; those that are under way already were left by a leader that is gone."""
    before = under_way(scene)
    wait_for(lambda: under_way(scene) - before, 60, "a change under way")


def under_way(scene: Scene) -> set[str]:
    """The records of changes that are begun and not ended."""
    path = f"/apis/etpguard.dev/v1alpha1/namespaces/{scene.namespace}/servicecoverages"
    found = [
        report.get("status", {}).get("remediation", {}) for report in scene.cluster.call("GET", path)["items"]
    ]
    return {json.dumps(record) for record in found if record.get("phase") in ("Applying", "RollingBack")}


def wait_until_decided(scene: Scene, service: str, covered: bool) -> None:
    try:
        wait_for(partial(as_decided, scene, service, covered), 60, f"what becomes of {service}")
    except TimeoutError as error:
        found = {"covered": covered, "policy": scene.traffic_policy(service), **scene.report(service)["status"]}
        raise AssertionError(f"{error}; it has {json.dumps(found)}") from None


def as_decided(scene: Scene, service: str, covered: bool) -> bool:
    """Whether Service, record and report are what the policy says and agree."""
    status: Json = scene.report(service).get("status", {})
    found = (scene.traffic_policy(service), scene.phase(service), status.get("outcome"))
    if covered:
        return found in [("Local", ended, "Covered") for ended in ("RolledBack", "Cancelled", "")]
    return found == ("Cluster", "Applied", "NotAffected") and status["ifLocal"]["outcome"] == "Blackhole"


def counted(scene: Scene, traffic: Traffic) -> bool:
    status = scene.read_policy().get("status", {})
    return bool(status.get("remediatedServices") == sum(not covered for covered in traffic.covered.values()))


def assert_only_the_leader_wrote(writes: Sequence[Write], least: int) -> None:
    """Each write was received after its writer had come to lead, and answered before the next one did."""
    led = terms(writes)
    assert len(led) >= least
    for write in writes:
        if write.resource == "leases":
            continue
        within = [t for t in led if t.user == write.user and t.begin < write.received and write.answered < t.end]
        assert within, "\n".join([f"{write} is in no term of its writer:", *map(str, led)])


def last_of_changes_in_turn(writes: Sequence[Write], service: str) -> str:
    """Where the Service was left: Cluster and Local took turns, each with its intent recorded before."""
    recorded, stood = "", "Local"
    for write in writes:
        if write.name != service:
            continue
        recorded = phase_recorded(write) or recorded
        if wanted := policy_set(write):
            assert wanted != stood, f"{write} sets {wanted} again"
            assert recorded == ("Applying" if wanted == "Cluster" else "RollingBack"), f"{write} after {recorded}"
            stood = wanted
    return stood
