"""Cases rebuilt from public reports: `etpguard check -f` gives an outcome that is right for each Service.

tests/cases/field/expected.json names the outcomes that are right, several where the API does not decide.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import etpguard

CASES = Path(__file__).parents[1] / "cases" / "field"
EXPECTED: dict[str, dict[str, Any]] = json.loads((CASES / "expected.json").read_text())


def services(*arguments: str) -> dict[str, dict[str, Any]]:
    """The reports of the Services, by namespace/name."""
    files = [part for name in arguments for part in ("-f", str(CASES / name))]
    return {
        f"{each['namespace']}/{each['name']}": each
        for each in etpguard("check", *files, "-o", "json").report["services"]
    }


def text_of(case: str, service: str) -> str:
    """All of `etpguard explain`, in one line."""
    namespace, _, name = service.partition("/")
    return " ".join(etpguard("explain", name, "-n", namespace, "-f", CASES / case).out.split())


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_outcome(case: str) -> None:
    expected = dict(EXPECTED[case])
    check = expected.pop("healthCheck", None)
    found = services(case)
    for service, right in expected.items():
        report = found[service]
        assert report["outcome"] in right, (service, report["reason"])
        if check:
            assert {c["healthCheck"]["protocol"] for c in report["consumers"]} == {check["protocol"]}


@pytest.mark.parametrize(
    ("case", "service", "there", "absent"),
    [
        pytest.param(
            "cloud-03-aws-nlb-new-node.yaml",
            "ingress-nginx/ingress-nginx-controller",
            ["A new node without a pod gets traffic until its check has failed."],
            [],
            id="03: a new target gets traffic before its first check",
        ),
        pytest.param(
            "cloud-36-octavia-no-node-ports.yaml",
            "ingress-nginx/ingress-nginx-controller",
            [
                "OpenStack Octavia sends to node ports, and port http has none",
                "1. Give the Service node ports.",
                """-p '{"spec":{"allocateLoadBalancerNodePorts":true}}'""",
            ],
            ["curl localhost", "Look at the Ready condition of the nodes"],
            id="36: without node ports the nodes are not the cause",
        ),
        pytest.param(
            "cloud-55-do-two-ports.yaml",
            "mix/mix",
            [
                "1. Run a ready pod on every node that gets the traffic.",
                "3. Leave it as it is: nothing is lost while the pods stay on their nodes (port http).",
            ],
            ["nothing is lost while the pods stay on their nodes."],
            id="55: advice for one of two ports names it",
        ),
        pytest.param(
            "onprem-09-kubevip-pending.yaml",
            "edge/ingress",
            [
                "NoAddress: the status of the Service has no address",
                "kube-vip runs on no node with an endpoint",
                "1. Find out why the load balancer has no address.",
            ],
            ["svc_election"],
            id="09: the missing address comes first",
        ),
        pytest.param(
            "onprem-28-hostname-mismatch.yaml",
            "default/nginx-ext",
            [
                "Node worker-01 has the hostname worker-01.lab.example.net.",
                "Without --hostname-override kube-proxy then finds no local endpoint",
            ],
            [],
            id="28: the hostname of a node",
        ),
        pytest.param(
            "onprem-36-dual-stack-v4-pods.yaml",
            "shop/web",
            [
                "no node has a usable endpoint of port http/TCP over IPv6",
                "other ports or families of the Service have endpoints",
                "Port http/TCP over IPv6: the usual cause is that no pod has an IPv6 address.",
            ],
            ["No endpoint is usable anywhere", "Find out why no pod is ready"],
            id="36: which family",
        ),
        pytest.param(
            "onprem-39-one-port-without-endpoints.yaml",
            "edge/ingress",
            [
                "no node has a usable endpoint of port pg/TCP over IPv4",
                "other ports or families of the Service have endpoints",
                "Port pg/TCP over IPv4: the usual cause is that its targetPort is no port of a ready container.",
            ],
            ["No endpoint is usable anywhere", "Find out why no pod is ready"],
            id="39: which port",
        ),
        pytest.param(
            "onprem-40-metallb-shared-remediation.yaml",
            "dns/dns-tcp",
            [
                "It shares its address with dns/dns-udp. Change all of them",
                "kubectl -n dns patch service dns-tcp",
                "kubectl -n dns patch service dns-udp",
            ],
            [],
            id="40: both Services that share an address",
        ),
    ],
)
def test_explain_says_what_matters(case: str, service: str, there: list[str], absent: list[str]) -> None:
    text = text_of(case, service)
    assert [part for part in there if part not in text] == []
    assert [part for part in absent if part in text] == []


def test_check_warns_of_an_assumption() -> None:
    """onprem-28: the table alone would look like a certain answer."""
    run = etpguard("check", "-f", CASES / "onprem-28-hostname-mismatch.yaml")
    assert "etpguard: warning: assumed for default/nginx-ext: kube-proxy has --hostname-override" in run.err
    assert "1 Service rests on an assumption" in run.out


def test_a_policy_leaves_services_with_a_shared_address_alone() -> None:
    """onprem-40: Cluster on one of the two takes its address away. The other one is Unknown, since this dump
    does not say which node answers for the address."""
    case, policy = CASES / "onprem-40-metallb-shared-remediation.yaml", CASES / "onprem-40-policy.yaml"
    rows = etpguard("check", "-f", case, "--policy", policy, "-o", "json").report["remediations"]
    assert {row["name"]: (row["action"], row["reason"]) for row in rows} == {
        "dns-tcp": ("None", "OutcomeNeverRemediated"),
        "dns-udp": ("None", "SharedAddress"),
    }


@pytest.mark.parametrize(
    "case", ["onprem-36-dual-stack-v4-pods.yaml", "onprem-39-one-port-without-endpoints.yaml"]
)
def test_the_report_says_that_other_ports_work(case: str) -> None:
    (report,) = services(case).values()
    assert report["outcome"] == "NoEndpoints"
    assert "other ports or families of the Service have endpoints" in report["reason"]
