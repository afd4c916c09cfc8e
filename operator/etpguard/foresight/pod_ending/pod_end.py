"""For how long a pod goes on receiving traffic after its deletion: while it is Ready and accepts connections.
Pure.

kube-proxy falls back to a terminating endpoint only while it is serving, which is the pod's readiness, and the
kubelet goes on with readiness probes after the deletion (k8s.io/kubernetes v1.37.2
pkg/kubelet/prober/worker.go). A program that fails its readiness at shutdown therefore ends its traffic before
it stops to accept connections.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from etpguard.objects.arguments import last_value
from etpguard.objects.pods import Handler, PodContainer, PodSpec

DEFAULT_GRACE = 30
_DURATION = re.compile(r"(?:([\d.]{1,6})h)?(?:([\d.]{1,6})m)?(?:([\d.]{1,6})s)?", re.ASCII)
_PERIOD, _FAILURES = 10, 3
"""Of a readiness probe, by default: core/v1 Probe."""


@dataclass(frozen=True, slots=True)
class ServingWindow:
    """The least and the most seconds after the deletion, and what they rest on, a sentence each."""

    least: int
    most: int
    because: tuple[str, ...]
    ended: int | None = None
    """The most until all containers have ended; None if that is not known."""
    keeps_paths: bool = False
    """Whether the paths of its traffic are known to answer as before while it serves."""


def serving_window(spec: PodSpec, labels: Mapping[str, str], ports: Set[int] = frozenset()) -> ServingWindow:
    """The window of a pod whose Service leads to these ports: that of the first container that no longer serves or
    makes the pod not Ready. Of an unknown program it begins at 0 and ends with the grace period."""
    grace = spec.termination_grace_period_seconds
    grace = DEFAULT_GRACE if grace is None else max(grace, 0)
    containers = spec.containers or ()
    drain = drain_of(spec, labels)
    serve = serving(containers, ports)
    windows = [_container(each, labels, grace, drain) for each in serve]
    keeps = all(window.keeps_paths for window in windows)
    windows += [
        _beside(each, _container(each, labels, grace, drain), grace)
        for each in deciding(containers, ports)
        if each not in serve
    ]
    if not windows:
        return ServingWindow(0, grace, (f"its containers are not known; the grace period is {grace} s",), grace)
    first = min(windows, key=lambda window: (window.least, window.most))
    return ServingWindow(min(w.least for w in windows), min(w.most for w in windows), first.because, grace, keeps)


def serving(containers: Sequence[PodContainer], ports: Set[int]) -> list[PodContainer]:
    """The containers that may serve these ports: those that declare one of them, or all if none does. Where the
    ports are not known, those that declare any."""
    return [
        each for each in containers if any(not ports or port.container_port in ports for port in each.ports or ())
    ] or list(containers)


def deciding(containers: Sequence[PodContainer], ports: Set[int]) -> list[PodContainer]:
    """The containers that decide for how long the pod gets traffic: those that serve, and those with a readiness
    probe."""
    serve = serving(containers, ports)
    return [each for each in containers if each in serve or each.readiness_probe]


def _beside(container: PodContainer, own: ServingWindow, grace: int) -> ServingWindow:
    """The window of a container that does not serve: the kubelet asks its readiness probe until the pod has ended,
    and the probe begins to fail when the container ends."""
    least, most = _readiness(container, 0)
    fails = f"the readiness probe of container {container.name} fails {least} to {most} s after it has ended"
    why = f"{fails}, and the pod is not Ready then"
    return ServingWindow(min(own.least + least, grace), min(own.most + most, grace), (*own.because, why))


def _container(
    container: PodContainer, labels: Mapping[str, str], grace: int, drain: Drain | None
) -> ServingWindow:
    hook = container.lifecycle and container.lifecycle.pre_stop
    delay = min(hook.sleep.seconds, grace) if hook and hook.sleep else 0
    because = [f"a preStop sleep of {delay} s"] if delay else []
    if is_ingress_nginx(container.program):
        if hook and hook.sleep is None and not hook.waits_for_shutdown:
            return _unknown(container, grace, hook)
        stays = min(delay + _whole(last_value(container.args or (), "shutdown-grace-period")), grace)
        fails = _readiness(container, delay)
        because += [
            f"ingress-nginx fails its readiness at shutdown, so the pod is not Ready {fails[0]} to {fails[1]} s "
            f"after its deletion, and --shutdown-grace-period lets it close its listeners after {stays} s"
        ]
        return ServingWindow(min(stays, fails[0]), min(stays, fails[1]), tuple(because), keeps_paths=True)
    if drain is not None:
        stays = delay if drain.manager is None else drain.serves
        fails = _readiness(container, delay if drain.manager is None else drain.delay)
        because += [
            f"the Envoy of {drain.of} fails its readiness at shutdown, so the pod is not Ready {fails[0]} to "
            f"{fails[1]} s after its deletion"
        ]
        return ServingWindow(min(stays, grace), min(fails[1], grace), tuple(because))
    if hook and hook.sleep is None:
        return _unknown(container, grace, hook)
    because += [f"the grace period of {grace} s", "how its program ends is not known"]
    return ServingWindow(delay, grace, tuple(because))


def _unknown(container: PodContainer, grace: int, hook: Handler) -> ServingWindow:
    image = container.program or "its program"
    what = "a preStop command" if hook.exec is not None else "a preStop request"
    return ServingWindow(
        0, grace, (f"{what}, whose effect on {image} is not known", f"the grace period of {grace} s")
    )


def is_ingress_nginx(image: str) -> bool:
    """registry.k8s.io/ingress-nginx/controller, and the image of Bitnami. cmd/nginx/main.go: /wait-shutdown sends
    SIGTERM at once, and /healthz fails from then on (internal/ingress/controller/checker.go:38)."""
    return image in ("ingress-nginx/controller", "ingress-nginx/controller-chroot") or image.endswith(
        "/nginx-ingress-controller"
    )


class Drain(NamedTuple):
    """How an Envoy of Contour or Envoy Gateway ends."""

    of: str
    manager: str | None
    """The name of the container that posts `healthcheck/fail`; None if it is not known."""
    delay: int
    """The seconds until it does."""
    serves: int
    """The seconds for which Envoy surely serves."""


CONTOUR, ENVOY_GATEWAY = "contour", "envoy-gateway"
_MANAGER = "shutdown-manager"
_MIN_DRAIN = 10


def drain_of(spec: PodSpec, labels: Mapping[str, str]) -> Drain | None:
    """That of a pod of these labels; None for another program. The shutdown manager of Contour
    (cmd/contour/shutdownmanager.go) waits for `--drain-delay` before anything else. That of Envoy Gateway
    (internal/cmd/envoy.go) waits for `--health-check-failure-delay`, and may let Envoy end after
    `--min-drain-duration`."""
    manager = next((each for each in spec.containers or () if each.name == _MANAGER), None)
    hook = manager and manager.lifecycle and manager.lifecycle.pre_stop
    command = (hook and hook.exec and hook.exec.command) or ()
    name = manager.name if manager else None
    if labels.get("app.kubernetes.io/managed-by") == ENVOY_GATEWAY:
        delay = _seconds(last_value(command, "health-check-failure-delay"))
        kept = last_value(command, "min-drain-duration")
        return Drain(ENVOY_GATEWAY, name, delay, min(delay, _MIN_DRAIN if kept is None else _seconds(kept)))
    contour = labels.get("app.kubernetes.io/name") == CONTOUR
    envoy = "envoy" in (labels.get("app.kubernetes.io/component"), labels.get("app"))
    if (contour and envoy) or (manager is not None and (contour or labels.get("app") == "envoy")):
        delay = _seconds(last_value(command, "drain-delay"))
        return Drain(CONTOUR, name, delay, delay)
    return None


def _readiness(container: PodContainer, delay: int) -> tuple[int, int]:
    """When the pod is no longer Ready if its probe fails from `delay` seconds on."""
    probe = container.readiness_probe
    period = (probe and probe.period_seconds) or _PERIOD
    failures = (probe and probe.failure_threshold) or _FAILURES
    return delay + (failures - 1) * period, delay + failures * period


def _seconds(text: str | None) -> int:
    """The whole seconds of a duration as Go writes it; 0 for another text."""
    found = _DURATION.fullmatch(text or "")
    hours, minutes, seconds = (float(part or 0) for part in found.groups()) if found else (0, 0, 0)
    return int(hours * 3600 + minutes * 60 + seconds)


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else 0
