"""Which endpoints serve a port of a Service, node by node, and how one is told to a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from etpguard.objects import Endpoint, EndpointSlice

if TYPE_CHECKING:
    from etpguard.assess import PortState

_HEADLESS = "service.kubernetes.io/headless"
"""Whoever serves node ports leaves slices with this label out."""


def by_node(slices: Iterable[EndpointSlice], port: PortState) -> Mapping[str, Sequence[Endpoint]]:
    """The endpoints of `port`, as the data plane takes them; those without a nodeName under ""."""
    found: dict[str, list[Endpoint]] = {}
    for slice_ in slices:
        if serves(slice_, port):
            for endpoint in slice_.endpoints or ():
                found.setdefault(endpoint.node_name or "", []).append(endpoint)
    return found


def serves(slice_: EndpointSlice, port: PortState) -> bool:
    if _HEADLESS in slice_.labels or slice_.address_type != port.family:
        return False
    return any(
        each.port and each.name == port.port and (each.protocol or "TCP") == port.protocol
        for each in slice_.ports or ()
    )


def told(endpoint: Endpoint) -> str:
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
