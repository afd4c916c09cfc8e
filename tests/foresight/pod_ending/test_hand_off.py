"""The pod's side, the load balancer's side, and what they make of the end of a pod."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.targets import CheckSettings, HealthCheck, NodeTargets, Otherwise
from etpguard.assess.node_rule import ANY_CLIENT, Hosts, NodeRule
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import (
    AnswersEverywhere,
    HealthCheckNodePort,
    KubeProxyHealthz,
    NoHealthCheck,
    NotModelled,
    OwnNodePort,
    Probe,
)
from etpguard.foresight.detection import NotKnown, Timing
from etpguard.foresight.pod_ending.hand_off import MARGIN, HandOff, Seam, hand_off, lost_node, outruns, words
from etpguard.foresight.pod_ending.pod_end import ServingWindow, serving_window
from etpguard.objects import Key
from etpguard.objects.pods import PodSpec

NGINX = "registry.k8s.io/ingress-nginx/controller:v1.15.1@sha256:0123"


def spec(image: str = "shop/web:1", grace: int | None = None, **container: Any) -> PodSpec:
    made: dict[str, Any] = {"containers": [{"image": image, "ports": [{"containerPort": 80}], **container}]}
    if grace is not None:
        made["terminationGracePeriodSeconds"] = grace
    return msgspec.convert(made, PodSpec)


def sleep(seconds: int) -> dict[str, Any]:
    return {"preStop": {"sleep": {"seconds": seconds}}}


EXEC = {"preStop": {"exec": {"command": ["/wait-shutdown"]}}}
SHELL = {"preStop": {"exec": {"command": ["/bin/sh", "-c", "sleep 270; /wait-shutdown"]}}}
ENVOY_GATEWAY = {"app.kubernetes.io/managed-by": "envoy-gateway"}
CONTOUR = {"app.kubernetes.io/name": "contour", "app.kubernetes.io/component": "envoy"}


def managed(*arguments: str) -> PodSpec:
    """An Envoy with a shutdown manager."""
    command = ["manager", "envoy", "shutdown", *arguments]
    containers = [
        {"name": "shutdown-manager", "lifecycle": {"preStop": {"exec": {"command": command}}}},
        {"name": "envoy", "ports": [{"containerPort": 80}], "lifecycle": {"preStop": {"httpGet": {"path": "/"}}}},
    ]
    return msgspec.convert({"containers": containers, "terminationGracePeriodSeconds": 300}, PodSpec)


@pytest.mark.parametrize(
    ("given_spec", "labels", "window"),
    [
        pytest.param(spec(), {}, (0, 30), id="an unknown program: anything within the default grace period"),
        pytest.param(spec(grace=0), {}, (0, 0), id="no grace period"),
        pytest.param(spec(lifecycle=sleep(20), grace=60), {}, (20, 60), id="it serves while preStop sleeps"),
        pytest.param(spec(lifecycle=sleep(90), grace=60), {}, (60, 60), id="the grace period ends the sleep"),
        pytest.param(spec(lifecycle=EXEC, grace=60), {}, (0, 60), id="an unknown preStop command may end it"),
        pytest.param(spec(NGINX, lifecycle=EXEC, grace=300), {}, (0, 0), id="ingress-nginx closes at once"),
        pytest.param(
            spec(NGINX, lifecycle=EXEC, grace=300, args=["--shutdown-grace-period=120"]), {}, (20, 30),
            id="ingress-nginx is unready before it closes",
        ),
        pytest.param(
            spec(
                NGINX, lifecycle=EXEC, grace=300, args=["--shutdown-grace-period", "60"],
                readinessProbe={"periodSeconds": 30, "failureThreshold": 4},
            ), {}, (60, 60), id="ingress-nginx as it should be",
        ),
        pytest.param(spec(NGINX, lifecycle=sleep(70), grace=300), {}, (70, 70), id="ingress-nginx with a sleep"),
        pytest.param(spec(NGINX, lifecycle=SHELL, grace=300), {}, (0, 300), id="ingress-nginx with a shell"),
        pytest.param(spec("envoyproxy/envoy", grace=360), ENVOY_GATEWAY, (0, 30), id="Envoy Gateway"),
        pytest.param(
            spec("envoyproxy/envoy", readinessProbe={"periodSeconds": 4}), CONTOUR, (0, 12), id="Contour"
        ),
        pytest.param(managed("--drain-delay=45s"), CONTOUR, (45, 75), id="Contour with a delay"),
        pytest.param(managed("--drain-delay", "1m30s"), {"app": "envoy"}, (90, 120), id="a delay in minutes"),
        pytest.param(managed("--drain-delay=soon"), CONTOUR, (0, 30), id="a delay that is none"),
        pytest.param(managed("--health-check-failure-delay=45s"), ENVOY_GATEWAY, (10, 75), id="and a short drain"),
        pytest.param(
            managed("--health-check-failure-delay=45s", "--min-drain-duration=50s"), ENVOY_GATEWAY, (45, 75),
            id="Envoy Gateway with a delay",
        ),
        pytest.param(managed("--drain-delay=600s"), CONTOUR, (300, 300), id="the grace period ends it"),
        pytest.param(PodSpec(), {}, (0, 30), id="no container is known"),
    ],
)  # fmt: skip
def test_how_long_a_pod_serves(given_spec: PodSpec, labels: dict[str, str], window: tuple[int, int]) -> None:
    found = serving_window(given_spec, labels)
    assert (found.least, found.most) == window
    assert found.because


def test_the_container_that_ends_first_counts() -> None:
    one, other = spec(lifecycle=sleep(50), grace=60), spec(lifecycle=sleep(10), grace=60)
    both = msgspec.structs.replace(one, containers=[*(one.containers or ()), *(other.containers or ())])
    assert serving_window(both, {}).least == 10


def test_a_container_without_a_port_does_not_count_beside_one_with() -> None:
    serves = spec(lifecycle=sleep(50), grace=60)
    beside = spec(ports=None)
    both = msgspec.structs.replace(serves, containers=[*(serves.containers or ()), *(beside.containers or ())])
    assert serving_window(both, {}).least == 50


WEB: dict[str, Any] = {"name": "web", "ports": [{"containerPort": 8080}], "lifecycle": sleep(70)}
PROBED: dict[str, Any] = {"name": "sync", "readinessProbe": {}}


@pytest.mark.parametrize(
    ("containers", "ports", "window"),
    [
        pytest.param([WEB, PROBED], {8080}, (20, 100), id="the probe of one beside it fails after its end"),
        pytest.param([WEB, {**PROBED, "lifecycle": sleep(70)}], {8080}, (70, 100), id="unless it ends later"),
        pytest.param(
            [WEB, {"name": "exporter", "ports": [{"containerPort": 9113}]}], {8080}, (70, 100),
            id="one with another port and without a probe",
        ),
        pytest.param(
            [{**WEB, "ports": None}, {"name": "exporter", "ports": [{"containerPort": 9113}]}], {8080}, (0, 100),
            id="where no container declares the port, each may serve",
        ),
    ],
)  # fmt: skip
def test_the_containers_that_decide(
    containers: list[dict[str, Any]], ports: set[int], window: tuple[int, int]
) -> None:
    made = msgspec.convert({"containers": containers, "terminationGracePeriodSeconds": 100}, PodSpec)
    found = serving_window(made, {}, ports)
    assert (found.least, found.most) == window
    named = any("the readiness probe of container sync fails 20 to 30 s after" in why for why in found.because)
    assert named == (window[0] == 20)


def consumer(
    probe: Probe,
    family: str = "gke-l4",
    kind: str = "Service",
    rule: NodeRule = ANY_CLIENT,
    otherwise: NodeRule | None = None,
) -> Consumer:
    other = Otherwise(otherwise, Reason("NotKnown", "it is not known")) if otherwise else None
    targets = NodeTargets(rule, HealthCheck(probe), otherwise=other)
    return Consumer(kind, "shop", "web", "c", "instance", "http", targets, family=family)


def window(least: int, most: int) -> ServingWindow:
    return ServingWindow(least, most, ("why",))


HCNP, OWN = HealthCheckNodePort(), OwnNodePort("http")
GKE = Timing.of(3, 1, 2, 1, lag=6)
UNKNOWN = NotKnown("nobody knows")


@pytest.mark.parametrize(
    ("probe", "serves", "verdict", "seconds"),
    [
        pytest.param(HCNP, (14, 20), Seam.SEAMLESS, None, id="it serves until the load balancer has stopped"),
        pytest.param(HCNP, (13, 13), Seam.LOSSY, (0, 1), id="within the margin"),
        pytest.param(HCNP, (0, 0), Seam.LOSSY, (3, 14), id="it ends at once"),
        pytest.param(HCNP, (1, 8), Seam.LOSSY, (0, 13), id="it may end late enough for the fastest load balancer"),
        pytest.param(HCNP, (1, 2), Seam.LOSSY, (1, 13), id="it ends too early"),
        pytest.param(HCNP, (0, 30), Seam.UNKNOWN, (0, 14), id="how it ends is not known"),
        pytest.param(OWN, (300, 300), Seam.LOSSY, (3, 13), id="the traffic port passes as long as it serves"),
        pytest.param(KubeProxyHealthz(), (300, 300), Seam.LOSSY, (0, None), id="10256 never fails"),
        pytest.param(NoHealthCheck(), (300, 300), Seam.LOSSY, (0, None), id="no health check"),
        pytest.param(AnswersEverywhere(), (300, 300), Seam.LOSSY, (0, None), id="a port that answers everywhere"),
        pytest.param(
            HealthCheckNodePort(any_answer=True), (300, 300), Seam.LOSSY, (0, None), id="any answer passes"
        ),
        pytest.param(NotModelled("?"), (300, 300), Seam.UNKNOWN, None, id="an unknown check"),
        pytest.param(HealthCheckNodePort(service=Key("a", "b")), (300, 300), Seam.UNKNOWN, None, id="of another"),
    ],
)
def test_the_verdict(
    probe: Probe, serves: tuple[int, int], verdict: Seam, seconds: tuple[int, int | None] | None
) -> None:
    """GKE's check: 2 probes, 3 s apart, and a lag of up to 6 s."""
    found = hand_off(consumer(probe), GKE, window(*serves), forwards_to_terminating=True)
    assert (found.verdict, found.seconds) == (verdict, seconds)
    assert found.because


