"""The ServiceCoverage CRD takes whatever etpguard may say, keeps all of it, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from devcluster import Cluster
from etpguard import report
from etpguard.assess import Outcome, PortState, Reason
from etpguard.assess.consumers.targets import CheckSettings, HealthCheck, NodeTargets
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.probe import NoHealthCheck
from etpguard.cluster import NodeTable
from etpguard.objects.coverage import PolicyRef, Remediation, Revert
from etpguard.report import service_coverage
from tests.publish.given import assessment, verdict
from tests.publish.stage import install_crd

pytestmark = pytest.mark.controlplane

NOW = "2026-01-01T00:00:00Z"


def write(cluster: Cluster, namespace: str, status: dict[str, Any]) -> dict[str, Any]:
    """Create a report and write its status; the status as it is read back."""
    install_crd(cluster)
    path = f"/apis/etpguard.dev/v1alpha1/namespaces/{namespace}/servicecoverages"
    bare = {"apiVersion": "etpguard.dev/v1alpha1", "kind": "ServiceCoverage", "metadata": {"name": "web"}}
    cluster.request("POST", path, bare)
    cluster.call("PATCH", f"{path}/web/status", {"status": status})
    return dict(cluster.call("GET", f"{path}/web")["status"])


@pytest.mark.parametrize("outcome", Outcome)
def test_each_outcome_is_taken_and_kept(cluster: Cluster, namespace: str, outcome: Outcome) -> None:
    table = NodeTable()
    for i in range(3):
        table.add(f"node{i}")
    assessed = assessment(outcome, verdict(outcome), if_local=assessment(Outcome.Outage))
    wanted = service_coverage.status(assessed, table, ("do this",))
    remediation = msgspec.json.decode(
        msgspec.json.encode(
            Remediation(
                phase="Applied",
                service_uid="u",
                original_health_check_node_port=31000,
                policy=PolicyRef("CoveragePolicy", "b", "c", "a"),
                on_delete="Revert",
                intents=(NOW,),
                since=NOW,
                reverts=(Revert(time=NOW, manager="helm"),),
                held_for="v",
                message="m",
            )
        )
    )
    body = service_coverage.status_body(wanted, None, NOW)["status"]
    standing = write(cluster, namespace, {**body, "remediation": remediation})
    assert service_coverage.published_part(standing) == service_coverage.published_part(wanted)
    assert standing["remediation"] == remediation


def test_the_largest_report_is_taken_and_kept(cluster: Cluster, namespace: str) -> None:
    """5,000 nodes with the longest names, 200 ports of different states, 100 consumers, an annotation's worth of
    health check path."""
    table = NodeTable()
    for i in range(5000):
        table.add(f"{i:04}.{'n' * 60}.{'m' * 60}.{'o' * 60}.{'p' * 60}"[:253])
    everywhere = table.present
    ports = tuple(
        PortState(f"port-{i:03}".ljust(63, "x"), i, "SCTP", "IPv6", 30000 + i, everywhere >> i, 0, True)
        for i in range(1, 201)
    )
    long = "/" + "p" * 200_000
    verdicts = []
    for i in range(100):
        made = verdict(
            Outcome.Blackhole, name=f"{i:03}{'c' * 250}", eligible=everywhere, uncovered=everywhere >> 9
        )
        check = HealthCheck(NoHealthCheck(), CheckSettings("traffic-port", "HTTP", long))
        consumer = replace(
            made.consumer, targets=NodeTargets(NodeRule(), check), controller="c" * 300, source=long
        )
        verdicts.append(replace(made, consumer=consumer, unused=everywhere >> 100))
    assessed = replace(
        assessment(Outcome.Blackhole, *verdicts, eligible=everywhere, uncovered=everywhere >> 9),
        ports=ports,
        nodes=everywhere,
        reason=Reason("Blackhole", long),
    )
    wanted = service_coverage.status(assessed, table, [long] * 20)
    body = service_coverage.status_body(wanted, None, NOW)["status"]
    assert len(msgspec.json.encode(body)) <= report.MAX_STATUS_BYTES + 1024
    standing = write(cluster, namespace, body)
    assert service_coverage.published_part(standing) == service_coverage.published_part(wanted)
    assert standing["portsTotal"] == 200
    assert standing["consumersTotal"] == 100


@pytest.mark.parametrize(
    ("status", "names"),
    [
        pytest.param({"outcome": "Fine"}, "outcome: ", id="an unknown outcome"),
        pytest.param({"uncoveredNodes": -1}, "uncoveredNodes: ", id="a negative count"),
        pytest.param(
            {"conditions": [{"type": "Covered", "status": "Maybe"}]},
            "conditions[0].status: ",
            id="a bad condition",
        ),
        pytest.param({"advice": ["x"] * 9}, "advice: ", id="too much advice"),
        pytest.param({"remediation": {"serviceUID": "u"}}, "remediation.phase: ", id="no phase"),
    ],
)
def test_what_we_never_say_is_refused(
    cluster: Cluster, namespace: str, status: dict[str, Any], names: str
) -> None:
    """Kubernetes 1.30 gives the path of the field without its first element, `status`."""
    install_crd(cluster)
    path = f"/apis/etpguard.dev/v1alpha1/namespaces/{namespace}/servicecoverages"
    cluster.call(
        "POST",
        path,
        {"apiVersion": "etpguard.dev/v1alpha1", "kind": "ServiceCoverage", "metadata": {"name": "web"}},
    )
    response = cluster.request("PATCH", f"{path}/web/status", {"status": status})
    assert response.status == 422
    assert names in response.json()["message"]


def test_it_is_structural_and_known_by_its_names(cluster: Cluster) -> None:
    install_crd(cluster)
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/servicecoverages.etpguard.dev"
    crd = cluster.call("GET", path)
    states = {c["type"]: c["status"] for c in crd["status"]["conditions"]}
    assert states["Established"] == "True"
    assert "NonStructuralSchema" not in states
    names = crd["status"]["acceptedNames"]
    assert (names["shortNames"], names["categories"]) == (["cov"], ["etpguard"])
    columns = [c["name"] for c in crd["spec"]["versions"][0]["additionalPrinterColumns"]]
    assert columns == ["Outcome", "Eligible", "Uncovered", "Remediation", "Age", "Since", "Consumer", "Reason"]
