"""Prediction of a health check on each node, from what listens on its port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from etpguard.assess.node_states import ServiceStates
from etpguard.objects import IPFamily, Key

KUBE_PROXY_HEALTHZ_PORT = 10256


@dataclass(frozen=True, slots=True)
class OwnNodePort:
    """A node port of the Service itself: passes where that port's traffic is forwarded."""

    port: str


@dataclass(frozen=True, slots=True)
class HealthCheckNodePort:
    """kube-proxy's own answer: 200 where an endpoint is ready, 503 elsewhere. With `any_answer` (a TCP
    check, or 503 among the accepted codes) it passes on every node, for the port is open on all. `service`
    is given where the port and the endpoints are another Service's."""

    any_answer: bool = False
    service: Key | None = None


@dataclass(frozen=True, slots=True)
class OtherNodePort:
    """A node port of another Service."""

    service: Key
    port: str


@dataclass(frozen=True, slots=True)
class KubeProxyHealthz:
    """kube-proxy's /healthz, which does not depend on endpoints: passes on Ready nodes."""


@dataclass(frozen=True, slots=True)
class AnswersEverywhere:
    """A port that the user named in --answers-everywhere-ports."""


@dataclass(frozen=True, slots=True)
class NoHealthCheck:
    """Without a health check: the consumer sends to a node whether the node forwards or not."""


@dataclass(frozen=True, slots=True)
class PassesNowhere:
    """The answer never counts as success."""

    detail: str


@dataclass(frozen=True, slots=True)
class NotModelled:
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


def passing(
    probe: Probe,
    family: IPFamily,
    own: ServiceStates,
    other: Callable[[Key], tuple[ServiceStates, bool] | None],
    *,
    ready: int,
    everywhere: int,
) -> int | NotModelled:
    """The nodes on which `probe` passes.

    `other` gives another Service's states and whether its policy is Local; `ready` are the Ready nodes,
    `everywhere` all of them.
    """
    match probe:
        case OwnNodePort(port):
            state = own.of(port, family)
            return state.forwarding if state else NotModelled(f"the Service has no {family} port {port!r}")
        case HealthCheckNodePort(any_answer, service):
            if any_answer:
                return everywhere
            if service is None:
                return own.healthy.get(family, 0)
            base = other(service)
            if base is None:
                return NotModelled(f"Service {service}, whose healthCheckNodePort is probed, does not exist")
            return base[0].healthy.get(family, 0)
        case OtherNodePort(service, port):
            found = other(service)
            state = found[0].of(port, family) if found else None
            if found is None or state is None:
                return NotModelled(f"Service {service} has no {family} port {port!r}")
            if found[1]:
                return state.forwarding
            return everywhere if state.usable else 0
        case KubeProxyHealthz():
            return ready
        case AnswersEverywhere() | NoHealthCheck():
            return everywhere
        case PassesNowhere():
            return 0
        case NotModelled():
            return probe
