"""The comparison itself, on matrices made up: what counts as a mismatch and what does not."""

from __future__ import annotations

import pytest

from devcluster.dataplane.evidence import rules_of
from devcluster.dataplane.matrix import Cell, Matrix, PortKey, Prediction, State, compare, served
from devcluster.dataplane.probe import Observation

KEY = PortKey("default", "web", "http", "TCP", "IPv4")
CELL = Cell(KEY, "node1", "198.51.100.10", 30851)
PODS = {("default", "here"): "node1", ("default", "elsewhere"): "node2"}

BY_A_LOCAL_POD = Observation("answered", pod="here")
BY_ANOTHER_NODES_POD = Observation("answered", pod="elsewhere")
TIMED_OUT, REFUSED = Observation("timed out"), Observation("refused")
FAILED = Observation("failed", detail="EHOSTUNREACH")


@pytest.mark.parametrize(
    ("state", "agreeing"),
    [
        pytest.param("ready", [BY_A_LOCAL_POD], id="ready"),
        pytest.param("terminating", [BY_A_LOCAL_POD], id="terminating"),
        pytest.param("dropped", [TIMED_OUT], id="dropped"),
        pytest.param("rejected", [REFUSED], id="rejected"),
    ],
)
def test_each_state_agrees_with_one_observation_alone(state: State, agreeing: list[Observation]) -> None:
    for seen in (BY_A_LOCAL_POD, BY_ANOTHER_NODES_POD, TIMED_OUT, REFUSED, FAILED):
        found = compare({KEY: {"node1": state}}, Matrix({CELL: seen}, frozenset({KEY}), PODS))
        assert bool(found) == (seen not in agreeing), seen


@pytest.mark.parametrize(
    ("predicted", "observed", "local", "words"),
    [
        pytest.param({}, {CELL: TIMED_OUT}, True, "predicted nothing, observed a port served", id="not predicted"),
        pytest.param({KEY: {"node1": "ready"}}, {}, False, "observed no such port", id="not served"),
        pytest.param(
            {KEY: {"node2": "ready"}},
            {CELL: BY_A_LOCAL_POD},
            True,
            "node1 at 198.51.100.10 port 30851: predicted nothing for this node, observed answered by here",
            id="node not predicted",
        ),
    ],
)
def test_what_only_one_side_knows(
    predicted: Prediction, observed: dict[Cell, Observation], local: bool, words: str
) -> None:
    (found,) = compare(predicted, Matrix(observed, frozenset({KEY}) if local else frozenset(), PODS))
    assert words in str(found)
    assert str(found).startswith("default/web:http TCP IPv4 on ")


@pytest.mark.parametrize(
    ("seen", "mismatches"),
    [
        pytest.param([BY_A_LOCAL_POD, BY_ANOTHER_NODES_POD], 0, id="all answer, wherever the pod"),
        pytest.param([REFUSED, REFUSED], 0, id="all refuse"),
        pytest.param([BY_A_LOCAL_POD, REFUSED], 1, id="one differs"),
        pytest.param([TIMED_OUT, TIMED_OUT], 2, id="Cluster never drops"),
    ],
)
def test_under_cluster_all_nodes_do_the_same(seen: list[Observation], mismatches: int) -> None:
    cells = {CELL._replace(node=f"node{number}"): one for number, one in enumerate(seen)}
    assert len(compare({}, Matrix(cells, frozenset(), PODS))) == mismatches


def test_what_a_service_serves_outside() -> None:
    service = {
        "metadata": {"namespace": "default", "name": "web"},
        "spec": {
            "ipFamilies": ["IPv4", "IPv6"],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30851}],
            "externalIPs": ["198.51.100.200"],
        },
        "status": {
            "loadBalancer": {
                "ingress": [
                    {"ip": "2001:db8:52::1", "ipMode": "VIP"},
                    {"ip": "198.51.100.201", "ipMode": "Proxy"},
                    {"hostname": "lb.example"},
                ]
            }
        },
    }
    v6 = KEY._replace(family="IPv6")
    assert list(served(service)) == [
        (KEY, 30851, []),
        (KEY, 80, ["198.51.100.200"]),
        (v6, 30851, []),
        (v6, 80, ["2001:db8:52::1"]),
    ]


NFT = """table ip kube-proxy {
\tmap service-nodeports {
\t\telements = { tcp . 30851 : goto external-AAAA-default/web/tcp/http,
\t\t\t     tcp . 30852 : goto external-BBBB-default/web-2/tcp/http }
\t}
\tchain external-AAAA-default/web/tcp/http {
\t\tgoto service-AAAA
\t}
\tchain external-BBBB-default/web-2/tcp/http {
\t\tgoto service-BBBB
\t}
}
"""
IPTABLES = """*filter
-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web:http" -j KUBE-EXT-AAAA
-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web-2:http" -j KUBE-EXT-BBBB
COMMIT
"""


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        pytest.param(NFT, ["elements", "chain external-AAAA", "goto service-AAAA", "}"], id="nft: whole chains"),
        pytest.param(IPTABLES, ["KUBE-EXT-AAAA"], id="iptables: lines"),
    ],
)
def test_rules_of_one_service(rules: str, kept: list[str]) -> None:
    """A Service whose name goes on is another."""
    lines = rules_of(rules, "default/web")
    assert len(lines) == len(kept)
    assert all(words in line for words, line in zip(kept, lines, strict=True))
