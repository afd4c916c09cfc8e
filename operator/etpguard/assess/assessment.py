"""The assessment of one Service, and the options of the assessments."""

from __future__ import annotations

from msgspec import Struct, field

from etpguard.assess.consumers.consumer import ConsumerVerdict
from etpguard.assess.data_planes.interface import AllNodes, Detector
from etpguard.assess.node_states import PortState
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.resilience import Coverage, Resilience, worst
from etpguard.objects import Key


class Assessment(Struct, frozen=True):
    """The result for one Service. Node sets are integers of the picture's `NodeTable` in its `epoch`.

    `eligible` and `uncovered` are those of the worst consumer. `nodes` are the Nodes whose states are known: all
    Nodes at the time, and none if no EndpointSlice was read. A Service that etpguard changed to Cluster is
    `NotAffected`; `if_local` is then its assessment under Local.
    """

    key: Key
    uid: str
    type: str
    policy: str
    outcome: Outcome
    reason: Reason
    ports: tuple[PortState, ...]
    consumers: tuple[ConsumerVerdict, ...]
    nodes: int
    eligible: int = 0
    uncovered: int = 0
    if_local: Assessment | None = None
    epoch: int = 0
    assumptions: tuple[str, ...] = ()
    """What the outcome assumes without proof, one sentence each: the assumptions of its consumers, and those about
    its nodes. The data planes are not among them: they are the same for all Services."""
    forced_local: str = ""
    """The annotation that makes the data plane of some nodes take the policy for Local whatever it is: a change of
    the policy has no effect there. "" if there is none."""
    coverage: tuple[Coverage, ...] = ()
    """For each port and family of a Service without a known consumer; () where the state of one is not known."""

    @property
    def known(self) -> list[ConsumerVerdict]:
        """The verdicts that decide the outcome: not those of incidental consumers."""
        return [verdict for verdict in self.consumers if not verdict.consumer.incidental]

    @property
    def deciding(self) -> list[ConsumerVerdict]:
        """Those with the outcome of the Service."""
        return [verdict for verdict in self.known if verdict.outcome is self.outcome]

    @property
    def resilience(self) -> Resilience | None:
        """The worst over its consumers, or over its ports if it has no known consumer. None where the outcome of
        one of them is not known, or none is affected."""
        if self.outcome is Outcome.NotAffected:
            return None
        known = [verdict for verdict in self.known if verdict.outcome is not Outcome.NotAffected]
        if not known:
            return None if self.outcome is Outcome.Unknown else worst([each.resilience for each in self.coverage])
        found = [each.resilience for each in known]
        certain = [each for each in found if each is not None]
        return worst(certain) if len(certain) == len(found) else None


class Options(Struct, frozen=True):
    """Options that no API object shows. `unread_is_unknown`: whether kinds that could not be read turn "no known
    consumer" into Unknown, as on a live cluster, or only into a warning, as with files."""

    data_planes: Detector = field(default_factory=AllNodes)
    answers_everywhere_ports: tuple[int, ...] = ()
    unread_is_unknown: bool = True
