"""The interface of a consumer family.

A family knows one controller, or a few that behave alike: which objects make it send traffic to a Service, to
which nodes, and what its health check probes. It reads the picture through a `View` and returns `Consumer`s,
which are plain data. The engine computes node sets and outcomes from them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from etpguard.assess.consumers.changes import Step
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.cluster.picture import Referrer
from etpguard.objects import Kind, Node, Service


class DocumentedConsumer(Struct, frozen=True):
    """An entry of docs/consumers.md: Markdown without line breaks."""

    consumer: str
    found_by: str
    nodes: str
    health_check: str
    with_local: str
    evidence: Evidence
    source: str
    """Project, version or commit, and file; "–" without one."""


class ConsumerFamily(Protocol):
    """One family. The first family of the registry that finds a consumer for an object owns the object: the engine
    ignores what later families find for it."""

    @property
    def name(self) -> str: ...

    @property
    def balancers_only(self) -> bool:
        """Whether it finds nothing for a Service of another type than LoadBalancer. The engine then does not
        ask."""
        ...

    @property
    def kinds(self) -> Sequence[Kind[Any]]:
        """The kinds it reads beyond Services, EndpointSlices, Nodes, Ingresses and IngressClasses."""
        ...

    @property
    def refers(self) -> Mapping[Kind[Any], Sequence[Referrer]]:
        """Further references from objects to Services, in annotations for example."""
        ...

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        """The consumers of `service`, under the policy Local. The work is linear in the size of the objects read.
        An exception makes the family's consumers of this Service Unknown."""
        ...

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        """What to do about a bad outcome of this consumer, best first. `nodes` are those with a ready endpoint."""
        ...


@runtime_checkable
class SelectsNodes(Protocol):
    """A family whose controller can be made to target only some nodes by their labels."""

    def target_nodes(
        self, service: Service, consumer: Consumer, labels: Mapping[str, str], *, keep: bool
    ) -> Step | None:
        """How to make the consumer target only nodes with these labels, with `keep` in addition to the selector
        that it has. None if it has no node selector, or none that takes these labels."""
        ...

    @property
    def follows_labels(self) -> bool:
        """Whether the controller reads a changed label of a node at once, and not with its next sync."""
        ...


class BaseFamily:
    """A family for Services of all types that reads no further kinds, follows no further references and has no
    advice."""

    name: str = ""
    balancers_only: bool = False
    kinds: Sequence[Kind[Any]] = ()
    refers: Mapping[Kind[Any], Sequence[Referrer]] = MappingProxyType({})
    documented: Sequence[DocumentedConsumer] = ()
    """Its entries of docs/consumers.md."""

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        raise NotImplementedError

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        return ()
