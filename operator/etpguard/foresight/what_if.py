"""The entry point: what a list of changes would do, in order. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from etpguard.assess import Engine
from etpguard.cluster import Picture
from etpguard.foresight.changes import Change
from etpguard.foresight.effects.simulation import Simulation
from etpguard.foresight.effects.steps import apply
from etpguard.foresight.forecasts.exposure import exposure
from etpguard.foresight.forecasts.forecast import Evaluator, Forecast
from etpguard.foresight.pod_ending.pod_ends import PodEnds
from etpguard.foresight.pods import Pods
from etpguard.foresight.world import World
from etpguard.objects import AnyKind
from etpguard.objects.pod_controllers import WORKLOAD_KINDS

_NEW_POD_ASSUMPTIONS = (
    "volumes, topology spread constraints and extenders of the scheduler are not considered: they leave fewer "
    "nodes, and a pod that stays pending is part of the worst case"
)


def what_if(picture: Picture, engine: Engine, changes: Sequence[Change]) -> Forecast:
    """The forecast of these changes, on a picture that the engine has assessed and that no other code reads: the
    changes go into it. Raises Refused for a change that names what is not there."""
    world = World(picture, engine)
    pods = Pods(picture)
    evaluator = Evaluator(world, pods)
    ends = PodEnds(world, pods)
    simulation = Simulation(world, pods, evaluator, ends)
    for change in changes:
        apply(simulation, change)
    simulation.settle()
    assumptions = list(simulation.assumptions)
    if any(alternative.new for alternative in simulation.alternatives):
        assumptions.append(_NEW_POD_ASSUMPTIONS)
    if not pods.known:
        assumptions.append(
            "Pods cannot be read: each endpoint counts as a pod that may go or stay, and its replacement may run "
            "on any node"
        )
    simulation.warnings += [
        f"too many pods of Service {key} may go: its bounds are not complete"
        for key in sorted(evaluator.incomplete)
    ]
    phases = []
    for each in evaluator.phases():
        each.hand_off = ends.of(each.service)
        if each.changes or each.hand_off:
            each.exposure = exposure(each, picture)
            phases.append(each)
    internal = evaluator.internal.phases()
    warnings = list(dict.fromkeys(simulation.warnings))
    return Forecast(list(map(str, changes)), phases, internal, simulation.blocked, assumptions, warnings)


def unread_kinds(picture: Picture) -> list[AnyKind]:
    """The kinds of workloads that cannot be read, or were not listed."""
    return [kind for kind in WORKLOAD_KINDS if picture.why_unknown(kind)]
