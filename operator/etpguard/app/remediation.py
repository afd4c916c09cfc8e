"""Wires remediation together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from etpguard.app.observed import Observed
from etpguard.kube.event_sender import EventSender
from etpguard.kube.failures import Failures
from etpguard.kube.writes import Writer
from etpguard.metrics import Metrics
from etpguard.objects.policies import Budget, TriggerIf
from etpguard.remediate.controller import RemediationController
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.events import NoEvents
from etpguard.remediate.execute import Executor
from etpguard.remediate.gather import Gatherer
from etpguard.remediate.intent import IntentRecorder
from etpguard.remediate.ledger import OperatorLimits
from etpguard.remediate.memory import RemediationMemory
from etpguard.remediate.other_network_policies import OtherNetworkPolicies
from etpguard.remediate.pacing import Pacing
from etpguard.remediate.reread import ServiceReader
from etpguard.remediate.round_time import RoundTime
from etpguard.settings import Settings


def remediation_controller(
    settings: Settings,
    writer: Writer,
    observed: Observed,
    *,
    metrics: Metrics,
    failures: Failures,
    identity: str,
    term: Callable[[], int],
    pacing: Pacing | None = None,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
) -> RemediationController:
    pacing = pacing or Pacing()
    picture, served = observed.picture, observed.served
    limits = replace(limits_of(settings), orphaned_seconds=pacing.orphaned)
    history = DwellHistory()
    round_time = RoundTime(clock, wall)
    memory = RemediationMemory(picture, clock, wall)
    reader = ServiceReader(writer, picture, observed.engine, memory, served)
    other_policies = OtherNetworkPolicies()
    announcer = EventSender(writer, identity, wall, failures) if settings.write_events else NoEvents()
    executor = Executor(
        writer,
        reader,
        IntentRecorder(writer, round_time, memory),
        picture,
        announcer=announcer,
        count=metrics.remediation,
        memory=memory,
        other_policies=other_policies,
        wall=round_time,
        term=term,
    )
    return RemediationController(
        writer,
        reader,
        Gatherer(
            picture,
            observed.assessments,
            history,
            memory,
            limits,
            settings.scope,
            served,
            other_policies=other_policies,
        ),
        history,
        executor,
        other_policies,
        stale=observed.stale,
        announcer=announcer,
        count=metrics.remediation,
        failures=failures,
        term=term,
        clock=clock,
        wall=round_time,
        pacing=pacing,
        of_cluster_policies=not (settings.scope.only and settings.second_installation == "allow"),
    )


def limits_of(settings: Settings) -> OperatorLimits:
    services, window = settings.max_remediations
    breaker = TriggerIf(uncovered_services_less_than_or_equal_to=settings.breaker)
    return OperatorLimits(Budget(services=str(services), per_seconds=window), breaker, rollback_breaker=breaker)
