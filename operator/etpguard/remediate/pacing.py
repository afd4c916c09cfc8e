"""How often remediation looks, writes and tries again."""

from __future__ import annotations

from dataclasses import dataclass, field

from etpguard.kube.backoff import Backoff


@dataclass(frozen=True, slots=True)
class Pacing:
    """Times in seconds."""

    settle: float = 1.0
    """Between two rounds at least, so that a burst of events is one round."""
    look_again: float = 30.0
    """Between two rounds at most, since an answer may change without an event."""
    busy_share: float = 10.0
    """The pause after a round, as a multiple of the time that the round took; `look_again` at most."""
    longest_turn: float = 0.01
    """For how long a round holds the event loop at a time."""
    status_interval: float = 10.0
    """Between two writes of the status of one policy."""
    longest_announcing: float = 1.0
    """How long a round sends Events about Services that it leaves alone; the next round sends the rest."""
    discover_every: float = 300.0
    """Between two looks at the kinds of network policy that the API server serves."""
    orphaned: float = 30.0
    """Before a rollback for a deleted policy: a tool may delete it and create it again."""
    rebuild_every: float = 10.0
    """Between two rebuilds of a lost record, after the first `rebuild_burst` ones."""
    rebuild_burst: float = 3.0
    backoff: Backoff = field(default=Backoff(first=10.0, longest=600.0, jitter=0.0))
    """After a step that failed."""
