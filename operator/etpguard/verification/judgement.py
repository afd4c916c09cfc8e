"""Compares the answers of one node with the prediction. Pure.

A node with a local endpoint forwards. What other nodes do depends on the data plane: kube-proxy drops the packets,
others refuse the connection (see `assess.data_planes`). A connection from a node or from a pod is internal traffic
for the data plane, and proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address, ip_network

from etpguard.assess.node_states import Client
from etpguard.verification.predictions import FORWARDING, Prediction


class Verdict(Enum):
    AGREES = "agrees"
    DIFFERS = "differs"
    INCONCLUSIVE = "inconclusive"


class Answer(Enum):
    CONNECTS = "connects"
    TIMES_OUT = "times out"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Connection:
    """The result of one TCP connection. `source` is its local address, "" if that is not known. `detail` is the
    operating system's message of an unreachable address."""

    answer: Answer
    source: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """The answer of healthCheckNodePort. `status` is the HTTP status, None without an HTTP answer; `answer` is
    then the result of the connection. `local_endpoints` is from the JSON of kube-proxy, if it has it:
    healthcheck/service_health.go:255-275."""

    answer: Answer
    status: int | None = None
    local_endpoints: int | None = None


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """Addresses that are inside the cluster: those of nodes, with the name of the node by address, the pod
    networks, and the addresses of known pods. A user with such an address is inside."""

    nodes: Mapping[str, str]
    pod_networks: Sequence[str] = ()
    pods: frozenset[str] = frozenset()
    in_pod: bool = False

    def inside(self, source: str) -> str:
        """Why a connection from `source` counts as internal traffic; "" if nothing shows that."""
        if not source:
            return "the source address of the connection is not known"
        if source in self.nodes:
            return f"this machine is node {self.nodes[source]}: traffic from a node may go to any endpoint"
        if ip_address(source).is_loopback:
            return "the connection stays on this machine"
        if self.in_pod or source in self.pods:
            return "this is a pod of the cluster: the data plane may treat its traffic as internal"
        if any(_contains(network, source) for network in self.pod_networks):
            return f"the source {source} is in a pod network: the data plane may treat its traffic as internal"
        return ""


