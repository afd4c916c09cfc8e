"""Every state against every answer, from outside and from inside, with and without healthCheckNodePort."""

from __future__ import annotations

import pytest

from etpguard.assess.node_states import Client
from etpguard.verification import (
    Answer,
    Connection,
    HealthAnswer,
    Judged,
    Prediction,
    Verdict,
    Viewpoint,
    conclude,
    judge_connection,
)
from etpguard.verification.predictions import State

CONNECTS, TIMES_OUT, REFUSED, UNREACHABLE = Answer
AGREES, DIFFERS, INCONCLUSIVE = Verdict


_CLIENTS: dict[State, Client] = {"dropped": Client.TIMEOUT, "rejected": Client.REFUSED}
"""kube-proxy's."""


def judged(
    state: State,
    answer: Answer,
    *,
    health: HealthAnswer | None = None,
    expects_local: bool | None = None,
    inside: str = "",
    doubt: str = "",
    node: str = "node1",
) -> Judged:
    return judge_connection(
        Prediction(node, "192.0.2.1", "IPv4", "http", 30851, state, _CLIENTS.get(state), doubt),
        Connection(answer, "192.0.2.99", "No route to host" if answer is UNREACHABLE else ""),
        health,
        expects_local=expects_local,
        inside=inside,
    )


def counted(status: int, endpoints: int) -> HealthAnswer:
    return HealthAnswer(CONNECTS, status, endpoints)


@pytest.mark.parametrize(
    ("state", "connects", "times_out", "refused"),
    [
        ("ready", AGREES, INCONCLUSIVE, DIFFERS),
        ("terminating", AGREES, INCONCLUSIVE, DIFFERS),
        ("dropped", DIFFERS, AGREES, AGREES),
        ("rejected", DIFFERS, INCONCLUSIVE, AGREES),
    ],
)
def test_each_state_and_answer(state: State, connects: Verdict, times_out: Verdict, refused: Verdict) -> None:
    assert judged(state, CONNECTS).verdict is connects
    assert judged(state, TIMES_OUT).verdict is times_out
    assert judged(state, REFUSED).verdict is refused
    assert judged(state, UNREACHABLE).verdict is INCONCLUSIVE


def test_a_data_plane_that_refuses() -> None:
    """A time-out may then be a firewall, and a refusal is what is predicted."""
    refuses = Prediction("node1", "192.0.2.1", "IPv4", "http", 30851, "dropped", Client.REFUSED)
    found = {
        answer: judge_connection(refuses, Connection(answer, "192.0.2.99"), None, expects_local=None, inside="")
        for answer in (CONNECTS, TIMES_OUT, REFUSED)
    }
    assert {answer: row.verdict for answer, row in found.items()} == {
        CONNECTS: DIFFERS, TIMES_OUT: INCONCLUSIVE, REFUSED: AGREES,
    }  # fmt: skip


@pytest.mark.parametrize("answer", list(Answer))
def test_a_state_that_is_not_known_is_never_fine(answer: Answer) -> None:
    assert judged("ready", answer, doubt="its data plane is not known").verdict is INCONCLUSIVE


@pytest.mark.parametrize("state", ["ready", "terminating", "dropped", "rejected"])
@pytest.mark.parametrize("answer", [CONNECTS, TIMES_OUT, REFUSED])
def test_from_inside_nothing_is_ever_fine(state: State, answer: Answer) -> None:
    row = judged(state, answer, inside="this machine is node node1", health=counted(200, 1), expects_local=True)
    assert row.verdict is INCONCLUSIVE
    assert row.reason == "this machine is node node1"


@pytest.mark.parametrize(
    ("health", "expects_local", "verdict", "words"),
    [
        pytest.param(counted(200, 1), True, AGREES, "", id="both count one"),
        pytest.param(counted(503, 0), False, AGREES, "", id="both count none"),
        pytest.param(counted(503, 0), True, DIFFERS, "--hostname-override", id="kube-proxy under another name"),
        pytest.param(counted(200, 2), False, DIFFERS, "has not seen the last change", id="kube-proxy is behind"),
        pytest.param(counted(503, 2), True, DIFFERS, "not healthy", id="kube-proxy is not healthy"),
        pytest.param(HealthAnswer(CONNECTS, 404), True, DIFFERS, "HTTP 404", id="another server"),
        pytest.param(HealthAnswer(TIMES_OUT), True, AGREES, "", id="no answer proves nothing"),
    ],
)
@pytest.mark.parametrize("inside", ["", "this is a pod of the cluster"])
def test_health_check_node_port_is_the_best_witness(
    health: HealthAnswer, expects_local: bool, verdict: Verdict, words: str, inside: str
) -> None:
    state: State = "ready" if expects_local else "dropped"
    row = judged(
        state, CONNECTS if expects_local else TIMES_OUT, health=health, expects_local=expects_local, inside=inside
    )
    assert row.verdict is (verdict if verdict is DIFFERS or not inside else INCONCLUSIVE)
    assert words in row.reason


