"""Any annotation, label or class name that people may write: no family raises, and each report is consistent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etpguard.assess import Outcome
from etpguard.assess.consumers.families import metallb
from etpguard.assess.consumers.families.aws_cloud_provider import annotations as aws_cloud_provider
from etpguard.assess.consumers.families.azure import annotations as azure
from etpguard.assess.consumers.families.cilium import services as cilium
from etpguard.assess.consumers.families.clouds import (
    alibaba,
    huawei,
    ibm,
    oci,
    openstack,
    outscale,
    tencent,
    vsphere,
    yandex,
)
from etpguard.assess.consumers.families.gke.backend_configs import BACKEND_CONFIGS
from etpguard.assess.consumers.families.gke.ingress import NEG
from etpguard.assess.consumers.families.gke.passthrough import L4_CLASSES
from etpguard.report import explain_verdict
from tests.assess.consumers.worlds import Json, endpoints, ingress, nodes, service, world
from tests.examples import examples

_AZURE = ("health-probe_port", "health-probe_protocol", "health-probe_request-path", "no_probe_rule", "no_lb_rule")
KEYS = (
    aws_cloud_provider.TYPE,
    aws_cloud_provider.TARGET_NODES,
    aws_cloud_provider.CHECK_PORT,
    aws_cloud_provider.CHECK_PROTOCOL,
    aws_cloud_provider.CHECK_PATH,
    azure.PROTOCOL,
    *(f"service.beta.kubernetes.io/port_80_{what}" for what in _AZURE),
    NEG,
    BACKEND_CONFIGS[0],
    "networking.gke.io/load-balancer-type",
    openstack.MONITOR,
    openstack.NODE_SELECTOR,
    oci.TYPE,
    oci.LB_SELECTOR,
    oci.NLB_SELECTOR,
    oci.PRESERVE_SOURCE,
    ibm.NODE_SELECTOR,
    ibm.ZONE,
    ibm.FEATURES,
    alibaba.BACKEND_TYPE,
    *alibaba.AlibabaCloud.node_selectors,
    tencent.BACKENDS_LABEL,
    outscale.NODE_LABELS,
    outscale.CHECK_PORT,
    outscale.CHECK_PROTOCOL,
    huawei.CHECK_FLAG,
    yandex.TARGET_GROUP,
    vsphere.CLASS,
    "lbipam.cilium.io/ips",
    "kube-vip.io/loadbalancerIPs",
    "metallb.io/address-pool",
    "traefik.ingress.kubernetes.io/service.nodeportlb",
)
VALUES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["", "true", "false", "traffic-port", "80", "0", "-1", "10256", "32000", "٣", "9" * 5000, "tcp", "HTTPS"]
    ),
    st.sampled_from(['{"ingress":true}', "[" * 20000, '{"a":1,"Ingress":null}', "k=v,=,,k", "\x00", "ß=ẞ"]),
)
ANNOTATIONS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4)
CLASSES = st.one_of(
    st.none(),
    st.text(max_size=20),
    st.sampled_from([cilium.L2, cilium.BGP, cilium.NODE_IPAM, *L4_CLASSES, *metallb.CLASSES]),
)
STATUS = st.lists(
    st.fixed_dictionaries({}, optional={"ip": st.ip_addresses().map(str), "hostname": st.text(max_size=9)}),
    max_size=3,
)
SCHEMES = st.sampled_from(
    [
        *("", "aws", "gce", "azure", "openstack", "hcloud", "k3s", "kind", "x"),
        *("oci", "ibm", "alicloud", "qcloud", "huaweicloud", "yandex", "vsphere"),
    ]
)


@st.composite
def clusters(draw: st.DrawFn) -> list[Json]:
    subject: Any = service(
        type=draw(st.sampled_from(["LoadBalancer", "NodePort"])),
        annotations=draw(ANNOTATIONS),
        loadBalancerClass=draw(CLASSES),
        ingress=draw(STATUS),
    )
    made: Any = ingress(
        class_name=draw(st.none() | st.text(max_size=9)),
        annotations=draw(st.dictionaries(st.just("kubernetes.io/ingress.class"), st.text(max_size=9))),
    )
    members = [*nodes(draw(SCHEMES), "a", "b"), *nodes(draw(SCHEMES), "c")]
    on = draw(st.sets(st.sampled_from("abcz")))
    return [subject, endpoints(*sorted(on)), *([made] if draw(st.booleans()) else []), *members]


@settings(max_examples=examples(400), deadline=None)
@given(clusters())
def test_no_family_raises_and_what_is_said_is_sound(objects: list[Json]) -> None:
    made = world(*objects)
    assessment = made.assessment
    for verdict in assessment.consumers:
        assert verdict.uncovered & ~verdict.eligible == 0
        assert verdict.eligible & ~assessment.nodes == 0
        assert verdict.consumer.family
        assert explain_verdict(verdict)
        assert hash(verdict.consumer.targets.rule) is not None
    known = [v.outcome for v in assessment.consumers if not v.consumer.incidental]
    assert not known or assessment.outcome == max(known)
    assert all(made.advice())


@settings(max_examples=examples(100), deadline=None)
@given(clusters())
def test_where_every_node_is_covered_nobody_loses_anything(objects: list[Json]) -> None:
    full = [endpoints("a", "b", "c") if made["kind"] == "EndpointSlice" else made for made in objects]
    for verdict in world(*full).assessment.consumers:
        assert verdict.outcome in (Outcome.NotAffected, Outcome.Covered, Outcome.Unknown, Outcome.NoTargets)
        if verdict.outcome in (Outcome.Unknown, Outcome.NoTargets):
            assert not verdict.uncovered


@pytest.mark.parametrize("names", [1, 400], ids=["one node", "many long names"])
def test_advice_is_bounded_however_long_the_names_are(names: int) -> None:
    long = service(
        selector={f"{'k' * 60}{i}": "v" * 63 for i in range(names)},
        annotations={"load-balancer.hetzner.cloud/location": "y"},
    )
    members = [name * 63 for name in ("a", "b")]
    label = {"node.kubernetes.io/exclude-from-external-load-balancers": ""}
    advice = world(long, endpoints(*members), *nodes("", *members, labels=label)).advice()
    assert advice
