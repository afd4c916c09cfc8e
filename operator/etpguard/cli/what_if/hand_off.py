"""The hand-off in the WhatIfReport, and the lines below its table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from etpguard.assess.probe import OwnNodePort
from etpguard.foresight.detection import NotKnown, Timing
from etpguard.foresight.forecasts.forecast import Phases
from etpguard.foresight.pod_ending.hand_off import words
from etpguard.foresight.pod_ending.pod_ends import PodEnd
from etpguard.objects.text import listed_nodes

Json = dict[str, Any]

_SHOWN = 20
"""How many Services are listed below the table."""
_SHOWN_NODES = 3


def hand_off_report(phases: Phases, max_nodes: int) -> Json | None:
    """The entry of the report; None if no change ends the last pod of a node that gets traffic."""
    if phases.hand_off is None:
        return None
    worst = phases.hand_off.worst.found
    return {
        "verdict": worst.verdict.value,
        "seconds": _pair(worst.seconds),
        "ends": [_end(each, max_nodes) for each in phases.hand_off.ends],
    }


def _end(end: PodEnd, max_nodes: int) -> Json:
    known = None if isinstance(end.timing, NotKnown) else end.timing
    dropped = end.with_node or isinstance(end.consumer.probe, OwnNodePort)
    return {
        "change": end.change,
        "kind": end.consumer.kind,
        "namespace": end.consumer.namespace,
        "name": end.consumer.name,
        "port": end.consumer.port,
        "nodes": list(end.nodes[:max_nodes] if max_nodes else end.nodes),
        "verdict": end.found.verdict.value,
        "seconds": _pair(end.found.seconds),
        "detectionSeconds": _detection(known, dropped=dropped) if known else None,
        "servesSeconds": [end.window.least, end.window.most] if end.window else None,
        "trafficAfterSeconds": known.starts if known else None,
        "minReadySeconds": end.min_ready_seconds,
        "because": list(end.found.because),
    }


def _detection(timing: Timing, *, dropped: bool) -> list[int | None]:
    least, most = timing.down(dropped=dropped)
    return [least, timing.bounded(most)]


def _pair(seconds: tuple[int, int | None] | None) -> list[int | None] | None:
    return None if seconds is None else list(seconds)


def hand_off_lines(services: Sequence[Phases]) -> Iterable[str]:
    """The verdict for each pod that ends, and the facts behind it."""
    shown = [each for each in services if each.hand_off is not None]
    if not shown:
        return
    yield "When the last pod of a node ends:"
    for phases in shown[:_SHOWN]:
        for end in phases.hand_off.ends if phases.hand_off else ():
            on = listed_nodes(end.nodes, _SHOWN_NODES)
            yield f"  {phases.service} behind {end.consumer}, {on}: {words(end.found)}"
            yield from (f"    {each}" for each in end.found.because)
    if len(shown) > _SHOWN:
        yield f"  and {len(shown) - _SHOWN} more Services (-o json lists all)"
