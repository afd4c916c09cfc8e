"""Changes of objects: of the policy of a Service, of the nodes that it targets, and of a manifest. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from etpguard.assess.node_states import ip_families, policy_applies
from etpguard.cluster import Picture
from etpguard.foresight import changed_objects
from etpguard.foresight.apply import applied, replaced_slices, slices_of
from etpguard.foresight.changes import (
    Applied,
    Apply,
    Policy,
    Refused,
    Scale,
    TargetNodes,
    Workload,
)
from etpguard.foresight.effects import target_nodes
from etpguard.foresight.effects.daemon_sets import place
from etpguard.foresight.effects.simulation import Simulation, extended
from etpguard.foresight.effects.workload_changes import allowed_replicas, rollout, scale
from etpguard.foresight.stored_services import as_stored
from etpguard.foresight.workloads import KINDS, new_pod
from etpguard.objects import ENDPOINT_SLICE, SERVICE, Key, Service
from etpguard.objects.pod_controllers import CONTROLLER_KINDS, HorizontalPodAutoscaler, PodController
from etpguard.objects.pods import POD
from etpguard.objects.text import did_you_mean


def set_policy(simulation: Simulation, change: Policy) -> None:
    _change_objects(simulation, [Applied(SERVICE, _with_policy(simulation, change))], str(change))


def set_target_nodes(simulation: Simulation, change: TargetNodes) -> None:
    """Raises Refused for a Service without an assessment."""
    _service(simulation, change.service)
    assessment = simulation.world.engine.assessments.get(change.service)
    if assessment is None:
        raise Refused(f"Service {change.service} is not assessed: its policy is not Local")
    simulation.assumptions[
        "cloud controllers know the labels of the nodes as of their last sync: they read a label that changes "
        "later with the next change of the Service or of the set of Nodes"
    ] = None
    families = simulation.world.engine.families
    _change_objects(
        simulation, target_nodes.applied(change, simulation.picture, assessment, families), str(change)
    )


def apply_manifest(simulation: Simulation, change: Apply) -> None:
    """Objects first, then what their workloads do to the pods, and at last the autoscalers. Raises Refused for a
    manifest that cannot be decoded."""
    objects = applied(change.manifests, simulation.picture)
    simulation.warnings += change.warnings
    workloads: list[tuple[Workload, PodController | None, PodController]] = []
    for each in objects:
        before = simulation.picture.get(each.kind, each.record.key)
        if each.kind in CONTROLLER_KINDS and isinstance(each.record, PodController):
            workloads.append((Workload(each.kind.name, each.record.key), before, each.record))
        elif each.kind == POD and before is None:
            simulation.warnings.append(f"Pod {each.record.key} is new: etpguard does not place it")
    _change_objects(simulation, objects, str(change))
    for workload, former, after in workloads:
        _apply_workload(simulation, workload, former, after)
    for each in objects:
        if isinstance(each.record, HorizontalPodAutoscaler):
            _apply_autoscaler(simulation, each.record)


def _apply_autoscaler(simulation: Simulation, autoscaler: HorizontalPodAutoscaler) -> None:
    """The workload gets the number of replicas that the limits leave."""
    target = autoscaler.spec.scale_target_ref
    workload = Workload(target.kind, Key(autoscaler.key.namespace, target.name))
    if workload.kind not in KINDS:
        simulation.warnings.append(f"{workload}: etpguard does not read this kind, so no forecast scales it")
        return
    try:
        scale(simulation, Scale(workload, simulation.workloads.get(workload).replicas))
    except Refused as refused:
        simulation.warnings.append(str(refused))


def _apply_workload(
    simulation: Simulation, workload: Workload, former: PodController | None, after: PodController
) -> None:
    if workload.kind == "DaemonSet":
        place(simulation, workload, former, after)
    elif former is None:
        number = allowed_replicas(simulation, workload, after.replicas)
        new = (new_pod(after),) * number
        simulation.step(
            set(), list(simulation.alternatives), [extended(each, new=new) for each in simulation.alternatives]
        )
    if former is None:
        return
    if former.template != after.template:
        try:
            rollout(simulation, workload, placed=True)
        except Refused as refused:
            simulation.warnings.append(str(refused))
    if workload.kind != "DaemonSet" and former.replicas != after.replicas:
        scale(simulation, Scale(workload, after.replicas))


def _change_objects(simulation: Simulation, objects: Sequence[Applied], what: str) -> None:
    objects = _stored(objects, simulation.picture)
    services: set[Key] = set()
    former = {each.record.key: simulation.picture.get(SERVICE, each.record.key) for each in objects}
    changed_objects.put(simulation.world, objects)
    for each in objects:
        if isinstance(each.record, Service):
            services.add(each.record.key)
            _reselect(simulation, former[each.record.key], each.record)
            simulation.pods.put(each.record)
    changed = simulation.world.refresh()
    for key in changed | services:
        simulation.evaluator.because(key, what)
    simulation.step(changed | services, list(simulation.alternatives), list(simulation.alternatives))


def _stored(objects: Sequence[Applied], picture: Picture) -> list[Applied]:
    """The objects, with their Services as the API server stores them."""
    services = as_stored((each.record for each in objects if isinstance(each.record, Service)), picture)
    others = [each for each in objects if not isinstance(each.record, Service)]
    return [*(Applied(SERVICE, each) for each in services), *others]


def _reselect(simulation: Simulation, before: Service | None, after: Service) -> None:
    """A new Service, or one that selects or publishes other pods, gets the endpoints of these pods. One that gets
    another IP family gets their endpoints in it."""
    others = before is None or _publishes(before) != _publishes(after)
    families = set(ip_families(after)) - (set() if others or before is None else set(ip_families(before)))
    if not families:
        return
    if not others:
        simulation.warnings.append(
            f"the pods of Service {after.key} are taken to have an {', '.join(families)} address"
        )
    if not after.spec.selector:
        return
    if not simulation.pods.known:
        simulation.warnings.append(f"Pods cannot be read, so the endpoints of Service {after.key} are not known")
        return
    if others:
        simulation.world.remove(ENDPOINT_SLICE, replaced_slices(simulation.picture, after.key))
    made = slices_of(after, simulation.pods)
    simulation.world.put(ENDPOINT_SLICE, [each for each in made if each.address_type in families])


def _publishes(service: Service) -> tuple[object, bool]:
    return service.spec.selector, bool(service.spec.publish_not_ready_addresses)


def _service(simulation: Simulation, key: Key) -> Service:
    service = simulation.picture.get(SERVICE, key)
    if service is None:
        near = did_you_mean(str(key), simulation.picture.store(SERVICE).keys())
        raise Refused(f"there is no Service {key}{near}")
    return service


def _with_policy(simulation: Simulation, change: Policy) -> Service:
    service = _service(simulation, change.service)
    if not policy_applies(service):
        raise Refused(f"Service {change.service} has the type {service.type}, which takes no such policy")
    spec = msgspec.structs.replace(service.spec, external_traffic_policy=change.policy)
    return msgspec.structs.replace(service, spec=spec)
