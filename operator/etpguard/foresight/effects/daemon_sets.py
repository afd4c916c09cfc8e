"""Which nodes a DaemonSet leaves and takes when its template changes. Pure.

k8s.io/kubernetes v1.37.2 pkg/controller/daemon/daemon_controller.go podsShouldBeOnNode: outside of the update
strategy, each node that the template admits gets a pod, and the pods of a node that its node selector or its
affinity excludes are deleted, all at once. A taint that it does not tolerate lets a pod run on, until the rollout
deletes it. With a surge (update.go rollingUpdate), pods of excluded nodes go when enough others are available.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from etpguard.foresight.changes import Workload
from etpguard.foresight.effects.simulation import Simulation, extended
from etpguard.foresight.no_endpoint.absence import daemon_tolerations, exclusion
from etpguard.foresight.no_endpoint.absence_reasons import Cause
from etpguard.foresight.placement.scheduling import NewPod
from etpguard.foresight.pod_ending.pod_ends import Ending, Replaced
from etpguard.foresight.pods import Seen
from etpguard.foresight.workloads import new_pod, surges
from etpguard.foresight.worlds.alternatives import Alternative, Choice
from etpguard.objects import NODE, Key
from etpguard.objects.pod_controllers import PodController
from etpguard.objects.text import listed_nodes


def place(simulation: Simulation, workload: Workload, former: PodController | None, after: PodController) -> None:
    """Pods leave the nodes that `after` excludes. Nodes that it admits and `former` excludes get one. `former` is
    None for a new DaemonSet."""
    pods = [] if former is None else simulation.workloads.pods_of(workload, former)
    leaving = [each for each in pods if _leaves(simulation, workload, after, each)]
    present = {each.node for each in pods}
    names = [
        node.metadata.name
        for node in simulation.picture.store(NODE)
        if node.metadata.name not in present
        and not node.deleting
        and (former is None or exclusion(workload, former, node) is not None)
        and exclusion(workload, after, node) is None
    ]
    if not leaving and not names:
        return
    surging = surges(after)
    new = tuple(replace(_pod(after), only_on=name, certain=surging) for name in sorted(names))
    out = frozenset(each.key for each in leaving)
    keys = out
    choices: tuple[Choice, ...] = ()
    if not simulation.pods.known:
        keys, choices = frozenset[Key](), (Choice(out, 0, len(out)),)
    _note(simulation, workload, leaving, new)
    how = Replaced.MEANWHILE if new else Replaced.NOT_MEANWHILE
    ending = Ending(f"roll out {workload}", [Alternative(keys, choices)], how, served=simulation.served_by(new))
    simulation.note_ends(ending)
    before = list(simulation.alternatives)
    made = [extended(each, keys, choices, new) for each in before]
    if surging and new:
        # Where no new pod becomes available, the former ones stay.
        simulation.step(set(), [*before, *made], [*made, *before])
    else:
        simulation.step(set(), [extended(each, keys, choices) for each in before], made)


def _leaves(simulation: Simulation, workload: Workload, after: PodController, pod: Seen) -> bool:
    node = simulation.picture.get(NODE, Key("", pod.node))
    excluded = exclusion(workload, after, node) if node else None
    update = after.spec.update_strategy
    stays = Cause.TAINT if update and update.type == "OnDelete" else None
    return excluded is not None and excluded.cause is not stays


def _note(simulation: Simulation, workload: Workload, leaving: list[Seen], new: tuple[NewPod, ...]) -> None:
    for each in leaving:
        for service in simulation.pods.services_of(each.key):
            why = f"{workload} runs no pod any more on {listed_nodes(sorted({each.node for each in leaving}))}"
            simulation.evaluator.because(service, why)
    for service in simulation.pods.services_for(new[0]) if new else ():
        where = listed_nodes([each.only_on or "" for each in new])
        simulation.evaluator.because(service, f"{workload} runs a pod on {where} too")


def _pod(controller: PodController) -> NewPod:
    """With the tolerations that the controller adds."""
    one = new_pod(controller)
    tolerations = [*(one.spec.tolerations or ()), *daemon_tolerations(one.spec)]
    return replace(one, spec=msgspec.structs.replace(one.spec, tolerations=tolerations))
