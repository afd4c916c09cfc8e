"""The settings of a workload that a way out changes: a pod on every node, and a hand-over without loss. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import msgspec

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.targets import NodeTargets
from etpguard.assess.probe import HealthCheckNodePort, OwnNodePort
from etpguard.foresight.detection import NotKnown, Timing
from etpguard.foresight.no_endpoint.absence import daemon_tolerations
from etpguard.foresight.patches.behind import Behind
from etpguard.foresight.placement.node_filters import (
    UNSCHEDULABLE,
    affinity_admits,
    all_untolerated,
    unmet_selector,
)
from etpguard.foresight.placement.scheduling import Scheduling, Site
from etpguard.foresight.pod_ending.pod_end import (
    DEFAULT_GRACE,
    ENVOY_GATEWAY,
    deciding,
    drain_of,
    is_ingress_nginx,
)
from etpguard.foresight.workloads import REVISION_LABEL
from etpguard.objects.nodes import HOSTNAME_LABEL, Taint
from etpguard.objects.pods import PodContainer, PodSpec
from etpguard.objects.text import listed_nodes

Json = dict[str, Any]

SPARE = 5
"""Seconds that a preStop sleep lasts beyond the detection time."""


@dataclass(frozen=True)
class WorkloadPatch:
    """What changes; None or empty for what stays. `hooks` are preStop hooks by container, `constraint` is the
    topology spread constraint on the hostname. `notes` say what the change cannot do, a sentence each."""

    replicas: int | None = None
    min_ready: int | None = None
    constraint: Json | None = None
    strategy: Json | None = None
    grace: int | None = None
    hooks: Mapping[str, Json] = field(default_factory=dict)
    tolerations: Sequence[Json] = ()
    effect: str = ""
    cost: str = ""
    notes: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        simple = (self.replicas, self.min_ready, self.constraint, self.strategy, self.grace)
        return all(each is None for each in simple) and not self.hooks and not self.tolerations

    def spec(self, kind: str) -> Json:
        """The `spec` of a strategic merge patch."""
        pod: Json = {}
        if self.constraint is not None:
            pod["topologySpreadConstraints"] = [self.constraint]
        if self.grace is not None:
            pod["terminationGracePeriodSeconds"] = self.grace
        if self.tolerations:
            pod["tolerations"] = list(self.tolerations)
        if self.hooks:
            pod["containers"] = [
                {"name": name, "lifecycle": {"preStop": dict(hook)}} for name, hook in self.hooks.items()
            ]
        spec: Json = {} if self.replicas is None else {"replicas": self.replicas}
        if self.min_ready is not None:
            spec["minReadySeconds"] = self.min_ready
        if self.strategy is not None:
            spec["strategy" if kind == "Deployment" else "updateStrategy"] = self.strategy
        return {**spec, **({"template": {"spec": pod}} if pod else {})}


def spread(behind: Behind, scheduling: Scheduling, uncovered: Sequence[str]) -> WorkloadPatch:
    """A pod on each node that admits it. `uncovered` are the names of the eligible nodes without one."""
    pods = behind.controller.template.spec or PodSpec()
    sites = list(scheduling.sites.values())
    open_to = [site for site in sites if _selects(pods, site) and not _repelled(behind, site)]
    names = {site.name for site in open_to}
    shut = [name for name in uncovered if name not in names]
    if behind.workload.kind == "DaemonSet":
        return tolerate(behind, scheduling, uncovered)
    notes = [_shut_out(shut)] if shut else []
    if not open_to:
        return WorkloadPatch(notes=("no node admits its pods",))
    labels = dict(sorted(_match_labels(behind).items()))
    if not labels:
        return WorkloadPatch(notes=(f"the selector of {behind.workload} has no matchLabels",))
    replicas: int | None = None
    wanted, has = len(open_to), behind.controller.replicas
    if behind.autoscaler is not None:
        notes.append(
            f"HorizontalPodAutoscaler {behind.autoscaler.key} sets the replicas: its minReplicas must be {wanted} "
            "or more"
        )
    elif has < wanted:
        replicas = wanted
    more = f"has {wanted} replicas instead of {has}, and " if replicas else ""
    hostname_ports = pods.host_network or any(p.host_port for c in pods.containers or () for p in c.ports or ())
    strategy = None
    if behind.workload.kind == "Deployment" and hostname_ports and wanted > 1:
        # A new pod finds the host port taken on every node, so one old pod must go first.
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    return WorkloadPatch(
        replicas=replicas,
        strategy=strategy,
        constraint={
            "maxSkew": 1,
            "topologyKey": HOSTNAME_LABEL,
            "whenUnsatisfiable": "DoNotSchedule",
            "nodeTaintsPolicy": "Honor",
            "matchLabelKeys": [REVISION_LABEL[behind.workload.kind]],
            "labelSelector": {"matchLabels": labels},
        },
        effect=f"{behind.workload} {more}spreads its pods over the {_nodes(wanted)} that admit them.",
        cost="Cost: its pods are replaced by a rollout"
        + (f", and it has {wanted - has} more of them." if replicas else ".")
        + " A node that joins later has no pod until the next one. A DaemonSet has no such gap.",
        notes=tuple(notes),
    )


def hand_over(
    behind: Behind,
    consumers: Iterable[tuple[Consumer, Timing | NotKnown]],
    publishes: bool = False,
    ports: Set[int] = frozenset(),
) -> WorkloadPatch:
    """Pods that stay Ready and serve until the load balancers have stopped, where the check is the
    healthCheckNodePort; and rollouts that wait until new nodes get traffic. `publishes`: whether the Service has
    publishNotReadyAddresses, with which the check may pass until the pod has ended. `ports`: those of
    the pods to which the Service leads."""
    pods = behind.controller.template.spec or PodSpec()
    delay, up, notes = _demanded(consumers, publishes)
    hooks, grace = _delayed(pods, delay, behind, ports) if delay else ({}, None)
    if delay and not all(hooks):
        notes.append("the names of its containers are not known, so no preStop delay is set")
        hooks, grace = {}, None
    if delay and (kept := _kept_hooks(pods, delay, behind, ports)):
        notes += kept
        hooks, grace = {}, None
    has = behind.controller.spec.min_ready_seconds or 0
    min_ready = up if up > has else None
    if min_ready and (drain := drain_of(pods, behind.controller.template.labels)) and drain.of == ENVOY_GATEWAY:
        notes.append(f"no value sets minReadySeconds: let a patch in the EnvoyProxy set it to {min_ready}")
        min_ready = None
    parts = []
    if hooks:
        parts.append(f"serves for {delay} s after the deletion of a pod")
    if min_ready:
        parts.append(f"waits {up} s for each new pod in a rollout, until its node may get traffic")
    return WorkloadPatch(
        min_ready=min_ready,
        grace=grace,
        hooks=hooks,
        effect=f"{behind.workload} {', and '.join(parts)}." if parts else "",
        cost="Cost: its pods end later, and drains and rollouts take longer." if parts else "",
        notes=tuple(dict.fromkeys(notes)),
    )


def _demanded(
    consumers: Iterable[tuple[Consumer, Timing | NotKnown]], publishes: bool
) -> tuple[int, int, list[str]]:
    """For how many seconds pods must serve after their deletion, and for how many a rollout must wait for a new
    pod, by the slowest of these consumers; and what cannot be demanded."""
    delay = up = 0
    notes: list[str] = []
    for consumer, timing in consumers:
        if not isinstance(consumer.targets, NodeTargets):
            continue
        if isinstance(timing, NotKnown):
            notes.append(f"no delay is set for {consumer}: {timing.why}")
            continue
        up = max(up, timing.starts or 0)
        if isinstance(consumer.probe, HealthCheckNodePort) and publishes:
            notes.append(
                f"no delay is set for {consumer}: the Service has publishNotReadyAddresses, with which "
                "healthCheckNodePort may pass until a pod has ended"
            )
        elif isinstance(consumer.probe, HealthCheckNodePort):
            delay = max(delay, timing.down(dropped=False)[1] + SPARE)
            if timing.cuts:
                resets = f"{consumer} resets open connections when its health check has failed"
                notes.append(f"{resets}: set {timing.cuts} to false")
            if not timing.lag_known:
                notes.append(f"how long {consumer} sends on after its health check has failed is not known")
        elif isinstance(consumer.probe, OwnNodePort):
            notes.append(f"{consumer} checks the traffic port, which a preStop delay does not help")
    return delay, up, notes


def _selects(pods: PodSpec, site: Site) -> bool:
    return not unmet_selector(pods, site.node.labels) and affinity_admits(pods, site.node)


def _repelled(behind: Behind, site: Site) -> list[Taint]:
    """The taints that keep its pods away, that of a cordon among them."""
    pods = behind.controller.template.spec or PodSpec()
    taints = [*site.node.taints, *([UNSCHEDULABLE] if site.unschedulable else [])]
    by_itself = daemon_tolerations(pods) if behind.workload.kind == "DaemonSet" else []
    return all_untolerated([*(pods.tolerations or ()), *by_itself], taints)


def _delayed(pods: PodSpec, delay: int, behind: Behind, ports: Set[int]) -> tuple[dict[str, Json], int | None]:
    """preStop hooks by container, and the grace period that they need. An Envoy with a shutdown manager fails its
    readiness by a command of that container. That of Contour gets the delay as its argument; the hook of one of
    Envoy Gateway stands for the values of its EnvoyProxy."""
    containers = pods.containers or ()
    given = pods.termination_grace_period_seconds
    grace = DEFAULT_GRACE if given is None else given
    drain = drain_of(pods, behind.controller.template.labels)
    if drain is not None and drain.manager is not None:
        if drain.serves >= delay:
            return {}, None
        if drain.of == ENVOY_GATEWAY:
            return {drain.manager: {"sleep": {"seconds": delay}}}, None
        command = ["contour", "envoy", "shutdown", f"--drain-delay={delay}s"]
        return {drain.manager: {"exec": {"command": command}}}, grace + delay - drain.delay
    serving = deciding(containers, ports)
    if all(_sleep(each) >= delay for each in serving):
        return {}, None
    rest = max(grace - max((_sleep(each) for each in serving), default=0), 1)
    return {each.name: _hook(each, delay) for each in serving}, max(grace, delay + rest)


def _kept_hooks(pods: PodSpec, delay: int, behind: Behind, ports: Set[int]) -> list[str]:
    """A sentence for each container with a hook that a sleep must not replace, because what it does is not known.
    /wait-shutdown of ingress-nginx sends SIGTERM at once, which the kubelet does after the sleep."""
    containers = pods.containers or ()
    drain = drain_of(pods, behind.controller.template.labels)
    if drain is not None and drain.manager is not None:
        return []
    return [
        f"container {each.name} has a preStop hook, which is kept, so no delay is set: let the hook last {delay} "
        "s before the program ends, within terminationGracePeriodSeconds"
        for each in deciding(containers, ports)
        if (hook := each.lifecycle and each.lifecycle.pre_stop) and hook.sleep is None
        if not (hook.waits_for_shutdown and is_ingress_nginx(each.program))
    ]


def _sleep(container: PodContainer) -> int:
    hook = container.lifecycle and container.lifecycle.pre_stop
    return hook.sleep.seconds if hook and hook.sleep else 0


def _hook(container: PodContainer, delay: int) -> Json:
    """A hook has only one handler, so the patch removes a command: core/v1 LifecycleHandler."""
    hook = container.lifecycle and container.lifecycle.pre_stop
    other: Json = {"exec": None} if hook and hook.exec is not None else {}
    return {**other, "sleep": {"seconds": max(delay, _sleep(container))}}


def _match_labels(behind: Behind) -> dict[str, str]:
    selector = behind.controller.spec.selector
    return dict((selector and selector.match_labels) or {})


def tolerate(behind: Behind, scheduling: Scheduling, uncovered: Sequence[str]) -> WorkloadPatch:
    """The tolerations with which a DaemonSet, which places its pods itself, runs a pod on these nodes too."""
    pods = behind.controller.template.spec or PodSpec()
    sites = [scheduling.sites[name] for name in uncovered if name in scheduling.sites]
    shut = [site for site in sites if not _selects(pods, site) or _repelled(behind, site)]
    if not shut:
        note = f"{behind.workload} runs a pod on each of these nodes: find out why it is not Ready there"
        return WorkloadPatch(notes=(note,))
    missing: dict[Taint, None] = {}
    unselected = []
    for site in shut:
        if not _selects(pods, site):
            unselected.append(site.name)
        else:
            missing.update(dict.fromkeys(_repelled(behind, site)))
    notes = []
    if unselected:
        notes.append(f"the nodeSelector or the affinity of {behind.workload} excludes {listed_nodes(unselected)}")
    if not missing:
        return WorkloadPatch(notes=tuple(notes))
    added = [{"key": taint.key, "operator": "Exists", "effect": taint.effect} for taint in missing]
    kept: list[Json] = [msgspec.to_builtins(each) for each in pods.tolerations or ()]
    tidy = [{key: value for key, value in each.items() if value is not None} for each in kept]
    taints = ", ".join(dict.fromkeys(f"{taint.key}:{taint.effect}" for taint in missing))
    return WorkloadPatch(
        tolerations=[*tidy, *added],
        effect=f"{behind.workload} tolerates {taints}, and so runs a pod on the nodes with it.",
        cost="Cost: its pods run on nodes that the taint keeps for others.",
        notes=tuple(notes),
    )


def _shut_out(names: Sequence[str]) -> str:
    admit, stay = ("admit", "stay") if len(names) > 1 else ("admits", "stays")
    return f"{listed_nodes(names)} {admit} none of its pods (taints, nodeSelector, affinity) and {stay} uncovered"


def _nodes(number: int) -> str:
    return f"{number} node{'s' if number > 1 else ''}"
