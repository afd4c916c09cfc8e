"""Changes of workloads: what another number of replicas or a rollout does to the pods. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from etpguard.foresight.changes import Refused, Scale, Workload
from etpguard.foresight.effects.daemon_sets import place
from etpguard.foresight.effects.simulation import Simulation, extended
from etpguard.foresight.placement.scheduling import NewPod, Scheduling
from etpguard.foresight.pod_ending.pod_ends import Ending, Replaced
from etpguard.foresight.pods import Seen
from etpguard.foresight.scale_in import outside, victims
from etpguard.foresight.start_time import start_time
from etpguard.foresight.workloads import KINDS, new_pod, next_pod
from etpguard.foresight.worlds.alternatives import Alternative, Choice
from etpguard.objects import Key
from etpguard.objects.pod_controllers import PodController

MOST_REPLICAS = 150_000
"""The pods of the largest cluster: kubernetes.io/docs/setup/best-practices/cluster-large."""


def scale(simulation: Simulation, change: Scale) -> None:
    """Raises Refused for a DaemonSet, and for a ReplicaSet that a controller scales."""
    workload = change.workload
    if workload.kind == "DaemonSet":
        raise Refused(f"{workload} has no replicas")
    controller = simulation.workloads.get(workload)
    if workload.kind == "ReplicaSet" and (owner := controller.owner):
        raise Refused(f"{owner.kind} {owner.name} sets the replicas of {workload}: scale the {owner.kind}")
    wanted = allowed_replicas(simulation, workload, change.replicas)
    pods = simulation.workloads.pods_of(workload, controller)
    known = simulation.pods.known
    made: list[Alternative] = []
    for each in simulation.alternatives:
        here = [pod for pod in pods if pod.key not in each.gone]
        pending = [new for new in each.new if _belongs(new, controller)]
        missing = max(0, len(here) + len(pending) - wanted)
        if workload.kind == "StatefulSet" and known:
            made.append(_scaled_stateful_set(controller, each, here, pending, wanted))
        elif missing:
            made += _scaled_in(simulation, workload, controller, each, here, pending, missing)
        else:
            additional = wanted - len(here) - len(pending) if known else wanted
            made.append(extended(each, new=(new_pod(controller),) * max(0, additional)))
    simulation.note_ends(Ending(str(change), made, Replaced.NOT_MEANWHILE))
    if not known:
        unread = "Pods cannot be read: any endpoint of its Services may be one of the workload"
        simulation.assumptions[unread] = None
    for service in simulation.pods.services_for(new_pod(controller)):
        simulation.evaluator.because(service, f"{change} ({len(pods)} active pods)")
    simulation.step(set(), [replace(each, new=()) for each in made], made)
    spec = msgspec.structs.replace(controller.spec, replicas=wanted)
    simulation.world.put(KINDS[workload.kind], [msgspec.structs.replace(controller, spec=spec)])


def _scaled_in(
    simulation: Simulation,
    workload: Workload,
    controller: PodController,
    before: Alternative,
    here: Sequence[Seen],
    pending: Sequence[NewPod],
    missing: int,
) -> list[Alternative]:
    """Which pods go when `missing` pods fewer are wanted. Those of `here` exist, those of `pending` not yet."""
    keys = frozenset(pod.key for pod in here)
    running = [each.pod for each in here if each.pod is not None]
    if pending or len(running) < len(here):
        # Replacements that are not there yet, or pods that cannot be read: which of them go is not known.
        least = max(0, missing - len(pending))
        return [extended(before, choices=(Choice(keys, least, min(missing, len(keys))),))]
    sets = {owner.name for pod in running if (owner := pod.controller) is not None}
    if len(sets) > 1:
        simulation.assumptions[f"a rollout of {workload} is under way: each of its pods may be deleted"] = None
        return [extended(before, choices=(Choice(keys, missing, missing),))]
    alone = workload.kind == "ReplicaSet" and controller.owner is None
    found = victims(running, missing, () if alone else running)
    tied = (Choice(frozenset(found.tied), found.of_tied, found.of_tied),) if found.of_tied else ()
    return [extended(before, frozenset(found.certain), tied)]


def _scaled_stateful_set(
    controller: PodController, before: Alternative, here: Sequence[Seen], pending: Sequence[NewPod], wanted: int
) -> Alternative:
    """A StatefulSet has one pod for each of its ordinals: the others go, and the missing ones are created."""
    leave = outside(controller, [each.key for each in here], wanted)
    superfluous = outside(controller, [new.origin for new in pending if new.origin is not None], wanted)
    kept = tuple(new for new in before.new if new not in pending or new.origin not in superfluous)
    present = len(here) - len(leave) + len(pending) - len(superfluous)
    created = (new_pod(controller),) * max(0, wanted - present)
    return Alternative(before.gone | leave, before.choices, (*kept, *created))


def allowed_replicas(simulation: Simulation, workload: Workload, wanted: int) -> int:
    """The number that a HorizontalPodAutoscaler leaves: it pauses at 0. Raises Refused for more pods than a
    cluster has."""
    if wanted > MOST_REPLICAS:
        raise Refused(f"{workload}: no cluster has {wanted} pods")
    autoscaler = simulation.workloads.autoscaler(workload)
    if autoscaler is None or wanted == 0:
        return wanted
    least = 1 if autoscaler.spec.min_replicas is None else autoscaler.spec.min_replicas
    most = autoscaler.spec.max_replicas or wanted
    allowed = min(max(wanted, least), max(most, least))
    if allowed != wanted:
        simulation.warnings.append(
            f"HorizontalPodAutoscaler {autoscaler.key} keeps {workload} at {allowed} replicas, not {wanted}"
        )
    simulation.assumptions[f"HorizontalPodAutoscaler {autoscaler.key} sets no other number of replicas"] = None
    return allowed


def rollout(simulation: Simulation, workload: Workload, placed: bool = False) -> None:
    """Replace all pods of the workload, in batches. `placed`: whether pods of a DaemonSet have left the nodes that
    its template excludes."""
    controller = simulation.workloads.get(workload)
    batch = simulation.workloads.batch(workload, controller)
    if batch.replaced_in_place and not placed:
        place(simulation, workload, controller, controller)
    gone = frozenset.intersection(*(each.gone for each in simulation.alternatives))
    pods = [each for each in batch.pods if each.key not in gone]
    keys = frozenset(each.key for each in pods)
    missing = min(batch.missing, len(keys))
    one = next_pod(workload, controller)
    surges = not missing and not batch.replaced_in_place
    first_on = frozenset(simulation.scheduling().admitted(one) if surges else ())
    if keys and surges and not first_on:
        simulation.assumptions[
            f"no node admits a new pod beside the present ones, so the rollout of {workload} does not begin "
            "unless an autoscaler adds a node"
        ] = None
        return
    scheduling = simulation.scheduling(keys)
    served = simulation.pods.services_for(one)
    for service in served:
        simulation.evaluator.because(
            service, f"a rollout of {workload} replaces {len(keys)} pods, of which {missing} may be missing"
        )
    if missing or not batch.replaced_in_place:
        # Of one pod with a surge, the only new pod runs before.
        later_on = () if surges and len(keys) == 1 else scheduling.admitted(one)
        if batch.replaced_in_place:
            later_on = [each.node for each in pods]
        simulation.note_ends(
            Ending(
                f"roll out {workload}",
                [Alternative(keys)],
                Replaced.BEFORE if missing < len(keys) else Replaced.NOT_MEANWHILE,
                min_ready_seconds=controller.spec.min_ready_seconds or 0,
                first_on=first_on,
                later_on=frozenset(later_on),
                served=frozenset(served),
            )
        )
    before = list(simulation.alternatives)
    partly = [extended(each, choices=(Choice(keys, missing, missing),)) for each in before]
    if batch.replaced_in_place:
        for service in served:
            simulation.evaluator.internal.replaced_in_place(service, start_time(pods))
        simulation.step(set(), partly if missing else before, before)
        return
    last = _replaced(before, keys, one, missing, scheduling)
    # A rollout whose new pods are never ready stops with the first batch.
    simulation.step(set(), [*partly, *last], [*last, *partly], scheduling=scheduling)


def _replaced(
    before: Sequence[Alternative], keys: frozenset[Key], one: NewPod, missing: int, scheduling: Scheduling
) -> list[Alternative]:
    """The end of a rollout in which so many pods may be missing at a time, as far as new pods find nodes."""
    certain = len(keys) - missing
    new = tuple(replace(one, certain=number < certain) for number in range(len(keys)))
    ready = len(scheduling.placed(new))
    if ready >= certain:
        return [extended(each, gone=keys, new=new) for each in before]
    # The old pods are removed until no more than `missing` of all are not ready.
    going = Choice(keys, ready + missing, ready + missing)
    return [extended(each, choices=(going,), new=new[:ready]) for each in before]


def _belongs(new: NewPod, controller: PodController) -> bool:
    return controller.selects(new.namespace, dict(new.labels))
