"""All metrics. What stands in the assessments is read from them at scrape; only what passes by is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from etpguard import __version__
from etpguard.assess import Assessment, Outcome
from etpguard.objects import Key

# Each counter and histogram would come with a second series that tells when it was made.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class State:
    """What is true at the time of a scrape. Kinds are named as RBAC does (`endpointslices.discovery.k8s.io`).

    `unread` are those that cannot be read, required ones among them, `rejected` counts objects that could not be
    decoded, `listed` gives the end of the last completed list, where there is one, in seconds since the epoch.
    """

    assessments: Mapping[Key, Assessment]
    rejected: Mapping[str, int]
    listed: Mapping[str, float]
    unread: Iterable[str]
    fresh: bool


class Metrics:
    """`state` is called on the loop by `snapshot`; `render` may then run in any thread."""

    def __init__(
        self,
        state: Callable[[], State],
        per_service: Literal["all", "affected"] = "all",
    ) -> None:
        self.registry = CollectorRegistry()
        self._state = state
        self._per_service = per_service
        self._latency = Histogram(
            "etpguard_event_to_verdict_seconds",
            "Time from the arrival of a watch event until the assessment made from it.",
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._corrections = self._counter(
            "resync_corrections", "What lists found that the watch did not deliver in time.", "kind", "correction"
        )
        self._restarts = self._counter("watch_restarts", "Watches that ended by a failure and were started anew.")
        self._remediations = self._counter(
            "remediations", "Changes of externalTrafficPolicy and their rollbacks.", "action", "result"
        )
        self._reverts = self._counter("remediation_reverts", "Remediations that someone else has undone.")
        self._requests = self._counter(
            "api_requests", "Requests to the API server; code 0 is no answer.", "verb", "resource", "code"
        )
        self._leader = Gauge(
            "etpguard_leader", "Whether this replica holds the Lease and may write.", registry=self.registry
        )
        build = Gauge(
            "etpguard_build_info", "The version that runs; always 1.", ["version"], registry=self.registry
        )
        build.labels(__version__).set(1)
        ProcessCollector(registry=self.registry)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"etpguard_{name}", documentation, labels, registry=self.registry)

    def verdict(self, seconds: float) -> None:
        """An assessment was made so long after the event that asked for it."""
        self._latency.observe(seconds)

    def correction(self, kind: str, what: str) -> None:
        self._corrections.labels(kind, what).inc()

    def watch_restart(self) -> None:
        self._restarts.inc()

    def remediation(self, action: str, result: str) -> None:
        self._remediations.labels(action, result).inc()
        if result == "reverted":
            self._reverts.inc()

    def request(self, verb: str, resource: str, code: int) -> None:
        self._requests.labels(verb, resource, str(code)).inc()

    def leader(self, leading: bool) -> None:
        self._leader.set(leading)

    def snapshot(self) -> Callable[[], bytes]:
        """What is true now, as a function that renders it in the text format."""
        scrape = CollectorRegistry()
        scrape.register(_Scrape(self.registry, self._state(), self._per_service))
        return lambda: prometheus_client.generate_latest(scrape)


CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST


class _Scrape(Collector):
    def __init__(
        self,
        counted: CollectorRegistry,
        state: State,
        per_service: Literal["all", "affected"],
    ) -> None:
        self._counted = counted
        self._state = state
        self._assessments = [
            a for a in state.assessments.values() if per_service == "all" or a.outcome > Outcome.Covered
        ]

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from self._counted.collect()
        yield from self._services()
        yield _gauge("rejected_objects", "Objects that could not be decoded.", "kind", self._state.rejected)
        yield _gauge(
            "last_list_timestamp_seconds",
            "When the last complete list of the kind was done.",
            "kind",
            self._state.listed,
        )
        unread = dict.fromkeys(self._state.unread, 1)
        yield _gauge("unread_kind", "Kinds that the operator cannot read; 1 for each.", "kind", unread)
        fresh = GaugeMetricFamily(
            "etpguard_picture_fresh", "Whether what is known of the cluster is whole and recent enough to act on."
        )
        fresh.add_metric([], self._state.fresh)
        yield fresh

    def _services(self) -> Iterator[Metric]:
        labels = ["namespace", "service"]
        uncovered = GaugeMetricFamily(
            "etpguard_service_uncovered_nodes",
            "Eligible nodes that drop external traffic to the Service, as its worst consumer sees it.",
            labels=labels,
        )
        eligible = GaugeMetricFamily(
            "etpguard_service_eligible_nodes",
            "Nodes to which the Service's worst consumer would send traffic.",
            labels=labels,
        )
        outcome = GaugeMetricFamily(
            "etpguard_service_outcome",
            "1 for the outcome that the Service has, 0 for all others.",
            labels=[*labels, "outcome"],
        )
        for each in self._assessments:
            key = list(each.key)
            uncovered.add_metric(key, each.uncovered.bit_count())
            eligible.add_metric(key, each.eligible.bit_count())
            for possible in Outcome:
                outcome.add_metric([*key, possible.name], possible is each.outcome)
        yield uncovered
        yield eligible
        yield outcome


def _gauge(name: str, documentation: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"etpguard_{name}", documentation, labels=[label])
    for of, value in values.items():
        family.add_metric([of], value)
    return family
