"""The assessment of one Service, from the picture, its node states and its consumers. Pure."""

from __future__ import annotations

from collections.abc import Generator

from etpguard.assess import internal
from etpguard.assess.assessment import Assessment
from etpguard.assess.consumer_index import ConsumerIndex
from etpguard.assess.forced_local import as_made_local, made_local, with_forced_local
from etpguard.assess.internal import InternalAssessment
from etpguard.assess.node_states import proxied
from etpguard.assess.remediated import remediated
from etpguard.assess.service_verdict import Judge
from etpguard.assess.state_cache import NodeStateCache
from etpguard.assess.variants import agreed
from etpguard.cluster import Picture
from etpguard.objects import (
    SERVICE,
    SERVICE_COVERAGE,
    Key,
    Service,
)

IGNORE_ANNOTATION = "etpguard.dev/ignore"


class ServiceAssessor:
    """Reads the picture, the node states and the consumers at the time of each call. It keeps no result."""

    def __init__(self, picture: Picture, states: NodeStateCache, consumers: ConsumerIndex, judge: Judge) -> None:
        self._picture = picture
        self._states = states
        self._consumers = consumers
        self._judge = judge

    def external(self, key: Key) -> Generator[None, None, Assessment | None]:
        """For external traffic, with a yield after some of the consumers. None unless the policy is Local, or was
        until etpguard changed it, and the data plane serves the Service externally."""
        service = self._picture.get(SERVICE, key)
        if service is None or service.annotations.get(IGNORE_ANNOTATION) == "true":
            return None
        if service.policy == "Local":
            found = yield from self._assess_local(key, service)
            return with_forced_local(service, found, self._states.planes) if found else None
        report = self._picture.get(SERVICE_COVERAGE, key)
        intent = report.remediation if report else None
        if intent is None or not intent.in_force_for(service.uid):
            return (yield from self._assess_made_local(key, service))
        local = yield from self._assess_local(key, service.under_local(intent.original_health_check_node_port))
        return remediated(service, local) if local else None

    def _assess_made_local(self, key: Key, service: Service) -> Generator[None, None, Assessment | None]:
        if not made_local(service, self._states.planes):
            return None
        local = yield from self._assess_local(key, service.under_local(None))
        return with_forced_local(service, as_made_local(local), self._states.planes) if local else None

    def _assess_local(self, key: Key, service: Service) -> Generator[None, None, Assessment | None]:
        """The assessment under the data planes that the signs show. It is Unknown where others, which the signs
        leave possible, lead to another outcome."""
        variants = self._states.variants
        if len(variants) == 1:
            return (yield from self._judged(key, service))
        found = []
        for variant in variants:
            judged = yield from self._states.under(variant, self._judged(key, service))
            found.append(judged)
        assessment = found[0]
        for variant, other in zip(variants[1:], found[1:], strict=True):
            assessment = agreed(assessment, self._states.planes, other, variant.rules.planes)
        return assessment

    def _judged(self, key: Key, service: Service) -> Generator[None, None, Assessment | None]:
        states = self._states.of(key, service)
        if not states.ports and not _served_past_nodes(service):
            return None
        consumers = yield from self._consumers.of(key, service)
        return (yield from self._judge.assessment(key, service, states, consumers))

    def internal(self, key: Key, service: Service) -> InternalAssessment | None:
        """For clients in the cluster; None for a Service that etpguard ignores. The internal policy of the Service
        is Local."""
        if service.annotations.get(IGNORE_ANNOTATION) == "true":
            return None
        states = self._states.of_cluster_ip(key, service)
        return internal.assess_internal(service, states, self._judge.circumstances(key, states))


def _served_past_nodes(service: Service) -> bool:
    """Whether a load balancer may serve ports for which kube-proxy has no rule: without node ports, behind a host
    name or without an address."""
    return service.type == "LoadBalancer" and bool(service.uid and service.ports) and proxied(service)
