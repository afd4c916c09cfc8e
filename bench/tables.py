"""The blocks and pictures of the docs, each from the figures of the benchmark. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bench.chart import Line, Panel, svg
from bench.extrapolate import Fit, fit

Json = Mapping[str, Any]

LARGE_NODES, LARGE_SLICES = 15_000, 100_000
LIMIT_MB = 1074.0
"""The memory limit in the manifests, 1Gi."""


def _prose(text: str) -> str:
    return textwrap.fill(text, 125, break_long_words=False, break_on_hyphens=False)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _spread(figure: Json, digits: int = 2) -> str:
    return f"{figure['median']:.{digits}f} ({figure['min']:.{digits}f} to {figure['max']:.{digits}f})"


def _when(part: Json, *, sizes_in_table: bool = False) -> str:
    """Where and when a part was measured; honest about a machine that had other work. Of a part with several
    sizes, the table has them."""
    machine = part["machine"]
    load = machine["load"]
    busy = "" if load < 0.5 * machine["cores"] else ". **The machine had other work**, so the seconds are too high"
    size = (
        f"{machine['nodes']:,} Nodes, {machine['services']:,} Services of which {machine['local']:,} are `Local`, "
        "and as many EndpointSlices of 15 endpoints"
    )
    return _prose(
        f"Measured {machine['date']} with {'the sizes in the table' if sizes_in_table else size}, on "
        f"{machine['cores']} cores ({machine['cpu']}), Python {machine['python']}, load average {load:g} "
        f"at the start{busy}."
    )


def _compared(part: Json) -> str:
    rows = []
    for name, figure in part["figures"].items():
        if not isinstance(figure, Mapping):
            continue
        ratio = figure.get("ratio")
        cells = (
            _spread(figure["seconds"]),
            f"{figure['cpuSeconds']['median']:.2f}",
            f"{figure['peakMB']['max']:.0f}",
        )
        rows.append([f"`{name}`", *cells, _spread(ratio) if ratio else ""])
    rows.sort(key=lambda row: (row[-1] != "", row[0]))
    head = ("command", "seconds, median (least to most)", "CPU seconds", "peak MB", "`check` / command, per pair")
    return f"{_when(part)}\n\n{_table(head, rows)}"


def _start(measured: Json) -> str:
    part = measured["start"]
    own, curls = part["figures"]["etpguard run"], part["figures"]["three curls, JSON"]
    rows = [
        ["start until ready", f"{_spread(own['readySeconds'])} s", f"{_spread(own['ratio'])} times three `curl`s"],
        ["three `curl` requests for the same lists, JSON", f"{_spread(curls['seconds'])} s", ""],
        ["CPU until ready", f"{_spread(own['readyCpuSeconds'])} s", ""],
        ["CPU until all watches run and all was listed again", f"{_spread(own['settledCpuSeconds'])} s", ""],
        ["peak memory of all processes", f"{_spread(own['peakMB'], 0)} MB", ""],
        ["CPU of a resync", f"{_spread(own['resyncCpuSeconds'])} s", "by default every 10 minutes"],
        ["peak memory during a resync", f"{_spread(own['resyncPeakMB'], 0)} MB", ""],
    ]
    if gaps := measured.get("gaps"):
        ready = gaps["figures"]["until ready"]["main"]
        rows.append(["largest gap of the main loop until ready", f"{ready['maxMs']:.0f} ms", "3 runs"])
    return f"{_when(part)}\n\n{_table(('measure', 'value', ''), rows)}"


def _work(measured: Json) -> str:
    rows = []
    own = measured["updates"]["figures"]
    played, behind = own["playedPerSecond"], own["behindSeconds"]
    rows.append(["updates per second with which the operator keeps up", f"{played:,} ({behind:g} s behind)"])
    rows.append(["updates per second that the API server takes from 8 writers", f"{own['recordedPerSecond']:,}"])
    rows.append(["CPU of 1,000 updates of EndpointSlices, played back", f"{own['cpuMsPer1000']} ms"])
    own = measured["latency"]["figures"]["asked rate"]
    took = f"median {own['medianMs']:.0f} ms, 99th percentile {own['p99Ms']:.0f} ms"
    rate = f"{own['perSecond']} updates per second"
    rows.append([f"from the answer of the API server to the new assessment, at {rate}", took])
    own = measured["churn"]["figures"]["main"]
    rows.append(["largest gap of the main loop under churn", f"{own['maxMs']:.0f} ms"])
    return f"{_when(measured['updates'])}\n\n{_table(('measure', 'value'), rows)}"


def _points(measured: Json) -> list[Json]:
    return list(measured["curve"]["figures"]["points"])


def _curve(measured: Json) -> str:
    head = (
        "Nodes",
        "Services, slices",
        "CPU of `check`, s",
        "peak, MB",
        "CPU until ready, s",
        "operator, MB",
        "CPU of an update, ms",
        "`check` per object",
        "operator per object",
    )
    rows = [
        [
            f"{point['nodes']:,}",
            f"{point['services']:,}",
            _spread(point["checkCpuSeconds"]),
            f"{point['checkPeakMB']['median']:.0f}",
            _spread(point["readyCpuSeconds"]),
            f"{point['operatorPeakMB']['median']:.0f}",
            _spread(point["updateCpuMs"]) if "updateCpuMs" in point else "not measured",
            f"{point['perObject']['checkMicroseconds']:.0f} µs, {point['perObject']['checkPeakKB']:.1f} kB",
            f"{point['perObject']['readyMicroseconds']:.0f} µs, {point['perObject']['operatorPeakKB']:.1f} kB",
        ]
        for point in _points(measured)
    ]
    grown = measured["curve"]["figures"]["growth"]
    most = max(grown, key=lambda name: grown[name])
    last = _prose(
        "From half of the last size to the last size, the largest growth of a figure per object is "
        f"{grown[most]:.2f} times ({most})."
    )
    picture = "![CPU and memory by the size of the cluster](pictures/scale.svg)"
    return f"{picture}\n\n{_when(measured['curve'], sizes_in_table=True)}\n\n{_table(head, rows)}\n\n{last}"


def _fits(measured: Json) -> dict[str, Fit]:
    points = _points(measured)
    names = ("checkCpuSeconds", "checkPeakMB", "readyCpuSeconds", "operatorPeakMB")
    return {name: fit([(point["objects"], point[name]["median"]) for point in points]) for name in names}


def _large(measured: Json) -> str:
    fits, objects = _fits(measured), LARGE_NODES + 2 * LARGE_SLICES
    value = {name: found.at(objects) for name, found in fits.items()}
    last_point = _points(measured)[-1]
    rows = [
        ["`etpguard check`", f"{value['checkCpuSeconds']:.0f} s of CPU, {value['checkPeakMB'] / 1e3:.1f} GB"],
        ["operator until ready", f"{value['readyCpuSeconds']:.0f} s of CPU"],
        ["operator, peak memory", f"{value['operatorPeakMB'] / 1e3:.1f} GB"],
    ]
    if "updateCpuMs" in last_point:
        update = last_point["updateCpuMs"]["median"]
        rows.append(["one update of an EndpointSlice", f"{update:.2f} ms of CPU, as at every size"])
    reached = fits["operatorPeakMB"].objects_at(LIMIT_MB)
    scale = reached / _points(measured)[-1]["objects"]
    first = _prose(
        f"A straight line through the points of the curve gives, for {LARGE_NODES:,} Nodes, {LARGE_SLICES:,} "
        f"Services and {LARGE_SLICES:,} EndpointSlices of 15 endpoints:"
    )
    last = _prose(
        "By the same line, the operator reaches the memory limit of the manifests (1Gi) at "
        f"{reached:,.0f} objects, which is {scale:.1f} times the largest point of the curve."
    )
    return f"{first}\n\n{_table(('measure', 'value'), rows)}\n\n{last}"


def _resources(measured: Json) -> str:
    return f"{_start(measured)}\n\n{_work(measured)}"


def _soak(measured: Json) -> str:
    soak = measured["soak"]
    machine, counts = soak["machine"], soak["counts"]
    minutes = max(len(replica["minutes"]) for replica in soak["replicas"].values())
    rows = []
    for name, replica in soak["replicas"].items():
        grown = replica["growthPerHour"]
        settled = [each for each in replica["minutes"] if each["minute"] >= 15] or replica["minutes"]
        memory = f"{settled[0]['memory_mb']:.0f} to {settled[-1]['memory_mb']:.0f} MB"
        rows.append(
            [
                name,
                memory,
                f"{grown['memory_mb']:+.2f} MB",
                f"{grown['steady_memory_mb']:+.2f} MB",
                f"{grown['blocks']:+,} of {settled[-1]['blocks']:,}",
                f"{grown['threads']:+.1f}",
                f"{grown['descriptors']:+.1f}",
                f"{grown['requests']:+.0%}",
            ]
        )
    head = (
        "replica",
        "memory after minute 15",
        "growth per hour: memory",
        "memory between changes of the leader",
        "blocks of memory in use",
        "threads",
        "file descriptors",
        "requests a minute",
    )
    load, cores = machine["load"], machine["cores"]
    first = _prose(
        f"Measured {machine['date']} over {minutes} minutes on {cores} cores, load average {load:g} at the start: "
        f"{counts['slices']:,} updates of EndpointSlices ({counts['slices'] / minutes / 60:.0f} a second), "
        f"{counts['flaps']:,} flaps of nodes, {counts['services']:,} Services that came and went, "
        f"{counts['resets']} resets of all connections of one replica, "
        f"{counts['leaderChanges']} changes of the leader."
    )
    picture = "![Memory, blocks in use, threads, file descriptors and requests a minute](pictures/soak.svg)"
    faults = soak["faults"]
    last = _prose(f"Above the goal: {'; '.join(faults)}." if faults else "All are within the goal.")
    return f"{picture}\n\n{first}\n\n{_table(head, rows)}\n\n{last}"


@dataclass(frozen=True)
class Block:
    """`parts` of the benchmark that it shows. `of` gives its text, or the content of a picture."""

    parts: Sequence[str]
    of: Callable[[Json], str]

    def measured(self, figures: Json) -> bool:
        return all(part in figures for part in self.parts)


BLOCKS = {
    "check": Block(["check"], lambda measured: _compared(measured["check"])),
    "wire": Block(["wire"], lambda measured: _compared(measured["wire"])),
    "file": Block(["file"], lambda measured: _compared(measured["file"])),
    "start": Block(["start"], _start),
    "work": Block(["updates", "latency", "churn"], _work),
    "curve": Block(["curve"], _curve),
    "large": Block(["curve"], _large),
    "resources": Block(["start", "updates", "latency", "churn"], _resources),
    "soak": Block(["soak"], _soak),
}
"""By the name that a page uses."""


def _draw_curve(measured: Json) -> str:
    points = _points(measured)

    def line(title: str, name: str) -> Line:
        return Line(title, [(point["objects"] / 1e3, point[name]["median"]) for point in points if name in point])

    label = "thousand Nodes, Services and slices"
    updates = Panel("CPU of one update, ms", label, [line("operator", "updateCpuMs")])
    return svg(
        "CPU and memory by the size of the cluster",
        [
            Panel(
                "CPU seconds of check, and until ready",
                label,
                [line("etpguard check", "checkCpuSeconds"), line("operator", "readyCpuSeconds")],
            ),
            Panel(
                "peak memory, MB",
                label,
                [line("etpguard check", "checkPeakMB"), line("operator", "operatorPeakMB")],
            ),
            *([updates] if updates.lines[0].points else []),
        ],
        columns=3,
    )


def _draw_soak(measured: Json) -> str:
    replicas = measured["soak"]["replicas"]
    first = next(iter(replicas.values()))["minutes"]
    marks = [later["minute"] for sooner, later in pairwise(first) if sooner["leading"] != later["leading"]]

    def panel(title: str, name: str) -> Panel:
        lines = [
            Line(f"replica {replica}", [(each["minute"], each[name]) for each in series["minutes"]])
            for replica, series in replicas.items()
        ]
        return Panel(title, "minutes; dashed: change of the leader", lines, marks)

    return svg(
        "Memory, blocks in use, threads, file descriptors and requests a minute in an hour of churn",
        [
            panel("memory, MB", "memory_mb"),
            panel("blocks of memory that Python has in use", "blocks"),
            panel("threads", "threads"),
            panel("file descriptors", "descriptors"),
            panel("requests a minute", "requests"),
        ],
        columns=2,
    )


PICTURES = {"scale.svg": Block(["curve"], _draw_curve), "soak.svg": Block(["soak"], _draw_soak)}
