"""The timing of health checks, from the annotations that set it."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.clouds import cloud_families
from etpguard.assess.consumers.shared.load_balancers import CLOUD_NODES
from etpguard.assess.consumers.targets import HealthCheck, NodeTargets, Otherwise
from etpguard.assess.node_rule import EVERY_NODE, NodeRule
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import HealthCheckNodePort, OwnNodePort, Probe
from etpguard.cluster import Picture
from etpguard.foresight.detection import NotKnown, Timing, detection_seconds, timing_of
from etpguard.foresight.detection.clouds import BY_FAMILY
from etpguard.foresight.detection.timing import MARGIN
from etpguard.objects import INGRESS, SERVICE, Key, Service, decode_item
from etpguard.objects.gke import BACKEND_CONFIG
from tests.foresight.clusters import Json, service

HCNP, OWN = HealthCheckNodePort(), OwnNodePort("http")
AWS = "service.beta.kubernetes.io/aws-load-balancer-healthcheck-"
ALB = "alb.ingress.kubernetes.io/"
AZURE = "service.beta.kubernetes.io/"


def pictured(*objects: Json) -> Picture:
    kinds = {kind.name: kind for kind in (SERVICE, INGRESS, BACKEND_CONFIG)}
    picture = Picture(kinds.values(), {})
    for each in objects:
        kind: Any = kinds[each["kind"]]
        picture.absorb(picture.store(kind).replace([decode_item(kind, each)]))
    return picture


def of(
    family: str,
    annotations: dict[str, str] | None = None,
    *others: Json,
    kind: str = "Service",
    controller: str = "c",
    check: HealthCheck | None = None,
    probe: Probe = HCNP,
    rule: NodeRule = EVERY_NODE,
    otherwise: Otherwise | None = None,
    name: str = "web",
    **spec: Any,
) -> Timing | NotKnown:
    raw = service(type="LoadBalancer", healthCheckNodePort=31000, **spec)
    raw["metadata"]["annotations"] = annotations or {}
    picture = pictured(raw, *others)
    record = picture.get(SERVICE, Key("shop", "web"))
    assert isinstance(record, Service)
    targets = NodeTargets(rule, check or HealthCheck(probe), otherwise=otherwise)
    consumer = Consumer(kind, "shop", name, controller, "instance", "http", targets, family=family)
    found = timing_of(consumer, record, picture)
    seconds = detection_seconds(consumer, record, picture)
    shown_after = MARGIN if probe == HCNP else 0
    if isinstance(found, NotKnown) or not found.lag_known:
        assert seconds is None
    else:
        assert seconds == found.down(dropped=probe == OWN)[1] + shown_after
    return found


def times(found: Timing | NotKnown) -> tuple[int, int, int, int | None]:
    assert isinstance(found, Timing), found
    assert found.settings
    return (*found.stops, found.unanswered, found.starts)


NLB_ATTRIBUTES = "service.beta.kubernetes.io/aws-load-balancer-target-group-attributes"
CUTS = "target_health_state.unhealthy.connection_termination.enabled"


@pytest.mark.parametrize(
    ("family", "controller", "annotations", "cuts"),
    [
        pytest.param("aws-load-balancer-controller", "c", {}, True, id="by default"),
        pytest.param("aws-load-balancer-controller", "c", {NLB_ATTRIBUTES: f"a=b,{CUTS}=false"}, False, id="off"),
        pytest.param(
            "aws-load-balancer-controller",
            "c",
            {NLB_ATTRIBUTES: f"{CUTS}=false", f"{NLB_ATTRIBUTES}.80": f"{CUTS}=true"},
            True,
            id="of the port",
        ),
        pytest.param("aws-cloud-provider", "cloud-provider/aws-nlb", {}, True, id="the cloud provider"),
        pytest.param("aws-cloud-provider", "cloud-provider/aws-clb", {}, False, id="a Classic Load Balancer"),
    ],
)
def test_an_nlb_resets_the_connections_of_unhealthy_targets(
    family: str, controller: str, annotations: dict[str, str], cuts: bool
) -> None:
    found = of(family, annotations, controller=controller)
    assert isinstance(found, Timing)
    assert bool(found.cuts) is cuts
    udp = [{"name": "http", "port": 80, "nodePort": 30080, "protocol": "UDP"}]
    found = of(family, annotations, controller=controller, ports=udp)
    assert isinstance(found, Timing)
    assert not found.cuts


def ingress(**annotations: str) -> Json:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "annotations": {ALB + k.replace("_", "-"): v for k, v in annotations.items()},
        },
        "spec": {},
    }


LBC, CCM = "aws-load-balancer-controller", "aws-cloud-provider"


@pytest.mark.parametrize(
    ("of_service", "of_ingress", "expected"),
    [
        pytest.param({}, {}, (15, 30, 5, 35), id="the defaults: 15 s, 5 s, 2 and 2"),
        pytest.param(
            {},
            {"healthcheck_interval_seconds": "10", "unhealthy_threshold_count": "5"},
            (40, 50, 5, 25),
            id="of the Ingress",
        ),
        pytest.param(
            {f"{ALB}healthcheck-timeout-seconds": "3", f"{ALB}healthy-threshold-count": "4"},
            {"healthcheck_timeout_seconds": "9"},
            (15, 30, 3, 63),
            id="those of the Service go first",
        ),
    ],
)
def test_an_application_load_balancer(
    of_service: dict[str, str], of_ingress: dict[str, str], expected: tuple[int, ...]
) -> None:
    assert times(of(LBC, of_service, ingress(**of_ingress), kind="Ingress", probe=OWN)) == expected


def test_the_settings_name_their_source() -> None:
    found = of(LBC, {}, ingress(unhealthy_threshold_count="5"), kind="Ingress")
    assert isinstance(found, Timing)
    assert found.settings == (
        "interval 15 s (default), timeout 5 s (default), unhealthy threshold 5 (annotation "
        "alb.ingress.kubernetes.io/unhealthy-threshold-count of Ingress shop/web), healthy threshold 2 (default)"
    )


@pytest.mark.parametrize("value", ["", "x", "1", "301", "10s", "1e2"])
def test_what_aws_rejects_leaves_what_it_has(value: str) -> None:
    found = of(LBC, {}, ingress(healthcheck_interval_seconds=value), kind="Ingress")
    assert isinstance(found, NotKnown)
    assert "no valid value" in found.why


@pytest.mark.parametrize(
    ("family", "controller", "annotations", "expected"),
    [
        pytest.param(
            LBC, "c", {}, (10, 60, 6, 26), id="a network load balancer: 10 s, 6 s, 2 and 2, a lag of 40 s"
        ),
        pytest.param(
            LBC, "c", {f"{AWS}interval": "30", f"{AWS}unhealthy-threshold": "3"}, (60, 130, 6, 66), id="configured"
        ),
        pytest.param(CCM, "cloud-provider/aws-nlb", {}, (10, 60, 10, 30), id="that of the cloud provider"),
        pytest.param(CCM, "cloud-provider/aws-clb", {}, (50, 60, 5, 25), id="a Classic Load Balancer"),
        pytest.param(
            CCM,
            "cloud-provider/aws-clb",
            {
                f"{AWS}interval": "5",
                f"{AWS}unhealthy-threshold": "2",
                f"{AWS}healthy-threshold": "3",
                f"{AWS}timeout": "4",
            },
            (5, 10, 4, 19),
            id="a Classic Load Balancer, configured",
        ),
    ],
)
def test_network_and_classic_load_balancers(
    family: str, controller: str, annotations: dict[str, str], expected: tuple[int, ...]
) -> None:
    assert times(of(family, annotations, controller=controller)) == expected


def test_a_network_load_balancer_before_a_service_of_another_type() -> None:
    """The controller's other defaults may hold: 10 s, 10 s, 3 and 3."""
    base = service(name="base")
    assert times(of(LBC, {}, base, name="base")) == (10, 70, 10, 40)


