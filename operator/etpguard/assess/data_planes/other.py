"""A data plane that etpguard has no rule for. What its nodes do is not known: the states are those of kube-proxy,
and all of them are uncertain."""

from __future__ import annotations

from collections.abc import Iterable

from etpguard.assess.data_planes.inputs import Inputs
from etpguard.assess.data_planes.interface import KnownDataPlane
from etpguard.assess.data_planes.rule import Healthz, Leaving
from etpguard.assess.data_planes.trackers import NO_NODES
from etpguard.assess.node_states import PortState, ServiceStates, Uncertain, cluster_ip_ports, external_ports
from etpguard.assess.outcome import Reason
from etpguard.objects import IPFamily, ServicePort

_NOT_MODELLED = Reason("DataPlaneNotModelled", "etpguard has no rule for the data plane of the nodes")


class Other:
    """The rule for a data plane that is not modelled."""

    healthz = "what answers on port 10256 is not known for this data plane"
    misleading = (
        "It is not known what a request from a node or from a pod to port {port} shows on this data plane. Only a "
        "request from another machine to the node's own address shows what clients get."
    )

    def __init__(self, plane: KnownDataPlane) -> None:
        del plane

    def healthz_before(self, leaving: Leaving) -> Healthz:
        return self.healthz

    def states(self, inputs: Inputs) -> ServiceStates:
        ports = _not_modelled(inputs, external_ports(inputs.service))
        return inputs.tracked.states(ports, health_not_known=-1)

    def internal_ports(self, inputs: Inputs) -> tuple[PortState, ...]:
        return _not_modelled(inputs, cluster_ip_ports(inputs.service))


def _not_modelled(inputs: Inputs, ports: Iterable[tuple[ServicePort, IPFamily]]) -> tuple[PortState, ...]:
    made = []
    for port, family in ports:
        found = inputs.tracked.by_port.get((family, port.label, port.transport), NO_NODES)
        made.append(
            PortState.of(
                port,
                family,
                found.ready,
                found.terminating,
                found.usable,
                found.crowded,
                unanswered=-1,
                uncertain=(Uncertain(-1, _NOT_MODELLED),),
            )
        )
    return tuple(made)