@pytest.mark.parametrize(
    "probe",
    [
        pytest.param(NoHealthCheck(), id="no health check"),
        pytest.param(KubeProxyHealthz(), id="10256"),
        pytest.param(OWN, id="the traffic port, which passes while the pod serves"),
    ],
)
@pytest.mark.parametrize(
    ("rule", "otherwise", "says"),
    [
        pytest.param(NodeRule(hosts=Hosts.USABLE), None, "it stops sending", id="nodes that announce"),
        pytest.param(NodeRule(hosts=Hosts.ANY), None, "it stops sending", id="nodes with any endpoint"),
        pytest.param(ANY_CLIENT, NodeRule(hosts=Hosts.USABLE), "it may stop", id="perhaps"),
    ],
)
def test_who_sends_to_the_nodes_of_endpoints_stops_without_a_check(
    probe: Probe, rule: NodeRule, otherwise: NodeRule | None, says: str
) -> None:
    """MetalLB by BGP: the node withdraws the address when its last endpoint goes."""
    follows = consumer(probe, rule=rule, otherwise=otherwise)
    found = hand_off(follows, GKE, window(0, 0), forwards_to_terminating=True)
    assert (found.verdict, found.seconds) == (Seam.UNKNOWN, None)
    assert found.because[0].startswith(says)


