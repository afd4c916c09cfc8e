"""Health checks that somebody set to the healthCheckNodePort: `Cluster` removes this port."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess.consumers.consumer import ConsumerVerdict
from tests.assess.consumers.checks import pins
from tests.assess.consumers.worlds import HEALTH_CHECK_NODE_PORT as NUMBER
from tests.assess.consumers.worlds import Json, endpoints, ingress, nodes, port, service, world

HCLOUD = "load-balancer.hetzner.cloud/health-check-"
EXOSCALE = "service.beta.kubernetes.io/exoscale-loadbalancer-service-healthcheck-"
VULTR = "service.beta.kubernetes.io/vultr-loadbalancer-healthcheck-"
LINODE = "service.beta.kubernetes.io/linode-loadbalancer-"
OUTSCALE = "service.beta.kubernetes.io/osc-load-balancer-healthcheck-"
AZURE = "service.beta.kubernetes.io/port_80_health-probe_port"
AWS = "service.beta.kubernetes.io/aws-load-balancer-healthcheck-port"
CONFIG = "cloud.google.com/backend-config"
PINNED = str(NUMBER)


def cluster_advice(scheme: str, *objects: Json) -> list[str]:
    made = world(*objects, endpoints("a"), *nodes(scheme))
    assert pins(made.consumer().consumer)
    return [text for text in made.advice() if text.startswith("Let every node forward")]


def at_an_address(annotations: dict[str, str], host: str = "", number: int = 80) -> Json:
    where = {"hostname": host} if host else {"ip": "203.0.113.7"}
    return service(annotations=annotations, ports=[port(number=number)], ingress=[where])


@pytest.mark.parametrize(
    ("scheme", "subject", "first"),
    [
        pytest.param("hcloud", at_an_address({f"{HCLOUD}port": PINNED}), f"{HCLOUD}port", id="Hetzner Cloud"),
        pytest.param("exoscale", at_an_address({f"{EXOSCALE}port": PINNED}), f"{EXOSCALE}port", id="Exoscale"),
        pytest.param("vultr", at_an_address({f"{VULTR}port": PINNED}, number=NUMBER), f"{VULTR}port", id="Vultr"),
        pytest.param(
            "aws",
            at_an_address({f"{OUTSCALE}port": PINNED}, "lb-1.eu-west-2.lbu.outscale.com"),
            f"{OUTSCALE}port",
            id="Outscale",
        ),
        pytest.param("azure", at_an_address({AZURE: PINNED}), AZURE, id="Azure"),
        pytest.param(
            "aws", at_an_address({AWS: PINNED}, "x-1.eu-west-1.elb.amazonaws.com"), AWS, id="AWS cloud provider"
        ),
    ],
)
def test_the_advice_to_change_the_policy_names_what_to_remove_first(
    scheme: str, subject: Json, first: str
) -> None:
    (text,) = cluster_advice(scheme, subject)
    assert f"First remove {first}: " in text


def test_a_linode_check_of_a_udp_port_gets_another_port_first() -> None:
    subject = service(
        annotations={f"{LINODE}check-type": "connection", f"{LINODE}udp-check-port": PINNED},
        ports=[port("dns", 53, 30053, "UDP")],
        ingress=[{"ip": "203.0.113.7"}],
    )
    made = world(subject, endpoints("a", ports=["dns"], protocol="UDP"), *nodes("linode"))
    assert pins(made.consumer("dns").consumer)
    (text,) = [each for each in made.advice() if each.startswith("Let every node forward")]
    assert f"First set udp-check-port to another port, in {LINODE}udp-check-port or " in text


@pytest.mark.parametrize(
    ("protocol", "outcome"), [("HTTP", "TargetsUnhealthy"), ("HTTPS", "Unknown"), ("HTTP2", "Unknown")]
)
def test_a_backend_config_of_google_cloud(protocol: str, outcome: str) -> None:
    config = {
        "kind": "BackendConfig",
        "metadata": {"name": "checks", "namespace": "shop"},
        "spec": {"healthCheck": {"port": NUMBER, "type": protocol, "requestPath": "/healthz"}},
    }
    objects = [
        service(annotations={CONFIG: '{"default": "checks"}'}),
        config,
        ingress(annotations={"kubernetes.io/ingress.class": "gce"}),
    ]
    made = world(*objects, endpoints("a"), *nodes("gce", labels={"cloud.google.com/gke-nodepool": "default"}))
    (behind,) = [v for v in made.assessment.consumers if v.consumer.family == "gke-ingress"]
    assert pins(behind.consumer)
    assert behind.outcome.name == outcome
    texts = [text for text in made.advice() if "X-Forwarded-For" in text and "Let every node" in text]
    assert "First remove healthCheck.port of its BackendConfig: " in texts[0]
    assert f"The check then asks /healthz of the pods by {protocol}" in texts[0]


@pytest.mark.parametrize(
    ("scheme", "annotations"),
    [
        pytest.param(
            "hcloud",
            {f"{HCLOUD}port": PINNED, f"{HCLOUD}protocol": "http", f"{HCLOUD}http-path": "/healthz"},
            id="Hetzner Cloud",
        ),
        pytest.param(
            "exoscale",
            {f"{EXOSCALE}port": PINNED, f"{EXOSCALE}mode": "http", f"{EXOSCALE}uri": "/healthz"},
            id="Exoscale",
        ),
    ],
)
def test_a_check_by_http_then_asks_the_pods(scheme: str, annotations: dict[str, str]) -> None:
    (text,) = cluster_advice(scheme, at_an_address(annotations))
    assert "First remove" in text
    assert "The check then asks /healthz of the pods by HTTP" in text
    assert ("in the same change set" in text) is (scheme == "exoscale")


def under_cluster(scheme: str, annotations: dict[str, str]) -> tuple[str, str]:
    """Why the check may fail under `Cluster`, and the advice to change the policy."""
    made = world(at_an_address(annotations), endpoints("a"), *nodes(scheme))
    check = made.consumer().consumer.check
    assert check is not None
    (text,) = [each for each in made.advice() if each.startswith("Let every node forward")]
    return check.fails_under_cluster, text


def test_exoscale_checks_the_pods_by_http_even_without_the_port() -> None:
    fails, text = under_cluster("exoscale", {f"{EXOSCALE}mode": "http", f"{EXOSCALE}uri": "/healthz"})
    assert fails == "asks /healthz of the pods by HTTP"
    assert "First remove" not in text
    assert "The check then asks /healthz of the pods by HTTP" in text


CLOUDSCALE = "k8s.cloudscale.ch/loadbalancer-health-monitor-"


@pytest.mark.parametrize(
    ("annotations", "fails"),
    [
        ({}, ""),
        ({f"{CLOUDSCALE}type": "tcp"}, ""),
        ({f"{CLOUDSCALE}type": "http"}, "asks / of the pods by HTTP"),
        (
            {f"{CLOUDSCALE}type": "https", f"{CLOUDSCALE}http": '{"url_path": "/livez"}'},
            "asks /livez of the pods by HTTPS",
        ),
    ],
)
def test_cloudscale_checks_the_pods_by_its_type(annotations: dict[str, str], fails: str) -> None:
    """reconcile.go healthMonitorForPort: the type and the options of HTTP count under Cluster."""
    found, text = under_cluster("cloudscale", annotations)
    assert found == fails
    assert (f"First set {CLOUDSCALE}type to tcp" in text) is bool(fails)


SCALEWAY = "service.beta.kubernetes.io/scw-loadbalancer-health-check-"


@pytest.mark.parametrize(
    ("annotations", "fails"),
    [
        ({}, ""),
        ({f"{SCALEWAY}type": "http"}, "asks the pods by HTTP"),
        ({f"{SCALEWAY}type": "http:80"}, ""),
        ({f"{SCALEWAY}type": "80:https"}, "asks the pods by HTTPS"),
        ({f"{SCALEWAY}type": "81:https;tcp"}, ""),
    ],
)
def test_scaleway_checks_the_pods_by_its_type(annotations: dict[str, str], fails: str) -> None:
    """loadbalancers_annotations.go getNativeHealthCheck: without the healthCheckNodePort, the type counts."""
    found, text = under_cluster("scaleway", {f"{SCALEWAY}from-service": "true", **annotations})
    assert found == fails
    assert (f"The check then {fails}: if" in text) is bool(fails)
    assert (f"First set {SCALEWAY}type to tcp for port 80" in text) is bool(fails)


OF_AZURE = "service.beta.kubernetes.io/port_80_health-probe_request-path"


def in_front_of(scheme: str, annotations: dict[str, str], **fields: Any) -> ConsumerVerdict:
    subject = service(annotations=annotations, ingress=[{"ip": "203.0.113.7"}], **fields)
    return world(subject, endpoints("a"), *nodes(scheme)).consumer()


def step(verdict: ConsumerVerdict) -> str:
    """What to do before `Cluster`; "" where the check does not fail under it."""
    check = verdict.consumer.check
    assert check is not None
    assert bool(check.fails_under_cluster) is bool(check.so_that_it_passes)
    return check.so_that_it_passes


@pytest.mark.parametrize(
    ("scheme", "annotations", "sets", "to"),
    [
        pytest.param("azure", {}, f"First set {OF_AZURE} to a path", {OF_AZURE: "/up"}, id="Azure"),
        pytest.param(
            "scaleway",
            {f"{SCALEWAY}from-service": "true", f"{SCALEWAY}type": "http"},
            f"First set {SCALEWAY}type to tcp for port 80",
            {f"{SCALEWAY}type": "http;80:tcp"},
            id="Scaleway",
        ),
        pytest.param(
            "cloudscale",
            {f"{CLOUDSCALE}type": "http"},
            f"First set {CLOUDSCALE}type to tcp",
            {f"{CLOUDSCALE}type": "tcp"},
            id="cloudscale.ch",
        ),
    ],
)
def test_what_the_step_names_makes_the_check_pass_and_local_no_worse(
    scheme: str, annotations: dict[str, str], sets: str, to: dict[str, str]
) -> None:
    by_http: dict[str, Any] = {"ports": [{**port(), "appProtocol": "http"}]}
    before, after = (in_front_of(scheme, each, **by_http) for each in (annotations, annotations | to))
    assert step(before).startswith(sets)
    assert step(after) == ""
    assert after.outcome == before.outcome


def test_azure_gives_a_port_without_a_node_port_one() -> None:
    before, after = (in_front_of("azure", {}, ports=[port(node_port=number)]) for number in (0, 30080))
    assert step(before) == "First give each port of the Service a node port"
    assert step(after) == ""
    assert after.outcome == before.outcome


@pytest.mark.parametrize("path", ["/healthz", "/up"])
def test_exoscale_is_changed_by_hand_together_with_the_check(path: str) -> None:
    """Exoscale probes the healthCheckNodePort by the same mode, and by TCP it is open on every node."""
    by_http = {f"{EXOSCALE}mode": "http", f"{EXOSCALE}uri": path}
    before = in_front_of("exoscale", by_http)
    assert before.outcome.name == "TargetsUnhealthy"
    assert step(before).startswith(f"Set Cluster by hand, and in the same change set {EXOSCALE}mode to tcp, or ")
    connects = by_http | {f"{EXOSCALE}mode": "tcp"}
    assert in_front_of("exoscale", connects).outcome.name == "Blackhole"
    made = world(at_an_address(by_http), endpoints("a"), *nodes("exoscale"))
    (text,) = [each for each in made.advice() if each.startswith("Let every node forward")]
    assert "First" not in text
    assert "change the check first" not in text
    assert f"in the same change set {EXOSCALE}mode to tcp" in text
