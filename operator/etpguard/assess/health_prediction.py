"""The nodes on which the health check of a consumer passes. Pure."""

from __future__ import annotations

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.data_planes.rule import Leaving
from etpguard.assess.eligible_nodes import EligibleNodes
from etpguard.assess.node_states import ServiceStates
from etpguard.assess.probe import KubeProxyHealthz, NotModelled, Probed, passing
from etpguard.assess.state_cache import NodeStateCache
from etpguard.cluster import Picture
from etpguard.objects import SERVICE, IPFamily, Key


class HealthPrediction:
    """Predicts health checks. It reads the picture, the eligible nodes and the states of other Services at the
    time of each call."""

    def __init__(self, picture: Picture, eligible: EligibleNodes, states: NodeStateCache) -> None:
        self._picture = picture
        self._eligible = eligible
        self._states = states

    def passing(
        self, states: ServiceStates, consumer: Consumer, family: IPFamily, nodes: int
    ) -> int | NotModelled:
        """The nodes on which the health check of the consumer is predicted to pass. It probes none but `nodes`."""
        probe = consumer.probe
        if probe is None:
            return NotModelled("its health check is not known")
        nodes &= self._picture.nodes.present
        path = consumer.check.settings.path if consumer.check and consumer.check.settings else ""
        healthz = self._healthz(nodes) if isinstance(probe, KubeProxyHealthz) else 0
        return passing(
            probe,
            family,
            states,
            self._other,
            healthz=healthz,
            nodes=nodes,
            port=consumer.port,
            path=path,
        )

    def _healthz(self, nodes: int) -> int | NotModelled:
        """Those of `nodes` whose port 10256 answers with success."""
        deleting, leaving = self._eligible.deleting, self._eligible.leaving
        passes = 0
        for how, those in (
            (Leaving.NO, nodes & ~leaving),
            (Leaving.TAINTED, nodes & leaving & ~deleting),
            (Leaving.DELETED, nodes & deleting),
        ):
            answers = self._states.rules.healthz[how]
            for doubtful, why in answers.not_known:
                if doubtful & those:
                    return NotModelled(why)
            passes |= answers.passes & those
        return self._eligible.ready & passes

    def _other(self, key: Key) -> Probed | None:
        service = self._picture.get(SERVICE, key)
        if service is None:
            return None
        limit = self._states.rules.limit(service)
        rejected = self._picture.rejected_slices(key)
        unreadable = rejected[0].message if rejected else ""
        return Probed(self._states.of(key, service), service.policy == "Local", limit, unreadable)
