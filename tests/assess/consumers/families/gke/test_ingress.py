"""ingress-gce: Ingress of Google Cloud."""

from __future__ import annotations

import pytest

from etpguard.assess.probe import OwnNodePort
from tests.assess.consumers.checks import settings_of
from tests.assess.consumers.worlds import (
    Json,
    Seen,
    endpoints,
    ingress,
    ingress_class,
    node,
    nodes,
    port,
    seen,
    service,
    world,
)

CLASS = "kubernetes.io/ingress.class"
NEG = "cloud.google.com/neg"
GKE = {"cloud.google.com/gke-nodepool": "default"}
SAFE = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")


def behind(
    made: Json | None = None, annotations: dict[str, str] | None = None, labels: dict[str, str] | None = None
) -> list[Json]:
    subject = service(type="NodePort", annotations=annotations)
    made = made or ingress(annotations={CLASS: "gce"})
    return [subject, endpoints("a"), made, *nodes("gce", labels=GKE if labels is None else labels)]


@pytest.mark.parametrize(
    ("made", "labels", "served"),
    [
        pytest.param(ingress(annotations={CLASS: "gce"}), GKE, True, id="IsGCEIngress: class gce"),
        pytest.param(ingress(annotations={CLASS: "gce"}), {}, True, id="class gce off GKE"),
        pytest.param(ingress(annotations={CLASS: "gce-internal"}), GKE, True, id="class gce-internal"),
        pytest.param(ingress(annotations={CLASS: "gce-regional-external"}), GKE, True, id="gce-regional-external"),
        pytest.param(ingress(), GKE, True, id="neither class on GKE"),
        pytest.param(ingress(), {}, False, id="neither class off GKE"),
        pytest.param(ingress(annotations={CLASS: "nginx"}), GKE, False, id="another class"),
        pytest.param(ingress(class_name="gce"), GKE, False, id="ingressClassName is not read for gce"),
    ],
)
def test_which_ingresses(made: Json, labels: dict[str, str], served: bool) -> None:
    found = world(*behind(made, labels=labels)).consumer().consumer
    assert (found.family == "gke-ingress") is served


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(
            ingress(), Seen("Unknown", "ControllerNotKnown", "abc", "bc"), id="a default class may be another's"
        ),
        pytest.param(ingress(annotations={CLASS: "gce"}), SAFE, id="class gce"),
    ],
)
def test_an_ingress_of_gke_where_no_class_can_be_read(made: Json, expected: Seen) -> None:
    assert seen(*behind(made), unread={"IngressClass": "none in the input"}) == expected


def test_instance_groups_check_the_node_port_of_every_node() -> None:
    """pkg/healthchecks/healthchecks.go:97-101; the policy is never read."""
    assert seen(*behind()) == SAFE
    assert world(*behind()).consumer().consumer.probe == OwnNodePort("http")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            '{"ingress": true}', Seen("NotAffected", "TargetsPods", "", ""), id="endpoint groups hold pods"
        ),
        pytest.param(
            '{"Ingress":true}', Seen("NotAffected", "TargetsPods", "", ""), id="Go takes keys in any case"
        ),
        pytest.param('{"ingress": false}', SAFE, id="refused"),
        pytest.param('{"exposed_ports": {"80":{}}}', SAFE, id="standalone groups are not the Ingress's"),
        pytest.param("{}", SAFE, id="empty"),
        pytest.param("null", SAFE, id="null is the zero value"),
        pytest.param(
            '{"ingress": "true"}', Seen("Unknown", "InvalidAnnotation", "", ""), id="a string is an error"
        ),
        pytest.param("[]", Seen("Unknown", "InvalidAnnotation", "", ""), id="a list is an error"),
        pytest.param("true", Seen("Unknown", "InvalidAnnotation", "", ""), id="a bare bool is an error"),
        pytest.param("{", Seen("Unknown", "InvalidAnnotation", "", ""), id="no JSON"),
    ],
)
def test_neg_annotation(value: str, expected: Seen) -> None:
    assert seen(*behind(annotations={NEG: value})) == expected


def test_internal_ingress_takes_endpoint_groups_alone() -> None:
    internal = ingress(annotations={CLASS: "gce-internal"})
    assert seen(*behind(internal)).reason == "EndpointGroupsRequired"
    assert seen(*behind(internal, {NEG: '{"ingress":true}'})).outcome == "NotAffected"


CONFIG = "cloud.google.com/backend-config"
LOST = Seen("Blackhole", "Blackhole", "abc", "bc")
NOT_MODELLED = Seen("Unknown", "HealthCheckPortNotModelled", "abc", "bc")
NONE_HEALTHY = Seen("Unknown", "NoneHealthyNotKnown", "abc", "bc")
INVALID = Seen("Unknown", "InvalidAnnotation", "abc", "bc")


def backend_config(**check: object) -> Json:
    return {
        "kind": "BackendConfig",
        "metadata": {"name": "checks", "namespace": "shop"},
        "spec": {"healthCheck": check or None},
    }


ON_KUBE_PROXY = backend_config(port=10256, requestPath="/healthz")