def test_another_rule_that_is_possible_stops_nothing_unless_it_follows_endpoints() -> None:
    keeps = consumer(NoHealthCheck(), rule=ANY_CLIENT, otherwise=NodeRule(exclude_label_as_bool=True))
    found = hand_off(keeps, GKE, window(0, 0), forwards_to_terminating=True)
    assert (found.verdict, found.seconds) == (Seam.LOSSY, (0, None))


def test_a_health_check_bounds_the_time_of_who_follows_endpoints() -> None:
    follows = consumer(HCNP, rule=NodeRule(hosts=Hosts.USABLE))
    assert hand_off(follows, GKE, window(14, 20), forwards_to_terminating=True).verdict is Seam.SEAMLESS


@pytest.mark.parametrize(
    ("probe", "rule", "timing", "verdict", "seconds"),
    [
        pytest.param(OWN, ANY_CLIENT, GKE, Seam.LOSSY, (0, 13), id="the traffic port"),
        pytest.param(HCNP, ANY_CLIENT, GKE, Seam.LOSSY, (0, 13), id="healthCheckNodePort does not answer either"),
        pytest.param(KubeProxyHealthz(), ANY_CLIENT, GKE, Seam.LOSSY, (0, 13), id="nor does 10256"),
        pytest.param(OWN, ANY_CLIENT, UNKNOWN, Seam.LOSSY, (0, None), id="unknown settings"),
        pytest.param(NoHealthCheck(), ANY_CLIENT, GKE, Seam.LOSSY, (0, None), id="no health check"),
        pytest.param(
            NoHealthCheck(), NodeRule(hosts=Hosts.USABLE), GKE, Seam.UNKNOWN, None, id="it follows endpoints"
        ),
    ],
)
def test_a_node_that_goes_with_its_pods(
    probe: Probe,
    rule: NodeRule,
    timing: Timing | NotKnown,
    verdict: Seam,
    seconds: tuple[int, int | None] | None,
) -> None:
    found = lost_node(consumer(probe, rule=rule), timing)
    assert (found.verdict, found.seconds) == (verdict, seconds)
    assert found.because


