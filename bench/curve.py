"""How CPU, memory and seconds grow with the cluster: one point for each size. CPU and memory are also given per
object: unlike seconds, they hardly depend on the other work of the machine."""

from __future__ import annotations

from bench.big_cluster import Size
from bench.checkouts import Checkout
from bench.lists import JSON, checks, three_curls
from bench.operator import write_slices
from bench.pairs import alternate
from bench.spread import Spread, ratios
from bench.started import Started
from devcluster import Cluster

FACTORS = (0.25, 0.5, 1.0, 2.0)
UPDATE_SECONDS = 20.0
UPDATE_RATE = 100.0


def point(cluster: Cluster, size: Size, pairs: int, checkout: Checkout) -> dict[str, object]:
    commands = [*checks(cluster, cluster.kubeconfig, [checkout]), three_curls(cluster, JSON)]
    check, curls = alternate(commands, pairs)
    ready, ready_cpu, peaks, updates = [], [], [], []
    for number in range(pairs + 1):
        with Started(checkout, cluster.kubeconfig) as operator:
            seconds = operator.ready()
            if number == 0:
                continue
            ready.append(seconds)
            ready_cpu.append(operator.usage().cpu)
            if number <= 3:
                operator.settle()
                peaks.append(operator.usage().peak / 1e6)
                before = operator.usage().cpu
                written = write_slices(cluster, size, UPDATE_SECONDS, UPDATE_RATE)
                operator.settle()  # on a busy machine it is behind
                updates.append(1e3 * (operator.usage().cpu - before) / written)
    measured = {
        "checkSeconds": Spread.of(check.wall),
        "checkCpuSeconds": Spread.of(check.cpu),
        "checkPeakMB": Spread.of([each / 1e6 for each in check.peak], 1),
        "curlSeconds": Spread.of(curls.wall),
        "readySeconds": Spread.of(ready),
        "readyCpuSeconds": Spread.of(ready_cpu),
        "operatorPeakMB": Spread.of(peaks, 1),
        **steady("updateCpuMs", updates),
    }
    update = f"{measured['updateCpuMs'].shown()} ms of CPU" if "updateCpuMs" in measured else "not measured"
    print(
        f"{size.nodes} Nodes, {size.services} Services and slices: check {measured['checkSeconds'].shown()} s, "
        f"CPU {measured['checkCpuSeconds'].shown()} s, peak {measured['checkPeakMB'].shown(0)} MB; ready "
        f"{measured['readySeconds'].shown()} s, CPU {measured['readyCpuSeconds'].shown()} s, peak "
        f"{measured['operatorPeakMB'].shown(0)} MB; an update {update}; "
        f"check / curls {ratios(check.wall, curls.wall).shown()}",
        flush=True,
    )
    per_object = {
        "checkMicroseconds": 1e6 * measured["checkCpuSeconds"].median / size.objects,
        "checkPeakKB": 1e3 * measured["checkPeakMB"].median / size.objects,
        "readyMicroseconds": 1e6 * measured["readyCpuSeconds"].median / size.objects,
        "operatorPeakKB": 1e3 * measured["operatorPeakMB"].median / size.objects,
    }
    return {
        "nodes": size.nodes,
        "services": size.services,
        "local": size.local,
        "objects": size.objects,
        **{name: spread.stored() for name, spread in measured.items()},
        "perObject": {name: round(value, 2) for name, value in per_object.items()},
    }


def steady(name: str, found: list[float]) -> dict[str, Spread]:
    """The figure under its name; nothing if one run has more than twice that of another. An operator that is
    behind on a busy machine has not taken in all updates when its CPU is read."""
    return {name: Spread.of(found)} if max(found) <= 2 * min(found) else {}


def growth(points: list[dict[str, object]]) -> dict[str, float]:
    """Each figure per object at the last size, divided by that at half of it."""
    once, twice = points[-2]["perObject"], points[-1]["perObject"]
    assert isinstance(once, dict)
    assert isinstance(twice, dict)
    found = {name: round(twice[name] / once[name], 2) for name in once}
    updates = [each["updateCpuMs"] for each in points[-2:] if "updateCpuMs" in each]
    if len(updates) == 2:
        assert all(isinstance(each, dict) for each in updates)
        found["updateCpu"] = round(updates[1]["median"] / updates[0]["median"], 2)  # type: ignore[index]
    return found
