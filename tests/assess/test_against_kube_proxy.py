"""The node states against a second rendering of kube-proxy's rule, on random clusters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from etpguard.assess import Engine, picture_for
from etpguard.assess.node_states import ServiceStates, proxied
from etpguard.cluster import NodeTable, Picture
from etpguard.objects import ENDPOINT_SLICE, NODE, SERVICE, AnyKind, Service, decode_page
from tests.assess.data_planes.faults import RIGHT, Copy, faulty
from tests.assess.data_planes.states import KUBE_PROXY, no_labels
from tests.assess.kube_proxy_rule import (
    DROPPED,
    READY,
    REJECTED,
    TERMINATING,
    NamespacedName,
    Proxier,
    ServicePortName,
)
from tests.assess.random_clusters import Cluster, features, random_cluster

pytestmark = [pytest.mark.no_cover, pytest.mark.one_python]

CLUSTERS, SOAK_CLUSTERS = 2_000, 40_000

# Every shape that the comparison claims to cover, and so has to meet.
SHAPES = {
    "duplicate ip:port",
    "duplicate ip:port, running and terminating",
    "nil conditions",
    "nil ready",
    "nil serving",
    "nil terminating",
    "nil nodeName",
    "node without a Node object",
    "ready and terminating",
    "two target ports under one name",
    "port without a number",
    "port with a nil name",
    "unnamed port",
    "foreign address type",
    "FQDN slice",
    "slice of no Service",
    "dual stack",
    "no ipFamilies",
    "family without a cluster IP",
    "headless Service",
    "headless label on a slice",
    "service-proxy-name on a Service",
    "service-proxy-name on a slice",
    "ExternalName",
    "Service being deleted",
    "UDP",
    "SCTP",
    "ClusterIP with external IPs",
    "LoadBalancer without a node port",
    "ingress IP of mode None",
    "ingress IP of mode VIP",
    "ingress IP of mode Proxy",
    "ingress hostname",
    "healthCheckNodePort",
    "internalTrafficPolicy Local",
    "no address",
    "second address",
    "topology hint",
    "address in another spelling",
}

# (namespace, Service, port, protocol, family, node) -> state, and (namespace, Service, family, node) -> healthy
States = dict[tuple[str, str, str, str, str, str], str]
Healthy = dict[tuple[str, str, str, str], bool]
Observed = tuple[States, Healthy]


def by_kube_proxy(cluster: Cluster) -> Observed:
    """One kube-proxy a node and family."""
    states: States = {}
    healthy: Healthy = {}
    for node in cluster.nodes:
        name, zone = node["metadata"]["name"], node["metadata"]["labels"]["topology.kubernetes.io/zone"]
        for family in ("IPv4", "IPv6"):
            proxier = Proxier(name, family, zone)
            proxier.sync(cluster.services, cluster.slices)
            at: ServicePortName
            for at, state in proxier.external_states().items():
                states[*at.service, at.port, at.protocol, family, name] = state
            service: NamespacedName
            for service, count in proxier.health_check_counts().items():
                healthy[*service, family, name] = count > 0
    return states, healthy


def picture_of(cluster: Cluster) -> Picture:
    """Through JSON and the decoders, as a list from the API would come."""
    picture = picture_for(())
    kinds: list[tuple[AnyKind, list[dict[str, Any]]]] = [
        (NODE, cluster.nodes),
        (SERVICE, cluster.services),
        (ENDPOINT_SLICE, cluster.slices),
    ]
    for kind, items in kinds:
        page = decode_page(kind, msgspec.json.encode({"metadata": {"resourceVersion": "1"}, "items": items}))
        assert page.rejects == []
        picture.absorb(picture.store(kind).replace(page.items))
    return picture


def by_etpguard(cluster: Cluster, copy: Copy = RIGHT) -> Observed:
    """`copy` holds the rules, or rules with a fault."""
    picture = picture_of(cluster)
    states: States = {}
    healthy: Healthy = {}
    for service in picture.store(SERVICE):
        if service.policy != "Local":
            continue
        slices = picture.slices(service.key)
        found: ServiceStates = copy.states(KUBE_PROXY, service, slices, picture.nodes.bit, no_labels)
        _record(service, found, picture.nodes, states, healthy)
    return states, healthy


def _record(service: Service, found: ServiceStates, nodes: NodeTable, states: States, healthy: Healthy) -> None:
    for port in found.ports:
        sets = {
            READY: port.ready & nodes.present,
            TERMINATING: port.terminating & nodes.present,
            DROPPED: port.dropped(nodes.present),
            REJECTED: port.rejected(nodes.present),
        }
        for node in nodes.names(nodes.present):
            inside = [state for state, members in sets.items() if members & nodes.bit(node)]
            states[*service.key, port.port, port.protocol, port.family, node] = " and ".join(inside)
    checked = service.type == "LoadBalancer" and service.spec.health_check_node_port
    if checked and proxied(service):
        for family, members in found.healthy.items():
            for node in nodes.names(nodes.present):
                healthy[*service.key, family, node] = bool(members & nodes.bit(node))


def test_no_random_cluster_differs_from_kube_proxy() -> None:
    compare(CLUSTERS)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_no_random_cluster_of_many_differs_from_kube_proxy() -> None:
    compare(SOAK_CLUSTERS)


def compare(clusters: int) -> None:
    seen: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    for seed in range(clusters):
        cluster = random_cluster(seed)
        expected, healthy = by_kube_proxy(cluster)
        assert by_etpguard(cluster) == (expected, healthy), f"random_cluster({seed})"
        seen += features(cluster)
        counted += Counter(expected.values())
        counted["healthCheckNodePort 200"] += sum(healthy.values())
        counted["healthCheckNodePort 503"] += len(healthy) - sum(healthy.values())
    print(f"\n{clusters} clusters contained")
    for shape, count in sorted(seen.items()):
        print(f"  {count:6} x {shape}")
    print("answers, one a node, port and family:", dict(counted))
    assert {shape for shape, count in seen.items() if count} >= SHAPES
    answers = (READY, TERMINATING, DROPPED, REJECTED, "healthCheckNodePort 200", "healthCheckNodePort 503")
    assert all(counted[answer] > clusters / 4 for answer in answers)


def test_the_engine_assesses_just_the_services_that_kube_proxy_serves_externally() -> None:
    for seed in range(300):
        cluster = random_cluster(seed)
        expected, _ = by_kube_proxy(cluster)
        assessed = Engine(picture_of(cluster), ()).refresh_all()
        served = {key for key, assessment in assessed.items() if assessment and assessment.ports}
        assert served == {(namespace, name) for namespace, name, *_ in expected}, f"random_cluster({seed})"
        others = [assessment for key, assessment in assessed.items() if assessment and key not in served]
        assert {each.reason.code for each in others} <= {"NoNodePort"}, "load balancers past the nodes"


def first_difference(copy: Copy, differs: Callable[[Observed, Observed], bool]) -> int | None:
    for seed in range(400):
        cluster = random_cluster(seed)
        if differs(by_etpguard(cluster, copy), by_kube_proxy(cluster)):
            return seed
    return None


TRACKERS, NODE_STATES, KUBE_PROXY_RULE = "data_planes.trackers", "node_states", "data_planes.kube_proxy"


@pytest.mark.parametrize(
    ("module", "right", "wrong"),
    [
        pytest.param(
            TRACKERS,
            "if at not in found or not is_terminating(endpoint):",
            "if at not in found:",
            id="first copy wins",
        ),
        pytest.param(
            TRACKERS,
            "if at not in found or not is_terminating(endpoint):",
            "if True:",
            id="a terminating copy replaces",
        ),
        pytest.param(
            TRACKERS, "return True if ready is None else ready", "return bool(ready)", id="nil ready is false"
        ),
        pytest.param(
            TRACKERS,
            "return True if serving is None else serving",
            "return is_ready(endpoint) if serving is None else serving",
            id="nil serving inherits ready",
        ),
        pytest.param(
            TRACKERS, "elif ending and is_serving(same[0]):", "elif is_serving(same[0]):", id="serving is enough"
        ),
        pytest.param(TRACKERS, "elif ending and is_serving(same[0]):", "elif ending:", id="terminating is enough"),
        pytest.param(
            TRACKERS,
            "nodes = 0",
            "nodes = 0 if len(names) == len(same) else -1",
            id="nil nodeName is local everywhere",
        ),
        pytest.param(TRACKERS, " and HEADLESS not in slice_.labels", "", id="headless slices count"),
        pytest.param(
            KUBE_PROXY_RULE,
            "by_port.get((family, port.label,",
            'by_port.get(("IPv4", port.label,',
            id="one family for both",
        ),
        pytest.param(
            TRACKERS,
            '(family, q.name or "", q.protocol',
            '(family, q.name or "nil", q.protocol',
            id="a nil name is not the empty one",
        ),
        pytest.param(
            TRACKERS,
            "terminating &= ~ready",
            "terminating &= -1",
            id="ready and terminating at once",
        ),
        pytest.param(
            TRACKERS,
            "at = (canonical(endpoint.addresses[0]), port)",
            "at = (endpoint.addresses[0], 0)",
            id="by IP",
        ),
        pytest.param(
            NODE_STATES,
            'i.ip and i.ip_mode in (None, "VIP")}',
            "i.ip}",
            id="a proxying load balancer's IP is a VIP",
        ),
        pytest.param(
            NODE_STATES,
            "if proxy_name else PROXY_NAME not in service.labels",
            "if proxy_name else True",
            id="service-proxy-name is ignored",
        ),
    ],
)
def test_a_fault_in_one_line_is_caught(module: str, right: str, wrong: str) -> None:
    with faulty(module, right, wrong) as copy:
        seed = first_difference(copy, lambda ours, theirs: ours != theirs)
    assert seed is not None


def test_the_source_without_a_fault_is_not_caught() -> None:
    with faulty(TRACKERS, "folded into node sets.", "folded into sets of nodes.") as copy:
        assert first_difference(copy, lambda ours, theirs: ours != theirs) is None
