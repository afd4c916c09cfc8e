"""What is published, and how fast."""

from __future__ import annotations

from dataclasses import dataclass

from etpguard.objects.scope import EVERYWHERE, NamespaceScope


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Times in seconds."""

    concurrency: int = 4
    """Keys that one worker works on at once."""
    idle: float = 0.5
    """How long a worker waits before it asks again whether writes may start."""
    longest_backoff: float = 600.0
    """Of a key that goes on failing."""
    server_errors_logged_after: int = 4
    """Failures in a row by a fault of the API server (5xx) before they are logged: some ten seconds."""


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """Times in seconds, rates per second. `scope`: the namespaces in which anything is written. `instance` names
    this process in Events."""

    conditions: bool = True
    reports: bool = True
    events: bool = True
    instance: str = "etpguard"
    scope: NamespaceScope = EVERYWHERE

    hold: float = 30.0
    """How long an outcome must last before it is published."""
    urgent_hold: float = 5.0
    """The same for NoTargets, Blackhole and Outage."""
    sweep_interval: float = 600.0
    """How often every Service is compared, whether or not it changed."""

    condition_rate: float = 5.0
    condition_interval: float = 60.0
    """Between two writes to one Service."""

    report_rate: float = 20.0
    report_interval: float = 10.0
    """Between two writes of one report, beyond the burst."""
    report_burst: float = 4.0
    """Writes of one report that may follow each other at once: to create it, to fill it, and both once more for a
    report that someone deleted."""

    event_rate: float = 10.0
    event_interval: float = 60.0
    """Between two Events about one object."""
    event_burst: float = 5.0
    event_refill: float = 300.0
    """Beyond the burst, an object gets one new Event in this time."""
    event_repeat: float = 1800.0
    """How often the series of a lasting Warning is bumped: less than the API server's --event-ttl, 1 h."""
    event_memory: float = 7200.0
    """How long an Event is remembered: twice the default of --event-ttl."""

    poll_interval: float = 0.5
    """How often the publisher asks whether it may write and which term it is."""
    reload_interval: float = 5.0
    """After a list of Events that failed."""
    stop_grace: float = 3.0
    """How long writes that are under way may take at the end."""
    worker: WorkerSettings = WorkerSettings()

    @property
    def event_settle(self) -> float:
        """How long a new set of nodes must last before it is worth an Event: a rolling update goes through one
        set after the other."""
        return 2 * self.hold
