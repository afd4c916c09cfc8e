"""The changes, one after the other. Pure."""

from __future__ import annotations

from etpguard.foresight.changes import (
    Apply,
    Change,
    Drain,
    Lose,
    Policy,
    Rollout,
    Scale,
    TargetNodes,
)
from etpguard.foresight.effects.node_changes import drain, lose
from etpguard.foresight.effects.object_changes import apply_manifest, set_policy, set_target_nodes
from etpguard.foresight.effects.simulation import Simulation
from etpguard.foresight.effects.workload_changes import rollout, scale


def apply(simulation: Simulation, change: Change) -> None:
    """Raises Refused, and then nothing of this change was applied."""
    match change:
        case Lose():
            lose(simulation, change)
        case Drain():
            drain(simulation, change)
        case Scale():
            scale(simulation, change)
        case Rollout():
            rollout(simulation, change.workload)
        case Policy():
            set_policy(simulation, change)
        case TargetNodes():
            set_target_nodes(simulation, change)
        case Apply():
            apply_manifest(simulation, change)
