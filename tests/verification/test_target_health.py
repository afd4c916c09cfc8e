"""Every documented state and reason of the load balancers, against every prediction."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etpguard.verification import Verdict
from etpguard.verification.judged_targets import CheckPrediction, conclusion_of, judge_targets
from etpguard.verification.target_health import Health, TargetHealthError, TargetView, parse

AGREES, DIFFERS, INCONCLUSIVE = Verdict
NODES = {
    "node1": ("aws:///eu-central-1a/i-0a1", ["192.0.2.11"]),
    "node2": ("gce://shop/europe-west3-a/node2", ["192.0.2.12"]),
    "node3": ("", ["192.0.2.13"]),
}
PASSES, FAILS = CheckPrediction(True, on_traffic_port=True), CheckPrediction(False, on_traffic_port=True)


def aws(state: str, reason: str = "", id_: str = "i-0a1") -> bytes:
    """As `aws elbv2 describe-target-health` prints it."""
    health = {"State": state} | ({"Reason": reason, "Description": "text"} if reason else {})
    target = {"Target": {"Id": id_, "Port": 30851}, "HealthCheckPort": "30851", "TargetHealth": health}
    return json.dumps({"TargetHealthDescriptions": [target]}).encode()


@pytest.mark.parametrize(
    ("state", "reason", "passing", "failing"),
    [
        ("healthy", "", AGREES, DIFFERS),
        ("unhealthy", "Target.Timeout", DIFFERS, AGREES),
        ("unhealthy", "Target.FailedHealthChecks", DIFFERS, AGREES),
        ("unhealthy", "Target.ResponseCodeMismatch", DIFFERS, DIFFERS),
        ("unhealthy", "Elb.InternalError", INCONCLUSIVE, INCONCLUSIVE),
        ("unhealthy.draining", "Target.DeregistrationInProgress", DIFFERS, AGREES),
        ("initial", "Elb.RegistrationInProgress", INCONCLUSIVE, INCONCLUSIVE),
        ("initial", "Elb.InitialHealthChecking", INCONCLUSIVE, INCONCLUSIVE),
        ("draining", "Target.DeregistrationInProgress", INCONCLUSIVE, INCONCLUSIVE),
        ("unused", "Target.NotRegistered", INCONCLUSIVE, INCONCLUSIVE),
        ("unused", "Target.NotInUse", INCONCLUSIVE, INCONCLUSIVE),
        ("unused", "Target.InvalidState", INCONCLUSIVE, INCONCLUSIVE),
        ("unused", "Target.IpUnusable", INCONCLUSIVE, INCONCLUSIVE),
        ("unavailable", "Target.HealthCheckDisabled", INCONCLUSIVE, INCONCLUSIVE),
        ("unavailable", "Elb.InternalError", INCONCLUSIVE, INCONCLUSIVE),
        ("something-new", "", INCONCLUSIVE, INCONCLUSIVE),
    ],
)
def test_every_state_of_aws(state: str, reason: str, passing: Verdict, failing: Verdict) -> None:
    for prediction, verdict in ((PASSES, passing), (FAILS, failing)):
        (row,) = judge_targets(parse(aws(state, reason)), NODES, {"node1": prediction})
        assert row.verdict is verdict
        assert (row.node, row.target) == ("node1", "i-0a1")
        assert row.seen == (f"{state} ({reason})" if reason else state)
        assert bool(row.reason) == (verdict is not AGREES)


def test_another_status_is_right_where_the_check_does_not_probe_the_traffic_port() -> None:
    """healthCheckNodePort answers 503."""
    views = parse(aws("unhealthy", "Target.ResponseCodeMismatch"))
    (row,) = judge_targets(views, NODES, {"node1": CheckPrediction(False)})
    assert row.verdict is AGREES


def test_a_check_of_another_port_agrees_with_nothing() -> None:
    """The answer of AWS names the port that it checks."""
    for passes, state in ((True, "healthy"), (False, "unhealthy")):
        (row,) = judge_targets(parse(aws(state)), NODES, {"node1": CheckPrediction(passes, check_port=32100)})
        assert row.verdict is DIFFERS
        assert "checks port 30851, and by the API objects it checks port 32100" in row.reason
        (row,) = judge_targets(parse(aws(state)), NODES, {"node1": CheckPrediction(passes, check_port=30851)})
        assert row.verdict is AGREES


def test_where_no_pod_is_asked_none_is_blamed() -> None:
    views = parse(aws("unhealthy", "Target.ResponseCodeMismatch"))
    (row,) = judge_targets(views, NODES, {"node1": CheckPrediction(True)})
    assert "the pod answers" not in row.reason
    assert "--hostname-override" in row.reason


def test_a_pod_as_a_target_is_no_node() -> None:
    (row,) = judge_targets(parse(aws("healthy", id_="10.0.0.7")), NODES, {})
    assert (row.node, row.verdict) == ("", INCONCLUSIVE)


@pytest.mark.parametrize(
    ("state", "passing", "failing"),
    [
        ("HEALTHY", AGREES, DIFFERS),
        ("UNHEALTHY", DIFFERS, AGREES),
        ("DRAINING", INCONCLUSIVE, INCONCLUSIVE),
        ("UNKNOWN", INCONCLUSIVE, INCONCLUSIVE),
    ],
)
@pytest.mark.parametrize("by", ["instance", "ipAddress"])
def test_every_state_of_google(state: str, passing: Verdict, failing: Verdict, by: str) -> None:
    path = "https://www.googleapis.com/compute/v1/projects/shop/zones/europe-west3-a/instances/node2"
    where = {"instance": path} if by == "instance" else {"ipAddress": "192.0.2.12"}
    answer: list[dict[str, Any]] = [
        {"backend": "k8s-ig", "status": {"healthStatus": [{"healthState": state, "port": 80, **where}]}},
        {"backend": "empty", "status": {"kind": "compute#backendServiceGroupHealth"}},
    ]
    for prediction, verdict in ((PASSES, passing), (FAILS, failing)):
        (row,) = judge_targets(parse(json.dumps(answer).encode()), NODES, {"node2": prediction})
        assert (row.node, row.verdict) == ("node2", verdict)


@pytest.mark.parametrize(("state", "verdict"), [("Up", AGREES), ("Down", DIFFERS), ("Unknown", INCONCLUSIVE)])
def test_every_state_of_azure(state: str, verdict: Verdict) -> None:
    answer = {
        "up": 1,
        "down": 0,
        "loadBalancerBackendAddresses": [{"ipAddress": "192.0.2.13", "state": state, "reason": "Healthy"}],
    }
    (row,) = judge_targets(parse(json.dumps(answer).encode()), NODES, {"node3": PASSES})
    assert (row.node, row.verdict) == ("node3", verdict)


def test_eligible_nodes_and_targets_that_do_not_meet() -> None:
    views = [TargetView("i-0a1", Health.HEALTHY, "healthy", provider_id="i-0a1")]
    rows = judge_targets(views, NODES, {"node3": FAILS})
    assert [(row.node, row.predicted, row.verdict) for row in rows] == [
        ("node1", "no target", DIFFERS),
        ("node3", "a target", DIFFERS),
    ]
    assert conclusion_of(rows) is DIFFERS
    assert conclusion_of([]) is INCONCLUSIVE


def test_a_node_that_may_be_no_target() -> None:
    capped = CheckPrediction(True, absent="at most 1 node is registered")
    (_, row) = judge_targets(parse(aws("healthy")), NODES, {"node1": capped, "node3": capped})
    assert (row.node, row.verdict, row.reason) == ("node3", INCONCLUSIVE, "at most 1 node is registered")


@pytest.mark.parametrize(
    ("raw", "verdict"),
    [
        pytest.param(aws("draining", "Target.DeregistrationInProgress"), AGREES, id="AWS deregisters it"),
        pytest.param(aws("unused", "Target.NotRegistered"), AGREES, id="AWS has deregistered it"),
        pytest.param(aws("healthy"), DIFFERS, id="healthy"),
        pytest.param(aws("unused", "Target.NotInUse"), DIFFERS, id="registered, and not used"),
        pytest.param(aws("unhealthy.draining", "Target.Timeout"), DIFFERS, id="unhealthy, and still registered"),
        pytest.param(
            json.dumps(
                [{"status": {"healthStatus": [{"healthState": "DRAINING", "ipAddress": "192.0.2.11"}]}}]
            ).encode(),
            AGREES,
            id="Google drains it",
        ),
    ],
)
def test_a_target_that_is_predicted_to_be_none(raw: bytes, verdict: Verdict) -> None:
    (row,) = judge_targets(parse(raw), NODES, {})
    assert (row.predicted, row.verdict) == ("no target", verdict)
    assert row.reason


def test_a_load_balancer_whose_targets_are_not_known() -> None:
    (row,) = judge_targets(parse(aws("healthy")), NODES, {}, others="nothing shows its targets")
    assert (row.predicted, row.verdict, row.reason) == ("not known", INCONCLUSIVE, "nothing shows its targets")


def test_a_check_that_is_not_predicted() -> None:
    (row,) = judge_targets(parse(aws("healthy")), NODES, {"node1": CheckPrediction(None, "the path is not known")})
    assert (row.verdict, row.reason) == (INCONCLUSIVE, "the path is not known")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"{", "not JSON"),
        (b"{}", "the JSON is not that of"),
        (b"[1]", "the JSON is not that of"),
        (b'{"TargetHealthDescriptions": 7}', "TargetHealthDescriptions"),
        (b'{"TargetHealthDescriptions": [{"Target": {}}]}', "Target"),
        (b'[{"status": {"healthStatus": 7}}]', "status"),
    ],
)
def test_bad_input_is_one_line(raw: bytes, words: str) -> None:
    with pytest.raises(TargetHealthError, match=words) as caught:
        parse(raw)
    assert "\n" not in str(caught.value)