@pytest.mark.parametrize(
    ("protocol", "grace", "verdict", "seconds"),
    [
        pytest.param("HTTP", 90, Seam.UNKNOWN, (0, 35), id="the path may fail at SIGTERM"),
        pytest.param("HTTPS", 35, Seam.UNKNOWN, (0, 35), id="just long enough before the end"),
        pytest.param("HTTP", 30, Seam.LOSSY, (0, 35), id="the load balancer may need longer"),
        pytest.param("HTTP", 10, Seam.LOSSY, (5, 35), id="it needs longer in each case"),
        pytest.param("TCP", 90, Seam.LOSSY, (15, 35), id="no path"),
    ],
)
def test_a_path_may_fail_while_the_pod_still_serves(
    protocol: str, grace: int, verdict: Seam, seconds: tuple[int, int]
) -> None:
    """A program may answer 503 from SIGTERM on and finish its requests. An ALB needs 15 to 35 s."""
    check = HealthCheck(OWN, CheckSettings("traffic-port", protocol, "/ready" if protocol != "TCP" else ""))
    asks = Consumer("Ingress", "shop", "web", "c", "instance", "http", NodeTargets(ANY_CLIENT, check))
    alb = Timing.of(15, 5, 2, 2)
    serves = serving_window(spec(grace=grace), {})
    found = hand_off(asks, alb, serves, forwards_to_terminating=True)
    assert (found.verdict, found.seconds) == (verdict, seconds)
    drops = hand_off(asks, alb, serves, forwards_to_terminating=False)
    assert (drops.verdict, drops.seconds) == (Seam.LOSSY, (15, 35)), "the node drops from the deletion on"
    delayed = serving_window(spec(grace=grace, lifecycle=sleep(grace)), {})
    assert hand_off(asks, alb, delayed, forwards_to_terminating=True).seconds == (15, 35), "SIGTERM is the end"
    nginx = serving_window(spec(NGINX, lifecycle=EXEC, grace=300, args=["--shutdown-grace-period=120"]), {})
    assert hand_off(asks, alb, nginx, forwards_to_terminating=True).seconds == (15, 35)
    unclear = hand_off(asks, UNKNOWN, serves, forwards_to_terminating=True)
    assert unclear.verdict is (Seam.LOSSY if protocol == "TCP" else Seam.UNKNOWN)


def test_without_the_fallback_to_terminating_pods_a_delay_does_not_help() -> None:
    found = hand_off(consumer(HCNP), GKE, window(60, 60), forwards_to_terminating=False)
    assert found.seconds == (3, 14)
    found = hand_off(consumer(HCNP), GKE, window(60, 60), forwards_to_terminating=None)
    assert found.verdict is Seam.UNKNOWN


def test_a_load_balancer_whose_settings_are_not_known() -> None:
    found = hand_off(consumer(HCNP), UNKNOWN, window(600, 600), forwards_to_terminating=True)
    assert found.verdict is Seam.UNKNOWN
    assert "nobody knows" in found.because
    lossy = hand_off(consumer(OWN), UNKNOWN, window(600, 600), forwards_to_terminating=True)
    assert (lossy.verdict, lossy.seconds) == (Seam.LOSSY, (0, None))


@pytest.mark.parametrize(
    ("serves", "timing", "seconds"),
    [
        pytest.param(ServingWindow(600, 600, (), 600), GKE, (3, 14), id="the pod ends with its program"),
        pytest.param(ServingWindow(10, 30, (), 60), GKE, (3, 64), id="another container may run on"),
        pytest.param(ServingWindow(600, 600, ()), GKE, (3, None), id="the end of the pod is not known"),
        pytest.param(ServingWindow(600, 600, (), 600), UNKNOWN, (0, None), id="the time is not known"),
    ],
)
def test_a_service_that_publishes_pods_that_are_not_ready(
    serves: ServingWindow, timing: Timing | NotKnown, seconds: tuple[int, int | None]
) -> None:
    """The endpoint of a pod is ready until the pod has ended, so the health check passes until then."""
    found = hand_off(consumer(HCNP), timing, serves, forwards_to_terminating=True, ready_until_gone=True)
    assert (found.verdict, found.seconds) == (Seam.LOSSY, seconds)
    assert found.because[0].startswith("with publishNotReadyAddresses")
    found = hand_off(consumer(HCNP), timing, serves, forwards_to_terminating=True, ready_until_gone=None)
    assert found.verdict is Seam.UNKNOWN
    own = hand_off(consumer(OWN), GKE, serves, forwards_to_terminating=True, ready_until_gone=True)
    assert own.seconds == (3, 13), "the traffic port fails with the program"


