"""Time constants of the operator that are not settings. Tests use shorter ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from etpguard.intake.timing import ListTiming, WatchTiming
from etpguard.kube.backoff import Backoff
from etpguard.publish.settings import PublishSettings
from etpguard.remediate.pacing import Pacing


@dataclass(frozen=True, slots=True)
class OperatorTiming:
    """`publish`: intervals and rates of the publisher; its other fields come from the settings."""

    lists: ListTiming = field(default_factory=ListTiming)
    watch: WatchTiming = field(default_factory=WatchTiming)
    publish: PublishSettings = field(default_factory=PublishSettings)
    remediation: Pacing = field(default_factory=Pacing)
    rerun: Backoff = field(default=Backoff(first=10.0, longest=300.0))
    """Pauses before a part that failed runs again."""
