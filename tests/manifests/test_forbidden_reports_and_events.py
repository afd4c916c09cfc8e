"""What an attacker with the token of the operator could try on reports and Events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from devcluster import Cluster
from devcluster.objects import wait_for
from tests.arena import own_namespace
from tests.manifests.rendered import ACCOUNT, NAMESPACE
from tests.remediate.stage import Scene

pytestmark = pytest.mark.controlplane

Json = dict[str, Any]
ON_REPORTS = "ValidatingAdmissionPolicy 'etpguard-reports'"
ON_EVENTS = "ValidatingAdmissionPolicy 'etpguard-events'"
APPLY = "application/apply-patch+yaml"


@pytest.fixture(scope="module")
def token(site: Cluster) -> str:
    return site.token(NAMESPACE, ACCOUNT)


@pytest.fixture(scope="module")
def shared(site: Cluster) -> Iterator[Scene]:
    """A scene for all tests that change nothing."""
    yield from own_namespace(site, Scene)


@pytest.fixture(scope="module")
def shared_uid(shared: Scene) -> str:
    """The uid of Service `web` in it."""
    return str(shared.create(shared.service_manifest())["metadata"]["uid"])


@pytest.fixture
def uid(scene: Scene) -> str:
    """The uid of Service `web`."""
    return str(scene.create(scene.service_manifest())["metadata"]["uid"])


def reports(scene: Scene, name: str = "") -> str:
    return f"/apis/etpguard.dev/v1alpha1/namespaces/{scene.namespace}/servicecoverages{name and f'/{name}'}"


def report(uid: str, name: str = "web", **metadata: Any) -> Json:
    owner = {"apiVersion": "v1", "kind": "Service", "name": name, "uid": uid, "blockOwnerDeletion": False}
    made = {"name": name, "ownerReferences": [owner], **metadata}
    return {"apiVersion": "etpguard.dev/v1alpha1", "kind": "ServiceCoverage", "metadata": made}


def owned(owner_uid: str, **changes: Any) -> Json:
    return {**report(owner_uid)["metadata"]["ownerReferences"][0], **changes}


@pytest.fixture(scope="module")
def in_force(site: Cluster, shared: Scene, token: str) -> None:
    """Both policies, which take effect some time after they are created."""

    def refused() -> bool:
        bare = report("u", "probe", ownerReferences=[])
        first = site.request("POST", f"{reports(shared)}?dryRun=All", bare, token=token)
        other = site.request("POST", f"{events(shared)}?dryRun=All", event(shared, "u", reason="X"), token=token)
        return ON_REPORTS in first.body.decode() and ON_EVENTS in other.body.decode()

    wait_for(refused, 60, "the admission policies to be in force")


METADATA = [
    pytest.param({"finalizers": ["example.com/f"]}, id="a finalizer"),
    pytest.param({"labels": {"a": "1"}}, id="a label"),
    pytest.param({"annotations": {"example.com/a": "1"}}, id="an annotation"),
]
OWNERS = [
    pytest.param([], id="no owner"),
    pytest.param([{"blockOwnerDeletion": True}], id="blockOwnerDeletion"),
    pytest.param([{"controller": True}], id="a controller"),
    pytest.param([{"name": "another"}], id="a Service of another name"),
    pytest.param([{"kind": "Pod"}], id="another kind"),
    pytest.param([{"kind": "Node", "apiVersion": "example.com/v1"}], id="another group"),
    pytest.param([{}, {"kind": "Pod", "uid": "p"}], id="a second owner"),
]


@pytest.mark.parametrize("metadata", METADATA)
def test_a_report_is_not_created_with(
    site: Cluster, shared: Scene, shared_uid: str, token: str, in_force: None, metadata: Json
) -> None:
    body = report(shared_uid, **metadata)
    assert site.request("POST", f"{reports(shared)}?dryRun=All", body).ok
    tried = site.request("POST", reports(shared), body, token=token)
    assert (tried.status, ON_REPORTS in tried.body.decode()) == (403, True), tried.body.decode()


@pytest.mark.parametrize("owners", OWNERS)
def test_a_report_is_not_created_for(
    site: Cluster, shared: Scene, shared_uid: str, token: str, in_force: None, owners: list[Json]
) -> None:
    body = report(shared_uid, ownerReferences=[owned(shared_uid, **changes) for changes in owners])
    assert site.request("POST", f"{reports(shared)}?dryRun=All", body).ok
    tried = site.request("POST", reports(shared), body, token=token)
    assert (tried.status, ON_REPORTS in tried.body.decode()) == (403, True), tried.body.decode()


@pytest.mark.parametrize(
    "metadata",
    [
        *METADATA,
        pytest.param({"ownerReferences": []}, id="no owner"),
        pytest.param({"ownerReferences": [owned("u", kind="Pod")]}, id="another owner"),
        pytest.param({"ownerReferences": [owned("u", blockOwnerDeletion=True)]}, id="blockOwnerDeletion"),
    ],
)
def test_a_report_is_not_changed_to(
    site: Cluster, scene: Scene, uid: str, token: str, in_force: None, metadata: Json
) -> None:
    site.call("POST", reports(scene), report(uid))
    body = {"metadata": metadata}
    assert site.request("PATCH", f"{reports(scene, 'web')}?dryRun=All", body).ok
    tried = site.request("PATCH", reports(scene, "web"), body, token=token)
    assert (tried.status, ON_REPORTS in tried.body.decode()) == (403, True), tried.body.decode()


def test_its_report_is_made_filled_and_deleted(
    site: Cluster, scene: Scene, uid: str, token: str, in_force: None
) -> None:
    path = f"{reports(scene, 'web')}?fieldManager=etpguard&force=true"
    made = site.request("PATCH", path, report(uid), token=token, content_type=APPLY)
    assert made.ok, made.body.decode()
    # Metadata that others set does not lock the operator out.
    site.call(
        "PATCH", reports(scene, "web"), {"metadata": {"labels": {"a": "1"}, "finalizers": ["example.com/f"]}}
    )
    body = {**report(uid), "metadata": {"name": "web"}, "status": {"outcome": "Covered"}}
    status = path.replace("web?", "web/status?")
    filled = site.request("PATCH", status, body, token=token, content_type=APPLY)
    assert filled.ok, filled.body.decode()
    assert filled.json()["status"] == {"outcome": "Covered"}
    site.call("PATCH", reports(scene, "web"), {"metadata": {"finalizers": None}})
    assert site.request("DELETE", reports(scene, "web"), token=token).ok


def test_a_report_without_an_owner_gets_one(
    site: Cluster, scene: Scene, uid: str, token: str, in_force: None
) -> None:
    site.call("POST", reports(scene), report(uid, ownerReferences=[]))
    path = f"{reports(scene, 'web')}?fieldManager=etpguard&force=true"
    tried = site.request("PATCH", path, report(uid), token=token, content_type=APPLY)
    assert tried.ok, tried.body.decode()


def test_a_report_that_others_own_too_gets_its_owner_and_keeps_it(
    site: Cluster, scene: Scene, uid: str, token: str, in_force: None
) -> None:
    other = owned(uid, apiVersion="etpguard.dev/v1alpha1", kind="ServiceCoverage", name="other")
    other["uid"] = site.call("POST", reports(scene), report(uid, "other", ownerReferences=[]))["metadata"]["uid"]
    site.call("POST", reports(scene), report(uid, ownerReferences=[other]))
    path = reports(scene, "web")
    applied = f"{path}?fieldManager=etpguard&force=true"
    made = site.request("PATCH", applied, report(uid), token=token, content_type=APPLY)
    assert made.ok, made.body.decode()
    assert {each["kind"] for each in made.json()["metadata"]["ownerReferences"]} == {"ServiceCoverage", "Service"}
    tried = site.request("PATCH", path, {"metadata": {"ownerReferences": [other]}}, token=token)
    assert (tried.status, ON_REPORTS in tried.body.decode()) == (403, True), tried.body.decode()


def events(scene: Scene, name: str = "") -> str:
    return f"/apis/events.k8s.io/v1/namespaces/{scene.namespace}/events{name and f'/{name}'}"


def event(scene: Scene, uid: str, **changes: Any) -> Json:
    regarding = {"apiVersion": "v1", "kind": "Service", "namespace": scene.namespace, "name": "web", "uid": uid}
    made: Json = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "web.1", "namespace": scene.namespace, **changes.pop("metadata", {})},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "etpguard.dev/operator",
        "reportingInstance": "test",
        "action": "AssessCoverage",
        "reason": "TrafficBlackhole",
        "type": "Warning",
        "note": "n",
        "regarding": {**regarding, **changes.pop("regarding", {})},
    }
    return {**made, **changes}


OWN_EVENTS = [
    *(
        pytest.param("etpguard.dev/operator", reason, id=reason)
        for reason in (
            "NodesCovered",
            "NodesUncovered",
            "TrafficBlackhole",
            "TrafficOutage",
            "NoEligibleNodes",
            "NodesUncoveredInternally",
            "NodesCoveredInternally",
        )
    ),
    *(
        pytest.param("etpguard.dev/remediation", f"Remediation{what}", id=f"Remediation{what}")
        for what in ("Applied", "RolledBack", "Reverted", "Skipped")
    ),
]


@pytest.mark.parametrize(("controller", "reason"), OWN_EVENTS)
def test_its_own_event_is_made_and_counted(
    site: Cluster, scene: Scene, uid: str, token: str, in_force: None, controller: str, reason: str
) -> None:
    body = event(scene, uid, reportingController=controller, reason=reason)
    made = site.request("POST", events(scene), body, token=token)
    assert made.ok, made.body.decode()
    series = {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}}
    assert site.request("PATCH", events(scene, "web.1"), series, token=token).ok


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"reportingController": "kubelet.example.com/node"}, id="another controller"),
        pytest.param({"reportingController": "etpguard.dev/other"}, id="a controller of its group"),
        pytest.param({"reason": "FailedScheduling"}, id="another reason"),
        pytest.param({"reason": "RemediationApplied"}, id="a reason of its other controller"),
        pytest.param({"regarding": {"kind": "Pod"}}, id="an Event about a Pod"),
        *(pytest.param({"metadata": each.values[0]}, id=each.id) for each in METADATA),
        pytest.param({"metadata": {"ownerReferences": [owned("u")]}}, id="an owner"),
    ],
)
def test_another_event_is_not_made(
    site: Cluster, shared: Scene, shared_uid: str, token: str, in_force: None, changes: Json
) -> None:
    body = event(shared, shared_uid, **changes)
    allowed = site.request("POST", f"{events(shared)}?dryRun=All", body)
    assert allowed.ok, allowed.body.decode()
    tried = site.request("POST", events(shared), body, token=token)
    assert (tried.status, ON_EVENTS in tried.body.decode()) == (403, True), tried.body.decode()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"series": {"count": 9, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}}, id="its series"),
        pytest.param({"metadata": {"finalizers": ["example.com/f"]}}, id="a finalizer"),
    ],
)
def test_the_event_of_another_is_not_changed(
    site: Cluster, scene: Scene, uid: str, token: str, in_force: None, change: Json
) -> None:
    site.call("POST", events(scene), event(scene, uid, reportingController="example.com/other", reason="Other"))
    assert site.request("PATCH", f"{events(scene, 'web.1')}?dryRun=All", change).ok
    tried = site.request("PATCH", events(scene, "web.1"), change, token=token)
    assert (tried.status, ON_EVENTS in tried.body.decode()) == (403, True), tried.body.decode()
