"""The interface of the rule of one data plane. Pure.

A rule answers as if every node had its data plane; `assess.data_planes.mixed` puts the answers for the groups of
nodes together. It reads one Service through `Inputs`, and returns `ServiceStates`: for each service port the nodes
that forward to ready or to terminating endpoints, what clients of the other nodes meet, and what answers on
healthCheckNodePort. No rule knows another.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from msgspec.structs import replace

from etpguard.assess.data_planes.inputs import Inputs
from etpguard.assess.data_planes.interface import HEALTHZ_ADDRESS, HEALTHZ_DECIDED_BY, KnownDataPlane
from etpguard.assess.node_states import Frontend, PortState, ServiceStates, Uncertain
from etpguard.assess.outcome import Reason
from etpguard.objects import ServicePort
from etpguard.objects.addresses import parse_address

Healthz = bool | str
"""Whether port 10256 of a Ready node answers health checks with success; a sentence why that is not known."""


class Leaving(Enum):
    """Whether a node is about to go."""

    NO = "no"
    TAINTED = "the cluster autoscaler is about to delete it"
    DELETED = "it is being deleted"


def reaches_healthz(address: str) -> bool:
    """Whether a server on this address, with its port, answers on port 10256 of the node from outside."""
    host, _, port = address.strip().rpartition(":")
    parsed = parse_address(host.strip("[]"))
    return port == "10256" and host != "localhost" and not (parsed and parsed.is_loopback)


def kube_proxy_healthz(plane: KnownDataPlane) -> Healthz:
    """Where its configuration was not read, kube-proxy serves port 10256 on all addresses, the default. An address
    may lack the port (pkg/proxy/util/utils.go AppendPortIfNeeded)."""
    if where := plane.setting(HEALTHZ_DECIDED_BY):
        return f"whether kube-proxy answers on port 10256 depends on {where}"
    address = plane.setting(HEALTHZ_ADDRESS)
    if address is None:
        return True
    if parsed := parse_address(address):
        return not parsed.is_loopback
    return reaches_healthz(address)


def beside_kube_proxy(name: str, own: Healthz, kube_proxy: str | None) -> Healthz:
    """What port 10256 answers where kube-proxy may run beside the data plane of this name, which answers `own`.
    `kube_proxy` is the setting HEALTHZ_BESIDE; None if no object shows whether kube-proxy runs."""
    if kube_proxy == "true":
        return True
    if own is not False or kube_proxy == "false":
        return own
    return kube_proxy or (
        f"{name} does not answer on port 10256, and no object shows whether kube-proxy runs beside it and "
        "answers. Look for its pods: kubectl get pods -A -o wide | grep kube-proxy"
    )


_ONLY_FROM_OUTSIDE = (
    "Only a request from another machine to port {port} of the node's own address shows what clients get."
)
FOLLOWS_INTERNAL_POLICY = (
    "A request from a node or from a pod proves nothing: traffic that starts in the cluster follows "
    f"internalTrafficPolicy. {_ONLY_FROM_OUTSIDE}"
)
GOES_TO_ANY_ENDPOINT = (
    "A request from a node or from a pod proves nothing: traffic that starts in the cluster may go to any "
    f"endpoint. {_ONLY_FROM_OUTSIDE}"
)
"""Values of `Rule.misleading` that several data planes have."""


def no_sctp(name: str, more: str = "") -> Reason:
    """The reason of `doubt_of` for a data plane of this name."""
    return Reason(
        "ProtocolNotServed",
        f"{name} does not support ports of SCTP, and what it does with their traffic is not known.{more} Test a "
        "connection",
    )


def doubt_of(port: ServicePort, reason: Reason) -> tuple[Uncertain, ...]:
    """The doubt on every node about a port whose protocol the data plane does not support: SCTP."""
    return (Uncertain(-1, reason),) if port.transport == "SCTP" else ()


def doubted_at(state: PortState, frontend: Frontend, kinds: set[Frontend], doubt: Uncertain) -> PortState:
    """The state with a doubt about one kind of address alone. `kinds` are those of the port."""
    if kinds == {frontend}:
        return replace(state, uncertain=(*state.uncertain, doubt))
    return replace(state, uncertain_through=((frontend, doubt),)) if frontend in kinds else state


class Rule(Protocol):
    """The rule of one data plane with its version and settings."""

    @property
    def healthz(self) -> Healthz: ...

    def healthz_before(self, leaving: Leaving) -> Healthz:
        """What port 10256 of a node that leaves answers."""
        ...

    @property
    def misleading(self) -> str:
        """Why a request that starts on a node or in a pod proves nothing about clients outside: a sentence in
        which "{port}" is the node port."""
        ...

    def states(self, inputs: Inputs) -> ServiceStates:
        """The states of the Service as if its policy were Local, whatever it is."""
        ...

    def internal_ports(self, inputs: Inputs) -> tuple[PortState, ...]:
        """The states for traffic to the cluster IPs, as if `internalTrafficPolicy` were Local, whatever it is."""
        ...
