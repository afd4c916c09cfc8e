"""The policies in examples/ do what their comments say, and `check --policy` says so."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from devcluster import Cluster
from etpguard.cli.errors import Failure
from etpguard.cli.input.sources import Sources, assess
from etpguard.cli.policy_preview import explain, read
from etpguard.objects.policies import CoveragePolicy
from etpguard.remediate import hold_off
from etpguard.remediate.decide import Action, decide
from etpguard.remediate.facts import Case
from tests.remediate.given import NOW, case, ledger, policy, record, standing
from tests.remediate.stage import Scene, operator

ROOT = Path(__file__).parents[2]
POLICIES = ROOT / "examples" / "policies"
SEED = "nginx-alb"
HEAD = "apiVersion: etpguard.dev/v1alpha1\nkind: CoveragePolicy\n"


def would(policy: str, state: str) -> list[tuple[str, str]]:
    """What the policy would do to the Services of an example, and the code of the reason."""
    file = ROOT / "examples" / state / "cluster-state.yaml"
    given = read([str(POLICIES / f"{policy}.yaml")], "")
    assessed = assess(Sources(files=[str(file)], for_policies=True))
    return [(row.as_json()["action"], row.reason.code) for row in explain(assessed, given)]


@pytest.mark.parametrize(
    ("policy", "state", "expected"),
    [
        pytest.param("nginx-alb", SEED, [("SetCluster", "Due")], id="the case as Helm installs it"),
        pytest.param("nginx-alb", "blackhole", [], id="no other Service"),
        pytest.param("blackholes-only", SEED, [], id="not what nobody labelled"),
        pytest.param("stop-all", SEED, [("None", "Suspended")], id="nothing, and says why"),
        pytest.param("dry-run-for-all", SEED, [("DryRun", "DryRun")], id="a dry run of the case"),
        pytest.param("dry-run-for-all", "blackhole", [("DryRun", "DryRun")], id="and of a Blackhole"),
        pytest.param(
            "dry-run-for-all", "no-endpoints", [("None", "OutcomeNeverRemediated")], id="not without endpoints"
        ),
    ],
)
def test_what_they_would_do(policy: str, state: str, expected: list[tuple[str, str]]) -> None:
    assert would(policy, state) == expected


def stop_all() -> CoveragePolicy:
    (stop,) = read([str(POLICIES / "stop-all.yaml")], "")
    return msgspec.structs.replace(stop, metadata=msgspec.structs.replace(stop.metadata, uid="uid-stop"))


WHEN_COVERED = policy(rollback={"mode": "WhenCovered"})


@pytest.mark.parametrize(
    ("make", "without", "beside"),
    [
        pytest.param(case, (Action.APPLY, "Due"), (Action.NONE, "Suspended"), id="a remediation that is due"),
        pytest.param(
            partial(standing, covered_since=NOW - 1800),
            (Action.ROLL_BACK, "Covered"),
            (Action.NONE, "Suspended"),
            id="a rollback for coverage that is due",
        ),
        pytest.param(
            partial(case, remediation=record("RolledBackByUser", held_for=hold_off.recorded([WHEN_COVERED]))),
            (Action.NONE, "RolledBackByUser"),
            (Action.NONE, "Suspended"),
            id="a person's rollback holds as before once the stop is over",
        ),
    ],
)
def test_stop_all_stops_both_directions_and_changes_nothing_for_later(
    make: Callable[..., Case], without: tuple[Action, str], beside: tuple[Action, str]
) -> None:
    for policies, expected in (([WHEN_COVERED], without), ([WHEN_COVERED, stop_all()], beside)):
        decision = decide(make(*policies), ledger(), NOW)
        assert (decision.action, decision.reason.code) == expected


def test_stop_all_lets_people_roll_back() -> None:
    asking = policy(rollbackRequests=["web"])
    assert decide(standing(asking, stop_all()), ledger(), NOW).action is Action.ROLL_BACK


def test_stop_all_stops_what_the_deletion_of_the_last_policy_would_take_back() -> None:
    orphan = partial(standing, recorded_policy=None, remediation=record(on_delete="Revert"))
    assert decide(orphan(policy(mode="DryRun")), ledger(), NOW).action is Action.ROLL_BACK
    assert decide(orphan(policy(mode="DryRun"), stop_all()), ledger(), NOW).reason.code == "Suspended"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("kind: Service\napiVersion: v1\n", "not a CoveragePolicy", id="another kind"),
        pytest.param(
            HEAD + "metadata: {name: x}\nspec: {mode: Now}\n",
            "CoveragePolicy x: spec.mode",
            id="no such mode",
        ),
        pytest.param(
            HEAD + "metadata: {name: x}\nspec: {mode: Enforce}\n",
            "spec.serviceSelector",
            id="Enforce for all",
        ),
        pytest.param("# nothing\n", "no CoveragePolicy", id="empty"),
    ],
)
def test_what_is_no_policy(text: str, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    with pytest.raises(Failure, match=expected):
        read([str(file)], "")


@pytest.mark.controlplane
@pytest.mark.parametrize("name", sorted(p.stem for p in POLICIES.glob("*.yaml")))
def test_the_api_server_takes_them(arena: Cluster, name: str) -> None:
    arena.kubectl("apply", "--dry-run=server", "-f", str(POLICIES / f"{name}.yaml"))


@pytest.mark.controlplane
def test_the_case_is_remediated(scene: Scene) -> None:
    """The seed case: TargetsUnhealthy, owned by Helm. The dwell alone is shortened."""
    service = scene.service_manifest()
    service["metadata"]["labels"] = {
        "app.kubernetes.io/name": "nginx-ingress",
        "app.kubernetes.io/managed-by": "Helm",
    }
    service["metadata"]["annotations"] = {"meta.helm.sh/release-name": "nginx"}
    scene.create(service)
    scene.create(scene.ingress_manifest(health_check_port="traffic-port"))
    scene.place(1)
    text = (POLICIES / "nginx-alb.yaml").read_text().replace("namespace: default", f"namespace: {scene.namespace}")
    scene.cluster.kubectl("apply", "-f", "-", input=text)
    scene.patch_policy({"unhealthyWhen": {"forSeconds": 1}}, "nginx-alb")
    with operator(scene):
        scene.wait_phase("Applied")
        scene.delete_policy("nginx-alb")
        scene.wait_phase("RolledBack")
    assert scene.traffic_policy() == "Local"