def _contains(network: str, address: str) -> bool:
    try:
        return ip_address(address) in ip_network(network, strict=False)
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one prediction. `reason` is "" if the prediction is right and nothing is remarkable."""

    prediction: Prediction
    connection: Connection
    health: HealthAnswer | None
    verdict: Verdict
    reason: str = ""


def judge_connection(
    prediction: Prediction,
    connection: Connection,
    health: HealthAnswer | None,
    *,
    expects_local: bool | None,
    inside: str,
) -> Judged:
    """Compare a connection with its prediction. `health` is the answer of healthCheckNodePort of the same node,
    None if it was not asked; `expects_local`: whether 200 is predicted there, None if that is not predicted.
    `inside`: see `Viewpoint`."""
    verdict, reason = _by_health(health, expects_local)
    if expects_local is not None and health and health.status is None and health.answer is Answer.REFUSED:
        verdict, reason = _by_closed_health(prediction, connection, inside)
    elif verdict is not Verdict.DIFFERS:
        if inside:
            verdict, reason = Verdict.INCONCLUSIVE, inside
        else:
            verdict, reason = _by_connection(prediction, connection, health)
    return Judged(prediction, connection, health, verdict, reason)


def _by_health(health: HealthAnswer | None, expects_local: bool | None) -> tuple[Verdict, str]:
    """healthCheckNodePort is the answer of the data plane itself. It counts wherever the user is."""
    if health is None or expects_local is None:
        return Verdict.AGREES, ""
    if health.status is None:
        return Verdict.AGREES, ""
    if health.status == 503 and health.local_endpoints:
        return Verdict.DIFFERS, (
            f"healthCheckNodePort answers 503 with {health.local_endpoints} local endpoints: kube-proxy reports "
            "that it is not healthy, or that its node is being deleted; look at its log"
        )
    if health.status not in (200, 503):
        return Verdict.DIFFERS, (
            f"healthCheckNodePort answers HTTP {health.status}, which no data plane does: another server listens "
            "there"
        )
    if (health.status == 200) == expects_local:
        return Verdict.AGREES, ""
    if expects_local:
        return Verdict.DIFFERS, (
            "a ready endpoint is on this node, but its data plane counts no local endpoint (healthCheckNodePort "
            "answers 503). Either kube-proxy's hostname is not the name of the Node: compare --hostname-override "
            "of kube-proxy with kubectl get nodes. Or kube-proxy has not yet seen the endpoint: look at its log"
        )
    return Verdict.DIFFERS, (
        "no ready endpoint is on this node, but its data plane counts a local one (healthCheckNodePort answers "
        "200): kube-proxy has not seen the last change, or its hostname is the name of another Node; look at its "
        "log"
    )


_CLOSED = (
    "nothing listens on healthCheckNodePort at this address. Either the data plane does not serve this address "
    "(--nodeport-addresses; in nftables mode kube-proxy serves only the primary address of the node by default): "
    "try the address that clients or the load balancer use. Or no data plane of this node serves the Service: "
    "look at the kube-proxy (or its replacement) of the node"
)
_ONLY_HEALTH_IS_CLOSED = (
    "the node port answers, but nothing listens on healthCheckNodePort: another program may have the port; look "
    "at the log of the kube-proxy (or its replacement) of the node"
)


def _by_closed_health(prediction: Prediction, connection: Connection, inside: str) -> tuple[Verdict, str]:
    """healthCheckNodePort refuses. kube-proxy listens there at the addresses of node ports only, unless these are
    all: healthcheck/service_health.go newServiceHealthServer. So only a node port that answers from outside shows
    that the address is served."""
    if inside:
        return Verdict.INCONCLUSIVE, _CLOSED
    verdict, reason = _by_connection(prediction, connection, None)
    if connection.answer is Answer.CONNECTS:
        return (Verdict.DIFFERS, _ONLY_HEALTH_IS_CLOSED) if verdict is Verdict.AGREES else (verdict, reason)
    return Verdict.DIFFERS if verdict is Verdict.DIFFERS else Verdict.INCONCLUSIVE, _CLOSED


_PATH = (
    "a firewall, a security group or a NetworkPolicy between here and the node drops the packets, or kube-proxy's "
    "hostname is not the name of the Node"
)


def _by_connection(
    prediction: Prediction, connection: Connection, health: HealthAnswer | None
) -> tuple[Verdict, str]:
    answer, counted = connection.answer, health is not None and health.status is not None
    if prediction.doubt:
        return Verdict.INCONCLUSIVE, f"the state of this node is not known: {prediction.doubt}"
    if answer is Answer.UNREACHABLE:
        return Verdict.INCONCLUSIVE, f"no route from here to {prediction.address}: {connection.detail}"
    if prediction.state in FORWARDING:
        if answer is Answer.CONNECTS:
            return Verdict.AGREES, ""
        if answer is Answer.TIMES_OUT:
            path = "a firewall, a security group or a NetworkPolicy drops the packets" if counted else _PATH
            return Verdict.INCONCLUSIVE, f"a local endpoint is here, but the connection times out: {path}"
        return Verdict.DIFFERS, (
            "a local endpoint is here, but the connection is refused: the data plane does not serve the node port "
            "on this address (--nodeport-addresses), a firewall rejects it, or the container does not listen on "
            "the port"
        )
    if answer is Answer.CONNECTS:
        where = "on this node" if prediction.state == "dropped" else "anywhere"
        return Verdict.DIFFERS, (
            f"no usable endpoint is {where}, but the connection succeeds: the data plane follows other rules, it "
            "has not seen the last change, or another machine answers at this address"
        )
    if answer is Answer.TIMES_OUT and prediction.client is Client.REFUSED:
        return Verdict.INCONCLUSIVE, (
            "no usable endpoint is here, so the connection should be refused, but it times out: a firewall or a "
            "security group drops the packets, or the data plane is another one"
        )
    if answer is Answer.REFUSED and prediction.client is Client.TIMEOUT:
        return (
            Verdict.AGREES,
            "the traffic is lost, but by a refusal instead of a time-out: is the data plane another one?",
        )
    return Verdict.AGREES, ""