@pytest.mark.parametrize(
    ("annotation", "config", "expected"),
    [
        pytest.param('{"default": "checks"}', ON_KUBE_PROXY, LOST, id="the check's port, by default"),
        pytest.param('{"ports": {"80": "checks"}}', ON_KUBE_PROXY, LOST, id="by the port's number"),
        pytest.param('{"ports": {"http": "checks"}}', ON_KUBE_PROXY, LOST, id="by the port's name"),
        pytest.param('{"ports": {"81": "checks"}}', ON_KUBE_PROXY, SAFE, id="another port's"),
        pytest.param('{"default": "checks"}', backend_config(port=30080), SAFE, id="the node port itself"),
        pytest.param('{"default": "checks"}', backend_config(requestPath="/ready"), SAFE, id="only another path"),
        pytest.param('{"default": "checks"}', backend_config(), SAFE, id="no health check"),
        pytest.param('{"default": "checks"}', backend_config(port=9100), NOT_MODELLED, id="an unknown port"),
        pytest.param('{"default": "gone"}', backend_config(), NOT_MODELLED, id="no such BackendConfig"),
        pytest.param(
            '{"default": "checks"}', backend_config(port=10256), NONE_HEALTHY, id="kube-proxy answers 404 to /"
        ),
        pytest.param(
            '{"default": "checks"}',
            backend_config(port=10256, requestPath="/healthz", type="HTTP2"),
            NONE_HEALTHY,
            id="kube-proxy does not speak TLS",
        ),
        pytest.param("{}", ON_KUBE_PROXY, SAFE, id="names none"),
        pytest.param("checks", backend_config(), INVALID, id="no JSON"),
        pytest.param("[]", backend_config(), INVALID, id="a list"),
        pytest.param('{"ports": []}', backend_config(), INVALID, id="ports that are a list"),
        pytest.param('{"ports": {"80": 1}}', backend_config(), INVALID, id="a name that is a number"),
    ],
)
def test_backend_config(annotation: str, config: Json, expected: Seen) -> None:
    assert seen(*behind(annotations={CONFIG: annotation}), config) == expected


def test_the_reason_names_an_unreadable_backend_config() -> None:
    made = world(*behind(annotations={CONFIG: '{"default": "checks"}'}), unread={"BackendConfig": "forbidden"})
    assert made.consumer().outcome.name == "Unknown"
    assert "forbidden" in made.consumer().reason.detail


def test_a_backend_config_that_changes_is_taken_up() -> None:
    made = world(*behind(annotations={CONFIG: '{"default": "checks"}'}), backend_config())
    assert made.consumer().outcome.name == "TargetsUnhealthy"
    made.put(ON_KUBE_PROXY)
    assert made.consumer().outcome.name == "Blackhole"
    check = settings_of(made.consumer().consumer)
    assert check is not None
    assert check.port == "10256"


@pytest.mark.parametrize(
    ("third", "eligible"),
    [
        pytest.param(node("c", "gce://c", ready="False"), "ab", id="not Ready"),
        pytest.param(node("c", "gce://c", ready="Unknown"), "ab", id="readiness unknown"),
        pytest.param(
            node("c", "gce://c", taints=[("ToBeDeletedByClusterAutoscaler", "NoSchedule")]),
            "ab",
            id="to be deleted",
        ),
        pytest.param(node("c", "gce://c", labels={"node-role.kubernetes.io/master": ""}), "ab", id="a master"),
        pytest.param(
            node("c", "gce://c", labels={"node-role.kubernetes.io/control-plane": ""}), "abc", id="control plane"
        ),
        pytest.param(
            node("c", "gce://c", labels={"node.kubernetes.io/exclude-from-external-load-balancers": "false"}),
            "ab",
            id="the exclude label's presence excludes, whatever its value",
        ),
        pytest.param(
            node("c", "gce://c", labels={"alpha.service-controller.kubernetes.io/exclude-balancer": "true"}),
            "ab",
            id="the old exclude label",
        ),
        pytest.param(node("c", "gce://c", labels={"operation.gke.io/type": "drain"}), "abc", id="being upgraded"),
    ],
)
def test_instance_group_nodes(third: Json, eligible: str) -> None:
    """pkg/utils/utils.go nodePredicateInternal."""
    made = ingress(annotations={CLASS: "gce"})
    found = seen(service(type="NodePort"), endpoints("a"), made, *nodes("gce", "a", "b"), third)
    assert found == Seen("TargetsUnhealthy", "TargetsUnhealthy", eligible, eligible[1:])


def test_the_default_class_of_another_controller_wins_over_gke() -> None:
    other = ingress_class("nginx", "k8s.io/ingress-nginx", default=True)
    assert world(*behind(ingress()), other).consumer().consumer.family == "in-cluster-proxies"


def test_a_named_backend_port() -> None:
    made = ingress(annotations={CLASS: "gce"}, to_port={"name": "admin"})
    subject = service(type="NodePort", ports=[port(), port("admin", 81, 30081)])
    found = world(subject, endpoints("a", ports=["admin"]), made, *nodes("gce")).consumer("admin")
    assert found.consumer.probe == OwnNodePort("admin")


SET_ENDPOINT_GROUPS = f"kubectl -n shop annotate service web --overwrite '{NEG}={{\"ingress\": true}}'"


def test_advice_leaves_a_check_that_finds_the_nodes_or_moves_to_endpoint_groups() -> None:
    advice = world(*behind()).advice()
    assert advice[0].startswith("Leave it as it is")
    assert advice[1].endswith(SET_ENDPOINT_GROUPS)
    assert "X-Forwarded-For" in advice[1]
    assert "X-Forwarded-For" in advice[3]


def test_advice_moves_to_endpoint_groups_first_where_requests_are_lost() -> None:
    advice = world(*behind(annotations={CONFIG: '{"default": "checks"}'}), ON_KUBE_PROXY).advice()
    assert advice[0].endswith(SET_ENDPOINT_GROUPS)
    assert "First set healthCheck.port of its BackendConfig from 10256 to a port of the pods" in advice[0]


def test_advice_keeps_standalone_endpoint_groups() -> None:
    _, text, *_ = world(*behind(annotations={NEG: '{"exposed_ports": {"80":{}}}'})).advice()
    assert "Keep its exposed_ports" in text
    assert "refuses both if exposed_ports gives a group a name" in text
    assert "kubectl" not in text
