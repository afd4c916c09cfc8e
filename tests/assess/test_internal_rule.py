"""Internal assessments against the rule of each node by itself: kube-proxy's, written a second time, and brute
force."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etpguard.assess import Engine, Options, Outcome
from etpguard.assess.data_planes.interface import DataPlane
from tests.assess.build import WEB, endpoint, endpoint_slice, node, one_plane, picture_with
from tests.assess.by_kube_proxy import picture_of
from tests.assess.inside import inside
from tests.assess.kube_proxy_rule import DROPPED, READY, REJECTED, TERMINATING, Proxier
from tests.assess.random_clusters import Cluster, random_cluster

Json = dict[str, Any]
States = dict[tuple[str, ...], str]
CLUSTERS = 400


def by_kube_proxy(cluster: Cluster) -> States:
    """One kube-proxy a Ready node and family."""
    states: States = {}
    for each in cluster.nodes:
        name, zone = each["metadata"]["name"], each["metadata"]["labels"]["topology.kubernetes.io/zone"]
        if each["status"]["conditions"][0]["status"] != "True":
            continue
        for family in ("IPv4", "IPv6"):
            proxier = Proxier(name, family, zone)
            proxier.sync(cluster.services, cluster.slices)
            for at, state in proxier.internal_states().items():
                states[*at.service, at.port, at.protocol, family, name] = state
    return states


def by_etpguard(cluster: Cluster) -> States:
    picture = picture_of(cluster)
    engine = Engine(picture, [])
    engine.refresh_all()
    states: States = {}
    for key, found in engine.internal.items():
        for port in found.ports:
            state, ready = port.state, found.eligible
            shown = {
                READY: state.ready & ready,
                TERMINATING: state.terminating & ready,
                DROPPED: state.dropped(ready),
                REJECTED: state.rejected(ready),
            }
            for name, nodes in shown.items():
                for each in picture.nodes.names(nodes):
                    states[*key, state.port, state.protocol, state.family, each] = name
    return states


@pytest.mark.no_cover
def test_each_node_is_in_the_state_that_its_kube_proxy_has() -> None:
    seen: set[str] = set()
    for seed in range(CLUSTERS):
        cluster = random_cluster(seed)
        expected = by_kube_proxy(cluster)
        assert by_etpguard(cluster) == expected, f"random_cluster({seed})"
        seen |= set(expected.values())
    assert seen == {READY, TERMINATING, DROPPED, REJECTED}


NAMES = ("n0", "n1", "n2", "n3")
CONDITIONS: tuple[Json, ...] = (
    {},
    {"ready": True},
    {"ready": False},
    {"ready": False, "serving": True, "terminating": True},
    {"ready": False, "serving": False, "terminating": True},
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    ready=st.lists(st.booleans(), min_size=4, max_size=4),
    pods=st.lists(st.tuples(st.sampled_from((*NAMES, None)), st.sampled_from(CONDITIONS)), max_size=6),
    plane=st.sampled_from((DataPlane.KUBE_PROXY, DataPlane.CALICO_EBPF, DataPlane.OVN_KUBERNETES)),
)
def test_the_uncovered_nodes_are_those_that_have_none_by_themselves(
    ready: list[bool], pods: list[tuple[str | None, Json]], plane: DataPlane
) -> None:
    """Brute force: each Ready node looks at its own endpoints."""

    def usable(conditions: Json) -> bool:
        if conditions.get("ready", True):
            return True
        fallback = bool(conditions.get("serving") and conditions.get("terminating"))
        return fallback and plane is not DataPlane.CALICO_EBPF

    nodes = [node(name, str(is_ready)) for name, is_ready in zip(NAMES, ready, strict=True)]
    endpoints = [endpoint(name, f"10.1.0.{n}", **conditions) for n, (name, conditions) in enumerate(pods)]
    picture = picture_with(inside(), endpoint_slice(endpoints), *nodes)
    engine = Engine(picture, [], Options(one_plane(plane, version="v3.31.7")))
    engine.refresh_all()
    found = engine.internal[WEB]
    anywhere = any(usable(conditions) for _, conditions in pods)
    local = {name for name, conditions in pods if usable(conditions)}
    wanted = [name for name, is_ready in zip(NAMES, ready, strict=True) if is_ready and name not in local]
    assert picture.nodes.names(found.uncovered) == (wanted if anywhere else [])
    expected = Outcome.NoEndpoints
    if anywhere:
        covered = Outcome.Covered if any(ready) else Outcome.Unknown
        expected = Outcome.Uncovered if wanted else covered
    assert found.outcome is expected


@pytest.mark.no_cover
@pytest.mark.parametrize("plane", list(DataPlane), ids=lambda plane: plane.value)
def test_every_rule_gives_the_cluster_ip_the_states_of_its_own(plane: DataPlane) -> None:
    """Whatever the data plane, each Ready node of each port is in exactly one state, known or not."""
    for seed in range(60):
        picture = picture_of(random_cluster(seed))
        engine = Engine(picture, [], Options(one_plane(plane)))
        engine.refresh_all()
        assert not engine.failures
        for found in engine.internal.values():
            for port in found.ports:
                state, ready = port.state, found.eligible
                parts = [state.forwarding & ready, state.dropped(ready), state.rejected(ready)]
                assert sum(part.bit_count() for part in parts) == ready.bit_count()
                assert not port.uncovered & port.unknown
                assert (port.uncovered | port.unknown) & ~ready == 0
