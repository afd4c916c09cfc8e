"""From the picture to assessments, incrementally: each part is computed again only when its input changes.

slices of a Service        -> node states       (kept per Service)
objects that refer to it   -> consumers         (kept per Service)
nodes and a consumer's rule -> eligible nodes   (kept per rule, a bit per node)
the three together         -> Assessment        (integers; some microseconds)
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence, Set
from typing import TypeVar

from etpguard.assess import internal
from etpguard.assess.assessment import Assessment, Options
from etpguard.assess.consumer_index import ConsumerIndex
from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.assess.consumers.view import View
from etpguard.assess.data_planes.interface import Detector, NodePlanes
from etpguard.assess.eligible_nodes import EligibleNodes
from etpguard.assess.failed_assessment import failed, failed_internal
from etpguard.assess.health_prediction import HealthPrediction
from etpguard.assess.internal import InternalAssessment
from etpguard.assess.node_states import ServiceStates
from etpguard.assess.platforms import Platforms
from etpguard.assess.probe import NotModelled
from etpguard.assess.resilience import Zones
from etpguard.assess.service_assessor import ServiceAssessor
from etpguard.assess.service_verdict import Judge
from etpguard.assess.state_cache import NodeStateCache
from etpguard.assess.turns import in_full
from etpguard.cluster import Picture, Touched
from etpguard.objects import (
    ENDPOINT_SLICE,
    NAMESPACE,
    NODE,
    SERVICE,
    SERVICE_COVERAGE,
    AnyKind,
    IPFamily,
    Key,
)
from etpguard.objects.records import index_key, is_index_key, of_presence

T = TypeVar("T")


class Engine:
    """Assessments of a picture, kept up to date: after `refresh` with everything that the changes touched, they
    are those of a new engine. The engine keeps results between calls only to save work."""

    def __init__(
        self, picture: Picture, families: Sequence[ConsumerFamily], options: Options | None = None
    ) -> None:
        self._picture = picture
        self._options = options or Options()
        self._platforms = Platforms()
        view = View(
            picture,
            self._options.answers_everywhere_ports,
            lambda: self._platforms.present,
            lambda: self.planes,
            unread_is_unknown=self._options.unread_is_unknown,
        )
        self._view = view
        self._consumers = ConsumerIndex(families, view)
        self.families: Mapping[str, ConsumerFamily] = {family.name: family for family in families}
        self._eligible = EligibleNodes(picture.nodes, picture.store(NODE))
        self._states = NodeStateCache(picture, self._options.data_planes, self._eligible)
        self._health = HealthPrediction(picture, self._eligible, self._states)
        self._judge = Judge(picture, self._options, self._eligible, self._states, self._health)
        self._assessor = ServiceAssessor(picture, self._states, self._consumers, self._judge)
        self._epoch = -1
        self._prepared: int | None = None
        self._presence: dict[Key, bool] = {}
        """Whether any object refers to a presence key, as consumers last heard."""
        self._present = 0
        self._shared: object = None
        self.assessments: dict[Key, Assessment] = {}
        self.internal: dict[Key, InternalAssessment] = {}
        """For clients in the cluster, of the Services with `internalTrafficPolicy: Local` and a cluster IP. A
        Service may have an entry here, in `assessments`, or in both."""
        self.failures: dict[Key, Exception] = {}
        """Services whose last assessment raised: a fault of etpguard that one object shows. They are Unknown."""

    @property
    def platforms(self) -> frozenset[str]:
        """The clouds and distributions of the nodes; see `assess.platforms`."""
        return self._platforms.present

    @property
    def zones(self) -> Zones:
        """The nodes of each zone by name; none with more than `MAX_ZONES` zones, where one says little."""
        return self._eligible.zones

    @property
    def planes(self) -> NodePlanes:
        """The data planes of the nodes."""
        return self._states.planes

    def misleading(self, nodes: int) -> list[str]:
        """The sentences on requests that prove nothing about clients outside, for the data planes of `nodes`."""
        return self._states.variants[0].rules.misleading(nodes)

    def use_data_planes(self, detector: Detector) -> None:
        """Find the data planes with another detector. The next `invalidate` returns every Service."""
        self._states.use_detector(detector)
        self._shared = None

    @property
    def missed(self) -> frozenset[AnyKind]:
        """Kinds that were not read and could change an outcome: a family asked for them."""
        return frozenset(self._view.missed)

    def refresh(self, touched: Touched) -> dict[Key, Assessment | None]:
        """Assess again the Services that `touched` reaches. Returns the assessments that changed, and those of
        Services whose entry in `internal` changed; None for a Service that is not assessed for external
        traffic."""
        return self.reassess(self.invalidate(touched))

    def reassess(self, keys: Iterable[Key]) -> dict[Key, Assessment | None]:
        """The second half of `refresh`, for some of the Services that `invalidate` gave. The picture must
        not change before all of them are done."""
        changed: dict[Key, Assessment | None] = {}
        for key in keys:
            if self._never_local(key):
                continue
            fresh = in_full(self._assess_safely(key))
            if self._note(key, fresh):
                changed[key] = fresh
        return changed

    def _never_local(self, key: Key) -> bool:
        """Whether a glance shows that the Service has no assessment and had none. That is so for most Services of
        a cluster."""
        service = self._picture.get(SERVICE, key)
        return (
            service is not None
            and service.spec.external_traffic_policy != "Local"
            and service.spec.internal_traffic_policy != "Local"
            and not service.metadata.annotations
            and self._picture.get(SERVICE_COVERAGE, key) is None
            and key not in self.assessments
            and key not in self.internal
            and key not in self.failures
        )

    def reassess_steps(self, key: Key) -> Generator[None, None, dict[Key, Assessment | None]]:
        """`reassess` for one Service, with a yield after some of its consumers: one Service may have thousands,
        and the caller can let others run meanwhile."""
        if self._never_local(key):
            return {}
        fresh = yield from self._assess_safely(key)
        return {key: fresh} if self._note(key, fresh) else {}

    def _note(self, key: Key, fresh: Assessment | None) -> bool:
        """Keep the assessment, and assess the Service for clients in the cluster. Returns whether either
        changed."""
        return _replaced(self.assessments, key, fresh) | _replaced(self.internal, key, self.assess_internal(key))

    def assess_internal(self, key: Key) -> InternalAssessment | None:
        """The assessment of one Service for clients in the cluster; None unless its internal policy is Local."""
        service = self._picture.get(SERVICE, key)
        if service is None or not internal.applies(service):
            return None
        try:
            return self._assessor.internal(key, service)
        except Exception as error:
            self.failures[key] = error
            nodes = self._picture.nodes
            return failed_internal(service, nodes, self._eligible.ready & nodes.present, error)

    def _assess_safely(self, key: Key) -> Generator[None, None, Assessment | None]:
        try:
            fresh = yield from self.assess_steps(key)
        except Exception as error:
            self.failures[key] = error
            service = self._picture.get(SERVICE, key)
            return failed(service, self._picture.nodes, error) if service else None
        self.failures.pop(key, None)
        return fresh

    def refresh_all(self) -> dict[Key, Assessment | None]:
        return self.refresh(Touched(everything=True))

    def assess(self, key: Key) -> Assessment | None:
        """The assessment of one Service; None unless its policy is Local, or was until etpguard changed it,
        and kube-proxy serves it externally."""
        return in_full(self.assess_steps(key))

    def assess_steps(self, key: Key) -> Generator[None, None, Assessment | None]:
        """`assess`, with a yield after some of the consumers."""
        if self._epoch != self._picture.nodes.epoch:
            self._reset()
        return (yield from self._assessor.external(key))

    def probe_passes(self, key: Key, consumer: Consumer, family: IPFamily, nodes: int) -> int | NotModelled:
        """The nodes on which the health check of a consumer of that Service is predicted to pass. The consumer
        sends to none but `nodes`."""
        service = self._picture.get(SERVICE, key)
        if service is None:
            return NotModelled(f"there is no Service {key}")
        return self._health.passing(self._states.of(key, service), consumer, family, nodes)

    def states(self, key: Key) -> ServiceStates | None:
        """The node states of that Service as if its policy were Local; None if there is no such Service."""
        service = self._picture.get(SERVICE, key)
        return self._states.of(key, service) if service else None

    def prepare(self, names: Iterable[str]) -> None:
        """Read nodes ahead of the first `invalidate`, which reads all of them at once otherwise. The signs of data
        planes are not read ahead: the detector may be another one by then. The caller gives every node that the
        picture has or had since the engine was made, here or to `invalidate`."""
        epoch = self._picture.nodes.epoch
        if self._prepared != epoch:
            self._reset_nodes()
            self._prepared = epoch
        else:
            self._read_nodes(names)

    def invalidate(self, touched: Touched) -> Iterable[Key]:
        """The first half of `refresh`: drop the results that `touched` outdates. Returns the Services to
        assess."""
        self._view.forget()
        shared = self._shared_inputs()
        if touched.everything or shared != self._shared:
            self._shared = shared
            self._reset(touched.nodes)
            return self._every_service()
        services = {key for key in touched.services if not of_presence(key) or self._presence_moved(key)}
        for number in touched.node_ports:
            services |= self._consumers.reading_port(number)
        if touched.namespaces:
            every = self._picture.store(SERVICE).keys()
            services |= {key for key in every if key.namespace in touched.namespaces}
            for name in touched.namespaces:
                services |= self._consumers.reading(index_key(NAMESPACE.name, name))
        for key in tuple(services):
            services |= self._consumers.reading(key)
            if is_index_key(key):  # Services refer to it, too
                services |= {service.key for service in self._picture.referring(SERVICE, key)}
        for key in services:
            self._states.forget(key)
            self._consumers.forget(key)
        for key in touched.endpoints:
            self._states.forget(key)
            services |= {key, *self._consumers.reading(key)}
        return services | self._reached_by_nodes(touched.nodes)

    def _presence_moved(self, key: Key) -> bool:
        """Whether objects refer to a presence key now and did not before, or the other way round."""
        before, now = self._presence.get(key), self._picture.has_referrers(key)
        self._presence[key] = now
        return now is not before

    def _every_service(self) -> set[Key]:
        return {*self._picture.store(SERVICE).keys(), *self.assessments, *self.internal}

    def _shared_inputs(self) -> object:
        """The inputs that every assessment depends on, and that hardly ever change."""
        picture = self._picture
        unseen = dict(picture.unread), dict(picture.unlisted)
        unreadable = tuple(reject.key for reject in picture.store(NODE).rejects)
        return picture.nodes.epoch, not len(picture.store(ENDPOINT_SLICE)), unseen, unreadable

    def _reset(self, names: Iterable[str] = ()) -> None:
        """`names` are the nodes that have changed since `prepare`."""
        self._epoch = self._picture.nodes.epoch
        self._present = self._picture.nodes.present
        self._forget_consumers()
        self.prepare(names)
        self._prepared = None
        self._judge.reset()
        self._states.reset()

    def _reset_nodes(self) -> None:
        self._eligible.reset()
        self._platforms.reset(self._picture.store(NODE))

    def _read_nodes(self, names: Iterable[str]) -> None:
        nodes = self._picture.store(NODE)
        for name in names:
            node = nodes.get(Key("", name))
            self._eligible.update(name, node)
            self._platforms.update(name, node)

    def _reached_by_nodes(self, names: Iterable[str]) -> Set[Key]:
        """Take in these changes of nodes. Returns the Services whose assessment they can change."""
        nodes = self._picture.store(NODE)
        moved = self._present != self._picture.nodes.present
        self._present = self._picture.nodes.present
        signs_changed = False
        for name in names:
            node = nodes.get(Key("", name))
            if self._eligible.update(name, node) or (node is not None and node.windows):
                moved = True
                self._states.forget_those_by_labels()
            signs_changed |= self._states.note_signs(name, node)
            if self._platforms.update(name, node):
                self._forget_consumers()
                moved = True
        before = self.planes
        if signs_changed and self._states.find_planes():
            moved = True
            if self.planes.distinct != before.distinct:
                self._forget_consumers()
                return self._every_service()  # some may be served now that were not, and have no assessment
        return self.assessments.keys() | self.internal.keys() if moved else frozenset()

    def _forget_consumers(self) -> None:
        self._view.forget()
        self._consumers.forget_all()
        self._presence.clear()


def _replaced(kept: dict[Key, T], key: Key, fresh: T | None) -> bool:
    """Keep `fresh` under the key, or remove the entry where it is None. Returns whether that is a change. A former
    value that is equal stays, because its resilience may be computed already."""
    if fresh == kept.get(key):
        return False
    if fresh is not None:
        kept[key] = fresh
    else:
        del kept[key]
    return True
