"""What to do about an outcome: whose advice counts, in which order, and how much of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from etpguard.assess import DataPlane, Engine, Options
from etpguard.assess.advice import LIMIT, Advisor, seen_behind
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.remedies import ClientIP, cluster
from etpguard.assess.data_planes.interface import AllNodes, KnownDataPlane, NodePlanes, PlaneGroup
from etpguard.assess.probe import AnswersEverywhere
from etpguard.objects import INGRESS, SERVICE, SERVICE_COVERAGE, Key, Node, Record, Reject, Service
from tests.assess.build import (
    NODES,
    ON_N1,
    WEB,
    Given,
    consumer,
    endpoint_slice,
    node,
    one_plane,
    picture_with,
    record,
    service,
)
from tests.assess.consumers.checks import shown

NOWHERE = endpoint_slice([])


class Advising(Given):
    """A family that says what it is asked about."""

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        hosts = ", ".join(node.metadata.name for node in nodes)
        yield Advice(f"{verdict.consumer.name} ({verdict.outcome.name}): {hosts}")
        yield Advice("the same for all")


def advice(
    *objects: Record | Reject, family: Given | None = None, options: Options | None = None, unread: bool = False
) -> list[str]:
    """For the Service `web`."""
    families = [family or Given()]
    picture = picture_with(*objects, families=families)
    if unread:
        picture.unread[INGRESS] = "forbidden"
    engine = Engine(picture, families, options)
    engine.refresh_all()
    return [shown(item) for item in Advisor(picture, families)(engine.assessments[WEB])]


@pytest.mark.parametrize(
    ("objects", "given", "expected"),
    [
        pytest.param(
            [service(selector={"app": "web"}), NOWHERE, *NODES],
            {},
            ["Find out why no pod is ready"],
            id="no endpoints: the pods",
        ),
        pytest.param(
            [service(), NOWHERE, *NODES],
            {},
            ["Find out who writes the EndpointSlices of the Service"],
            id="no endpoints and no selector: who writes the slices",
        ),
        pytest.param(
            [service(selector={"app": "web"}), ON_N1, *NODES],
            {},
            [
                "Find out who sends traffic to the node ports of Service default/web",
                "Run a ready pod",
                "Let every",
            ],
            id="uncovered",
        ),
        pytest.param(
            [service(), ON_N1, *NODES],
            {},
            ["Find out who sends traffic", "Have a ready endpoint on every node", "Let every"],
            id="uncovered, of endpoints that no selector finds",
        ),
        pytest.param(
            [service(), ON_N1, node("n1", "False")],
            {},
            ["Find out why no node is eligible"],
            id="no node is eligible",
        ),
        pytest.param([service(), ON_N1, *NODES], {"unread": True}, ["Let etpguard list"], id="unread kinds"),
        pytest.param([service(), *NODES], {}, ["Add the EndpointSlices to the input"], id="no slice at all"),
        pytest.param(
            [service(), ON_N1, *NODES],
            {"options": Options(one_plane(DataPlane.OTHER))},
            ["Test a node port of each node from outside"],
            id="a data plane that is not known",
        ),
        pytest.param(
            [service(selector={"apps.kubernetes.io/pod-index": "0"}), ON_N1, *NODES], {}, [], id="nothing is wrong"
        ),
    ],
)
def test_without_a_consumer(objects: list[Record], given: dict[str, Any], expected: list[str]) -> None:
    found = advice(*objects, **given)
    assert len(found) == len(expected)
    assert all(piece.startswith(beginning) for piece, beginning in zip(found, expected, strict=True)), found


def test_nodes_with_an_endpoint_are_named_up_to_five() -> None:
    names = [f"n{number}" for number in range(8)]
    on = endpoint_slice([{"addresses": [f"10.0.0.{n}"], "nodeName": name} for n, name in enumerate(names[:7])])
    first, *_ = advice(service(), on, *map(node, names))
    assert first.endswith("Nodes with an endpoint: n0, n1, n2, n3, n4 and 2 more.")


CLUSTER_IP = {"type": "ClusterIP", "ports": [{"name": "http", "port": 80}]}
VIP = "to which nodes the network sends traffic for 192.0.2.7"
MASTER = "\nNo API object shows who has an external IP: with keepalived, the node in state MASTER. No known"
PORTS = "Find out who sends traffic to the node ports of Service default/web"


@pytest.mark.parametrize(
    ("spec", "begins"),
    [
        pytest.param({}, f"{PORTS}\nNo known load balancer avoids", id="node ports"),
        pytest.param({"externalIPs": ["192.0.2.7"]}, f"{PORTS}, and {VIP}{MASTER}", id="and an external IP"),
        pytest.param(
            {**CLUSTER_IP, "externalIPs": ["192.0.2.7"]},
            f"Find out {VIP}{MASTER}",
            id="no node port, so no word about node ports",
        ),
        pytest.param(
            {"type": "LoadBalancer"},
            f"{PORTS}\nNo load balancer has given it an address: its EXTERNAL-IP is pending. No known",
            id="a load balancer that is pending",
        ),
        pytest.param(
            {"type": "LoadBalancer", "externalIPs": ["192.0.2.7"]},
            f"{PORTS}, and {VIP}{MASTER}",
            id="a load balancer that is pending beside an external IP: EXTERNAL-IP shows the latter",
        ),
    ],
)
def test_uncovered_advice_names_the_ways_in_that_the_service_has(spec: dict[str, Any], begins: str) -> None:
    ports = spec.get("ports", [{"name": "http", "port": 80, "nodePort": 30080}])
    rest = {name: value for name, value in spec.items() if name != "ports"}
    first, *_ = advice(service("web", ports, **rest), ON_N1, *NODES)
    assert first.startswith(begins), first


HTTP = {"name": "http", "protocol": "TCP", "port": 8080}
ADMIN = {"name": "admin", "protocol": "TCP", "port": 9000}


@pytest.mark.parametrize(
    ("on_n1", "on_n2", "expected"),
    [
        pytest.param([HTTP, ADMIN], [HTTP], "Nodes with an endpoint of port admin: n1.", id="the second port"),
        pytest.param(
            [HTTP],
            [HTTP, ADMIN],
            "Nodes with an endpoint of port admin: n2.",
            id="the second port on another node",
        ),
        pytest.param([HTTP, ADMIN], [ADMIN], "Nodes with an endpoint of port http: n1.", id="the first port"),
        pytest.param(
            [HTTP, ADMIN],
            [HTTP, ADMIN],
            "Nodes with an endpoint of port http: n1, n2.",
            id="both, of which the advice names the first",
        ),
        pytest.param(
            [HTTP],
            [HTTP],
            "Nodes with an endpoint of port http: n1, n2.",
            id="one, while the other has none at all",
        ),
    ],
)
def test_nodes_with_an_endpoint_are_those_of_the_port_that_most_drop(
    on_n1: Sequence[Any], on_n2: Sequence[Any], expected: str
) -> None:
    ports = [{"name": "http", "port": 80, "nodePort": 30080}, {"name": "admin", "port": 90, "nodePort": 30090}]
    slices = [
        endpoint_slice([{"addresses": [f"10.0.0.{n}"], "nodeName": f"n{n}"}], served, name=f"web-{n}")
        for n, served in ((1, on_n1), (2, on_n2))
    ]
    first, *_ = advice(service(ports=ports), *slices, *NODES)
    assert first.endswith(expected)


def test_advice_for_the_worst_consumer_is_first_and_no_advice_is_repeated() -> None:
    family = Advising(web=[consumer("mild"), consumer("bad", AnswersEverywhere())])
    assert advice(service(), ON_N1, *NODES, family=family) == [
        "bad (Blackhole): n1 (Ingress default/bad, port http)",
        "the same for all",
        "mild (TargetsUnhealthy): n1 (Ingress default/mild, port http)",
    ]


@pytest.mark.parametrize(
    ("consumers", "general"),
    [
        pytest.param([consumer(incidental=True)], True, id="beside an incidental consumer"),
        pytest.param([consumer()], False, id="beside a known one"),
    ],
)
def test_what_holds_for_any_service_is_added_where_no_consumer_is_known(
    consumers: list[Consumer], general: bool
) -> None:
    found = advice(service(), ON_N1, *NODES, family=Advising(web=consumers))
    assert any(piece.startswith("Find out who sends traffic") for piece in found) is general


def test_no_more_than_can_be_read() -> None:
    many = [consumer(f"lb-{number}-{'x' * 2000}") for number in range(20)]
    found = advice(service(), ON_N1, *NODES, family=Advising(web=many))
    assert len(found) == LIMIT


def test_of_a_remediated_service_advice_gives_the_two_ways_on() -> None:
    intent = {"phase": "Applied", "serviceUID": "uid-web", "originalPolicy": "Local"}
    raw = {"metadata": {"name": "web", "namespace": "default"}, "status": {"remediation": intent}}
    changed, report = service(externalTrafficPolicy="Cluster"), record(SERVICE_COVERAGE, raw)
    found = advice(changed, ON_N1, *NODES, report, family=Advising(web=[consumer("lb")]))
    assert [piece.partition("\n")[0] for piece in found] == [
        "Keep Cluster: set it at the source",
        "Or go back to Local",
    ]


def test_a_family_that_fails_is_named_and_gives_no_advice() -> None:
    class Failing(Given):
        def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
            yield Advice("before it fails")
            raise TypeError("a fault")

    family, failures = Failing(web=[consumer("lb")]), list[tuple[str, str]]()
    picture = picture_with(service(), ON_N1, *NODES, families=[family])
    engine = Engine(picture, [family])
    engine.refresh_all()
    advisor = Advisor(picture, [family], on_failure=lambda what, error: failures.append((what, str(error))))
    assert advisor(engine.assessments[WEB]) == []
    assert failures == [("the advice of given for Service default/web", "a fault")]


def test_a_service_that_is_gone_needs_none() -> None:
    family = Advising(web=[consumer("lb")])
    picture = picture_with(service(), ON_N1, *NODES)
    engine = Engine(picture, [family])
    engine.refresh_all()
    change = picture.store(SERVICE).delete(Key("default", "web"), 10**9)
    assert change is not None
    picture.absorb([change])
    assert Advisor(picture, [family])(engine.assessments[WEB]) == []


CALICO, CILIUM = one_plane(DataPlane.CALICO_EBPF), one_plane(DataPlane.CILIUM)


@pytest.mark.parametrize(
    ("planes", "written", "shown_cost"),
    [
        pytest.param(one_plane(DataPlane.KUBE_PROXY), ClientIP.LOST, ClientIP.LOST, id="kube-proxy replaces it"),
        pytest.param(CALICO, ClientIP.LOST, ClientIP.UNCHANGED, id="Calico eBPF keeps it"),
        pytest.param(CALICO, ClientIP.VARIES, ClientIP.UNCHANGED, id="Calico eBPF keeps what it gets"),
        pytest.param(CALICO, ClientIP.FORWARDED, ClientIP.UNCHANGED, id="Calico eBPF keeps the peer"),
        pytest.param(CALICO, ClientIP.HIDDEN, ClientIP.HIDDEN, id="hidden by the load balancer"),
        pytest.param(CILIUM, ClientIP.LOST, ClientIP.VARIES, id="Cilium keeps it in the mode DSR"),
        pytest.param(CILIUM, ClientIP.FORWARDED, ClientIP.FORWARDED, id="Cilium and a proxy"),
    ],
)
def test_the_cost_of_cluster_depends_on_the_data_plane(
    planes: AllNodes, written: ClientIP, shown_cost: ClientIP
) -> None:
    class Changing(Given):
        def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
            yield cluster(service, written)

    family = Changing(web=[consumer(probe=AnswersEverywhere())])
    picture = picture_with(service(), ON_N1, *NODES, families=[family])
    engine = Engine(picture, [family], Options(planes))
    engine.refresh_all()
    (item,) = Advisor(picture, [family], lambda: engine.planes)(engine.assessments[WEB])
    assert item.cost == f"Cost: one extra network hop. {shown_cost.value}"


@pytest.mark.parametrize(
    ("others", "certain", "expected"),
    [
        pytest.param(DataPlane.CALICO_EBPF, True, ClientIP.UNCHANGED, id="Calico on every node"),
        pytest.param(DataPlane.KUBE_PROXY, True, ClientIP.VARIES, id="on some nodes"),
        pytest.param(DataPlane.CALICO_EBPF, False, ClientIP.VARIES, id="that it is Calico is not certain"),
    ],
)
def test_the_client_address_is_kept_where_every_node_keeps_it(
    others: DataPlane, certain: bool, expected: ClientIP
) -> None:
    first, second = (KnownDataPlane(name) for name in (DataPlane.CALICO_EBPF, others))
    other = NodePlanes((PlaneGroup(KnownDataPlane(DataPlane.KUBE_PROXY), 3),))
    planes = NodePlanes((PlaneGroup(first, 1), PlaneGroup(second, 2)), otherwise=() if certain else (other,))
    (item,) = seen_behind(planes, 3, [cluster(service(), ClientIP.LOST)])
    assert expected.value in item.cost
    (of_no_node,) = seen_behind(planes, 0, [cluster(service(), ClientIP.LOST)])
    assert ClientIP.LOST.value in of_no_node.cost
    (kept,) = seen_behind(planes, 3, [Advice("Do nothing", cost=ClientIP.LOST.value)])
    assert kept.cost == ClientIP.LOST.value
