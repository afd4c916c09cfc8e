"""The operator from its start to /readyz beside raw curls of the same lists, and what a resync takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.checkouts import Checkout
from bench.lists import JSON, three_curls
from bench.pairs import Runs, measure
from bench.spread import Spread, ratios
from bench.started import Started
from devcluster import Cluster

RESYNC_SECONDS = 20


@dataclass
class Starts:
    """Of each start: seconds to ready, CPU seconds until then and until everything of the start is through, the
    peak until then, and CPU seconds and peak of a resync."""

    ready: list[float] = field(default_factory=list)
    cpu_ready: list[float] = field(default_factory=list)
    cpu_settled: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    resync_cpu: list[float] = field(default_factory=list)
    resync_peak: list[float] = field(default_factory=list)

    def stored(self) -> dict[str, object]:
        return {
            "readySeconds": Spread.of(self.ready).stored(),
            "readyCpuSeconds": Spread.of(self.cpu_ready).stored(),
            "settledCpuSeconds": Spread.of(self.cpu_settled).stored(),
            "peakMB": Spread.of(self.peak, 1).stored(),
            "resyncCpuSeconds": Spread.of(self.resync_cpu).stored(),
            "resyncPeakMB": Spread.of(self.resync_peak, 1).stored(),
        }


def start(cluster: Cluster, pairs: int, checkouts: Sequence[Checkout]) -> dict[str, object]:
    """Each checkout and the curls in turn, `pairs` times after one warm-up."""
    starts, curls = {each.name: Starts() for each in checkouts}, Runs()
    for number in range(pairs + 1):
        for each in checkouts:
            one_start(cluster, each, Starts() if number == 0 else starts[each.name])
        measure(three_curls(cluster, JSON), Runs() if number == 0 else curls)
    print(f"etpguard run; median (least to most) of {pairs} pairs")
    figures: dict[str, object] = {"three curls, JSON": curls.stored()}
    first = starts[checkouts[0].name]
    for each in checkouts:
        own, title = starts[each.name], f"etpguard run{f' ({each.name})' if each.name else ''}"
        ratio = ratios(own.ready, curls.wall)
        figures[title] = {**own.stored(), "ratio": ratio.stored()}
        print(f"    {title} to ready: {Spread.of(own.ready).shown()} s; {ratio.shown()} times the curls")
        print(
            f"        CPU {Spread.of(own.cpu_ready).shown()} s until ready, "
            f"{Spread.of(own.cpu_settled).shown()} s until settled, peak {Spread.of(own.peak).shown(0)} MB"
        )
        print(
            f"        a resync: CPU {Spread.of(own.resync_cpu).shown()} s, "
            f"peak {Spread.of(own.resync_peak).shown(0)} MB",
        )
        if own is not first:
            figures[f"ratio to {each.name}"] = ratios(first.ready, own.ready).stored()
            print(f"        {checkouts[0].name or 'here'} / {each.name}: {ratios(first.ready, own.ready).shown()}")
    print(f"    three curls, JSON: {curls}", flush=True)
    return figures


def one_start(cluster: Cluster, checkout: Checkout, into: Starts) -> None:
    with Started(checkout, cluster.kubeconfig, f"--resync-interval={RESYNC_SECONDS}s") as operator:
        into.ready.append(operator.ready())
        into.cpu_ready.append(operator.usage().cpu)
        operator.settle()
        settled = operator.usage()
        into.cpu_settled.append(settled.cpu)
        into.peak.append(settled.peak / 1e6)
        resync = operator.resync()
        into.resync_cpu.append(resync.cpu)
        into.resync_peak.append(resync.peak / 1e6)
