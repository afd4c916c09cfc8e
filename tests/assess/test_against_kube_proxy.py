"""The node states against a second rendering of kube-proxy's rule, on random clusters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from etpguard.assess import Engine
from tests.assess.by_kube_proxy import Observed, by_etpguard, by_kube_proxy, picture_of
from tests.assess.data_planes.faults import Copy, faulty
from tests.assess.kube_proxy_rule import (
    DROPPED,
    READY,
    REJECTED,
    TERMINATING,
)
from tests.assess.random_clusters import features, random_cluster

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
