from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import picture_for
from etpguard.cluster import Picture
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key, Kind
from etpguard.objects.policies import CLUSTER_COVERAGE_POLICY, COVERAGE_POLICY
from etpguard.page import recorded_statuses, why_not_remediated
from etpguard.remediate.kinds import REMEDIATION_KINDS
from tests.assess.build import record

WEB = Key("default", "web")
EXCLUDED = {"namespace": "default", "name": "web", "reason": "DwellTime", "message": "wait"}


def picture_of(*objects: tuple[Kind[Any], dict[str, Any]], policies: bool = True) -> Picture:
    picture = picture_for((), REMEDIATION_KINDS if policies else ())
    for kind, raw in objects:
        picture.absorb(picture.store(kind).replace([record(kind, raw)]))
    return picture


def service(name: str = "web") -> tuple[Kind[Any], dict[str, Any]]:
    return SERVICE, {"metadata": {"name": name, "namespace": "default"}, "spec": {"type": "NodePort"}}


def coverage(name: str, owner: str, **status: object) -> tuple[Kind[Any], dict[str, Any]]:
    owners = [{"apiVersion": "v1", "kind": "Service", "name": name, "uid": owner}]
    metadata = {"name": name, "namespace": "default", "ownerReferences": owners}
    return SERVICE_COVERAGE, {"metadata": metadata, **({"status": status} if status else {})}


def test_the_report_of_a_service() -> None:
    assert recorded_statuses(picture_of(service(), coverage("web", "uid-web", outcome="Covered"))) == {
        WEB: {"outcome": "Covered"}
    }


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([service(), coverage("web", "uid-former", outcome="Covered")], id="of a former Service"),
        pytest.param([coverage("web", "uid-web", outcome="Covered")], id="without its Service"),
        pytest.param([service(), coverage("web", "uid-web")], id="without a status"),
    ],
)
def test_a_report_that_says_nothing_of_a_service(objects: list[tuple[Kind[Any], dict[str, Any]]]) -> None:
    assert recorded_statuses(picture_of(*objects)) == {}


def policy(kind: Kind[Any], excluded: object, **meta: str) -> tuple[Kind[Any], dict[str, Any]]:
    return kind, {"metadata": {"name": "mine", **meta}, "spec": {}, "status": {"excluded": excluded}}


def test_each_policy_says_why() -> None:
    picture = picture_of(
        policy(COVERAGE_POLICY, [EXCLUDED], namespace="default"),
        policy(CLUSTER_COVERAGE_POLICY, [{key: EXCLUDED[key] for key in ("namespace", "name", "reason")}]),
    )
    assert why_not_remediated(picture) == {
        WEB: ("CoveragePolicy default/mine: DwellTime: wait", "ClusterCoveragePolicy mine: DwellTime")
    }


@pytest.mark.parametrize(
    "excluded",
    [
        pytest.param("text", id="no list"),
        pytest.param(["text"], id="no objects"),
        pytest.param([{"namespace": "default", "name": "web"}], id="no reason"),
    ],
)
def test_what_another_program_wrote(excluded: object) -> None:
    assert why_not_remediated(picture_of(policy(CLUSTER_COVERAGE_POLICY, excluded))) == {}


def test_a_picture_without_policies() -> None:
    assert why_not_remediated(picture_of(service(), policies=False)) == {}
