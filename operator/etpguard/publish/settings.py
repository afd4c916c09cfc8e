"""Settings of the publisher: which outputs it writes, and how fast."""

from __future__ import annotations

from dataclasses import dataclass, field

from etpguard.kube.backoff import Backoff
from etpguard.objects.scope import EVERYWHERE, NamespaceScope


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Times in seconds."""

    concurrency: int = 4
    """Keys that one worker works on at once."""
    idle: float = 0.5
    """How long a worker waits before it asks again whether writes may start."""
    longest_backoff: float = 600.0
    """Back-off of a key that fails again and again."""
    server_errors_logged_after: int = 4
    """After this many failures in a row with a 5xx they are logged: about ten seconds."""


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """Times are in seconds, rates per second. `scope`: the namespaces in which etpguard writes. `instance`: the
    name of this process in Events."""

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
    """How often all Services are compared, also those that did not change."""

    condition_rate: float = 5.0
    condition_interval: float = 60.0
    """Least time between two writes to one Service."""

    report_rate: float = 20.0
    report_interval: float = 10.0
    """Least time between two writes of one report, after the burst."""
    report_burst: float = 4.0
    """The burst: how many writes of one report need no pause between them. Four: create it, fill it, and the same
    again if someone deletes it."""

    event_rate: float = 10.0
    event_interval: float = 60.0
    """Least time between two Events about one object."""
    event_burst: float = 5.0
    event_refill: float = 300.0
    """After the burst, an object gets at most one new Event in this time."""
    event_repeat: float = 1800.0
    """How often the series of a lasting Warning is bumped. Less than 1 h, the default --event-ttl of the API
    server."""
    event_memory: float = 7200.0
    """How long an Event is remembered: twice the default of --event-ttl."""

    poll_interval: float = 0.5
    """How often the publisher asks whether it may write and which term it is."""
    reload: Backoff = field(default=Backoff(5.0, 600.0))
    """Pauses after a list of Events has failed. A cluster may have so many that no list ends in time."""
    reloads_before_events: int = 3
    """After this many failures in a row, Events are sent although those that exist are not known."""
    stop_grace: float = 3.0
    """How long writes that are under way may take at the end."""
    worker: WorkerSettings = WorkerSettings()

    @property
    def event_settle(self) -> float:
        """How long a new set of nodes must last before it gets an Event: during a rolling update the sets change
        quickly."""
        return 2 * self.hold
