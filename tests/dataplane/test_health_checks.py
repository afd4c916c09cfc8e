"""What etpguard predicts a health check sees on each node, against a health checker that asks them.

One state of affairs in which the answers of all that may be asked differ: of Service web, node1 has a ready
pod, node2 a terminating one, node3 none; Services near (Local) and far (Cluster) have theirs on node3; none has
any. Each consumer then has its own health check. iptables mode: what answers does not depend on the mode, which
the other tests compare.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from devcluster import objects
from devcluster.dataplane.lab import Lab
from devcluster.dataplane.load_balancer import Settings
from devcluster.dataplane.traffic import load_balancer
from etpguard.assess import Engine
from etpguard.cluster import NodeTable
from etpguard.objects import Key
from tests.dataplane.prediction import assessed, report
from tests.dataplane.scene import PORTS, Scene

pytestmark = pytest.mark.parametrize("data_plane", ["iptables"], indirect=True, scope="package")

NAMESPACE = "health-checks"
ALB = "alb.ingress.kubernetes.io/"
NLB = "service.beta.kubernetes.io/aws-load-balancer-"
CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
ALL = {"node1", "node2", "node3"}

IPV4: dict[str, Any] = {"ports": PORTS[:1], "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"]}
SERVED = {"loadBalancer": {"ingress": [{"hostname": "lb-0123.elb.eu-west-1.amazonaws.com"}]}}
"""As the load balancer controller writes it; without an address no load balancer is known to send traffic."""
OF_CLASS: dict[str, Any] = {"type": "LoadBalancer", "loadBalancerClass": "service.k8s.aws/nlb"}


class Check(NamedTuple):
    """`of`: the Service that it is for. `annotations` without their prefix; {near}, {far} and the like stand for
    the node ports of those Services, {check} for the healthCheckNodePort of lb. `passes`: where."""

    of: str
    annotations: dict[str, str]
    passes: set[str]
    codes: str = "200"


# Behind an Ingress.
ALB_CHECKS = {
    "traffic-port": Check("web", {}, {"node1", "node2"}),
    "traffic-port-said": Check("web", {"healthcheck-port": "traffic-port"}, {"node1", "node2"}),
    "own-node-port-by-number": Check("web", {"healthcheck-port": "{web}"}, {"node1", "node2"}),
    "own-port-by-name": Check("web", {"healthcheck-port": "http"}, {"node1", "node2"}),
    "another-service-local": Check("web", {"healthcheck-port": "{near}"}, {"node3"}),
    "another-service-cluster": Check("web", {"healthcheck-port": "{far}"}, ALL),
    "another-service-without-endpoints": Check("web", {"healthcheck-port": "{none}"}, set()),
    "kube-proxy-healthz": Check("web", {"healthcheck-port": "10256", "healthcheck-path": "/healthz"}, ALL),
    "kube-proxy-on-the-default-path": Check("web", {"healthcheck-port": "10256"}, set()),
    "kube-proxy-livez": Check("web", {"healthcheck-port": "10256", "healthcheck-path": "/livez"}, ALL),
    "health-check-node-port": Check("lb", {"healthcheck-port": "{check}"}, {"node1"}),
    "health-check-node-port-503-accepted": Check(
        "lb", {"healthcheck-port": "{check}", "success-codes": "200,503"}, ALL, codes="200,503"
    ),
    "health-check-node-port-by-codes-that-it-never-gives": Check(
        "lb", {"healthcheck-port": "{check}", "success-codes": "301"}, set(), codes="301"
    ),
    "health-check-node-port-range-with-503": Check(
        "lb", {"healthcheck-port": "{check}", "success-codes": "200-599"}, ALL, codes="200-599"
    ),
}

# Of Services, each of its own name.
NLB_CHECKS = {
    "nlb": Check("nlb", {}, {"node1"}, codes="200-399"),
    "nlb-tcp": Check("nlb-tcp", {"healthcheck-protocol": "tcp"}, ALL),
    "nlb-traffic-port": Check("nlb-traffic-port", {"healthcheck-port": "traffic-port"}, {"node1", "node2"}),
    "nlb-traffic-port-tcp": Check(
        "nlb-traffic-port-tcp",
        {"healthcheck-port": "traffic-port", "healthcheck-protocol": "tcp"},
        {"node1", "node2"},
    ),
    "nlb-other-path": Check("nlb-other-path", {"healthcheck-path": "/ready"}, {"node1"}),
    "nlb-503-accepted": Check("nlb-503-accepted", {"healthcheck-success-codes": "200-599"}, ALL, codes="200-599"),
    "nlb-another-local": Check("nlb-another-local", {"healthcheck-port": "{near}"}, {"node3"}),
    "nlb-another-by-tcp": Check(
        "nlb-another-by-tcp", {"healthcheck-port": "{far}", "healthcheck-protocol": "tcp"}, ALL
    ),
    "nlb-kube-proxy": Check("nlb-kube-proxy", {"healthcheck-port": "10256"}, ALL),
    "nlb-kube-proxy-tcp": Check(
        "nlb-kube-proxy-tcp", {"healthcheck-port": "10256", "healthcheck-protocol": "tcp"}, ALL
    ),
}
NODE_PORT_CHECKS = {"node-port-nlb": Check("node-port-nlb", {}, {"node1", "node2"})}

CHECKS = ALB_CHECKS | NLB_CHECKS | NODE_PORT_CHECKS


class World(NamedTuple):
    """What was made of it: the report that the health checker works from, and the engine behind such a report."""

    lab: Lab
    report: dict[str, Any]
    engine: Engine
    table: NodeTable

    def predicted(self, service: str, consumer: str) -> set[str]:
        key = Key(NAMESPACE, service)
        (found,) = [v.consumer for v in self.engine.assessments[key].consumers if v.consumer.name == consumer]
        passes = self.engine.probe_passes(key, found, "IPv4", self.table.present)
        assert isinstance(passes, int), passes
        return set(self.table.names(passes))


@pytest.fixture(scope="module")
def world(data_plane: Lab) -> Iterator[World]:
    cluster = data_plane.cluster
    cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    cluster.call("POST", CLASSES, {"metadata": {"name": "alb"}, "spec": {"controller": "ingress.k8s.aws/alb"}})
    try:
        made = make(Scene(data_plane, NAMESPACE))
        for name, check in ALB_CHECKS.items():
            cluster.call(
                "POST", f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses", made.ingress(name, check)
            )
        for name, check in (NLB_CHECKS | NODE_PORT_CHECKS).items():
            spec = OF_CLASS if name in NLB_CHECKS else {}
            services = f"/api/v1/namespaces/{NAMESPACE}/services"
            cluster.call("POST", services, made.service(name, check, spec))
            if spec:
                cluster.call("PATCH", f"{services}/{name}/status", {"status": SERVED})
        data_plane.settle()
        yield World(data_plane, report(cluster), *assessed(cluster))
    finally:
        data_plane.clear(NAMESPACE)
        cluster.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}")
        cluster.request("DELETE", f"{CLASSES}/alb")


class Made(NamedTuple):
    """The numbers of what the checks refer to."""

    ports: dict[str, int]

    def annotations(self, prefix: str, check: Check) -> dict[str, str]:
        return {prefix + key: value.format(**self.ports) for key, value in check.annotations.items()}

    def ingress(self, name: str, check: Check) -> dict[str, Any]:
        backend = {"service": {"name": check.of, "port": {"name": "http"}}}
        return {
            "metadata": {"name": name, "annotations": self.annotations(ALB, check)},
            "spec": {"ingressClassName": "alb", "defaultBackend": backend},
        }

    def service(self, name: str, check: Check, spec: dict[str, Any]) -> dict[str, Any]:
        taken = {} if spec else {f"{NLB}type": "external", f"{NLB}nlb-target-type": "instance"}
        given = {"type": "NodePort", "externalTrafficPolicy": "Local", "selector": {"app": "web"}, **IPV4}
        return {
            "metadata": {"name": name, "annotations": taken | self.annotations(NLB, check)},
            "spec": given | spec,
        }


def make(scene: Scene) -> Made:
    """Pods and the Services that are asked or sent to."""
    scene.pod("web-1", "node1")
    leaving = scene.pod("web-2", "node2")
    for name in ("near", "far"):
        scene.pod(f"{name}-3", "node3", app=name)
    services = {name: scene.service(name, **IPV4) for name in ("web", "near", "none")}
    services["far"] = scene.service("far", **IPV4, externalTrafficPolicy="Cluster")
    balanced = scene.service("lb", **IPV4, **OF_CLASS | {"selector": {"app": "web"}})
    scene.lab.settle()
    scene.lab.pods.terminate(leaving)
    ports = {name: made["spec"]["ports"][0]["nodePort"] for name, made in services.items()}
    return Made(ports | {"check": balanced["spec"]["healthCheckNodePort"]})


@pytest.mark.parametrize("name", CHECKS)
def test_the_probe_sees_what_is_predicted(world: World, name: str) -> None:
    check = CHECKS[name]
    assert world.predicted(check.of, name) == check.passes
    pace = Settings(interval=0.2, timeout=0.15, success_codes=check.codes)
    with load_balancer(world.lab, world.report, NAMESPACE, check.of, consumer=name, settings=pace) as balancer:

        def seen() -> dict[str, str]:
            return {node: state for node, (state, _) in balancer.targets().items()}

        objects.wait_for(lambda: "initial" not in seen().values(), timeout=60, what="every target to be checked")
        assert seen() == {node: "healthy" if node in check.passes else "unhealthy" for node in sorted(ALL)}
