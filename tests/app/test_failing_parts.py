"""An exception that nobody foresaw, in each part that writes: that part alone fails, and is tried again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devcluster import Cluster
from devcluster.objects import wait_for
from etpguard.app.timing import OperatorTiming
from etpguard.kube.backoff import Backoff
from etpguard.kube.confinement import ConfinementCheck
from etpguard.kube.lease import Elector
from etpguard.publish.publisher import Publisher
from etpguard.remediate.controller import RemediationController
from etpguard.remediate.pacing import Pacing
from tests.app.harness import Running, the_case

pytestmark = pytest.mark.controlplane

QUICK = Backoff(0.2, 0.5)
TIMING = OperatorTiming(rerun=QUICK, remediation=Pacing(look_again=3.0, backoff=QUICK))


def failing(original: Callable[..., Any], failures: list[int]) -> Callable[..., Any]:
    """The method, whose first three calls fail."""

    def call(self: object, *given: Any, **named: Any) -> Any:
        if len(failures) < 3:
            failures.append(1)
            raise OSError(28, "No space left on device")
        return original(self, *given, **named)

    return call


@pytest.mark.parametrize(
    ("part", "owner", "method"),
    [
        ("lease", Elector, "_interval"),
        ("lease", Elector, "_compete"),
        ("publish", Publisher, "_is_open"),
        ("publish", Publisher, "_tend"),
        ("remediation", RemediationController, "_sleep"),
        ("remediation", RemediationController, "round"),
        ("confinement", ConfinementCheck, "check"),
    ],
)
def test_a_part_that_fails_is_counted_and_runs_again_while_the_operator_goes_on(
    cluster: Cluster,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    part: str,
    owner: type,
    method: str,
) -> None:
    failures: list[int] = []
    monkeypatch.setattr(owner, method, failing(getattr(owner, method), failures))
    settings: dict[str, Any] = {
        "leader_elect": True,
        "lease_namespace": namespace,
        "lease_duration": 3.0,
        "namespaces": frozenset({namespace}),
        "write_conditions": True,
        "write_reports": False,
        "remediation": True,
        "hold": 0.0,
        "hold_urgent": 0.0,
    }

    def reason() -> str:
        service = cluster.call("GET", f"/api/v1/namespaces/{namespace}/services/nginx")
        return "".join(condition["reason"] for condition in service["status"].get("conditions", ()))

    with the_case(cluster, namespace), Running(cluster.kubeconfig, TIMING, **settings) as running:
        running.wait_fresh()
        wait_for(lambda: len(failures) == 3, 90, "the failures")
        wait_for(lambda: running.metric("etpguard_leader") == 1.0, 60, "the lead")
        wait_for(lambda: reason() == "Uncovered", 60, "the condition")
        assert running.metric("etpguard_internal_errors_total", part=part) == 3.0
        assert running.get("/livez")[0] == 200
        assert running.ready()
    assert running.exit_code == 0
    assert "OSError: [Errno 28] No space left on device" in caplog.text
    lease = cluster.call("GET", f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/etpguard")
    assert not lease["spec"].get("holderIdentity"), "it is released at the end"
