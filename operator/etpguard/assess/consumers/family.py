"""What most families have in common: defaults for the parts of `ConsumerFamily` that they leave out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from etpguard.assess.consumers.interface import Consumer, ConsumerVerdict, View
from etpguard.cluster.picture import Referrer
from etpguard.objects import Kind, Node, Service


class BaseFamily:
    """A family that reads no further kinds, follows no further references and has no advice."""

    name: str = ""
    kinds: Sequence[Kind[Any]] = ()
    refers: Mapping[Kind[Any], Sequence[Referrer]] = MappingProxyType({})

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        raise NotImplementedError

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[str]:
        return ()