@pytest.mark.parametrize(("kind", "name"), [("Ingress", "web"), ("Service", "gone"), ("Gateway", "web")])
def test_objects_that_are_not_there(kind: str, name: str) -> None:
    assert isinstance(of(LBC, {}, kind=kind, name=name), NotKnown)


@pytest.mark.parametrize(
    ("annotations", "check", "expected"),
    [
        pytest.param({}, None, (5, 10, 0, 10), id="5 s and 2"),
        pytest.param(
            {f"{AZURE}azure-load-balancer-health-probe-interval": "8"}, None, (8, 16, 0, 16), id="of all ports"
        ),
        pytest.param(
            {
                f"{AZURE}azure-load-balancer-health-probe-interval": "8",
                f"{AZURE}port_31000_health-probe_interval": "6",
            },
            None,
            (6, 12, 0, 12),
            id="that of the port goes first",
        ),
        pytest.param(
            {f"{AZURE}port_80_health-probe_num-of-probe": "4"}, None, (5, 10, 0, 10), id="that of another port"
        ),
        pytest.param(
            {f"{AZURE}port_80_health-probe_num-of-probe": "4"},
            HealthCheck(OWN),
            (15, 20, 0, 20),
            id="on the port itself",
        ),
        pytest.param(
            {f"{AZURE}port_80_health-probe_num-of-probe": "4"},
            HealthCheck(HCNP, pins_health_check_node_port=True),
            (15, 20, 0, 20),
            id="a pinned port is one of the port",
        ),
    ],
)
def test_azure(annotations: dict[str, str], check: HealthCheck | None, expected: tuple[int, ...]) -> None:
    probe = check.probe if check else HCNP
    assert times(of("azure-load-balancer", annotations, check=check, probe=probe)) == expected


