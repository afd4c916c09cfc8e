"""What is published, and how fast."""

from __future__ import annotations

from dataclasses import dataclass

from etpguard.objects.scope import EVERYWHERE, NamespaceScope


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """Times in seconds, rates a second. `scope`: the namespaces in which anything is written. `instance` names
    this process in Events."""

    conditions: bool = True
    reports: bool = True
    events: bool = True
    instance: str = "etpguard"
    scope: NamespaceScope = EVERYWHERE

    hold: float = 30.0
    """How long an outcome must last before it is told."""
    urgent_hold: float = 5.0
    """The same for Blackhole and Outage."""
    sweep_interval: float = 600.0
    """How often everything is compared, asked for or not."""

    condition_rate: float = 5.0
    condition_interval: float = 60.0
    """Between two writes to one Service."""

    report_rate: float = 20.0
    report_interval: float = 10.0
    """Between two writes of one report."""

    event_rate: float = 10.0
    event_interval: float = 60.0
    """Between two Events about one object."""
    event_burst: float = 5.0
    event_refill: float = 300.0
    """Beyond the burst an object gets one new Event in so long."""
    event_repeat: float = 1800.0
    """How often the series of a lasting Warning is bumped: less than the API server's --event-ttl, 1 h."""

    @property
    def event_settle(self) -> float:
        """How long a new set of nodes must last before it is worth an Event: a rolling update goes through one
        set after the other."""
        return 2 * self.hold
