"""Prediction of a health check on each node, from what listens on its port."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from etpguard.assess.node_states import Frontend, PortState, ServiceStates
from etpguard.objects import IPFamily, Key

KUBE_PROXY_HEALTHZ_PORT = 10256


class OwnNodePort(Struct, frozen=True):
    """A node port of the Service itself: passes where that port's traffic is forwarded."""

    port: str


class HealthCheckNodePort(Struct, frozen=True):
    """The data plane's own answer: 200 where an endpoint is ready, 503 elsewhere. With `any_answer` (a TCP
    check, or 503 among the accepted codes) it passes on every node where the port is open. `service`
    is given where the port and the endpoints are another Service's."""

    any_answer: bool = False
    service: Key | None = None


class OtherNodePort(Struct, frozen=True):
    """A node port of another Service."""

    service: Key
    port: str


class KubeProxyHealthz(Struct, frozen=True):
    """kube-proxy's /healthz, which does not depend on endpoints: passes on Ready nodes. Other data planes answer
    on its port, or do not."""


class AnswersEverywhere(Struct, frozen=True):
    """A port that the user named in --answers-everywhere-ports."""


class NoHealthCheck(Struct, frozen=True):
    """Without a health check: the consumer sends to a node whether the node forwards or not."""


class PassesNowhere(Struct, frozen=True):
    """The answer never counts as success."""

    detail: str


class NotModelled(Struct, frozen=True):
    """No API object shows what answers there."""

    detail: str


Probe = (
    OwnNodePort
    | HealthCheckNodePort
    | OtherNodePort
    | KubeProxyHealthz
    | AnswersEverywhere
    | NoHealthCheck
    | PassesNowhere
    | NotModelled
)


class Probed(NamedTuple):
    """Another Service, whose port is probed."""

    states: ServiceStates
    local: bool
    """Whether its policy is Local."""
    limit: str = ""
    """Why only some nodes may serve it under Cluster, as a clause; "" if nothing shows that."""
    unreadable: str = ""
    """Which of its EndpointSlices cannot be read, and why, so that it may have further endpoints; "" for none."""


def passing(
    probe: Probe,
    family: IPFamily,
    own: ServiceStates,
    other: Callable[[Key], Probed | None],
    *,
    healthz: int | NotModelled,
    nodes: int,
    port: str = "",
    path: str = "",
) -> int | NotModelled:
    """The nodes on which `probe` passes, or why that is not known.

    `nodes` are those that the consumer may probe: what other nodes answer does not matter. `other` gives another
    Service; `healthz` are the nodes whose port 10256 answers with success. `port` is the port of the own Service
    to which the consumer sends: the caller judges what is not known of it. `path` is that of an HTTP check."""
    match probe:
        case OwnNodePort(probed):
            state = own.of(probed, family)
            if state is None:
                return NotModelled(f"the Service has no {family} port {probed!r}")
            if probed != port and (doubt := state.doubt(nodes)):
                return NotModelled(f"what answers on port {probed!r} of the Service is not known: {doubt.detail}")
            return state.seen_through(Frontend.NODE_PORT).forwarding
        case HealthCheckNodePort(any_answer, service):
            if service is None:
                return _health_check_node_port(own, family, any_answer, path, nodes)
            base = other(service)
            if base is None:
                return NotModelled(f"Service {service}, whose healthCheckNodePort is probed, does not exist")
            if base.unreadable and not any_answer:
                return NotModelled(f"not all endpoints of Service {service} are known: {base.unreadable}")
            return _health_check_node_port(base.states, family, any_answer, path, nodes)
        case OtherNodePort(service, probed):
            found = other(service)
            state = found.states.of(probed, family) if found else None
            if found is None or state is None:
                return NotModelled(f"Service {service} has no {family} port {probed!r}")
            return _other_node_port(service, found, state, nodes)
        case KubeProxyHealthz():
            return healthz
        case AnswersEverywhere() | NoHealthCheck():
            return nodes
        case PassesNowhere():
            return 0
        case NotModelled():
            return probe


def _other_node_port(service: Key, found: Probed, state: PortState, nodes: int) -> int | NotModelled:
    if found.unreadable and (found.local or not state.usable):
        return NotModelled(f"not all endpoints of Service {service} are known: {found.unreadable}")
    if doubt := (state if found.local else state.under_cluster).doubt(nodes):
        return NotModelled(f"what answers on the node port of Service {service} is not known: {doubt.detail}")
    if found.local:
        return state.seen_through(Frontend.NODE_PORT).forwarding
    if found.limit:
        return NotModelled(f"it is not known which nodes serve Service {service}: {found.limit}")
    if any(kind is Frontend.NODE_PORT for kind, _ in state.through):
        return NotModelled(f"the node port of Service {service} is closed on some nodes")
    return nodes & ~state.unusable if state.usable else 0


def _health_check_node_port(
    states: ServiceStates, family: IPFamily, any_answer: bool, path: str, nodes: int
) -> int | NotModelled:
    if any_answer:
        return nodes & states.health_port_open
    if states.health_not_known & nodes:
        return NotModelled("what the data plane answers on the healthCheckNodePort is not known")
    passes = states.healthy.get(family, 0) & states.health_port_open
    return passes if path in ("", "/healthz") else passes & ~states.healthz_only
