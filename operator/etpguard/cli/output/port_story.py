"""The part of `etpguard explain` on the ports of a Service: which node is in which state, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from etpguard.cli.input.sources import Assessed
from etpguard.objects import Endpoint, Service

if TYPE_CHECKING:
    from etpguard.assess import Assessment, PortState

Lines = Iterable[str]


def lines(assessed: Assessed, service: Service, assessment: Assessment, max_nodes: int) -> Lines:
    """Each port, with the nodes in each state and the endpoints there."""
    from etpguard.assess.data_planes.trackers import endpoints_by_node

    slices = assessed.loaded.picture.slices(service.key)
    for port in assessment.ports:
        node_port = f", node port {port.node_port}" if port.node_port else ""
        yield ""
        yield f"Port {port.port or '(unnamed)'} {port.number}/{port.protocol} {port.family}{node_port}"
        if not assessment.nodes:
            yield "  what each node does is not known, because no EndpointSlice was read"
        found = endpoints_by_node(slices, port)
        yield from _states(assessed, assessment, port, found or {}, max_nodes)
        if slices and found is None:
            wanted = f"{port.family} endpoints for this port's name and protocol"
            yield f"  no EndpointSlice of the Service has {wanted}"


_MEANING = {
    "ready": "a ready endpoint is here: traffic is forwarded",
    "terminating": "only terminating endpoints that still serve are here: traffic is forwarded until they end",
    "dropped": "no usable endpoint here: packets from outside are dropped, without an answer",
    "rejected": "no usable endpoint anywhere: connections are refused",
}
_DROPPED = {
    "timeout": _MEANING["dropped"],
    "refused": "no usable endpoint here: connections from outside are refused",
    "timeout or refused": "no usable endpoint here: some nodes drop packets from outside without an answer, "
    "others refuse connections",
    "not known": "no usable endpoint here: traffic from outside is not forwarded",
}
"""The words for a dropped node, by what happens to a client there."""
_UNDER_LOCAL = {
    "ready": "a ready endpoint is here: under Local, too, this node would forward the traffic",
    "terminating": "only terminating endpoints that still serve are here: under Local this node would forward "
    "the traffic until they end",
    "dropped": "no usable endpoint here: under Local this node would not forward traffic from outside",
    "rejected": "no usable endpoint anywhere: connections are refused, with Cluster as with Local",
}
_STATE_UNDER_LOCAL = {"dropped": "would drop"}


def _states(
    assessed: Assessed,
    assessment: Assessment,
    port: PortState,
    found: Mapping[str, Sequence[Endpoint]],
    max_nodes: int,
) -> Lines:
    table, every = assessed.loaded.picture.nodes, assessment.nodes
    states = {
        "ready": port.ready & every,
        "terminating": port.terminating & every,
        "dropped": port.dropped(every),
        "rejected": port.rejected(every),
    }
    for state, members in states.items():
        if not members:
            continue
        count = members.bit_count()
        meaning = _MEANING if assessment.if_local is None else _UNDER_LOCAL
        shown = state if assessment.if_local is None else _STATE_UNDER_LOCAL.get(state, state)
        what = meaning[state]
        if state == "dropped" and assessment.if_local is None:
            client = port.client(members)
            what = _DROPPED[client.value] if client else what
        yield f"  {shown} on {count} node{'s' if count > 1 else ''}: {what}"
        names = table.names(members, max_nodes)
        for name in names:
            here = [_endpoint(endpoint) for endpoint in found.get(name, ())]
            yield f"    {name}{': ' + '; '.join(here) if here else ''}"
        if count > len(names):
            yield f"    and {count - len(names)} more (--max-nodes 0 for all)"
    strays = [name for name in found if name and not table.bit(name) & every]
    for name in sorted(strays)[: max_nodes or None]:
        yield f"  endpoints on {name}, which has no Node object: no traffic reaches them"
    lost = [_endpoint(endpoint) for endpoint in found.get("", ())]
    if lost:
        yield f"  endpoints without a nodeName, local to no node for kube-proxy: {'; '.join(lost[:5])}"


def _endpoint(endpoint: Endpoint) -> str:
    """`pod web-0 10.0.0.5 (not ready, terminating)`."""
    conditions = endpoint.conditions
    notes = []
    if conditions is not None:
        notes = [
            word
            for word, holds in (
                ("not ready", conditions.ready is False),
                ("serving", conditions.serving and conditions.terminating),
                ("not serving", conditions.serving is False and conditions.terminating),
                ("terminating", conditions.terminating),
            )
            if holds
        ]
    target = endpoint.target_ref
    name = f"{(target.kind or 'object').lower()} {target.name} " if target and target.name else ""
    return f"{name}{', '.join(endpoint.addresses or ()) or '(no address)'} ({', '.join(notes) or 'ready'})"
