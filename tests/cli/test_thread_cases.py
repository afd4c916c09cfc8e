"""Traps that people report for each provider, through `etpguard check -f`.

A cluster has three nodes, a, b and c, and each Service has its only endpoint on node a. Several Services share one
cluster. The rules and their sources are in the modules of the providers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from tests.assess.consumers.worlds import NAMESPACE, endpoints, node, nodes, port, service
from tests.cli.program import etpguard

Json = dict[str, Any]
NAMES = ("a", "b", "c")
VERSIONS = {"Service": "v1", "Node": "v1", "EndpointSlice": "discovery.k8s.io/v1"}
ADDRESS: list[Json] = [{"ip": "203.0.113.9"}]
HOST: list[Json] = [{"hostname": "lb.example.com"}]
BETA = "service.beta.kubernetes.io/"


class Trap(NamedTuple):
    """A Service, its outcome, and a piece of its reason."""

    outcome: str
    reason: str = ""
    annotations: Mapping[str, str] = {}
    on: Sequence[str] = ("a",)
    protocol: str = "TCP"
    finalizers: Sequence[str] = ()
    class_name: str | None = None
    type: str = "LoadBalancer"
    ingress: Sequence[Json] = ADDRESS
    node_port: bool = True


def of(prefix: str, **values: str) -> dict[str, str]:
    """Annotations with this prefix; each "_" becomes "-"."""
    return {f"{prefix}{name.replace('_', '-')}": value for name, value in values.items()}


OPENSTACK, HCLOUD = "loadbalancer.openstack.org/", "load-balancer.hetzner.cloud/"
DO, LINODE = f"{BETA}do-loadbalancer-", f"{BETA}linode-loadbalancer-"
VULTR, SCALEWAY = f"{BETA}vultr-loadbalancer-", f"{BETA}scw-loadbalancer-"
EXOSCALE, OUTSCALE = f"{BETA}exoscale-loadbalancer-", f"{BETA}osc-load-balancer-"
IBM = "service.kubernetes.io/ibm-load-balancer-cloud-provider-"
ALIBABA = f"{BETA}alibaba-cloud-loadbalancer-"
GKE = "gke.networking.io/l4-"

LB_EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
SCHEMES = (
    *("openstack", "hcloud", "digitalocean", "linode", "vultr", "scaleway", "exoscale", "civo", "stackit"),
    *("huaweicloud", "qcloud", "yandex", "cloudscale", "vsphere", "gce", "ionos", "aws"),
)
CLUSTERS: dict[str, list[Json]] = {
    **{scheme: nodes(scheme, *NAMES) for scheme in SCHEMES},
    "kubeadm": nodes("", *NAMES),
    "upcloud": [node(name, f"upcloud:////{name}") for name in NAMES],
    "oci": [node(name, f"ocid1.instance.{name}") for name in NAMES],
    "alibaba": [node(name, f"cn-beijing.i-{name}") for name in NAMES],
    "ibm": [*nodes("ibm", "a", "b"), node("c", "ibm://c", labels={"dedicated": "edge"})],
    "azure": [node("a", "azure:///a", labels={LB_EXCLUDE: "false"}), *nodes("azure", "b", "c")],
    "k3s": [node(name, f"k3s://{name}", addresses=[f"10.0.0.{i}"]) for i, name in enumerate(NAMES, 1)],
}

TRAPS: dict[str, dict[str, Trap]] = {
    "openstack": {
        "monitor-by-cloud-config": Trap("Unknown", "create-monitor", of(OPENSTACK, load_balancer_id="x")),
        "monitor-on": Trap("TargetsUnhealthy", "", of(OPENSTACK, enable_health_monitor="true")),
        "monitor-off": Trap("Blackhole", "", of(OPENSTACK, enable_health_monitor="false")),
        "selects-no-node": Trap("NoTargets", "", of(OPENSTACK, node_selector="x=y")),
        "no-target-covered": Trap("Outage", "", of(OPENSTACK, load_balancer_id="x"), on=("ghost",)),
        "udp-connect": Trap("Unknown", "UDP", of(OPENSTACK, enable_health_monitor="true"), protocol="UDP"),
    },
    "hcloud": {
        "tcp-check": Trap("TargetsUnhealthy", "TCP", of(HCLOUD, location="fsn1")),
        "udp": Trap("NoTargets", "does not serve UDP", of(HCLOUD, location="fsn1"), protocol="UDP"),
        "check-on-health-port": Trap("Blackhole", "32000", of(HCLOUD, health_check_port="32000")),
        "bad-selector": Trap("Unknown", "not understood", of(HCLOUD, node_selector="(((")),
        "by-provider-id": Trap("TargetsUnhealthy"),
    },
    "digitalocean": {
        "default": Trap("TargetsUnhealthy", "HTTP", of(DO, name="x")),
        "override-by-presence": Trap("TargetsUnhealthy", "TCP", of(DO, override_health_check="false")),
        "port-without-override": Trap("TargetsUnhealthy", "32000", of(DO, healthcheck_port="80")),
    },
    "linode": {
        "connection": Trap("TargetsUnhealthy", "TCP", of(LINODE, throttle="4")),
        "no-check": Trap("Blackhole", "no health check", of(LINODE, check_type="none")),
    },
    "vultr": {
        "default": Trap("TargetsUnhealthy", "TCP", of(VULTR, label="x")),
        "checks-the-service-port": Trap("Unknown", "port 80", of(VULTR, healthcheck_port="80")),
        "checks-no-other-port": Trap("Unknown", "not understood", of(VULTR, healthcheck_port="32000")),
    },
    "scaleway": {
        "default": Trap("TargetsUnhealthy", "TCP", of(SCALEWAY, zone="x")),
        "selects-no-node": Trap("NoTargets", "x=y", of(SCALEWAY, target_node_labels="x=y")),
        "check-from-service": Trap("TargetsUnhealthy", "HTTP", of(SCALEWAY, health_check_from_service="true")),
        "udp": Trap("NoTargets", "UDP", of(SCALEWAY, zone="x"), protocol="UDP"),
    },
    "exoscale": {
        "tcp-on-health-port": Trap("Blackhole", "passes on them", of(EXOSCALE, id="x")),
        "http": Trap(
            "TargetsUnhealthy",
            "",
            of(EXOSCALE, service_healthcheck_mode="http", service_healthcheck_uri="/healthz"),
        ),
        "named-pool": Trap("Unknown", "no API object shows", of(EXOSCALE, service_instancepool_id="x")),
        "named-pool-without-endpoint": Trap(
            "Outage", "", of(EXOSCALE, service_instancepool_id="x"), on=("ghost",)
        ),
    },
    "upcloud": {"default": Trap("TargetsUnhealthy", "HTTP", of(f"{BETA}upcloud-load-balancer-", id="x"))},
    "civo": {"check-not-known": Trap("Unknown", "health"), "all-lost": Trap("Outage", on=("ghost",))},
    "stackit": {
        "check-not-known": Trap("Unknown", "Local is not supported", {"lb.stackit.cloud/internal-lb": "true"})
    },
    "oci": {
        "selector-of-the-other-type": Trap(
            "TargetsUnhealthy",
            "",
            {"oci.oraclecloud.com/load-balancer-type": "nlb", "oci.oraclecloud.com/node-label-selector": "x=y"},
        ),
        "selector": Trap(
            "NoTargets",
            "x=y",
            {
                "oci.oraclecloud.com/load-balancer-type": "nlb",
                "oci-network-load-balancer.oraclecloud.com/node-label-selector": "x=y",
            },
        ),
    },
    "ibm": {
        "edge-nodes-alone": Trap("Outage", "", of(IBM, ip_type="public"), ingress=HOST),
        "key-that-is-ignored": Trap("Outage", "", of(IBM, vpc_node_selector="team=x"), ingress=HOST),
        "udp": Trap("Unknown", "not TCP", of(IBM, ip_type="public"), ingress=HOST, protocol="UDP"),
    },
    "aws": {
        "outscale-is-not-aws": Trap("TargetsUnhealthy", "HTTP", of(OUTSCALE, name="x")),
        "outscale-udp": Trap("Unknown", "not TCP", of(OUTSCALE, name="x"), protocol="UDP"),
        "classic-udp": Trap("NoTargets", "UDP", protocol="UDP", ingress=HOST),
        "pending": Trap("Unknown", "NoAddress", ingress=()),
    },
    "alibaba": {
        "follows-pods": Trap("Covered", "", of(ALIBABA, spec="x")),
        "pods": Trap("NotAffected", "", {f"{BETA}backend-type": "eni"} | of(ALIBABA, spec="x")),
    },
    "huaweicloud": {"follows-pods": Trap("Covered", "", {"kubernetes.io/elb.class": "union"})},
    "qcloud": {
        "binds-pod-nodes": Trap(
            "Covered", "", of("service.kubernetes.io/", local_svc_only_bind_node_with_pod="true")
        ),
        "direct": Trap("NotAffected", "", {"service.cloud.tencent.com/direct-access": "true"}),
    },
    "yandex": {
        "two-controllers": Trap("Unknown", "Deckhouse"),
        "deckhouse": Trap("TargetsUnhealthy", "", {"yandex.cpi.flant.com/target-group-network-id": "x"}),
        "target-group-of-nodes": Trap(
            "Unknown", "NoTargetGroup", {"yandex.cpi.flant.com/target-group-name-prefix": "x"}
        ),
    },
    "cloudscale": {
        "selects-no-node": Trap("NoTargets", "x=y", of("k8s.cloudscale.ch/loadbalancer-", node_selector="x=y"))
    },
    "vsphere": {
        "which-controller": Trap("Unknown", "NSX-T"),
        "nsx-t": Trap("TargetsUnhealthy", "TCP", {"loadbalancer.vmware.io/class": "x"}),
        "avi": Trap("Unknown", "avi-k8s-config", class_name="ako.vmware.com/avi-lb"),
    },
    "gce": {
        "target-pool": Trap("TargetsUnhealthy", finalizers=[f"{GKE}netlb-v1"]),
        "instance-groups": Trap("TargetsUnhealthy", finalizers=[f"{GKE}netlb-v2"]),
        "neg": Trap("Covered", finalizers=[f"{GKE}netlb-v3"]),
        "subsetting": Trap("Covered", finalizers=[f"{GKE}ilb-v2"]),
    },
    "ionos": {"not-public": Trap("Unknown", "is not known")},
    "azure": {"excluded-by-presence": Trap("Outage", "")},
    "kubeadm": {
        "node-port": Trap("Uncovered", type="NodePort", ingress=()),
        "nobody-serves-it": Trap("Uncovered", ingress=()),
        "who-serves-it": Trap("Unknown", "LoadBalancerNotRecognised"),
        "metallb": Trap("Unknown", "L2Advertisement", {"metallb.io/ip-allocated-from-pool": "p"}),
        "vip-host": Trap("Unknown", "kube-vip.io/vipHost", {"kube-vip.io/vipHost": "a"}),
        "purelb": Trap("Unknown", "pool-type", {"purelb.io/allocated-by": "PureLB"}),
        "l2-lease": Trap("Unknown", class_name="io.cilium/l2-announcer"),
        "bgp-unseen": Trap("Unknown", "CiliumBGPAdvertisement", class_name="io.cilium/bgp-control-plane"),
        "node-ipam": Trap("Covered", class_name="io.cilium/node"),
        "foreign-class": Trap("Unknown", "acme.com/lb", class_name="acme.com/lb"),
    },
    "k3s": {
        "only-pod-nodes": Trap("Covered", ingress=[{"ip": "10.0.0.1"}]),
        "no-node-port": Trap("NoTargets", "node ports", ingress=[{"ip": "10.0.0.1"}], node_port=False),
        "host-port-taken": Trap("Unknown", "Pending", ingress=()),
        "another-one": Trap("Unknown", "LoadBalancerNotRecognised"),
    },
}


def listed(cluster: Sequence[Json], traps: Mapping[str, Trap]) -> str:
    items = list(cluster)
    for number, (name, trap) in enumerate(traps.items()):
        served = port(node_port=30080 + number, protocol=trap.protocol)
        if not trap.node_port:
            del served["nodePort"]
        chosen: Json = {"loadBalancerClass": trap.class_name} if trap.class_name else {}
        made = service(
            name,
            type=trap.type,
            annotations=trap.annotations,
            ports=[served],
            ingress=[{**entry, "ip": f"203.0.113.{number + 9}"} for entry in ADDRESS]
            if trap.ingress is ADDRESS
            else trap.ingress,
            in_cluster=True,
            **chosen,
        )
        made["metadata"]["finalizers"] = list(trap.finalizers)
        items += [made, endpoints(*trap.on, of=name, protocol=trap.protocol)]
    return json.dumps(
        {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": VERSIONS[i["kind"]], **i} for i in items]}
    )


@pytest.mark.parametrize("provider", TRAPS)
def test_each_trap_has_its_outcome(provider: str) -> None:
    traps = TRAPS[provider]
    run = etpguard("check", "-f", "-", "-n", NAMESPACE, "-o", "json", stdin=listed(CLUSTERS[provider], traps))
    found = {each["name"]: each for each in run.report["services"]}
    outcomes = {name: found[name]["outcome"] for name in traps}
    assert outcomes == {name: trap.outcome for name, trap in traps.items()}
    for name, trap in traps.items():
        words = " ".join([found[name]["reason"], *(c["reason"] for c in found[name]["consumers"])])
        assert trap.reason in words, (name, words)