@pytest.mark.parametrize(
    ("state", "answer", "inside", "verdict", "words"),
    [
        pytest.param("ready", REFUSED, "", DIFFERS, "--nodeport-addresses", id="nothing listens at the address"),
        pytest.param("dropped", REFUSED, "", INCONCLUSIVE, "--nodeport-addresses", id="no endpoint either"),
        pytest.param("dropped", TIMES_OUT, "", INCONCLUSIVE, "--nodeport-addresses", id="the node port is silent"),
        pytest.param("ready", TIMES_OUT, "", INCONCLUSIVE, "--nodeport-addresses", id="so it is with an endpoint"),
        pytest.param("ready", CONNECTS, "this is a pod", INCONCLUSIVE, "--nodeport-addresses", id="from inside"),
        pytest.param("ready", CONNECTS, "", DIFFERS, "the node port answers", id="the node port is served there"),
        pytest.param("dropped", CONNECTS, "", DIFFERS, "follows other rules", id="it should not be"),
    ],
)
def test_a_health_check_node_port_that_refuses(
    state: State, answer: Answer, inside: str, verdict: Verdict, words: str
) -> None:
    """kube-proxy listens there only at --nodeport-addresses, too, so it may run and serve another address."""
    expects_local = state == "ready"
    row = judged(state, answer, health=HealthAnswer(REFUSED), expects_local=expects_local, inside=inside)
    assert row.verdict is verdict
    assert words in row.reason


def test_a_time_out_of_a_node_that_counts_an_endpoint_is_the_path() -> None:
    row = judged("ready", TIMES_OUT, health=counted(200, 1), expects_local=True)
    assert "firewall" in row.reason
    assert "hostname" not in row.reason
    assert "hostname" in judged("ready", TIMES_OUT).reason


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "not known"),
        ("192.0.2.11", "node node1"),
        ("127.0.0.1", "stays on this machine"),
        ("10.1.2.3", "pod network"),
        ("10.9.0.7", "a pod of the cluster"),
        ("2001:db8:113::9", "pod network"),
        ("198.51.100.2", ""),
    ],
)
def test_where_the_user_is(source: str, words: str) -> None:
    viewpoint = Viewpoint(
        {"192.0.2.11": "node1"}, ["10.1.0.0/16", "2001:db8:113::/48", "no network"], frozenset({"10.9.0.7"})
    )
    found = viewpoint.inside(source)
    assert words in found
    assert bool(found) == bool(words)


def test_in_a_pod_every_source_is_inside() -> None:
    assert Viewpoint({}, in_pod=True).inside("198.51.100.2")


def test_the_conclusion_names_what_counts_most() -> None:
    fine, lost = judged("ready", CONNECTS), judged("dropped", TIMES_OUT, node="node2")
    agrees = conclude([fine, lost], "default/web")
    assert agrees.verdict is AGREES
    assert "Node node2 cannot forward" in agrees.sentence
    wrong = judged("dropped", CONNECTS, node="node3")
    differs = conclude([fine, judged("ready", TIMES_OUT), wrong], "default/web")
    assert differs.verdict is DIFFERS
    assert differs.sentence.startswith("Node node3: ")
    assert conclude([fine, judged("ready", TIMES_OUT, node="node4")], "default/web").verdict is INCONCLUSIVE
    assert conclude([], "default/web").verdict is INCONCLUSIVE


def test_silence_alone_proves_nothing() -> None:
    """A firewall in front of all nodes looks the same as an outage."""
    silent = [judged("dropped", TIMES_OUT, node=f"node{number}") for number in range(3)]
    assert conclude(silent, "default/web").verdict is INCONCLUSIVE
    heard = judged("dropped", TIMES_OUT, health=counted(503, 0), expects_local=False)
    assert conclude([*silent, heard], "default/web").verdict is AGREES