def test_azure_rejects_what_takes_two_minutes() -> None:
    found = of("azure-load-balancer", {f"{AZURE}azure-load-balancer-health-probe-interval": "60"})
    assert isinstance(found, NotKnown)


def test_azure_without_a_known_port() -> None:
    assert times(of("azure-load-balancer", ports=[], check=HealthCheck(OWN), probe=OWN)) == (5, 10, 0, 10)


def test_google() -> None:
    """3 s and 2 of a backend service, 8 s and 3 of a target pool."""
    assert times(of("gke-l4")) == (3, 12, 1, 4)
    assert times(of("gke-l4", rule=CLOUD_NODES)) == (16, 30, 1, 9)
    other = Otherwise(EVERY_NODE, Reason("x"))
    assert times(of("gke-l4", rule=CLOUD_NODES, otherwise=other)) == (3, 30, 1, 9)


BY_PORT = {"cloud.google.com/backend-config": '{"ports": {"80": "web"}}'}


@pytest.mark.parametrize(
    ("annotations", "check", "expected"),
    [
        pytest.param(
            BY_PORT,
            {"checkIntervalSec": 5, "timeoutSec": 2, "unhealthyThreshold": 3, "healthyThreshold": 1},
            (10, 15, 2, 7),
            id="a BackendConfig",
        ),
        pytest.param(
            BY_PORT,
            {"checkIntervalSec": 5, "timeoutSec": 2, "unhealthyThreshold": 3},
            (10, 15, 2, None),
            id="without healthyThreshold",
        ),
        pytest.param(BY_PORT, {"checkIntervalSec": 5, "unhealthyThreshold": 3}, None, id="without timeoutSec"),
        pytest.param(
            BY_PORT,
            {"checkIntervalSec": -5, "timeoutSec": 2, "unhealthyThreshold": 3},
            None,
            id="a negative number",
        ),
        pytest.param(BY_PORT, None, None, id="without a health check"),
        pytest.param(
            {}, {"checkIntervalSec": 5, "timeoutSec": 2, "unhealthyThreshold": 3}, None, id="no annotation"
        ),
        pytest.param(
            {"cloud.google.com/backend-config": '{"default": "gone"}'}, {}, None, id="another BackendConfig"
        ),
        pytest.param({"cloud.google.com/backend-config": "{"}, {}, None, id="no JSON"),
    ],
)
def test_a_google_ingress(
    annotations: dict[str, str], check: Json | None, expected: tuple[int | None, ...] | None
) -> None:
    config = {
        "apiVersion": "cloud.google.com/v1",
        "kind": "BackendConfig",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {} if check is None else {"healthCheck": check},
    }
    found = of("gke-ingress", annotations, config, kind="Ingress")
    assert isinstance(found, NotKnown) if expected is None else times(found) == expected


