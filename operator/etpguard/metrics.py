"""All metrics. The gauges of Services are made from the assessments at each scrape. Only events have counters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from etpguard import __version__
from etpguard.assess import Assessment, InternalAssessment, Outcome
from etpguard.objects import AnyKind, Key

# Otherwise each counter and histogram has a second series with the time of its creation.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

CORRECTIONS = ("added", "changed", "removed")
REMEDIATION_RESULTS = (
    ("apply", "succeeded"),
    ("apply", "failed"),
    ("apply", "cancelled"),
    ("apply", "reverted"),
    ("apply", "skipped"),
    ("dry-run", "succeeded"),
    ("dry-run", "failed"),
    ("rollback", "succeeded"),
    ("rollback", "failed"),
    ("rollback", "adopted"),
    ("rollback", "by-user"),
)
RELOAD_RESULTS = ("succeeded", "failed")
WRITE_VERBS = frozenset({"create", "update", "patch", "delete"})
WRITE_FAILURES = ("0", "403", "404", "409", "422", "429", "500", "503")
"""These start at 0 with the first request of a verb for a resource. Reads are left out: nothing alerts on them."""

_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class State:
    """The gauges at the time of a scrape. Kinds are named as in RBAC (`endpointslices.discovery.k8s.io`).

    `rejected`: objects that could not be decoded. `listed`: the end of the last completed list, in seconds
    since the epoch. `unread`: kinds that cannot be read, required ones included.
    """

    assessments: Mapping[Key, Assessment]
    rejected: Mapping[str, int]
    listed: Mapping[str, float]
    unread: Iterable[str]
    fresh: bool
    internal: Mapping[Key, InternalAssessment] = field(default_factory=dict)


class Metrics:
    """`snapshot` calls `state` on the loop; the function that it returns may run in any thread.

    Labelled counters start at 0 for all labels that are known beforehand, of `kinds` and `parts` for example,
    so that increase() sees the first event.
    """

    def __init__(
        self,
        state: Callable[[], State],
        per_service: Literal["all", "affected"] = "all",
        kinds: Iterable[AnyKind] = (),
        parts: Iterable[str] = (),
    ) -> None:
        self.registry = CollectorRegistry()
        self._state = state
        self._per_service = per_service
        self._latency = Histogram(
            "etpguard_event_to_verdict_seconds",
            "Time from the arrival of a watch event to the assessment made from it.",
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._corrections = self._counter(
            "resync_corrections",
            "Changes found by a resync that the watch had not delivered within 10 s.",
            "kind",
            "correction",
        )
        self._restarts = self._counter("watch_restarts", "Restarts of the watch after a failure.")
        self._internal_errors = self._counter(
            "internal_errors",
            "Unexpected failures of a part of etpguard; the log has each once.",
            "part",
        )
        self._remediations = self._counter(
            "remediations", "Changes of externalTrafficPolicy and their rollbacks.", "action", "result"
        )
        self._reverts = self._counter("remediation_reverts", "Remediations that another client has reverted.")
        self._requests = self._counter(
            "api_requests", "Requests to the API server; code 0: no answer.", "verb", "resource", "code"
        )
        self._certificate_reloads = self._counter(
            "certificate_reloads",
            "Reloads of the TLS certificate after a change of its files; failed: the previous one stays in use.",
            "result",
        )
        self._leader = Gauge(
            "etpguard_leader", "1 if this replica holds the Lease and may write.", registry=self.registry
        )
        self._confined = Gauge(
            "etpguard_confined",
            "1 if the API server refuses what etpguard never writes, 0 if it permits it, NaN if not known.",
            registry=self.registry,
        )
        self._confined.set(float("nan"))
        build = Gauge("etpguard_build_info", "The running version; always 1.", ["version"], registry=self.registry)
        build.labels(__version__).set(1)
        for kind in kinds:
            for what in CORRECTIONS:
                self._corrections.labels(kind.resource, what)
        for part in parts:
            self._internal_errors.labels(part)
        for result in RELOAD_RESULTS:
            self._certificate_reloads.labels(result)
        for action, result in REMEDIATION_RESULTS:
            self._remediations.labels(action, result)
        self._write_requests: set[tuple[str, str]] = set()
        ProcessCollector(registry=self.registry)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"etpguard_{name}", documentation, labels, registry=self.registry)

    def verdict(self, seconds: float) -> None:
        """Record that an assessment was made this long after the event arrived."""
        self._latency.observe(seconds)

    def correction(self, kind: AnyKind, what: str) -> None:
        self._corrections.labels(kind.resource, what).inc()

    def internal_error(self, part: str) -> None:
        self._internal_errors.labels(part).inc()

    def watch_restart(self) -> None:
        self._restarts.inc()

    def certificate_reload(self, succeeded: bool) -> None:
        self._certificate_reloads.labels("succeeded" if succeeded else "failed").inc()

    def remediation(self, action: str, result: str) -> None:
        self._remediations.labels(action, result).inc()
        if result == "reverted":
            self._reverts.inc()

    def request(self, verb: str, resource: str, code: int) -> None:
        if verb in WRITE_VERBS and (verb, resource) not in self._write_requests:
            self._write_requests.add((verb, resource))
            for failure in WRITE_FAILURES:
                self._requests.labels(verb, resource, failure)
        self._requests.labels(verb, resource, str(code)).inc()

    def confined(self, confined: bool | None) -> None:
        """`None`: not known."""
        self._confined.set(float("nan") if confined is None else confined)

    def leader(self, leading: bool) -> None:
        self._leader.set(leading)

    def snapshot(self) -> Callable[[], bytes]:
        """Take the present state. Returns a function that renders it in the text format."""
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
        self._internal = [
            a for a in state.internal.values() if per_service == "all" or a.outcome > Outcome.Covered
        ]

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from self._counted.collect()
        yield from self._services()
        yield _by_kind("rejected_objects", "Objects that could not be decoded.", self._state.rejected)
        yield _by_kind(
            "last_list_timestamp_seconds",
            "Time of the last complete list of the kind, in seconds since the epoch.",
            self._state.listed,
        )
        unread = dict.fromkeys(self._state.unread, 1)
        yield _by_kind("unread_kind", "1 for each kind that the operator cannot read.", unread)
        fresh = GaugeMetricFamily(
            "etpguard_picture_fresh",
            "1 if the picture of the cluster is complete, recent and assessed, and etpguard may write from it.",
        )
        fresh.add_metric([], self._state.fresh)
        yield fresh

    def _services(self) -> Iterator[Metric]:
        labels = ["namespace", "service"]
        uncovered = GaugeMetricFamily(
            "etpguard_service_uncovered_nodes",
            "Of the eligible nodes of the Service, those without a usable endpoint, which drop the traffic.",
            labels=labels,
        )
        eligible = GaugeMetricFamily(
            "etpguard_service_eligible_nodes",
            "Nodes that the worst consumer of the Service sends traffic to; without a known consumer, nodes "
            "that a client may address.",
            labels=labels,
        )
        covered = GaugeMetricFamily(
            "etpguard_service_covered_nodes",
            "Eligible nodes that forward external traffic to the Service; absent if that is not known.",
            labels=labels,
        )
        tolerated = GaugeMetricFamily(
            "etpguard_service_tolerated_node_losses",
            "How many nodes can be lost, whichever they are, without losing more traffic than now; absent if that "
            "is not known.",
            labels=labels,
        )
        outcome = GaugeMetricFamily(
            "etpguard_service_outcome",
            "1 for the outcome of the Service, 0 for all others.",
            labels=[*labels, "outcome"],
        )
        for each in self._assessments:
            key = list(each.key)
            uncovered.add_metric(key, each.uncovered.bit_count())
            eligible.add_metric(key, each.eligible.bit_count())
            if (resilience := each.resilience) is not None:
                covered.add_metric(key, resilience.covered_nodes)
                tolerated.add_metric(key, resilience.tolerates_nodes)
            for possible in Outcome:
                outcome.add_metric([*key, possible.name], possible is each.outcome)
        internal = GaugeMetricFamily(
            "etpguard_service_internal_uncovered_nodes",
            "Ready nodes on which clients of a Service with internalTrafficPolicy Local lose their connections.",
            labels=labels,
        )
        for inside in self._internal:
            internal.add_metric(list(inside.key), inside.uncovered.bit_count())
        yield internal
        yield uncovered
        yield eligible
        yield covered
        yield tolerated
        yield outcome


def _by_kind(name: str, documentation: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"etpguard_{name}", documentation, labels=["kind"])
    for kind, value in values.items():
        family.add_metric([kind], value)
    return family
