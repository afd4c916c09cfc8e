"""An editor of one namespace writes a Service as if etpguard had changed it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from devcluster import Cluster
from tests.arena import own_namespace
from tests.remediate.stage import MANAGER, Json, Scene, operator

pytestmark = pytest.mark.controlplane

FAR_AHEAD = "2099-01-01T00:00:00Z"


@pytest.fixture
def tenant(arena: Cluster) -> Iterator[Scene]:
    yield from own_namespace(arena, Scene)


def forge(scene: Scene) -> None:
    """Cluster, under etpguard's field manager, at a time of the editor's choice."""
    scene.create(scene.service_manifest(externalTrafficPolicy="Cluster"))
    service = scene.service()
    owned: Json = {"f:spec": {"f:externalTrafficPolicy": {}}}
    entry = {
        "manager": MANAGER,
        "operation": "Update",
        "apiVersion": "v1",
        "time": FAR_AHEAD,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned,
    }
    for other in service["metadata"]["managedFields"]:
        other["fieldsV1"].get("f:spec", {}).pop("f:externalTrafficPolicy", None)
    service["metadata"]["managedFields"].append(entry)
    made = scene.cluster.call("PUT", f"{scene.service_path()}?fieldManager=editor", service)
    assert (MANAGER, FAR_AHEAD) in [(each["manager"], each["time"]) for each in made["metadata"]["managedFields"]]


def delete_records(cluster: Cluster) -> None:
    """The reports of other tests count for the operator's budget, and the garbage collector takes its time. No
    operator writes them again: those of other tests have ended."""
    for report in cluster.call("GET", "/apis/etpguard.dev/v1alpha1/servicecoverages")["items"]:
        namespace, name = report["metadata"]["namespace"], report["metadata"]["name"]
        cluster.request("DELETE", f"/apis/etpguard.dev/v1alpha1/namespaces/{namespace}/servicecoverages/{name}")
    assert not cluster.call("GET", "/apis/etpguard.dev/v1alpha1/servicecoverages")["items"]


def test_it_spends_no_budget_and_takes_no_time_from_the_forged_entry(scene: Scene, tenant: Scene) -> None:
    """The operator's budget allows one remediation: the other tenant's Service gets it."""
    forge(tenant)
    tenant.policy()
    scene.policy()
    delete_records(scene.cluster)
    with operator(scene, namespaces=frozenset({scene.namespace, tenant.namespace}), max_remediations=(1, 600)):
        rebuilt = tenant.wait_phase("Applied")
        scene.blackhole()
        scene.wait_phase("Applied")
    assert not rebuilt.get("intents")
    assert rebuilt["since"] <= datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def test_no_record_is_made_where_no_policy_governs_the_service(scene: Scene, tenant: Scene) -> None:
    forge(tenant)
    forge(scene)
    scene.policy()
    with operator(scene, namespaces=frozenset({scene.namespace, tenant.namespace})):
        scene.wait_phase("Applied")  # the same Service, where a policy governs it
        time.sleep(3)  # several rounds
    assert not tenant.remediation()