BETA = "service.beta.kubernetes.io/"
HCLOUD = "load-balancer.hetzner.cloud/health-check-"
OPENSTACK = "loadbalancer.openstack.org/health-monitor-"
OCI_NLB = "oci-network-load-balancer.oraclecloud.com/health-check-"


@pytest.mark.parametrize(
    ("family", "annotations", "expected"),
    [
        ("hcloud", {}, None),
        (
            "hcloud",
            {f"{HCLOUD}interval": "1m30s", f"{HCLOUD}timeout": "7", f"{HCLOUD}retries": "2"},
            (90, 180, 7, None),
        ),
        ("hcloud", {f"{HCLOUD}interval": "-3s", f"{HCLOUD}timeout": "7", f"{HCLOUD}retries": "2"}, None),
        ("hcloud", {f"{HCLOUD}interval": "3s,", f"{HCLOUD}timeout": "7", f"{HCLOUD}retries": "2"}, None),
        ("digitalocean", {}, (6, 9, 5, 20)),
        ("digitalocean", {f"{BETA}do-loadbalancer-healthcheck-check-interval-seconds": "10"}, (20, 30, 5, 55)),
        ("linode", {}, (5, 10, 3, None)),
        ("linode", {f"{BETA}linode-loadbalancer-check-attempts": "3"}, (10, 15, 3, None)),
        ("vultr", {}, (60, 75, 5, 80)),
        ("vultr", {f"{BETA}vultr-loadbalancer-healthcheck-unhealthy-threshold": "2"}, (15, 30, 5, 80)),
        ("scaleway", {}, (2, 25, 5, None)),
        ("scaleway", {f"{BETA}scw-loadbalancer-health-check-delay": "200ms"}, (0, 1, 5, None)),
        ("exoscale", {}, (0, 20, 5, None)),
        ("exoscale", {f"{BETA}exoscale-loadbalancer-service-healthcheck-interval": "5s"}, (0, 10, 5, None)),
        ("cloudscale", {}, (4, 6, 1, 5)),
        ("openstack", {}, None),
        (
            "openstack",
            {f"{OPENSTACK}delay": "5", f"{OPENSTACK}timeout": "3", f"{OPENSTACK}max-retries-down": "3"},
            (10, 15, 3, None),
        ),
        ("oci", {}, (20, 30, 3, None)),
        ("oci", {f"{BETA}oci-load-balancer-health-check-interval": "3000"}, (6, 9, 3, None)),
        ("oci", {f"{BETA}oci-load-balancer-health-check-interval": "3s"}, None),
        ("oci", {"oci.oraclecloud.com/load-balancer-type": "nlb", f"{OCI_NLB}retries": "1"}, (0, 10, 3, None)),
        ("outscale", {}, (20, 30, 5, 25)),
        ("upcloud", {}, (20, 30, 10, None)),
        ("upcloud", {f"{BETA}upcloud-load-balancer-config": "{}"}, None),
        ("yandex", {}, (2, 4, 2, None)),
        ("metallb", {}, None),
        ("civo", {}, None),
    ],
)
def test_other_clouds(family: str, annotations: dict[str, str], expected: tuple[int | None, ...] | None) -> None:
    found = of(family, annotations)
    if expected is None:
        assert isinstance(found, NotKnown)
        assert found.why
    else:
        assert times(found) == expected
        assert isinstance(found, Timing)
        assert not found.lag_known, "nobody says how long they send on"


def test_each_reader_is_one_of_a_family() -> None:
    assert set(BY_FAMILY) <= {family.name for family in cloud_families()}


def test_of_two_timings_the_range_holds_both() -> None:
    one, other = Timing.of(3, 1, 2, 1), Timing.of(8, 4, 3, None, lag=None)
    for made in (one.or_(other), other.or_(one)):
        assert (made.stops, made.unanswered, made.starts, made.lag_known) == ((3, 24), 4, None, False)