def test_a_load_balancer_that_resets_open_connections_is_never_seamless() -> None:
    timing = Timing(GKE.stops, GKE.unanswered, GKE.starts, cuts="a setting")
    found = hand_off(consumer(HCNP), timing, window(600, 600), forwards_to_terminating=True)
    assert (found.verdict, found.seconds) == (Seam.UNKNOWN, (0, 0))
    assert found.because[0].startswith("no new connection is lost")
    lossy = hand_off(consumer(HCNP), timing, window(0, 0), forwards_to_terminating=True)
    assert (lossy.verdict, lossy.seconds) == (Seam.LOSSY, (3, 14))
    for each in (found, lossy):
        assert "it resets open connections then: a setting, on by default" in each.because


def test_a_lag_that_is_not_known_is_never_seamless() -> None:
    timing = Timing.of(3, 1, 2, 1, lag=None)
    found = hand_off(consumer(HCNP), timing, window(600, 600), forwards_to_terminating=True)
    assert found.verdict is Seam.UNKNOWN
    lossy = hand_off(consumer(HCNP), timing, window(0, 0), forwards_to_terminating=True)
    assert (lossy.verdict, lossy.seconds) == (Seam.LOSSY, (3, None))
    assert any("not counted" in each for each in lossy.because)
    unknown = hand_off(consumer(HCNP), timing, window(0, 30), forwards_to_terminating=True)
    assert (unknown.seconds, unknown.because[0]) == (None, "8 s or more may be lost")
    serves = ServingWindow(10, 10, (), 10)
    until = hand_off(consumer(HCNP), timing, serves, forwards_to_terminating=True, ready_until_gone=True)
    traffic = hand_off(consumer(OWN), timing, serves, forwards_to_terminating=True)
    gone = lost_node(consumer(OWN), timing)
    assert [each.seconds for each in (until, traffic, gone)] == [(3, None), (3, None), (0, None)]
    assert all("its check has failed" in " ".join(each.because) for each in (lossy, unknown, until, traffic, gone))


@given(st.integers(0, 400), st.integers(0, 400), st.integers(1, 60), st.integers(1, 10), st.integers(0, 60))
def test_a_window_that_grows_never_makes_it_worse(
    least: int, more: int, interval: int, threshold: int, lag: int
) -> None:
    timing = Timing.of(interval, 5, threshold, 2, lag=lag)
    order = [Seam.SEAMLESS, Seam.UNKNOWN, Seam.LOSSY]
    exact = hand_off(consumer(HCNP), timing, window(least, least), forwards_to_terminating=True)
    longer = hand_off(consumer(HCNP), timing, window(least + more, least + more), forwards_to_terminating=True)
    assert order.index(longer.verdict) <= order.index(exact.verdict)
    assert (exact.verdict is Seam.SEAMLESS) == (least >= timing.down(dropped=False)[1] + MARGIN)


def test_a_rollout_that_outruns_the_load_balancer() -> None:
    alb = Timing.of(15, 5, 2, 2)
    assert "minReadySeconds is 0" in outruns(alb, 0)
    assert outruns(alb, 35) == ""
    assert outruns(UNKNOWN, 0) == ""
    assert outruns(Timing.of(15, 5, 2, None), 0) == ""


@pytest.mark.parametrize(
    ("verdict", "seconds", "expected"),
    [
        (Seam.SEAMLESS, None, "Seamless: the load balancer stops before the pod does"),
        (Seam.UNKNOWN, None, "Unknown"),
        (Seam.LOSSY, (3, 12), "Lossy: requests to the node are lost for 3 to 12 s"),
        (Seam.LOSSY, (4, 4), "Lossy: requests to the node are lost for 4 s"),
        (Seam.LOSSY, (3, None), "Lossy: requests to the node are lost for at least 3 s"),
        (Seam.LOSSY, (0, None), "Lossy: requests to the node are lost, for a time that has no known bound"),
    ],
)
def test_the_verdict_in_words(verdict: Seam, seconds: tuple[int, int | None] | None, expected: str) -> None:
    assert words(HandOff(verdict, seconds, ())) == expected
