"""`make bench`: the parts named, or all, on a large cluster in a real API server.

`python -m bench.race`, which needs a data plane and no large cluster, and `python -m bench.soak`, which takes an
hour, are separate programs. The figures also go to a file, from which `python -m bench.pages` renews the docs.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import devcluster
from bench import big_cluster, curve, latency, lists, machine, operator, other_tools, results, start, updates
from bench.checkouts import HERE, Checkout
from devcluster import Cluster, binaries

PARTS = ("check", "wire", "file", "peers", "start", "gaps", "updates", "latency", "churn", "curve")
FLAGS = (
    "--service-node-port-range=20000-42000",
    "--max-requests-inflight=800",
    "--max-mutating-requests-inflight=400",
)


def main() -> None:
    given = _options()
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
        # Without compiled modules `check` takes 0.2 s more. Installed programs have them, and a checkout that is
        # new or has changed gets them in the run that does not count.
        os.environ.pop(name, None)
    about = {"nodes": given.nodes, "services": given.services, "local": given.local}
    given.machine = {**machine.description(), **about}
    checkouts = [Checkout.at("", HERE)]
    if given.against:
        checkouts = [Checkout.at("here", HERE), Checkout.at("there", given.against)]
    size = big_cluster.Size(nodes=given.nodes, services=given.services, local=given.local)
    binaries.paths(("etcd", "kube-apiserver", "kubectl"))
    with devcluster.start(
        audit_level="None", controllers=(), apiserver_flags=FLAGS, garbage_collection_percent=100
    ) as cluster:
        cluster.kubectl("apply", "--server-side", "-f", str(HERE / "crds"))
        points: list[dict[str, object]] = []
        before = big_cluster.NOTHING
        for factor in curve.FACTORS if "curve" in given.parts else (1.0,):
            present = size.times(factor)
            _load(cluster, present, before)
            before = present
            if factor == 1.0:
                _once(cluster, present, given, checkouts)
            if "curve" in given.parts:
                with big_cluster.at_work(cluster):
                    points.append(curve.point(cluster, present, given.pairs, checkouts[0]))
            if len(points) >= 2:  # kept as they come, since the largest takes the longest
                grown = curve.growth(points)
                print(f"per object, the size / half the size: {grown}", flush=True)
                results.write(given.out, "curve", {"points": points, "growth": grown}, given.machine)


def _once(cluster: Cluster, size: big_cluster.Size, given: argparse.Namespace, checkouts: list[Checkout]) -> None:
    """All parts but the curve, each at once the size."""
    pairs = given.pairs
    quiet: dict[str, Callable[[], dict[str, object]]] = {
        "check": lambda: lists.check_live(cluster, pairs, checkouts),
        "wire": lambda: lists.check_wire(cluster, pairs, checkouts),
        "file": lambda: lists.check_file(cluster, pairs, checkouts),
        "peers": lambda: other_tools.compare(cluster.kubeconfig, pairs),
        "start": lambda: start.start(cluster, pairs, checkouts),
        "gaps": lambda: operator.gaps(cluster, 3),
    }
    busy: dict[str, Callable[[], dict[str, object]]] = {
        "updates": lambda: updates.updates(cluster, size, given.updates_rate),
        "latency": lambda: latency.latency(cluster, size, given.churn_rate),
        "churn": lambda: operator.churn(cluster, size, given.churn_seconds, given.churn_rate),
    }
    with big_cluster.at_work(cluster):
        _measure(quiet, given)
    _measure(busy, given)


def _measure(parts: dict[str, Callable[[], dict[str, object]]], given: argparse.Namespace) -> None:
    for part, work in parts.items():
        if part in given.parts:
            began = time.monotonic()
            figures = work()
            print(f"[{part}: {time.monotonic() - began:.0f} s]", flush=True)
            if not given.against:
                results.write(given.out, part, figures, given.machine)


def _load(cluster: Cluster, size: big_cluster.Size, beyond: big_cluster.Size) -> None:
    began = time.monotonic()
    print(f"loading {size}", flush=True)
    big_cluster.load(cluster, size, beyond)
    print(f"loaded in {time.monotonic() - began:.0f} s", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--pairs", type=int, default=9, help="runs of each command, in turn")
    parser.add_argument("--nodes", type=int, default=5_000)
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--local", type=int, default=2_000)
    parser.add_argument("--churn-seconds", type=float, default=60)
    parser.add_argument("--churn-rate", type=float, default=100)
    parser.add_argument("--updates-rate", type=float, default=1500)
    parser.add_argument(
        "--against",
        type=Path,
        metavar="PATH",
        help="another checkout: check, wire, file and start run both in turn; no figures are kept",
    )
    parser.add_argument("--out", type=Path, default=results.BENCH, help="file that gets the figures")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    given.parts = given.parts or (("check", "wire", "file", "start") if given.against else PARTS)
    return given


if __name__ == "__main__":
    main()
