"""Remediation put together from its parts, with Events about what it did."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from etpguard.assess import Assessment, Engine
from etpguard.cluster import Picture
from etpguard.kube.event_sender import EventSender
from etpguard.kube.writes import Writer
from etpguard.metrics import Metrics
from etpguard.objects import NAMESPACE, SERVICE, AnyKind, Key, Service
from etpguard.objects.events import REMEDIATION_ACTION, REMEDIATION_CONTROLLER, Event, ObjectRef
from etpguard.objects.policies import (
    CLUSTER_COVERAGE_POLICY,
    COVERAGE_POLICY,
    NETWORK_POLICY,
    Budget,
    TriggerIf,
)
from etpguard.remediate.controller import RemediationController
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.execute import Executor
from etpguard.remediate.gather import Gatherer, OperatorLimits
from etpguard.remediate.intent import IntentRecorder
from etpguard.remediate.reread import CurrentService, ServiceReader
from etpguard.remediate.telling import Announce
from etpguard.settings import Settings

REMEDIATION_KINDS: tuple[AnyKind, ...] = (COVERAGE_POLICY, CLUSTER_COVERAGE_POLICY, NETWORK_POLICY, NAMESPACE)
"""What is read for remediation alone."""


def remediator(
    settings: Settings,
    writer: Writer,
    *,
    picture: Picture,
    assessments: Mapping[Key, Assessment],
    engine: Callable[[Picture], Engine],
    served: Callable[[AnyKind], bool],
    stale: Callable[[], str | None],
    metrics: Metrics,
    identity: str,
    term: Callable[[], int],
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
) -> RemediationController:
    history = DwellHistory()
    cases = Gatherer(picture, assessments, history, limits_of(settings), settings.scope)

    def noted(now: CurrentService) -> None:
        version = now.report.version if now.report else 0
        service = (now.service.uid, now.service.version)
        cases.memory.note(now.service.key, now.remediation, version, clock(), service)

    def count(action: str, result: str) -> None:
        metrics.remediation(action, result)
        if result == "reverted":
            metrics.revert()

    reader = ServiceReader(writer, picture, engine, noted, served)
    announce = announcer(writer, identity) if settings.write_events else _silence
    executor = Executor(
        writer,
        reader,
        IntentRecorder(writer, wall, noted),
        picture,
        announce=announce,
        count=count,
        network_policy=cases.network_policy,
        governing=cases.governing_among,
        wall=wall,
        term=term,
    )
    return RemediationController(
        writer,
        reader,
        cases,
        history,
        executor,
        stale=stale,
        announce=announce,
        count=count,
        term=term,
        clock=clock,
        wall=wall,
    )


def limits_of(settings: Settings) -> OperatorLimits:
    services, window = settings.max_remediations
    return OperatorLimits(
        Budget(services=str(services), per_seconds=window),
        TriggerIf(uncovered_services_less_than_or_equal_to=settings.breaker),
    )


def announcer(writer: Writer, instance: str, wall: Callable[[], float] = time.time) -> Announce:
    """Sends Events about what remediation did. A skipped Service is said once and not again by each leader."""
    sender = EventSender(writer, instance, wall)

    async def announce(service: Service, reason: str, warning: bool, note: str) -> None:
        event = Event(
            regarding=ObjectRef(SERVICE, service.key, service.uid),
            reason=reason,
            warning=warning,
            note=note,
            controller=REMEDIATION_CONTROLLER,
            action=REMEDIATION_ACTION,
        )
        await sender.announce(event, once=reason == "RemediationSkipped")

    return announce


async def _silence(service: Service, reason: str, warning: bool, note: str) -> None:
    """--write-events off."""
